//! Whole runs: modules in text, compiled and run in real worker processes.
#![expect(clippy::expect_used, reason = "the shorthands that tests share are no tests by name")]

mod files;
#[path = "../folder/mod.rs"]
mod folder;
mod gate;
mod host;
mod live;
mod orphans;
mod outcomes;
mod refusals;
mod setup;
mod slots;
mod walls;
