//! Reading PNG pictures as 8-bit grey pixels.
//!
//! Colours become grey by the usual luma weights in whole numbers, 16-bit samples lose their lower
//! half, transparency is ignored: the same picture gives the same pixels on every machine. Rows are
//! handed on as they are read; only an interlaced picture is held in memory as a whole.

use std::io::{BufRead, Seek, Write};

use png::{BitDepth, ColorType, Decoder, InterlaceInfo, Limits, Reader, Transformations};

/// The most pixels of a picture, and of one side.
const PIXELS_MAX: u64 = 100_000_000;
const SIDE_MAX: u32 = 65_536;
/// The most bytes that the decoder may hold.
const DECODER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a picture cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PictureError {
    #[error(
        "it is {width} x {height} pixels; at most 100 million and {SIDE_MAX} a side are possible"
    )]
    Size { width: u32, height: u32 },
    #[error("only PNG pictures can be read, and this is none or a damaged one ({0})")]
    Png(#[from] png::DecodingError),
    #[error("its pixels could not be stored")]
    Write(#[from] std::io::Error),
}

/// Width, height and what its samples are, from the header alone.
pub(super) fn glance(
    source: impl BufRead + Seek,
) -> Result<(u32, u32, &'static str), PictureError> {
    let mut decoder = Decoder::new_with_limits(source, Limits { bytes: DECODER_BYTES_MAX });
    let info = decoder.read_header_info()?;
    let samples = match (info.color_type, info.bit_depth) {
        (ColorType::Grayscale | ColorType::GrayscaleAlpha, BitDepth::Sixteen) => "16-bit grey",
        (ColorType::Grayscale | ColorType::GrayscaleAlpha, _) => "grey",
        (ColorType::Rgb | ColorType::Rgba | ColorType::Indexed, _) => "colour",
    };
    Ok((info.width, info.height, samples))
}

/// Writes the grey pixels row by row; gives width and height.
pub(super) fn read_grey(
    source: impl BufRead + Seek,
    out: &mut dyn Write,
) -> Result<(u32, u32), PictureError> {
    let mut reader = open(source)?;
    let (width, height) = reader.info().size();
    let interlaced = reader.info().interlaced;
    let stride = usize::try_from(width).unwrap_or(usize::MAX);
    let rows = usize::try_from(height).unwrap_or(usize::MAX);
    let mut frame = vec![0; if interlaced { stride.saturating_mul(rows) } else { 0 }];
    let (color, _) = reader.output_color_type();
    let mut grey = Vec::with_capacity(stride);
    while let Some(row) = reader.next_interlaced_row()? {
        grey_of(color, row.data(), &mut grey);
        match row.interlace() {
            InterlaceInfo::Null(_) => out.write_all(&grey)?,
            InterlaceInfo::Adam7(pass) => {
                png::expand_interlaced_row(&mut frame, stride, &grey, pass, 8);
            }
        }
    }
    // A picture that is cut after its pixels is cut all the same.
    reader.finish()?;
    out.write_all(&frame)?;
    Ok((width, height))
}

fn open<R: BufRead + Seek>(source: R) -> Result<Reader<R>, PictureError> {
    let mut decoder = Decoder::new_with_limits(source, Limits { bytes: DECODER_BYTES_MAX });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let (width, height) = decoder.read_header_info()?.size();
    let pixels = u64::from(width).saturating_mul(u64::from(height));
    if pixels > PIXELS_MAX || width > SIDE_MAX || height > SIDE_MAX {
        return Err(PictureError::Size { width, height });
    }
    Ok(decoder.read_info()?)
}

/// One row in grey.
fn grey_of(color: ColorType, row: &[u8], out: &mut Vec<u8>) {
    out.clear();
    match color {
        ColorType::Grayscale | ColorType::Indexed => out.extend_from_slice(row),
        ColorType::GrayscaleAlpha => out.extend(row.as_chunks::<2>().0.iter().map(|[g, _]| *g)),
        ColorType::Rgb => {
            out.extend(row.as_chunks::<3>().0.iter().map(|[r, g, b]| luma(*r, *g, *b)));
        }
        ColorType::Rgba => {
            out.extend(row.as_chunks::<4>().0.iter().map(|[r, g, b, _]| luma(*r, *g, *b)));
        }
    }
}

/// ITU-R 601 luma, rounded; the weights add up to 65,536.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    let sum = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 32_768;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
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
}
