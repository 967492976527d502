//! What agents do at the table: they take seats and shards, say what they have, answer, and go.

use bytes::Bytes;
use medusa_api::{HomeWord, SeatWord};
use medusa_protocol::{PART_BYTES, SESSION_HEAD_BYTES, SessionHead, SessionKind};
use medusa_types::{AgentId, Fuel, LeaseId, Outcome, UserId};

use super::{Out, Place, Table, index, joined};
use crate::domain::code;
use crate::domain::reduce::Ready;
use crate::domain::round::Round;

/// Seats of one shard that may fail, one after the other, before it is the program's fault.
const FAILURES_MAX: u32 = 3;
/// Agents of one shard that may give no answer in time, one after the other.
const LATES_MAX: u32 = 6;

impl Table {
    /// An agent was given a seat, and will come.
    pub fn taken(&mut self, lease: LeaseId, agent: AgentId, lender: UserId) {
        self.bill.take(lease, agent, lender);
        // What windows have paid of before a restart was done by guests that are no more.
        let before = self.bill.fuel_of(lease).0;
        let place = Place {
            agent,
            here: false,
            shard: None,
            sent: false,
            loaded: false,
            ready: false,
            before,
            fuel: 0,
        };
        self.places.entry(lease).or_insert(place);
    }

    /// An agent of before a restart has its seat still, and will come again.
    pub fn adopt(&mut self, lease: LeaseId, agent: AgentId, lender: UserId) {
        self.taken(lease, agent, lender);
        let wanted = self.outs.iter_mut().find_map(|out| match out {
            Out::Want(seats) => Some(seats),
            _ => None,
        });
        if let Some(wanted) = wanted {
            *wanted = wanted.saturating_sub(1);
        }
    }

    /// Whether this agent has a seat here.
    #[must_use]
    pub fn knows(&self, lease: LeaseId) -> bool {
        self.places.contains_key(&lease)
    }

    /// An agent's connection ended. It may come again.
    pub fn cut(&mut self, lease: LeaseId) {
        if let Some(place) = self.places.get_mut(&lease) {
            (place.here, place.sent, place.ready) = (false, false, false);
        }
    }

    /// An agent has left its seat.
    pub fn left(&mut self, lease: LeaseId) {
        let Some(place) = self.places.remove(&lease) else { return };
        if self.over {
            return;
        }
        if let Some(shard) = place.shard {
            self.release(shard);
        }
        self.outs.push(Out::Want(1));
    }

    /// A shard is without an agent; a spare takes it at once.
    fn release(&mut self, shard: u32) {
        if let Some(holder) = self.holders.get_mut(index(shard)) {
            *holder = None;
        }
        let spare = self.places.iter().find(|(_, place)| place.here && place.shard.is_none());
        if let Some(lease) = spare.map(|(lease, _)| *lease) {
            self.give(lease, shard);
        }
        let missing = self.missing();
        if missing > 0 && std::mem::replace(&mut self.was_ready, false) {
            self.outs.push(Out::Say(HomeWord::Waiting { missing }));
        }
    }

    fn give(&mut self, lease: LeaseId, shard: u32) {
        let Some(place) = self.places.get_mut(&lease) else { return };
        (place.shard, place.loaded) = (Some(shard), false);
        let agent = place.agent;
        if let Some(holder) = self.holders.get_mut(index(shard)) {
            *holder = Some(lease);
        }
        self.outs.push(Out::Give(lease, agent, shard));
    }

    /// Whether an agent is to be sent its shard now. Who was cut meanwhile may have asked twice.
    pub fn sends(&mut self, lease: LeaseId, shard: u32) -> bool {
        let Some(place) = self.places.get_mut(&lease) else { return false };
        let wants = place.here && place.shard == Some(shard) && !place.loaded;
        wants && !std::mem::replace(&mut place.sent, true)
    }

    /// Shards that no agent has in its memory.
    #[must_use]
    pub fn missing(&self) -> u32 {
        let has = |holder: &&Option<LeaseId>| {
            let place = holder.and_then(|lease| self.places.get(&lease));
            place.is_some_and(|place| place.ready)
        };
        let held = self.holders.iter().filter(has).count();
        self.rules.shards.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
    }

    /// What an agent says.
    pub fn word(&mut self, lease: LeaseId, word: SeatWord) {
        if self.over {
            return;
        }
        match word {
            SeatWord::Here { shard, round, fuel } => self.here(lease, (shard, round), fuel),
            SeatWord::Ready { shard } => self.loaded(lease, shard),
            SeatWord::Failed { outcome, detail, unfinished, round, fuel } => {
                // What it computed is paid, whatever came of it: its words are an answer too.
                if let Some(place) = self.places.get(&lease).filter(|place| place.loaded) {
                    self.bill.used(lease, Fuel(place.before.saturating_add(fuel)), 0);
                }
                let half = if unfinished { " in the middle of a frame" } else { "" };
                let why = format!("{}{half}: {detail}", outcome.in_words());
                // A seat may use what the whole hold pays for.
                let code = match outcome {
                    Outcome::FuelOut => code::HOLD_SPENT,
                    _ => code::GUEST,
                };
                self.failed(lease, round, (code, &why));
            }
        }
    }

    fn here(&mut self, lease: LeaseId, (shard, round): (Option<u32>, u64), fuel: u64) {
        let Some(place) = self.places.get_mut(&lease) else { return };
        // Its connection before may not have ended yet.
        (place.here, place.sent, place.ready) = (true, false, false);
        // Of a guest of before a restart windows may have paid a part.
        let told = place.before.saturating_add(place.fuel);
        place.fuel = place.fuel.max(fuel);
        if place.shard.is_none() {
            place.before = told.saturating_sub(place.fuel);
        }
        let own = place.shard.filter(|own| place.loaded && shard == Some(*own));
        if let Some(shard) = own
            && !self.rounds.iter().any(|under_way| {
                // Of what it has answered, it can say the last once more, and nothing before it.
                under_way.wants(shard) && under_way.number < round
            })
        {
            return self.ready(lease, shard, round);
        }
        let (own, used) = (place.shard, Fuel(place.before.saturating_add(place.fuel)));
        // Who never had a shard to compute with has used nothing, whatever it says.
        if own.is_some() || self.bill.fuel_of(lease) > Fuel(0) {
            self.bill.used(lease, used, 0);
        }
        let free = (0..).zip(&self.holders).find(|(_, holder)| holder.is_none());
        if let Some(shard) = own.or_else(|| free.map(|(shard, _)| shard)) {
            self.give(lease, shard);
        }
    }

    /// An agent has put its shard into the memory of another guest.
    fn loaded(&mut self, lease: LeaseId, shard: u32) {
        if let Some(place) = self.places.get_mut(&lease).filter(|p| p.shard == Some(shard)) {
            place.loaded = true;
            place.before = place.before.saturating_add(std::mem::take(&mut place.fuel));
            self.ready(lease, shard, 0);
        }
    }

    /// A shard is in an agent's memory: it gets what it has to compute, after what it has answered.
    fn ready(&mut self, lease: LeaseId, shard: u32, answered: u64) {
        let Some(place) = self.places.get_mut(&lease).filter(|p| p.shard == Some(shard)) else {
            return;
        };
        place.ready = true;
        for kept in self.kept.iter().filter(|kept| kept.number > answered) {
            if kept.alone.is_none_or(|alone| alone == shard) {
                let messages = kept.messages.iter();
                self.outs.extend(messages.map(|message| Out::Seat(lease, message.clone())));
            }
        }
        for round in &self.rounds {
            // Where answers depend on it, others need what the one before has answered already.
            let learns = self.rules.remembers && round.asks(shard) && round.number > answered;
            if round.wants(shard) || learns {
                let messages = round.messages.iter();
                self.outs.extend(messages.map(|message| Out::Seat(lease, message.clone())));
            }
        }
        if self.missing() == 0 && !std::mem::replace(&mut self.was_ready, true) {
            self.greet();
        }
    }

    /// An agent's guest ended: the program's mistake, or the agent's. Others try the same a few
    /// times before it is believed.
    fn failed(&mut self, lease: LeaseId, round: u64, (code, why): (&'static str, &str)) {
        // It has left already: what it says still does not count.
        let Some(place) = self.places.remove(&lease) else { return };
        self.outs.push(Out::Dismiss(lease, true));
        let Some(shard) = place.shard else { return self.outs.push(Out::Want(1)) };
        let failures = counted(&mut self.failures, shard);
        self.outs.push(Out::Say(HomeWord::Lost { shard, round, detail: why.to_owned() }));
        if failures >= FAILURES_MAX {
            let why = format!("the program of shard {shard} ended {failures} times: {why}");
            return self.end(Some(code), why);
        }
        self.outs.push(Out::Want(1));
        self.release(shard);
    }

    /// An agent is not waited for any longer.
    pub fn drop_seat(&mut self, lease: LeaseId) {
        if self.places.contains_key(&lease) {
            self.outs.push(Out::Dismiss(lease, false));
            self.left(lease);
        }
    }

    /// Replaces agents that keep a round waiting when others could do it; whether any was.
    pub fn replace_late(&mut self, late: &[u32]) -> bool {
        let mut any = false;
        for shard in late {
            let holder = self.holders.get(index(*shard)).copied().flatten();
            let has_spare = self.places.values().any(|place| place.here && place.shard.is_none());
            let (Some(lease), true) = (holder, has_spare) else { continue };
            let lates = counted(&mut self.lates, *shard);
            if lates >= LATES_MAX {
                let why = format!("{lates} agents, one after the other, gave no answer of");
                self.end(Some(code::GUEST), format!("{why} shard {shard} in time"));
                return true;
            }
            self.outs.push(Out::Dismiss(lease, true));
            self.places.remove(&lease);
            self.outs.push(Out::Want(1));
            self.release(*shard);
            any = true;
        }
        any
    }

    /// The shards that the first round waits for; none where it has not come whole, or an agent is
    /// missing.
    #[must_use]
    pub fn waits_for(&self) -> Vec<u32> {
        let Some(round) = self.rounds.front().filter(|round| round.is_whole()) else {
            return Vec::new();
        };
        if self.missing() > 0 {
            return Vec::new();
        }
        (0..self.rules.shards).filter(|shard| round.wants(*shard)).collect()
    }

    /// A message of an agent.
    pub fn seat(&mut self, lease: LeaseId, message: Bytes) {
        if self.over {
            return;
        }
        let (head, len) = match SessionHead::decode(&message) {
            Ok((head, part)) => (head, part.len()),
            Err(error) => return self.failed(lease, 0, (code::GUEST, &error.to_string())),
        };
        let Some(place) = self.places.get_mut(&lease).filter(|place| place.ready) else { return };
        let Some(shard) = place.shard else { return };
        match head.kind {
            SessionKind::Metrics => self.metrics(shard, &head, &message),
            SessionKind::Answer if is_regular(&head, len) => {
                let asked = self.rules.remembers
                    || self.rounds.iter().any(|r| r.number == head.round && r.wants(shard));
                let fuel = place.before.saturating_add(head.fuel);
                let more = head.fuel.saturating_sub(place.fuel);
                if asked {
                    place.fuel = place.fuel.max(head.fuel);
                    self.bill.used(lease, Fuel(fuel), 0);
                }
                self.answer((lease, shard), &head, (message.slice(SESSION_HEAD_BYTES..), more));
            }
            _ => {
                self.failed(lease, head.round, (code::GUEST, "its agent sent what no agent sends"))
            }
        }
    }

    fn metrics(&mut self, shard: u32, head: &SessionHead, message: &Bytes) {
        if self.rounds.iter().any(|round| round.number == head.round && round.wants(shard)) {
            let mut head = *head;
            head.shard = shard;
            let payload = message.slice(SESSION_HEAD_BYTES..);
            self.outs.push(Out::Client(joined(&head, &payload)));
        }
    }

    fn answer(
        &mut self,
        (lease, shard): (LeaseId, u32),
        head: &SessionHead,
        (part, fuel): (Bytes, u64),
    ) {
        // Of a round that is over, or that another agent answered: computed for what comes after.
        let of_it = |round: &&mut Round| round.number == head.round && round.wants(shard);
        let Some(round) = self.rounds.iter_mut().find(of_it) else { return };
        let mut ready = Vec::new();
        let taken = round.answer(shard, head, part, fuel, &mut ready);
        let (answer, fuel, alone) = (round.answer_head(), round.fuel, round.alone);
        if !round.wants(shard) {
            self.bill.used(lease, Fuel(0), 1);
            for counts in [&mut self.failures, &mut self.lates] {
                if let Some(count) = counts.get_mut(index(shard)) {
                    *count = 0;
                }
            }
        }
        for Ready { shard, total, offset, part } in ready {
            let shard = alone.unwrap_or(shard);
            let head = SessionHead { shard, total, offset, fuel, ..answer };
            self.outs.push(Out::Client(joined(&head, &part)));
        }
        if let Err(error) = taken {
            self.spoil(head.round, shard, error.code(), error.to_string());
        }
        self.advance();
    }

    /// A round cannot be answered; the session goes on. Its client is told once.
    fn spoil(&mut self, number: u64, shard: u32, code: &str, detail: String) {
        let round = self.rounds.iter_mut().find(|round| round.number == number);
        if round.is_some_and(Round::spoil) {
            self.refuse(number, Some(shard), code, detail);
        }
    }
}

/// Whether a part is cut as all agents cut: only so parts of different shards can be put together.
fn is_regular(head: &SessionHead, len: usize) -> bool {
    let offset = usize::try_from(head.offset).unwrap_or(usize::MAX);
    let total = usize::try_from(head.total).unwrap_or(usize::MAX);
    offset.is_multiple_of(PART_BYTES) && len == total.saturating_sub(offset).min(PART_BYTES)
}

/// One more of what is counted by shards.
fn counted(counts: &mut [u32], shard: u32) -> u32 {
    counts.get_mut(index(shard)).map_or(0, |count| {
        *count = count.saturating_add(1);
        *count
    })
}
