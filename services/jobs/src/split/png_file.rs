//! PNG pictures. Only an interlaced picture is held in memory as a whole.

use std::io::{BufRead, Seek, Write};

use png::{BitDepth, ColorType, Decoder, InterlaceInfo, Limits, Reader, Transformations};

use super::picture::{Glance, PictureError, check_size, grey_of};

/// The most bytes that the decoder may hold.
const DECODER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the header says.
pub(super) fn glance(source: impl BufRead + Seek) -> Result<Glance, PictureError> {
    let mut decoder = Decoder::new_with_limits(source, Limits { bytes: DECODER_BYTES_MAX });
    let info = decoder.read_header_info()?;
    let samples = match (info.color_type, info.bit_depth) {
        (ColorType::Grayscale | ColorType::GrayscaleAlpha, BitDepth::Sixteen) => "16-bit grey",
        (ColorType::Grayscale | ColorType::GrayscaleAlpha, _) => "grey",
        (ColorType::Rgb | ColorType::Rgba | ColorType::Indexed, _) => "colour",
    };
    Ok(Glance { width: info.width, height: info.height, samples, kind: "PNG" })
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
        grey.clear();
        grey_of(color.samples(), row.data(), &mut grey);
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
    check_size(width, height)?;
    Ok(decoder.read_info()?)
}
