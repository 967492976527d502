//! Sending outputs. A large one goes in parts: after a cut the server says how much it has, and
//! only the rest is sent. A body may take as long as it moves: a slow line is not a broken one, and
//! a limit of the whole would send a large part over it again and again. What stands still ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use medusa_api::{NewUpload, Upload, UploadState};
use medusa_types::Sha256Hash;
use reqwest::{Body, StatusCode};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::pipe::Pipes;
use crate::server::{CallError, Server};

/// A larger output goes in parts.
const WHOLE_BYTES_MAX: usize = 1024 * 1024;
/// What goes in one part. No more than this is lost when the server dies, and usually nothing: it
/// keeps what came of a part that was cut.
const PART_BYTES: usize = 4 * 1024 * 1024;
/// Between two looks at an output that the server puts together.
const LOOK: Duration = Duration::from_millis(100);
/// What is handed to the connection at once.
const PIECE_BYTES: usize = 64 * 1024;
/// The last pieces may still be on their way in the system's buffers, and the server stores what
/// came before it answers.
const ANSWER: Duration = Duration::from_secs(120);

/// Hands in the output of a lease. It tries until it is done or refused: the result is paid work.
/// The lease's deadline ends it from outside.
pub(crate) async fn output(
    server: &Server,
    path: &str,
    (content, sha256): (&Bytes, Sha256Hash),
) -> Result<(), CallError> {
    if content.len() > WHOLE_BYTES_MAX && in_parts(server, path, (content, sha256)).await? {
        return Ok(());
    }
    until_answered(|| server.put(path, content.clone())).await
}

/// Sends it in parts; `false` when the server knows only whole outputs.
async fn in_parts(
    server: &Server,
    path: &str,
    (content, sha256): (&Bytes, Sha256Hash),
) -> Result<bool, CallError> {
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let wish = NewUpload { size, sha256: Some(sha256) };
    let mut upload = match until_answered(|| server.begin_output(path, &wish)).await {
        Err(error) if is_unknown(&error) => return Ok(false),
        begun => begun?,
    };
    let mut backoff = Backoff::default();
    loop {
        let there = upload.received;
        let next = match upload.state {
            UploadState::Done => return Ok(true),
            UploadState::Refused => return Err(CallError::Altered),
            UploadState::Joining => {
                sleep(LOOK).await;
                server.output_state(path).await
            }
            UploadState::Open => server.put_part(path, there, part(content, &upload)).await,
        };
        match next {
            Ok(now) if now.received > there || now.state != UploadState::Open => {
                backoff.reset();
                upload = now;
                continue;
            }
            Ok(_unmoved) => {}
            Err(cut) if may_go_on(&cut) => tracing::debug!(there, size, %cut, "an upload was cut"),
            Err(error) => return Err(error),
        }
        sleep(backoff.next()).await;
        upload = until_answered(|| server.output_state(path)).await?;
        if upload.received > there {
            backoff.reset();
        }
    }
}

/// The next bytes that the server does not have.
fn part(content: &Bytes, upload: &Upload) -> Bytes {
    let from = usize::try_from(upload.received).unwrap_or(usize::MAX).min(content.len());
    content.slice(from..content.len().min(from.saturating_add(PART_BYTES)))
}

/// Calls until there is an answer, or an error that does not pass.
async fn until_answered<T, F>(call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if error.may_pass() => {
                tracing::debug!(%error, "sending an output failed, trying again");
                sleep(backoff.next()).await;
            }
            done => return done,
        }
    }
}

/// Whether the server may say where to go on: what it has is not what was thought, or a crumb came.
fn may_go_on(error: &CallError) -> bool {
    error.may_pass() || matches!(error.code(), "jobs.upload_gap" | "jobs.upload_small")
}

/// Whether the server has no such route: it is an older one.
fn is_unknown(error: &CallError) -> bool {
    let is_other = |status: &StatusCode| *status == StatusCode::METHOD_NOT_ALLOWED;
    error.is_missing() || matches!(error, CallError::Status(status) if is_other(status))
}

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

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
