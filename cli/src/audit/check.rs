//! What makes a log right, as plain functions on events:
//!
//! - positions are dense from 1, versions of each stream are dense from 1, time never goes back;
//! - every event's bytes have its leaf hash, and say the same as the columns around them;
//! - the postings of each event sum to nothing, and no account that must not be is overdrawn;
//! - the root over all leaves is the checkpoint's, and the checkpoint is signed.

use std::collections::{BTreeMap, HashMap};

use medusa_api::{AuditHead, EventEntry};
use medusa_events::Envelope;
use medusa_ledger::Book;
use medusa_tlog::{Frontier, Verifier, leaf_hash};
use medusa_types::{Credits, Sha256Hash, Timestamp};

/// An event that is not right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) position: i64,
    pub(super) what: String,
}

/// The state of a log after the events so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    position: i64,
    at: Timestamp,
    versions: HashMap<String, i64>,
    frontier: Frontier,
    book: Book,
}

impl Checker {
    /// The last good event.
    pub(super) const fn position(&self) -> i64 {
        self.position
    }

    /// The root over the events so far.
    pub(super) fn root(&self) -> Sha256Hash {
        Sha256Hash(self.frontier.root())
    }

    /// How many accounts have moved.
    pub(super) fn accounts(&self) -> u64 {
        u64::try_from(self.book.iter().count()).unwrap_or(u64::MAX)
    }

    /// The balances of each class of accounts together.
    pub(super) fn class_sums(&self) -> BTreeMap<&'static str, Credits> {
        let mut sums = BTreeMap::new();
        for (account, balance) in self.book.iter() {
            let sum: &mut Credits = sums.entry(account.class().name()).or_default();
            *sum = sum.saturating_add(balance);
        }
        sums
    }

    /// Checks the next event. After a bad one the state is the one before it.
    pub(super) fn take(&mut self, entry: &EventEntry) -> Result<(), Bad> {
        let position = self.position.saturating_add(1);
        let changed = self.check(position, entry).map_err(|what| Bad { position, what })?;
        self.book.keep(changed);
        self.frontier.push(*entry.leaf.as_bytes());
        self.versions.insert(entry.stream.clone(), entry.version);
        self.at = entry.at;
        self.position = position;
        Ok(())
    }

    fn check(
        &self,
        position: i64,
        entry: &EventEntry,
    ) -> Result<BTreeMap<medusa_ledger::Account, Credits>, String> {
        if entry.position != position {
            return Err(format!("the log goes on at position {} instead", entry.position));
        }
        let leaf = Sha256Hash(leaf_hash(entry.body.as_bytes()));
        if leaf != entry.leaf {
            return Err(format!("its bytes have the leaf hash {leaf}, not {}", entry.leaf));
        }
        let event = Envelope::decode(entry.body.as_bytes())
            .map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        self.check_place(entry, &event)?;
        let sum: i128 = event.postings.iter().map(|posting| i128::from(posting.1.micros())).sum();
        if sum != 0 {
            return Err(format!("its postings sum to {sum} micro-credits instead of nothing"));
        }
        let mut draft = self.book.draft();
        draft.replay(&event.postings).map_err(|refusal| format!("it overdraws: {refusal}"))?;
        Ok(draft.into_changed())
    }

    fn check_place(&self, entry: &EventEntry, event: &Envelope) -> Result<(), String> {
        for (what, same) in [
            ("position", event.position == entry.position),
            ("time", event.at == entry.at),
            ("type", event.kind() == entry.event),
            ("stream", event.stream == entry.stream),
            ("version", event.version == entry.version),
        ] {
            if !same {
                return Err(format!("its bytes tell another {what} than the column beside them"));
            }
        }
        let before = self.versions.get(&entry.stream).copied().unwrap_or_default();
        if before.checked_add(1) != Some(entry.version) {
            return Err(format!(
                "it is version {} of {}, after version {before}",
                entry.version, entry.stream
            ));
        }
        if entry.at < self.at {
            return Err(format!("its time {} is before the event before it", entry.at));
        }
        Ok(())
    }

    /// What the head claims of these events and is not so.
    pub(super) fn compare(&self, head: &AuditHead) -> Vec<String> {
        let mut problems = Vec::new();
        if head.size != self.position {
            problems.push(format!("the head counts {} events, not {}", head.size, self.position));
        }
        let root = self.root();
        if head.root != root {
            problems.push(format!("the events give the root {root}, the head says {}", head.root));
        }
        problems
    }
}

/// What is wrong with the signed checkpoint of a head. A pinned key goes before the server's own.
pub(super) fn signature(head: &AuditHead, pinned: Option<&Verifier>) -> Vec<String> {
    let named = head.verifier_key.parse::<Verifier>();
    let mut problems = Vec::new();
    let key = match (pinned, named) {
        (Some(pinned), named) => {
            if named.as_ref() != Ok(pinned) {
                problems.push(format!(
                    "the server names the key {}, which is not the one that you named",
                    head.verifier_key
                ));
            }
            pinned.clone()
        }
        (None, Ok(named)) => named,
        (None, Err(error)) => return vec![format!("the server's key: {error}")],
    };
    match key.open(&head.checkpoint) {
        Err(error) => problems.push(format!("the checkpoint: {error}")),
        Ok(signed) => {
            if i64::try_from(signed.size) != Ok(head.size) || signed.root != *head.root.as_bytes() {
                problems.push("the signed checkpoint is of another size or root".to_owned());
            }
        }
    }
    problems
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
