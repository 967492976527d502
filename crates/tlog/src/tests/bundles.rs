//! Entry bundles: names, bytes, limits.

use super::*;

#[test]
fn a_bundle_is_lengths_and_bytes() {
    let entries: [&[u8]; 3] = [b"ab", b"", b"c"];
    let bytes = encode_bundle(entries).unwrap();
    assert_eq!(bytes, b"\0\x02ab\0\0\0\x01c");
    assert_eq!(decode_bundle(&bytes).unwrap(), entries);
    let long = vec![7; 256];
    assert_eq!(encode_bundle([long.as_slice()]).unwrap()[..3], [1, 0, 7], "the higher byte first");
}

#[test]
fn limits_are_kept_on_both_ways() {
    let (most, over) = (vec![1; ENTRY_BYTES_MAX], vec![1; ENTRY_BYTES_MAX + 1]);
    let bytes = encode_bundle([most.as_slice()]).unwrap();
    assert_eq!(decode_bundle(&bytes).unwrap(), [most.as_slice()]);
    let long = BundleError::TooLong { entry: 1, bytes: ENTRY_BYTES_MAX + 1 };
    assert_eq!(encode_bundle([b"".as_slice(), &over]), Err(long));

    let full = encode_bundle(std::iter::repeat_n(b"x".as_slice(), 256)).unwrap();
    assert_eq!(decode_bundle(&full).unwrap().len(), 256);
    let many = std::iter::repeat_n(b"x".as_slice(), 257);
    assert_eq!(encode_bundle(many), Err(BundleError::TooMany));
    assert_eq!(decode_bundle(&[full, vec![0, 0]].concat()), Err(BundleError::TooMany));
    assert_eq!(encode_bundle([]), Err(BundleError::Empty));
    assert_eq!(decode_bundle(&[]), Err(BundleError::Empty));
}

#[test]
fn a_bundle_that_was_cut_names_the_entry() {
    let bytes = encode_bundle([b"ab".as_slice(), b"cd"]).unwrap();
    for (length, entry) in [(1, 0), (2, 0), (3, 0), (5, 1), (6, 1), (7, 1)] {
        assert_eq!(decode_bundle(&bytes[..length]), Err(BundleError::Cut { entry }), "{length}");
    }
}

#[test]
fn names_follow_the_tiles_of_leaves() {
    let names: Vec<_> = bundles_of(70_000).map(|bundle| bundle.to_string()).collect();
    assert_eq!(names.len(), 274);
    assert_eq!(names[0], "tile/entries/000");
    assert_eq!(names[273], "tile/entries/273.p/112");
    assert_eq!(bundles_of(0).count(), 0);
    assert_eq!("tile/entries/x001/x234/067.p/8".parse(), BundleId::new(1_234_067, 8));
    for path in ["tile/0/000", "tile/entries/0", "tile/entries/", "tile/entries/x000/001"] {
        assert_eq!(path.parse::<BundleId>(), Err(TileError::Path), "{path}");
    }
    assert_eq!("tile/entries/000.p/0".parse::<BundleId>(), Err(TileError::Place));
}
