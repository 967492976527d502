//! The log and the ledger against the machine's own limit: windows of the same length alternate
//! between them in one run, and the middle one of each counts. The limit is a raw binary COPY of
//! the same event rows into a table of the same shape; the peer is one transaction for each
//! transfer that locks both balances.
#![expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]

mod copy;
mod cpu;
mod ground;
mod latency;
mod load;
mod naive;

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::figure::{self, middle};
use cpu::Cpu;
use ground::{Ground, Ledger};
use load::Load;

/// Windows of each kind.
const ROUNDS: usize = 5;
/// Transfers of one window in batches of 8,000.
const LARGE_WINDOW: usize = 160_000;
/// Transfers of one window in batches of 1,000.
const SMALL_WINDOW: usize = 80_000;
/// How long a window of single callers is.
const CALLERS_WINDOW: Duration = Duration::from_millis(2_500);
/// Callers of one transfer each.
const CALLERS: usize = 1_024;
/// Events of the large log, and of the small one that it is compared with.
const LARGE_LOG: i64 = 10_000_000;
const SMALL_LOG: i64 = 100_000;

/// What the windows gave, per second.
#[derive(Default)]
struct Rates {
    copy: Vec<f64>,
    batch8000: Vec<f64>,
    batch1000: Vec<f64>,
    hot: Vec<f64>,
    callers: Vec<f64>,
    naive: Vec<f64>,
}

/// Which figures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All; the ones over a large log take minutes.
    All,
    /// All but those.
    Quick,
    /// Single callers and their peer.
    Callers,
}

/// Figures of the ledger.
pub(crate) async fn measure(extent: Extent) -> Result<()> {
    let ground = Ground::open().await?;
    let result = match extent {
        Extent::Callers => callers(&ground).await,
        Extent::Quick => throughput(&ground).await,
        Extent::All => match throughput(&ground).await {
            Ok(()) => large_log(&ground).await,
            other => other,
        },
    };
    ground.close();
    result
}

/// Single callers and their peer in turns, and where the time of the cores goes meanwhile.
async fn callers(ground: &Ground) -> Result<()> {
    let ledger = ground.ledger("medusa").await?;
    let mut load = Load::new();
    load.fund(&ledger).await?;
    naive::prepare(&ledger).await?;
    let (mut callers, mut naive) = (Vec::new(), Vec::new());
    let (mut of_callers, mut of_naive) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        figure::say(&format!("ledger: callers, round {round} of {ROUNDS}"));
        let before = Cpu::now(&ledger.pool).await?;
        let rate = naive::window(&ledger, CALLERS_WINDOW).await?;
        let count = rate * CALLERS_WINDOW.as_secs_f64();
        let between = Cpu::now(&ledger.pool).await?;
        of_naive.push(between.since(&before, count));
        naive.push(rate);
        let rate = load.callers(&ledger, CALLERS, CALLERS_WINDOW).await?;
        let count = rate * CALLERS_WINDOW.as_secs_f64();
        of_callers.push(Cpu::now(&ledger.pool).await?.since(&between, count));
        callers.push(rate);
    }
    figure::per_second("callers1024_per_s", middle(&callers));
    figure::per_second("naive_per_s", middle(&naive));
    figure::ratio("callers1024_over_naive", middle(&callers) / middle(&naive));
    cpu::print("callers1024", &of_callers);
    cpu::print("naive", &of_naive);
    ledger.end().await;
    Ok(())
}

async fn throughput(ground: &Ground) -> Result<()> {
    let ledger = ground.ledger("medusa").await?;
    let mut load = Load::new();
    load.fund(&ledger).await?;
    copy::prepare(&ledger).await?;
    naive::prepare(&ledger).await?;
    let mut rates = Rates::default();
    for round in 1..=ROUNDS {
        figure::say(&format!("ledger: throughput, round {round} of {ROUNDS}"));
        rates.copy.push(copy::window(&ledger, &mut load, LARGE_WINDOW).await?);
        rates.batch8000.push(load.window(&ledger, LARGE_WINDOW, 8_000, false).await?);
        rates.naive.push(naive::window(&ledger, CALLERS_WINDOW).await?);
        rates.callers.push(load.callers(&ledger, CALLERS, CALLERS_WINDOW).await?);
        rates.batch1000.push(load.window(&ledger, SMALL_WINDOW, 1_000, false).await?);
        rates.hot.push(load.window(&ledger, SMALL_WINDOW, 1_000, true).await?);
    }
    let copy = middle(&rates.copy);
    figure::per_second("copy_rows_per_s", copy);
    figure::per_second("batch8000_per_s", middle(&rates.batch8000));
    figure::per_second("batch1000_per_s", middle(&rates.batch1000));
    figure::per_second("callers1024_per_s", middle(&rates.callers));
    figure::per_second("naive_per_s", middle(&rates.naive));
    figure::ratio("batch8000_over_copy", middle(&rates.batch8000) / copy);
    figure::ratio("batch1000_over_copy", middle(&rates.batch1000) / copy);
    figure::ratio("callers1024_over_naive", middle(&rates.callers) / middle(&rates.naive));
    figure::ratio("hot_over_uniform", middle(&rates.hot) / middle(&rates.batch1000));
    latency::measure(&ledger, &mut load, ROUNDS).await?;
    replay(&ledger).await?;
    ledger.end().await;
    Ok(())
}

/// The whole log again from its first event, and what it takes on the disk.
async fn replay(ledger: &Ledger) -> Result<()> {
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        figure::say(&format!("ledger: replay, round {round} of {ROUNDS}"));
        let report = medusa_eventlog::verify(&ledger.pool).await?;
        anyhow::ensure!(report.ok, "the log does not verify: {:?}", report.problems);
        let ms = u32::try_from(report.ms.max(1)).context("a replay of weeks")?;
        let events = u32::try_from(report.events).context("a small log")?;
        rates.push(f64::from(events) * 1_000.0 / f64::from(ms));
    }
    figure::per_second("replay_per_s", middle(&rates));
    figure::bytes("bytes_per_transfer", ledger.bytes_per_event().await?);
    Ok(())
}

async fn large_log(ground: &Ground) -> Result<()> {
    let small = ground.ledger("small").await?;
    let large = ground.ledger("large").await?;
    let (mut to_small, mut to_large) = (Load::new(), Load::new());
    to_small.fund(&small).await?;
    to_large.fund(&large).await?;
    to_small.fill(&small, SMALL_LOG).await?;
    to_large.fill(&large, LARGE_LOG).await?;
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        figure::say(&format!("ledger: large log, round {round} of {ROUNDS}"));
        of_small.push(to_small.window(&small, SMALL_WINDOW, 8_000, false).await?);
        of_large.push(to_large.window(&large, SMALL_WINDOW, 8_000, false).await?);
    }
    figure::per_second("small_log_per_s", middle(&of_small));
    figure::per_second("large_log_per_s", middle(&of_large));
    figure::ratio("large_log_over_small", middle(&of_large) / middle(&of_small));
    small.end().await;
    large.end().await;
    Ok(())
}
