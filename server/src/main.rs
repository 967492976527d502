//! `medusa-server`: the one deployable program. `serve` runs the house, `dev` a whole marketplace
//! on one machine, and the rest helps to run it. Everything is put together in `wiring`.

mod admin;
mod config;
mod dev;
mod drain;
mod ends;
mod examples;
mod floor;
mod forward;
mod forwarded;
mod http;
mod invariants;
mod logging;
mod rebuild;
mod runner;
mod runtime;
mod site;
mod standby;
mod wiring;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The log's writer makes many small things that another thread drops: what this one is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The server of the Medusa compute marketplace
#[derive(Parser)]
#[command(name = "medusa-server", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the house until it is told to stop
    Serve(Box<config::ServeArgs>),
    /// Bring the database's schema up to date and end
    Migrate {
        /// The database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Recompute the log's tree and all balances from the events, and say whether they agree
    Verify {
        /// The database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Check every rule of the log and of everything that is derived from it
    Invariants {
        /// The database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// Answer with JSON
        #[arg(long)]
        json: bool,
    },
    /// Build read models anew from the log, while the server goes on
    Rebuild(rebuild::RebuildArgs),
    /// Operate a running server from its own machine
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Offer interpreters that scripts may be run by
    #[command(subcommand)]
    Runtime(runtime::RuntimeCommand),
    /// Print the OpenAPI document of the HTTP interface
    Openapi,
    /// Sign the checkpoints of other logs, without a database: run it on another machine
    Witness(witness::WitnessArgs),
    /// A whole marketplace on one machine
    #[command(subcommand)]
    Dev(DevCommand),
    /// Compile and run guest programs for a parent process
    #[command(hide = true)]
    SandboxWorker,
}

#[derive(Subcommand)]
enum DevCommand {
    /// Start everything, run the example job, and serve until Ctrl-C
    Up(dev::UpArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::SandboxWorker) {
        return medusa_sandbox::worker_main();
    }
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail(&anyhow::anyhow!("another TLS provider was installed before"));
    }
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a command")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "these commands answer on standard output")]
fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            logging::to_stderr();
            wiring::serve(*args)?;
        }
        Command::Migrate { database_url } => {
            block_on(async {
                let pool = medusa_platform::postgres::connect(&database_url).await?;
                Ok(medusa_platform::migrate::MIGRATOR.run(&pool).await?)
            })?;
        }
        Command::Verify { database_url } => {
            let report = block_on(async {
                let pool = medusa_platform::postgres::connect(&database_url).await?;
                Ok(medusa_eventlog::verify(&pool).await?)
            })?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            // The exit code of a failed verification, as in the command line tool.
            return Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(10) });
        }
        Command::Invariants { database_url, json } => {
            return block_on(invariants::run(&database_url, json));
        }
        Command::Rebuild(args) => block_on(rebuild::run(&args))?,
        Command::Admin(command) => block_on(admin::run(command))?,
        Command::Runtime(command) => block_on(runtime::run(command))?,
        Command::Openapi => println!("{}", serde_json::to_string_pretty(&http::openapi())?),
        Command::Witness(args) => {
            logging::to_stderr();
            witness::serve(&args)?;
        }
        Command::Dev(DevCommand::Up(args)) => return block_on(dev::up(args)),
        Command::SandboxWorker => return Ok(medusa_sandbox::worker_main()),
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
