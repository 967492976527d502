//! `watch`: follows a job to its end. A bar for people, the events of the stream for programs.
//!
//! Ctrl-C only ends the watching: the job goes on.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use medusa_api::{Job, JobLive, JobState, LiveEvent, PauseWhy, Split};
use medusa_client::Topic;
use medusa_types::JobId;
use tokio::time::Instant;

use crate::App;
use crate::control::next_step;
use crate::exit::{Exit, Fail};
use crate::output::seconds_in_words;

const LAG_LOOKS_MAX: u32 = 50;
const LAG_PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn watch(app: &App, id: JobId) -> anyhow::Result<Exit> {
    let lines = app.out.json() || !std::io::IsTerminal::is_terminal(&std::io::stdout());
    follow(app, &app.client.job(id).await?, lines).await
}

/// Follows the job; its outcome is the exit status. With `lines`, each event is a line of data.
pub(crate) async fn follow(app: &App, job: &Job, lines: bool) -> anyhow::Result<Exit> {
    let id = job.id;
    let chunks = chunks_word(&job.spec.split);
    let template = format!("{{bar:30}} {{pos}} of {{len}} {chunks} {{msg}}");
    let bar = app.out.bar(job.counts.total.into(), &template)?;
    let mut pace = None;
    let mut paused = None;
    let mut events = pin!(app.client.stream(&[Topic::Job(id)]));
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let state = loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = &mut interrupt => {
                bar.finish_and_clear();
                app.out.say(&format!("the job goes on; `medusa watch {id}` follows it again"));
                return Ok(Exit::Interrupted);
            }
        };
        let lost = || Fail::new(Exit::Unavailable, "the live stream ended");
        let event = event.ok_or_else(lost)??;
        if lines {
            app.out.value(&event)?;
        }
        if let LiveEvent::Snapshot(live) | LiveEvent::Delta(live) = &event
            && live.job == id
        {
            let pace = pace.get_or_insert_with(|| Pace::begin(live));
            show(&bar, live, pace);
            if std::mem::replace(&mut paused, live.paused) != live.paused && live.paused.is_some() {
                bar.suspend(|| app.out.say(&told(job, live)));
            }
            if live.state.is_final() {
                break live.state;
            }
        }
    };
    bar.finish_and_clear();
    app.out.say(&summary(&ended_job(app, id).await?, chunks));
    Ok(Exit::of_job(state).unwrap_or(Exit::General))
}

/// The job after its last event. Live events can be a little ahead of what the server answers.
async fn ended_job(app: &App, id: JobId) -> anyhow::Result<Job> {
    let mut job = app.client.job(id).await?;
    for _ in 0..LAG_LOOKS_MAX {
        if job.state.is_final() {
            break;
        }
        tokio::time::sleep(LAG_PAUSE).await;
        job = app.client.job(id).await?;
    }
    Ok(job)
}

const fn chunks_word(split: &Split) -> &'static str {
    match split {
        Split::Tiles { .. } => "tiles",
        Split::Files { .. } => "files",
        Split::Lines { .. }
        | Split::CsvRows { .. }
        | Split::Jsonl { .. }
        | Split::Bytes { .. }
        | Split::Grid { .. }
        | Split::Program { .. }
        | Split::Range { .. } => "chunks",
    }
}

fn show(bar: &ProgressBar, live: &JobLive, pace: &Pace) {
    bar.set_length(live.counts.total.into());
    bar.set_position(ended(live));
    let left = pace.left(live).map(|seconds| format!(", {} left", seconds_in_words(seconds)));
    let note = live.note.as_ref().filter(|_| live.paused.is_none());
    let note = note.map(|note| format!(" ({note})"));
    bar.set_message(format!(
        "{}, spent {} of {}{}{}",
        live.state.as_str(),
        live.cost.spent,
        live.cost.held,
        left.filter(|_| live.state == JobState::Running).unwrap_or_default(),
        note.unwrap_or_default()
    ));
}

/// That a job is paused, why, and what gets it going.
fn told(job: &Job, live: &JobLive) -> String {
    let (state, paused, cost, counts) = (live.state, live.paused, live.cost, live.counts);
    let job = Job { state, paused, cost, counts, ..job.clone() };
    let why = paused.map(PauseWhy::in_words).unwrap_or_default();
    format!("paused: {why}\n{}", next_step(&job))
}

fn ended(live: &JobLive) -> u64 {
    u64::from(live.counts.done()).saturating_add(live.counts.failed.into())
}

/// How fast chunks end since the watching began.
struct Pace {
    from: Instant,
    ended: u64,
}

impl Pace {
    fn begin(live: &JobLive) -> Self {
        Self { from: Instant::now(), ended: ended(live) }
    }

    fn left(&self, live: &JobLive) -> Option<u64> {
        left(self.from.elapsed().as_secs(), self.ended, ended(live), live.counts.total.into())
    }
}

/// Seconds that are left, if chunks go on ending as they did.
fn left(seconds: u64, at_first: u64, now: u64, total: u64) -> Option<u64> {
    let gained = now.checked_sub(at_first)?;
    seconds.checked_mul(total.saturating_sub(now))?.checked_div(gained)
}

fn summary(job: &Job, chunks: &str) -> String {
    let counts = job.counts;
    let cost = format!("it cost {} credits, {} came back", job.cost.spent, job.cost.released);
    match job.state {
        JobState::Done => {
            let unverified = match counts.unverified {
                0 => "all verified".to_owned(),
                n => format!("{n} of them not verified by a second machine"),
            };
            let fetch = format!("`medusa fetch {}` gets the results", job.id);
            format!("done: {} {chunks}, {unverified}; {cost}\n{fetch}", counts.total)
        }
        state => {
            let reason = job.reason.as_deref().map(|r| format!(": {}", r.trim()));
            format!("{}{}; {cost}", state.as_str(), reason.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pace_so_far() {
        for (seconds, at_first, now, total, expected) in [
            (10, 0, 5, 10, Some(10)),
            (10, 20, 25, 35, Some(20)),
            (10, 0, 10, 10, Some(0)),
            (10, 4, 4, 10, None),
            (10, 5, 4, 10, None),
            (0, 0, 0, 0, None),
        ] {
            assert_eq!(left(seconds, at_first, now, total), expected, "{now} of {total}");
        }
    }
}
