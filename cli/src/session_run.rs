//! `session run`: from files to rounds. Uploads, opens a session, sends one round after the other,
//! writes the last answer and what would be sent next, ends the session, says what it cost.
//!
//! Everything that can be wrong on this side is found before credits are held. Answers that came
//! are written also when a later round fails, and the session is ended in every case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use medusa_api::{JobSpec, Priority, Session, SessionRequest, SessionState, Split};
use medusa_client::{RoundAnswer, RoundError, Rounds, operation_id};
use medusa_protocol::{Number, Reduce};
use medusa_types::{Credits, SessionId};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::exit::{Exit, Fail};
use crate::output::bytes_in_words;
use crate::session_step::{Next, Pace, in_words, means, metrics, ms};
use crate::submit::{add_program, natural_split, stem};
use crate::upload::send;
use crate::{App, flags};

/// How long a session that is given up may take to say that it is over.
const END_MAX: Duration = Duration::from_secs(10);
const LAG_LOOKS_MAX: u32 = 50;
const LAG_PAUSE: Duration = Duration::from_millis(100);

/// The options.
#[derive(Debug, Args)]
#[command(after_help = "\
The program reads its shard once and then answers each round, in frames; docs/guests-of-sessions.md
says how to write one. Splits are those of `medusa submit`: each chunk is the shard of one agent.

With --feedback X the next payload is the payload plus X times the answer, f64 by f64. An answer
with one number more than the payload ends with a count that the others are divided by.

Examples:
  medusa session run digits.wasm -i digits.f32 --split by=bytes,bytes=233740 --budget 5 \\
      --rounds 200 --in start.f64 --reduce sum --feedback -0.5 --next weights.f64
  medusa session run pagerank.wasm -i graph.txt --split by=lines,lines=39 --budget 5 \\
      --rounds 50 --in start.f64 --reduce sum --carry --out ranks.f64")]
pub(crate) struct Run {
    /// The program, a WASI module that answers frames.
    program: PathBuf,
    /// The input, a file (- for standard input).
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// How to cut the input into shards.
    #[arg(long, value_name = "SPLIT", value_parser = flags::split)]
    split: Option<Split>,
    /// An argument of the program; can be given several times.
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    args: Vec<String>,
    /// What to call the session.
    #[arg(long)]
    name: Option<String>,
    /// Memory of one shard's program in MiB.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    memory: Option<u32>,
    /// Agents beside one for each shard, which take over where one is lost.
    #[arg(long, value_name = "N", default_value_t = 0)]
    spares: u32,
    /// The most that it may cost; so much is held.
    #[arg(long, value_name = "CREDITS")]
    budget: Credits,
    /// How many rounds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rounds: u64,
    /// What the first round is sent (- for standard input); nothing otherwise.
    #[arg(long = "in", value_name = "FILE")]
    payload: Option<PathBuf>,
    /// How the shards' answers become one: sum, mean, weighted-mean, min, max, or concat, which
    /// puts one behind the other.
    #[arg(long, value_name = "HOW", default_value = "concat", value_parser = reduce)]
    reduce: Reduce,
    /// What answers consist of: f64, f32 or i64, little endian.
    #[arg(long, value_name = "TYPE", default_value = "f64", value_parser = number)]
    number: Number,
    /// Let a NaN in an answer pass.
    #[arg(long)]
    keep_nan: bool,
    /// The program remembers earlier rounds: an agent that takes over computes them again.
    #[arg(long)]
    remembers: bool,
    /// Send so many times the answer, added to the payload, in the next round.
    #[arg(long, value_name = "X", allow_negative_numbers = true, conflicts_with = "carry")]
    feedback: Option<f64>,
    /// Send the answer in the next round.
    #[arg(long)]
    carry: bool,
    /// Write the last answer to this file (- for standard output).
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write what one more round would be sent to this file: what was learned.
    #[arg(long, value_name = "FILE")]
    next: Option<PathBuf>,
}

/// A way to put answers together by its word. `none` is not offered: in one file it is `concat`.
fn reduce(text: &str) -> Result<Reduce, String> {
    let known = Reduce::ALL.into_iter().filter(|(_, reduce)| *reduce != Reduce::None);
    let found = known.clone().find(|(word, _)| *word == text);
    let words: Vec<_> = known.map(|(word, _)| word).collect();
    found.map(|(_, reduce)| reduce).ok_or_else(|| format!("say one of {}", words.join(", ")))
}

/// A type of numbers by its word.
fn number(text: &str) -> Result<Number, String> {
    let found = Number::ALL.into_iter().find(|(word, _)| *word == text);
    found.map(|(_, number)| number).ok_or_else(|| "say f64, f32 or i64".into())
}

/// What the rounds came to.
#[derive(Debug, Default)]
struct Course {
    pace: Pace,
    /// What the next round is sent.
    payload: Vec<u8>,
    /// The last answer.
    answer: Option<Vec<u8>>,
    /// Numbers of the last round by name, one of each shard that gave it.
    metrics: BTreeMap<String, Vec<f64>>,
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    session: &'a Session,
    rounds: u64,
    seconds: f64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    metrics: &'a BTreeMap<String, Vec<f64>>,
}

/// Why rounds ended before the last one.
#[derive(Debug)]
enum Stop {
    Interrupted,
    Failed(RoundError),
    /// The answer does not make a next payload.
    Unfit(String),
}

pub(crate) async fn run(app: &App, args: &Run) -> anyhow::Result<Exit> {
    let next = checked(args, app.out.json())?;
    let spec = spec(args)?;
    let payload = match &args.payload {
        Some(path) => read(path).await?,
        None => Vec::new(),
    };
    let program = add_program(app, &args.program, None).await?;
    let input = match &args.input {
        Some(path) => Some(send(app, path).await?.sha256),
        None => None,
    };
    let request = SessionRequest {
        program,
        input,
        spec,
        spares: args.spares,
        budget: args.budget,
        keep_nan: args.keep_nan,
        remembers: args.remembers,
    };
    let session = app.client.open_session(&request, operation_id()).await?;
    app.out.say(&opened(&session));
    let mut course = Course { payload, ..Course::default() };
    let stop = follow(app, args, (&session, next), &mut course).await;
    let written = write(args, &course).await;
    let session = ended(app, session.id).await?;
    tell(app, args, &session, &course)?;
    written?;
    match stop {
        None => Ok(Exit::Done),
        Some(Stop::Interrupted) => Ok(Exit::Interrupted),
        Some(Stop::Unfit(why)) => Err(Fail::new(Exit::General, why).into()),
        Some(Stop::Failed(error)) => Err(failure(&error).into()),
    }
}

/// How the next payload is made, if the options fit each other.
fn checked(args: &Run, json: bool) -> anyhow::Result<Next> {
    let is_stdin = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| is_dash(path));
    let wrong = |words: &str| Err(Fail::new(Exit::Usage, words).into());
    if is_stdin(&args.input) && is_stdin(&args.payload) {
        return wrong("--input and --in cannot both be standard input");
    }
    if json && is_stdin(&args.out) {
        return wrong("--out - and --json both want standard output");
    }
    match (args.feedback, args.carry) {
        (Some(_), _) if args.number != Number::F64 => wrong("--feedback adds f64: leave --number"),
        (Some(rate), _) if !rate.is_finite() => wrong("--feedback is a number, like -0.1"),
        (Some(rate), _) => Ok(Next::Feedback(rate)),
        (None, true) => Ok(Next::Answer),
        (None, false) => Ok(Next::Same),
    }
}

fn spec(args: &Run) -> anyhow::Result<JobSpec> {
    let split = args.split.clone().or_else(|| natural_split(args.input.as_deref()?));
    let split = split.ok_or_else(|| {
        Fail::new(Exit::Usage, "it is not clear how to cut the input into shards")
            .next("say it with --split, like --split by=bytes,bytes=1000000")
    })?;
    let is_range = matches!(split, Split::Range { .. });
    if is_range == args.input.is_some() {
        let words = match is_range {
            true => "a range needs no input: leave out --input",
            false => "there is nothing to cut into shards: give --input",
        };
        return Err(Fail::new(Exit::Usage, words).into());
    }
    Ok(JobSpec {
        name: args.name.clone().unwrap_or_else(|| stem(&args.program)),
        args: args.args.clone(),
        split,
        merge: Vec::new(),
        copies: 1,
        memory_mib: args.memory.unwrap_or_default(),
        strict: false,
        keep_going: false,
        priority: Priority::Standard,
        merge_by: None,
        script: None,
    })
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

async fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = path.to_owned();
    let bytes = tokio::task::spawn_blocking(move || {
        if !is_dash(&file) {
            return std::fs::read(&file);
        }
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
    });
    bytes.await?.with_context(|| format!("could not read {}", path.display()))
}

fn opened(session: &Session) -> String {
    let shards = match session.shards {
        1 => "1 shard".to_owned(),
        n => format!("{n} shards"),
    };
    format!("{shards}, at most {} credits; waiting for agents", session.held)
}

/// Drives the session to its end, and ends it.
async fn follow(
    app: &App,
    args: &Run,
    (session, next): (&Session, Next),
    course: &mut Course,
) -> Option<Stop> {
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let url = home(app, session);
    let connected = tokio::select! {
        connected = Rounds::connect(&url) => connected,
        _ = &mut interrupt => {
            app.out.say("nobody drives the session any more: it ends by itself within minutes");
            return Some(Stop::Interrupted);
        }
    };
    let mut rounds = match connected {
        Ok(rounds) => rounds,
        Err(error) => return Some(Stop::Failed(error)),
    };
    let stop = tokio::select! {
        stop = turns(app, args, next, (&mut rounds, course)) => stop,
        _ = &mut interrupt => Some(Stop::Interrupted),
    };
    let over = matches!(stop, Some(Stop::Failed(RoundError::Ended { .. })));
    match (over, timeout(END_MAX, rounds.finish()).await) {
        (true, _) | (false, Ok(Ok(()))) => stop,
        (false, Ok(Err(error))) => stop.or(Some(Stop::Failed(error))),
        (false, Err(_)) => {
            app.out.say("the session did not end yet: it does so by itself within minutes");
            stop
        }
    }
}

/// Where the rounds go: an address, or a path on the server.
fn home(app: &App, session: &Session) -> String {
    let url = session.home.as_ref().map(|home| home.url.clone()).unwrap_or_default();
    if !url.starts_with('/') {
        return url;
    }
    let base = app.client.base_url().trim_end_matches('/');
    let base =
        base.strip_prefix("http").map_or_else(|| base.to_owned(), |rest| format!("ws{rest}"));
    format!("{base}{url}")
}

async fn turns(
    app: &App,
    args: &Run,
    next: Next,
    (rounds, course): (&mut Rounds, &mut Course),
) -> Option<Stop> {
    let template = "{bar:30} {pos} of {len} rounds {msg}";
    let bar = app.out.bar(args.rounds, template).unwrap_or_else(|_| ProgressBar::hidden());
    let mut stop = None;
    for _ in 0..args.rounds {
        let began = Instant::now();
        match rounds.round(&course.payload, (args.reduce, args.number)).await {
            Ok(answer) => {
                course.pace.took(began.elapsed());
                show(&bar, &answer);
                stop = course.take(answer, next, args.reduce).err().map(Stop::Unfit);
            }
            Err(error) => stop = Some(Stop::Failed(error)),
        }
        if stop.is_some() {
            break;
        }
    }
    bar.finish_and_clear();
    stop
}

fn show(bar: &ProgressBar, answer: &RoundAnswer) {
    if !bar.is_hidden() {
        bar.inc(1);
        bar.set_message(means(&metrics(&answer.metrics)));
    }
}

impl Course {
    /// Takes an answer in.
    fn take(&mut self, answer: RoundAnswer, next: Next, reduce: Reduce) -> Result<(), String> {
        self.metrics = metrics(&answer.metrics);
        let answer = self.answer.insert(answer.payloads.concat());
        next.payload(&mut self.payload, answer, reduce)
    }
}

async fn write(args: &Run, course: &Course) -> anyhow::Result<()> {
    let Some(answer) = &course.answer else { return Ok(()) };
    for (path, bytes) in [(&args.out, answer), (&args.next, &course.payload)] {
        let Some(path) = path else { continue };
        let (file, bytes) = (path.clone(), bytes.clone());
        let written = tokio::task::spawn_blocking(move || match is_dash(&file) {
            true => std::io::Write::write_all(&mut std::io::stdout().lock(), &bytes),
            false => std::fs::write(&file, &bytes),
        });
        written.await?.with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

/// The session after its end. The log can be a little behind what was said.
async fn ended(app: &App, id: SessionId) -> anyhow::Result<Session> {
    let mut session = app.client.session(id).await?;
    for _ in 0..LAG_LOOKS_MAX {
        if session.state != SessionState::Open {
            break;
        }
        tokio::time::sleep(LAG_PAUSE).await;
        session = app.client.session(id).await?;
    }
    Ok(session)
}

fn tell(app: &App, args: &Run, session: &Session, course: &Course) -> anyhow::Result<()> {
    let Course { pace, metrics, answer, .. } = course;
    let in_ms = |percent| ms(pace.percentile(percent));
    if app.out.json() {
        app.out.value(&Summary {
            session,
            rounds: pace.rounds(),
            seconds: pace.all().as_secs_f64(),
            per_second: pace.per_second(),
            p50_ms: in_ms(50),
            p99_ms: in_ms(99),
            metrics,
        })?;
    } else if args.out.as_deref().is_some_and(is_dash) {
        app.out.say(&format!("session {}", session.id));
    } else {
        app.out.data(&session.id.to_string())?;
    }
    for (name, numbers) in metrics {
        app.out.say(&in_words(name, numbers));
    }
    let answered = answer.as_ref().map(|answer| bytes_in_words(len(answer)));
    app.out.say(&format!(
        "{} rounds in {:.2} s, {:.1} a second, p50 {:.2} ms, p99 {:.2} ms; the last answer has {}; it cost {} \
         credits",
        pace.rounds(),
        pace.all().as_secs_f64(),
        pace.per_second(),
        in_ms(50),
        in_ms(99),
        answered.unwrap_or_else(|| "not come".into()),
        session.spent
    ));
    Ok(())
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A failed round, with its exit status and what to do.
fn failure(error: &RoundError) -> Fail {
    let code = match error {
        RoundError::Ended { code, .. } => code.as_deref(),
        _ => None,
    };
    let (exit, next) = match (error, code) {
        (RoundError::Transport(_) | RoundError::Answer(_), _) => {
            (Exit::Unavailable, "try again; `medusa doctor` looks for the reason")
        }
        (RoundError::Large, _) => (Exit::Usage, "send less with --in"),
        (RoundError::Refused { .. }, _) => (Exit::General, "docs/errors has a page on this code"),
        (_, Some("sessions.hold_spent")) => (Exit::JobStopped, "give a larger --budget"),
        (_, Some("sessions.no_agents")) => {
            (Exit::Unavailable, "try again when more agents are online")
        }
        _ => (Exit::JobFailed, "`medusa session ls` shows your sessions with their codes"),
    };
    Fail::new(exit, error.to_string()).next(next)
}
