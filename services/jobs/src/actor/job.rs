//! One open job. Decides with the domain, hands the facts to the log in order, and acts on them:
//! wakes the scheduler, withdraws leases, calls the referee, merges. When the log does not take its
//! facts, it folds the log again and goes on from there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use medusa_api::JobSpec;
use medusa_eventlog::{Append, EventLog, Expect, NewEvent, Operation};
use medusa_events::{EndState, Fact};
use medusa_platform::{BlobStore, Clock, Random};
use medusa_protocol::Phase;
use medusa_types::{JobId, LeaseId, Outcome, Sha256Hash, UserId};

use super::MAILBOX_MAX;
use super::message::{JobEvent, Reported, WhyWaiting};
use super::scheduler::{JobDown, JobUp, SchedulerHandle, Withdraw};
use super::signed::{Keep, Keeper};
use crate::domain::{Fleet, Job, Offer, Pace, TrustRules};
use crate::order::Orders;
use crate::port::{Escrows, Runner};
use crate::split::Plan;
use crate::{start, store};

/// Notes about an ended job are written within this time; then its actor leaves.
pub(super) const LEAVE_AFTER: Duration = Duration::from_millis(500);
/// A log that is busy is given some time.
const REFOLD_AFTER: Duration = Duration::from_millis(200);
/// When the scheduler did not take an offer.
const WAKE_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What every job actor needs.
#[derive(Clone)]
pub(crate) struct JobContext {
    pub(crate) log: EventLog,
    pub(crate) blobs: BlobStore,
    pub(crate) escrows: Arc<dyn Escrows>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) scheduler: SchedulerHandle,
    pub(crate) keeper: Addr<Keeper>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) rules: TrustRules,
}

/// The log did not take the facts: what this actor believes is not so.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Refold;

/// What became of facts that were handed over.
#[derive(Message)]
#[rtype(result = "()")]
enum Written {
    /// They are in the log, and the job has ended with them.
    Last,
    /// They are not in the log, as far as is known.
    Not,
}

/// One open job.
pub(crate) struct JobActor {
    pub(super) context: JobContext,
    pub(super) orders: Arc<Orders>,
    pub(super) plan: Arc<Plan>,
    /// It is the plan that was agreed.
    sound: bool,
    pub(super) spec: JobSpec,
    pub(super) job: Job,
    /// Version of the job's stream once all facts that were handed over are written. The log
    /// refuses what is built on facts that it did not take.
    version: i64,
    pub(super) fleet: Arc<Fleet>,
    /// Results are being put together.
    pub(super) merging: bool,
    /// Chunks that may have to be run here.
    pub(super) doubtful: BTreeSet<u32>,
    /// Chunks that are being run here.
    pub(super) refereeing: BTreeSet<u32>,
    /// How long copies take, and how much fuel.
    pub(super) pace: Pace,
    /// How far leases are that do not compute yet.
    pub(super) early: HashMap<LeaseId, Phase>,
    /// What the consumer is told when the job fails.
    pub(super) last_words: String,
}

impl JobActor {
    pub(crate) fn new(
        context: JobContext,
        orders: Orders,
        (plan, sound): (Arc<Plan>, bool),
        spec: JobSpec,
        (mut job, version): (Job, i64),
    ) -> Self {
        job.decide_by(context.rules, spec.memory_bytes(), spec.keep_going);
        job.measure_by(Arc::<Plan>::clone(&plan));
        Self {
            context,
            orders: Arc::new(orders),
            plan,
            sound,
            spec,
            job,
            version,
            fleet: Arc::default(),
            merging: false,
            doubtful: BTreeSet::new(),
            refereeing: BTreeSet::new(),
            pace: Pace::default(),
            early: HashMap::new(),
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
        let append = self.append(&facts, actor, None);
        let (id, addr, last) = (self.id(), ctx.address(), self.job.ended().is_some());
        self.context.log.enqueue_telling(append, move |answer| {
            let written = match answer {
                // Nothing comes back for what went well: there are thousands of it in a second.
                Ok(_) if !last => return,
                Ok(_) => Written::Last,
                Err(error) => {
                    tracing::warn!(job = %id, %error, "the log did not take a job's facts");
                    Written::Not
                }
            };
            #[expect(clippy::disallowed_methods, reason = "rare, and must not be lost")]
            addr.do_send(written);
        });
        self.act_on(&facts, ctx);
    }

    /// `asked` is the consumer's own operation, if the facts come of one.
    pub(super) fn append(
        &mut self,
        facts: &[Fact],
        actor: Option<UserId>,
        asked: Option<Operation>,
    ) -> Append {
        let stream = format!("job-{}", self.id());
        let key = facts.iter().find_map(|fact| match fact {
            // Once for each verdict: a failed chunk that got another chance has another one.
            Fact::ChunkSettled { job, chunk, .. } => Some(match self.job.retries() {
                0 => format!("settle:{job}:{chunk}"),
                retries => format!("settle:{job}:{chunk}:{retries}"),
            }),
            Fact::JobEnded { job, .. } => Some(format!("end:{job}")),
            _ => None,
        });
        let event = |fact: &Fact| {
            let moves = self.context.escrows.moves(fact);
            let event = NewEvent::new(stream.clone(), fact.clone()).moving(moves);
            NewEvent { actor, ..event }
        };
        let house = |key| Operation::house(key, Sha256Hash::of(format!("{facts:?}").as_bytes()));
        let operation = asked.or_else(|| key.map(house));
        let mut events: Vec<NewEvent> = facts.iter().map(event).collect();
        if let Some(first) = events.first_mut() {
            first.expect = Expect::Version(self.version);
        }
        let written = i64::try_from(events.len()).unwrap_or_default();
        self.version = self.version.saturating_add(written);
        Append { operation, events }
    }

    pub(super) fn act_on(&mut self, facts: &[Fact], ctx: &mut Context<Self>) {
        let mut wake = false;
        for fact in facts {
            match fact {
                Fact::LeaseEnded { chunk, .. } | Fact::AttemptReported { chunk, .. } => {
                    self.doubtful.insert(chunk.0);
                    wake = true;
                }
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

    /// Says that there are chunks to give, if there are any.
    pub(super) fn wake(&self, ctx: &mut Context<Self>) {
        if !self.job.has_work() {
            return;
        }
        let submitted = self.job.submitted();
        let offer = Offer {
            job: submitted.id,
            consumer: submitted.owner,
            weight: self.spec.priority.weight(),
            program: submitted.program,
            program_bytes: self.orders.program.size,
            strict: self.spec.strict,
            stays: false,
            memory_bytes: self.spec.memory_bytes(),
        };
        if self.context.scheduler.try_send(JobUp { offer, giver: ctx.address().into() }).is_err() {
            // It has too much to do for the moment.
            ctx.notify_later(JobEvent::Wake, WAKE_AGAIN_AFTER);
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

    /// Ends a job whose plan somebody has changed: what was agreed is known no more.
    fn give_up(&mut self, ctx: &mut Context<Self>) {
        tracing::error!(job = %self.id(), "the stored plan of a job is not the one in the log");
        self.last_words = "the plan of its chunks is not the one that you agreed to, so nothing \
                           more is computed; tell the operator, and submit it again"
            .into();
        let facts = self.job.end(EndState::Failed, Some("jobs.plan_changed"));
        self.record_and_withdraw(facts, None, ctx);
    }

    /// Tells agents to stop what is not needed any more.
    pub(super) fn withdraw_freed(&mut self) {
        for (agent, lease) in self.job.take_freed() {
            let withdraw = Withdraw { agent, lease };
            if self.context.scheduler.try_send(withdraw).is_err() {
                tracing::debug!("an agent will find out that its lease has ended");
            }
        }
    }

    /// Records facts and withdraws the leases that they ended without a report.
    pub(super) fn record_and_withdraw(
        &mut self,
        facts: Vec<Fact>,
        actor: Option<UserId>,
        ctx: &mut Context<Self>,
    ) {
        self.withdraw_freed();
        self.record(facts, actor, ctx);
    }

    fn reported(&mut self, reported: Reported, ctx: &mut Context<Self>) {
        let Some(lease) = self.job.live_lease(reported.lease) else { return };
        if lease.agent != reported.agent {
            tracing::warn!(agent = %reported.agent, "an agent reported another agent's lease");
            return;
        }
        let chunk = lease.chunk;
        self.early.remove(&reported.lease);
        if reported.outcome == Outcome::Done {
            self.pace.took(self.context.clock.now().ms_since(lease.granted_at));
            self.pace.spent(reported.fuel);
        }
        if let Some(signature) = reported.signature
            && self.context.keeper.try_send(Keep(reported.lease, signature)).is_err()
        {
            tracing::warn!("a signature of a result was not kept");
        }
        let result = (reported.outcome, reported.output, reported.output_bytes, reported.fuel);
        let facts = self.job.report(reported.lease, result, &self.fleet);
        if reported.outcome != Outcome::Done {
            self.last_words = reported.failure_words();
        }
        if !reported.stderr.is_empty() {
            self.keep_stderr(reported, chunk, ctx);
        }
        self.record_and_withdraw(facts, None, ctx);
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

    pub(super) fn lose(&mut self, leases: &[LeaseId], why: &str, ctx: &mut Context<Self>) {
        let facts = self.job.lose(leases, why, &self.fleet);
        self.record_and_withdraw(facts, None, ctx);
    }

    /// Pauses when there is nothing to go on with.
    fn pause_if_stuck(&mut self, ctx: &mut Context<Self>) {
        if let Some(why) = self.job.should_pause(&self.fleet) {
            tracing::info!(job = %self.id(), why = why.word(), "a job pauses");
            let facts = self.job.pause(why);
            self.record(facts, None, ctx);
        }
    }

    /// Sends out one more copy where one takes much longer than usual: at the end of a job sooner.
    fn rival_late_copies(&mut self, ctx: &mut Context<Self>) {
        let patience = self.pace.patience(self.job.is_in_tail());
        let since = self.context.clock.now().plus_ms(patience.saturating_neg());
        if self.job.mark_late(since) {
            self.wake(ctx);
        }
    }

    /// Takes the steps that do not come with a message: after a start, and after the fleet changed.
    fn look_around(&mut self, ctx: &mut Context<Self>) {
        self.doubtful.extend(self.job.stale_reports());
        for chunk in self.job.stale_reports() {
            let facts = self.job.conclude(chunk, &self.fleet);
            self.record_and_withdraw(facts, None, ctx);
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
pub(super) struct Leave;

impl Actor for JobActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        if self.sound {
            self.wake(ctx);
        } else {
            self.give_up(ctx);
        }
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
                self.wake(ctx);
            }
            JobEvent::Wake => self.wake(ctx),
            JobEvent::AgentGone(agent) => self.lose_all(agent, "lost", ctx),
            JobEvent::Dismissed(agent) => self.lose_all(agent, "revoked", ctx),
            JobEvent::Yielded { agent, lease, why } => self.yielded(agent, (lease, why), ctx),
            JobEvent::Pulse { agent, running, early, connected_at, now } => {
                self.job.renew(agent, &running, now);
                self.note_phases(&running, early);
                let unknown = self.job.unknown_to(agent, &running, connected_at);
                self.lose(&unknown, "lost", ctx);
            }
            JobEvent::Tick => {
                let expired = self.job.expired(self.context.clock.now());
                self.lose(&expired, "expired", ctx);
                self.pause_if_stuck(ctx);
                self.rival_late_copies(ctx);
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

impl Handler<Refold> for JobActor {
    type Result = AtomicResponse<Self, ()>;

    /// Nothing else is handled meanwhile: it would build on what is not so.
    fn handle(&mut self, _: Refold, _: &mut Self::Context) -> Self::Result {
        let (log, id) = (self.context.log.clone(), self.id());
        let fold = async move { start::fold(&log, id).await };
        AtomicResponse::new(Box::pin(fold.into_actor(self).map(|folded, act, ctx| match folded {
            Ok(Some(folded)) => {
                act.job = folded.job;
                let (rules, spec) = (act.context.rules, &act.spec);
                act.job.decide_by(rules, spec.memory_bytes(), spec.keep_going);
                act.job.measure_by(Arc::<Plan>::clone(&act.plan));
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

impl Handler<Written> for JobActor {
    type Result = ();

    fn handle(&mut self, msg: Written, ctx: &mut Self::Context) {
        match msg {
            Written::Last => ctx.notify_later(Leave, LEAVE_AFTER),
            Written::Not => ctx.notify_later(Refold, REFOLD_AFTER),
        };
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
