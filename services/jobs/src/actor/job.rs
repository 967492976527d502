//! One open job. Decides with the domain, hands the facts to the log in order, and acts on them:
//! wakes the scheduler, withdraws leases, calls the referee, merges. When the log does not take its
//! facts, it folds the log again and goes on from there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use medusa_api::JobSpec;
use medusa_eventlog::{Append, AppendError, EventLog, Expect, NewEvent, Operation};
use medusa_events::{EndState, Fact};
use medusa_platform::{BlobStore, Clock, Random};
use medusa_types::{AgentId, JobId, LeaseId, Outcome, Sha256Hash, UserId};

use super::MAILBOX_MAX;
use super::message::{CancelJob, Granted, JobEvent, NextLease, Reported, WhyWaiting};
use super::scheduler::{JobDown, JobUp, SchedulerHandle, Withdraw};
use crate::domain::{Fleet, Job, TrustRules};
use crate::error::JobsError;
use crate::order::Orders;
use crate::port::{Escrows, Runner};
use crate::split::Plan;
use crate::{start, store};

/// Notes about an ended job are written within this time; then its actor leaves.
const LEAVE_AFTER: Duration = Duration::from_millis(500);

/// What every job actor needs.
#[derive(Clone)]
pub(crate) struct JobContext {
    pub(crate) log: EventLog,
    pub(crate) blobs: BlobStore,
    pub(crate) escrows: Arc<dyn Escrows>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) scheduler: SchedulerHandle,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) rules: TrustRules,
}

/// The log did not take the facts: what this actor believes is not so.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Refold;

/// One open job.
pub(crate) struct JobActor {
    pub(super) context: JobContext,
    pub(super) orders: Arc<Orders>,
    pub(super) plan: Arc<Plan>,
    pub(super) spec: JobSpec,
    pub(super) job: Job,
    /// Version of the job's stream once all facts that were handed over are written. The log
    /// refuses what is built on facts that it did not take.
    version: i64,
    pub(super) fleet: Arc<Fleet>,
    /// Results are being put together.
    pub(super) merging: bool,
    /// Chunks that are being run here.
    pub(super) refereeing: BTreeSet<u32>,
    /// What the consumer is told when the job fails.
    pub(super) last_words: String,
}

impl JobActor {
    pub(crate) fn new(
        context: JobContext,
        orders: Orders,
        plan: Arc<Plan>,
        spec: JobSpec,
        (mut job, version): (Job, i64),
    ) -> Self {
        job.decide_by(context.rules, spec.memory_bytes());
        Self {
            context,
            orders: Arc::new(orders),
            plan,
            spec,
            job,
            version,
            fleet: Arc::default(),
            merging: false,
            refereeing: BTreeSet::new(),
            last_words: String::new(),
        }
    }

    pub(super) fn id(&self) -> JobId {
        self.job.submitted().id
    }

    /// Hands facts that the domain has decided to the log, and acts on them.
    pub(super) fn record(
        &mut self,
        facts: Vec<Fact>,
        actor: Option<UserId>,
        ctx: &mut Context<Self>,
    ) {
        if facts.is_empty() {
            return;
        }
        let append = self.append(&facts, actor);
        match self.context.log.enqueue(append) {
            Ok(answer) => {
                let id = self.id();
                ctx.spawn(answer.into_actor(self).map(move |answer, act, ctx| {
                    if !matches!(answer, Ok(Ok(_))) {
                        tracing::warn!(job = %id, ?answer, "the log did not take a job's facts");
                        ctx.notify_later(Refold, Duration::from_millis(200));
                    } else if act.job.ended().is_some() {
                        ctx.notify_later(Leave, LEAVE_AFTER);
                    }
                }));
            }
            Err(error) => {
                tracing::warn!(job = %self.id(), %error, "the log did not take a job's facts");
                ctx.notify_later(Refold, Duration::from_millis(200));
            }
        }
        self.act_on(&facts, ctx);
    }

    fn append(&mut self, facts: &[Fact], actor: Option<UserId>) -> Append {
        let stream = format!("job-{}", self.id());
        let key = facts.iter().find_map(|fact| match fact {
            Fact::ChunkSettled { job, chunk, .. } => Some(format!("settle:{job}:{chunk}")),
            Fact::JobEnded { job, .. } => Some(format!("end:{job}")),
            _ => None,
        });
        let request = Sha256Hash::of(format!("{facts:?}").as_bytes());
        let event = |fact: &Fact| {
            let moves = self.context.escrows.moves(fact);
            let event = NewEvent::new(stream.clone(), fact.clone()).moving(moves);
            NewEvent { actor, ..event }
        };
        let operation = key.map(|key| Operation::house(key, request));
        let mut events: Vec<NewEvent> = facts.iter().map(event).collect();
        if let Some(first) = events.first_mut() {
            first.expect = Expect::Version(self.version);
        }
        let written = i64::try_from(events.len()).unwrap_or_default();
        self.version = self.version.saturating_add(written);
        Append { operation, events }
    }

    fn act_on(&mut self, facts: &[Fact], ctx: &mut Context<Self>) {
        let mut wake = false;
        for fact in facts {
            match fact {
                Fact::LeaseEnded { .. } | Fact::AttemptReported { .. } => wake = true,
                Fact::JobEnded { state, code, .. } => self.ended(*state, code.as_deref(), ctx),
                _ => {}
            }
        }
        if self.job.ended().is_some() {
            return;
        }
        if wake {
            self.call_referee(ctx);
            self.wake(ctx);
        }
        if let Some(fact) = self.job.start_merge() {
            self.record(vec![fact], None, ctx);
            self.merge(ctx);
        }
    }

    pub(super) fn wake(&self, ctx: &mut Context<Self>) {
        let up = JobUp { job: self.id(), addr: ctx.address() };
        if self.context.scheduler.try_send(up).is_err() {
            tracing::debug!("the scheduler will find the job at its next tick");
        }
    }

    fn ended(&self, state: EndState, code: Option<&str>, ctx: &mut Context<Self>) {
        tracing::info!(job = %self.id(), ?state, code, "a job ended");
        if self.context.scheduler.try_send(JobDown(self.id())).is_err() {
            tracing::debug!("the scheduler forgets the job when it does not answer");
        }
        let words = match code {
            Some(_) => self.last_words.clone(),
            None => String::new(),
        };
        if words.is_empty() {
            return;
        }
        let (pool, job) = (self.context.log.pool().clone(), self.id());
        let note = async move {
            let mut db = pool.acquire().await?;
            store::submission::set_reason(&mut db, job, &words).await
        };
        ctx.spawn(note.into_actor(self).map(|noted, _, _| {
            if let Err(error) = noted {
                tracing::warn!(%error, "could not note why a job failed");
            }
        }));
    }

    /// Tells agents to stop what is not needed any more.
    fn withdraw(&self, leases: &[(AgentId, LeaseId)]) {
        for (agent, lease) in leases {
            let withdraw = Withdraw { agent: *agent, lease: *lease };
            if self.context.scheduler.try_send(withdraw).is_err() {
                tracing::debug!("an agent will find out that its lease has ended");
            }
        }
    }

    pub(super) fn live(&self) -> Vec<(AgentId, LeaseId)> {
        self.job.leases().map(|l| (l.agent, l.id)).collect()
    }

    /// Records facts and withdraws the leases that they ended without a report.
    pub(super) fn record_and_withdraw(
        &mut self,
        before: Vec<(AgentId, LeaseId)>,
        facts: Vec<Fact>,
        actor: Option<UserId>,
        ctx: &mut Context<Self>,
    ) {
        let reported: Vec<LeaseId> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::AttemptReported { lease, .. } => Some(*lease),
                _ => None,
            })
            .collect();
        let over: Vec<_> = before
            .into_iter()
            .filter(|(_, id)| self.job.live_lease(*id).is_none() && !reported.contains(id))
            .collect();
        self.withdraw(&over);
        self.record(facts, actor, ctx);
    }

    fn reported(&mut self, reported: Reported, ctx: &mut Context<Self>) {
        let Some(lease) = self.job.live_lease(reported.lease) else { return };
        if lease.agent != reported.agent {
            tracing::warn!(agent = %reported.agent, "an agent reported another agent's lease");
            return;
        }
        let chunk = lease.chunk;
        let before = self.live();
        let result = (reported.outcome, reported.output, reported.output_bytes, reported.fuel);
        let facts = self.job.report(reported.lease, result, &self.fleet);
        if reported.outcome != Outcome::Done {
            self.last_words = reported.failure_words();
        }
        if !reported.stderr.is_empty() {
            self.keep_stderr(reported, chunk, ctx);
        }
        self.record_and_withdraw(before, facts, None, ctx);
    }

    fn keep_stderr(&self, reported: Reported, chunk: u32, ctx: &mut Context<Self>) {
        let (pool, job) = (self.context.log.pool().clone(), self.id());
        let keep = async move {
            let mut db = pool.acquire().await?;
            store::attempt::insert(&mut db, reported.lease, job, chunk, &reported.stderr).await
        };
        ctx.spawn(keep.into_actor(self).map(|kept, _, _| {
            if let Err(error) = kept {
                tracing::warn!(%error, "could not keep an attempt's standard error");
            }
        }));
    }

    fn lose(&mut self, leases: &[LeaseId], why: &str, ctx: &mut Context<Self>) {
        let before = self.live();
        let facts = self.job.lose(leases, why, &self.fleet);
        self.record_and_withdraw(before, facts, None, ctx);
    }

    fn end_if_starved(&mut self, ctx: &mut Context<Self>) {
        if !self.job.is_starved(&self.fleet) {
            return;
        }
        self.last_words =
            "the credits that were held are spent before the chunks are done, because \
            they need more than the sample; ask for a new quote with smaller chunks"
                .to_owned();
        let facts = self.job.end(EndState::Failed, Some("jobs.hold_spent"));
        self.record(facts, None, ctx);
    }

    /// Takes the steps that do not come with a message: after a start, and after the fleet changed.
    fn look_around(&mut self, ctx: &mut Context<Self>) {
        for chunk in self.job.stale_reports() {
            let before = self.live();
            let facts = self.job.conclude(chunk, &self.fleet);
            self.record_and_withdraw(before, facts, None, ctx);
        }
        self.call_referee(ctx);
        if self.job.merging() && self.job.ended().is_none() {
            self.merge(ctx);
        } else if let Some(fact) = self.job.start_merge() {
            self.record(vec![fact], None, ctx);
            self.merge(ctx);
        }
    }
}

/// The job has ended and its facts are on their way.
#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Actor for JobActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.wake(ctx);
    }
}

impl Handler<NextLease> for JobActor {
    type Result = ResponseActFuture<Self, Option<Box<Granted>>>;

    fn handle(&mut self, msg: NextLease, ctx: &mut Self::Context) -> Self::Result {
        self.fleet = msg.fleet;
        if msg.worker.memory_bytes < self.spec.memory_bytes() {
            return Box::pin(fut::ready(None));
        }
        let now = self.context.clock.now();
        let id = LeaseId(self.context.random.id());
        // Not made of the lease's id, which the agent knows: it must not know if it is checked.
        let [a, b, c, d, ..] = self.context.random.secret();
        let dice = u32::from_le_bytes([a, b, c, d]);
        let facts = self.job.lease(msg.worker, &self.fleet, id, dice, now);
        let Some(Fact::ChunkLeased { chunk, fuel_limit, .. }) = facts.first().cloned() else {
            return Box::pin(fut::ready(None));
        };
        let at_risk = self.job.at_risk(id);
        self.record(facts, None, ctx);
        let orders = Arc::clone(&self.orders);
        let order =
            async move { orders.lease(id, chunk.0, fuel_limit, msg.worker.agent, now).await };
        Box::pin(order.into_actor(self).map(move |frame, act, ctx| match frame {
            Ok(frame) => Some(Box::new(Granted { lease: id, frame, at_risk })),
            Err(error) => {
                tracing::error!(%error, "a chunk's input could not be read");
                act.lose(&[id], "refused", ctx);
                None
            }
        }))
    }
}

impl Handler<JobEvent> for JobActor {
    type Result = ();

    fn handle(&mut self, msg: JobEvent, ctx: &mut Self::Context) {
        match msg {
            JobEvent::Reported(reported) => self.reported(*reported, ctx),
            JobEvent::Fleet(fleet) => {
                self.fleet = fleet;
                self.look_around(ctx);
            }
            JobEvent::AgentGone(agent) => {
                let gone: Vec<LeaseId> =
                    self.job.leases().filter(|l| l.agent == agent).map(|l| l.id).collect();
                self.lose(&gone, "lost", ctx);
            }
            JobEvent::Pulse { agent, running, connected_at, now } => {
                self.job.renew(agent, &running, now);
                let unknown = self.job.unknown_to(agent, &running, connected_at);
                self.lose(&unknown, "lost", ctx);
            }
            JobEvent::Tick => {
                let expired = self.job.expired(self.context.clock.now());
                self.lose(&expired, "expired", ctx);
                self.end_if_starved(ctx);
            }
        }
    }
}

impl Handler<WhyWaiting> for JobActor {
    type Result = Option<String>;

    fn handle(&mut self, _: WhyWaiting, _: &mut Self::Context) -> Self::Result {
        self.job.waits_for_stranger(&self.fleet).then(|| {
            "a result waits for an agent of another, unrelated owner to confirm it: \
             the chunk is too large for the server to check it itself"
                .to_owned()
        })
    }
}

impl Handler<CancelJob> for JobActor {
    type Result = ResponseActFuture<Self, Result<i64, JobsError>>;

    fn handle(&mut self, msg: CancelJob, ctx: &mut Self::Context) -> Self::Result {
        let before = self.live();
        let facts = self.job.end(EndState::Cancelled, None);
        if facts.is_empty() {
            return Box::pin(fut::ready(Err(JobsError::Ended)));
        }
        self.withdraw(&before);
        let append = self.append(&facts, Some(msg.actor));
        let queued = self.context.log.enqueue(append);
        self.act_on(&facts, ctx);
        let written = async move {
            match queued {
                Ok(answer) => answer.await.unwrap_or(Err(AppendError::Unknown)),
                Err(error) => Err(error),
            }
        };
        Box::pin(written.into_actor(self).map(|appended, _, ctx| match appended {
            Ok(appended) => {
                ctx.notify_later(Leave, LEAVE_AFTER);
                Ok(appended.position)
            }
            Err(error) => {
                ctx.notify(Refold);
                Err(JobsError::Append(error))
            }
        }))
    }
}

impl Handler<Refold> for JobActor {
    type Result = AtomicResponse<Self, ()>;

    /// Nothing else is handled meanwhile: it would build on what is not so.
    fn handle(&mut self, _: Refold, _: &mut Self::Context) -> Self::Result {
        let (log, id) = (self.context.log.clone(), self.id());
        let fold = async move { start::fold(&log, id).await };
        AtomicResponse::new(Box::pin(fold.into_actor(self).map(|folded, act, ctx| match folded {
            Ok(Some(folded)) => {
                act.job = folded.job;
                act.job.decide_by(act.context.rules, act.spec.memory_bytes());
                act.version = folded.version;
                start::revive(&mut act.job, act.context.clock.now());
                if act.job.ended().is_some() {
                    ctx.notify(Leave);
                } else {
                    act.look_around(ctx);
                    act.wake(ctx);
                }
            }
            Ok(None) => ctx.notify(Leave),
            Err(error) => {
                tracing::warn!(%error, "could not fold a job again");
                ctx.notify_later(Refold, Duration::from_secs(1));
            }
        })))
    }
}

impl Handler<Leave> for JobActor {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        let down = JobDown(self.id());
        if self.context.scheduler.try_send(down).is_err() {
            tracing::debug!("the scheduler forgets the job when it does not answer");
        }
        ctx.stop();
    }
}
