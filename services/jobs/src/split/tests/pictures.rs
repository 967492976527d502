//! Pictures that strangers make.

use std::io::Cursor;

use png::{BitDepth, ColorType};
use tiff::encoder::{TiffEncoder, TiffValue, colortype};

use super::png_of;
use crate::split::picture::{Glance, PictureError, glance, read_grey};

fn grey(png: &[u8]) -> Result<(u32, u32, Vec<u8>), PictureError> {
    let mut pixels = Vec::new();
    let (width, height) = read_grey(Cursor::new(png), &mut pixels)?;
    Ok((width, height, pixels))
}

fn gradient(len: u8) -> Vec<u8> {
    (0..len).map(|n| n.wrapping_mul(7)).collect()
}

/// A header alone, with a right checksum.
fn header_only(width: u32, height: u32) -> Vec<u8> {
    let mut png = png_of(1, 1, ColorType::Grayscale, BitDepth::Eight, &[0]);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    png
}

#[test]
fn grey_pixels_come_out_as_they_went_in() {
    let pixels = gradient(6 * 5);
    let png = png_of(6, 5, ColorType::Grayscale, BitDepth::Eight, &pixels);
    assert_eq!(grey(&png).unwrap(), (6, 5, pixels));
    let glanced = glance(Cursor::new(&png)).unwrap();
    assert_eq!(glanced, Glance { width: 6, height: 5, samples: "grey", kind: "PNG" });
}

#[test]
fn other_samples_become_eight_bits_of_grey() {
    for (color, depth, samples, expected) in [
        (ColorType::Grayscale, BitDepth::Sixteen, &[0x12, 0x34, 0xff, 0x00][..], [0x12, 0xff]),
        (ColorType::Grayscale, BitDepth::One, &[0b0100_0000], [0, 255]),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, &[9, 0, 200, 255], [9, 200]),
        (ColorType::Rgb, BitDepth::Eight, &[255, 0, 0, 0, 0, 255], [76, 29]),
        (ColorType::Rgba, BitDepth::Eight, &[0, 255, 0, 0, 5, 5, 5, 9], [150, 5]),
    ] {
        let png = png_of(2, 1, color, depth, samples);
        assert_eq!(grey(&png).unwrap(), (2, 1, expected.to_vec()), "{color:?} {depth:?}");
    }
}

/// Five by five pixels of `y * 5 + x`, written by hand in the seven passes of Adam7.
const INTERLACED: &[u8] = include_bytes!("interlaced.png");

#[test]
fn an_interlaced_picture_is_put_in_order() {
    let (width, height, pixels) = grey(INTERLACED).unwrap();
    assert_eq!((width, height), (5, 5));
    assert_eq!(pixels, (0..25).collect::<Vec<u8>>());
}

#[test]
fn a_picture_cut_anywhere_is_refused() {
    for png in
        [png_of(9, 7, ColorType::Grayscale, BitDepth::Eight, &gradient(63)), INTERLACED.into()]
    {
        for cut in 0..png.len() {
            assert!(grey(&png[..cut]).is_err(), "cut at {cut} of {}", png.len());
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let png = png_of(9, 7, ColorType::Grayscale, BitDepth::Eight, &gradient(63));
    for (at, bit) in (0..png.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = png.clone();
        flipped[at] ^= 1 << bit;
        if let Ok((_, _, pixels)) = grey(&flipped) {
            assert_eq!(pixels, gradient(63), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn pictures_of_absurd_size_are_refused_by_their_header() {
    for (width, height) in [(100_000, 100_000), (20_000, 20_000), (65_537, 1), (1, u32::MAX >> 1)] {
        let refused = grey(&header_only(width, height));
        assert!(matches!(refused, Err(PictureError::Size { .. })), "{width} x {height}");
    }
    assert!(matches!(grey(&header_only(10_000, 10_000)), Err(PictureError::Png(_))));
    assert!(matches!(grey(&header_only(0, 10)), Err(PictureError::Png(_))));
}

fn tiff<C: colortype::ColorType>(width: u32, height: u32, samples: &[C::Inner]) -> Vec<u8>
where
    [C::Inner]: TiffValue,
{
    let mut out = Cursor::new(Vec::new());
    TiffEncoder::new(&mut out).unwrap().write_image::<C>(width, height, samples).unwrap();
    out.into_inner()
}

#[test]
fn samples_of_tiff_pictures_become_eight_bits_of_grey() {
    for (name, picture, expected) in [
        ("grey", tiff::<colortype::Gray8>(2, 1, &[7, 200]), [7, 200]),
        ("16-bit grey", tiff::<colortype::Gray16>(2, 1, &[0x1234, 0xff00]), [0x12, 0xff]),
        ("RGB", tiff::<colortype::RGB8>(2, 1, &[255, 0, 0, 0, 0, 255]), [76, 29]),
        ("16-bit RGB", tiff::<colortype::RGB16>(2, 1, &[0, 0xffff, 0, 9, 9, 9]), [150, 0]),
        ("RGBA", tiff::<colortype::RGBA8>(2, 1, &[0, 255, 0, 0, 5, 5, 5, 9]), [150, 5]),
    ] {
        assert_eq!(grey(&picture).unwrap(), (2, 1, expected.to_vec()), "{name}");
    }
    let fractions = tiff::<colortype::Gray32Float>(1, 1, &[0.5]);
    assert!(matches!(grey(&fractions), Err(PictureError::Samples(_))));
}

#[test]
fn samples_of_pgm_and_ppm_pictures_become_eight_bits_of_grey() {
    for (text, expected) in [
        (&b"P5 2 1 255\n\x07\xc8"[..], [7, 200]),
        (b"P5 2 1 65535\n\x12\x34\xff\x00", [0x12, 0xff]),
        (b"P5 2 1 1\n\x00\x01", [0, 255]),
        (b"P5 2 1 4095\n\x0f\xff\x08\x00", [255, 128]),
        (b"P5 2 1 100\n\x64\xff", [255, 255]),
        (b"P6 2 1 255\n\xff\x00\x00\x00\x00\xff", [76, 29]),
    ] {
        assert_eq!(grey(text).unwrap(), (2, 1, expected.to_vec()), "{}", text.escape_ascii());
    }
}

#[test]
fn other_kinds_of_picture_are_refused_when_cut_or_absurd() {
    let pgm = [b"P5\n9 7\n255\n".to_vec(), gradient(63)].concat();
    let tiff = tiff::<colortype::Gray8>(9, 7, &gradient(63));
    assert_eq!(grey(&tiff).unwrap().2, grey(&pgm).unwrap().2);
    for cut in 0..pgm.len() {
        assert!(grey(&pgm[..cut]).is_err(), "PGM cut at {cut}");
    }
    for cut in 0..tiff.len() {
        // What stands behind the pixels and the directory may be missing.
        if let Ok((_, _, pixels)) = grey(&tiff[..cut]) {
            assert_eq!(pixels, gradient(63), "TIFF cut at {cut}");
        }
    }
    let longer = [pgm, b"x".to_vec()].concat();
    assert!(matches!(grey(&longer), Err(PictureError::Damaged("it has bytes after its pixels"))));
    for header in ["P5 20000 20000 255\n", "P5 65537 1 255\n", "P6 0 5 255\n"] {
        let refused = grey(header.as_bytes());
        assert!(matches!(refused, Err(PictureError::Size { .. })), "{header}");
    }
    for header in ["P5 2 1 0\n12", "P5 2 1 65536\n12", "P5 -2 1 255\n12", "P5 99999999999 1 255\n"]
    {
        assert!(matches!(grey(header.as_bytes()), Err(PictureError::Damaged(_))), "{header}");
    }
    assert!(matches!(grey(b"GIF89a"), Err(PictureError::Kind)));
}

#[test]
fn a_flipped_byte_of_a_tiff_picture_never_takes_the_reader_down() {
    let tiff = tiff::<colortype::Gray8>(9, 7, &gradient(63));
    for (at, value) in (0..tiff.len()).flat_map(|at| [0, 1, 127, 255].map(|value| (at, value))) {
        let mut flipped = tiff.clone();
        flipped[at] = value;
        if let Ok((width, height, pixels)) = grey(&flipped) {
            let size = u64::from(width) * u64::from(height);
            assert_eq!(u64::try_from(pixels.len()).unwrap(), size, "byte {at} as {value}");
        }
    }
}
