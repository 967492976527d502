//! The hall where agents and jobs meet: who is there, who has chunks to give, whose turn it is.
//! Pure: the scheduler's actor carries its questions to the jobs and brings the answers back.
//!
//! Guarantees: consumers share what is computed at the same moment, whatever the size of their
//! jobs, in proportion to the weight of these; no agent holds more leases than its slots, its
//! prefetch and its record allow, questions under way included; a job that has nothing to give is
//! not asked again before it says so, and a lender whom it has refused not before it changes; a
//! copy of what others have begun goes to a lender at random, whatever agents say of themselves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use medusa_types::{AgentId, Credits, JobId, LeaseId, Sha256Hash, Timestamp, UserId};

use super::idle::{Idle, Lots};
use super::lease::Worker;
use super::rest::{Ending, Rest};
use super::trust::{Standing, TrustRules};
pub use crowd::{Presence, Rivals};

/// Leases of one slot: the one that runs, and one that waits with its input fetched.
const LEASES_OF_SLOT: u32 = 2;
/// Questions to one job that are under way at the same time.
const ASKS_MAX: u32 = 16;
/// What one lease of a job of weight 1 adds to its consumer's load.
const LOAD: u64 = 1 << 20;

/// A job with chunks to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub consumer: UserId,
    /// Its part beside other consumers' jobs.
    pub weight: u32,
    /// Its program: agents that have it compiled come first.
    pub program: Sha256Hash,
    /// Its program's length in bytes.
    pub program_bytes: u64,
    /// Whether it runs with the same bits of every NaN.
    pub strict: bool,
    /// Memory that an agent needs for it, in bytes.
    pub memory_bytes: u64,
    /// Its leases are of no foreseeable end: each has a slot of the agent for itself, where nothing
    /// waits behind it.
    pub stays: bool,
}

/// What a job says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A lease, and what it puts at risk.
    Lease(LeaseId, Credits),
    /// It has chunks, but none for this lender.
    NotForThis,
    /// What it has for this lender was begun by others: whom it is for has to be drawn.
    Begun,
    /// It has nothing to give until it offers again.
    Nothing,
}

/// A question: has the job a chunk for this worker?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who is asked.
    pub job: JobId,
    /// For whom.
    pub worker: Worker,
    /// The lender was drawn from all who have room: it may have what others began.
    pub drawn: bool,
    /// How often the job had offered then: what it says does not hold for a later offer.
    offer: u64,
}

/// A lease in hand.
#[derive(Clone, Copy, Debug)]
struct Held {
    job: JobId,
    /// What it puts at risk.
    risk: Credits,
    /// Of those that a slot has room for.
    places: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    worker: Worker,
    slots: u32,
    paused: bool,
    leases: BTreeMap<LeaseId, Held>,
    /// Questions under way.
    asking: u32,
    /// Programs that it has compiled: as it said, and those that it was given since. The latest
    /// last.
    warm: VecDeque<Sha256Hash>,
    rest: Rest,
    /// It is among the idle ones.
    placed: bool,
}

impl Entry {
    fn works(&self, rules: &TrustRules, now: Timestamp) -> bool {
        !self.paused && self.worker.standing.quarantined(rules, now).is_none()
    }

    fn room(&self, rules: &TrustRules, now: Timestamp) -> bool {
        let held = u32::try_from(self.leases.len()).unwrap_or(u32::MAX).saturating_add(self.asking);
        let may = held < self.worker.standing.leases_max(now);
        may && self.rest.is_over(now) && self.works(rules, now) && self.places() > 0
    }

    /// Places for leases that nothing holds and nobody asks for.
    fn places(&self) -> u32 {
        let held =
            self.leases.values().fold(self.asking, |sum, held| sum.saturating_add(held.places));
        self.slots.saturating_mul(LEASES_OF_SLOT).saturating_sub(held)
    }
}

#[derive(Clone, Debug)]
struct Stall {
    offer: Offer,
    /// It has chunks to give, as far as is known.
    open: bool,
    /// It has chunks that others have begun.
    begun: bool,
    /// Lenders whom it has refused since it last changed.
    refused: BTreeSet<UserId>,
    asked: u32,
    /// How often it has offered: an answer to an older question does not close it.
    offers: u64,
    leased: u32,
    over: bool,
}

#[derive(Clone, Debug, Default)]
struct Share {
    load: u64,
    /// When it last got a lease, by a counter.
    served: u64,
    /// Its open jobs, in turn.
    open: VecDeque<JobId>,
}

/// The hall.
#[derive(Clone, Debug, Default)]
pub struct Hall {
    rules: TrustRules,
    entries: BTreeMap<AgentId, Entry>,
    stalls: BTreeMap<JobId, Stall>,
    shares: BTreeMap<UserId, Share>,
    /// Consumers with open jobs, the least loaded first.
    order: BTreeSet<(u64, u64, UserId)>,
    /// Agents with room, by lender.
    idle: Idle,
    /// The same by the programs that they have compiled, for the programs of jobs that are here.
    warm: BTreeMap<Sha256Hash, Idle>,
    /// The lender after whom the next one is looked for.
    last: Option<UserId>,
    served: u64,
    /// Agents that rested when they went: who comes again rests on.
    away: BTreeMap<AgentId, Rest>,
    /// What lots are drawn with, and questions so far.
    seed: [u8; 32],
    asks: u64,
}

impl Hall {
    /// An empty one.
    #[must_use]
    pub fn new(rules: TrustRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The same with lots that nobody foresees who does not know this.
    #[must_use]
    pub fn seeded(self, seed: [u8; 32]) -> Self {
        Self { seed, ..self }
    }

    /// An agent comes, or comes again: what it held over an earlier connection is not counted.
    pub fn enter(&mut self, worker: Worker, slots: u32, paused: bool, now: Timestamp) {
        let agent = worker.agent;
        self.leave(agent);
        let entry = Entry {
            worker,
            slots,
            paused,
            leases: BTreeMap::new(),
            asking: 0,
            warm: VecDeque::new(),
            rest: self.away.remove(&agent).unwrap_or_default(),
            placed: false,
        };
        self.entries.insert(agent, entry);
        self.place(agent, now);
    }

    /// An agent goes; whose it was.
    pub fn leave(&mut self, agent: AgentId) -> Option<UserId> {
        self.unplace(agent);
        let entry = self.entries.remove(&agent)?;
        if entry.rest != Rest::default() {
            self.away.insert(agent, entry.rest);
        }
        for held in entry.leases.into_values() {
            self.unload(held.job);
        }
        Some(entry.worker.lender)
    }

    /// An agent pauses or goes on. Whether that is new.
    pub fn pause(&mut self, agent: AgentId, paused: bool, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&agent) else { return false };
        let new = std::mem::replace(&mut entry.paused, paused) != paused;
        self.place(agent, now);
        new
    }

    /// An agent's record is this from now on. Whether it is quarantined by it.
    pub fn judge(&mut self, agent: AgentId, standing: Standing, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&agent) else { return false };
        entry.worker.standing = standing;
        let out = standing.quarantined(&self.rules, now).is_some();
        self.place(agent, now);
        out
    }

    /// Places everybody anew: quarantines end by themselves.
    pub fn replace(&mut self, now: Timestamp) {
        self.away.retain(|_, rest| !rest.is_forgotten(now));
        let agents: Vec<AgentId> = self.entries.keys().copied().collect();
        agents.into_iter().for_each(|agent| self.place(agent, now));
    }

    /// A job has, or again has, chunks to give.
    pub fn offer(&mut self, offer: Offer) {
        let job = offer.job;
        let stall = self.stalls.entry(job).or_insert_with(|| Stall {
            offer,
            open: false,
            begun: false,
            refused: BTreeSet::new(),
            asked: 0,
            offers: 0,
            leased: 0,
            over: false,
        });
        stall.over = false;
        let program = stall.offer.program;
        stall.refused.clear();
        stall.offers = stall.offers.saturating_add(1);
        if !std::mem::replace(&mut stall.open, true) {
            self.reorder(offer.consumer, |share| share.open.push_front(job));
        }
        self.look_for(program);
    }

    /// A job is over. Its leases count until they end.
    pub fn withdraw(&mut self, job: JobId) {
        self.close(job);
        if let Some(stall) = self.stalls.get_mut(&job) {
            stall.over = true;
        }
        self.forget(job);
    }

    fn forget(&mut self, job: JobId) {
        if self.stalls.get(&job).is_some_and(|stall| stall.over && stall.leased == 0) {
            let gone = self.stalls.remove(&job);
            if let Some(stall) = gone {
                self.look_no_more(stall.offer.program);
            }
        }
    }

    fn close(&mut self, job: JobId) {
        let Some(stall) = self.stalls.get_mut(&job) else { return };
        if std::mem::replace(&mut stall.open, false) {
            let consumer = stall.offer.consumer;
            self.reorder(consumer, |share| share.open.retain(|other| *other != job));
        }
    }

    /// The next question, if an agent has room for what a job may have.
    pub fn next_ask(&mut self, now: Timestamp) -> Option<Ask> {
        let (job, agent) = self.next_pair()?;
        self.asks = self.asks.saturating_add(1);
        let stall = self.stalls.get_mut(&job)?;
        stall.asked = stall.asked.saturating_add(1);
        let (offer, drawn) = (stall.offers, stall.begun);
        let entry = self.entries.get_mut(&agent)?;
        entry.asking = entry.asking.saturating_add(1);
        let risks = entry.leases.values().map(|held| held.risk);
        let exposed = risks.fold(Credits::ZERO, Credits::saturating_add);
        let worker = Worker { exposed, ..entry.worker };
        self.last = Some(worker.lender);
        self.place(agent, now);
        Some(Ask { job, worker, drawn, offer })
    }

    fn next_pair(&self) -> Option<(JobId, AgentId)> {
        if self.idle.is_empty() {
            return None;
        }
        let shares = self.order.iter().filter_map(|(_, _, consumer)| self.shares.get(consumer));
        let jobs = shares.flat_map(|share| share.open.iter());
        let mut open = jobs.filter_map(|job| self.stalls.get(job));
        let mut lots = Lots::of(self.seed, self.asks);
        open.find_map(|stall| {
            let full = stall.asked >= ASKS_MAX;
            let agent = match stall.begun {
                _ if full => None,
                true => self.draw_for(stall, &mut lots),
                false => self.agent_for(stall),
            };
            agent.map(|agent| (stall.offer.job, agent))
        })
    }

    fn fits(&self, agent: &AgentId, stall: &Stall) -> bool {
        let entry = self.entries.get(agent);
        let places = places(&stall.offer);
        entry.is_some_and(|entry| {
            let worker = &entry.worker;
            let can = worker.memory_bytes >= stall.offer.memory_bytes;
            can && (worker.stays || !stall.offer.stays) && entry.places() >= places
        })
    }

    /// An agent for a chunk that others may have begun: of any lender who may be given it, each as
    /// likely. What agents say that they have compiled matters only between those of one lender.
    fn draw_for(&self, stall: &Stall, lots: &mut Lots) -> Option<AgentId> {
        let fits = |agent: &AgentId| self.fits(agent, stall);
        let warm = self.warm.get(&stall.offer.program);
        self.idle.draw(lots, |lender| {
            if stall.refused.contains(&lender) {
                return None;
            }
            let warm = warm.and_then(|idle| idle.of(lender, fits));
            warm.or_else(|| self.idle.of(lender, fits))
        })
    }

    /// An agent for a fresh chunk: one that has its program, or one of the next lender in turn.
    fn agent_for(&self, stall: &Stall) -> Option<AgentId> {
        let fits = |agent: &AgentId| self.fits(agent, stall);
        let next = |idle: &Idle| idle.next(self.last, &stall.refused, fits);
        let warm = self.warm.get(&stall.offer.program).and_then(next);
        warm.or_else(|| next(&self.idle))
    }

    /// A job has answered a question.
    pub fn answer(&mut self, ask: &Ask, answer: Answer, now: Timestamp) {
        let agent = ask.worker.agent;
        let mut current = false;
        if let Some(stall) = self.stalls.get_mut(&ask.job) {
            stall.asked = stall.asked.saturating_sub(1);
            current = stall.offers == ask.offer;
            if current && answer == Answer::NotForThis {
                stall.refused.insert(ask.worker.lender);
            }
        }
        if let Some(entry) = self.entries.get_mut(&agent) {
            entry.asking = entry.asking.saturating_sub(1);
        }
        match answer {
            Answer::Lease(lease, risk) => self.lease(agent, ask.job, lease, risk),
            Answer::Nothing if current => self.close(ask.job),
            Answer::Begun => self.begun(ask.job, true),
            Answer::Nothing | Answer::NotForThis => {}
        }
        self.place(agent, now);
    }

    /// Whether a job has chunks that others have begun.
    pub fn begun(&mut self, job: JobId, begun: bool) {
        if let Some(stall) = self.stalls.get_mut(&job) {
            stall.begun = begun;
        }
    }

    fn lease(&mut self, agent: AgentId, job: JobId, lease: LeaseId, risk: Credits) {
        let Some(offer) = self.stalls.get(&job).map(|stall| stall.offer) else { return };
        self.warm_up(agent, offer.program);
        let Some(entry) = self.entries.get_mut(&agent) else { return };
        entry.leases.insert(lease, Held { job, risk, places: places(&offer) });
        let Some(stall) = self.stalls.get_mut(&job) else { return };
        stall.leased = stall.leased.saturating_add(1);
        let (unit, consumer) = (unit(&stall.offer), stall.offer.consumer);
        self.served = self.served.saturating_add(1);
        let served = self.served;
        self.reorder(consumer, |share| {
            (share.load, share.served) = (share.load.saturating_add(unit), served);
            if let Some(first) = share.open.iter().position(|other| *other == job)
                && let Some(job) = share.open.remove(first)
            {
                share.open.push_back(job);
            }
        });
    }

    /// A lease is over for its agent. Whether it held it.
    pub fn free(&mut self, agent: AgentId, lease: LeaseId, now: Timestamp) -> bool {
        let held = self.entries.get_mut(&agent).and_then(|entry| entry.leases.remove(&lease));
        if let Some(held) = held {
            self.unload(held.job);
            self.place(agent, now);
        }
        held.is_some()
    }

    /// How a lease ended that an agent held: after some endings it rests.
    pub fn ended(&mut self, agent: AgentId, ending: Ending, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&agent) else { return };
        entry.rest.after(ending, now);
        self.place(agent, now);
    }

    /// How much an agent lends from now on. Whether that is new.
    pub fn resize(&mut self, agent: AgentId, slots: u32, memory: u64, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&agent) else { return false };
        let before = (entry.slots, entry.worker.memory_bytes);
        (entry.slots, entry.worker.memory_bytes) = (slots, memory);
        self.place(agent, now);
        before != (slots, memory)
    }

    /// Takes all leases from an agent.
    pub fn strip(&mut self, agent: AgentId, now: Timestamp) -> Vec<LeaseId> {
        let Some(entry) = self.entries.get(&agent) else { return Vec::new() };
        let leases: Vec<LeaseId> = entry.leases.keys().copied().collect();
        for lease in &leases {
            self.free(agent, *lease, now);
        }
        leases
    }

    /// The jobs that an agent holds leases of; `None` if it says that it runs one of which nothing
    /// is known here.
    #[must_use]
    pub fn jobs_of(&self, agent: AgentId, running: &[LeaseId]) -> Option<BTreeSet<JobId>> {
        let leases = &self.entries.get(&agent)?.leases;
        let known = running.iter().all(|lease| leases.contains_key(lease));
        known.then(|| leases.values().map(|held| held.job).collect())
    }

    fn unload(&mut self, job: JobId) {
        let Some(stall) = self.stalls.get_mut(&job) else { return };
        stall.leased = stall.leased.saturating_sub(1);
        let (unit, consumer) = (unit(&stall.offer), stall.offer.consumer);
        self.reorder(consumer, |share| share.load = share.load.saturating_sub(unit));
        self.forget(job);
    }

    /// Changes a consumer's share and its place among the others.
    fn reorder(&mut self, consumer: UserId, change: impl FnOnce(&mut Share)) {
        let share = self.shares.entry(consumer).or_default();
        self.order.remove(&(share.load, share.served, consumer));
        change(share);
        if !share.open.is_empty() {
            self.order.insert((share.load, share.served, consumer));
        } else if share.load == 0 {
            self.shares.remove(&consumer);
        }
    }
}

/// What one of its leases takes of the places of an agent.
const fn places(offer: &Offer) -> u32 {
    if offer.stays { LEASES_OF_SLOT } else { 1 }
}

fn unit(offer: &Offer) -> u64 {
    LOAD.checked_div(u64::from(offer.weight)).unwrap_or(LOAD)
}

#[path = "hall_crowd.rs"]
mod crowd;
#[path = "hall_warm.rs"]
mod warm;

#[cfg(test)]
#[path = "hall_tests.rs"]
mod tests;
