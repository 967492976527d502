//! The continuous check: once a minute what is new, and a part of what is old.

use std::time::Duration;

use medusa_platform::supervise::supervise;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::run::{Findings, check_now, check_span, replay};
use super::{round, store};
use crate::error::LogError;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);

/// Checks what is new once a minute, until `stop`; what was never checked, from the first event on.
/// Beside that goes a round over everything that is old; at the start it sees all accounts at once,
/// because they may have been changed while nobody looked.
pub fn check_regularly(pool: PgPool, stop: CancellationToken) {
    supervise("eventlog.invariants", stop, move || watch(pool.clone()));
}

async fn watch(pool: PgPool) -> Result<(), LogError> {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = false;
    loop {
        every.tick().await;
        // A database that is away for a moment is no reason to end.
        if let Err(error) = look(&pool).await {
            tracing::warn!(%error, "the rules of the log could not be checked");
        }
        match look_again(&pool, !seen).await {
            Ok(()) => seen = true,
            Err(error) => tracing::warn!(%error, "old events could not be checked again"),
        }
    }
}

/// Checks what is new up to now, and notes it span by span.
pub(super) async fn look(pool: &PgPool) -> Result<(), LogError> {
    let mut low = store::checked(pool).await?;
    let first = low == 0;
    let end = crate::read::stored_head(pool).await?;
    loop {
        let (high, found) = check_span(pool, low, end).await?;
        tell(&found);
        store::add(pool, high, &found).await?;
        if high <= low {
            break;
        }
        low = high;
    }
    let mut found = check_now(pool).await?;
    if first {
        // Afterwards only when somebody asks: it reads the whole log.
        found.insert("L22", replay(pool).await?);
    }
    tell(&found);
    store::add(pool, low, &found).await
}

/// Looks at a part of what was checked before, and notes what is broken; at all accounts, or some.
pub(super) async fn look_again(pool: &PgPool, all_accounts: bool) -> Result<(), LogError> {
    let found = round::events(pool).await?;
    note(pool, &found).await?;
    loop {
        let (found, ended) = round::accounts(pool).await?;
        note(pool, &found).await?;
        if ended || !all_accounts {
            return Ok(());
        }
    }
}

async fn note(pool: &PgPool, found: &Findings) -> Result<(), LogError> {
    tell(found);
    // Up to where a rule was checked is another matter.
    store::add(pool, 0, found).await
}

fn tell(found: &Findings) {
    for (id, finding) in found.iter().filter(|(_, finding)| finding.bad > 0) {
        let (bad, first, detail) = (finding.bad, finding.first, finding.detail.as_str());
        tracing::error!(id, bad, first, detail, "a rule of the log is broken");
    }
}
