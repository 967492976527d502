//! One connected agent. It turns frames into messages and back, and stores what comes inline. Its
//! outbox is bounded: an agent that does not read is disconnected.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use bytes::Bytes;
use medusa_api::AgentLimits;
use medusa_platform::ticket::Tickets;
use medusa_platform::{BlobStore, Clock};
use medusa_protocol::{
    ByteArray, CACHED_MAX, Cancel, Features, Frame, GONE_MS, HEARTBEAT_MS, Hello, Message as Says,
    Phase, Report, SESSION, Settings, WHY_CHARS_MAX, Welcome, Yield,
};
use medusa_types::{
    AgentId, Credits, Fuel, LeaseId, Outcome, STDERR_CUT, Sha256Hash, Timestamp, UserId,
};
use tokio::sync::mpsc;

use super::MAILBOX_MAX;
use super::giver::Giver;
use super::held::{Claim, Held};
use super::message::{Granted, JobEvent, Reported};
use super::scheduler::{Freed, Orphan, SchedulerHandle, WorkerDown, WorkerPulse, WorkerUp};
use super::seen::{About, plain_line};
use super::signed::Signed;
use super::steer::{Ahead, Ceded, Dismiss, Steer};
use crate::domain::{Ending, Offer, Standing, Tie, Worker};
use crate::order::{BUNDLE_BYTES_MAX, OUTPUT_BYTES_MAX, TICKET_MS, ticketed};

/// Reports of one agent whose outputs are stored at the same time.
const DELIVERING_MAX: usize = 1_024;
/// Leases that one pulse can name.
const LEASES_TOLD_MAX: usize = 2_048;
/// Standard error that is kept of a report: what a guest may write, and the words around it.
const STDERR_CHARS_MAX: usize = 17 * 1024;

/// What a worker actor needs.
pub(crate) struct WorkerConfig {
    pub(crate) agent: AgentId,
    pub(crate) lender: UserId,
    pub(crate) name: String,
    pub(crate) ties: BTreeSet<Tie>,
    /// What its owner asked for on the website.
    pub(crate) remote: AgentLimits,
    /// Its reports are checked against a key.
    pub(crate) signs: bool,
    pub(crate) outbox: mpsc::Sender<Outbound>,
    pub(crate) scheduler: SchedulerHandle,
    pub(crate) blobs: BlobStore,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) clock: Clock,
}

/// What goes out to the agent.
pub(crate) enum Outbound {
    /// A frame.
    Frame(Bytes),
    /// The last thing: its owner removed it.
    Removed,
}

/// A frame of the agent.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Inbound {
    pub(crate) frame: Frame,
    /// Of a report, what its signature is worth.
    pub(crate) signed: Signed,
}

/// Run this lease.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Assign {
    pub(crate) job: Giver,
    pub(crate) granted: Box<Granted>,
}

/// Stop this lease.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Revoke(pub(crate) LeaseId);

/// The same agent connected again elsewhere; this connection is over.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Replaced;

/// One connected agent.
pub(crate) struct WorkerActor {
    config: WorkerConfig,
    connected_at: Timestamp,
    heard_at: Timestamp,
    greeted: bool,
    /// What it understands.
    features: Features,
    leases: Held<Giver>,
    /// Reports whose output is being stored.
    delivering: HashSet<LeaseId>,
    /// Jobs that it may be asked for next.
    ahead: Vec<Offer>,
}

impl WorkerActor {
    pub(crate) fn new(config: WorkerConfig) -> Self {
        let now = config.clock.now();
        Self {
            config,
            connected_at: now,
            heard_at: now,
            greeted: false,
            features: Features::default(),
            leases: Held::new(),
            delivering: HashSet::new(),
            ahead: Vec::new(),
        }
    }

    fn send(&self, frame: &Frame, ctx: &mut Context<Self>) {
        if self.config.outbox.try_send(Outbound::Frame(frame.encode())).is_err() {
            tracing::info!(agent = %self.config.agent, "an agent does not read; disconnected");
            ctx.stop();
        }
    }

    /// Sends a message of a later version, if the agent has a word for it.
    fn tell(&self, message: Says, ctx: &mut Context<Self>) {
        if let Some(message) = self.features.put(message) {
            self.send(&Frame::of(message), ctx);
        }
    }

    /// Tells the agent what its owner asked for; the name too, which it shows.
    fn tell_settings(&self, ctx: &mut Context<Self>) {
        let remote = &self.config.remote;
        let settings = Settings {
            paused: remote.paused,
            slots: remote.slots,
            memory_bytes: remote.memory_bytes,
            note: None,
            name: Some(self.config.name.clone()),
            ahead: self.ahead.iter().map(|offer| self.named(offer)).collect(),
        };
        self.tell(Says::Settings(settings), ctx);
    }

    fn named(&self, offer: &Offer) -> medusa_protocol::Ahead {
        let until = self.config.clock.now().plus_ms(TICKET_MS);
        let blob = (offer.program, offer.program_bytes);
        let program = ticketed(&self.config.tickets, blob, self.config.agent, until);
        medusa_protocol::Ahead { program, strict: offer.strict }
    }

    fn greet(&mut self, hello: &Hello, ctx: &mut Context<Self>) {
        let agent = self.config.agent;
        if hello.meter != medusa_types::METER {
            tracing::info!(%agent, meter = hello.meter, "an agent of another meter was sent away");
            ctx.stop();
            return;
        }
        tracing::info!(%agent, slots = hello.slots, software = hello.software, "an agent connected");
        self.greeted = true;
        self.features = Features::of(&hello.features);
        let welcome = Welcome {
            agent: agent.to_string(),
            name: self.config.name.clone(),
            heartbeat_ms: HEARTBEAT_MS,
            features: Features::own(),
        };
        self.send(&Frame::of(Says::Welcome(welcome)), ctx);
        self.tell_settings(ctx);
        let up = WorkerUp {
            worker: Worker {
                agent,
                lender: self.config.lender,
                memory_bytes: hello.memory_bytes,
                standing: Standing::default(),
                exposed: Credits::ZERO,
                stays: self.features.has(SESSION),
            },
            ties: self.config.ties.clone(),
            about: About::of(hello),
            remote: self.config.remote,
            signs: self.config.signs,
            cached: digests(&hello.cached),
            addr: ctx.address(),
        };
        if self.config.scheduler.try_send(up).is_err() {
            ctx.stop();
        }
    }

    fn report(
        &mut self,
        report: Report,
        (payload, signed): (Bytes, Signed),
        ctx: &mut Context<Self>,
    ) {
        let Ok(lease) = report.lease.parse::<LeaseId>() else {
            ctx.stop();
            return;
        };
        if self.delivering.len() >= DELIVERING_MAX {
            tracing::info!(agent = %self.config.agent, "an agent floods the server; disconnected");
            ctx.stop();
            return;
        }
        let Some(job) = self.take(lease, ctx) else { return };
        self.delivering.insert(lease);
        let (agent, blobs) = (self.config.agent, self.config.blobs.clone());
        let scheduler = self.config.scheduler.clone();
        let deliver = async move {
            let reported = store_report(&blobs, (agent, lease), report, (payload, signed)).await;
            let ending = Ending::of(reported.outcome);
            match job {
                Some(job) => job.hand_over(JobEvent::Reported(Box::new(reported))).await,
                None => hand_over(&scheduler, Orphan(reported)).await,
            }
            // The job hears of the report before it is asked for the next lease.
            hand_over(&scheduler, Freed { agent, lease, ending }).await;
        };
        ctx.spawn(deliver.into_actor(self).map(move |(), act, _| {
            act.delivering.remove(&lease);
        }));
    }

    /// A lease is handed back: the scheduler tells its job, and gives no other at once.
    fn yielded(&mut self, back: &Yield, ctx: &mut Context<Self>) {
        let Ok(lease) = back.lease.parse::<LeaseId>() else {
            ctx.stop();
            return;
        };
        let Some(job) = self.take(lease, ctx) else { return };
        let why = if back.too_large { "too_large" } else { "yielded" };
        let ceded = Ceded { agent: self.config.agent, lease, job, why };
        if self.config.scheduler.try_send(ceded).is_err() {
            tracing::warn!("the scheduler did not hear of a lease that was handed back");
        }
    }

    /// Takes a lease out of its hands: the job if it was given over this connection. What it says
    /// of a lease that it does not hold is nothing.
    fn take(&mut self, lease: LeaseId, ctx: &mut Context<Self>) -> Option<Option<Giver>> {
        match self.leases.take(lease) {
            Claim::Here(job) => Some(Some(job)),
            Claim::Before => Some(None),
            Claim::Not => None,
            Claim::Flood => {
                let agent = self.config.agent;
                tracing::info!(%agent, "an agent speaks of leases that are not its; disconnected");
                ctx.stop();
                None
            }
        }
    }

    fn pulse(&mut self, pulse: &medusa_protocol::Pulse) {
        // A report that is on its way to its job is as good as a lease that is worked on.
        let running = pulse.running.iter().take(LEASES_TOLD_MAX).filter_map(|id| id.parse().ok());
        let running = self.leases.pulse(running.collect());
        let phases = pulse.running.iter().zip(&pulse.phases).take(LEASES_TOLD_MAX);
        let early = phases.filter_map(|(id, phase)| Some((id.parse().ok()?, Phase::of(*phase)?)));
        let msg = WorkerPulse {
            agent: self.config.agent,
            paused: pulse.paused,
            slots: pulse.slots,
            memory_bytes: pulse.memory_bytes,
            why: pulse.why.as_deref().map(|why| plain_line(why, WHY_CHARS_MAX)),
            cached: pulse.cached.as_deref().map(digests),
            running: running.into_iter().chain(self.delivering.iter().copied()).collect(),
            early: early.filter(|(_, phase)| *phase < Phase::Computing).collect(),
            connected_at: self.connected_at,
        };
        if self.config.scheduler.try_send(msg).is_err() {
            tracing::warn!("the scheduler did not take a pulse");
        }
    }
}

/// The hashes of programs that an agent names.
fn digests(named: &[ByteArray<32>]) -> Vec<Sha256Hash> {
    named.iter().take(CACHED_MAX).map(|digest| Sha256Hash(**digest)).collect()
}

/// Puts a message into a mailbox; waits while that is full. Who has ended does not need it.
async fn hand_over<A, M>(to: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = ()> + Send + 'static,
{
    if let Err(SendError::Full(message)) = to.try_send(message) {
        let _ended = to.send(message).await;
    }
}

/// Stores the output of a report under its hash. An output that is not what the report says is a
/// fault of the agent.
async fn store_report(
    blobs: &BlobStore,
    (agent, lease): (AgentId, LeaseId),
    report: Report,
    (payload, signed): (Bytes, Signed),
) -> Reported {
    let output = Sha256Hash(report.output);
    let mut reported = Reported {
        lease,
        agent,
        outcome: report.outcome,
        output,
        output_bytes: report.output_bytes,
        fuel: Fuel(report.fuel),
        stderr: plain_end(&report.stderr),
        signature: None,
    };
    match signed {
        Signed::Well(signature) => reported.signature = Some(signature),
        Signed::Not => {}
        Signed::Badly => {
            reported.outcome = Outcome::AgentFault;
            reported.stderr = "the report is not signed with the machine's key".into();
            return reported;
        }
    }
    let fits = report.output_bytes <= OUTPUT_BYTES_MAX.saturating_add(BUNDLE_BYTES_MAX);
    let inline = u64::try_from(payload.len()).ok() == Some(report.output_bytes);
    let kept = if report.uploaded {
        fits && blobs.size(output).await.ok() == Some(report.output_bytes)
    } else {
        inline && Sha256Hash::of(&payload) == output && blobs.put(payload).await.is_ok()
    };
    if !kept && reported.outcome != Outcome::AgentFault {
        // What was signed is not what is counted.
        reported.signature = None;
        reported.outcome = Outcome::AgentFault;
        reported.stderr = "the agent's output did not arrive as announced".into();
    }
    if !reported.outcome.is_verdict() && reported.outcome != Outcome::AgentFault {
        // What ends without a verdict is not paid, so its words are not given away either.
        reported.stderr = String::new();
    }
    reported
}

/// The end of a text, without control characters that could steer a reader's terminal. What was
/// dropped is told.
fn plain_end(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(STDERR_CHARS_MAX);
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let note = if skip > 0 { STDERR_CUT } else { "" };
    note.chars().chain(text.chars().skip(skip).filter(plain)).collect()
}

impl Actor for WorkerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        ctx.run_interval(Duration::from_millis(HEARTBEAT_MS), |act, ctx| {
            let silent = act.config.clock.now().ms_since(act.heard_at);
            if u64::try_from(silent).is_ok_and(|ms| ms > GONE_MS) {
                tracing::info!(agent = %act.config.agent, "an agent fell silent");
                ctx.stop();
            }
        });
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        let down = WorkerDown { agent: self.config.agent, addr: ctx.address() };
        if self.config.scheduler.try_send(down).is_err() {
            tracing::warn!("the scheduler did not hear of a lost agent");
        }
    }
}

impl Handler<Inbound> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Inbound { frame, signed }: Inbound, ctx: &mut Self::Context) {
        self.heard_at = self.config.clock.now();
        match frame.message {
            Says::Hello(hello) if !self.greeted => self.greet(&hello, ctx),
            Says::Report(report) if self.greeted => {
                self.report(report, (frame.payload, signed), ctx);
            }
            Says::Pulse(pulse) if self.greeted => self.pulse(&pulse),
            Says::Yield(back) if self.greeted => self.yielded(&back, ctx),
            _ => {
                tracing::info!(agent = %self.config.agent, "an agent spoke out of turn");
                ctx.stop();
            }
        }
    }
}

impl Handler<Assign> for WorkerActor {
    type Result = ();

    fn handle(&mut self, msg: Assign, ctx: &mut Self::Context) {
        self.leases.give(msg.granted.lease, msg.job);
        self.send(&msg.granted.frame, ctx);
    }
}

impl Handler<Revoke> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Revoke(lease): Revoke, ctx: &mut Self::Context) {
        self.leases.withdraw(lease);
        let cancel = Cancel { lease: lease.to_string() };
        self.send(&Frame::of(Says::Cancel(cancel)), ctx);
    }
}

impl Handler<Steer> for WorkerActor {
    type Result = ();

    fn handle(&mut self, msg: Steer, ctx: &mut Self::Context) {
        let is_same = self.config.remote == msg.limits && self.config.name == msg.name;
        self.config.remote = msg.limits;
        self.config.name = msg.name;
        if self.greeted && !is_same {
            self.tell_settings(ctx);
        }
    }
}

impl Handler<Ahead> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Ahead(jobs): Ahead, ctx: &mut Self::Context) {
        self.ahead = jobs;
        self.tell_settings(ctx);
    }
}

impl Handler<Dismiss> for WorkerActor {
    type Result = ();

    fn handle(&mut self, _: Dismiss, ctx: &mut Self::Context) {
        if self.config.outbox.try_send(Outbound::Removed).is_err() {
            tracing::debug!("an agent that was removed does not read why");
        }
        ctx.stop();
    }
}

impl Handler<Replaced> for WorkerActor {
    type Result = ();

    fn handle(&mut self, _: Replaced, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_of_standard_error_is_told_whoever_cut_it() {
        let told = |text: &str| plain_end(text).starts_with(STDERR_CUT);
        // As much as a guest may write, with what the sandbox puts around it.
        let kept = format!("{STDERR_CUT}{}\nwasm trap: unreachable\n", "x".repeat(16 << 10));
        assert_eq!(plain_end(&kept), kept);
        let x = |count| "x".repeat(count);
        assert!(told(&x(STDERR_CHARS_MAX + 1)) && !told(&x(STDERR_CHARS_MAX)));
        assert_eq!(plain_end("a\u{1b}[31mb\n\tc"), "a[31mb\n\tc");
    }
}
