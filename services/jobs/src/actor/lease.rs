//! A job's leases: one is granted when the scheduler asks, and some come back without a report.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use medusa_events::Fact;
use medusa_protocol::Phase;
use medusa_types::{AgentId, Fuel, LeaseId};

use super::job::JobActor;
use super::message::{Answered, Granted, NextLease, Phases};
use crate::order::FUEL_MARGIN;

impl JobActor {
    /// What a copy usually takes; before the first was seen, what the sample took.
    fn fuel_estimate(&self) -> Fuel {
        let sample = || self.job.fuel_limit().0.checked_div(FUEL_MARGIN).unwrap_or_default();
        self.pace.fuel().unwrap_or_else(|| Fuel(sample()))
    }

    /// Notes how far an agent's leases are; those that it does not name in `early` compute.
    pub(super) fn note_phases(&mut self, running: &[LeaseId], early: Vec<(LeaseId, Phase)>) {
        for lease in running {
            self.early.remove(lease);
        }
        self.early.extend(early);
        let job = &self.job;
        self.early.retain(|lease, _| job.live_lease(*lease).is_some());
    }

    /// An agent hands a lease back. Nobody failed, and nobody is marked for it.
    pub(super) fn yielded(
        &mut self,
        agent: AgentId,
        (lease, why): (LeaseId, &str),
        ctx: &mut Context<Self>,
    ) {
        if self.job.live_lease(lease).is_some_and(|lease| lease.agent == agent) {
            self.lose(&[lease], why, ctx);
        }
    }

    /// Ends all leases of an agent.
    pub(super) fn lose_all(&mut self, agent: AgentId, why: &str, ctx: &mut Context<Self>) {
        let own = self.job.leases().filter(|lease| lease.agent == agent);
        let own: Vec<LeaseId> = own.map(|lease| lease.id).collect();
        self.lose(&own, why, ctx);
    }
}

impl Handler<NextLease> for JobActor {
    type Result = ResponseActFuture<Self, Answered>;

    fn handle(&mut self, msg: NextLease, ctx: &mut Self::Context) -> Self::Result {
        self.fleet = msg.fleet;
        if !msg.drawn && !self.job.begins(msg.worker, &self.fleet) {
            return Box::pin(fut::ready(Answered::Begun));
        }
        let now = self.context.clock.now();
        let id = LeaseId(self.context.random.id());
        // Not made of the lease's id, which the agent knows: it must not know if it is checked.
        let [a, b, c, d, ..] = self.context.random.secret();
        let dice = u32::from_le_bytes([a, b, c, d]);
        let facts = self.job.lease(msg.worker, &self.fleet, id, dice, now);
        let Some(Fact::ChunkLeased { chunk, fuel_limit, .. }) = facts.first().cloned() else {
            let some = self.job.has_work();
            return Box::pin(fut::ready(if some {
                Answered::NotForThis
            } else {
                Answered::Nothing
            }));
        };
        let (at_risk, begun) = (self.job.at_risk(id), self.job.has_begun());
        self.record(facts, None, ctx);
        let (orders, below) = (Arc::clone(&self.orders), self.job.below(chunk.0));
        let agent = msg.worker.agent;
        let fuel = (fuel_limit, self.fuel_estimate());
        let order = async move { orders.lease(id, (chunk.0, &below), fuel, agent, now).await };
        Box::pin(order.into_actor(self).map(move |frame, act, ctx| match frame {
            Ok(frame) => Answered::Lease(Box::new(Granted { lease: id, frame, at_risk, begun })),
            Err(error) => {
                tracing::error!(%error, "a chunk's input could not be read");
                act.lose(&[id], "refused", ctx);
                Answered::NotForThis
            }
        }))
    }
}

impl Handler<Phases> for JobActor {
    type Result = MessageResult<Phases>;

    fn handle(&mut self, _: Phases, _: &mut Self::Context) -> Self::Result {
        let mut furthest: BTreeMap<u32, Option<Phase>> = BTreeMap::new();
        for lease in self.job.leases() {
            let phase = self.early.get(&lease.id).copied();
            let known = furthest.entry(lease.chunk).or_insert(phase);
            // None computes, or is as good as computing.
            *known = known.zip(phase).map(|(a, b)| a.max(b));
        }
        let early = furthest.into_iter().filter_map(|(chunk, phase)| Some((chunk, phase?)));
        MessageResult(early.collect())
    }
}
