//! What the sequencer keeps in memory, and its decisions. Pure: what has to be read first is read
//! by `commit`. Everything that a batch changed can be taken back until it is committed.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use medusa_events::{Envelope, FORMAT, Fact};
use medusa_ledger::{Book, Change, Effects, Mark, Move};
use medusa_tlog::{Frontier, leaf_hash};
use medusa_types::{PendingId, Sha256Hash, Timestamp, Uuid};

use crate::append::{Append, Appended, Expect, NewEvent};
use crate::error::AppendError;
use crate::operation::{Operation, time_of};
use crate::read::StoredEvent;
use crate::recent::Recent;

/// Stream versions and operations that are kept in memory; older ones are read again when needed.
const KEPT_MAX: usize = 100_000;
/// Ended reservations that are kept in memory although the books show them.
const ENDED_KEPT: usize = 10_000;
/// An entry of the tree's tiles has at most so many bytes.
const EVENT_BYTES_MAX: usize = 65_535;

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its last event.
    Done(i64),
    /// The books refused it for good.
    Refused(String),
}

impl Outcome {
    /// Its last event, when it was done.
    pub(crate) const fn position(&self) -> Option<i64> {
        match self {
            Self::Done(position) => Some(*position),
            Self::Refused(_) => None,
        }
    }

    /// Why the books refused it, when they did.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Refused(code) => Some(code),
        }
    }
}

/// The writer's view of the log: what is committed, and what is decided beyond.
pub(crate) struct State {
    pub(crate) epoch: i64,
    pub(crate) batch: i64,
    pub(crate) position: i64,
    pub(crate) at: Timestamp,
    pub(crate) frontier: Frontier,
    pub(crate) book: Book,
    pub(crate) streams: Recent<String, i64>,
    pub(crate) operations: Recent<Uuid, (Uuid, Outcome)>,
    ended: VecDeque<(i64, PendingId)>,
    /// Of streams that began after this time, everything is in memory.
    complete_since: Timestamp,
}

/// Where a batch began.
pub(crate) struct Before {
    pub(crate) position: i64,
    batch: i64,
    at: Timestamp,
    frontier: Frontier,
    pub(crate) book: Mark,
}

/// Everything that one batch writes.
pub(crate) struct Decided {
    pub(crate) before: Before,
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<Arc<StoredEvent>>,
    pub(crate) operations: Vec<(Uuid, Uuid, Outcome)>,
}

impl Decided {
    /// Whether there is nothing to write.
    pub(crate) const fn is_empty(&self) -> bool {
        self.events.is_empty() && self.operations.is_empty()
    }
}

impl State {
    pub(crate) fn new(
        epoch: i64,
        batch: i64,
        at: Timestamp,
        frontier: Frontier,
        book: Book,
    ) -> Self {
        let position = i64::try_from(frontier.size()).unwrap_or(i64::MAX);
        let (streams, operations) = (Recent::new(KEPT_MAX), Recent::new(KEPT_MAX));
        let (ended, complete_since) = (VecDeque::new(), at);
        Self {
            epoch,
            batch,
            position,
            at,
            frontier,
            book,
            streams,
            operations,
            ended,
            complete_since,
        }
    }

    /// Begins a batch. Reservations whose time is over are freed first, so that nothing in the
    /// batch finds them open.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Decided {
        let before = Before {
            position: self.position,
            batch: self.batch,
            at: self.at,
            frontier: self.frontier.clone(),
            book: self.book.mark(),
        };
        self.batch = self.batch.saturating_add(1);
        self.at = self.at.max(now);
        if self.streams.forgot() {
            self.complete_since = self.at;
        }
        let (events, operations) = (Vec::new(), Vec::new());
        let mut decided = Decided { before, at: self.at, events, operations };
        for pending in self.book.overdue(self.at) {
            let fact = Fact::ReservationExpired { pending };
            let event = NewEvent::new(format!("pending-{pending}"), fact)
                .moving(vec![Move::Expire { pending }]);
            let append = Append { operation: None, events: vec![event] };
            if let Err(error) = self.decide_chain(&append, &mut decided) {
                tracing::error!(%pending, %error, "a reservation could not be freed");
            }
        }
        decided
    }

    /// Takes a batch back that was not written.
    pub(crate) fn roll_back(&mut self, decided: Decided) {
        let Before { position, batch, at, frontier, book } = decided.before;
        self.position = position;
        self.batch = batch;
        self.at = at;
        self.frontier = frontier;
        self.book.roll_back(book);
        self.ended.retain(|(ended, _)| *ended <= position);
        // Versions and operations that are not remembered are read again.
        self.streams.clear();
        self.operations.clear();
    }

    /// Everything that was decided before `until` is stored; `shown` is how far the books are.
    pub(crate) fn committed(&mut self, until: Mark, shown: i64) {
        self.book.commit(until);
        while self.ended.len() > ENDED_KEPT
            && let Some((_, id)) = self.ended.pop_front_if(|(position, _)| *position <= shown)
        {
            self.book.forget(&id);
        }
    }

    /// Streams of some appends whose versions have to be read first. A stream of something that
    /// was made after everything that memory has forgotten is a new one.
    pub(crate) fn unknown_streams<'a>(
        &self,
        appends: impl Iterator<Item = &'a Append>,
    ) -> Vec<String> {
        let wanted: HashSet<&String> = appends
            .flat_map(|a| &a.events)
            .map(|e| &e.stream)
            .filter(|stream| self.streams.get(*stream).is_none() && !self.is_new(stream))
            .collect();
        let mut unknown: Vec<String> = wanted.into_iter().cloned().collect();
        unknown.sort_unstable();
        unknown
    }

    /// Whether it would be strange if this chain had been written before: the database refuses it
    /// if it was. A stream that has not gone beyond what a chain expects has not seen it.
    fn is_first_time(&self, append: &Append, now: Timestamp) -> bool {
        match append.events.first() {
            Some(NewEvent { stream, expect: Expect::Version(expected), .. }) => {
                let known = self.streams.get(stream).copied();
                known.or_else(|| self.is_new(stream).then_some(0)).is_some_and(|at| at <= *expected)
            }
            _ => append.operation.as_ref().is_some_and(|operation| is_fresh(operation, now)),
        }
    }

    /// Ids come from clocks of this house, which may differ a little.
    fn is_new(&self, stream: &str) -> bool {
        const SKEW_MS: i64 = 10_000;
        let since = self.complete_since.plus_ms(SKEW_MS).micros().div_euclid(1_000);
        let made = stream.rsplit_once('-').and_then(|(_, id)| time_of(id));
        let latest = self.at.plus_ms(SKEW_MS).micros().div_euclid(1_000);
        made.and_then(|ms| i64::try_from(ms).ok()).is_some_and(|ms| (since..latest).contains(&ms))
    }

    /// Reservations of some appends that have to be read first.
    pub(crate) fn unknown_pendings<'a>(
        &self,
        appends: impl Iterator<Item = &'a Append>,
    ) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for wish in appends.flat_map(|a| &a.events).flat_map(|e| &e.moves) {
            collect_pendings(wish, &mut ids);
        }
        ids.retain(|id| self.book.pending(id).is_none());
        ids.into_iter().map(|id| id.0).collect()
    }

    /// Decides one chain: it is accepted or refused as a whole.
    pub(crate) fn decide(
        &mut self,
        append: &Append,
        decided: &mut Decided,
    ) -> Result<Appended, AppendError> {
        let Some(operation) = &append.operation else {
            return self.decide_chain(append, decided);
        };
        let (id, request) = (operation.id(), operation.request_id());
        if let Some((before, outcome)) = self.operations.get(&id) {
            return match outcome {
                _ if *before != request => Err(AppendError::OperationReused),
                Outcome::Done(position) => {
                    Ok(Appended { position: *position, replayed: true, postings: Vec::new() })
                }
                Outcome::Refused(code) => Err(AppendError::RefusedBefore(code.clone())),
            };
        }
        let answer = self.decide_chain(append, decided);
        if let Some(outcome) = lasting(operation, &answer) {
            self.operations.insert(id, (request, outcome.clone()));
            decided.operations.push((id, request, outcome));
        }
        answer
    }

    fn decide_chain(
        &mut self,
        append: &Append,
        decided: &mut Decided,
    ) -> Result<Appended, AppendError> {
        let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
        let mut draft = self.book.draft();
        let mut sealed = Vec::with_capacity(append.events.len());
        let mut position = self.position;
        for event in &append.events {
            let known = || self.streams.get(&event.stream).copied().unwrap_or_default();
            let version = versions.get(event.stream.as_str()).copied().unwrap_or_else(known);
            if let Expect::Version(wanted) = event.expect
                && wanted != version
            {
                return Err(AppendError::Version { stream: event.stream.clone(), found: version });
            }
            let version = version.saturating_add(1);
            if append.events.len() > 1 {
                versions.insert(&event.stream, version);
            }
            position = position.saturating_add(1);
            let effects = draft.post(&event.moves, decided.at).map_err(AppendError::Ledger)?;
            let operation = append.operation.as_ref();
            let stored = seal(event, operation, (position, version, decided.at), effects);
            if stored.body.len() > EVENT_BYTES_MAX {
                return Err(AppendError::TooLarge(stored.body.len()));
            }
            sealed.push(Arc::new(stored));
        }
        let changed = draft.into_changed();
        self.book.keep(changed);
        self.position = position;
        let mut postings = Vec::with_capacity(sealed.len());
        for event in sealed {
            self.frontier.push(event.leaf.0);
            let stream = &event.envelope.stream;
            self.streams.set(stream, event.envelope.version);
            for change in &event.envelope.changes {
                if let Change::Resolved { pending, .. } = change {
                    self.ended.push_back((event.envelope.position, *pending));
                }
            }
            postings.push(event.envelope.postings.clone());
            decided.events.push(event);
        }
        Ok(Appended { position, replayed: false, postings })
    }
}

/// What is to be remembered of an operation for ever.
fn lasting(operation: &Operation, answer: &Result<Appended, AppendError>) -> Option<Outcome> {
    match answer {
        Ok(appended) => Some(Outcome::Done(appended.position)),
        Err(AppendError::Ledger(refusal)) if operation.lasting && refusal.is_transient() => {
            Some(Outcome::Refused(refusal.code().to_owned()))
        }
        Err(_) => None,
    }
}

fn collect_pendings(wish: &Move, ids: &mut Vec<PendingId>) {
    match wish {
        Move::Reserve { pending, .. }
        | Move::Post { pending, .. }
        | Move::Void { pending }
        | Move::Expire { pending } => ids.push(*pending),
        Move::Forced(moves) => moves.iter().for_each(|wish| collect_pendings(wish, ids)),
        Move::Split { .. }
        | Move::Waterfall { .. }
        | Move::Rest { .. }
        | Move::UpTo { .. }
        | Move::SetState { .. } => {}
    }
}

/// Writes the canonical bytes of an event and their leaf.
fn seal(
    event: &NewEvent,
    operation: Option<&Operation>,
    (position, version, at): (i64, i64, Timestamp),
    effects: Effects,
) -> StoredEvent {
    let envelope = Envelope {
        format: FORMAT,
        position,
        stream: event.stream.clone(),
        version,
        at,
        actor: event.actor,
        operation: operation.map(|o| o.key.clone()),
        causation: event.causation,
        postings: effects.postings,
        changes: effects.changes,
        fact: event.fact.clone(),
    };
    let body = Bytes::from(envelope.encode());
    let leaf = Sha256Hash(leaf_hash(&body));
    StoredEvent { envelope, body, leaf }
}

/// The operations of some appends that were done before, as far as is not known to be otherwise.
pub(crate) fn operations_to_read<'a>(
    state: &State,
    appends: impl Iterator<Item = &'a Append>,
    now: Timestamp,
) -> Vec<Uuid> {
    appends
        .filter(|append| !state.is_first_time(append, now))
        .filter_map(|append| append.operation.as_ref().map(Operation::id))
        .filter(|id| state.operations.get(id).is_none())
        .collect()
}

/// A key whose id was made just now was hardly used before: the database refuses it if it was.
fn is_fresh(operation: &Operation, now: Timestamp) -> bool {
    const FRESH_MS: u64 = 60_000;
    let now = u64::try_from(now.micros().div_euclid(1_000)).unwrap_or_default();
    operation.made.is_some_and(|made| now.abs_diff(made) < FRESH_MS)
}

/// Operations that are stored: what was asked for, and what became of it.
pub(crate) type Found = Vec<(Uuid, (Uuid, Outcome))>;
