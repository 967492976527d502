//! `audit`: the log checked by somebody who does not trust the server.
//!
//! `verify` reads every event, from the server or from a file that `export` wrote, and recomputes
//! what the server claims. What is checked is in [`check`]; this file brings the events.

mod check;

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use indicatif::ProgressBar;
use medusa_api::{AuditHead, EventEntry, TrialBalance, VerifyReport};
use medusa_tlog::Verifier;
use tokio::time::Instant;

use crate::App;
use crate::args::Audit;
use crate::audit::check::{Bad, Checker};
use crate::exit::{Exit, Fail};

const PAGE: u32 = 1_000;
const BAR: &str = "{msg} {bar:30} {pos} of {len} events, {eta} left";

pub(crate) async fn run(app: &App, command: Audit) -> anyhow::Result<Exit> {
    match command {
        Audit::Export { out } => export(app, &out).await,
        Audit::Verify { from_file, verifier_key } => {
            let parse = |key: String| {
                key.parse::<Verifier>().map_err(|error| Fail::new(Exit::Usage, error.to_string()))
            };
            let pinned = verifier_key.map(parse).transpose()?;
            let began = Instant::now();
            let mut checked = match from_file {
                Some(path) => from_file_checked(app, &path)?,
                None => from_server_checked(app).await?,
            };
            checked.compare(pinned.as_ref());
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tell(app, &checked, pinned.is_some(), ms)
        }
    }
}

/// What was read, and what was found out.
struct Checked {
    head: AuditHead,
    checker: Checker,
    problems: Vec<String>,
    /// Position at which the balances were compared with the server's.
    balances_at: Option<i64>,
}

impl Checked {
    fn new(head: AuditHead) -> Self {
        let checker = Checker::default();
        Self { head, checker, problems: Vec::new(), balances_at: None }
    }

    /// Checks one event; false when it is bad and nothing after it means anything.
    fn take(&mut self, entry: &EventEntry) -> bool {
        match self.checker.take(entry) {
            Ok(()) => true,
            Err(Bad { position, what }) => {
                self.problems.push(format!("event {position}: {what}"));
                false
            }
        }
    }

    fn missing(&mut self) {
        let next = self.checker.position().saturating_add(1);
        self.problems.push(format!("event {next}: it is missing from the log"));
    }

    /// After the last event: the root and who signed it.
    fn compare(&mut self, pinned: Option<&Verifier>) {
        // After a bad event the root cannot be right, and saying so adds nothing.
        if self.problems.is_empty() {
            self.problems.extend(self.checker.compare(&self.head));
        }
        self.problems.extend(check::signature(&self.head, pinned));
    }
}

async fn from_server_checked(app: &App) -> anyhow::Result<Checked> {
    // The balances first: the log only grows, so their position is inside what is read after.
    let balances = app.client.trial_balance().await?;
    let mut checked = Checked::new(app.client.audit_head().await?);
    let size = checked.head.size;
    let bar = bar(app, "checking", size)?;
    let compare_at = |checked: &mut Checked| {
        if checked.checker.position() == balances.position {
            checked.balances_at = Some(balances.position);
            checked.problems.extend(checked.checker.balances_differ(&balances));
        }
    };
    compare_at(&mut checked);
    'pages: while checked.checker.position() < size {
        let from = checked.checker.position().saturating_add(1);
        let page = app.client.audit_events(from, PAGE).await?;
        if page.items.is_empty() {
            checked.missing();
            break;
        }
        for entry in page.items.iter().filter(|entry| entry.position <= size) {
            if !checked.take(entry) {
                break 'pages;
            }
            compare_at(&mut checked);
        }
        bar.set_position(u64::try_from(checked.checker.position()).unwrap_or_default());
    }
    bar.finish_and_clear();
    Ok(checked)
}

fn from_file_checked(app: &App, path: &Path) -> anyhow::Result<Checked> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("could not read {shown}"))?;
    let mut lines = BufReader::new(file).lines();
    let not_ours = || format!("{shown} is not what `medusa audit export` writes");
    let first = lines.next().with_context(not_ours)??;
    let mut checked = Checked::new(serde_json::from_str(&first).with_context(not_ours)?);
    let bar = bar(app, "checking", checked.head.size)?;
    for line in lines {
        let entry: EventEntry = serde_json::from_str(&line?).with_context(not_ours)?;
        if !checked.take(&entry) {
            break;
        }
        bar.inc(1);
    }
    if checked.problems.is_empty() && checked.checker.position() < checked.head.size {
        checked.missing();
    }
    bar.finish_and_clear();
    Ok(checked)
}

async fn export(app: &App, path: &Path) -> anyhow::Result<Exit> {
    let head = app.client.audit_head().await?;
    let bar = bar(app, "reading", head.size)?;
    let part = path.with_added_extension("part");
    let shown = part.display();
    let file = std::fs::File::create(&part).with_context(|| format!("could not write {shown}"))?;
    let mut file = BufWriter::new(file);
    serde_json::to_writer(&mut file, &head)?;
    file.write_all(b"\n")?;
    let mut position = 0_i64;
    while position < head.size {
        let page = app.client.audit_events(position.saturating_add(1), PAGE).await?;
        let Some(last) = page.items.last().map(|entry| entry.position) else {
            let message = format!("the server gives no events after position {position}");
            return Err(Fail::new(Exit::Unverified, message).into());
        };
        for entry in page.items.iter().filter(|entry| entry.position <= head.size) {
            serde_json::to_writer(&mut file, entry)?;
            file.write_all(b"\n")?;
        }
        if last <= position {
            let message = format!("the server goes back from position {position} to {last}");
            return Err(Fail::new(Exit::Unverified, message).into());
        }
        position = last;
        bar.set_position(u64::try_from(position).unwrap_or_default());
    }
    file.into_inner()?.sync_all()?;
    std::fs::rename(&part, path).with_context(|| format!("could not write {}", path.display()))?;
    bar.finish_and_clear();
    app.out.data(&path.display().to_string())?;
    Ok(Exit::Done)
}

fn bar(app: &App, what: &str, size: i64) -> anyhow::Result<ProgressBar> {
    Ok(app.out.bar(u64::try_from(size).unwrap_or_default(), BAR)?.with_message(what.to_owned()))
}

fn tell(app: &App, checked: &Checked, pinned: bool, ms: u64) -> anyhow::Result<Exit> {
    let ok = checked.problems.is_empty();
    let report = VerifyReport {
        ok,
        events: checked.checker.position(),
        root: checked.checker.root(),
        accounts: checked.checker.accounts(),
        problems: checked.problems.clone(),
        ms,
    };
    if app.out.json() {
        app.out.value(&report)?;
    } else if ok {
        app.out.data(&in_words(checked, &report, pinned))?;
    } else {
        for problem in &report.problems {
            app.out.data(&format!("{} {problem}", app.out.state("wrong")))?;
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Unverified })
}

fn in_words(checked: &Checked, report: &VerifyReport, pinned: bool) -> String {
    let key = &checked.head.verifier_key;
    let trust = if pinned {
        format!("by the key that you named, {key}")
    } else {
        format!("by {key}, which is the server's word: next time name it with --verifier-key")
    };
    let compared = match checked.balances_at {
        Some(at) => format!("; at event {at} equal to the server's trial balance"),
        None => String::new(),
    };
    format!(
        "the log is right\n\
         events     {} without gaps, each with its hash, in order of time\n\
         root       {} recomputed, equal to the checkpoint's\n\
         signed     {trust}\n\
         balances   {} accounts recomputed, their sum is nothing, none is overdrawn{compared}",
        report.events, report.root, report.accounts
    )
}

impl Checker {
    /// Classes of accounts whose balance is not what the server says.
    fn balances_differ(&self, server: &TrialBalance) -> Vec<String> {
        let mut ours = self.class_sums();
        let mut problems = Vec::new();
        for line in &server.lines {
            let found = ours.remove(line.class.as_str()).unwrap_or_default();
            if found != line.balance {
                problems.push(format!(
                    "trial balance at event {}: the server says {} for {}, the events give {found}",
                    server.position, line.balance, line.class
                ));
            }
        }
        let forgotten = ours.into_iter().filter(|(_, sum)| sum.micros() != 0);
        problems.extend(forgotten.map(|(class, sum)| {
            format!(
                "trial balance at event {}: the server leaves out {class}, the events give {sum}",
                server.position
            )
        }));
        problems
    }
}
