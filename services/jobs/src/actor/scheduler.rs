//! The scheduler: knows connected agents and open jobs, and brings them together. It carries the
//! questions of the hall to the jobs and the answers back, and tells the jobs who is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::replace;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use medusa_api::AgentLimits;
use medusa_platform::Clock;
use medusa_protocol::Phase;
use medusa_types::{AgentId, JobId, LeaseId, Sha256Hash, Timestamp, UserId};

use super::MAILBOX_MAX;
use super::giver::Giver;
use super::message::{Answered, JobEvent, NextLease, Reported};
use super::seen::About;
use super::steer::{Ahead, Dismiss, Steer};
use super::worker::{Assign, Replaced, Revoke, WorkerActor};
use crate::domain::{Answer, Ask, Ending, Fleet, Hall, Offer, Standing, Tie, TrustRules, Worker};

/// The address that everybody uses.
pub(crate) type SchedulerHandle = Addr<Scheduler>;

/// An agent connected.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WorkerUp {
    pub(crate) worker: Worker,
    /// What it has in common with other owners.
    pub(crate) ties: BTreeSet<Tie>,
    pub(crate) about: About,
    /// What its owner asked for.
    pub(crate) remote: AgentLimits,
    /// Its reports are checked against a key.
    pub(crate) signs: bool,
    /// What it has compiled.
    pub(crate) cached: Vec<Sha256Hash>,
    pub(crate) addr: Addr<WorkerActor>,
}

/// An agent's connection ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WorkerDown {
    pub(crate) agent: AgentId,
    pub(crate) addr: Addr<WorkerActor>,
}

/// An agent said how it is.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WorkerPulse {
    pub(crate) agent: AgentId,
    pub(crate) paused: bool,
    pub(crate) slots: Option<u32>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) why: Option<String>,
    /// What it has compiled, when that changed.
    pub(crate) cached: Option<Vec<Sha256Hash>>,
    pub(crate) running: Vec<LeaseId>,
    /// How far those of them are that do not compute yet.
    pub(crate) early: Vec<(LeaseId, Phase)>,
    pub(crate) connected_at: Timestamp,
}

/// An agent has finished a lease.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Freed {
    pub(crate) agent: AgentId,
    pub(crate) lease: LeaseId,
    pub(crate) ending: Ending,
}

/// A report whose lease was granted over an earlier connection.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Orphan(pub(crate) Reported);

/// A job has (or again has) chunks to give.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct JobUp {
    pub(crate) offer: Offer,
    pub(crate) giver: Giver,
}

/// A job ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct JobDown(pub(crate) JobId);

/// Records of agents that changed, as the read model has them.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Standings(pub(crate) Vec<(AgentId, Standing)>);

/// A lease is not needed any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Withdraw {
    pub(crate) agent: AgentId,
    pub(crate) lease: LeaseId,
}

/// Hand out nothing more. The answer is how many leases are under way.
#[derive(Message)]
#[rtype(result = "usize")]
pub(crate) struct Drain;

/// Changes of who is there are gathered for so long before the jobs are told.
const GATHER: Duration = Duration::from_millis(10);

/// The scheduler.
pub(crate) struct Scheduler {
    pub(super) hall: Hall,
    pub(super) workers: HashMap<AgentId, Link>,
    jobs: BTreeMap<JobId, Giver>,
    /// Owners of agents that were cut off and may come back.
    pub(super) missed: BTreeMap<AgentId, UserId>,
    /// Machines that their owners removed since the start: one may be connecting just then.
    pub(super) removed: BTreeSet<AgentId>,
    /// What owners asked for last since the start, for the same reason.
    pub(super) steered: BTreeMap<AgentId, Steer>,
    /// Machines that got a key since the start, likewise.
    pub(super) signing: BTreeSet<AgentId>,
    /// Agents of before a restart may still be on their way.
    gathering: bool,
    /// Records of all agents that ever had one.
    standings: BTreeMap<AgentId, Standing>,
    /// What owners have in common, of all who were connected since the start.
    ties: Arc<BTreeMap<UserId, BTreeSet<Tie>>>,
    /// Who is there, as the jobs know it.
    fleet: Arc<Fleet>,
    /// The jobs will be told who is there.
    announcing: bool,
    /// Another process will hand out leases.
    draining: bool,
    pub(super) rules: TrustRules,
    pub(super) clock: Clock,
    grace: Duration,
}

/// A connected agent.
pub(super) struct Link {
    pub(super) addr: Addr<WorkerActor>,
    pub(super) about: About,
    pub(super) remote: AgentLimits,
    pub(super) signs: bool,
    /// Programs that it was told of.
    ahead: Vec<Offer>,
    /// It has said what it is working on since it came.
    told: bool,
}

impl Scheduler {
    pub(crate) fn new(clock: Clock, grace: Duration, rules: TrustRules, seed: [u8; 32]) -> Self {
        Self {
            hall: Hall::new(rules).seeded(seed),
            workers: HashMap::new(),
            jobs: BTreeMap::new(),
            missed: BTreeMap::new(),
            removed: BTreeSet::new(),
            steered: BTreeMap::new(),
            signing: BTreeSet::new(),
            gathering: true,
            standings: BTreeMap::new(),
            ties: Arc::default(),
            fleet: Arc::new(Fleet { gathering: true, ..Fleet::default() }),
            announcing: false,
            draining: false,
            rules,
            clock,
            grace,
        }
    }

    /// Tells the jobs who is there, soon.
    pub(super) fn announce_soon(&mut self, ctx: &mut Context<Self>) {
        if !replace(&mut self.announcing, true) {
            ctx.run_later(GATHER, |act, _| {
                act.announcing = false;
                act.announce_fleet();
            });
        }
    }

    /// Gives an agent from now on what it and its owner allow.
    pub(super) fn fit(&mut self, agent: AgentId, ctx: &mut Context<Self>) {
        let Some(link) = self.workers.get(&agent) else { return };
        let (paused, slots, memory_bytes) = link.about.within(&link.remote);
        let now = self.clock.now();
        let is_other = self.hall.resize(agent, slots, memory_bytes, now);
        if self.hall.pause(agent, paused, now) || is_other {
            self.announce_soon(ctx);
        }
        self.ask_all(ctx);
    }

    /// Looks who is there, and tells the jobs if that has changed.
    fn announce_fleet(&mut self) {
        let mut owners = self.hall.owners(self.clock.now());
        for owner in self.missed.values() {
            // Who may come back in a moment comes back as large as before.
            owners.insert(*owner, u64::MAX);
        }
        let fleet = Fleet { owners, ties: Arc::clone(&self.ties), gathering: self.gathering };
        if fleet != *self.fleet {
            self.fleet = Arc::new(fleet);
            let fleet = Arc::clone(&self.fleet);
            self.tell_jobs(|| JobEvent::Fleet(Arc::clone(&fleet)));
        }
    }

    /// Ends the leases of an agent that is quarantined from now on.
    fn cut_off(&mut self, agent: AgentId) {
        tracing::warn!(%agent, "an agent is quarantined for wrong results");
        for lease in self.hall.strip(agent, self.clock.now()) {
            self.revoke(agent, lease);
        }
        self.tell_jobs(|| JobEvent::AgentGone(agent));
    }

    fn revoke(&self, agent: AgentId, lease: LeaseId) {
        let link = self.workers.get(&agent);
        if link.is_some_and(|link| link.addr.try_send(Revoke(lease)).is_err()) {
            tracing::debug!(%agent, "an agent did not hear of a withdrawn lease");
        }
    }

    pub(super) fn tell_jobs(&self, event: impl Fn() -> JobEvent) {
        for giver in self.jobs.values() {
            giver.tell(event());
        }
    }

    /// Asks the jobs for all agents with room, as far as they have anything to give.
    pub(super) fn ask_all(&mut self, ctx: &mut Context<Self>) {
        if self.draining {
            return;
        }
        while let Some(ask) = self.hall.next_ask(self.clock.now()) {
            let Some(job) = self.jobs.get(&ask.job).cloned() else {
                self.hall.withdraw(ask.job);
                continue;
            };
            let (worker, drawn) = (ask.worker, ask.drawn);
            let next = NextLease { worker, drawn, fleet: Arc::clone(&self.fleet) };
            let answer = job.next.send(next).into_actor(self);
            ctx.spawn(answer.map(move |answer, act, ctx| {
                act.answered(&ask, job, answer.unwrap_or(Answered::Nothing));
                act.ask_all(ctx);
            }));
        }
    }

    fn answered(&mut self, ask: &Ask, job: Giver, answered: Answered) {
        let agent = ask.worker.agent;
        let answer = match &answered {
            Answered::Lease(granted) => Answer::Lease(granted.lease, granted.at_risk),
            Answered::NotForThis => Answer::NotForThis,
            Answered::Begun => Answer::Begun,
            Answered::Nothing => Answer::Nothing,
        };
        self.hall.answer(ask, answer, self.clock.now());
        if let Answered::Lease(granted) = &answered {
            self.hall.begun(ask.job, granted.begun);
        }
        // An agent that went away meanwhile leaves a lease that ends with its grace.
        if let (Answered::Lease(granted), Some(link)) = (answered, self.workers.get(&agent))
            && link.addr.try_send(Assign { job, granted }).is_err()
        {
            tracing::warn!(%agent, "an agent's mailbox is full; its lease will end by itself");
        }
    }
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        ctx.run_later(self.grace, |act, _| {
            act.gathering = false;
            act.announce_fleet();
        });
        ctx.run_interval(Duration::from_millis(500), |act, ctx| {
            act.tell_jobs(|| JobEvent::Tick);
            // Quarantines and the rest of who failed too often end by themselves.
            act.hall.replace(act.clock.now());
            act.announce_fleet();
            act.ask_all(ctx);
        });
    }
}

impl Handler<WorkerUp> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: WorkerUp, ctx: &mut Self::Context) {
        let (agent, lender) = (msg.worker.agent, msg.worker.lender);
        if self.removed.contains(&agent) {
            if msg.addr.try_send(Dismiss(agent)).is_err() {
                tracing::debug!(%agent, "an agent that was removed is gone already");
            }
            return;
        }
        if !msg.signs && self.signing.contains(&agent) {
            if msg.addr.try_send(Replaced).is_err() {
                tracing::debug!(%agent, "an agent that signs from now on is gone already");
            }
            return;
        }
        let standing = self.standings.get(&agent).copied().unwrap_or_default();
        let known = self.ties.get(&lender);
        if known.is_none_or(|known| !msg.ties.is_subset(known)) {
            Arc::make_mut(&mut self.ties).entry(lender).or_default().extend(msg.ties);
        }
        let remote = self.steered.get(&agent).map_or(msg.remote, |steer| steer.limits);
        if let Some(steer) = self.steered.get(&agent)
            && msg.addr.try_send(steer.clone()).is_err()
        {
            tracing::debug!(%agent, "an agent is gone already");
        }
        let (paused, slots, memory_bytes) = msg.about.within(&remote);
        let worker = Worker { standing, memory_bytes, ..msg.worker };
        let now = self.clock.now();
        self.hall.enter(worker, slots, paused, now);
        self.hall.cached(agent, &msg.cached, now);
        let (about, signs, ahead) = (msg.about, msg.signs, Vec::new());
        let link = Link { addr: msg.addr, about, remote, signs, ahead, told: false };
        if let Some(old) = self.workers.insert(agent, link)
            && old.addr.try_send(Replaced).is_err()
        {
            tracing::debug!(%agent, "an agent's earlier connection is gone already");
        }
        self.missed.remove(&agent);
        self.announce_soon(ctx);
        self.ask_all(ctx);
    }
}

impl Handler<WorkerDown> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: WorkerDown, ctx: &mut Self::Context) {
        let agent = msg.agent;
        if self.workers.get(&agent).is_none_or(|link| link.addr != msg.addr) {
            return;
        }
        self.workers.remove(&agent);
        if let Some(lender) = self.hall.leave(agent) {
            self.missed.insert(agent, lender);
        }
        // It may come back in a moment and go on with its leases.
        ctx.run_later(self.grace, move |act, ctx| {
            // At a handover it comes back elsewhere.
            if !act.draining && !act.workers.contains_key(&agent) {
                act.missed.remove(&agent);
                act.tell_jobs(|| JobEvent::AgentGone(agent));
                act.announce_soon(ctx);
            }
        });
    }
}

impl Handler<WorkerPulse> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: WorkerPulse, ctx: &mut Self::Context) {
        let (agent, now) = (msg.agent, self.clock.now());
        let first = self.workers.get_mut(&agent).is_some_and(|link| !replace(&mut link.told, true));
        let pulse = || JobEvent::Pulse {
            agent,
            running: msg.running.clone(),
            early: msg.early.clone(),
            connected_at: msg.connected_at,
            now,
        };
        // Leases of an earlier connection may be of any job.
        match self.hall.jobs_of(agent, &msg.running) {
            Some(jobs) if !first => {
                let jobs = jobs.into_iter().filter_map(|job| self.jobs.get(&job));
                jobs.for_each(|job| job.tell(pulse()));
            }
            _ => self.tell_jobs(pulse),
        }
        if let Some(link) = self.workers.get_mut(&agent) {
            link.about.lends(msg.slots, msg.memory_bytes);
            (link.about.paused, link.about.why) = (msg.paused, msg.why);
        }
        if let Some(cached) = msg.cached {
            self.hall.cached(agent, &cached, now);
        }
        let ahead = self.hall.ahead(agent);
        if let Some(link) = self.workers.get_mut(&agent)
            && replace(&mut link.ahead, ahead.clone()) != ahead
            && link.addr.try_send(Ahead(ahead)).is_err()
        {
            tracing::debug!(%agent, "an agent was not told what may come");
        }
        self.fit(agent, ctx);
    }
}

impl Handler<Freed> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Freed, ctx: &mut Self::Context) {
        let now = self.clock.now();
        if self.hall.free(msg.agent, msg.lease, now) {
            self.hall.ended(msg.agent, msg.ending, now);
            self.ask_all(ctx);
        }
    }
}

impl Handler<Orphan> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Orphan, _: &mut Self::Context) {
        self.tell_jobs(|| JobEvent::Reported(Box::new(msg.0.clone())));
    }
}

impl Handler<JobUp> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: JobUp, ctx: &mut Self::Context) {
        let job = msg.offer.job;
        self.hall.offer(msg.offer);
        if self.jobs.get(&job) != Some(&msg.giver) {
            msg.giver.tell(JobEvent::Fleet(Arc::clone(&self.fleet)));
            self.jobs.insert(job, msg.giver);
        }
        self.ask_all(ctx);
    }
}

impl Handler<JobDown> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: JobDown, _: &mut Self::Context) {
        self.jobs.remove(&msg.0);
        self.hall.withdraw(msg.0);
    }
}

impl Handler<Standings> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Standings, ctx: &mut Self::Context) {
        let now = self.clock.now();
        for (agent, standing) in msg.0 {
            let before = self.standings.insert(agent, standing).unwrap_or_default();
            let was_out = before.quarantined(&self.rules, now).is_some();
            if self.hall.judge(agent, standing, now) && !was_out {
                self.cut_off(agent);
            }
        }
        self.announce_soon(ctx);
        self.ask_all(ctx);
    }
}

impl Handler<Withdraw> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Withdraw, ctx: &mut Self::Context) {
        if self.hall.free(msg.agent, msg.lease, self.clock.now()) {
            self.revoke(msg.agent, msg.lease);
            self.ask_all(ctx);
        }
    }
}

impl Handler<Drain> for Scheduler {
    type Result = usize;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> usize {
        self.draining = true;
        self.hall.under_way()
    }
}
