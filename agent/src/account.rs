//! What the page needs beyond what the agent knows anyway: what the machine has earned, asked of
//! the server, and what stands around guests, asked of a worker; both only while somebody looks.

use std::sync::Arc;
use std::time::Duration;

use medusa_api::EarningsQuery;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::board::Board;
use crate::server::{CallError, Server};
use crate::state::Account;
use crate::work::Workshop;
use crate::{chance, os};

/// However often somebody looks, the server is asked no more often than this.
const INTERVAL: Duration = Duration::from_secs(5);
/// And no more often than this for days and tasks, which cost it more.
const INTERVAL_LONG: Duration = Duration::from_secs(15);
/// Days of the plot.
const DAYS: u32 = 30;
/// Tasks of the page itself; there is another page for more.
const TASKS: i64 = 8;

/// Answers looks for as long as the agent runs.
pub(crate) async fn keep(
    board: Arc<Board>,
    shop: Arc<Workshop>,
    server: watch::Receiver<Option<Arc<Server>>>,
) {
    let (mut account, mut asked): (Option<Account>, Option<Instant>) = (None, None);
    loop {
        board.looked.notified().await;
        look_at_walls(&board, &shop).await;
        let server = server.borrow().clone();
        if let Some(server) = server {
            let is_due = asked.is_none_or(|at| at.elapsed() >= INTERVAL_LONG);
            let before = account.take().filter(|_| !is_due);
            match look(&board, &server, before).await {
                Ok(now) => {
                    asked = if is_due { Some(Instant::now()) } else { asked };
                    board.account(now.clone());
                    account = Some(now);
                }
                Err(error) => {
                    asked = None;
                    tracing::debug!(%error, "the earnings are not known");
                }
            }
        }
        sleep(INTERVAL).await;
    }
}

/// What stands around guests is found out once, by a worker for nothing.
async fn look_at_walls(board: &Board, shop: &Workshop) {
    if board.view().walls.is_some() {
        return;
    }
    match shop.programs.modules().look_at_walls().await {
        Ok(walls) => board.walled(walls),
        Err(error) => tracing::debug!(%error, "the walls are not known"),
    }
}

/// The record of the machine, with the days and tasks of `before`, or new ones if there are none.
/// An older server knows neither.
async fn look(
    board: &Board,
    server: &Server,
    before: Option<Account>,
) -> Result<Account, CallError> {
    let about = server.account().await?;
    if let Some(before) = before {
        return Ok(Account { about, ..before });
    }
    let now = chance::unix_seconds();
    let micros = |at: u64| i64::try_from(at.saturating_mul(1_000_000)).ok();
    let query = EarningsQuery {
        days: Some(DAYS),
        offset_min: Some(os::offset_min(now)),
        since: board.worked.window(now).and_then(|window| micros(window.from)),
    };
    let earnings = known(server.earnings(&query).await)?;
    let tasks = known(server.tasks(None, TASKS).await)?;
    Ok(Account { about, earnings, tasks })
}

/// The answer; nothing from a server that has no such route, or says what is not understood yet.
fn known<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error @ CallError::Content(_)) => {
            tracing::debug!(%error, "an answer is not understood");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
