//! `medusa-server dev up`: a whole marketplace on one machine, for a first look and for work on it.
//!
//! Starts a private Postgres and Redis, this server and two agents of two lenders as child
//! processes, submits the example job as a consumer, checks the result against the known one and
//! reports what it cost and who earned it. Everything it knows is in one folder (`.medusa/`), so
//! that two checkouts never meet. It is a client like any other: everything but the grant of the
//! admin's role goes through the public API.
//!
//! All children end with this process, however it ends; Postgres and Redis survive its sudden
//! death and are adopted by the next start.

mod agents;
mod child;
mod example;
mod home;
mod people;
mod report;
mod stack;
mod talk;
mod up;

pub(crate) use up::{UpArgs, up};
