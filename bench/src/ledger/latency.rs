//! How long one append takes from the call to durable, at 2,000 a second, against a lone
//! synchronous insert of one row.
#![expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;

use super::ground::Ledger;
use super::load::Load;
use crate::figure::{self, middle};

/// Appends that arrive together, and how often: 2,000 a second.
const GROUP: u32 = 4;
const EVERY: Duration = Duration::from_millis(2);
/// How long a window is.
const WINDOW: Duration = Duration::from_millis(3_000);
/// Groups of one window.
const GROUPS: u32 = 1_500;

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

/// One client, one row at a time, each committed before the next.
async fn lone_inserts(ledger: &Ledger) -> Result<Vec<Duration>> {
    let mut db = ledger.pool.acquire().await?;
    let body = vec![b'x'; 500];
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < WINDOW {
        let start = Instant::now();
        sqlx::query("insert into lone (body) values ($1)").bind(&body).execute(&mut *db).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Appends at their times, whether those before are done or not.
async fn offered(ledger: &Ledger, load: &mut Load) -> Result<Vec<Duration>> {
    let began = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..GROUPS {
        let due = began + EVERY * n;
        tokio::time::sleep_until(due.into()).await;
        for _ in 0..GROUP {
            let (log, append) = (ledger.log.clone(), load.transfer(false));
            #[expect(clippy::disallowed_methods, reason = "callers of a load, which end with it")]
            tasks.push(tokio::spawn(async move {
                let start = Instant::now();
                log.append(append).await?;
                Ok::<Duration, anyhow::Error>(start.elapsed())
            }));
        }
    }
    let mut times = Vec::new();
    for task in join_all(tasks).await {
        times.push(task??);
    }
    Ok(times)
}

/// A percentile in milliseconds.
fn at(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * percent).div_euclid(100);
    sorted.get(index).or(sorted.last()).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}
