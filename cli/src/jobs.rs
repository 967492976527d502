//! `jobs`, `job` and `delete`.

use medusa_api::{Chunk, ChunkState, Job, JobState};
use medusa_client::operation_id;
use medusa_types::JobId;

use crate::App;
use crate::control::{next_step, state};
use crate::exit::{Exit, Fail};
use crate::output::{ask, bytes_in_words, can_ask};

const PAGE: u32 = 100;
const CHUNK_PAGE: u32 = 1_000;

pub(crate) async fn list(app: &App, limit: u32) -> anyhow::Result<Exit> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut after = None;
    loop {
        let missing = limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        let page = app.client.jobs(missing.min(PAGE), after.as_deref()).await?;
        jobs.extend(page.items);
        after = page.next;
        if after.is_none() || jobs.len() >= usize::try_from(limit)? {
            break;
        }
    }
    if app.out.json() {
        app.out.value(&jobs)?;
        return Ok(Exit::Done);
    }
    if jobs.is_empty() {
        app.out.say("no jobs yet; `medusa submit --example cells` makes one");
        return Ok(Exit::Done);
    }
    let row = |job: &Job| {
        vec![
            job.id.to_string(),
            app.out.state(&state(job)),
            format!("{}/{}", job.counts.done(), job.counts.total),
            job.cost.spent.to_string(),
            minute(&job.created_at.to_string()),
            job.spec.name.clone(),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    app.out.table(&["JOB", "STATE", "CHUNKS", "SPENT", "SUBMITTED", "NAME"], &rows)?;
    Ok(Exit::Done)
}

pub(crate) async fn show(
    app: &App,
    id: JobId,
    (with_chunks, only): (bool, Option<ChunkState>),
) -> anyhow::Result<Exit> {
    let job = app.client.job(id).await?;
    let chunks = if with_chunks { all_chunks(app, id, only).await? } else { Vec::new() };
    if app.out.json() {
        if with_chunks {
            app.out.value(&serde_json::json!({ "job": job, "chunks": chunks }))?;
        } else {
            app.out.value(&job)?;
        }
        return Ok(Exit::Done);
    }
    for (name, value) in facts(app, &job) {
        app.out.data(&format!("{name:<10} {value}"))?;
    }
    if with_chunks {
        let rows: Vec<_> = chunks.iter().map(|chunk| chunk_row(app, chunk)).collect();
        app.out.table(&["CHUNK", "STATE", "TRIES", "FUEL", "PRICE", "HOW IT ENDED"], &rows)?;
    }
    Ok(Exit::Done)
}

fn facts(app: &App, job: &Job) -> Vec<(&'static str, String)> {
    let c = job.counts;
    let counts = format!(
        "{} in all: {} verified, {} unverified, {} running, {} waiting, {} failed",
        c.total, c.verified, c.unverified, c.leased, c.waiting, c.failed
    );
    let cost = job.cost;
    let costs = format!(
        "{} spent of {} held, fee {} included, {} came back",
        cost.spent, cost.held, cost.fee, cost.released
    );
    let mut facts = vec![
        ("job", job.id.to_string()),
        ("name", job.spec.name.clone()),
        ("program", format!("{} {}", job.program_name, job.program)),
        ("state", app.out.state(&state(job))),
        ("chunks", counts),
        ("cost", costs),
        ("submitted", job.created_at.to_string()),
    ];
    facts.extend(job.spec.script.as_ref().map(|script| {
        ("script", format!("{}, run by {} {}", script.sha256, script.runtime, script.version))
    }));
    facts.extend(job.finished_at.map(|at| ("finished", at.to_string())));
    facts.extend(job.kept_until.map(|at| ("kept until", minute(&at.to_string()))));
    facts.extend(job.files_deleted.map(|deleted| ("files", deleted.in_words())));
    facts.extend(job.waiting.clone().map(|words| ("waiting", words)));
    if job.state == JobState::Paused {
        facts.push(("next", next_step(job)));
    }
    facts.extend(job.reason.clone().map(|words| ("reason", words)));
    let result = |file: &medusa_api::ResultFile| {
        ("result", format!("{}  {}  {}", file.name, bytes_in_words(file.size), file.sha256))
    };
    facts.extend(job.results.iter().map(result));
    facts
}

async fn all_chunks(app: &App, id: JobId, only: Option<ChunkState>) -> anyhow::Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    let mut after = None;
    loop {
        let page = app.client.chunks(id, only, (CHUNK_PAGE, after.as_deref())).await?;
        chunks.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(chunks);
        }
    }
}

fn chunk_row(app: &App, chunk: &Chunk) -> Vec<String> {
    let state = chunk.state.as_str();
    let outcome = chunk.outcome.map(|outcome| outcome.in_words()).unwrap_or_default();
    let said = chunk.stderr.lines().last().map(|line| format!(": {line}"));
    vec![
        chunk.index.to_string(),
        app.out.state(state),
        chunk.attempts.to_string(),
        chunk.fuel.map(|fuel| fuel.0.to_string()).unwrap_or_default(),
        chunk.price.to_string(),
        chunk.waiting.clone().unwrap_or_else(|| format!("{outcome}{}", said.unwrap_or_default())),
    ]
}

pub(crate) async fn delete(app: &App, id: JobId, yes: bool) -> anyhow::Result<Exit> {
    let question = "Delete its input and all its results? Nothing brings them back. [y/N]";
    if !yes && can_ask() && !matches!(ask(question)?.to_lowercase().as_str(), "y" | "yes") {
        return Err(Fail::new(Exit::General, "nothing was deleted").into());
    }
    let job = app.client.delete_files(id, operation_id()).await?;
    if app.out.json() {
        app.out.value(&job)?;
    }
    let words = job.files_deleted.map(|deleted| deleted.in_words()).unwrap_or_default();
    app.out.say(&format!("input and results were {words}; the log keeps their digests"));
    Ok(Exit::Done)
}

/// A time to the minute: `2026-01-31 12:30`.
pub(crate) fn minute(rfc3339: &str) -> String {
    rfc3339.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
