//! `medusa-bench`: measures the house as its users meet it, with the programs of the release build
//! beside it and a database that keeps what it confirms. Prints one JSON line for each figure; what
//! goes on is told on standard error. `bench/RESULTS.md` keeps the history.

mod agent;
mod browser;
mod figure;
mod house;
mod jobs;
mod launcher;
mod ledger;
mod pixel;
mod process;
mod restart;
mod rounds;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// The log's writer makes many small things that another thread drops: what this one is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Medusa; prints a JSON line for each figure.
#[derive(Parser)]
#[command(name = "medusa-bench", version)]
struct Args {
    /// What to measure: everything, or one group of figures
    #[arg(value_enum, default_value = "main")]
    name: Name,
    /// Play a part of the floor of `rounds`
    #[arg(long, hide = true)]
    floor: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// All of the following
    Main,
    /// `up_cold_s` and `up_warm_s`
    Up,
    /// `submit_to_first_chunk_ms`
    First,
    /// `noop_chunks_per_s`
    Noop,
    /// `commit_to_pixel_p95_ms`
    Pixel,
    /// `restart_s`
    Restart,
    /// `noop_chunks_per_s`, `accept_to_run_ms`, `two_agents_speedup` and `idle_agent_kib`
    Jobs,
    /// `leases_per_s`
    Leases,
    /// `submit_million_s` and `bytes_per_waiting_chunk`
    Million,
    /// `accept_to_run_ms`
    Accept,
    /// `two_agents_speedup`
    Speedup,
    /// `idle_agent_kib`
    Idle,
    /// What lending costs: guests against native code, the meter, starts, an idle agent; minutes
    Agent,
    /// Of these only how soon a live guest answers
    Frames,
    /// Rounds of sessions against a bare hub
    Rounds,
    /// The log and the ledger against raw COPY, with a log of ten million events: some minutes
    Ledger,
    /// The same without the large log
    LedgerQuick,
    /// Of these only the single callers and their peer, with where the time of the cores goes
    LedgerCallers,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { name, floor } = Args::parse();
    if let Some(part) = floor {
        return if rounds::part(part).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let wanted = |one| name == Name::Main || name == one;
    figure::machine();
    let of_jobs = |one| name == Name::Jobs || name == one;
    let mut good = true;
    if wanted(Name::Up) {
        good &= done("up", Box::pin(launcher::measure()).await);
    }
    if wanted(Name::First) {
        good &= done("first", Box::pin(jobs::first_chunk()).await);
    }
    if wanted(Name::Noop) || name == Name::Jobs {
        good &= done("noop", Box::pin(jobs::noop_chunks()).await);
    }
    if wanted(Name::Pixel) {
        good &= done("pixel", Box::pin(pixel::measure()).await);
    }
    if wanted(Name::Restart) {
        good &= done("restart", Box::pin(restart::measure()).await);
    }
    if of_jobs(Name::Leases) {
        good &= done("leases", jobs::leases::measure());
    }
    if of_jobs(Name::Million) {
        good &= done("million", Box::pin(jobs::million::measure()).await);
    }
    if of_jobs(Name::Accept) {
        good &= done("accept", Box::pin(jobs::accept::measure()).await);
    }
    if of_jobs(Name::Speedup) {
        good &= done("speedup", Box::pin(jobs::speedup::measure()).await);
    }
    if of_jobs(Name::Idle) {
        good &= done("idle", Box::pin(jobs::idle::measure()).await);
    }
    if name == Name::Agent {
        good &= done("agent", Box::pin(agent::measure()).await);
    }
    if name == Name::Frames {
        good &= done("frames", Box::pin(agent::frames::measure()).await);
    }
    if name == Name::Rounds {
        good &= done("rounds", Box::pin(rounds::measure()).await);
    }
    // Not a part of `main`: it takes as long as all the rest.
    let extent = match name {
        Name::Ledger => Some(ledger::Extent::All),
        Name::LedgerQuick => Some(ledger::Extent::Quick),
        Name::LedgerCallers => Some(ledger::Extent::Callers),
        _ => None,
    };
    if let Some(extent) = extent {
        good &= done("ledger", Box::pin(ledger::measure(extent)).await);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One group that fails does not hide the others.
fn done(group: &str, result: Result<()>) -> bool {
    if let Err(error) = &result {
        figure::say(&format!("{group} could not be measured: {error:#}"));
    }
    result.is_ok()
}
