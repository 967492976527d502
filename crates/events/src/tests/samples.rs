//! Stored events are read for ever. The samples are real ones where there are any; their digests
//! are committed, and neither ever changes.

use std::collections::BTreeMap;

use medusa_types::Sha256Hash;

use super::{decode, place, samples};
use crate::{Envelope, Fact};

/// Digest and name of every sample, as `sha256sum` prints them.
fn promised() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(place("crates/events/samples/v1/SHA256SUMS")).unwrap();
    text.lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
        .collect()
}

#[test]
fn every_sample_is_as_it_was() {
    let there: BTreeMap<_, _> = samples()
        .into_iter()
        .map(|(name, bytes)| (name, Sha256Hash::of(&bytes).to_string()))
        .collect();
    assert_eq!(there, promised(), "a sample never changes; a new one gets its line in SHA256SUMS");
}

#[test]
fn every_sample_is_read_and_would_be_written_alike() {
    for (name, bytes) in samples() {
        let event = decode(&bytes);
        assert!(name.starts_with(event.kind()), "{name} holds a {}", event.kind());
        assert_eq!(event.encode(), bytes, "{name}");
    }
}

#[test]
fn every_fact_and_every_part_of_an_envelope_has_a_sample() {
    let events: Vec<Envelope> = samples().iter().map(|(_, bytes)| decode(bytes)).collect();
    for kind in Fact::KINDS {
        assert!(
            events.iter().any(|event| event.kind() == *kind),
            "samples/v1 has no {kind}: store one there, as the log would"
        );
    }
    let any = |what: &str, has: fn(&Envelope) -> bool| {
        assert!(events.iter().any(has), "no sample has {what}");
        assert!(!events.iter().all(has), "every sample has {what}");
    };
    any("an actor", |event| event.actor.is_some());
    any("an operation", |event| event.operation.is_some());
    any("a cause", |event| event.causation.is_some());
    any("postings", |event| !event.postings.is_empty());
    any("changes", |event| !event.changes.is_empty());
}
