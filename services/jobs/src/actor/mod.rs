//! Time and traffic: one actor for each open job, one for each connected agent, and the scheduler
//! between them. All of it can be rebuilt from the log: killing an actor loses nothing.

mod control;
mod giver;
mod held;
mod job;
mod lease;
mod message;
mod scheduler;
mod seats;
mod seen;
mod signed;
mod steer;
mod summary;
mod work;
mod worker;

pub(crate) use job::{JobActor, JobContext};
pub(crate) use message::{Control, ControlJob, FuelLimit, Phases, WhyWaiting};
pub(crate) use scheduler::{Drain, Scheduler, SchedulerHandle, Standings};
pub(crate) use seats::{Adopt, Close, GiveUp, SEAT_VERB, SeatsActor, SeatsConfig, Want};
pub use seats::{SeatEvent, SeatEvents};
pub(crate) use seen::SeenOf;
pub(crate) use signed::{Keeper, Signature, Signed};
pub(crate) use steer::{Dismiss, Signs, Steer};
pub(crate) use summary::{FleetSummary, Summary};
pub(crate) use worker::{Inbound, Outbound, Replaced as Hangup, WorkerActor, WorkerConfig};

/// Messages that wait for one actor; more are an error of the sender's rate.
pub(crate) const MAILBOX_MAX: usize = 16_384;
