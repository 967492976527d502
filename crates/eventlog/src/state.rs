//! What the sequencer keeps in memory, and the decision over one batch. Pure but for the loading.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use medusa_events::{Envelope, FORMAT};
use medusa_ledger::{Account, Book, Posting};
use medusa_tlog::{Frontier, leaf_hash};
use medusa_types::{Credits, Sha256Hash, Timestamp};

use crate::append::{Append, Appended, Expect, Operation};
use crate::error::AppendError;
use crate::read::StoredEvent;

/// Stream versions that are kept in memory; more are read again when needed.
const STREAMS_MAX: usize = 100_000;

/// The writer's view of the log. Equal to what is committed, between batches.
pub(crate) struct State {
    pub(crate) epoch: i64,
    pub(crate) batch: i64,
    pub(crate) position: i64,
    pub(crate) at: Timestamp,
    pub(crate) frontier: Frontier,
    pub(crate) book: Book,
    pub(crate) streams: HashMap<String, i64>,
}

/// A movement as it is kept for statements.
pub(crate) struct Entry {
    pub(crate) account: String,
    pub(crate) position: i64,
    pub(crate) entry: i16,
    pub(crate) amount: i64,
    pub(crate) balance: i64,
}

/// Everything that one batch writes.
pub(crate) struct Decided {
    pub(crate) events: Vec<Arc<StoredEvent>>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) balances: BTreeMap<Account, (Credits, i64)>,
    pub(crate) streams: BTreeMap<String, i64>,
    pub(crate) operations: Vec<(Operation, i64)>,
    pub(crate) frontier: Frontier,
    pub(crate) at: Timestamp,
    pub(crate) answers: Vec<Result<Appended, AppendError>>,
}

impl State {
    /// Forgets stream versions when there are too many of them.
    pub(crate) fn trim(&mut self) {
        if self.streams.len() > STREAMS_MAX {
            self.streams.clear();
        }
    }

    /// Streams of a batch whose versions have to be read first.
    pub(crate) fn unknown_streams<'a>(
        &self,
        appends: impl Iterator<Item = &'a Append>,
    ) -> Vec<String> {
        let wanted: HashSet<&str> =
            appends.flat_map(|a| a.events.iter()).map(|e| e.stream.as_str()).collect();
        let mut unknown: Vec<String> = wanted
            .into_iter()
            .filter(|stream| !self.streams.contains_key(*stream))
            .map(str::to_owned)
            .collect();
        unknown.sort_unstable();
        unknown
    }

    /// Decides a batch in order; each chain is accepted or refused by itself. `done` holds the
    /// operations of the batch that were committed before.
    pub(crate) fn decide<'a>(
        &mut self,
        appends: impl Iterator<Item = &'a Append>,
        done: &HashMap<String, (Sha256Hash, i64)>,
        now: Timestamp,
    ) -> Decided {
        let mut decided = Decided {
            events: Vec::new(),
            entries: Vec::new(),
            balances: BTreeMap::new(),
            streams: BTreeMap::new(),
            operations: Vec::new(),
            frontier: self.frontier.clone(),
            at: now.max(self.at),
            answers: Vec::new(),
        };
        let mut done = done.clone();
        for append in appends {
            let answer = self.decide_chain(append, &done, &mut decided);
            if let (Ok(appended), Some(operation)) = (&answer, &append.operation)
                && !appended.replayed
            {
                done.insert(operation.key.clone(), (operation.request, appended.position));
                decided.operations.push((operation.clone(), appended.position));
            }
            decided.answers.push(answer);
        }
        decided
    }

    fn decide_chain(
        &mut self,
        append: &Append,
        done: &HashMap<String, (Sha256Hash, i64)>,
        decided: &mut Decided,
    ) -> Result<Appended, AppendError> {
        if let Some(operation) = &append.operation
            && let Some((request, position)) = done.get(&operation.key)
        {
            return if *request == operation.request {
                Ok(Appended { position: *position, replayed: true, postings: Vec::new() })
            } else {
                Err(AppendError::OperationReused)
            };
        }
        let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
        let mut draft = self.book.draft();
        let mut chain = Vec::with_capacity(append.events.len());
        for event in &append.events {
            let known = || self.streams.get(&event.stream).copied().unwrap_or_default();
            let version = versions.get(event.stream.as_str()).copied().unwrap_or_else(known);
            if let Expect::Version(wanted) = event.expect
                && wanted != version
            {
                return Err(AppendError::Version { stream: event.stream.clone(), found: version });
            }
            versions.insert(&event.stream, version.saturating_add(1));
            let postings = draft.post(&event.moves).map_err(AppendError::Ledger)?;
            let balances = running_balances(&self.book, &chain, &postings);
            chain.push((event, version.saturating_add(1), postings, balances));
        }
        let changed = draft.into_changed();
        let operation = append.operation.as_ref().map(|o| o.key.clone());
        let mut all = Vec::with_capacity(chain.len());
        let mut moved_at: BTreeMap<Account, i64> = BTreeMap::new();
        for (event, version, postings, balances) in chain {
            self.position = self.position.saturating_add(1);
            let envelope = Envelope {
                format: FORMAT,
                position: self.position,
                stream: event.stream.clone(),
                version,
                at: decided.at,
                actor: event.actor,
                operation: operation.clone(),
                causation: event.causation,
                postings: postings.clone(),
                fact: event.fact.clone(),
            };
            for Posting(account, _) in &postings {
                moved_at.insert(account.clone(), self.position);
            }
            decided.seal(envelope, &balances);
            self.streams.insert(event.stream.clone(), version);
            decided.streams.insert(event.stream.clone(), version);
            all.push(postings);
        }
        for (account, position) in moved_at {
            if let Some(balance) = changed.get(&account) {
                decided.balances.insert(account, (*balance, position));
            }
        }
        self.book.keep(changed);
        Ok(Appended { position: self.position, replayed: false, postings: all })
    }
}

/// A chain in the making: event, version, postings, balances after each posting.
type Chain<'a> = (&'a crate::append::NewEvent, i64, Vec<Posting>, Vec<Credits>);

/// The balance of each posting's account after that posting.
fn running_balances(book: &Book, chain: &[Chain<'_>], postings: &[Posting]) -> Vec<Credits> {
    let mut after: BTreeMap<&Account, Credits> = BTreeMap::new();
    for (_, _, postings, balances) in chain {
        for (Posting(account, _), balance) in postings.iter().zip(balances) {
            after.insert(account, *balance);
        }
    }
    postings
        .iter()
        .map(|Posting(account, amount)| {
            let before = after.get(account).copied().unwrap_or_else(|| book.balance(account));
            let balance = before.saturating_add(*amount);
            after.insert(account, balance);
            balance
        })
        .collect()
}

impl Decided {
    /// Writes the canonical bytes, their leaf, and the statement lines.
    fn seal(&mut self, envelope: Envelope, balances: &[Credits]) {
        let body = Bytes::from(envelope.encode());
        let leaf = leaf_hash(&body);
        self.frontier.push(leaf);
        for (n, (Posting(account, amount), balance)) in
            envelope.postings.iter().zip(balances).enumerate()
        {
            self.entries.push(Entry {
                account: account.to_string(),
                position: envelope.position,
                entry: i16::try_from(n).unwrap_or(i16::MAX),
                amount: amount.micros(),
                balance: balance.micros(),
            });
        }
        self.events.push(Arc::new(StoredEvent { envelope, body, leaf: Sha256Hash(leaf) }));
    }
}
