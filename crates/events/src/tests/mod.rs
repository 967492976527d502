//! The vocabulary as it is promised: bytes, schemas, samples, old logs and documents.

mod bytes;
mod checker;
mod documents;
mod fuzz;
mod golden;
mod lifting;
pub(crate) mod node;
mod samples;
mod schema;
mod schemas;
pub(crate) mod shape;

use std::path::PathBuf;

use proptest::prelude::ProptestConfig;

use crate::Envelope;

/// A place in this checkout, by its path from the root.
fn place(path: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned();
    root.join(path)
}

/// So many cases; what fails becomes a test of its own, and no file.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A whole log from a real run, one event a line.
const GOLDEN: &str = include_str!("../../samples/golden-1.log");

/// One stored event of every type and of every shape of envelope: file name and bytes.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = place("crates/events/samples/v1");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name.ends_with(".json"))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Every real event at hand.
fn stored() -> Vec<Vec<u8>> {
    let golden = GOLDEN.lines().map(|line| line.as_bytes().to_vec());
    samples().into_iter().map(|(_, bytes)| bytes).chain(golden).collect()
}

fn decode(bytes: &[u8]) -> Envelope {
    Envelope::decode(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}
