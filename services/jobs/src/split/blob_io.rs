//! Blobs as `std::io` readers and writers, for the decoders and encoders that know nothing else.
//!
//! Both block, so they work on threads of the blocking pool only. Both hold at most a few MiB.
//! What the
//! store said is kept aside in a [`Trouble`], because decoders wrap or drop the cause of an error.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use medusa_platform::blob::BlobError;
use medusa_platform::{BlobStore, Random};
use medusa_types::Sha256Hash;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinHandle};

/// Bytes that are read from or handed to the store at once.
const WINDOW_BYTES: u64 = 1024 * 1024;
const PART_BYTES: usize = 1024 * 1024;
/// Parts on their way to the store.
const PARTS_MAX: usize = 4;

/// Waits for its turn and works on the blocking pool. The turn is kept until the work has ended,
/// even if nobody waits for it any more: that bounds memory and threads.
pub(crate) async fn in_turn<T: Send + 'static>(
    turns: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // The semaphores are never closed.
    let turn = turns.acquire().await.ok();
    tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    })
    .await
}

/// Where readers and writers leave what the store said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<BlobError>>>);

impl Trouble {
    /// What the store said, if it was the store that failed.
    pub(crate) fn take(&self) -> Option<BlobError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, error: BlobError) -> io::Error {
        let said = io::Error::other(error.to_string());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        said
    }
}

/// Reads a blob by windows.
#[derive(Clone, Debug)]
pub(crate) struct BlobReader {
    blobs: BlobStore,
    hash: Sha256Hash,
    size: u64,
    at: u64,
    /// What is left of the last window; its first byte is the byte `at`.
    window: Bytes,
    runtime: Handle,
    trouble: Trouble,
}

impl BlobReader {
    /// A reader of a blob of this length.
    pub(crate) fn new(blobs: &BlobStore, hash: Sha256Hash, size: u64, trouble: &Trouble) -> Self {
        Self {
            blobs: blobs.clone(),
            hash,
            size,
            at: 0,
            window: Bytes::new(),
            runtime: Handle::current(),
            trouble: trouble.clone(),
        }
    }
}

impl BufRead for BlobReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.window.is_empty() && self.at < self.size {
            let end = self.at.saturating_add(WINDOW_BYTES).min(self.size);
            let read = self.runtime.block_on(self.blobs.get_range(self.hash, self.at..end));
            self.window = read.map_err(|error| self.trouble.keep(error))?;
        }
        Ok(&self.window)
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.window.len());
        let _gone = self.window.split_to(amount);
        self.at = self.at.saturating_add(u64::try_from(amount).unwrap_or(0));
    }
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let skip = target.checked_sub(self.at).and_then(|n| usize::try_from(n).ok());
        match skip {
            Some(skip) if skip <= self.window.len() => self.consume(skip),
            _ => {
                self.window = Bytes::new();
                self.at = target;
            }
        }
        Ok(target)
    }
}

/// Writes a new blob. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    part: BytesMut,
    /// `None` ends the blob; a channel that closes without it cuts the upload.
    parts: mpsc::Sender<Option<Bytes>>,
    upload: JoinHandle<Result<(Sha256Hash, u64), BlobError>>,
    runtime: Handle,
    trouble: Trouble,
}

impl BlobWriter {
    /// A writer of a blob of at most `limit` bytes.
    pub(crate) fn new(blobs: &BlobStore, limit: u64, trouble: &Trouble) -> Self {
        let (parts, coming) = mpsc::channel(PARTS_MAX);
        let (blobs, runtime) = (blobs.clone(), Handle::current());
        // Ends by itself when the writer is finished or dropped, so it needs no supervisor.
        let upload = runtime.spawn(async move {
            let body = stream::unfold(Some(coming), |coming| async {
                let mut coming: mpsc::Receiver<Option<Bytes>> = coming?;
                match coming.recv().await {
                    Some(Some(part)) => Some((Ok(part), Some(coming))),
                    Some(None) => None,
                    None => Some((Err(BlobError::Cut), None)),
                }
            });
            // The id names a temporary file only, so nothing depends on where it comes from.
            blobs.put_stream(&Random::system(), Box::pin(body), limit, None).await
        });
        Self { part: BytesMut::new(), parts, upload, runtime, trouble: trouble.clone() }
    }

    /// Stores what was written; gives address and length.
    pub(crate) fn finish(mut self) -> io::Result<(Sha256Hash, u64)> {
        self.flush()?;
        // When nobody listens any more, the upload itself says why.
        let _told = self.parts.blocking_send(None).is_ok();
        self.ended()
    }

    fn ended(&mut self) -> io::Result<(Sha256Hash, u64)> {
        let ended = self.runtime.block_on(&mut self.upload).map_err(io::Error::other)?;
        ended.map_err(|error| self.trouble.keep(error))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    /// Hands on what is there, but does not wait until it is stored.
    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        match self.parts.blocking_send(Some(self.part.split().freeze())) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().err().unwrap_or(io::ErrorKind::BrokenPipe.into())),
        }
    }
}
