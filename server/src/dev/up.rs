//! `medusa-server dev up`, from the lock to the last stop.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use medusa_api::JobState;
use medusa_client::Client;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::home::Home;
use super::people::People;
use super::report::{self, Facts};
use super::stack::{self, Stack};
use super::talk::Talk;
use super::{agents, example};

/// Options of `dev up`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Remove everything of earlier runs first
    #[arg(long)]
    reset: bool,
    /// Run the example, report, stop; success only if the result is right
    #[arg(long)]
    once: bool,
    /// Port of the website; a taken one goes on to the next
    #[arg(long, value_name = "P", default_value_t = 7700)]
    port: u16,
    /// Folder for everything that is kept [default: .medusa in the checkout]
    #[arg(long, value_name = "DIR", env = "MEDUSA_HOME")]
    home: Option<PathBuf>,
}

/// Ctrl-C, or a polite end from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Runs it all, until Ctrl-C or with `--once` until the report.
///
/// # Errors
/// What did not start or what was wrong with the result; everything is stopped before.
pub(crate) async fn up(args: UpArgs) -> Result<ExitCode> {
    let talk = Talk::new();
    let home = Home::take(args.home.as_deref())?;
    let mut signals = Signals::listen()?;
    if args.reset {
        let question = "remove all data of earlier runs?";
        if talk.person && !talk.agrees(question) {
            bail!("nothing was removed");
        }
        home.reset()?;
        talk.step("earlier runs removed");
    }
    std::fs::create_dir_all(home.path("log"))?;
    // Blocks, and so is not interrupted: a half-started database would be nobody's. Nothing else
    // runs yet.
    let mut stack = Stack::ground(&home, &talk, args.port)?;
    let ended = tokio::select! {
        ended = run(&args, &home, &talk, &mut stack) => ended,
        () = signals.asked() => Ok(()),
    };
    talk.step("stopping");
    let stopped = tokio::select! {
        stopped = stack.stop() => stopped,
        () = signals.asked() => Err(anyhow::anyhow!("stopped in a hurry")),
    };
    ended?;
    stopped?;
    talk.step("everything is stopped; the data is kept");
    Ok(ExitCode::SUCCESS)
}

async fn run(args: &UpArgs, home: &Home, talk: &Talk, stack: &mut Stack) -> Result<()> {
    let url = stack.url();
    let anybody = Client::new(&url, None)?;
    stack.open_database().await?;
    stack.start_server(home)?;
    stack.while_it_lives(stack::ready(&anybody)).await?;
    talk.step(&format!("the server is ready at {url}"));

    let people = People::of(home)?;
    let mut grant = stack.server_command(home)?;
    grant.args(["admin", "grant", &people.admin.email, "admin"]);
    let enter = async {
        // The person is there before the role, and the token after it.
        people.admin.client(&anybody).await?;
        let granted = grant.output().await?;
        if !granted.status.success() {
            let why = String::from_utf8_lossy(&granted.stderr).into_owned();
            bail!("could not make the admin: {}", why.trim());
        }
        let admin = people.admin.client(&anybody).await?;
        let consumer = people.consumer.client(&anybody).await?;
        let mut lenders = Vec::new();
        for (number, lender) in (1..).zip(&people.lenders) {
            let lender = lender.client(&anybody).await?;
            agents::enrol(home, number, &lender).await.context("an agent could not be enrolled")?;
            lenders.push(lender);
        }
        Ok((admin, consumer, lenders))
    };
    let (admin, consumer, lenders) = stack.while_it_lives(enter).await?;
    stack.start_agents(home)?;
    talk.step("a consumer, an admin and two lenders are logged in, two agents are started");

    let show = async {
        let job = match example::earlier(&consumer).await? {
            Some(job) if !args.once || job.state != JobState::Done => job,
            _ => example::submit(&consumer, talk).await?,
        };
        let was_done = job.state == JobState::Done;
        let job = if was_done { job } else { example::watch(&consumer, job.id, talk).await? };
        let folder = example::fetch(&consumer, &job, home).await?;
        let cells = example::check(&folder, home)?;
        let earned = report::earned(&lenders, &job).await?;
        if was_done {
            talk.step("the example was run before: this is its result (--once runs it again)");
        }
        let facts =
            Facts { home, people: &people, url: &url, job: &job, folder: &folder, cells, earned };
        report::print(talk, &facts, &admin).await?;
        if !args.once {
            talk.step("serving until Ctrl-C");
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    stack.while_it_lives(show).await
}
