//! The table of one session: who has which shard, which rounds are under way, what goes where.
//! Pure: messages come in as bytes, and what is to be sent comes out as [`Out`].
//!
//! Guarantees: rounds are numbered from 1 without a gap, and each is answered once; an answer is
//! made of one answer of each shard, whoever gave it; an agent that takes a shard over computes
//! what is under way, and before it all rounds where answers depend on them; nothing an agent says
//! changes another one's part. What clients say is in [`client`], what agents say in [`seats`].

mod client;
mod seats;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use medusa_api::{HomeWord, SeatOrder};
use medusa_protocol::{SESSION_HEAD_BYTES, SessionHead};
use medusa_types::{AgentId, LeaseId};

use super::bill::Bill;
use super::reduce::Nan;
use super::round::Round;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// A message for the client.
    Client(Bytes),
    /// Words for the client.
    Say(HomeWord),
    /// A message for an agent.
    Seat(LeaseId, Bytes),
    /// Words for an agent.
    Order(LeaseId, SeatOrder),
    /// This agent is to have this shard.
    Give(LeaseId, AgentId, u32),
    /// So many agents more are wanted.
    Want(u32),
    /// An agent is not needed here any more; whether it failed.
    Dismiss(LeaseId, bool),
    /// The session is over: a code where it failed, and words.
    End(Option<&'static str>, String),
}

/// What a session is made of.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Shards.
    pub shards: u32,
    /// Agents beside those.
    pub spares: u32,
    /// What a NaN means.
    pub nan: Nan,
    /// Answers depend on earlier rounds.
    pub remembers: bool,
}

/// An agent that has a seat.
#[derive(Debug)]
struct Place {
    agent: AgentId,
    /// It has connected, and not gone.
    here: bool,
    shard: Option<u32>,
    /// It was sent the shard over this connection.
    sent: bool,
    /// It has said that the shard is in its memory.
    loaded: bool,
    /// It is, and it was sent what is under way.
    ready: bool,
    /// Fuel of guests that it had before the one that runs.
    before: u64,
    /// Of that one.
    fuel: u64,
}

/// A round that was answered, for agents that take over.
#[derive(Debug)]
struct Kept {
    number: u64,
    /// The one shard that was asked, where it was not all.
    alone: Option<u32>,
    messages: Vec<Bytes>,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    rules: Rules,
    /// What it owes.
    pub bill: Bill,
    places: BTreeMap<LeaseId, Place>,
    /// Who has each shard.
    holders: Vec<Option<LeaseId>>,
    failures: Vec<u32>,
    /// How often the agent of a shard was replaced since its last answer, because it gave none.
    lates: Vec<u32>,
    rounds: VecDeque<Round>,
    /// The number of the last round that was begun.
    begun: u64,
    /// All rounds up to here are answered, or refused.
    answered: u64,
    /// All rounds up to here are in the log.
    covered: u64,
    /// Rounds before those under way, where answers depend on them.
    kept: Vec<Kept>,
    kept_bytes: usize,
    /// The log takes too long: nothing more begins until it has what was done.
    log_is_late: bool,
    /// Messages of the client that wait for the log.
    parked: VecDeque<Bytes>,
    parked_bytes: usize,
    /// A round whose parts still come was refused: the rest of it is passed over.
    skipping: Option<u64>,
    was_ready: bool,
    finishing: bool,
    over: bool,
    outs: Vec<Out>,
}

impl Table {
    /// A table without agents. After a restart `round` is the last that is paid for.
    #[must_use]
    pub fn new(rules: Rules, bill: Bill, round: u64) -> Self {
        let shards = usize::try_from(rules.shards).unwrap_or(usize::MAX);
        let seats = rules.shards.saturating_add(rules.spares);
        Self {
            rules,
            bill,
            places: BTreeMap::new(),
            holders: vec![None; shards],
            failures: vec![0; shards],
            lates: vec![0; shards],
            rounds: VecDeque::new(),
            begun: round,
            answered: round,
            covered: round,
            kept: Vec::new(),
            kept_bytes: 0,
            log_is_late: false,
            parked: VecDeque::new(),
            parked_bytes: 0,
            skipping: None,
            was_ready: false,
            finishing: false,
            over: false,
            outs: vec![Out::Want(seats)],
        }
    }

    /// What is to be done by now, in order.
    pub fn take_outs(&mut self, outs: &mut Vec<Out>) {
        outs.append(&mut self.outs);
    }

    /// The last round that is answered.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Agents that have a seat.
    pub fn seats(&self) -> impl Iterator<Item = LeaseId> {
        self.places.keys().copied()
    }

    /// Whether a round is under way that has come whole.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.rounds.iter().any(Round::is_whole)
    }

    /// Ends it now.
    pub fn end(&mut self, code: Option<&'static str>, detail: impl Into<String>) {
        if !std::mem::replace(&mut self.over, true) {
            let leases: Vec<LeaseId> = self.places.keys().copied().collect();
            for lease in leases {
                self.outs.push(Out::Order(lease, SeatOrder::Finish));
            }
            let detail = detail.into();
            let word = HomeWord::Ended { code: code.map(str::to_owned), detail: detail.clone() };
            self.outs.push(Out::Say(word));
            self.outs.push(Out::End(code, detail));
        }
    }

    fn refuse(&mut self, round: u64, shard: Option<u32>, code: &str, detail: String) {
        let code = code.to_owned();
        self.outs.push(Out::Say(HomeWord::Refused { round, shard, code, detail }));
    }

    /// Rounds that are answered make room for others.
    fn advance(&mut self) {
        while self.rounds.front().is_some_and(Round::is_over) {
            let Some(round) = self.rounds.pop_front() else { break };
            if self.rules.remembers {
                let bytes = round.messages.iter().map(Bytes::len);
                self.kept_bytes = bytes.fold(self.kept_bytes, usize::saturating_add);
                let Round { number, alone, messages, .. } = round;
                self.kept.push(Kept { number, alone, messages });
            }
        }
        let front = self.rounds.front().map(|round| round.number.saturating_sub(1));
        self.answered = front.unwrap_or(self.begun);
        self.end_if_finished();
    }

    fn end_if_finished(&mut self) {
        if self.finishing && !self.over && self.parked.is_empty() {
            self.drop_half();
            if self.rounds.is_empty() {
                self.end(None, "finished");
            }
        }
    }
}

/// A message with this head and payload.
fn joined(head: &SessionHead, payload: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(SESSION_HEAD_BYTES.saturating_add(payload.len()));
    message.extend_from_slice(&head.encode());
    message.extend_from_slice(payload);
    message.freeze()
}

fn index(shard: u32) -> usize {
    usize::try_from(shard).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
