//! `tiles`: the cores of a picture's tiles put together to one PNG picture. Pure but for the
//! writer.
//!
//! Cores come row by row, so that only one row of tiles is held at a time. The encoder's settings
//! are fixed: equal tiles give equal files.

use std::io::Write;

use png::{BitDepth, ColorType, Compression, Encoder};

use super::error::{Fault, Pieces};
use super::pnm::{self, Pnm};
use crate::split::{ChunkInput, Plan};

/// Writes the picture that the pieces make, which are PGM or PPM pictures of their tiles' cores.
pub(super) fn tiles(plan: &Plan, pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    let picture = plan.picture.as_ref();
    let picture = picture.ok_or_else(|| Fault::Whole("the job is not split by tiles".into()))?;
    let mut pieces = pieces.enumerate().peekable();
    // The first tile says whether the picture is grey or coloured.
    let samples = match pieces.peek() {
        Some((chunk, Ok(Some(piece)))) => {
            pnm::read(piece).map_err(|why| Fault::Chunk(*chunk, format!("it wrote {why}")))?.samples
        }
        _ => 1,
    };
    let mut encoder = Encoder::new(out, picture.width, picture.height);
    encoder.set_color(if samples == 1 { ColorType::Grayscale } else { ColorType::Rgb });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    let mut png = encoder.write_header()?;
    let mut rows = png.stream_writer()?;
    let mut band = Band::new(picture.width, samples);
    for ((chunk, piece), tile) in pieces.zip(plan.iter()) {
        let piece = piece?.ok_or_else(|| Fault::Chunk(chunk, "it wrote no picture".into()))?;
        let core =
            pnm::read(&piece).map_err(|why| Fault::Chunk(chunk, format!("it wrote {why}")))?;
        if band.place(&tile, &core).map_err(|why| Fault::Chunk(chunk, why))? {
            rows.write_all(&band.pixels)?;
        }
    }
    rows.finish()?;
    Ok(png.finish()?)
}

/// Whether a piece is a picture of its tile's core; says why where it is none.
pub(super) fn fits(tile: &ChunkInput, piece: &[u8]) -> Result<(), String> {
    let core = pnm::read(piece).map_err(|why| format!("it wrote {why}"))?;
    left_of(tile, &core).map(|_| ())
}

/// Where the core of this tile begins in its row of the picture, if it is as large as it should be.
fn left_of(tile: &ChunkInput, core: &Pnm<'_>) -> Result<u32, String> {
    let ChunkInput::Tile { core_x, core_width, core_height, .. } = *tile else {
        return Err("it is no tile".to_owned());
    };
    if (core.width, core.height) == (core_width, core_height) {
        return Ok(core_x);
    }
    Err(format!(
        "it wrote a picture of {} x {} pixels instead of {core_width} x {core_height}",
        core.width, core.height
    ))
}

/// One row of tiles.
struct Band {
    width: u32,
    samples: u32,
    pixels: Vec<u8>,
}

impl Band {
    const fn new(width: u32, samples: u32) -> Self {
        Self { width, samples, pixels: Vec::new() }
    }

    /// Places a core; says whether it was the last of its row.
    fn place(&mut self, tile: &ChunkInput, core: &Pnm<'_>) -> Result<bool, String> {
        let core_x = left_of(tile, core)?;
        if core.samples != self.samples {
            return Err("it wrote grey where others wrote colour, or the reverse".to_owned());
        }
        let bytes = |pixels: u32| {
            usize::try_from(u64::from(pixels).saturating_mul(self.samples.into())).unwrap_or(0)
        };
        let (stride, left, len) = (bytes(self.width), bytes(core_x), bytes(core.width));
        if core_x == 0 {
            let rows = usize::try_from(core.height).unwrap_or(0);
            self.pixels.clear();
            self.pixels.resize(stride.saturating_mul(rows), 0);
        }
        let lines = self.pixels.chunks_exact_mut(stride.max(1));
        for (line, source) in lines.zip(core.pixels.chunks_exact(len.max(1))) {
            if let Some(target) = line.get_mut(left..left.saturating_add(len)) {
                target.copy_from_slice(source);
            }
        }
        Ok(core_x.saturating_add(core.width) >= self.width)
    }
}
