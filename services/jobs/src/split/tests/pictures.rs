//! Pictures that strangers make.

use std::io::Cursor;

use png::{BitDepth, ColorType};

use super::png_of;
use crate::split::picture::{PictureError, glance, read_grey};

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
    assert_eq!(glance(Cursor::new(&png)).unwrap(), (6, 5, "grey"));
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
