//! The commands of `medusa-agent`. Without one it runs.

mod lend;
mod manage;
mod page;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Config, ConfigError, PAGE_PORT, RunArgs, UpdateArgs};

/// Lends this machine's spare computing through a Medusa server.
#[derive(Debug, Parser)]
#[command(name = "medusa-agent", version, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to the server and run chunks; the first time it shows a code to enrol with
    Run(Box<RunArgs>),
    /// Look at everything that lending needs on this machine, and say what to do
    Doctor {
        #[command(flatten)]
        of: Box<Of>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print the link to the agent's page, which works once
    Page {
        #[command(flatten)]
        of: Box<Of>,
        /// Open it in the browser, too
        #[arg(long)]
        open: bool,
    },
    /// Let the agent stay on this machine and start with its user
    Install {
        #[command(flatten)]
        of: Box<Of>,
        /// Start it at once
        #[arg(long)]
        now: bool,
    },
    /// Take away what `install` made, and what can be downloaded again
    Uninstall {
        #[command(flatten)]
        of: Box<Of>,
        /// Also the machine's identity, its limits and everything else
        #[arg(long)]
        purge: bool,
    },
    /// Whether the agent starts with its user
    Autostart {
        /// What to do
        what: Switch,
        #[command(flatten)]
        of: Box<Of>,
    },
    /// Put a newer version in place, if there is one
    Update {
        #[command(flatten)]
        of: Box<Of>,
        /// Only say whether there is one
        #[arg(long)]
        check: bool,
        /// From now on let the agent do it by itself, or not
        #[arg(long, value_name = "WHAT", conflicts_with = "check")]
        automatic: Option<Switch>,
    },
    /// One sandboxed worker process; the agent starts it
    #[command(hide = true)]
    Worker,
    /// Whether this version works with these arguments; the one before it starts it
    #[command(hide = true)]
    Rehearse {
        /// The server has to be reached
        #[arg(long)]
        linked: bool,
        /// What the agent is started with
        #[arg(last = true)]
        args: Vec<OsString>,
    },
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
    Status,
}

/// Which agent is meant.
#[derive(Debug, Args)]
struct Of {
    /// The server's address; the one that the machine is enrolled at by default
    #[arg(long, env = "MEDUSA_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Where identity, state and caches are kept [default: medusa-agent in the user's data home]
    #[arg(long, env = "MEDUSA_AGENT_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Certificates of a private authority that also may vouch for the server
    #[arg(long, env = "MEDUSA_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Port of the local page
    #[arg(long, value_name = "P", default_value_t = PAGE_PORT, hide = true)]
    port: u16,
    #[command(flatten)]
    updates: UpdateArgs,
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    xdg_data_home: Option<PathBuf>,
    #[arg(long, env = "XDG_CONFIG_HOME", hide = true)]
    xdg_config_home: Option<PathBuf>,
}

impl Of {
    /// What an agent would be started with.
    fn config(self) -> Result<Config, ConfigError> {
        let Self { server, data, ca, port, updates, xdg_data_home, xdg_config_home } = self;
        let args = RunArgs {
            server,
            data,
            ca: ca.map(|ca| std::path::absolute(&ca).unwrap_or(ca)),
            port,
            updates,
            xdg_data_home,
            xdg_config_home,
            ..RunArgs::default()
        };
        args.resolve()
    }
}

/// Does what the arguments of this process ask for.
#[must_use]
pub fn main() -> ExitCode {
    let line = Line::parse();
    // Before anything else is set up: a worker has no runtime, no log and no network.
    if matches!(line.command, Some(Command::Worker)) {
        return medusa_sandbox::worker_main();
    }
    let done = match line.command {
        None => lend::run(line.run),
        Some(Command::Run(args)) => lend::run(*args),
        Some(Command::Rehearse { linked, args }) => lend::rehearse(args, linked),
        Some(command) => manage::run(command),
    };
    done.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}

/// A line on standard output.
fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_command_it_runs() {
        let line = Line::try_parse_from(["medusa-agent", "--port", "1"]).unwrap();
        assert!(line.command.is_none() && line.run.port == 1);
        let line = Line::try_parse_from(["medusa-agent", "run", "--port", "1"]).unwrap();
        assert!(matches!(line.command, Some(Command::Run(args)) if args.port == 1));
        assert!(Line::try_parse_from(["medusa-agent", "--port", "1", "doctor"]).is_err());
    }

    #[test]
    fn the_arguments_are_sound() {
        <Line as clap::CommandFactory>::command().debug_assert();
    }
}
