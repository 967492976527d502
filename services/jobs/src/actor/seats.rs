//! The seats of one session, as scheduler and agents know them: who is asked to take one, and how
//! each ends. What happens on a seat is the session's own; it is told over a channel.
//!
//! Guarantees: no more seats are given than were wanted; nobody computes for himself or his kin;
//! each seat that was taken is told to have ended, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::prelude::*;
use medusa_platform::ticket::Tickets;
use medusa_platform::{Clock, Random};
use medusa_types::{AgentId, Credits, Fuel, LeaseId, Outcome, Timestamp, UserId};

use super::MAILBOX_MAX;
use super::message::{Answered, Granted, JobEvent, NextLease};
use super::scheduler::{JobDown, JobUp, SchedulerHandle, Withdraw};
use crate::domain::Offer;
use crate::order::Orders;

/// How long a ticket to a seat is good: as long as a seat is.
const SEAT_TICKET_MS: i64 = 24 * 60 * 60 * 1000;
/// What a ticket to a seat is for.
pub(crate) const SEAT_VERB: &str = "seat";

/// What happens to the seats of a session.
#[derive(Clone, Debug)]
pub enum SeatEvent {
    /// An agent was given one, and will come.
    Taken {
        /// Its lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
    },
    /// An agent has left one.
    Left {
        /// Its lease.
        lease: LeaseId,
        /// Why: a fixed word.
        why: &'static str,
        /// How its program ended and what it said last, as its agent reports it.
        report: Option<(Outcome, Fuel, String)>,
    },
}

/// Hears what happens to the seats; it must not wait.
pub type SeatEvents = Box<dyn Fn(SeatEvent) + Send>;

/// What the actor is made of.
pub(crate) struct SeatsConfig {
    pub(crate) offer: Offer,
    pub(crate) orders: Arc<Orders>,
    /// Where agents find the session: an address, or a path on the server.
    pub(crate) home: String,
    /// The most that one seat may use.
    pub(crate) fuel_limit: Fuel,
    /// What one agent could gain by lying.
    pub(crate) at_risk: Credits,
    pub(crate) events: SeatEvents,
    pub(crate) scheduler: SchedulerHandle,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

/// So many more seats are wanted.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Want(pub(crate) u32);

/// An agent of before a restart has its seat still.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt(pub(crate) LeaseId, pub(crate) AgentId);

/// A seat is not needed any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct GiveUp {
    pub(crate) lease: LeaseId,
    /// Its agent did not do what it should: it is not asked again.
    pub(crate) failed: bool,
}

/// The session is over: all seats end.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Close;

/// The seats of one session.
pub(crate) struct SeatsActor {
    config: SeatsConfig,
    wanted: u32,
    /// To whom, and when.
    given: BTreeMap<LeaseId, (AgentId, Timestamp)>,
    failed: BTreeSet<AgentId>,
}

impl SeatsActor {
    pub(crate) fn new(config: SeatsConfig) -> Self {
        Self { config, wanted: 0, given: BTreeMap::new(), failed: BTreeSet::new() }
    }

    fn offer(&self, ctx: &Context<Self>) {
        let up = JobUp { offer: self.config.offer, giver: ctx.address().into() };
        if self.wanted > 0 && self.config.scheduler.try_send(up).is_err() {
            tracing::warn!("the scheduler did not hear of a session's seats");
        }
    }

    fn tell(&self, event: SeatEvent) {
        (self.config.events)(event);
    }

    fn left(&mut self, lease: LeaseId, why: &'static str, report: Option<(Outcome, Fuel, String)>) {
        if self.given.remove(&lease).is_some() {
            self.tell(SeatEvent::Left { lease, why, report });
        }
    }

    /// Ends all seats of an agent.
    fn lost(&mut self, agent: AgentId, why: &'static str) {
        self.lose(|holder, _, _| holder == agent, why);
    }

    /// Ends those seats of which this is so: agent, when it was given, lease.
    fn lose(&mut self, is_lost: impl Fn(AgentId, Timestamp, LeaseId) -> bool, why: &'static str) {
        let lost = self.given.iter().filter(|(lease, (agent, at))| is_lost(*agent, *at, **lease));
        let leases: Vec<LeaseId> = lost.map(|(lease, _)| *lease).collect();
        for lease in leases {
            self.left(lease, why, None);
        }
    }

    fn withdraw(&self, lease: LeaseId, agent: AgentId) {
        if self.config.scheduler.try_send(Withdraw { agent, lease }).is_err() {
            tracing::warn!(%agent, "an agent was not told that its seat is not needed");
        }
    }
}

impl Actor for SeatsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<Want> for SeatsActor {
    type Result = ();

    fn handle(&mut self, Want(seats): Want, ctx: &mut Self::Context) {
        self.wanted = self.wanted.saturating_add(seats);
        self.offer(ctx);
    }
}

impl Handler<Adopt> for SeatsActor {
    type Result = ();

    fn handle(&mut self, Adopt(lease, agent): Adopt, _: &mut Self::Context) {
        self.given.insert(lease, (agent, self.config.clock.now()));
    }
}

impl Handler<GiveUp> for SeatsActor {
    type Result = ();

    fn handle(&mut self, msg: GiveUp, _: &mut Self::Context) {
        let Some((agent, _)) = self.given.get(&msg.lease).copied() else { return };
        if msg.failed {
            self.failed.insert(agent);
        }
        self.withdraw(msg.lease, agent);
        self.left(msg.lease, "given_up", None);
    }
}

impl Handler<Close> for SeatsActor {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        for (lease, (agent, _)) in std::mem::take(&mut self.given) {
            self.withdraw(lease, agent);
        }
        if self.config.scheduler.try_send(JobDown(self.config.offer.job)).is_err() {
            tracing::warn!("the scheduler did not hear that a session ended");
        }
        ctx.stop();
    }
}

impl Handler<NextLease> for SeatsActor {
    type Result = MessageResult<NextLease>;

    fn handle(&mut self, msg: NextLease, _: &mut Self::Context) -> Self::Result {
        let (agent, lender) = (msg.worker.agent, msg.worker.lender);
        let config = &self.config;
        if self.wanted == 0 {
            return MessageResult(Answered::Nothing);
        }
        if msg.fleet.related(lender, config.offer.consumer) || self.failed.contains(&agent) {
            return MessageResult(Answered::NotForThis);
        }
        let (lease, now) = (LeaseId(config.random.id()), config.clock.now());
        // It comes again with the same ticket when its connection was cut.
        let until = now.plus_ms(SEAT_TICKET_MS);
        let ticket = config.tickets.issue(SEAT_VERB, &lease.to_string(), agent, until);
        let home = format!("{}?lease={lease}&agent={agent}&{ticket}", config.home);
        let frame = config.orders.seat(lease, config.fuel_limit, (agent, home), now);
        let at_risk = config.at_risk;
        self.wanted = self.wanted.saturating_sub(1);
        self.given.insert(lease, (agent, now));
        self.tell(SeatEvent::Taken { lease, agent, lender });
        MessageResult(Answered::Lease(Box::new(Granted { lease, frame, at_risk, begun: false })))
    }
}

impl Handler<JobEvent> for SeatsActor {
    type Result = ();

    fn handle(&mut self, event: JobEvent, ctx: &mut Self::Context) {
        match event {
            JobEvent::Reported(reported) => {
                let told = (reported.outcome, reported.fuel, reported.stderr);
                self.left(reported.lease, "reported", Some(told));
            }
            JobEvent::AgentGone(agent) => self.lost(agent, "gone"),
            JobEvent::Dismissed(agent) => self.lost(agent, "removed"),
            JobEvent::Yielded { lease, why, .. } => self.left(lease, why, None),
            // Who was refused may be somebody's kin no more, and who failed is asked by others.
            JobEvent::Wake => self.offer(ctx),
            // What it was given before it came, and does not know, was lost on the way.
            JobEvent::Pulse { agent: whose, running, connected_at, .. } => self.lose(
                |agent, at, lease| agent == whose && at < connected_at && !running.contains(&lease),
                "gone",
            ),
            JobEvent::Fleet(_) | JobEvent::Tick => {}
        }
    }
}
