//! Owners steer their machines from afar, and machines hand leases back.

use actix::prelude::*;
use medusa_api::AgentLimits;
use medusa_types::{AgentId, LeaseId};

use super::giver::Giver;
use super::message::JobEvent;
use super::scheduler::Scheduler;
use super::worker::Replaced;
use crate::domain::{Ending, Offer};

/// What an owner asks of a machine from now on.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Steer {
    pub(crate) agent: AgentId,
    pub(crate) name: String,
    pub(crate) limits: AgentLimits,
}

/// A machine signs its reports from now on. A link that does not know the key is closed: the next
/// one does.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Signs(pub(crate) AgentId);

/// An owner removed a machine.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Dismiss(pub(crate) AgentId);

/// An agent may be given chunks of these jobs, and has not compiled their programs.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ahead(pub(crate) Vec<Offer>);

/// An agent handed a lease back; of an earlier connection, its job is not known here.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ceded {
    pub(crate) agent: AgentId,
    pub(crate) lease: LeaseId,
    pub(crate) job: Option<Giver>,
    /// The word in the log.
    pub(crate) why: &'static str,
}

impl Handler<Steer> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Steer, ctx: &mut Self::Context) {
        let agent = msg.agent;
        // A link that is being opened may have read what was asked before.
        self.steered.insert(agent, msg.clone());
        let Some(link) = self.workers.get_mut(&agent) else { return };
        link.remote = msg.limits;
        if link.addr.try_send(msg).is_err() {
            tracing::debug!(%agent, "an agent hears of its owner's wish when it comes again");
        }
        self.fit(agent, ctx);
    }
}

impl Handler<Signs> for Scheduler {
    type Result = ();

    fn handle(&mut self, Signs(agent): Signs, _: &mut Self::Context) {
        self.signing.insert(agent);
        let link = self.workers.get(&agent).filter(|link| !link.signs);
        if link.is_some_and(|link| link.addr.try_send(Replaced).is_err()) {
            tracing::debug!(%agent, "an agent that signs from now on is gone already");
        }
    }
}

impl Handler<Dismiss> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Dismiss, ctx: &mut Self::Context) {
        let Dismiss(agent) = msg;
        self.steered.remove(&agent);
        self.removed.insert(agent);
        self.missed.remove(&agent);
        self.hall.leave(agent);
        if let Some(link) = self.workers.remove(&agent)
            && link.addr.try_send(msg).is_err()
        {
            tracing::debug!(%agent, "an agent that was removed is gone already");
        }
        self.tell_jobs(|| JobEvent::Dismissed(agent));
        self.announce_soon(ctx);
        self.ask_all(ctx);
    }
}

impl Handler<Ceded> for Scheduler {
    type Result = ();

    fn handle(&mut self, msg: Ceded, ctx: &mut Self::Context) {
        let Ceded { agent, lease, job, why } = msg;
        let event = || JobEvent::Yielded { agent, lease, why };
        match job {
            Some(job) => job.tell(event()),
            None => self.tell_jobs(event),
        }
        let now = self.clock.now();
        self.hall.free(agent, lease, now);
        self.hall.ended(agent, Ending::Back, now);
        self.ask_all(ctx);
    }
}
