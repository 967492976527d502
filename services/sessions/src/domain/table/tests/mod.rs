//! Tables in the tests: one scripted message by message, and one where anything may happen.

mod model;
mod rules;

use bytes::Bytes;
use medusa_api::{HomeWord, SeatWord};
use medusa_protocol::{Number, Reduce, SessionHead, SessionKind};
use medusa_types::{AgentId, Credits, LeaseId, Outcome, UserId, Uuid};

use super::{Out, Rules, Table};
use crate::domain::bill::{Bill, Terms};
use crate::domain::reduce::Nan;

/// A unit of fuel costs a micro-credit.
const TERMS: Terms = Terms {
    hold: Credits::from_micros(1_000_000),
    per_gfuel: Credits::from_micros(1_000_000_000),
    per_start: Credits::from_micros(3),
    fee_permille: 0,
};

fn lease(n: u128) -> LeaseId {
    LeaseId(Uuid::from_u128(n))
}

fn agent_of(lease: LeaseId) -> AgentId {
    AgentId(lease.0)
}

fn lender_of(lease: LeaseId) -> UserId {
    UserId(lease.0)
}

/// A table whose messages are looked at one by one.
struct Desk {
    table: Table,
    outs: Vec<Out>,
}

impl Desk {
    fn new(shards: u32, spares: u32) -> Self {
        Self::with(Rules { shards, spares, nan: Nan::Refuse, remembers: false })
    }

    fn with(rules: Rules) -> Self {
        Self { table: Table::new(rules, Bill::new(TERMS), 0), outs: Vec::new() }
    }

    /// A table of one shard and agent 1, which has it.
    fn of_one() -> Self {
        let mut desk = Self::new(1, 0);
        desk.sit(1);
        desk.outs();
        desk
    }

    /// What is to be done since it was asked last.
    fn outs(&mut self) -> Vec<Out> {
        self.table.take_outs(&mut self.outs);
        std::mem::take(&mut self.outs)
    }

    /// An agent takes a seat, and the shard that it is given.
    fn sit(&mut self, n: u128) {
        let lease = lease(n);
        self.table.taken(lease, agent_of(lease), lender_of(lease));
        self.come(n, (None, 0), 0);
    }

    fn come(&mut self, n: u128, (shard, round): (Option<u32>, u64), fuel: u64) {
        self.table.word(lease(n), SeatWord::Here { shard, round, fuel });
        self.load();
    }

    /// Whoever was given a shard has it.
    fn load(&mut self) {
        self.table.take_outs(&mut self.outs);
        let given = self.outs.iter().filter_map(|out| match out {
            Out::Give(lease, _, shard) => Some((*lease, *shard)),
            _ => None,
        });
        let given: Vec<_> = given.collect();
        self.outs.retain(|out| !matches!(out, Out::Give(..)));
        for (lease, shard) in given {
            self.table.word(lease, SeatWord::Ready { shard });
        }
    }

    fn ask(&mut self, head: SessionHead, payload: &[u8]) {
        for message in head.messages(payload) {
            self.table.client(message.into());
        }
    }

    /// A sum of 64-bit integers.
    fn round(&mut self, number: u64, payload: &[u8]) {
        self.ask(sum(number, payload.len()), payload);
    }

    fn call(&mut self, number: u64, shard: u32, payload: &[u8]) {
        let total = u32::try_from(payload.len()).unwrap();
        self.ask(
            SessionHead { shard, ..SessionHead::new(SessionKind::Call, number, total) },
            payload,
        );
    }

    fn answer(&mut self, n: u128, round: u64, payload: &[u8], fuel: u64) {
        let total = u32::try_from(payload.len()).unwrap();
        let head = SessionHead { fuel, ..SessionHead::new(SessionKind::Answer, round, total) };
        for message in head.messages(payload) {
            self.table.seat(lease(n), message.into());
        }
    }

    fn fail(&mut self, n: u128, outcome: Outcome) {
        let detail = "the end of its words".to_owned();
        let word = SeatWord::Failed { outcome, detail, unfinished: false, round: 1, fuel: 0 };
        self.table.word(lease(n), word);
        self.load();
    }

    /// Pays everything and lets the log have it.
    fn pay(&mut self) {
        let round = self.table.answered();
        if let Some(window) = self.table.bill.window(round) {
            let leases = window.shares.iter().map(|share| share.lease);
            self.table.covered(round, leases);
        }
    }

    /// The one refusal among what is to be done.
    fn refusal(&mut self) -> (u64, Option<u32>, String) {
        let refusals = self.outs().into_iter().filter_map(|out| match out {
            Out::Say(HomeWord::Refused { round, shard, code, detail }) => {
                assert!(!detail.is_empty());
                Some((round, shard, code))
            }
            _ => None,
        });
        let refusals: Vec<_> = refusals.collect();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        refusals.into_iter().next().unwrap()
    }

    /// The rounds and payloads that are to be sent to an agent.
    fn sent_to(&mut self, n: u128) -> Vec<(u64, Vec<u8>)> {
        let sent = self.outs().into_iter().filter_map(|out| match out {
            Out::Seat(to, message) if to == lease(n) => {
                let (head, part) = SessionHead::decode(&message).unwrap();
                Some((head.round, part.to_vec()))
            }
            _ => None,
        });
        sent.collect()
    }

    /// The answers for the client: round, shard, fuel, payload.
    fn answers(&mut self) -> Vec<(u64, u32, u64, Vec<u8>)> {
        let answers = self.outs().into_iter().filter_map(|out| match out {
            Out::Client(message) => {
                let (head, part) = SessionHead::decode(&message).unwrap();
                Some((head.round, head.shard, head.fuel, part.to_vec()))
            }
            _ => None,
        });
        answers.collect()
    }

    fn ended(&mut self) -> Option<Option<&'static str>> {
        self.outs().into_iter().find_map(|out| match out {
            Out::End(code, _) => Some(code),
            _ => None,
        })
    }
}

fn sum(round: u64, len: usize) -> SessionHead {
    let total = u32::try_from(len).unwrap();
    let head = SessionHead::new(SessionKind::Round, round, total);
    SessionHead { reduce: Reduce::Sum, number: Number::I64, ..head }
}

fn one(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn first_message(head: SessionHead, payload: &[u8]) -> Bytes {
    head.messages(payload).next().unwrap().into()
}
