//! The scheduler: knows connected agents and open jobs, and brings them together. It asks a job for
//! a lease on behalf of an agent with a free slot, jobs in turn, until nobody has work.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use medusa_api::AgentState;
use medusa_platform::Clock;
use medusa_types::{AgentId, Credits, JobId, LeaseId, Timestamp, UserId};

use super::MAILBOX_MAX;
use super::job::JobActor;
use super::message::{Granted, JobEvent, NextLease, Reported};
use super::summary::{FleetSummary, Summary};
use super::worker::{Assign, Replaced, Revoke, WorkerActor};
use crate::domain::{Fleet, Standing, Tie, TrustRules, Worker};

/// The address that everybody uses.
pub(crate) type SchedulerHandle = Addr<Scheduler>;

/// An agent connected.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WorkerUp {
    pub(crate) worker: Worker,
    /// What it has in common with other owners.
    pub(crate) ties: BTreeSet<Tie>,
    pub(crate) slots: u32,
    pub(crate) paused: bool,
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
    pub(crate) running: Vec<LeaseId>,
    pub(crate) connected_at: Timestamp,
}

/// An agent has finished a lease.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Freed {
    pub(crate) agent: AgentId,
    pub(crate) lease: LeaseId,
}

/// A report whose lease was granted over an earlier connection.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Orphan(pub(crate) Reported);

/// A job has (or again has) chunks to give.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct JobUp {
    pub(crate) job: JobId,
    pub(crate) addr: Addr<JobActor>,
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

struct Entry {
    worker: Worker,
    slots: u32,
    paused: bool,
    /// Leases, and what each puts at risk.
    leases: BTreeMap<LeaseId, Credits>,
    addr: Addr<WorkerActor>,
    /// A request for work is under way.
    asking: bool,
    /// Something changed since; ask once more.
    again: bool,
}

impl Entry {
    /// Leases it may hold: one for each slot, and as many that wait with their input fetched; but
    /// no more than its record allows.
    fn room(&self, rules: &TrustRules, now: Timestamp) -> bool {
        let held = u32::try_from(self.leases.len()).unwrap_or(u32::MAX);
        let most = self.slots.saturating_mul(2).min(self.worker.standing.leases_max(now));
        self.works(rules, now) && held < most
    }

    /// Whether it takes part.
    fn works(&self, rules: &TrustRules, now: Timestamp) -> bool {
        !self.paused && self.worker.standing.quarantined(rules, now).is_none()
    }

    /// Whether it could be given a lease, now or once others are done.
    fn counts(&self, rules: &TrustRules, now: Timestamp) -> bool {
        self.works(rules, now) && self.worker.standing.leases_max(now) > 0
    }
}

/// The scheduler.
pub(crate) struct Scheduler {
    workers: BTreeMap<AgentId, Entry>,
    jobs: BTreeMap<JobId, Addr<JobActor>>,
    /// Jobs in turn.
    turn: VecDeque<JobId>,
    /// Owners of agents that were cut off and may come back.
    missed: BTreeMap<AgentId, UserId>,
    /// Agents of before a restart may still be on their way.
    gathering: bool,
    /// Records of all agents that ever had one.
    standings: BTreeMap<AgentId, Standing>,
    /// What owners have in common, of all who were connected since the start.
    ties: BTreeMap<UserId, BTreeSet<Tie>>,
    /// Who is there, as the jobs know it.
    fleet: Arc<Fleet>,
    rules: TrustRules,
    clock: Clock,
    grace: Duration,
}

impl Scheduler {
    pub(crate) fn new(clock: Clock, grace: Duration, rules: TrustRules) -> Self {
        Self {
            workers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            turn: VecDeque::new(),
            missed: BTreeMap::new(),
            gathering: true,
            standings: BTreeMap::new(),
            ties: BTreeMap::new(),
            fleet: Arc::new(Fleet { gathering: true, ..Fleet::default() }),
            rules,
            clock,
            grace,
        }
    }

    /// Looks who is there, and tells the jobs if that has changed.
    fn announce_fleet(&mut self) {
        let now = self.clock.now();
        let there = self.workers.values().filter(|w| w.counts(&self.rules, now));
        let there = there.map(|w| (w.worker.lender, w.worker.memory_bytes));
        // Who may come back in a moment comes back as large as before.
        let missed = self.missed.values().map(|owner| (*owner, u64::MAX));
        let mut owners = BTreeMap::new();
        for (owner, memory) in there.chain(missed) {
            let most: &mut u64 = owners.entry(owner).or_default();
            *most = memory.max(*most);
        }
        let fleet = Fleet { owners, ties: self.ties.clone(), gathering: self.gathering };
        if fleet != *self.fleet {
            self.fleet = Arc::new(fleet);
            let fleet = Arc::clone(&self.fleet);
            self.tell_jobs(|| JobEvent::Fleet(Arc::clone(&fleet)));
        }
    }

    /// Ends the leases of an agent that is quarantined from now on.
    fn cut_off(&mut self, agent: AgentId) {
        tracing::warn!(%agent, "an agent is quarantined for wrong results");
        if let Some(entry) = self.workers.get_mut(&agent) {
            for lease in std::mem::take(&mut entry.leases).into_keys() {
                if entry.addr.try_send(Revoke(lease)).is_err() {
                    tracing::debug!(%agent, "an agent did not hear of a withdrawn lease");
                }
            }
        }
        self.tell_jobs(|| JobEvent::AgentGone(agent));
    }

    fn tell_jobs(&self, event: impl Fn() -> JobEvent) {
        for addr in self.jobs.values() {
            tell_job(addr, event());
        }
    }

    /// Asks for work for every agent with room.
    fn match_all(&mut self, ctx: &mut Context<Self>) {
        let agents: Vec<AgentId> = self.workers.keys().copied().collect();
        agents.into_iter().for_each(|agent| self.ask(agent, ctx));
    }

    /// Asks the jobs, in turn, for one lease for this agent; goes on while it has room.
    fn ask(&mut self, agent: AgentId, ctx: &mut Context<Self>) {
        let (fleet, now) = (Arc::clone(&self.fleet), self.clock.now());
        let Some(entry) = self.workers.get_mut(&agent) else { return };
        if entry.asking {
            entry.again = true;
            return;
        }
        if !entry.room(&self.rules, now) || self.jobs.is_empty() {
            return;
        }
        entry.asking = true;
        entry.again = false;
        let exposed = entry.leases.values().copied().fold(Credits::ZERO, Credits::saturating_add);
        let worker = Worker { exposed, ..entry.worker };
        let order: Vec<(JobId, Addr<JobActor>)> =
            self.turn.iter().filter_map(|job| Some((*job, self.jobs.get(job)?.clone()))).collect();
        let search = async move {
            for (job, addr) in order {
                let next = NextLease { worker, fleet: Arc::clone(&fleet) };
                if let Ok(Some(granted)) = addr.send(next).await {
                    return Some((job, addr, granted));
                }
            }
            None
        };
        ctx.spawn(
            search.into_actor(self).map(move |found, act, ctx| act.assign(agent, found, ctx)),
        );
    }

    fn assign(
        &mut self,
        agent: AgentId,
        found: Option<(JobId, Addr<JobActor>, Box<Granted>)>,
        ctx: &mut Context<Self>,
    ) {
        let Some(entry) = self.workers.get_mut(&agent) else {
            // It went away meanwhile; the lease ends with its grace.
            return;
        };
        entry.asking = false;
        let mut more = entry.again;
        if let Some((job, addr, granted)) = found {
            entry.leases.insert(granted.lease, granted.at_risk);
            let sent = entry.addr.try_send(Assign { job: addr, granted });
            if sent.is_err() {
                tracing::warn!(%agent, "an agent's mailbox is full; its lease will end by itself");
            }
            self.turn.retain(|id| *id != job);
            self.turn.push_back(job);
            more = true;
        }
        if more {
            self.ask(agent, ctx);
        }
    }
}

pub(crate) fn tell_job(addr: &Addr<JobActor>, event: JobEvent) {
    if let Err(error) = addr.try_send(event) {
        tracing::debug!(%error, "a job did not take a message");
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
        // A safety net: every wake-up is also sent when it happens.
        ctx.run_interval(Duration::from_millis(500), |act, ctx| {
            act.tell_jobs(|| JobEvent::Tick);
            // Quarantines end by themselves.
            act.announce_fleet();
            act.match_all(ctx);
        });
    }
}

impl Handler<WorkerUp> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: WorkerUp, ctx: &mut Self::Context) {
        let agent = msg.worker.agent;
        let standing = self.standings.get(&agent).copied().unwrap_or_default();
        self.ties.entry(msg.worker.lender).or_default().extend(msg.ties);
        let entry = Entry {
            worker: Worker { standing, ..msg.worker },
            slots: msg.slots.clamp(1, 256),
            paused: msg.paused,
            leases: BTreeMap::new(),
            addr: msg.addr,
            asking: false,
            again: false,
        };
        if let Some(old) = self.workers.insert(agent, entry)
            && old.addr.try_send(Replaced).is_err()
        {
            tracing::debug!(%agent, "an agent's earlier connection is gone already");
        }
        self.missed.remove(&agent);
        self.announce_fleet();
        self.ask(agent, ctx);
    }
}

impl Handler<WorkerDown> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: WorkerDown, ctx: &mut Self::Context) {
        let agent = msg.agent;
        if self.workers.get(&agent).is_none_or(|entry| entry.addr != msg.addr) {
            return;
        }
        if let Some(entry) = self.workers.remove(&agent) {
            self.missed.insert(agent, entry.worker.lender);
        }
        // It may come back in a moment and go on with its leases.
        ctx.run_later(self.grace, move |act, ctx| {
            if !act.workers.contains_key(&agent) {
                act.missed.remove(&agent);
                act.tell_jobs(|| JobEvent::AgentGone(agent));
                act.announce_fleet();
                act.match_all(ctx);
            }
        });
    }
}

impl Handler<WorkerPulse> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: WorkerPulse, ctx: &mut Self::Context) {
        let now = self.clock.now();
        self.tell_jobs(|| JobEvent::Pulse {
            agent: msg.agent,
            running: msg.running.clone(),
            connected_at: msg.connected_at,
            now,
        });
        let Some(entry) = self.workers.get_mut(&msg.agent) else { return };
        if entry.paused != msg.paused {
            entry.paused = msg.paused;
            self.announce_fleet();
        }
        self.ask(msg.agent, ctx);
    }
}

impl Handler<Freed> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Freed, ctx: &mut Self::Context) {
        if let Some(entry) = self.workers.get_mut(&msg.agent) {
            entry.leases.remove(&msg.lease);
        }
        self.ask(msg.agent, ctx);
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
        if self.jobs.insert(msg.job, msg.addr.clone()).is_none() {
            self.turn.push_front(msg.job);
        }
        tell_job(&msg.addr, JobEvent::Fleet(Arc::clone(&self.fleet)));
        self.match_all(ctx);
    }
}

impl Handler<JobDown> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: JobDown, _: &mut Self::Context) {
        self.jobs.remove(&msg.0);
        self.turn.retain(|job| *job != msg.0);
    }
}

impl Handler<Standings> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Standings, ctx: &mut Self::Context) {
        let now = self.clock.now();
        for (agent, standing) in msg.0 {
            let before = self.standings.insert(agent, standing).unwrap_or_default();
            let out = |standing: Standing| standing.quarantined(&self.rules, now).is_some();
            let cut_off = out(standing) && !out(before);
            if let Some(entry) = self.workers.get_mut(&agent) {
                entry.worker.standing = standing;
            }
            if cut_off {
                self.cut_off(agent);
            }
        }
        self.announce_fleet();
        self.match_all(ctx);
    }
}

impl Handler<Withdraw> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Withdraw, ctx: &mut Self::Context) {
        if let Some(entry) = self.workers.get_mut(&msg.agent)
            && entry.leases.remove(&msg.lease).is_some()
        {
            if entry.addr.try_send(Revoke(msg.lease)).is_err() {
                tracing::debug!(agent = %msg.agent, "an agent did not hear of a withdrawn lease");
            }
            self.ask(msg.agent, ctx);
        }
    }
}

impl Handler<Summary> for Scheduler {
    type Result = FleetSummary;

    fn handle(&mut self, msg: Summary, _: &mut Self::Context) -> FleetSummary {
        let mut summary = FleetSummary::default();
        let now = self.clock.now();
        for (agent, entry) in &self.workers {
            let out = !entry.paused && !entry.works(&self.rules, now);
            let state = match (entry.paused, entry.leases.is_empty()) {
                (true, _) => AgentState::Paused,
                (false, true) => AgentState::Idle,
                (false, false) => AgentState::Busy,
            };
            summary.states.insert(*agent, state);
            if Some(entry.worker.lender) == msg.without {
                summary.own = summary.own.saturating_add(1);
                continue;
            }
            let add = |n: &mut u32, yes: bool| *n = n.saturating_add(u32::from(yes));
            add(&mut summary.connected, true);
            add(&mut summary.paused, entry.paused);
            add(&mut summary.quarantined, out);
            add(&mut summary.busy, !entry.paused && !out && !entry.room(&self.rules, now));
            if !entry.paused && !out {
                summary.slots = summary.slots.saturating_add(entry.slots);
            }
        }
        summary
    }
}
