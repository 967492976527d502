//! No detached tasks: each has a name, is started again when it fails or panics, and stops on
//! shutdown.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

/// Starts in a row before a task is given up and the process is told to stop.
const RESTARTS_MAX: u32 = 100;
/// The longest pause before a task is started again.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A task that ran this long counts as healthy again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Runs what `make` makes until it ends by itself with `Ok` or `stop` is called. An error or a
/// panic starts it again after a pause; after too many in a row, `stop` is called for all.
pub fn supervise<F, Fut, E>(name: &'static str, stop: CancellationToken, mut make: F)
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let run = async move {
        let mut failures = 0_u32;
        loop {
            let began = tokio::time::Instant::now();
            let mut task = spawn(make());
            let ended = tokio::select! {
                () = stop.cancelled() => {
                    task.abort();
                    return;
                }
                ended = &mut task => ended,
            };
            if !failed(name, ended) {
                return;
            }
            failures = if began.elapsed() > HEALTHY { 1 } else { failures.saturating_add(1) };
            if failures > RESTARTS_MAX {
                tracing::error!(task = name, "gave up after {RESTARTS_MAX} failures");
                stop.cancel();
                return;
            }
            let pause = Duration::from_millis(50).saturating_mul(failures).min(PAUSE_MAX);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    };
    drop(spawn(run));
}

/// Whether a task is to be started again. Nobody but the runtime takes it away, when it ends.
fn failed<E: std::fmt::Display>(
    name: &'static str,
    ended: Result<Result<(), E>, JoinError>,
) -> bool {
    match ended {
        Ok(Ok(())) => return false,
        Err(gone) if gone.is_cancelled() => return false,
        Ok(Err(error)) => tracing::error!(task = name, %error, "a task failed"),
        Err(panic) => tracing::error!(task = name, %panic, "a task panicked"),
    }
    true
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_failed_or_panicked_is_started_again_and_one_that_was_taken_away_is_not() {
        let gone = spawn(std::future::pending::<Result<(), String>>());
        gone.abort();
        assert!(!failed("test.gone", gone.await), "the runtime ends");
        assert!(failed("test.panics", spawn(async { panics() }).await));
        assert!(failed("test.fails", Ok(Err("it cannot"))));
        assert!(!failed::<String>("test.done", Ok(Ok(()))));
    }

    fn panics() -> Result<(), String> {
        panic!("on purpose")
    }
}
