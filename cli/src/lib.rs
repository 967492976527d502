//! `medusa`: the command line for consumers and auditors.
//!
//! Data goes to standard output, talk to standard error; the exit status says what happened (see
//! `exit`); nothing is asked where nobody sits at a terminal; secrets are never flags. What
//! the program knows of the world outside is read once, in `env`.

mod agents;
mod args;
mod audit;
mod chunk;
mod compare;
mod completions;
mod control;
mod doctor;
mod env;
mod exit;
mod fetch;
mod flags;
mod jobs;
mod login;
mod output;
mod replay;
mod report;
mod session;
mod session_run;
mod session_step;
mod signed;
mod store;
mod submit;
mod upload;
mod wallet;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use medusa_client::{Client, TokenStore as _};

use crate::args::{Cli, Command, Global};
use crate::env::Env;
use crate::exit::{Exit, Fail};
use crate::output::Out;
use crate::store::Tokens;

/// What every command works with.
struct App {
    client: Client,
    out: Out,
    tokens: Arc<Tokens>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let env = Env::read();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(shown) => {
            // Help and version are answers, and go to standard output by themselves.
            let exit = if shown.use_stderr() { Exit::Usage } else { Exit::Done };
            return match shown.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::General.into(),
            };
        }
    };
    if matches!(cli.command, Command::SandboxWorker) {
        // Before anything else is set up: a worker has no runtime and no network.
        return medusa_sandbox::worker_main();
    }
    let out = Out::new(&cli.global, &env);
    match start(cli, &env, out) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, out).into(),
    }
}

fn start(cli: Cli, env: &Env, out: Out) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start")?;
    let limit = cli.global.timeout;
    let exit = runtime.block_on(async {
        let work = Box::pin(run(cli, env, out));
        match limit {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_late| {
                let message = format!("not finished within {} seconds", limit.as_secs());
                Err(Fail::new(Exit::TimedOut, message).into())
            }),
        }
    });
    // A read of standard input cannot be called off, and must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

async fn run(cli: Cli, env: &Env, out: Out) -> anyhow::Result<Exit> {
    if let Command::Completions { shell } = cli.command {
        return completions::print(shell, out);
    }
    let app = open(&cli.global, env, out).await?;
    match cli.command {
        Command::Login(args) => login::login(&app, args).await,
        Command::Logout => login::logout(&app).await,
        Command::Me => login::me(&app).await,
        Command::Submit(args) => submit::submit(&app, *args).await,
        Command::Upload { file } => upload::upload(&app, &file).await,
        Command::Watch { id } => watch::watch(&app, id).await,
        Command::Fetch(args) => fetch::fetch(&app, &args).await,
        Command::Replay(args) => replay::replay(&app, env, &args).await,
        Command::Report { id, out } => report::report(&app, id, &out).await,
        Command::Compare { left, right } => compare::compare(&app, left, right).await,
        Command::Jobs { limit } => jobs::list(&app, limit).await,
        Command::Job { id, chunks, only } => {
            jobs::show(&app, id, (chunks || only.is_some(), only)).await
        }
        Command::Pause { id } => control::pause(&app, id).await,
        Command::Resume { id } => control::resume(&app, id).await,
        Command::Budget { id, add } => control::budget(&app, id, add).await,
        Command::Retry { id, fuel_times } => control::retry(&app, id, fuel_times).await,
        Command::Rerun(args) => control::rerun(&app, args).await,
        Command::Cancel { id, yes } => control::cancel(&app, id, yes).await,
        Command::Delete { id, yes } => jobs::delete(&app, id, yes).await,
        Command::Wallet { history, limit } => wallet::show(&app, history, limit).await,
        Command::Agents { command } => agents::run(&app, command).await,
        Command::Session { command } => session::run(&app, command).await,
        Command::Audit { command } => audit::run(&app, command).await,
        Command::Doctor => doctor::check(&app).await,
        Command::Completions { shell } => completions::print(shell, out),
        // It was taken before anything was set up.
        Command::SandboxWorker => Ok(Exit::General),
    }
}

async fn open(global: &Global, env: &Env, out: Out) -> anyhow::Result<App> {
    let tokens = Arc::new(Tokens::new(env.tokens_file()?, &global.server));
    let given = match &global.token_file {
        Some(path) => Some(login::read_secret(path).await?),
        None => env.token.clone(),
    };
    let stored = given.is_none() && tokens.load().is_some();
    let mut client = Client::new(&global.server, given)?;
    if stored {
        client = client.with_store(Arc::<Tokens>::clone(&tokens));
    }
    Ok(App { client, out, tokens })
}
