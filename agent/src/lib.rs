//! The lender's program: enrols a machine, keeps a link to the server, runs chunks in sandboxed
//! worker processes, and shows what it does on a local page.
//!
//! [`Agent::start`] runs all of it; the binary only reads arguments. Keys, link and page live in
//! this process. Guest code never does: it runs in children of [`medusa_sandbox`], which have
//! neither network nor secrets. Nothing here listens except the page, on 127.0.0.1.

mod account;
mod backoff;
mod board;
mod chance;
mod cli;
mod config;
mod disk;
mod doctor;
mod earnings;
mod enrol;
mod farewell;
mod fetch;
mod gauges;
mod identity;
mod install;
mod link;
mod logs;
mod measure;
mod os;
mod pipe;
mod push;
mod resume;
mod rules;
mod runner;
#[cfg(test)]
mod scratch;
mod server;
mod settings;
mod shelf;
mod signing;
mod state;
mod tls;
mod ui;
mod update;
mod work;

pub use cli::main;
pub use config::{Config, ConfigError, PAGE_PORT, RunArgs, UpdateArgs};
pub use farewell::Farewell;
pub use identity::{Identity, IdentityError};
pub use logs::{Line, Logs};
pub use measure::Speed;
pub use os::Signals;
pub use rules::{Readings, Reason, Scope, Unknown, Verdict};
pub use runner::{Agent, StartError, install_crypto};
pub use settings::Settings;
pub use state::{Account, ChunkView, Connection, Phase, SeatView, Tally, View};
