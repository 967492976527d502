//! What the machine has earned, asked of the server only while somebody looks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::board::Board;
use crate::server::Server;
use crate::state::Account;

/// However often somebody looks, the server is asked no more often than this.
const INTERVAL: Duration = Duration::from_secs(5);

/// Answers looks for as long as the agent runs.
pub(crate) async fn keep(board: Arc<Board>, server: watch::Receiver<Option<Arc<Server>>>) {
    loop {
        board.looked.notified().await;
        let server = server.borrow().clone();
        if let Some(server) = server {
            match server.account().await {
                Ok(about) => {
                    board.account(Account { chunks: about.chunks, earned: about.earned });
                }
                Err(error) => tracing::debug!(%error, "the earnings are not known"),
            }
        }
        sleep(INTERVAL).await;
    }
}
