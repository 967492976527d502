//! The commands and their options, as clap shows them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use medusa_api::{ChunkState, MergeRule, Priority, Split};
use medusa_tlog::{CosignerKey, Verifier};
use medusa_types::{Credits, JobId};

use crate::flags;

/// Put a program on other people's computers, and pay in credits.
#[derive(Debug, Parser)]
#[command(name = "medusa", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 success, 1 failure, 2 usage, 3 job failed, 4 job cancelled or \
over budget, 5 not logged in or not allowed, 6 not found, 7 not enough credits, 8 conflict, \
9 server not available, 10 verification failed, 124 --timeout, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for every command")]
pub(crate) struct Global {
    /// Address of the server.
    #[arg(long, global = true, value_name = "URL", env = "MEDUSA_URL")]
    #[arg(default_value = "http://127.0.0.1:7700")]
    pub(crate) server: String,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Use colours; NO_COLOR turns them off too.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: When,
    /// Give up after this time, like 30s or 5m, with exit status 124.
    #[arg(long, global = true, value_name = "TIME", value_parser = flags::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Read an access token from this file (- for standard input); MEDUSA_TOKEN holds one too.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// When to do something that depends on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in, and keep the token for this server.
    Login(Login),
    /// Forget the token for this server.
    Logout,
    /// Say who is logged in.
    Me,
    /// Run a program: upload, quote, confirm; prints the job's id.
    Submit(Box<Submit>),
    /// Upload a file, for a job later; prints its SHA-256.
    ///
    /// A large file goes in parts. Interrupted, the same command goes on where it was; what the
    /// server has already is not sent again.
    Upload {
        /// The file.
        file: PathBuf,
    },
    /// Follow a job: a bar on a terminal, JSON lines otherwise.
    Watch {
        /// The job.
        id: JobId,
    },
    /// Download the results of a job; prints their paths.
    Fetch(Fetch),
    /// Compute a chunk again here, and compare it bit for bit with what was accepted.
    Replay(Replay),
    /// Write all that is known of a job to one HTML file; prints its path.
    Report {
        /// The job.
        id: JobId,
        /// The file.
        #[arg(short, long, value_name = "FILE", default_value = "report.html")]
        out: PathBuf,
    },
    /// Compare two runs: what was asked, what came of it, what it cost.
    Compare {
        /// The first job.
        left: JobId,
        /// The second job.
        right: JobId,
    },
    /// List your jobs, newest first.
    Jobs {
        /// At most so many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show one job.
    Job {
        /// The job.
        id: JobId,
        /// List its chunks too.
        #[arg(long)]
        chunks: bool,
        /// List those that are in this state: waiting, leased, verified, unverified or failed.
        #[arg(long, value_name = "STATE", value_parser = flags::chunk_state)]
        only: Option<ChunkState>,
    },
    /// Pause a job: nothing more is handed out; what is under way is finished and paid.
    Pause {
        /// The job.
        id: JobId,
    },
    /// Go on with a paused job.
    Resume {
        /// The job.
        id: JobId,
    },
    /// Hold more credits for a job; one that paused for want of them goes on.
    Budget {
        /// The job.
        id: JobId,
        /// How much more, like +2.5.
        #[arg(value_name = "+AMOUNT", value_parser = flags::more)]
        add: Credits,
    },
    /// Give failed chunks another chance.
    Retry {
        /// The job.
        id: JobId,
        /// So many times the fuel that a run was allowed before.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        fuel_times: u32,
    },
    /// Run the same once more, at today's price: quote, confirm; prints the new job's id.
    Rerun(Rerun),
    /// Stop a job; what was not spent comes back.
    Cancel {
        /// The job.
        id: JobId,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Delete input and results of a job that has ended; what the log says of it stays.
    Delete {
        /// The job.
        id: JobId,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Show your credits, or every movement of them.
    Wallet {
        /// Every movement, newest first.
        #[arg(value_enum)]
        history: Option<History>,
        /// At most so many movements.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// List the machines that you lend, or do something with one.
    Agents {
        #[command(subcommand)]
        command: Option<crate::agents::Agents>,
    },
    /// Send rounds to a program that stays on agents, or list such sessions.
    #[command(alias = "task")]
    Session {
        #[command(subcommand)]
        command: crate::session::Sessions,
    },
    /// Check the log.
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Check that everything this program needs is in order.
    Doctor,
    /// One sandboxed worker process; `replay` starts it.
    #[command(hide = true)]
    SandboxWorker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum History {
    /// Every movement.
    History,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Your address; asked for on a terminal.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Read the password from this file (- for standard input) instead of asking.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Make a new account.
    #[arg(long)]
    pub(crate) signup: bool,
    /// What to call you, with --signup.
    #[arg(long, requires = "signup", default_value = "")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Splits:  by=lines,lines=1000   by=bytes,bytes=1000000   by=files[,group=N]
         by=csv_rows,size=1000   by=jsonl,size=1000   by=grid[,per_chunk=N]
         by=range,from=0,to=64,step=1   by=tiles,width=128,height=128,overlap=48
         lines, csv_rows and jsonl also by bytes=N or seconds=N, range also by seconds=N
         or --split-by a module of your own
Merges:  how=concat|zip|csv|sum|mean|json|tiles,to=NAME[,file=NAME][,sort=COLUMNS]
         Without file= standard output is merged. Without --merge it becomes one file, result.
         With --merge-by, they go by what the last run of that module wrote.

Examples:
  medusa submit --example cells --wait
  medusa submit words.wasm -i books.zip --split by=files --merge how=sum,to=counts.csv
  medusa submit cells.wasm -i cells.png --split by=tiles,width=96,height=96,overlap=72 \\
      --merge file=cells.csv,how=csv,sort=2,to=cells.csv --budget 5")]
pub(crate) struct Submit {
    /// The program, a WASI module or a script.
    #[arg(value_name = "PROGRAM", required_unless_present_any = ["example", "job"])]
    #[arg(conflicts_with_all = ["example", "job"])]
    pub(crate) program: Option<PathBuf>,
    /// The runtime that runs the script, like python. Left out, its name's end decides.
    #[arg(long, value_name = "NAME", conflicts_with = "example")]
    pub(crate) runtime: Option<String>,
    /// A ready-made job of the gallery.
    #[arg(long, value_name = "NAME", conflicts_with = "job")]
    pub(crate) example: Option<String>,
    /// A file that describes the job, like examples/*/job.json; its paths are seen from its folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) job: Option<PathBuf>,
    /// The input, a file (- for standard input).
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// How to cut the input into chunks.
    #[arg(long, value_name = "SPLIT", value_parser = flags::split)]
    pub(crate) split: Option<Split>,
    /// A WASI module of your own that says what the chunks are; the server runs it once, for the
    /// quote.
    #[arg(long, value_name = "MODULE", conflicts_with = "split")]
    pub(crate) split_by: Option<PathBuf>,
    /// An argument of that module; can be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, requires = "split_by")]
    pub(crate) split_arg: Vec<String>,
    /// A result file; can be given several times.
    #[arg(long, value_name = "MERGE", value_parser = flags::merge)]
    pub(crate) merge: Vec<MergeRule>,
    /// A WASI module of your own that puts results together, in runs on agents.
    #[arg(long, value_name = "MODULE")]
    pub(crate) merge_by: Option<PathBuf>,
    /// An argument of that module; can be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, requires = "merge_by")]
    pub(crate) merge_arg: Vec<String>,
    /// Results that one run of that module puts together at most, 2 to 64.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "merge_by")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=64))]
    pub(crate) fan_in: u32,
    /// An argument of the program; can be given several times.
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
    /// What to call the job.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// 1: agents with a good record compute alone and are checked by chance, all others' chunks are
    /// computed twice; 2: every chunk by agents of two owners. Without it: what the example or the
    /// file says, else 1.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2))]
    pub(crate) copies: Option<u32>,
    /// Share beside other consumers' jobs, and price: economy has a third for 80 %, urgent three
    /// times for 150 %.
    #[arg(long, value_name = "HOW", value_parser = flags::priority)]
    pub(crate) priority: Option<Priority>,
    /// When the program fails on a chunk, compute the others and then wait for a decision.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Memory of one run in MiB.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) memory: Option<u32>,
    /// Make NaN the same on all processors.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Hold at most so many credits: when they are spent, the job pauses. Refused where the job
    /// will likely cost more.
    #[arg(long, value_name = "CREDITS")]
    pub(crate) budget: Option<Credits>,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Follow the job to its end; the exit status is its outcome.
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// Stop after the quote.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rerun {
    /// The job.
    pub(crate) id: JobId,
    /// Hold at most so many credits: when they are spent, the job pauses. Refused where the job
    /// will likely cost more.
    #[arg(long, value_name = "CREDITS")]
    pub(crate) budget: Option<Credits>,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Follow the job to its end; the exit status is its outcome.
    #[arg(short, long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The job.
    pub(crate) id: JobId,
    /// The folder to put them in (- for standard output, with --file).
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Only this one; can be given several times.
    #[arg(long = "file", value_name = "NAME")]
    pub(crate) files: Vec<String>,
    /// Replace files that are there with another content.
    #[arg(long)]
    pub(crate) force: bool,
    /// What one chunk wrote, also while the job runs: `stdout`, and its files under `out`.
    #[arg(long, value_name = "INDEX", conflicts_with_all = ["files", "chunks", "partial"])]
    pub(crate) chunk: Option<u32>,
    /// What all chunks wrote that are done so far, as chunks.zip.
    #[arg(long, conflicts_with_all = ["files", "partial"])]
    pub(crate) chunks: bool,
    /// The results as far as they go while the job runs, as partial-NAME.
    #[arg(long)]
    pub(crate) partial: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 10 says that the chunk gave something else here than what was accepted and paid.
The verdict is read from the log, with the proof that it is in it.")]
pub(crate) struct Replay {
    /// The job.
    pub(crate) job: JobId,
    /// The chunk, from 0.
    pub(crate) chunk: u32,
    /// Write what the chunk gives to this folder: `stdout`, and its files under `out`.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Write the log to a folder, for a check without the server; a second time only what is new.
    ///
    /// Needs the role admin or auditor.
    Export {
        /// The folder.
        dir: PathBuf,
    },
    /// Check an export: signatures, hashes, order, books; names the first event that is wrong.
    Verify(Verify),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 10 says that something is wrong, and the output says what and where.

Examples:
  medusa audit verify export --key medusa.example/log+0ab1c2d3+AX...
  medusa audit verify export --key ... --since kept/checkpoint --witness ... --quorum 1")]
pub(crate) struct Verify {
    /// What `audit export` wrote; without it the log is exported to a temporary folder first.
    pub(crate) dir: Option<PathBuf>,
    /// The log's key, from elsewhere than the server; can be given several times.
    #[arg(long, value_name = "VKEY", env = "MEDUSA_VERIFIER_KEY")]
    pub(crate) key: Vec<Verifier>,
    /// The key of a witness that must have signed; can be given several times.
    #[arg(long, value_name = "VKEY")]
    pub(crate) witness: Vec<CosignerKey>,
    /// How many of these witnesses are enough; all of them otherwise.
    #[arg(long, value_name = "N", requires = "witness")]
    pub(crate) quorum: Option<usize>,
    /// A checkpoint that you kept: the log must go on from it; can be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_whole_submit_is_understood() {
        let line = "medusa submit cells.wasm -i cells.png --split by=tiles,width=9,height=8,overlap=1 \
            --merge how=sum,to=a --merge file=b,how=csv,sort=2,to=b --arg --min --arg 40 \
            --copies 2 --budget 2.5 --yes --wait --json --timeout 5m";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Submit(submit) = cli.command else { panic!("not a submit") };
        assert_eq!(submit.args, ["--min", "40"]);
        assert_eq!(submit.merge.len(), 2);
        assert_eq!(submit.budget, "2.5".parse().ok());
        assert!(cli.global.json && submit.wait);
        assert_eq!(cli.global.timeout, Some(Duration::from_secs(300)));
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in [
            "submit",
            "submit a.wasm --example cells",
            "submit a.wasm --copies 3",
            "submit a.wasm --dry-run --wait",
            "submit a.wasm --budget 1,5",
            "watch 7",
            "watch usr_00000000000000000000000000000007",
            "audit",
            "audit export",
            "audit verify --key nonsense",
            "audit verify --quorum 1",
            "jobs --limit 0",
            "budget job_00000000000000000000000000000007",
            "budget job_00000000000000000000000000000007 2.5",
            "budget job_00000000000000000000000000000007 +0",
            "budget job_00000000000000000000000000000007 -1",
            "budget job_00000000000000000000000000000007 much",
            "retry job_00000000000000000000000000000007 --fuel-times 101",
            "submit a.wasm --priority high",
            "replay job_00000000000000000000000000000007",
            "replay job_00000000000000000000000000000007 first",
            "compare job_00000000000000000000000000000007",
            "fetch job_00000000000000000000000000000007 --chunk 1 --partial",
            "me --timeout soon",
            "upload",
            "delete",
            "delete job_00000000000000000000000000000007 --force",
        ] {
            let words = ["medusa"].into_iter().chain(line.split_whitespace());
            let error = Cli::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
