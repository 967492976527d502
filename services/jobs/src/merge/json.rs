//! `json`: pieces that are JSON values, as the elements of one array. Pure but for the writer.

use std::io::Write;

use serde_json::value::RawValue;

use super::error::{Fault, Pieces};

/// All values of all pieces, in chunk order, each on a line of its own and as it was written. A
/// piece may have one value, several (JSON lines), or none.
pub(super) fn array(pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    let mut before: &[u8] = b"[\n";
    for (chunk, piece) in pieces.enumerate() {
        let piece = piece?.unwrap_or_default();
        for value in serde_json::Deserializer::from_slice(&piece).into_iter::<Box<RawValue>>() {
            let value = value.map_err(|error| {
                Fault::Chunk(chunk, format!("it wrote something that is not JSON: {error}"))
            })?;
            out.write_all(before)?;
            out.write_all(value.get().as_bytes())?;
            before = b",\n";
        }
    }
    let end: &[u8] = if before.starts_with(b"[") { b"[]\n" } else { b"\n]\n" };
    Ok(out.write_all(end)?)
}
