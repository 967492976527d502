//! Sending a large body. It may take as long as it moves: a slow line is not a broken one, and a
//! limit of the whole would send a large output over it again and again. What stands still ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::pipe::Pipes;

/// What is handed to the connection at once.
const PIECE_BYTES: usize = 64 * 1024;
/// The last pieces may still be on their way in the system's buffers, and the server stores what
/// came before it answers.
const ANSWER: Duration = Duration::from_secs(120);

/// Tells whether a body still moves.
pub(crate) struct Moving(watch::Receiver<()>);

/// The body, which passes no faster than its pipe allows.
pub(crate) fn body(content: Bytes, pipes: Arc<Pipes>) -> (Body, Moving) {
    let moved = watch::Sender::new(());
    let moving = Moving(moved.subscribe());
    let next = move |(mut left, moved): (Bytes, watch::Sender<()>)| {
        let pipes = Arc::clone(&pipes);
        async move {
            let piece = left.split_to(left.len().min(PIECE_BYTES));
            pipes.up.pass(piece.len()).await;
            moved.send_replace(());
            (!piece.is_empty()).then_some((Ok::<_, std::io::Error>(piece), (left, moved)))
        }
    };
    (Body::wrap_stream(stream::unfold((content, moved), next)), moving)
}

impl Moving {
    /// Ends when nothing moved for so long, or no answer came to the whole of it.
    pub(crate) async fn stops(mut self, silence: Duration) {
        loop {
            match timeout(silence, self.0.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_all_sent)) => return sleep(ANSWER).await,
                Err(_late) => return,
            }
        }
    }
}
