//! From a lease to its report.
//!
//! The [`floor`] takes leases on and can stop each of them. [`run`] takes one lease through its
//! steps; inputs are fetched while other chunks compute. [`programs`] remember compiled modules. A
//! lease that is a seat of a session goes to [`seat`].

mod diary;
mod floor;
mod memory;
mod programs;
mod run;
mod seat;

pub(crate) use floor::{Floor, Order};
pub(crate) use programs::Programs;
pub(crate) use run::{Fault, Workshop};
