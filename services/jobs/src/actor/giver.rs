//! Whoever has leases to give, as scheduler and agents know it: the actor of a job, or of the seats
//! of a session.

use actix::prelude::*;

use super::message::{JobEvent, NextLease};

/// An actor that gives leases. Cheap to clone; equal when it is the same actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Giver {
    event: Recipient<JobEvent>,
    pub(super) next: Recipient<NextLease>,
}

impl<A> From<Addr<A>> for Giver
where
    A: Actor<Context = Context<A>> + Handler<JobEvent> + Handler<NextLease>,
{
    fn from(addr: Addr<A>) -> Self {
        Self { event: addr.clone().recipient(), next: addr.recipient() }
    }
}

impl Giver {
    /// Tells it something that it can do without when its mailbox is full.
    pub(super) fn tell(&self, event: JobEvent) {
        if let Err(error) = self.event.try_send(event) {
            tracing::debug!(%error, "a job did not take a message");
        }
    }

    /// Tells it something that it must hear, and waits for room.
    pub(super) async fn hand_over(&self, event: JobEvent) {
        if let Err(SendError::Full(event)) = self.event.try_send(event) {
            let _ended = self.event.send(event).await;
        }
    }
}
