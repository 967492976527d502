//! Time and traffic: one actor for each open job, one for each connected agent, and the scheduler
//! between them. All of it can be rebuilt from the log: killing an actor loses nothing.

mod control;
mod job;
mod message;
mod scheduler;
mod summary;
mod work;
mod worker;

pub(crate) use job::{JobActor, JobContext};
pub(crate) use message::{Control, ControlJob, FuelLimit, WhyWaiting};
pub(crate) use scheduler::{Drain, Scheduler, SchedulerHandle, Standings};
pub(crate) use summary::{FleetSummary, Summary};
pub(crate) use worker::{Inbound, Replaced as Hangup, WorkerActor, WorkerConfig};

/// Messages that wait for one actor; more are an error of the sender's rate.
pub(crate) const MAILBOX_MAX: usize = 16_384;
