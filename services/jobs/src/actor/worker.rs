//! One connected agent. It turns frames into messages and back, and stores what comes inline. Its
//! outbox is bounded: an agent that does not read is disconnected.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use bytes::Bytes;
use medusa_platform::{BlobStore, Clock};
use medusa_protocol::{Cancel, Frame, GONE_MS, HEARTBEAT_MS, Message as Says, Report, Welcome};
use medusa_types::{AgentId, Credits, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp, UserId};
use tokio::sync::mpsc;

use super::MAILBOX_MAX;
use super::job::JobActor;
use super::message::{Granted, JobEvent, Reported};
use super::scheduler::{Freed, Orphan, SchedulerHandle, WorkerDown, WorkerPulse, WorkerUp};
use crate::domain::{Standing, Tie, Worker};
use crate::order::{BUNDLE_BYTES_MAX, OUTPUT_BYTES_MAX};

/// Reports of one agent whose outputs are stored at the same time.
const DELIVERING_MAX: usize = 1_024;
/// Leases that one pulse can name.
const LEASES_TOLD_MAX: usize = 2_048;
/// Standard error that is kept of a report.
const STDERR_CHARS_MAX: usize = 16 * 1024;

/// What a worker actor needs.
pub(crate) struct WorkerConfig {
    pub(crate) agent: AgentId,
    pub(crate) lender: UserId,
    pub(crate) name: String,
    pub(crate) ties: BTreeSet<Tie>,
    pub(crate) outbox: mpsc::Sender<Bytes>,
    pub(crate) scheduler: SchedulerHandle,
    pub(crate) blobs: BlobStore,
    pub(crate) clock: Clock,
}

/// A frame of the agent.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Inbound(pub(crate) Frame);

/// Run this lease.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Assign {
    pub(crate) job: Addr<JobActor>,
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
    leases: HashMap<LeaseId, Addr<JobActor>>,
    /// Reports whose output is being stored.
    delivering: HashSet<LeaseId>,
}

impl WorkerActor {
    pub(crate) fn new(config: WorkerConfig) -> Self {
        let now = config.clock.now();
        let (leases, delivering) = (HashMap::new(), HashSet::new());
        Self { config, connected_at: now, heard_at: now, greeted: false, leases, delivering }
    }

    fn send(&self, frame: &Frame, ctx: &mut Context<Self>) {
        if self.config.outbox.try_send(frame.encode()).is_err() {
            tracing::info!(agent = %self.config.agent, "an agent does not read; disconnected");
            ctx.stop();
        }
    }

    fn greet(&mut self, hello: &medusa_protocol::Hello, ctx: &mut Context<Self>) {
        let agent = self.config.agent;
        if hello.meter != medusa_types::METER {
            tracing::info!(%agent, meter = hello.meter, "an agent of another meter was sent away");
            ctx.stop();
            return;
        }
        tracing::info!(%agent, slots = hello.slots, software = hello.software, "an agent connected");
        self.greeted = true;
        let welcome = Welcome {
            agent: agent.to_string(),
            name: self.config.name.clone(),
            heartbeat_ms: HEARTBEAT_MS,
        };
        self.send(&Frame::of(Says::Welcome(welcome)), ctx);
        let up = WorkerUp {
            worker: Worker {
                agent,
                lender: self.config.lender,
                memory_bytes: hello.memory_bytes,
                standing: Standing::default(),
                exposed: Credits::ZERO,
            },
            ties: self.config.ties.clone(),
            slots: hello.slots,
            paused: hello.paused,
            addr: ctx.address(),
        };
        if self.config.scheduler.try_send(up).is_err() {
            ctx.stop();
        }
    }

    fn report(&mut self, report: Report, payload: Bytes, ctx: &mut Context<Self>) {
        let Ok(lease) = report.lease.parse::<LeaseId>() else {
            ctx.stop();
            return;
        };
        if self.delivering.len() >= DELIVERING_MAX {
            tracing::info!(agent = %self.config.agent, "an agent floods the server; disconnected");
            ctx.stop();
            return;
        }
        self.delivering.insert(lease);
        let job = self.leases.remove(&lease);
        let (agent, blobs) = (self.config.agent, self.config.blobs.clone());
        let scheduler = self.config.scheduler.clone();
        let deliver = async move {
            let reported = store_report(&blobs, agent, lease, report, payload).await;
            let well = reported.outcome != Outcome::AgentFault;
            match job {
                Some(job) => hand_over(&job, JobEvent::Reported(Box::new(reported))).await,
                None => hand_over(&scheduler, Orphan(reported)).await,
            }
            // The job hears of the report before it is asked for the next lease.
            hand_over(&scheduler, Freed { agent, lease, well }).await;
        };
        ctx.spawn(deliver.into_actor(self).map(move |(), act, _| {
            act.delivering.remove(&lease);
        }));
    }

    fn pulse(&self, pulse: &medusa_protocol::Pulse) {
        // A report that is on its way to its job is as good as a lease that is worked on.
        let running = pulse.running.iter().take(LEASES_TOLD_MAX).filter_map(|id| id.parse().ok());
        let msg = WorkerPulse {
            agent: self.config.agent,
            paused: pulse.paused,
            running: running.chain(self.delivering.iter().copied()).collect(),
            connected_at: self.connected_at,
        };
        if self.config.scheduler.try_send(msg).is_err() {
            tracing::warn!("the scheduler did not take a pulse");
        }
    }
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
    agent: AgentId,
    lease: LeaseId,
    report: Report,
    payload: Bytes,
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
    };
    let fits = report.output_bytes <= OUTPUT_BYTES_MAX.saturating_add(BUNDLE_BYTES_MAX);
    let inline = u64::try_from(payload.len()).ok() == Some(report.output_bytes);
    let kept = if report.uploaded {
        fits && blobs.size(output).await.ok() == Some(report.output_bytes)
    } else {
        inline && Sha256Hash::of(&payload) == output && blobs.put(payload).await.is_ok()
    };
    if !kept && reported.outcome != Outcome::AgentFault {
        reported.outcome = Outcome::AgentFault;
        reported.stderr = "the agent's output did not arrive as announced".into();
    }
    if !reported.outcome.is_verdict() && reported.outcome != Outcome::AgentFault {
        // What ends without a verdict is not paid, so its words are not given away either.
        reported.stderr = String::new();
    }
    reported
}

/// The end of a text, without control characters that could steer a reader's terminal.
fn plain_end(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(STDERR_CHARS_MAX);
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().skip(skip).filter(plain).collect()
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

    fn handle(&mut self, Inbound(frame): Inbound, ctx: &mut Self::Context) {
        self.heard_at = self.config.clock.now();
        match frame.message {
            Says::Hello(hello) if !self.greeted => self.greet(&hello, ctx),
            Says::Report(report) if self.greeted => self.report(report, frame.payload, ctx),
            Says::Pulse(pulse) if self.greeted => self.pulse(&pulse),
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
        self.leases.insert(msg.granted.lease, msg.job);
        self.send(&msg.granted.frame, ctx);
    }
}

impl Handler<Revoke> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Revoke(lease): Revoke, ctx: &mut Self::Context) {
        self.leases.remove(&lease);
        let cancel = Cancel { lease: lease.to_string() };
        self.send(&Frame::of(Says::Cancel(cancel)), ctx);
    }
}

impl Handler<Replaced> for WorkerActor {
    type Result = ();

    fn handle(&mut self, _: Replaced, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
