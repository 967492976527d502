//! `medusa-server`: the one deployable program. `serve` runs the house, `dev` a whole marketplace
//! on one machine, and the rest helps to run it. Everything is put together in `wiring`.

mod admin;
mod config;
mod dev;
mod examples;
mod http;
mod runner;
mod site;
mod wiring;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Operate a running server from its own machine
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Print the OpenAPI document of the HTTP interface
    Openapi,
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
            config::log_to_stderr();
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
        Command::Admin(command) => block_on(admin::run(command))?,
        Command::Openapi => println!("{}", serde_json::to_string_pretty(&http::openapi())?),
        Command::Dev(DevCommand::Up(args)) => return block_on(dev::up(args)),
        Command::SandboxWorker => return Ok(medusa_sandbox::worker_main()),
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
