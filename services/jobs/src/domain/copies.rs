//! Who gets a copy of which chunk, and how many copies a chunk needs.

use medusa_events::Fact;
use medusa_types::{ChunkIndex, Credits, Fuel, LeaseId, Timestamp, UserId};

use super::chunk::{Barred, Chunk};
use super::job::{Job, LEASE_MS};
use super::kin::Fleet;
use super::lease::Worker;
use super::trust::{Copies, draw};
use super::verdict::{Means, Verdict, judge};

/// The tail of a job is this part of its chunks.
const TAIL_PART: u32 = 10;
/// Copies of a chunk whose agents have no record yet.
const COPIES: usize = 2;

impl Chunk {
    /// Whether it was handed out as often as it may be, and nobody works on it.
    pub(super) fn is_exhausted(&self, job: &Job) -> bool {
        self.live.is_empty() && self.is_spent(job)
    }

    fn is_spent(&self, job: &Job) -> bool {
        let rules = job.rules();
        let over = |n: usize, max: u32| u32::try_from(n).unwrap_or(u32::MAX) >= max;
        self.leases.saturating_sub(self.pardoned) >= rules.leases_max
            || over(self.attempts.len(), rules.results_max)
            || over(self.broken.len(), rules.errors_max)
    }

    /// The most fuel that one of its copies says it took.
    fn claimed(&self) -> Fuel {
        self.attempts.iter().map(|a| a.fuel).max().unwrap_or_default()
    }
}

impl Job {
    /// Gives a worker the next chunk that it may run: the lease, and what was drawn about its
    /// copies if the worker's record allows the question. `dice` is any number. The consumer's own
    /// agents, and owners related to one who already has a copy, are passed over.
    pub fn lease(
        &mut self,
        worker: Worker,
        fleet: &Fleet,
        id: LeaseId,
        dice: u32,
        now: Timestamp,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        let over = self.ended.is_some() || self.merging || self.paused.is_some();
        if over || fleet.related(worker.lender, self.submitted.owner) {
            return facts;
        }
        let (Some(fuel_limit), Some(index)) = (self.affordable(), self.next(worker, fleet)) else {
            return facts;
        };
        let pristine = Chunk::PRISTINE;
        let chunk = self.chunk(index).unwrap_or(&pristine);
        let first = chunk.is_fresh();
        let leased = Fact::ChunkLeased {
            job: self.submitted.id,
            chunk: ChunkIndex(index),
            lease: id,
            agent: worker.agent,
            lender: worker.lender,
            epoch: u64::from(chunk.leases).saturating_add(1),
            fuel_limit,
            expires_at: now.plus_ms(LEASE_MS),
        };
        self.fold(&mut facts, leased);
        if let Some(drawn) =
            first.then(|| self.drawn(worker, index, id, fuel_limit, dice)).flatten()
        {
            self.fold(&mut facts, drawn);
        }
        facts
    }

    /// A chunk that wants a copy that this worker may give: one that was begun, or the next.
    fn next(&self, worker: Worker, fleet: &Fleet) -> Option<u32> {
        let strangers = || {
            fleet.has_other(self.submitted.owner, self.memory_bytes, |owner| {
                fleet.related(owner, worker.lender)
            })
        };
        let waiting = u32::try_from(self.reported.len()).unwrap_or(u32::MAX);
        // What nobody could confirm is not computed ahead for ever.
        let clogged = waiting >= self.rules().unconfirmed_max && !strangers();
        let fits = |barred: &Barred| {
            !(clogged && barred.has.is_empty()) && self.may_run(barred, worker.lender, fleet)
        };
        let next = || (!clogged && self.fresh < self.submitted.leaves()).then_some(self.fresh);
        self.wanting.find(fits).or_else(next)
    }

    /// Whether nobody else has a copy of the chunk that this worker would be given next.
    #[must_use]
    pub fn begins(&self, worker: Worker, fleet: &Fleet) -> bool {
        let next = self.next(worker, fleet).and_then(|index| self.chunk(index));
        next.is_none_or(Chunk::is_fresh)
    }

    /// Whether a chunk wants a copy that somebody else has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.wanting.has_begun()
    }

    /// Whether a chunk may be wanted by somebody: it need not be asked for, otherwise.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let over = self.ended.is_some() || self.merging || self.paused.is_some();
        let some = self.fresh < self.submitted.leaves() || !self.wanting.is_empty();
        !over && some && self.affordable().is_some()
    }

    /// Whether this owner's agent may have a copy: none of its kin has one, and it has not failed
    /// on the chunk while others are there who have not.
    fn may_run(&self, barred: &Barred, lender: UserId, fleet: &Fleet) -> bool {
        let faulted = |owner| barred.faulted.contains(&owner);
        let fresh = || fleet.has_other(self.submitted.owner, self.memory_bytes, faulted);
        let kin = barred.has.iter().any(|owner| fleet.related(*owner, lender));
        !(kin || faulted(lender) && fresh())
    }

    /// Whether this owner, or one related to it, has or had a copy of the chunk that counts.
    fn touched(&self, chunk: &Chunk, lender: UserId, fleet: &Fleet) -> bool {
        let live =
            |id: &LeaseId| self.leases.get(id).is_some_and(|l| fleet.related(l.lender, lender));
        chunk.live.iter().any(live)
            || chunk.attempts.iter().any(|a| fleet.related(a.lender, lender))
    }

    /// The fuel limit of one more lease, if the hold has room for it. With a shorter one an honest
    /// agent would work, run out of fuel, and not be paid.
    pub(super) fn affordable(&self) -> Option<Fuel> {
        let within = self.submitted.prices.fuel_for(self.free());
        (within >= self.fuel_limit).then_some(self.fuel_limit)
    }

    fn drawn(
        &self,
        worker: Worker,
        index: u32,
        lease: LeaseId,
        limit: Fuel,
        dice: u32,
    ) -> Option<Fact> {
        if self.submitted.copies > 1 {
            return None;
        }
        let price = self.submitted.prices.copy_max(limit);
        let (standing, exposed) = (&worker.standing, worker.exposed);
        let drawn = draw(standing, (price, exposed), dice, self.rules())?;
        Some(Fact::CopiesDrawn {
            job: self.submitted.id,
            chunk: ChunkIndex(index),
            lease,
            streak: drawn.streak,
            stake: standing.stake.saturating_sub(exposed),
            check_ppm: drawn.check_ppm,
            draw: drawn.draw,
            copies: drawn.copies.word().to_owned(),
        })
    }

    /// What this lease puts at risk: its price at the limit if nobody else runs its chunk.
    #[must_use]
    pub fn at_risk(&self, lease: LeaseId) -> Credits {
        let Some(lease) = self.leases.get(&lease) else { return Credits::ZERO };
        match self.chunk(lease.chunk).map(|chunk| chunk.copies) {
            Some(Copies::Single) => self.submitted.prices.copy_max(lease.fuel_limit),
            _ => Credits::ZERO,
        }
    }

    /// Keeps the chunk in the sets that it belongs to.
    pub(super) fn refresh(&mut self, index: u32) {
        let chunk = self.chunk(index);
        let reported = chunk.is_some_and(|chunk| !chunk.attempts.is_empty());
        let wanting = chunk.filter(|chunk| !chunk.is_spent(self) && self.lacks_copies(chunk));
        let barred = wanting.map(|chunk| self.barred(chunk));
        self.wanting.set(index, barred);
        if reported {
            self.reported.insert(index);
        } else {
            self.reported.remove(&index);
        }
    }

    fn barred(&self, chunk: &Chunk) -> Barred {
        let live = chunk.live.iter().filter_map(|id| self.leases.get(id).map(|l| l.lender));
        let has = live.chain(chunk.attempts.iter().map(|a| a.lender)).collect();
        Barred { has, faulted: chunk.faulted.clone() }
    }

    fn lacks_copies(&self, chunk: &Chunk) -> bool {
        let live = chunk.live.len().saturating_sub(usize::from(chunk.late));
        let Some(first) = chunk.attempts.first() else {
            let wanted = if chunk.copies == Copies::Double { COPIES } else { 1 };
            return live < wanted;
        };
        let agree = chunk.attempts.iter().all(|a| a.matches(first));
        let own = self.is_cheap(chunk) && (!agree || chunk.copies == Copies::Rerun);
        // The server's own run is under way, or one more copy than there are reports is needed.
        !own && live == 0
    }

    /// Marks chunks with a lease from before `since`, so that each may have one more copy. Whether
    /// there is any that was not marked before. Not a fact: what follows from it is a lease.
    pub fn mark_late(&mut self, since: Timestamp) -> bool {
        let late = self.leases.values().filter(|lease| lease.granted_at < since);
        let late: Vec<u32> = late.map(|lease| lease.chunk).collect();
        let mut new = false;
        for index in late {
            if let Some(chunk) = self.touched.get_mut(&index)
                && !std::mem::replace(&mut chunk.late, true)
            {
                new = true;
                self.refresh(index);
            }
        }
        new
    }

    /// Whether at most a tenth of the chunks is not done, and all of these were handed out.
    #[must_use]
    pub fn is_in_tail(&self) -> bool {
        let open = u32::try_from(self.touched.len()).unwrap_or(u32::MAX);
        self.fresh >= self.submitted.leaves() && open <= self.submitted.chunks.div_ceil(TAIL_PART)
    }

    fn is_cheap(&self, chunk: &Chunk) -> bool {
        chunk.claimed().0 <= self.rules().referee_fuel_max
    }

    pub(super) fn verdict(&self, chunk: &Chunk, fleet: &Fleet) -> Verdict {
        let other = fleet.has_other(self.submitted.owner, self.memory_bytes, |owner| {
            self.touched(chunk, owner, fleet)
        });
        let more = !chunk.is_spent(self) && other || !chunk.live.is_empty();
        let means = Means { copies: chunk.copies, more, cheap: self.is_cheap(chunk) };
        judge(&chunk.attempts, means)
    }

    /// Whether a report waits for somebody who is not there: the server cannot afford to run the
    /// chunk, and no unrelated owner's agent could.
    #[must_use]
    pub fn waits_for_stranger(&self, fleet: &Fleet) -> bool {
        self.reported.iter().filter_map(|index| self.chunk(*index)).any(|chunk| {
            let other = || {
                fleet.has_other(self.submitted.owner, self.memory_bytes, |owner| {
                    self.touched(chunk, owner, fleet)
                })
            };
            chunk.live.is_empty() && self.verdict(chunk, fleet) == Verdict::Open && !other()
        })
    }
}
