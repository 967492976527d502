//! Reading bytes that nobody wrote: whatever they are, the answer is an event or one of the
//! documented errors, and an event has one way to be written.

use medusa_ledger::{Change, Posting};
use medusa_types::{Timestamp, UserId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::Union;

use super::shape::{Shape, Vocabulary, any_text};
use super::{cases, samples, stored};
use crate::{DecodeError, Envelope, FORMAT, Fact};

/// Any fact, each as often as the others.
fn fact() -> impl Strategy<Value = Fact> {
    Union::new(<Fact as Vocabulary>::arbitrary())
}

/// Any event.
pub(super) fn envelope() -> impl Strategy<Value = Envelope> {
    let place = || prop_oneof![1..=i64::MAX, 1..100_i64];
    let place = (place(), place(), proptest::option::of(place()));
    let who = (Option::<UserId>::arbitrary(), proptest::option::of(any_text()));
    let moved = (Vec::<Posting>::arbitrary(), Vec::<Change>::arbitrary());
    let what = (any_text(), Timestamp::arbitrary(), fact());
    (place, who, moved, what).prop_map(|(place, who, moved, (stream, at, fact))| Envelope {
        format: FORMAT,
        position: place.0,
        stream,
        version: place.1,
        at,
        actor: who.0,
        operation: who.1,
        causation: place.2,
        postings: moved.0,
        changes: moved.1,
        fact,
    })
}

/// Decodes, and holds the reader to its promises.
fn probe(bytes: &[u8]) -> Result<(), TestCaseError> {
    match Envelope::decode(bytes) {
        Ok(event) => prop_assert_eq!(event.encode(), bytes),
        Err(error) => {
            let said = error.to_string();
            let expected = match &error {
                DecodeError::Envelope(_) => "these bytes are not an event",
                DecodeError::Format(_) => "this event is of format",
                DecodeError::Type(_) => "this program does not know the type",
                DecodeError::Data { .. } => "these are not the data of",
                DecodeError::NotCanonical(_) => "this event of type",
            };
            prop_assert!(said.starts_with(expected) && said.len() < 1_000, "{}", said);
        }
    }
    Ok(())
}

/// One way to damage bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    // Bytes that mean something in JSON do more harm than others.
    let byte =
        || prop_oneof![any::<u8>(), proptest::sample::select(br#"{}[]",:\ .-+0eun"#.to_vec())];
    let place = any::<Index>;
    prop_oneof![
        (place(), byte()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (place(), vec(byte(), 1..8)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place(), place()).prop_map(|(from, to)| Damage::Remove(from, to)),
        (place(), place()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        place().prop_map(Damage::Cut),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    let place = |index: &Index| index.index(length + 1);
    let span = |from: &Index, to: &Index| place(from).min(place(to))..place(from).max(place(to));
    match damage {
        Damage::Set(at, byte) => {
            if let Some(old) = bytes.get_mut(place(at)) {
                *old = *byte;
            }
        }
        Damage::Insert(at, more) => {
            let at = place(at);
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::Remove(from, to) => {
            bytes.drain(span(from, to));
        }
        Damage::Repeat(from, to) => {
            let part = bytes[span(from, to)].to_vec();
            let at = place(to);
            bytes.splice(at..at, part);
        }
        Damage::Cut(at) => bytes.truncate(place(at)),
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn what_was_written_is_read(event in envelope()) {
        let bytes = event.encode();
        prop_assert_eq!(Envelope::decode(&bytes).unwrap(), event);
    }

    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in vec(any::<u8>(), 0..600)) {
        probe(&bytes)?;
    }

    #[test]
    fn a_damaged_event_is_another_event_or_an_error(
        which in any::<Index>(),
        damages in vec(damage(), 1..4),
    ) {
        let stored = stored();
        let mut bytes = which.get(&stored).clone();
        damages.iter().for_each(|damage| apply(damage, &mut bytes));
        probe(&bytes)?;
    }
}

#[test]
fn an_event_that_was_cut_short_is_no_event() {
    for (_, bytes) in samples() {
        for length in 0..bytes.len() {
            let cut = Envelope::decode(&bytes[..length]);
            assert!(matches!(cut, Err(DecodeError::Envelope(_))), "{length}: {cut:?}");
        }
    }
}

#[test]
fn a_deep_or_long_text_is_an_error_like_any_other() {
    let event = String::from_utf8(stored().swap_remove(0)).unwrap();
    let (head, _) = event.split_once(r#""data":"#).unwrap();
    for data in ["[".repeat(100_000), "{\"a\":".repeat(100_000), "9".repeat(100_000)] {
        let bytes = format!("{head}\"data\":{data}}}");
        assert!(Envelope::decode(bytes.as_bytes()).is_err());
    }
    let kind = "x".repeat(100_000);
    let bytes =
        format!(r#"{},"type":"{kind}","data":{{}}}}"#, head.split(",\"type\"").next().unwrap());
    let error = Envelope::decode(bytes.as_bytes()).unwrap_err();
    assert!(matches!(&error, DecodeError::Type(shown) if shown.len() < 100), "{error}");
}
