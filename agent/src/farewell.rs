//! The end of an agent that leaves nothing undone: it takes no new work, finishes what it has, and
//! tells the server. Whoever cannot wait drops it.

use std::sync::Arc;
use std::time::Duration;

use medusa_protocol::Frame;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::board::Board;
use crate::state::Connection;

/// A lease that the server gave before it heard of the end arrives within this time.
const QUIET: Duration = Duration::from_millis(500);
/// How long reports wait for a server that cannot be reached.
const UNREACHED_MAX: Duration = Duration::from_secs(30);
/// Between two looks whether the last report has left.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for the end, and for what is to be done before it.
#[derive(Clone, Debug)]
pub struct Farewell {
    board: Arc<Board>,
    reports: mpsc::Sender<Frame>,
}

impl Farewell {
    pub(crate) const fn new(board: Arc<Board>, reports: mpsc::Sender<Frame>) -> Self {
        Self { board, reports }
    }

    /// Ends when the owner asks for the end on the local page.
    pub async fn asked(&self) {
        let mut view = self.board.watch();
        // The board lives as long as this does.
        let _asked = view.wait_for(|view| view.leaving).await.is_ok();
    }

    /// Takes no new work, and ends when all that was taken is done and told.
    pub async fn finished(&self) {
        self.board.leave();
        self.empty().await;
    }

    /// The same, so that a new version can take this one's place.
    pub(crate) async fn made_way(&self) {
        self.board.make_way();
        self.empty().await;
    }

    async fn empty(&self) {
        let mut view = self.board.watch();
        loop {
            let _done = view.wait_for(|view| view.chunks.is_empty()).await.is_ok();
            if timeout(UNREACHED_MAX, self.told()).await.is_err() {
                return tracing::warn!("the server cannot be reached; what is not told is lost");
            }
            if view.borrow().connection != Connection::Connected {
                return;
            }
            let more = timeout(QUIET, view.wait_for(|view| !view.chunks.is_empty())).await;
            if more.is_err() {
                return;
            }
        }
    }

    /// Ends when no report waits for the link.
    async fn told(&self) {
        while self.reports.capacity() < self.reports.max_capacity() {
            sleep(LOOK).await;
        }
    }
}
