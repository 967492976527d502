//! The mergers on the pieces that programs write, and over a store.

mod partitions;
mod tables;
mod tried;
mod whole;

use crate::merge::error::{Fault, Piece, Pieces};

/// What a rule makes of these pieces, or what it says.
pub(super) fn made(
    pieces: &[Option<&str>],
    rule: impl Fn(Pieces<'_>, &mut dyn std::io::Write) -> Result<(), Fault>,
) -> Result<String, String> {
    let mut out = Vec::new();
    let mut pieces =
        pieces.iter().map(|piece| -> Piece { Ok(piece.map(|text| text.as_bytes().to_vec())) });
    match rule(&mut pieces, &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(Fault::Chunk(chunk, why)) => Err(format!("{chunk}: {why}")),
        Err(Fault::Whole(why)) => Err(why),
        Err(Fault::Io(error)) => panic!("{error}"),
    }
}
