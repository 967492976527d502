//! The one writer. It group-commits without a timer: while one batch is being written, the next
//! collects in the queue. When a commit fails, nobody knows whether it happened: the callers are
//! told so, and the writer starts again from what is stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use medusa_platform::Clock;
use medusa_platform::supervise::supervise;
use sqlx::PgPool;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::append::{Batch, EventLog, Request};
use crate::commit;
use crate::error::{AppendError, LogError};
use crate::state::State;

/// Appends in one transaction.
const BATCH_MAX: usize = 4_000;
/// Appends that wait; more are refused as busy.
const QUEUE_MAX: usize = 20_000;
/// Batches that a slow reader may lie behind before it reads from the database.
const RECENT_BATCHES: usize = 1_024;
/// How long a start waits for the writer before to end.
const TAKE_OVER_TRIES: u32 = 40;

/// What the log needs to start.
#[derive(Clone)]
pub struct LogConfig {
    /// The database.
    pub pool: PgPool,
    /// Times of events.
    pub clock: Clock,
}

/// Becomes the writer of the log and starts writing. Waits up to 10 s for an earlier writer to end.
///
/// # Errors
/// [`LogError::Taken`] when it does not end, [`LogError::Corrupt`] when head and events disagree.
pub async fn start(config: LogConfig, stop: CancellationToken) -> Result<EventLog, LogError> {
    let mut writer = Writer::take_over(&config).await;
    for _ in 0..TAKE_OVER_TRIES {
        if !matches!(writer, Err(LogError::Taken)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        writer = Writer::take_over(&config).await;
    }
    let writer = writer?;
    let (queue, requests) = mpsc::channel(QUEUE_MAX);
    let (batches, _) = broadcast::channel(RECENT_BATCHES);
    let (head_tx, head) = watch::channel(writer.state.position);
    let log = EventLog { queue, batches: batches.clone(), head, pool: config.pool.clone() };
    let shared = Arc::new(Mutex::new(Shared { requests, writer: Some(writer) }));
    supervise("eventlog.sequencer", stop, move || {
        run(config.clone(), Arc::clone(&shared), batches.clone(), head_tx.clone())
    });
    Ok(log)
}

/// What survives a restart of the task: the queue, and the writer on the first run.
struct Shared {
    requests: mpsc::Receiver<Request>,
    writer: Option<Writer>,
}

/// The state and the connection whose session lock makes it the only one.
struct Writer {
    state: State,
    _lock: sqlx::pool::PoolConnection<sqlx::Postgres>,
}

impl Writer {
    async fn take_over(config: &LogConfig) -> Result<Self, LogError> {
        let mut lock = config.pool.acquire().await?;
        // The connection must not return to the pool with the lock on it.
        lock.close_on_drop();
        let state = commit::take_over(&config.pool, &mut lock, config.clock.now()).await?;
        tracing::info!(position = state.position, epoch = state.epoch, "writing the log");
        Ok(Self { state, _lock: lock })
    }
}

async fn run(
    config: LogConfig,
    shared: Arc<Mutex<Shared>>,
    batches: broadcast::Sender<Batch>,
    head: watch::Sender<i64>,
) -> Result<(), LogError> {
    let mut shared = shared.lock().await;
    let mut writer = match shared.writer.take() {
        Some(writer) => writer,
        None => Writer::take_over(&config).await?,
    };
    head.send_replace(writer.state.position);
    while let Some(first) = shared.requests.recv().await {
        let mut requests = vec![first];
        while requests.len() < BATCH_MAX
            && let Ok(next) = shared.requests.try_recv()
        {
            requests.push(next);
        }
        match write(&config, &mut writer.state, &requests).await {
            Ok((answers, batch)) => {
                for (request, answer) in requests.into_iter().zip(answers) {
                    // A caller that went away does not need its answer.
                    let _gone = request.answer.send(answer);
                }
                if !batch.is_empty() {
                    // Without readers there is nobody to tell.
                    let _unread = batches.send(Arc::new(batch));
                    head.send_replace(writer.state.position);
                }
            }
            Err(error) => {
                for request in requests {
                    let _gone = request.answer.send(Err(AppendError::Unknown));
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

type Written =
    (Vec<Result<crate::append::Appended, AppendError>>, Vec<Arc<crate::read::StoredEvent>>);

/// Decides and commits one batch. On an error the state is unusable and must be loaded again.
async fn write(
    config: &LogConfig,
    state: &mut State,
    requests: &[Request],
) -> Result<Written, LogError> {
    let appends = || requests.iter().map(|r| &r.append);
    state.trim();
    let unknown = state.unknown_streams(appends());
    if !unknown.is_empty() {
        let found = commit::stream_versions(&config.pool, &unknown).await?;
        state.streams.extend(found);
    }
    let keys: Vec<String> =
        appends().filter_map(|a| a.operation.as_ref()).map(|o| o.key.clone()).collect();
    let done = if keys.is_empty() {
        HashMap::new()
    } else {
        commit::operations_done(&config.pool, &keys).await?
    };
    let before = state.position;
    let decided = state.decide(appends(), &done, config.clock.now());
    if !decided.events.is_empty() {
        state.batch = state.batch.saturating_add(1);
        commit::commit(&config.pool, state, before, &decided).await?;
        state.at = decided.at;
        state.frontier = decided.frontier;
    }
    Ok((decided.answers, decided.events))
}
