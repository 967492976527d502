//! `audit`: the log checked by somebody who does not trust the server.
//!
//! `export` brings the whole log into a folder ([`folder`] says how it is laid out); `verify`
//! checks such a folder with nothing but the public keys that the auditor has. What is checked is
//! in [`check`], [`claims`], [`piece`] and [`verify`].

mod bad;
mod check;
mod claims;
mod export;
mod folder;
mod piece;
mod verify;

use std::path::PathBuf;

use indicatif::ProgressBar;
use medusa_types::Sha256Hash;
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use self::bad::Bad;
use self::folder::Folder;
use self::verify::{Found, Trusted};
use crate::App;
use crate::args::{Audit, Verify};
use crate::exit::Exit;

const BAR: &str = "checking {bar:30} {pos} of {len} events, {per_sec}, {eta} left";

/// What `audit verify --json` says.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    events: u64,
    root: Option<Sha256Hash>,
    accounts: usize,
    /// Earlier checkpoints that were compared.
    checkpoints: usize,
    cosigned: &'a [String],
    problems: Vec<String>,
    /// The first thing that is wrong, and where.
    bad: Option<&'a Bad>,
    ms: u64,
    events_per_s: u64,
}

pub(crate) async fn run(app: &App, command: Audit) -> anyhow::Result<Exit> {
    match command {
        Audit::Export { dir } => {
            let size = export::export(&app.client, app.out, &dir).await?;
            app.out.say(&format!("{size} events; `medusa audit verify {}`", dir.display()));
            app.out.data(&dir.display().to_string())?;
            Ok(Exit::Done)
        }
        Audit::Verify(args) => verify(app, args).await,
    }
}

async fn verify(app: &App, args: Verify) -> anyhow::Result<Exit> {
    let Verify { dir, key, witness, quorum, since } = args;
    let trusted = Trusted { keys: key, witnesses: witness, quorum, since };
    let (dir, scratch) = match dir {
        Some(dir) => (dir, None),
        None => {
            let scratch = Scratch::new();
            export::export(&app.client, app.out, &scratch.0).await?;
            (scratch.0.clone(), Some(scratch))
        }
    };
    let pinned = !trusted.keys.is_empty();
    let bar = app.out.bar(0, BAR)?;
    let began = Instant::now();
    let work = {
        let bar: ProgressBar = bar.clone();
        move || verify::verify(&Folder::new(&dir), &trusted, &bar)
    };
    let found = spawn_blocking(work).await?;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    bar.finish_and_clear();
    drop(scratch);
    tell(app, &found?, pinned, ms)
}

/// An export that goes away with the check.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("medusa-audit-{}", medusa_client::operation_id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is litter in the folder for litter.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn tell(app: &App, found: &Found, pinned: bool, ms: u64) -> anyhow::Result<Exit> {
    let events_per_s = found.events.saturating_mul(1_000).checked_div(ms).unwrap_or(found.events);
    let report = Report {
        ok: found.bad.is_none(),
        events: found.events,
        root: found.root,
        accounts: found.accounts,
        checkpoints: found.earlier,
        cosigned: &found.cosigned,
        problems: found.bad.iter().map(ToString::to_string).collect(),
        bad: found.bad.as_ref(),
        ms,
        events_per_s,
    };
    match &found.bad {
        _ if app.out.json() => app.out.value(&report)?,
        Some(bad) => app.out.data(&format!("{} {bad}", app.out.state("wrong")))?,
        None => app.out.data(&in_words(found, pinned, events_per_s))?,
    }
    Ok(if report.ok { Exit::Done } else { Exit::Unverified })
}

fn in_words(found: &Found, pinned: bool, events_per_s: u64) -> String {
    let Found { events, accounts, earlier, key, .. } = found;
    let root = found.root.map(|root| root.to_string()).unwrap_or_default();
    let trust = if pinned {
        format!("by the key that you named, {key}")
    } else {
        format!("by {key}, which is the export's own word: next time name it with --key")
    };
    let witnesses = match found.cosigned.as_slice() {
        [] => "none of them was asked for; --witness names one".to_owned(),
        names => names.join(", "),
    };
    format!(
        "the log is right\n\
         events     {events} without gaps, each with its hash, in order of time ({events_per_s}/s)\n\
         root       {root} recomputed, equal to the checkpoint's\n\
         signed     {trust}\n\
         witnesses  {witnesses}\n\
         earlier    {earlier} checkpoints, and the log goes on from each of them\n\
         balances   {accounts} accounts recomputed: they sum to nothing, none was ever beyond its \
         limit, and all are what the server claims"
    )
}

#[cfg(test)]
mod tests;
