//! The consumer at the wheel of a job: each order is decided, written under the consumer's own
//! operation, and answered when it is in the log.

use actix::prelude::*;
use medusa_api::PauseWhy;
use medusa_eventlog::AppendError;
use medusa_events::{EndState, Fact};
use medusa_types::Fuel;

use super::job::{JobActor, LEAVE_AFTER, Leave, Refold};
use super::message::{Control, ControlJob, FuelLimit};
use crate::error::JobsError;

impl JobActor {
    /// What an order leads to; no facts when the job is as it was wished.
    fn decide(&mut self, what: Control) -> Result<Vec<Fact>, JobsError> {
        if self.job.ended().is_some() {
            return Err(JobsError::Ended);
        }
        let facts = match what {
            Control::Pause => self.job.pause(PauseWhy::Asked),
            Control::Resume => self.job.resume(),
            Control::Raise(amount) => self.job.raise(amount),
            Control::Retry(fuel) => self.job.retry(fuel),
            Control::Cancel => self.job.end(EndState::Cancelled, None),
        };
        match (what, self.job.paused()) {
            (Control::Resume, Some(why)) if facts.is_empty() => Err(JobsError::Stuck(why)),
            (Control::Retry(_), _) if facts.is_empty() => Err(JobsError::NothingFailed),
            _ => Ok(facts),
        }
    }
}

impl Handler<ControlJob> for JobActor {
    type Result = ResponseActFuture<Self, Result<Option<i64>, JobsError>>;

    fn handle(&mut self, msg: ControlJob, ctx: &mut Self::Context) -> Self::Result {
        let facts = match self.decide(msg.what) {
            Ok(facts) if facts.is_empty() => return Box::pin(fut::ready(Ok(None))),
            Ok(facts) => facts,
            Err(error) => return Box::pin(fut::ready(Err(error))),
        };
        self.withdraw_freed();
        let append = self.append(&facts, Some(msg.actor), Some(msg.operation));
        let queued = self.context.log.enqueue(append);
        self.act_on(&facts, ctx);
        self.wake(ctx);
        let written = async move {
            match queued {
                Ok(answer) => answer.await.unwrap_or(Err(AppendError::Unknown)),
                Err(error) => Err(error),
            }
        };
        Box::pin(written.into_actor(self).map(|appended, act, ctx| match appended {
            Ok(appended) => {
                if appended.replayed {
                    // It was done before; what was decided now did not happen.
                    ctx.notify(Refold);
                } else if act.job.ended().is_some() {
                    ctx.notify_later(Leave, LEAVE_AFTER);
                }
                Ok(Some(appended.position))
            }
            Err(error) => {
                ctx.notify(Refold);
                Err(JobsError::Append(error))
            }
        }))
    }
}

impl Handler<FuelLimit> for JobActor {
    type Result = MessageResult<FuelLimit>;

    fn handle(&mut self, _: FuelLimit, _: &mut Self::Context) -> Self::Result {
        let limit: Fuel = self.job.fuel_limit();
        MessageResult(limit)
    }
}
