//! Reading binary PGM (P5) and PPM (P6) with 8 bits a sample. Pure.

/// A decoded header and the pixels after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pnm<'a> {
    /// Bytes of a pixel: 1 is grey, 3 is colour.
    pub(super) samples: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Exactly `width * height * samples` bytes.
    pub(super) pixels: &'a [u8],
}

/// Reads a picture; says what is wrong with it otherwise.
pub(super) fn read(bytes: &[u8]) -> Result<Pnm<'_>, &'static str> {
    let (samples, mut rest) = match bytes {
        [b'P', b'5', rest @ ..] => (1, rest),
        [b'P', b'6', rest @ ..] => (3, rest),
        _ => return Err("no binary PGM or PPM picture"),
    };
    let mut numbers = [0_u32; 3];
    for number in &mut numbers {
        *number = header_number(&mut rest).ok_or("a picture with a broken header")?;
    }
    let [width, height, max] = numbers;
    if max != 255 {
        return Err("a picture whose largest value is not 255");
    }
    // One white space ends the header; the next byte may look like one and is a pixel.
    let [separator, pixels @ ..] = rest else { return Err("a picture without pixels") };
    let expected = u64::from(width)
        .checked_mul(height.into())
        .and_then(|pixels| pixels.checked_mul(samples.into()));
    if !separator.is_ascii_whitespace() || expected != u64::try_from(pixels.len()).ok() {
        return Err("a picture with too few or too many pixels");
    }
    Ok(Pnm { samples, width, height, pixels })
}

/// The next number of a header, after white space and comments.
fn header_number(rest: &mut &[u8]) -> Option<u32> {
    loop {
        match rest {
            [b'#', ..] => *rest = rest.get(rest.iter().position(|b| *b == b'\n')?..)?,
            [b, tail @ ..] if b.is_ascii_whitespace() => *rest = tail,
            _ => break,
        }
    }
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_may_have_comments_and_any_white_space() {
        let grey = Pnm { samples: 1, width: 3, height: 2, pixels: b"\n12345" };
        assert_eq!(read(b"P5\n# made by hand\n3 2\n255\n\n12345"), Ok(grey));
        assert_eq!(read(b"P5 3\t2 # x\n #y\n255 \n12345"), Ok(grey));
        let colour = Pnm { samples: 3, width: 1, height: 1, pixels: b"rgb" };
        assert_eq!(read(b"P6 1 1 255\nrgb"), Ok(colour));
    }

    #[test]
    fn other_things_are_refused() {
        for bytes in [
            &b""[..],
            b"P2 1 1 255\n7",
            b"P5",
            b"P5 1",
            b"P5 1 1",
            b"P5 1 1 255",
            b"P5 1 1 255\n",
            b"P5 1 1 255\nxy",
            b"P5 1 1 65535\nxy",
            b"P5 -1 1 255\nx",
            b"P5 # no end",
            b"P6 4294967295 4294967295 255\nx",
        ] {
            assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
