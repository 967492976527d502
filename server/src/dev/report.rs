//! What the launcher tells at the end: where the result is, what it cost, who earned it, how to
//! prove it, and where to look around.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use medusa_api::Job;
use medusa_client::Client;
use medusa_types::{Credits, JobId};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::agents;
use super::home::Home;
use super::people::{People, Person};
use super::stack::sibling;
use super::talk::Talk;

/// How long the lenders' statements may take to show what the log says.
const STATEMENT_PATIENCE: Duration = Duration::from_secs(3);
/// Lines of a page of a statement, and pages that are looked through.
const STATEMENT_LINES: u32 = 100;
const STATEMENT_PAGES_MAX: u32 = 100;

/// What each lender earned with the job, once their statements show as much as was paid.
pub(super) async fn earned(lenders: &[Client], job: &Job) -> Result<Vec<Credits>> {
    let due = job.cost.spent.saturating_sub(job.cost.fee);
    let began = Instant::now();
    loop {
        let mut shares = Vec::new();
        for lender in lenders {
            shares.push(earned_by(lender, job.id).await?);
        }
        let sum = shares.iter().fold(Credits::ZERO, |sum, share| sum.saturating_add(*share));
        if sum >= due || began.elapsed() > STATEMENT_PATIENCE {
            return Ok(shares);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The sum of a lender's lines about the job. They are newest first, so those of an old job may
/// be some pages down.
async fn earned_by(lender: &Client, job: JobId) -> Result<Credits> {
    let stream = job.to_string();
    let (mut sum, mut after) = (Credits::ZERO, None);
    for _ in 0..STATEMENT_PAGES_MAX {
        let page = lender.statement(STATEMENT_LINES, after.as_deref()).await?;
        let lines = page.items.iter().filter(|line| line.stream.ends_with(&stream));
        // What becomes available later is the same money once more.
        let earned = lines.filter(|line| line.account.starts_with("lender.pending"));
        sum = earned.fold(sum, |sum, line| sum.saturating_add(line.amount.max(Credits::ZERO)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(sum)
}

/// What the report is about.
pub(super) struct Facts<'a> {
    pub(super) home: &'a Home,
    pub(super) people: &'a People,
    pub(super) url: &'a str,
    pub(super) job: &'a Job,
    pub(super) folder: &'a Path,
    pub(super) cells: usize,
    /// What each lender earned with the job.
    pub(super) earned: Vec<Credits>,
}

/// Prints it.
pub(super) async fn print(talk: &Talk, facts: &Facts<'_>, admin: &Client) -> Result<()> {
    let Facts { home, people, url, job, folder, cells, earned } = facts;
    let say = |label: &str, text: &str| talk.report(&format!("  {label:<11}{text}"));
    talk.report(&format!(
        "\n{} cells found and outlined: exactly the known result of this picture.\n",
        cells
    ));
    say("picture", &near(&folder.join("outlined.png")));
    say("table", &near(&folder.join("cells.csv")));
    let cost = &job.cost;
    say("cost", &format!("{} credits, of them {} the fee of the platform", cost.spent, cost.fee));
    say("", &format!("{} were held, {} came back", cost.held, cost.released));
    for (index, (lender, share)) in people.lenders.iter().zip(earned).enumerate() {
        let label = if index == 0 { "earned" } else { "" };
        say(label, &format!("{share} credits by {}", lender.name));
    }
    let verified = admin.verify().await.context("the log could not be verified")?;
    if let Some(problem) = verified.problems.first() {
        bail!("the log does not verify: {problem}");
    }
    say("the log", &format!("{} events, every posting and balance checked", verified.events));
    say("", &format!("root {}", verified.root));
    let config = store_login(home, url, &people.admin).await?;
    let medusa = near(&sibling("medusa")?);
    say("check it", &format!("MEDUSA_CONFIG={config} {medusa} --server {url} audit verify"));
    talk.report("");
    say("website", &format!("{url}/"));
    say("this job", &format!("{url}/app/jobs/{}", job.id));
    for number in [1, 2] {
        if let Some(page) = agents::page(home, number) {
            say(&format!("agent {number}"), &page);
        }
    }
    let [one, two] = &people.lenders;
    for (label, person) in
        [("log in as", &people.consumer), ("", &people.admin), ("", one), ("", two)]
    {
        let Person { email, password, .. } = person;
        say(label, &format!("{email:<24}{password}"));
    }
    talk.report("");
    Ok(())
}

/// Logs the command line program in as this person and says where it keeps that.
async fn store_login(home: &Home, url: &str, person: &Person) -> Result<String> {
    let config = home.private_dir("cli")?;
    let mut login = Command::new(sibling("medusa")?)
        .env("MEDUSA_CONFIG", &config)
        .args(["--server", url, "--quiet", "login"])
        .args(["--email", &person.email, "--password-file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = login.stdin.take() {
        stdin.write_all(person.password.as_bytes()).await?;
    }
    let output = login.wait_with_output().await?;
    if !output.status.success() {
        bail!("`medusa login` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(near(&config))
}

/// The path as seen from the current folder.
fn near(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
