//! `concat` and `zip`: the pieces as they are. Pure but for the writer.

use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::error::{Fault, Pieces};

/// One piece after the other.
pub(super) fn concat(pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    for piece in pieces {
        out.write_all(&piece?.unwrap_or_default())?;
    }
    Ok(())
}

/// An archive with the pieces under names like `007-cells.csv`. Equal pieces give equal archives:
/// all entries have the same time. Chunks without the file have no entry.
pub(super) fn zip(
    file: &str,
    chunks: usize,
    pieces: Pieces<'_>,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let name = file.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("stdout");
    let digits = chunks.saturating_sub(1).to_string().len();
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut archive = ZipWriter::new_stream(out);
    for (chunk, piece) in pieces.enumerate() {
        let Some(piece) = piece? else { continue };
        let large = u32::try_from(piece.len()).is_err();
        archive.start_file(format!("{chunk:0digits$}-{name}"), options.large_file(large))?;
        archive.write_all(&piece)?;
    }
    archive.finish()?.flush()?;
    Ok(())
}
