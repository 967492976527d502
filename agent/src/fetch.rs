//! Blobs: programs and inputs, by their SHA-256.
//!
//! What is whole is checked against its hash and kept, on disk under a size cap and, while it is
//! in use by many chunks, in memory. What is large comes in pieces, and goes on where it stood
//! after a cut, and a whole blob after a restart. What is a range cannot be checked and is not
//! kept. Two chunks that need the same blob load it once.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use medusa_protocol::{Blob, Part};
use medusa_types::Sha256Hash;
use tokio::time::Instant;

use crate::disk;
use crate::resume::{self, Cuts, PIECE_BYTES, PullError};
use crate::server::{CallError, Server};
use crate::shelf::Shelf;

/// Recently used whole blobs that stay in memory.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One piece of input may not be larger; it is held in memory.
const PART_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A file that is in use in memory is told so no more often than this.
const TOLD_EACH: Duration = Duration::from_secs(60);

/// Why a piece of input could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("could not load blob {sha256}: {source}")]
    Call { sha256: Sha256Hash, source: CallError },
    #[error("blob {sha256} was altered on its way: its bytes have the hash {got}")]
    Altered { sha256: Sha256Hash, got: Sha256Hash },
    #[error("blob {sha256} could not be kept on disk while it came: {source}")]
    Disk { sha256: Sha256Hash, source: io::Error },
    #[error("the lease names bytes that its frame or blob does not have")]
    Range,
    #[error("a blob or range of {bytes} bytes is more than the {max} that this machine takes")]
    Large { bytes: u64, max: u64 },
}

/// The blobs of one data directory.
#[derive(Debug)]
pub(crate) struct Blobs {
    shelf: Arc<Shelf>,
    memory: Mutex<Memory>,
    /// Who loads which blob now; others wait for the same lock and then find it.
    turns: Mutex<HashMap<Sha256Hash, Arc<tokio::sync::Mutex<()>>>>,
    /// Who writes a large one: two that come together could pass the cap, though each fits.
    large: tokio::sync::Mutex<()>,
}

/// Blobs in memory, the one used last at the end.
#[derive(Debug, Default)]
struct Memory {
    blobs: VecDeque<Held>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    sha256: Sha256Hash,
    content: Bytes,
    /// When the file was told that it is in use.
    told: Instant,
}

impl Blobs {
    /// Blobs kept in this directory, at most so many bytes of them.
    pub(crate) fn open(dir: PathBuf, bytes_max: u64) -> io::Result<Self> {
        Ok(Self {
            shelf: Arc::new(Shelf::open(dir, bytes_max)?),
            memory: Mutex::new(Memory::default()),
            turns: Mutex::new(HashMap::new()),
            large: tokio::sync::Mutex::default(),
        })
    }

    /// From now on at most so many bytes are kept on disk.
    pub(crate) fn limit(&self, bytes_max: u64) {
        if self.shelf.limit(bytes_max) {
            let shelf = Arc::clone(&self.shelf);
            // Nobody waits for it: a new download makes room for itself.
            drop(tokio::task::spawn_blocking(move || shelf.make_room(0)));
        }
    }

    /// A piece of a lease's input; `payload` loses what is taken from it.
    pub(crate) async fn part(
        &self,
        server: &Server,
        part: &Part,
        payload: &mut Bytes,
    ) -> Result<Bytes, FetchError> {
        match part {
            Part::Inline(len) => inline(payload, *len),
            Part::Range { blob, offset, len } => self.range(server, blob, *offset, *len).await,
            Part::Headed { head, blob, offset, len } => {
                let head = inline(payload, *head)?;
                let range = self.range(server, blob, *offset, *len).await?;
                let mut whole = BytesMut::with_capacity(head.len().saturating_add(range.len()));
                whole.extend_from_slice(&head);
                whole.extend_from_slice(&range);
                Ok(whole.freeze())
            }
        }
    }

    /// A whole blob, checked.
    pub(crate) async fn whole(&self, server: &Server, blob: &Blob) -> Result<Bytes, FetchError> {
        let sha256 = Sha256Hash(blob.sha256);
        if let Some(content) = self.remembered(sha256) {
            return Ok(content);
        }
        fits(blob.size, PART_BYTES_MAX.min(self.shelf.bytes_max()))?;
        let turn = Arc::clone(self.turns().entry(sha256).or_default());
        let loaded = {
            let _mine = turn.lock().await;
            match self.remembered(sha256) {
                Some(content) => Ok(content),
                None => self.load(server, blob, sha256).await,
            }
        };
        self.turns().remove(&sha256);
        loaded
    }

    async fn range(
        &self,
        server: &Server,
        blob: &Blob,
        offset: u64,
        len: u64,
    ) -> Result<Bytes, FetchError> {
        let end = offset.checked_add(len).filter(|end| *end <= blob.size);
        let end = end.ok_or(FetchError::Range)?;
        let sha256 = Sha256Hash(blob.sha256);
        if len == 0 {
            return Ok(Bytes::new());
        }
        fits(len, PART_BYTES_MAX)?;
        if len == blob.size {
            return self.whole(server, blob).await;
        }
        if let Some(content) = self.remembered(sha256) {
            let (from, to) = (usize::try_from(offset), usize::try_from(end));
            let (Ok(from), Ok(to)) = (from, to) else { return Err(FetchError::Range) };
            return Ok(content.slice(from..to));
        }
        let loaded = resume::into_memory(server, &blob.path, (offset, len)).await;
        loaded.map_err(|source| FetchError::Call { sha256, source })
    }

    /// From disk, else from the server.
    async fn load(
        &self,
        server: &Server,
        blob: &Blob,
        sha256: Sha256Hash,
    ) -> Result<Bytes, FetchError> {
        let shelf = Arc::clone(&self.shelf);
        let kept = blocking(move || shelf.read(sha256)).await.flatten();
        let content = match kept {
            Some(content) => content.into(),
            None if blob.size > PIECE_BYTES => self.load_large(server, blob, sha256).await?,
            None => self.load_small(server, blob, sha256).await?,
        };
        self.remember(sha256, &content);
        Ok(content)
    }

    async fn load_small(
        &self,
        server: &Server,
        blob: &Blob,
        sha256: Sha256Hash,
    ) -> Result<Bytes, FetchError> {
        let mut cuts = Cuts::default();
        let content = loop {
            match server.blob(&blob.path, blob.size).await {
                Ok(content) => break content,
                Err(cut) => {
                    let waited = cuts.wait(cut, false).await;
                    waited.map_err(|source| FetchError::Call { sha256, source })?;
                }
            }
        };
        let (shelf, copy) = (Arc::clone(&self.shelf), content.clone());
        let got = blocking(move || {
            let got = Sha256Hash::of(&copy);
            if got == sha256 {
                shelf.keep(sha256, &copy);
            }
            got
        });
        match got.await {
            Some(got) if got != sha256 => Err(FetchError::Altered { sha256, got }),
            _ => Ok(content),
        }
    }

    /// Piece by piece into a file, which goes on after a cut and after a restart where it stood.
    async fn load_large(
        &self,
        server: &Server,
        blob: &Blob,
        sha256: Sha256Hash,
    ) -> Result<Bytes, FetchError> {
        let kept = |source| FetchError::Disk { sha256, source };
        let _alone = self.large.lock().await;
        let mut resumed = self.pull(server, blob, sha256).await?;
        loop {
            let shelf = Arc::clone(&self.shelf);
            let whole = blocking(move || shelf.complete(sha256)).await;
            match whole.unwrap_or_else(|| Err(io::Error::other("reading it failed"))) {
                Ok(Ok(content)) => return Ok(content.into()),
                // What came before a restart may have decayed meanwhile: all of it once more.
                Ok(Err(_other)) if resumed => {
                    resumed = false;
                    self.pull(server, blob, sha256).await?;
                }
                Ok(Err(got)) => return Err(FetchError::Altered { sha256, got }),
                Err(source) => return Err(kept(source)),
            }
        }
    }

    /// Loads what is missing of a blob's file; says whether something was there before.
    async fn pull(
        &self,
        server: &Server,
        blob: &Blob,
        sha256: Sha256Hash,
    ) -> Result<bool, FetchError> {
        let kept = |source| FetchError::Disk { sha256, source };
        let (shelf, size) = (Arc::clone(&self.shelf), blob.size);
        let opened = blocking(move || {
            let file = disk::append(&shelf.part(sha256))?;
            let have = file.metadata()?.len();
            shelf.make_room(size.saturating_sub(have));
            // More than there is to come is of no use.
            if have > size {
                file.set_len(0)?;
            }
            Ok((file, if have > size { 0 } else { have }))
        });
        let opened = opened.await.unwrap_or_else(|| Err(io::Error::other("opening it failed")));
        let (file, had) = opened.map_err(kept)?;
        let mut file = tokio::fs::File::from_std(file);
        let pulled = resume::into_file(server, &blob.path, size, (&mut file, had)).await;
        pulled.map_err(|error| match error {
            PullError::Call(source) => FetchError::Call { sha256, source },
            PullError::Disk(source) => kept(source),
        })?;
        Ok(had > 0)
    }

    fn remembered(&self, sha256: Sha256Hash) -> Option<Bytes> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let place = memory.blobs.iter().position(|held| held.sha256 == sha256)?;
        let mut held = memory.blobs.remove(place)?;
        let content = held.content.clone();
        if held.told.elapsed() >= TOLD_EACH {
            held.told = Instant::now();
            let shelf = Arc::clone(&self.shelf);
            drop(tokio::task::spawn_blocking(move || shelf.touch(sha256)));
        }
        memory.blobs.push_back(held);
        Some(content)
    }

    fn remember(&self, sha256: Sha256Hash, content: &Bytes) {
        if content.len() > MEMORY_BYTES_MAX {
            return;
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.bytes = memory.bytes.saturating_add(content.len());
        memory.blobs.push_back(Held { sha256, content: content.clone(), told: Instant::now() });
        while memory.bytes > MEMORY_BYTES_MAX {
            let Some(oldest) = memory.blobs.pop_front() else { return };
            memory.bytes = memory.bytes.saturating_sub(oldest.content.len());
        }
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, HashMap<Sha256Hash, Arc<tokio::sync::Mutex<()>>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses what is larger than this machine takes.
const fn fits(bytes: u64, max: u64) -> Result<(), FetchError> {
    if bytes > max { Err(FetchError::Large { bytes, max }) } else { Ok(()) }
}

/// Runs what reads disks or hashes on the blocking pool; nothing if it panicked.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// The next bytes of a frame's payload.
fn inline(payload: &mut Bytes, len: u64) -> Result<Bytes, FetchError> {
    let len = usize::try_from(len).map_err(|_too_large| FetchError::Range)?;
    if len > payload.len() {
        return Err(FetchError::Range);
    }
    Ok(payload.split_to(len))
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
