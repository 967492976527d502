//! The example job, from the quote to a result that equals the known one.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use medusa_api::{Job, JobLive, JobState, JobSubmit, LiveEvent, QuoteRequest};
use medusa_client::{Client, Topic, no_progress, operation_id};
use medusa_types::JobId;

use super::home::Home;
use super::talk::Talk;

/// The folder in `examples/` and the address of the example.
const EXAMPLE: &str = "cells";
/// How long the read model may lie behind the live events.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(10);
/// The result file that is compared with the known one.
const COMPARED: &str = "cells.csv";
/// How many of the consumer's newest jobs are looked through for an earlier run.
const EARLIER_MAX: u32 = 50;
/// Without a person watching: a line after each so many-th part of the job.
const LINES: u32 = 10;

/// The newest run of the example that is done or still under way.
pub(super) async fn earlier(consumer: &Client) -> Result<Option<Job>> {
    let example = find(consumer).await?;
    let jobs = consumer.jobs(EARLIER_MAX, None).await?.items;
    Ok(jobs.into_iter().find(|job| {
        job.spec == example.spec && !matches!(job.state, JobState::Failed | JobState::Cancelled)
    }))
}

/// Asks for a quote and accepts it.
pub(super) async fn submit(consumer: &Client, talk: &Talk) -> Result<Job> {
    let example = find(consumer).await?;
    talk.step(&format!("the example: {}", example.about));
    let request =
        QuoteRequest { program: example.program, input: example.input, spec: example.spec };
    let quote = consumer.quote(&request).await.context("no quote for the example")?;
    talk.step(&format!(
        "the quote: {}; about {} credits, at most {}",
        quote.split.in_words, quote.likely, quote.hold
    ));
    let job = consumer.submit_job(&JobSubmit::of(quote.id), operation_id()).await?;
    talk.step(&format!("submitted as {}", job.id));
    Ok(job)
}

async fn find(consumer: &Client) -> Result<medusa_api::Example> {
    let examples = consumer.examples().await?;
    examples.into_iter().find(|e| e.id == EXAMPLE).context("the server does not have the example")
}

/// Shows the job's way until it has ended well.
pub(super) async fn watch(consumer: &Client, job: JobId, talk: &Talk) -> Result<Job> {
    let mut events = Box::pin(consumer.stream(&[Topic::Job(job)]));
    let mut view = View::new(talk);
    while let Some(event) = events.next().await {
        if let LiveEvent::Snapshot(live) | LiveEvent::Delta(live) = event? {
            view.show(&live);
            if live.state.is_final() {
                break;
            }
        }
    }
    view.bar.finish_and_clear();
    let job = final_state(consumer, job).await?;
    if job.state != JobState::Done {
        let reason = job.reason.as_deref().unwrap_or("the server gives no reason");
        bail!("the example {}: {reason}", job.state.as_str());
    }
    talk.step(&format!("{} tiles computed, verified, paid and merged", job.counts.done()));
    Ok(job)
}

/// The job once its read model has caught up with the live event that ended it.
async fn final_state(consumer: &Client, id: JobId) -> Result<Job> {
    let began = Instant::now();
    loop {
        let job = consumer.job(id).await?;
        if job.state.is_final() || began.elapsed() > CATCH_UP_LIMIT {
            return Ok(job);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Downloads the results into `.medusa/results/<job>`.
pub(super) async fn fetch(consumer: &Client, job: &Job, home: &Home) -> Result<PathBuf> {
    let folder = home.path("results").join(job.id.to_string());
    fs::create_dir_all(&folder)?;
    for file in &job.results {
        let to = folder.join(&file.name);
        consumer
            .download_result(job.id, file, &to, no_progress())
            .await
            .with_context(|| format!("could not fetch {}", file.name))?;
    }
    Ok(folder)
}

/// Compares the result with the known one and says how many cells there are.
pub(super) fn check(folder: &std::path::Path, home: &Home) -> Result<usize> {
    let known = home.checkout.join("examples").join(EXAMPLE).join("expected").join(COMPARED);
    let (known, found) = (fs::read(known)?, fs::read(folder.join(COMPARED))?);
    if known != found {
        bail!("{} is not the known result of examples/{EXAMPLE}", folder.join(COMPARED).display());
    }
    let header = 1;
    Ok(String::from_utf8_lossy(&found).lines().count().saturating_sub(header))
}

/// A bar for a person, some lines for a log.
struct View<'a> {
    talk: &'a Talk,
    bar: ProgressBar,
    began: Instant,
    /// Tiles that were done when watching began: they say nothing about the speed.
    first: Option<u32>,
    lines: u32,
}

impl<'a> View<'a> {
    fn new(talk: &'a Talk) -> Self {
        let bar = if talk.person { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("        {bar:32} {pos}/{len} tiles  {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━━─"));
        }
        Self { talk, bar, began: Instant::now(), first: None, lines: 0 }
    }

    fn show(&mut self, live: &JobLive) {
        let (done, total) = (live.counts.done(), live.counts.total);
        let first = *self.first.get_or_insert(done);
        let left =
            time_left(self.began.elapsed(), done.saturating_sub(first), total - done.min(total));
        let text = match &live.note {
            Some(note) if !live.state.is_final() => {
                format!("{} credits spent; {note}", live.cost.spent)
            }
            _ => format!("{} credits spent{left}", live.cost.spent),
        };
        self.bar.set_length(total.into());
        self.bar.set_position(done.into());
        self.bar.set_message(text.clone());
        let lines = done.saturating_mul(LINES).checked_div(total).unwrap_or_default();
        if !self.talk.person && lines > self.lines {
            self.lines = lines;
            self.talk.step(&format!("{done} of {total} tiles, {text}"));
        }
    }
}

/// What the pace so far says about the rest, in words.
fn time_left(elapsed: Duration, done: u32, left: u32) -> String {
    match elapsed.checked_div(done) {
        Some(each) if left > 0 => {
            let seconds = each.saturating_mul(left).as_secs().saturating_add(1);
            format!(", about {seconds} s left")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pace() {
        let ten = Duration::from_secs(10);
        assert_eq!(time_left(ten, 5, 20), ", about 41 s left");
        assert_eq!(time_left(ten, 0, 20), "");
        assert_eq!(time_left(ten, 5, 0), "");
    }
}
