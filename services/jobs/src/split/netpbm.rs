//! Binary PGM (P5) and PPM (P6) pictures with 8 or 16 bits a sample, read row by row.

use std::io::{self, BufRead, Read, Write};

use super::picture::{Glance, PictureError, check_size, grey_of};

/// The most bytes of a header with its comments.
const HEADER_BYTES_MAX: u64 = 64 * 1024;

struct Header {
    /// Samples of a pixel: 1 or 3.
    samples: u32,
    width: u32,
    height: u32,
    /// The value of white, 1 to 65,535.
    max: u32,
}

/// What the header says.
pub(super) fn glance(mut source: impl BufRead) -> Result<Glance, PictureError> {
    let Header { samples, width, height, max } = header(&mut source)?;
    let (samples, kind) = match (samples, max) {
        (1, 256..) => ("16-bit grey", "PGM"),
        (1, _) => ("grey", "PGM"),
        (_, _) => ("colour", "PPM"),
    };
    Ok(Glance { width, height, samples, kind })
}

/// Writes the grey pixels row by row; gives width and height.
pub(super) fn read_grey(
    mut source: impl BufRead,
    out: &mut dyn Write,
) -> Result<(u32, u32), PictureError> {
    let Header { samples, width, height, max } = header(&mut source)?;
    check_size(width, height)?;
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let wide = max > 255;
    let stride = size(width).saturating_mul(size(samples)).saturating_mul(if wide { 2 } else { 1 });
    let mut row = vec![0; stride];
    let mut grey = Vec::with_capacity(size(width));
    for _ in 0..height {
        source.read_exact(&mut row).map_err(cut)?;
        let eight: Vec<u8> = if wide {
            let wide = row.as_chunks::<2>().0.iter();
            wide.map(|sample| scaled(u16::from_be_bytes(*sample).into(), max)).collect()
        } else {
            row.iter().map(|sample| scaled((*sample).into(), max)).collect()
        };
        grey.clear();
        grey_of(size(samples), &eight, &mut grey);
        out.write_all(&grey)?;
    }
    if source.fill_buf()?.is_empty() {
        Ok((width, height))
    } else {
        Err(PictureError::Damaged("it has bytes after its pixels"))
    }
}

fn cut(error: io::Error) -> PictureError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        PictureError::Damaged("it ends before its pixels do")
    } else {
        PictureError::Io(error)
    }
}

/// A sample in 8 bits. Of 16 full bits the lower half is lost, as with other kinds of picture.
fn scaled(sample: u32, max: u32) -> u8 {
    let eight = match max {
        255 => sample,
        65_535 => sample >> 8,
        _ => {
            let scaled = sample.min(max).saturating_mul(255).saturating_add(max >> 1);
            scaled.checked_div(max).unwrap_or_default()
        }
    };
    u8::try_from(eight).unwrap_or(u8::MAX)
}

fn header(source: &mut impl BufRead) -> Result<Header, PictureError> {
    let mut source = source.by_ref().take(HEADER_BYTES_MAX);
    let mut magic = [0; 2];
    source.read_exact(&mut magic).map_err(cut)?;
    let samples = if &magic == b"P6" { 3 } else { 1 };
    let mut number = || number(&mut source);
    let (width, height, max) = (number()?, number()?, number()?);
    if !(1..=65_535).contains(&max) {
        return Err(PictureError::Damaged("its largest value is not 1 to 65,535"));
    }
    Ok(Header { samples, width, height, max })
}

/// The next number after white space and comments, and the one byte after it.
fn number(source: &mut impl Read) -> Result<u32, PictureError> {
    const BROKEN: PictureError = PictureError::Damaged("its header is broken");
    let mut number: Option<u32> = None;
    let mut comment = false;
    loop {
        let mut byte = [0];
        source.read_exact(&mut byte).map_err(cut)?;
        let [byte] = byte;
        match (byte, number) {
            (b'\n', _) if comment => comment = false,
            _ if comment => {}
            (b'#', None) => comment = true,
            (b'0'..=b'9', _) => {
                let digit = u32::from(byte.wrapping_sub(b'0'));
                let longer = number.unwrap_or_default().checked_mul(10);
                number = Some(longer.and_then(|n| n.checked_add(digit)).ok_or(BROKEN)?);
            }
            (_, Some(number)) if byte.is_ascii_whitespace() => return Ok(number),
            (_, None) if byte.is_ascii_whitespace() => {}
            _ => return Err(BROKEN),
        }
    }
}
