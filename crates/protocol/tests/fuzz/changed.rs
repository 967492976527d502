//! What is done to frames, and what must hold for whatever comes out.

use bytes::Bytes;
use medusa_protocol::{Frame, FrameError, HEADER_BYTES, MAX_FRAME_BYTES};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::samples::{bytes_of, frames, samples};

/// What any frame must keep to, and whether these bytes are one.
fn check(bytes: &[u8]) -> bool {
    let Ok(frame) = Frame::decode(&Bytes::copy_from_slice(bytes)) else { return false };
    let written = frame.encode();
    let again = Frame::decode(&written).expect("what was written is read");
    assert_eq!(again, frame);
    assert_eq!(again.encode(), written);
    true
}

#[test]
fn frames_by_the_book_are_read() {
    for (kind, body, payload) in samples() {
        let bytes = bytes_of(kind, &body, &payload);
        let frame = Frame::decode(&bytes.clone().into());
        let frame = frame.unwrap_or_else(|error| panic!("kind {kind}: {error:?}"));
        assert_eq!(frame.payload, payload);
        assert!(check(&bytes));
    }
}

#[test]
fn every_kind_that_is_known_has_a_sample() {
    let sampled: Vec<u8> = samples().iter().map(|(kind, ..)| *kind).collect();
    for kind in 0..=u8::MAX {
        let decoded = Frame::decode(&bytes_of(kind, &[], &[]).into());
        let is_known = !matches!(decoded, Err(FrameError::Kind(_)));
        assert_eq!(is_known, sampled.contains(&kind), "kind {kind}");
    }
}

#[test]
fn every_frame_cut_short_is_refused_or_still_whole() {
    for ((_, body, _), frame) in samples().iter().zip(frames()) {
        let whole = HEADER_BYTES + body.len();
        for length in 0..frame.len() {
            assert_eq!(check(&frame[..length]), length >= whole, "{length} of {}", frame.len());
        }
    }
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let heads: [&[u8]; 5] = [
        // Arrays, maps, texts and bytes of 2^64 - 1, and arrays in arrays.
        &[0xa1, 0x01, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xa1, 0x00, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xa1, 0x03, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xa1, 0x01, 0x9f, 0x9f, 0x9f, 0x9f],
    ];
    for (kind, ..) in samples() {
        for head in heads {
            assert!(!check(&bytes_of(kind, head, &[])), "kind {kind}, {head:?}");
        }
        // An unknown key with a hundred thousand arrays in one another.
        let mut deep = vec![0xa1, 0x18, 0x63];
        deep.extend(vec![0x81; 100_000]);
        deep.push(0);
        check(&bytes_of(kind, &deep, &[]));
        let mut bytes = bytes_of(kind, &[0xa0], &[]);
        bytes.resize(MAX_FRAME_BYTES + 1, 0);
        assert!(matches!(Frame::decode(&bytes.into()), Err(FrameError::Large)));
    }
}

/// One change to bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
    Swap(Index, Index),
    /// The end of another sample.
    Splice(Index, Index, Index),
    /// The body's length as the header has it.
    Length(u32),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    // Heads of CBOR items: large lengths, open ends, breaks, floats, tags, null.
    let odd = prop::sample::select(vec![
        0x1b, 0x3b, 0x5b, 0x5f, 0x7b, 0x7f, 0x80, 0x9b, 0x9f, 0xa0, 0xbb, 0xbf, 0xc0, 0xdb, 0xf6,
        0xf7, 0xf9, 0xfb, 0xff,
    ]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), odd).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 1..9_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        at().prop_map(Change::Cut),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        (at(), at(), at()).prop_map(|(at, sample, from)| Change::Splice(at, sample, from)),
        any::<u32>().prop_map(Change::Length),
        (0..600_u32).prop_map(Change::Length),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change, frames: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let until = |at: usize, count: usize| at..length.min(at + count);
    match change {
        Change::Set(at, byte) => bytes[at.index(length)] = *byte,
        Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Change::Insert(at, more) => {
            let at = at.index(length);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, count) => drop(bytes.drain(until(at.index(length), *count))),
        Change::Repeat(at, count) => {
            let at = at.index(length);
            let piece = bytes[until(at, *count)].to_vec();
            bytes.splice(at..at, piece);
        }
        Change::Cut(at) => bytes.truncate(at.index(length)),
        Change::Swap(one, other) => bytes.swap(one.index(length), other.index(length)),
        Change::Splice(at, sample, from) => {
            let other = &frames[sample.index(frames.len())];
            bytes.truncate(at.index(length));
            bytes.extend_from_slice(&other[from.index(other.len())..]);
        }
        Change::Length(value) if length >= 8 => {
            bytes[4..8].copy_from_slice(&value.to_le_bytes());
        }
        Change::Length(_) => {}
    }
}

/// Makes the header fit again, so that the changes reach the body's reader.
fn mend(bytes: &mut [u8], payload: usize) {
    let length = bytes.len().saturating_sub(HEADER_BYTES + payload);
    if let (Some(field), Ok(length)) = (bytes.get_mut(4..8), u32::try_from(length)) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    bytes.iter_mut().take(1).for_each(|version| *version = 1);
}

#[test]
fn changed_frames_are_frames_or_errors() {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for by hand")]
    let cases = std::env::var("MEDUSA_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(6_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let frames = frames();
    let which = (any::<Index>(), vec(change(), 1..6), any::<bool>(), 0..20_usize);
    let read = std::cell::Cell::new(0_u32);
    let run = TestRunner::new(config).run(&which, |(sample, changes, mends, payload)| {
        let mut bytes = frames[sample.index(frames.len())].clone();
        changes.iter().for_each(|change| apply(&mut bytes, change, &frames));
        if mends {
            mend(&mut bytes, payload);
        }
        read.set(read.get() + u32::from(check(&bytes)));
        Ok(())
    });
    run.unwrap();
    println!("{cases} changed frames, {} were still frames", read.get());
    assert!(read.get() * 50 > cases, "only {} were frames", read.get());
}
