//! Transfers that go on where they were cut. A try that brought something is a good one; so many
//! in a row that brought nothing end it.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;

use crate::backoff::Backoff;
use crate::server::{CallError, Server};

/// What is asked for at once.
pub(crate) const PIECE_BYTES: u64 = 8 * 1024 * 1024;
/// Tries in a row that brought nothing: about a minute, in which a server can start again.
pub(crate) const TRIES: u32 = if cfg!(test) { 4 } else { 12 };

/// Why a transfer ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A range of a blob, in memory.
pub(crate) async fn into_memory(
    server: &Server,
    path: &str,
    (from, len): (u64, u64),
) -> Result<Bytes, CallError> {
    let (mut content, mut cuts) = (BytesMut::new(), Cuts::default());
    loop {
        let have = bytes(content.len());
        if have >= len {
            return Ok(content.freeze());
        }
        let at = from.saturating_add(have);
        let more = server.pull(path, at, len.saturating_sub(have).min(PIECE_BYTES));
        let cut = match more.await {
            Ok(mut pulling) => loop {
                match pulling.next().await {
                    Ok(Some(piece)) => content.extend_from_slice(&piece),
                    Ok(None) => break None,
                    Err(cut) => break Some(cut),
                }
            },
            Err(cut) => Some(cut),
        };
        if let Some(cut) = cut {
            cuts.wait(cut, bytes(content.len()) > have).await?;
        }
    }
}

/// A whole blob of this size, written on where its file ends; `have` counts what is in it.
pub(crate) async fn into_file(
    server: &Server,
    path: &str,
    size: u64,
    (file, mut have): (&mut tokio::fs::File, u64),
) -> Result<(), PullError> {
    let mut cuts = Cuts::default();
    while have < size {
        let before = have;
        let more = server.pull(path, have, size.saturating_sub(have).min(PIECE_BYTES));
        let cut = match more.await {
            Ok(mut pulling) => loop {
                match pulling.next().await {
                    Ok(Some(piece)) => {
                        file.write_all(&piece).await?;
                        have = have.saturating_add(bytes(piece.len()));
                    }
                    Ok(None) => break None,
                    Err(cut) => break Some(cut),
                }
            },
            Err(cut) => Some(cut),
        };
        // What a restart goes on from must be there.
        file.flush().await?;
        if let Some(cut) = cut {
            tracing::debug!(have, size, error = %cut, "a transfer was cut");
            cuts.wait(cut, have > before).await?;
        }
    }
    Ok(())
}

/// Counts tries in a row that brought nothing.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    backoff: Backoff,
    failures: u32,
}

impl Cuts {
    /// Waits before the next try, or says that it is no use. The lease's deadline ends it from
    /// outside.
    pub(crate) async fn wait(&mut self, cut: CallError, has_moved: bool) -> Result<(), CallError> {
        if has_moved {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(1);
        if !cut.may_pass() || self.failures >= TRIES {
            return Err(cut);
        }
        tokio::time::sleep(self.backoff.next()).await;
        Ok(())
    }
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
