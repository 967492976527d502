//! Who writes: waiting for the writer to end or to fall silent, taking over, and telling the others
//! that this one lives. The fence against two writers is the epoch; the rest is only about time.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::commit::{self, Sight};
use crate::error::LogError;
use crate::sequencer::LogConfig;
use crate::state::State;

/// Between two looks of a standby.
const STANDBY_LOOK: Duration = Duration::from_millis(200);
/// How often, and with which pauses, a new writer tries to get the lock of a silent one.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// How long the writer's sign of life may stay the same before a standby takes over.
const SILENCE_MAX: Duration = Duration::from_millis(1_500);
/// Between two signs of life of the writer.
const ALIVE_EVERY: Duration = Duration::from_millis(300);

/// The state and the connection that holds the lock and tells that the writer lives.
pub(crate) struct Writer {
    pub(crate) state: State,
    pub(crate) lock: PoolConnection<Postgres>,
}

/// Waits until this process may write, and takes over; also when the database is away for a while.
/// `wrote` is the epoch that this process wrote under, and becomes the new one: where another
/// process has written since, what this one believes is out of date.
pub(crate) async fn stand_by(
    config: &LogConfig,
    stop: &CancellationToken,
    wrote: &mut Option<i64>,
) -> Result<Writer, LogError> {
    loop {
        match try_stand_by(config, stop, wrote).await {
            Err(LogError::Database(error)) => tracing::warn!(%error, "the database is away"),
            ended => return ended,
        }
        tokio::select! {
            () = stop.cancelled() => return Err(LogError::Stopped),
            () = tokio::time::sleep(STANDBY_LOOK) => {}
        }
    }
}

/// Waits until nobody writes, or who writes is silent, and takes over.
async fn try_stand_by(
    config: &LogConfig,
    stop: &CancellationToken,
    wrote: &mut Option<i64>,
) -> Result<Writer, LogError> {
    let mut lock = config.pool.acquire().await?;
    // The connection must not return to the pool with the lock on it.
    lock.close_on_drop();
    let mut last_sign = None;
    let mut since = Instant::now();
    loop {
        match commit::look(&mut lock).await? {
            Sight::Free => break,
            Sight::Written(epoch, at) => {
                if last_sign.is_none() {
                    tracing::info!(epoch, "another process writes the log; standing by");
                }
                if last_sign.replace((epoch, at)) != Some((epoch, at)) {
                    since = Instant::now();
                } else if since.elapsed() >= SILENCE_MAX {
                    tracing::warn!(epoch, "the writer of the log is silent; taking over");
                    break;
                }
            }
        }
        check_epoch(config, *wrote).await?;
        tokio::select! {
            () = stop.cancelled() => return Err(LogError::Stopped),
            () = tokio::time::sleep(STANDBY_LOOK) => {}
        }
    }
    check_epoch(config, *wrote).await?;
    let epoch = commit::begin_epoch(&mut lock).await?;
    *wrote = Some(epoch);
    let state = commit::take_over(&config.pool, &mut lock, epoch, config.clock.now()).await?;
    for _ in 0..LOCK_TRIES {
        if commit::lock(&mut lock).await? {
            break;
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    tracing::info!(position = state.position, epoch = state.epoch, "writing the log");
    Ok(Writer { state, lock })
}

/// Nobody else has written since this process did.
async fn check_epoch(config: &LogConfig, wrote: Option<i64>) -> Result<(), LogError> {
    match wrote {
        Some(epoch) if commit::epoch(&config.pool).await? != epoch => Err(LogError::Fenced),
        _ => Ok(()),
    }
}

/// Tells that the writer lives, until another has taken over.
pub(crate) async fn live(mut lock: PoolConnection<Postgres>, epoch: i64) -> Result<(), LogError> {
    let mut locked = false;
    loop {
        tokio::time::sleep(ALIVE_EVERY).await;
        // Who took over from a silent process may have to wait for the lock.
        locked = locked || commit::lock(&mut lock).await?;
        if !commit::keep_alive(&mut lock, epoch, false).await? {
            return Err(LogError::Fenced);
        }
    }
}
