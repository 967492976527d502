//! `medusa-agent`: lends this machine. See the library for everything that it does.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use medusa_agent::{Agent, Farewell, Logs, RunArgs, Signals};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

/// Lends this machine's spare computing through a Medusa server.
#[derive(Debug, Parser)]
#[command(name = "medusa-agent", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to the server and run chunks; the first time it shows a code to enrol with
    Run(Box<RunArgs>),
    /// One sandboxed worker process; the agent starts it
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    match Args::parse().command {
        // Before anything else is set up: a worker has no runtime, no log and no network.
        Command::Worker => medusa_sandbox::worker_main(),
        Command::Run(args) => {
            let logs = start_logs();
            match run(*args, logs) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tracing::error!("{error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// Status lines on standard error, and the last of them on the local page.
fn start_logs() -> Logs {
    let logs = Logs::default();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_unset| EnvFilter::new("info,actix_server=warn"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).with(logs.clone()).init();
    logs
}

#[tokio::main]
async fn run(args: RunArgs, logs: Logs) -> anyhow::Result<()> {
    let mut launcher = args.exit_with_stdin.then(end_of_stdin).transpose()?;
    let mut signals = Signals::listen()?;
    let mut agent = Agent::start(args.resolve()?, logs)?;
    tracing::info!("local page: {}", agent.page());
    let farewell = agent.farewell();
    let ended = tokio::select! {
        biased;
        why = agent.failed() => Err(anyhow::anyhow!(why)),
        () = closed(&mut launcher) => Ok("the launcher has ended"),
        how = leave(&farewell, &mut signals) => Ok(how),
    };
    agent.stop().await;
    tracing::info!("stopped: {}", ended?);
    Ok(())
}

/// Ends when standard input does. Its own thread, because such a read cannot be given up, and a
/// runtime waits for its blocking calls.
fn end_of_stdin() -> std::io::Result<oneshot::Receiver<()>> {
    let (alive, ended) = oneshot::channel();
    let watch = move || {
        let mut stdin = std::io::stdin().lock();
        let mut ignored = [0; 256];
        while matches!(stdin.read(&mut ignored), Ok(read) if read > 0) {}
        drop(alive);
    };
    std::thread::Builder::new().name("stdin".into()).spawn(watch)?;
    Ok(ended)
}

/// Finishes when asked to, and ends at once when asked again.
async fn leave(farewell: &Farewell, signals: &mut Signals) -> &'static str {
    tokio::select! {
        () = farewell.asked() => {}
        _ = signals.next() => {}
    }
    tracing::info!("no new work; stopping when what is under way is done, or at a second signal");
    tokio::select! {
        () = farewell.finished() => "finished",
        how = signals.next() => how,
    }
}

async fn closed(launcher: &mut Option<oneshot::Receiver<()>>) {
    match launcher {
        Some(ended) => drop(ended.await),
        None => std::future::pending().await,
    }
}
