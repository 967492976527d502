//! `concat`: the pieces as they are. Pure but for the writer.

use std::io::Write;

use super::error::{Fault, Pieces};

/// One piece after the other.
pub(super) fn concat(pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    for piece in pieces {
        out.write_all(&piece?.unwrap_or_default())?;
    }
    Ok(())
}
