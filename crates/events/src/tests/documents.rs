//! What the documents say is so.

use medusa_tlog::{Frontier, leaf_hash};
use medusa_types::Sha256Hash;

use super::{decode, samples};
use crate::{DecodeError, Fact};

const README: &str = include_str!("../../../../docs/events/README.md");
const CANONICAL: &str = include_str!("../../../../docs/events/canonical.md");
const ENVELOPE: &str = include_str!("../../../../docs/events/schema/envelope.json");
const LEDGER: &str = include_str!("../../../../docs/ledger.md");

/// The contents of the fenced blocks of a kind.
fn blocks<'a>(page: &'a str, kind: &'a str) -> Vec<&'a str> {
    let open = format!("```{kind}\n");
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once(&open) {
        let (block, next) = after.split_once("\n```").unwrap();
        found.push(block);
        rest = next;
    }
    found
}

#[test]
fn the_examples_of_canonical_bytes_are_right() {
    let events = blocks(CANONICAL, "event");
    let (hex, leaves) = (blocks(CANONICAL, "hex"), blocks(CANONICAL, "leaf"));
    assert_eq!((events.len(), hex.len(), leaves.len()), (2, 2, 2));
    let mut frontier = Frontier::default();
    for ((event, hex), leaf) in events.iter().zip(hex).zip(leaves) {
        let bytes = decode(event.as_bytes()).encode();
        assert_eq!(bytes, event.as_bytes());
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.lines().collect::<String>(), digits);
        assert_eq!(leaf, Sha256Hash(leaf_hash(&bytes)).to_string());
        frontier.push(leaf_hash(&bytes));
    }
    assert_eq!(blocks(CANONICAL, "root"), [Sha256Hash(frontier.root()).to_string()]);
}

#[test]
fn the_order_of_keys_is_the_one_that_is_described() {
    let (_, after) = CANONICAL.split_once("Its keys stand in this order:").unwrap();
    let (list, _) = after.split_once(". None is missing").unwrap();
    let described: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let (_, bytes) =
        samples().into_iter().find(|(_, bytes)| !decode(bytes).changes.is_empty()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let at = |key: &&str| text.find(&format!("\"{key}\":")).unwrap();
    assert_eq!(described.len(), 12);
    assert!(described.is_sorted_by_key(at), "{described:?}");
    let (_, schema) = ENVELOPE.split_once("\n  \"properties\": {\n").unwrap();
    let (schema, _) = schema.split_once("\n  },").unwrap();
    let keys = schema.lines().filter_map(|line| line.strip_prefix("    \""));
    let keys: Vec<&str> = keys.map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(keys, described);
}

#[test]
fn the_messages_of_the_page_are_those_of_the_reader() {
    for error in [
        DecodeError::Envelope(serde_json::from_str::<u8>("").unwrap_err()),
        DecodeError::Format(2),
        DecodeError::Type("…".into()),
        DecodeError::Data {
            kind: "…".into(), source: serde_json::from_str::<u8>("").unwrap_err()
        },
        DecodeError::NotCanonical("…".into()),
    ] {
        assert!(CANONICAL.contains(&format!("`{error}`")), "{error}");
    }
}

#[test]
fn every_fact_is_listed_with_its_meaning_its_flow_and_its_readers() {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| [`"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    let listed: Vec<&str> = rows.iter().map(|row| row[0].split('`').next().unwrap()).collect();
    assert_eq!(listed, Fact::KINDS, "docs/events/README.md lists other facts than there are");
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        let kind = row[0].split('`').next().unwrap();
        assert_eq!(row[0], format!("{kind}`](schema/{kind}.json)"));
        let flow = row[2];
        let known = LEDGER.lines().any(|line| line.starts_with(&format!("| {flow} |")));
        assert!(flow == "–" || known, "docs/ledger.md has no flow {flow}");
    }
}

#[test]
fn a_fact_that_moves_something_has_a_flow() {
    let moving = samples().into_iter().map(|(_, bytes)| decode(&bytes));
    for event in moving.filter(|event| !event.postings.is_empty() || !event.changes.is_empty()) {
        let row = README.lines().find(|line| line.contains(&format!("[`{}`]", event.kind())));
        assert!(!row.unwrap().contains("| – | – |"), "{}", event.kind());
    }
}
