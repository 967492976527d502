//! Reading pictures as 8-bit grey pixels: what all kinds have in common.
//!
//! Colours become grey by the usual luma weights in whole numbers, 16-bit samples lose their lower
//! half, transparency is ignored: the same picture gives the same pixels on every machine. Rows are
//! handed on as they are read.

use std::io::{BufRead, Read, Seek, SeekFrom, Write};

use super::{netpbm, png_file, tiff_file};

/// The most pixels of a picture, and of one side.
const PIXELS_MAX: u64 = 100_000_000;
const SIDE_MAX: u32 = 65_536;
const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes that tell the kinds apart.
const MAGIC_BYTES: usize = 8;

/// Why a picture cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PictureError {
    #[error(
        "it is {width} x {height} pixels; at most 100 million and {SIDE_MAX} a side are possible, \
         and at least one"
    )]
    Size { width: u32, height: u32 },
    #[error("only PNG, TIFF, PGM and PPM pictures can be read, and this is none")]
    Kind,
    #[error("it is a damaged PNG picture ({0})")]
    Png(#[from] png::DecodingError),
    #[error("it is a damaged or unusual TIFF picture ({0})")]
    Tiff(#[from] tiff::TiffError),
    #[error("it is a damaged picture: {0}")]
    Damaged(&'static str),
    #[error("its samples are {0}: save it with 8 or 16 bits of grey, RGB or RGBA")]
    Samples(String),
    #[error("its bytes could not be read or its pixels stored")]
    Io(#[from] std::io::Error),
}

/// The kinds of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Png,
    Tiff,
    Netpbm,
}

impl Kind {
    /// By the first bytes.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [b'P', b'5' | b'6', space, ..] if space.is_ascii_whitespace() => Some(Self::Netpbm),
            _ if head.starts_with(PNG_MAGIC) => Some(Self::Png),
            _ => None,
        }
    }
}

/// What a picture is, from its header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    /// `grey`, `16-bit grey` or `colour`.
    pub(super) samples: &'static str,
    /// `PNG`, `TIFF`, `PGM` or `PPM`.
    pub(super) kind: &'static str,
}

/// Looks at a picture's header.
pub(super) fn glance(mut source: impl BufRead + Seek) -> Result<Glance, PictureError> {
    match kind_of(&mut source)? {
        Kind::Png => png_file::glance(source),
        Kind::Tiff => tiff_file::glance(source),
        Kind::Netpbm => netpbm::glance(source),
    }
}

/// Writes the grey pixels row by row; gives width and height.
pub(super) fn read_grey(
    mut source: impl BufRead + Seek,
    out: &mut dyn Write,
) -> Result<(u32, u32), PictureError> {
    match kind_of(&mut source)? {
        Kind::Png => png_file::read_grey(source, out),
        Kind::Tiff => tiff_file::read_grey(source, out),
        Kind::Netpbm => netpbm::read_grey(source, out),
    }
}

fn kind_of(source: &mut (impl Read + Seek)) -> Result<Kind, PictureError> {
    let mut head = [0; MAGIC_BYTES];
    let mut filled = 0_usize;
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest)? {
            0 => break,
            read => filled = filled.saturating_add(read),
        }
    }
    source.seek(SeekFrom::Start(0))?;
    Kind::of(head.get(..filled).unwrap_or_default()).ok_or(PictureError::Kind)
}

/// Refuses pictures that are too large to be read, by their header.
pub(super) fn check_size(width: u32, height: u32) -> Result<(), PictureError> {
    let pixels = u64::from(width).saturating_mul(u64::from(height));
    if pixels == 0 || pixels > PIXELS_MAX || width > SIDE_MAX || height > SIDE_MAX {
        return Err(PictureError::Size { width, height });
    }
    Ok(())
}

/// ITU-R 601 luma, rounded; the weights add up to 65,536.
pub(super) fn luma(r: u8, g: u8, b: u8) -> u8 {
    let sum = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 32_768;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
}

/// One row in grey, of pixels with so many samples: grey, grey and alpha, RGB, or RGBA.
pub(super) fn grey_of(samples: usize, row: &[u8], out: &mut Vec<u8>) {
    match samples {
        2 => out.extend(row.as_chunks::<2>().0.iter().map(|[g, _]| *g)),
        3 => out.extend(row.as_chunks::<3>().0.iter().map(|[r, g, b]| luma(*r, *g, *b))),
        4 => out.extend(row.as_chunks::<4>().0.iter().map(|[r, g, b, _]| luma(*r, *g, *b))),
        _ => out.extend_from_slice(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_grey_and_colours_have_their_weights() {
        for (rgb, grey) in [
            ([0, 0, 0], 0),
            ([7, 7, 7], 7),
            ([255, 255, 255], 255),
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
        ] {
            assert_eq!(luma(rgb[0], rgb[1], rgb[2]), grey, "{rgb:?}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (head, kind) in [
            (PNG_MAGIC, Some(Kind::Png)),
            (b"II*\0", Some(Kind::Tiff)),
            (b"MM\0+", Some(Kind::Tiff)),
            (b"P5\n", Some(Kind::Netpbm)),
            (b"P6 1", Some(Kind::Netpbm)),
            (b"P2\n", None),
            (b"P5x", None),
            (b"IIx\0", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(head), kind, "{}", head.escape_ascii());
        }
    }
}
