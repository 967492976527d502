//! One job: its chunks, its leases, its money. Every change is a fact; `apply` folds facts, so the
//! state after a crash is the state before it.
//!
//! Deciding folds each fact at once, because one report can lead to several facts that build on
//! each other, and because the next message must not wait for the log. When the log does not take
//! the facts, the actor drops this state and folds the log again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use medusa_api::PauseWhy;
use medusa_events::{AttemptShare, EndState, Fact, FileRef};
use medusa_ledger::split_shares;
use medusa_types::{AgentId, ChunkIndex, Credits, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp};

use super::chunk::{Chunk, ChunkStatus, Wanting};
use super::kin::Fleet;
use super::lease::{Attempt, Lease};
use super::submitted::Submitted;
use super::transfer::{InputBytes, Moved};
use super::tree::Tree;
use super::trust::TrustRules;
use super::verdict::{Refereed, Verdict, judge_by};

/// A lease lasts at least this long without a sign of life.
pub(super) const LEASE_MS: i64 = 60_000;
/// However lively its agent, a lease does not last longer.
const LEASE_MAX_MS: i64 = 60 * 60 * 1000;

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) submitted: Submitted,
    /// From this chunk on nobody has touched any.
    pub(super) fresh: u32,
    /// Open chunks before that.
    pub(super) touched: BTreeMap<u32, Chunk>,
    /// Believed results.
    pub(super) done: BTreeMap<u32, Sha256Hash>,
    /// Chunks that the program failed on, and how often each was leased.
    pub(super) failed: BTreeMap<u32, (Outcome, u32)>,
    /// Touched chunks that want one more copy.
    pub(super) wanting: Wanting,
    /// Open chunks with a report.
    pub(super) reported: BTreeSet<u32>,
    pub(super) leases: BTreeMap<LeaseId, Lease>,
    pub(super) spent: Credits,
    /// What live leases and unsettled reports may still cost.
    pub(super) reserved: Credits,
    /// What was added to the hold.
    pub(super) raised: Credits,
    /// Fuel that one run may use: what was submitted, or more after a retry.
    pub(super) fuel_limit: Fuel,
    pub(super) paused: Option<PauseWhy>,
    /// How often its failed chunks got another chance.
    pub(super) retries: u32,
    pub(super) merging: bool,
    /// The tree of merges, and how many results each of its nodes still lacks.
    pub(super) tree: Option<Tree>,
    pub(super) lacking: BTreeMap<u32, u32>,
    /// Bytes of the results that its nodes read, where these are charged for.
    pub(super) output_bytes: BTreeMap<u32, u64>,
    pub(super) inputs: Option<Arc<dyn InputBytes>>,
    pub(super) ended: Option<EndState>,
    /// Leases that were ended by a decision, whose agents need not go on.
    freed: Vec<(AgentId, LeaseId)>,
    rules: TrustRules,
    /// Memory that an agent needs for it, in bytes.
    pub(super) memory_bytes: u64,
    /// A chunk that the program fails on does not end it.
    pub(super) keep_going: bool,
}

impl Job {
    /// The job that begins with this fact; `None` when it is another one.
    #[must_use]
    pub fn begin(fact: &Fact) -> Option<Self> {
        let submitted = Submitted::from_fact(fact)?;
        Some(Self {
            fresh: 0,
            touched: BTreeMap::new(),
            done: BTreeMap::new(),
            failed: BTreeMap::new(),
            wanting: Wanting::default(),
            reported: BTreeSet::new(),
            leases: BTreeMap::new(),
            spent: Credits::ZERO,
            reserved: Credits::ZERO,
            raised: Credits::ZERO,
            fuel_limit: submitted.fuel_limit,
            paused: None,
            retries: 0,
            merging: false,
            tree: submitted.tree(),
            lacking: BTreeMap::new(),
            output_bytes: BTreeMap::new(),
            inputs: None,
            ended: None,
            freed: Vec::new(),
            rules: TrustRules::default(),
            memory_bytes: 0,
            keep_going: false,
            submitted,
        })
    }

    /// By which rules it decides, what memory an agent needs for it, in bytes, and whether it goes
    /// on when the program fails on a chunk.
    pub fn decide_by(&mut self, rules: TrustRules, memory_bytes: u64, keep_going: bool) {
        (self.rules, self.memory_bytes, self.keep_going) = (rules, memory_bytes, keep_going);
        let touched: Vec<u32> = self.touched.keys().copied().collect();
        touched.into_iter().for_each(|index| self.refresh(index));
    }

    pub(super) const fn rules(&self) -> &TrustRules {
        &self.rules
    }

    /// What was submitted.
    #[must_use]
    pub const fn submitted(&self) -> &Submitted {
        &self.submitted
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn ended(&self) -> Option<EndState> {
        self.ended
    }

    /// Whether its results are being put together.
    #[must_use]
    pub const fn merging(&self) -> bool {
        self.merging
    }

    /// Live leases.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// A live lease.
    #[must_use]
    pub fn live_lease(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// Whether every chunk has a result.
    #[must_use]
    pub fn complete(&self) -> bool {
        usize::try_from(self.submitted.chunks).is_ok_and(|chunks| self.done.len() == chunks)
    }

    /// The believed results in chunk order, of a complete job: of the root alone, where the
    /// consumer's own program puts them together.
    #[must_use]
    pub fn outputs(&self) -> Vec<Sha256Hash> {
        match self.tree {
            Some(tree) => self.done.get(&tree.root()).copied().into_iter().collect(),
            None => self.done.values().copied().collect(),
        }
    }

    /// The results that a node of the tree of merges puts together, in order; none for other
    /// chunks.
    #[must_use]
    pub fn below(&self, chunk: u32) -> Vec<Sha256Hash> {
        let children = self.tree.map(|tree| tree.children(chunk)).unwrap_or_default();
        self.done.range(children).map(|(_, output)| *output).collect()
    }

    /// The reports of an open chunk that can be compared.
    #[must_use]
    pub fn attempts(&self, chunk: u32) -> &[Attempt] {
        self.chunk(chunk).map_or(&[], |c| &c.attempts)
    }

    /// Where a chunk is.
    #[must_use]
    pub fn status(&self, chunk: u32) -> Option<ChunkStatus> {
        if let Some(output) = self.done.get(&chunk) {
            return Some(ChunkStatus::Done { output: *output });
        }
        if let Some((outcome, _)) = self.failed.get(&chunk) {
            return Some(ChunkStatus::Failed { outcome: *outcome });
        }
        (chunk < self.submitted.chunks).then_some(ChunkStatus::Open)
    }

    /// An open chunk that was touched.
    pub(super) fn chunk(&self, index: u32) -> Option<&Chunk> {
        self.touched.get(&index)
    }

    /// An open chunk, touched from now on.
    pub(super) fn chunk_mut(&mut self, index: u32) -> Option<&mut Chunk> {
        if index >= self.fresh && index < self.submitted.leaves() {
            for skipped in self.fresh..=index {
                self.touched.insert(skipped, Chunk::PRISTINE);
                self.refresh(skipped);
            }
            self.fresh = index.saturating_add(1);
        }
        self.touched.get_mut(&index)
    }

    /// Whether a chunk is neither done nor failed.
    fn has_open(&self) -> bool {
        let done = self.done.len().saturating_add(self.failed.len());
        usize::try_from(self.submitted.chunks).is_ok_and(|chunks| done < chunks)
    }

    /// Leases that were ended by decisions since the last call: their agents need not go on.
    pub fn take_freed(&mut self) -> Vec<(AgentId, LeaseId)> {
        std::mem::take(&mut self.freed)
    }

    /// What can still be spent on new leases.
    pub(super) fn free(&self) -> Credits {
        let hold = self.submitted.hold.saturating_add(self.raised);
        hold.saturating_sub(self.spent).saturating_sub(self.reserved)
    }

    /// Takes a report. Changes nothing when the lease is not live any more.
    pub fn report(
        &mut self,
        lease: LeaseId,
        (outcome, output, output_bytes, fuel): (Outcome, Sha256Hash, u64, Fuel),
        fleet: &Fleet,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        let Some(lease) = self.leases.get(&lease).cloned() else { return facts };
        let reported = Fact::AttemptReported {
            job: self.submitted.id,
            chunk: ChunkIndex(lease.chunk),
            lease: lease.id,
            outcome,
            output,
            output_bytes,
            // Nobody is paid for more than was leased, whatever an agent says.
            fuel: fuel.min(lease.fuel_limit),
        };
        self.fold(&mut facts, reported);
        facts.extend(self.conclude(lease.chunk, fleet));
        facts
    }

    /// Decides over the present reports of a chunk.
    pub fn conclude(&mut self, index: u32, fleet: &Fleet) -> Vec<Fact> {
        let Some(chunk) = self.chunk(index).filter(|_| self.ended.is_none()) else {
            return Vec::new();
        };
        match self.verdict(chunk, fleet) {
            Verdict::Open if chunk.is_exhausted(self) && !self.keep_going => {
                self.end(EndState::Failed, Some("jobs.too_many_attempts"))
            }
            verdict => self.believe(index, verdict),
        }
    }

    /// Whether the hold is spent before the chunks are done: nothing runs, and nothing can be
    /// leased any more.
    #[must_use]
    pub fn is_starved(&self, fleet: &Fleet) -> bool {
        let idle = self.is_running() && self.leases.is_empty();
        let judged = |i: &u32| self.needs_referee(*i, fleet);
        idle && self.has_open() && self.affordable().is_none() && !self.reported.iter().any(judged)
    }

    pub(super) fn fold(&mut self, facts: &mut Vec<Fact>, fact: Fact) {
        if let Fact::LeaseEnded { lease, .. } = &fact {
            self.freed.extend(self.leases.get(lease).map(|l| (l.agent, l.id)));
        }
        self.apply(&fact);
        facts.push(fact);
    }

    /// Chunks that stand open with a report and could now be concluded, because the fleet changed.
    #[must_use]
    pub fn stale_reports(&self) -> Vec<u32> {
        self.reported.iter().copied().collect()
    }

    /// Whether the server has to run the chunk itself: its reports contradict each other, or one
    /// agent alone is not enough and nobody else is there.
    #[must_use]
    pub fn needs_referee(&self, index: u32, fleet: &Fleet) -> bool {
        self.chunk(index).is_some_and(|chunk| self.verdict(chunk, fleet) == Verdict::Referee)
    }

    /// Decides by the server's own run.
    pub fn refereed(&mut self, index: u32, result: Refereed) -> Vec<Fact> {
        match self.chunk(index) {
            Some(chunk) => {
                let verdict = judge_by(result, &chunk.attempts);
                self.believe(index, verdict)
            }
            None => Vec::new(),
        }
    }

    fn believe(&mut self, index: u32, verdict: Verdict) -> Vec<Fact> {
        let mut facts = Vec::new();
        let Verdict::Believed { why, outcome, output, output_bytes, fuel, right, wrong } = verdict
        else {
            return facts;
        };
        let moved = self.charged_transfer(index, output_bytes, !right.is_empty());
        let settled = self.settle(index, (fuel, moved.map_or(0, Moved::bytes)), &right);
        let live = self.chunk(index).map(|c| c.live.clone()).unwrap_or_default();
        let outdone = (outcome == Outcome::Done).then(|| self.outdone(index, &right)).flatten();
        let verified = Fact::ChunkVerified {
            job: self.submitted.id,
            chunk: ChunkIndex(index),
            verdict: why.to_owned(),
            outcome,
            output,
            fuel,
            right,
            wrong,
        };
        self.fold(&mut facts, verified);
        let counted = moved.map(|moved| moved.fact(self.submitted.id, index));
        for fact in counted.into_iter().chain(settled).chain(outdone) {
            self.fold(&mut facts, fact);
        }
        for lease in live {
            let ended = self.lease_ended(lease, index, "not_needed");
            self.fold(&mut facts, ended);
        }
        if outcome != Outcome::Done && !self.keep_going {
            facts.extend(self.end(EndState::Failed, Some("jobs.program_failed")));
        }
        facts
    }

    fn settle(&self, index: u32, (fuel, bytes): (Fuel, u64), right: &[LeaseId]) -> Option<Fact> {
        let paid: Vec<&Attempt> =
            self.attempts(index).iter().filter(|a| right.contains(&a.lease)).collect();
        let copies = i64::try_from(paid.len()).unwrap_or_default();
        let price = self.submitted.prices.copy(fuel, bytes).checked_mul(copies)?;
        if paid.is_empty() || !price.is_positive() {
            return None;
        }
        let fee = self.submitted.prices.fee(price);
        let amounts = split_shares(price.saturating_sub(fee), &vec![1; paid.len()]);
        let share = |(a, amount): (&Attempt, Credits)| AttemptShare {
            lease: a.lease,
            agent: a.agent,
            lender: a.lender,
            amount,
        };
        let shares = paid.into_iter().zip(amounts).map(share).collect();
        let (job, chunk) = (self.submitted.id, ChunkIndex(index));
        Some(Fact::ChunkSettled { job, chunk, fuel, price, fee, shares })
    }

    /// Copies that gave up what an agent of another owner finished.
    fn outdone(&self, index: u32, right: &[LeaseId]) -> Option<Fact> {
        let chunk = self.chunk(index)?;
        let finished = || chunk.attempts.iter().filter(|a| right.contains(&a.lease));
        let is_outdone = |lender| finished().any(|attempt| attempt.lender != lender);
        let gave_up = chunk.gave_up.iter().filter(|(_, lender)| is_outdone(*lender));
        let leases: Vec<LeaseId> = gave_up.map(|(lease, _)| *lease).collect();
        let (job, chunk) = (self.submitted.id, ChunkIndex(index));
        (!leases.is_empty()).then_some(Fact::CopiesOutdone { job, chunk, leases })
    }

    fn lease_ended(&self, lease: LeaseId, chunk: u32, why: &str) -> Fact {
        let (job, chunk) = (self.submitted.id, ChunkIndex(chunk));
        Fact::LeaseEnded { job, chunk, lease, why: why.to_owned() }
    }

    /// Ends leases that were lost, and decides what follows for their chunks.
    pub fn lose(&mut self, leases: &[LeaseId], why: &str, fleet: &Fleet) -> Vec<Fact> {
        let mut facts = Vec::new();
        for id in leases {
            let Some(chunk) = self.leases.get(id).map(|l| l.chunk) else { continue };
            let ended = self.lease_ended(*id, chunk, why);
            self.fold(&mut facts, ended);
            facts.extend(self.conclude(chunk, fleet));
        }
        facts
    }

    /// Live leases of an agent that are not in `known` and were granted before `since`.
    #[must_use]
    pub fn unknown_to(&self, agent: AgentId, known: &[LeaseId], since: Timestamp) -> Vec<LeaseId> {
        let lost = |l: &&Lease| l.agent == agent && l.granted_at < since && !known.contains(&l.id);
        self.leases.values().filter(lost).map(|l| l.id).collect()
    }

    /// Renews the leases that an agent says it is working on. Not a fact: it dies with the process,
    /// and leases then end as they were granted.
    pub fn renew(&mut self, agent: AgentId, known: &[LeaseId], now: Timestamp) {
        for lease in self.leases.values_mut() {
            if lease.agent == agent && known.contains(&lease.id) {
                let last = lease.granted_at.plus_ms(LEASE_MAX_MS);
                lease.expires_at = lease.expires_at.max(now.plus_ms(LEASE_MS).min(last));
            }
        }
    }

    /// Lets every live lease last at least until then.
    pub fn extend_leases(&mut self, until: Timestamp) {
        for lease in self.leases.values_mut() {
            lease.expires_at = lease.expires_at.max(until);
        }
    }

    /// Live leases past their end.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> Vec<LeaseId> {
        self.leases.values().filter(|l| l.expires_at < now).map(|l| l.id).collect()
    }

    /// Starts putting the results together, once.
    pub fn start_merge(&mut self) -> Option<Fact> {
        let due = self.complete() && !self.merging && self.ended.is_none();
        let fact = due.then_some(Fact::MergeStarted { job: self.submitted.id })?;
        self.apply(&fact);
        Some(fact)
    }

    /// Ends a job whose results are there.
    pub fn finish(&mut self, results: Vec<FileRef>) -> Vec<Fact> {
        self.end_with(EndState::Done, None, results)
    }

    /// Ends the job: its leases end, and the rest of the hold goes back. Changes nothing when it
    /// has
    /// ended before.
    pub fn end(&mut self, state: EndState, code: Option<&str>) -> Vec<Fact> {
        self.end_with(state, code, Vec::new())
    }

    fn end_with(
        &mut self,
        state: EndState,
        code: Option<&str>,
        results: Vec<FileRef>,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        if self.ended.is_some() {
            return facts;
        }
        let (job, owner) = (self.submitted.id, self.submitted.owner);
        let live: Vec<(LeaseId, u32)> = self.leases.values().map(|l| (l.id, l.chunk)).collect();
        for (lease, chunk) in live {
            let ended = self.lease_ended(lease, chunk, "not_needed");
            self.fold(&mut facts, ended);
        }
        let code = code.map(str::to_owned);
        self.fold(&mut facts, Fact::JobEnded { job, owner, state, code, results });
        self.fold(&mut facts, Fact::EscrowReleased { job, owner });
        facts
    }
}

#[cfg(test)]
#[path = "tests.rs"]
pub(super) mod tests;
