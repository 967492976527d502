//! Who writes: waiting for the writer to end or to fall silent, taking over, and telling the others
//! that this one lives, and where. The fence against two writers is the epoch; the rest is only
//! about time.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use tokio::sync::watch;
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

/// The writer, as its sign of life tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterSign {
    /// Its epoch: another one is another writer.
    pub epoch: i64,
    /// Where other processes reach it, `host:port`; nothing until it answers.
    pub address: Option<String>,
}

/// What the processes over one log tell each other.
#[derive(Clone, Debug)]
pub struct Signs {
    /// Where other processes reach this one, once it writes and answers.
    pub own: watch::Receiver<Option<String>>,
    /// The writer that this one stands by for.
    pub writer: watch::Sender<Option<WriterSign>>,
}

impl Signs {
    /// Of a process that nobody else reaches, and that wants to know of nobody.
    pub(crate) fn none() -> Self {
        Self { own: watch::channel(None).1, writer: watch::Sender::new(None) }
    }
}

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
    seen: &watch::Sender<Option<WriterSign>>,
) -> Result<Writer, LogError> {
    loop {
        match try_stand_by(config, stop, wrote, seen).await {
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
    seen: &watch::Sender<Option<WriterSign>>,
) -> Result<Writer, LogError> {
    let mut lock = config.pool.acquire().await?;
    // The connection must not return to the pool with the lock on it.
    lock.close_on_drop();
    let mut last_sign = None;
    let mut since = Instant::now();
    loop {
        match commit::look(&mut lock).await? {
            Sight::Free => break,
            Sight::Written(sign, at) => {
                let epoch = sign.epoch;
                if last_sign.is_none() {
                    tracing::info!(epoch, "another process writes the log; standing by");
                }
                seen.send_if_modified(|last| last.replace(sign.clone()) != Some(sign));
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
    seen.send_replace(None);
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

/// Tells that the writer lives and where it is, until another has taken over.
pub(crate) async fn live(
    mut lock: PoolConnection<Postgres>,
    epoch: i64,
    mut own: watch::Receiver<Option<String>>,
) -> Result<(), LogError> {
    let mut locked = false;
    own.mark_changed();
    loop {
        tokio::select! {
            () = tokio::time::sleep(ALIVE_EVERY) => {}
            Ok(()) = own.changed() => {}
        }
        // Who took over from a silent process may have to wait for the lock.
        locked = locked || commit::lock(&mut lock).await?;
        let address = own.borrow_and_update().clone();
        if !commit::keep_alive(&mut lock, epoch, false, address.as_deref()).await? {
            return Err(LogError::Fenced);
        }
    }
}
