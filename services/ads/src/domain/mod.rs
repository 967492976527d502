//! Decisions on plain data: whether a view may begin, when it counts, and what it moves. No
//! database, no clock.

mod moves;
mod rules;

pub(crate) use moves::moves;
pub(crate) use rules::{DAY_MS, check_time, views_left};
