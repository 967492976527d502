//! Runs an agent until it is asked to end, or until a newer version takes its place.

use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use clap::Parser;
use tokio::sync::{mpsc, oneshot};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use super::{Command, Line};
use crate::config::{Config, RunArgs};
use crate::farewell::Farewell;
use crate::logs::Logs;
use crate::os::Signals;
use crate::runner::Agent;
use crate::update::{self, Asked, Fresh};

/// How a run ended.
enum Ended {
    /// In words.
    So(&'static str),
    /// A newer version lies ready; whether the server was reached before.
    Update(Fresh, bool),
}

/// Status lines on standard error, and the last of them on the local page.
pub(super) fn start_logs() -> Logs {
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

/// Runs an agent with these arguments.
pub(super) fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let logs = start_logs();
    let exit_with_stdin = args.exit_with_stdin;
    let config = args.resolve()?;
    let own: Vec<OsString> = std::env::args_os().skip(1).collect();
    let next = match update::begin(&config.data) {
        Some(old) => old,
        None => match lend(&config, logs, exit_with_stdin, &own)? {
            None => return Ok(ExitCode::SUCCESS),
            Some(()) => config.worker,
        },
    };
    let error = update::become_new(&next, &own);
    Err(anyhow::Error::new(error).context(format!("{} cannot be started", next.display())))
}

/// Lends until the end, or until another program is in this one's place.
#[tokio::main]
async fn lend(
    config: &Config,
    logs: Logs,
    exit_with_stdin: bool,
    own: &[OsString],
) -> anyhow::Result<Option<()>> {
    let mut launcher = exit_with_stdin.then(end_of_stdin).transpose()?;
    let mut signals = Signals::listen()?;
    loop {
        match once(config, logs.clone(), &mut launcher, &mut signals).await? {
            Ended::So(how) => {
                tracing::info!("stopped: {how}");
                return Ok(None);
            }
            Ended::Update(fresh, linked) => match fresh.put(config, own, linked).await {
                Ok(()) => return Ok(Some(())),
                // The one that runs goes on.
                Err(error) => tracing::error!("{error}"),
            },
        }
    }
}

async fn once(
    config: &Config,
    logs: Logs,
    launcher: &mut Option<oneshot::Receiver<()>>,
    signals: &mut Signals,
) -> anyhow::Result<Ended> {
    let mut agent = Agent::start(config.clone(), logs)?;
    tracing::info!("local page: {}", agent.page());
    let farewell = agent.farewell();
    let mut updates = agent.updates();
    let ended = tokio::select! {
        biased;
        why = agent.failed() => Err(anyhow::anyhow!(why)),
        () = closed(launcher) => Ok(Ended::So("the launcher has ended")),
        how = left(&farewell, signals, &mut updates) => Ok(how),
    };
    agent.stop().await;
    ended
}

/// Whether this version works with these arguments.
pub(super) fn rehearse(args: Vec<OsString>, linked: bool) -> anyhow::Result<ExitCode> {
    start_logs();
    let line = Line::try_parse_from(std::iter::once("medusa-agent".into()).chain(args))?;
    let args = match line.command {
        None => line.run,
        Some(Command::Run(args)) => *args,
        Some(_) => anyhow::bail!("these arguments do not run an agent"),
    };
    rehearse_with(args.resolve()?, linked)?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn rehearse_with(config: Config, linked: bool) -> anyhow::Result<()> {
    update::rehearse(config, linked).await
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

/// Finishes when asked to or when a newer version lies ready, and ends at once when asked again.
async fn left(
    farewell: &Farewell,
    signals: &mut Signals,
    updates: &mut mpsc::Receiver<Asked>,
) -> Ended {
    let update = tokio::select! {
        () = farewell.asked() => None,
        _ = signals.next() => None,
        Some(update) = updates.recv() => Some(update),
    };
    if let Some((fresh, linked)) = update {
        tracing::info!("no new work until the new version is in place");
        tokio::select! {
            biased;
            // Who asks for the end now gets it.
            () = farewell.asked() => {}
            _ = signals.next() => {}
            () = farewell.made_way() => return Ended::Update(fresh, linked),
        }
    }
    tracing::info!("no new work; stopping when what is under way is done, or at a second signal");
    tokio::select! {
        () = farewell.finished() => Ended::So("finished"),
        how = signals.next() => Ended::So(how),
    }
}

async fn closed(launcher: &mut Option<oneshot::Receiver<()>>) {
    match launcher {
        Some(ended) => drop(ended.await),
        None => std::future::pending().await,
    }
}
