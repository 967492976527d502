//! How long one append takes from the call to durable, at 2,000 a second, against one client that
//! inserts a row at a time, each durable, at the same times. Both are timed from when they were
//! due: who has to wait for a slow one before counts that.
#![expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::ground::Ledger;
use super::load::Load;
use crate::figure::{self, middle};

/// Between two appends: 2,000 a second.
const EVERY: Duration = Duration::from_micros(500);
/// Appends of one window.
const COUNT: u32 = 6_000;

pub(super) async fn measure(ledger: &Ledger, load: &mut Load, rounds: usize) -> Result<()> {
    sqlx::query("create table lone (id bigserial primary key, body bytea not null)")
        .execute(&ledger.pool)
        .await?;
    // As in a database that has run for a while: segments of its write-ahead log are used again,
    // instead of being made and filled with zeros while somebody waits.
    sqlx::query("checkpoint").execute(&ledger.pool).await?;
    let (mut appends, mut inserts, mut middles) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        figure::say(&format!("ledger: latency, round {round} of {rounds}"));
        inserts.push(at(&lone_inserts(ledger).await?, 99));
        let times = offered(ledger, load).await?;
        appends.push(at(&times, 99));
        middles.push(at(&times, 50));
    }
    figure::ms("append_p50_ms", middle(&middles));
    figure::ms("append_p99_ms", middle(&appends));
    figure::ms("insert_p99_ms", middle(&inserts));
    figure::ratio("append_p99_over_insert", middle(&appends) / middle(&inserts));
    Ok(())
}

/// One client, one row at a time, each at its time or right after the one before.
async fn lone_inserts(ledger: &Ledger) -> Result<Vec<Duration>> {
    let mut db = ledger.pool.acquire().await?;
    let body = vec![b'x'; 500];
    let (sender, mut due) = mpsc::unbounded_channel();
    let clock = std::thread::spawn(move || each(|| Ok(sender.send(Instant::now())?)));
    let mut times = Vec::new();
    while let Some(start) = due.recv().await {
        sqlx::query("insert into lone (body) values ($1)").bind(&body).execute(&mut *db).await?;
        times.push(start.elapsed());
    }
    ended(clock)?;
    Ok(times)
}

/// Appends at their times, whether those before are done or not.
async fn offered(ledger: &Ledger, load: &mut Load) -> Result<Vec<Duration>> {
    let mut appends: Vec<_> = (0..COUNT).map(|_| load.transfer(false)).collect();
    let (log, runtime) = (ledger.log.clone(), Handle::current());
    let (sender, mut waiting) = mpsc::unbounded_channel();
    let clock = std::thread::spawn(move || {
        each(|| {
            let (log, append) = (log.clone(), appends.pop().context("an append")?);
            let start = Instant::now();
            Ok(sender.send(runtime.spawn(async move {
                log.append(append).await?;
                Ok::<Duration, anyhow::Error>(start.elapsed())
            }))?)
        })
    });
    let mut times = Vec::new();
    while let Some(task) = waiting.recv().await {
        times.push(task.await??);
    }
    ended(clock)?;
    Ok(times)
}

/// Does something at each of the times. A thread of its own: the timers of the runtime know only
/// whole milliseconds.
fn each(mut act: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    for n in 0..COUNT {
        let due = EVERY.saturating_mul(n);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        act()?;
    }
    Ok(())
}

fn ended(clock: std::thread::JoinHandle<Result<()>>) -> Result<()> {
    clock.join().map_err(|_| anyhow::anyhow!("the clock of the load panicked"))?
}

/// A percentile in milliseconds.
fn at(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * percent).div_euclid(100);
    sorted.get(index).or(sorted.last()).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}
