//! TIFF pictures, the first of a file: strips or tiles, uncompressed, deflate, LZW or packed bits.
//! One band of strips or tiles is held in memory at a time.

use std::io::{Read, Seek, Write};

use tiff::ColorType;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::picture::{Glance, PictureError, check_size, grey_of};

/// The most bytes of one strip or tile, unpacked.
const STRIP_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The most bytes of one entry of the directory.
const ENTRY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The value of the tag `PlanarConfiguration` where each colour is stored by itself.
const PLANAR: u16 = 2;

fn open<R: Read + Seek>(source: R) -> Result<Decoder<R>, PictureError> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = STRIP_BYTES_MAX;
    limits.intermediate_buffer_size = STRIP_BYTES_MAX;
    limits.ifd_value_size = ENTRY_BYTES_MAX;
    Ok(Decoder::new(source)?.with_limits(limits))
}

/// What the header says.
pub(super) fn glance(source: impl Read + Seek) -> Result<Glance, PictureError> {
    let mut decoder = open(source)?;
    let (width, height) = decoder.dimensions()?;
    let samples = match decoder.colortype()? {
        ColorType::Gray(16) | ColorType::GrayA(16) => "16-bit grey",
        ColorType::Gray(_) | ColorType::GrayA(_) => "grey",
        _ => "colour",
    };
    Ok(Glance { width, height, samples, kind: "TIFF" })
}

/// Writes the grey pixels row by row; gives width and height.
pub(super) fn read_grey(
    source: impl Read + Seek,
    out: &mut dyn Write,
) -> Result<(u32, u32), PictureError> {
    let mut decoder = open(source)?;
    let (width, height) = decoder.dimensions()?;
    check_size(width, height)?;
    let samples = samples(&mut decoder)?;
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (piece_width, piece_height) = decoder.chunk_dimensions();
    let pieces = match decoder.get_chunk_type() {
        ChunkType::Strip => decoder.strip_count()?,
        ChunkType::Tile => decoder.tile_count()?,
    };
    let across = width.div_ceil(piece_width.max(1));
    let down = height.div_ceil(piece_height.max(1));
    if piece_width == 0 || piece_height == 0 || across.checked_mul(down).is_none_or(|n| n > pieces)
    {
        return Err(PictureError::Damaged("it has fewer strips or tiles than its size needs"));
    }
    let mut band = Vec::new();
    for row in 0..down {
        band.clear();
        for column in 0..across {
            let index = row.saturating_mul(across).saturating_add(column);
            let (piece_wide, piece_high) = decoder.chunk_data_dimensions(index);
            let grey = grey(decoder.read_chunk(index)?, samples)?;
            band.resize(size(width).saturating_mul(size(piece_high)), 0);
            let left = size(column.saturating_mul(piece_width));
            let lines = band.chunks_exact_mut(size(width).max(1));
            for (line, source) in lines.zip(grey.chunks_exact(size(piece_wide).max(1))) {
                if let Some(target) = line.get_mut(left..left.saturating_add(source.len())) {
                    target.copy_from_slice(source);
                }
            }
        }
        out.write_all(&band)?;
    }
    Ok((width, height))
}

/// Samples of a pixel, if they can become grey.
fn samples<R: Read + Seek>(decoder: &mut Decoder<R>) -> Result<usize, PictureError> {
    let color = decoder.colortype()?;
    let samples = match color {
        ColorType::Gray(8 | 16) => 1,
        ColorType::GrayA(8 | 16) => 2,
        ColorType::RGB(8 | 16) => 3,
        ColorType::RGBA(8 | 16) => 4,
        other => return Err(PictureError::Samples(format!("{other:?}"))),
    };
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration)? == Some(PLANAR);
    if planar && samples > 1 {
        return Err(PictureError::Samples("stored one colour after the other".into()));
    }
    Ok(samples)
}

/// The grey pixels of a strip or tile.
fn grey(piece: DecodingResult, samples: usize) -> Result<Vec<u8>, PictureError> {
    let eight = match piece {
        DecodingResult::U8(bytes) => bytes,
        DecodingResult::U16(words) => {
            words.into_iter().map(|word| word.to_be_bytes()).map(|[high, _]| high).collect()
        }
        _ => return Err(PictureError::Samples("signed or fractions".into())),
    };
    let mut grey = Vec::new();
    grey_of(samples, &eight, &mut grey);
    Ok(grey)
}
