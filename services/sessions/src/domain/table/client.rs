//! What clients do at the table: they send rounds, and end the session.

use bytes::Bytes;
use medusa_api::{HomeWord, SeatOrder};
use medusa_protocol::{MARK, Reduce, SESSION_HEAD_BYTES, SessionHead, SessionKind};
use medusa_types::LeaseId;

use super::{Out, Table};
use crate::domain::code;
use crate::domain::reduce::Reducer;
use crate::domain::round::Round;

/// Rounds under way at the same time,
const UNDER_WAY_MAX: usize = 64;
/// and what is asked in them together.
const UNDER_WAY_BYTES_MAX: usize = 128 << 20;
/// Rounds that may be answered before they are in the log; more wait.
pub(super) const AHEAD_MAX: u64 = 16_384;
/// What may wait for the log.
const PARKED_BYTES_MAX: usize = 256 << 20;
/// Rounds that are kept for agents that take over; an agent's queue must hold them all.
const KEPT_BYTES_MAX: usize = 192 << 20;

impl Table {
    /// Tells a client that connects how it stands.
    pub fn greet(&mut self) {
        let missing = self.missing();
        self.outs.push(Out::Say(if missing == 0 {
            HomeWord::Ready { shards: self.rules.shards, round: self.begun }
        } else {
            HomeWord::Waiting { missing }
        }));
    }

    /// The client wishes to end it when all is answered.
    pub fn finish(&mut self) {
        self.finishing = true;
        self.end_if_finished();
    }

    /// The client is gone, or another one came in its place: nobody will send the rest of a round
    /// of which only parts have come, and what has not begun is sent again.
    pub fn client_gone(&mut self) {
        self.parked.clear();
        self.parked_bytes = 0;
        if !self.over {
            self.drop_half();
            self.advance();
        }
    }

    /// The client said what nobody understands.
    pub fn misunderstood(&mut self, why: &str) {
        self.refuse(0, None, code::MESSAGE, format!("not understood: {why}"));
    }

    /// A message of the client.
    pub fn client(&mut self, message: Bytes) {
        if self.over {
            return;
        }
        if self.finishing {
            let round = SessionHead::decode(&message).map_or(0, |(head, _)| head.round);
            let why = "the session is being finished".to_owned();
            return self.refuse(round, None, code::FINISHED, why);
        }
        if self.parked.is_empty() && self.may_go_on() {
            return self.round(message);
        }
        self.parked_bytes = self.parked_bytes.saturating_add(message.len());
        if self.parked_bytes > PARKED_BYTES_MAX {
            let why = "256 MiB of rounds wait to be begun: wait for answers";
            return self.end(Some(code::ROUNDS_MANY), why);
        }
        self.parked.push_back(message);
    }

    /// What is not in the log yet bounds what a crash could lose; what was begun is let in whole.
    fn may_go_on(&self) -> bool {
        let ahead = self.begun.saturating_sub(self.covered);
        let may = ahead < AHEAD_MAX && !self.log_is_late;
        may || self.rounds.back().is_some_and(|round| !round.is_whole())
    }

    /// The log takes too long: nothing more begins until it has what was done.
    pub const fn wait_for_log(&mut self) {
        self.log_is_late = true;
    }

    /// The log has everything up to this round.
    pub fn covered(&mut self, round: u64, shares: impl Iterator<Item = LeaseId>) {
        self.covered = self.covered.max(round);
        self.log_is_late = false;
        for lease in shares {
            if self.places.get(&lease).is_some_and(|place| place.here) {
                self.outs.push(Out::Order(lease, SeatOrder::Paid { round }));
            }
        }
        while !self.over && self.may_go_on() {
            let Some(message) = self.parked.pop_front() else { break };
            self.parked_bytes = self.parked_bytes.saturating_sub(message.len());
            self.round(message);
        }
        self.end_if_finished();
    }

    /// A round whose last parts do not come is none.
    pub(super) fn drop_half(&mut self) {
        if let Some(round) = self.rounds.pop_back_if(|round| !round.is_whole()) {
            self.skipping = Some(round.number);
            let why = "its last parts did not come".to_owned();
            self.refuse(round.number, None, code::MESSAGE, why);
        }
    }

    fn round(&mut self, message: Bytes) {
        let (head, len) = match SessionHead::decode(&message) {
            Ok((head, part)) => (head, part.len()),
            Err(error) => return self.refuse(0, None, code::MESSAGE, error.to_string()),
        };
        if self.skipping == Some(head.round) && head.offset > 0 {
            return;
        }
        if head.offset > 0 {
            let whole = self.rounds.back_mut().filter(|round| round.follows(&head));
            let Some(round) = whole else {
                let why = "a part came without those before it".to_owned();
                return self.refuse(head.round, None, code::MESSAGE, why);
            };
            round.add(message.clone(), len);
            return self.broadcast(&head, message);
        }
        self.drop_half();
        if let Err((code, why)) = self.may_begin(&head, &message) {
            return self.pass_over(head.round, code, why);
        }
        let alone = (head.kind == SessionKind::Call).then_some(head.shard);
        let how = if alone.is_some() { Reduce::None } else { head.reduce };
        match Reducer::new((how, head.number), self.rules.nan, self.rules.shards) {
            Ok(reducer) => {
                (self.begun, self.skipping) = (head.round, None);
                let mut round = Round::new(&head, alone, reducer, self.rules.shards);
                round.add(message.clone(), len);
                self.rounds.push_back(round);
                self.broadcast(&head, message);
            }
            Err(error) => self.pass_over(head.round, code::REDUCE, error.to_string()),
        }
    }

    /// Refuses a round before it begins; its number is used up.
    fn pass_over(&mut self, round: u64, code: &str, why: String) {
        self.skipping = Some(round);
        if round == self.begun.saturating_add(1) {
            self.begun = round;
        }
        self.refuse(round, None, code, why);
        self.advance();
    }

    fn may_begin(&self, head: &SessionHead, message: &Bytes) -> Result<(), (&'static str, String)> {
        let next = self.begun.saturating_add(1);
        let payload = message.get(SESSION_HEAD_BYTES..).unwrap_or_default();
        if !matches!(head.kind, SessionKind::Round | SessionKind::Call) {
            return Err((code::MESSAGE, "a client sends rounds and calls only".into()));
        }
        if self.bill.is_spent() {
            let why = "what is held for this session is spent: open another one";
            return Err((code::HOLD_SPENT, why.into()));
        }
        if head.round != next {
            let why = format!("the next round has number {next}, not {}", head.round);
            return Err((code::ROUND_NUMBER, why));
        }
        if self.rounds.len() >= UNDER_WAY_MAX {
            let why = format!("{UNDER_WAY_MAX} rounds are under way: wait for an answer");
            return Err((code::ROUNDS_MANY, why));
        }
        let total = usize::try_from(head.total).unwrap_or(usize::MAX);
        let asked = self.rounds.iter().fold(total, |sum, round| sum.saturating_add(round.size()));
        if asked > UNDER_WAY_BYTES_MAX {
            let why = "rounds under way have at most 128 MiB together: wait for an answer";
            return Err((code::ROUNDS_MANY, why.into()));
        }
        if head.kind == SessionKind::Call && head.shard >= self.rules.shards {
            let why = format!("there are {} shards, counted from 0", self.rules.shards);
            return Err((code::SHARD, why));
        }
        if payload.starts_with(MARK) {
            let why = "a round does not begin with the mark of control frames".to_owned();
            return Err((code::MESSAGE, why));
        }
        // What is under way is kept when it is answered.
        if self.rules.remembers && self.kept_bytes.saturating_add(asked) > KEPT_BYTES_MAX {
            let why = "192 MiB of rounds are kept, for agents that take over: open another session";
            return Err((code::MEMORY, why.into()));
        }
        Ok(())
    }

    /// To those who have the shard; who takes one later gets it then.
    fn broadcast(&mut self, head: &SessionHead, message: Bytes) {
        let alone = (head.kind == SessionKind::Call).then_some(head.shard);
        for (shard, holder) in (0..).zip(&self.holders) {
            let ready = |lease: &LeaseId| self.places.get(lease).is_some_and(|place| place.ready);
            if alone.is_none_or(|alone| alone == shard)
                && let Some(lease) = holder.filter(ready)
            {
                self.outs.push(Out::Seat(lease, message.clone()));
            }
        }
    }
}
