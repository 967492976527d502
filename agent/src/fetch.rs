//! Blobs: programs and inputs, by their SHA-256.
//!
//! What is whole is checked against its hash and kept, on disk under a size cap and, while it is
//! in use by many chunks, in memory. What is a range cannot be checked and is not kept. Two chunks
//! that need the same blob load it once.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use bytes::{Bytes, BytesMut};
use medusa_protocol::{Blob, Part};
use medusa_types::Sha256Hash;

use crate::backoff::Backoff;
use crate::disk;
use crate::server::{CallError, Server};

/// Recently used whole blobs that stay in memory.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One piece of input may not be larger; it is held in memory.
const PART_BYTES_MAX: u64 = 1024 * 1024 * 1024;
const TRIES: u32 = 6;

/// Why a piece of input could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("could not load blob {sha256}: {source}")]
    Call { sha256: Sha256Hash, source: CallError },
    #[error("blob {sha256} was altered on its way: its bytes have the hash {got}")]
    Altered { sha256: Sha256Hash, got: Sha256Hash },
    #[error("the lease names bytes that its frame or blob does not have")]
    Range,
    #[error("an input of {0} bytes is more than this machine takes at once")]
    Large(u64),
}

/// The blobs of one data directory.
#[derive(Debug)]
pub(crate) struct Blobs {
    dir: PathBuf,
    bytes_max: u64,
    memory: Mutex<Memory>,
    /// Who loads which blob now; others wait for the same lock and then find it.
    turns: Mutex<HashMap<Sha256Hash, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct Memory {
    blobs: VecDeque<(Sha256Hash, Bytes)>,
    bytes: usize,
}

impl Blobs {
    /// Blobs kept in this directory, at most so many bytes of them.
    pub(crate) fn open(dir: PathBuf, bytes_max: u64) -> io::Result<Self> {
        disk::make_private_dir(&dir)?;
        Ok(Self {
            dir,
            bytes_max,
            memory: Mutex::new(Memory::default()),
            turns: Mutex::new(HashMap::new()),
        })
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
        if blob.size > PART_BYTES_MAX {
            return Err(FetchError::Large(blob.size));
        }
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
        if len > PART_BYTES_MAX {
            return Err(FetchError::Large(len));
        }
        if len == blob.size {
            return self.whole(server, blob).await;
        }
        if let Some(content) = self.remembered(sha256) {
            let (from, to) = (usize::try_from(offset), usize::try_from(end));
            let (Ok(from), Ok(to)) = (from, to) else { return Err(FetchError::Range) };
            return Ok(content.slice(from..to));
        }
        persistent(sha256, || server.range(&blob.path, offset, len)).await
    }

    /// From disk, else from the server.
    async fn load(
        &self,
        server: &Server,
        blob: &Blob,
        sha256: Sha256Hash,
    ) -> Result<Bytes, FetchError> {
        let path = self.dir.join(sha256.to_string());
        let kept = blocking(move || read_checked(&path, sha256)).await.flatten();
        if let Some(content) = kept {
            self.remember(sha256, &content);
            return Ok(content);
        }
        let content = persistent(sha256, || server.blob(&blob.path, blob.size)).await?;
        let (dir, bytes_max, copy) = (self.dir.clone(), self.bytes_max, content.clone());
        let got = blocking(move || {
            let got = Sha256Hash::of(&copy);
            if got == sha256 {
                keep(&dir, sha256, &copy, bytes_max);
            }
            got
        });
        match got.await {
            Some(got) if got != sha256 => Err(FetchError::Altered { sha256, got }),
            _ => {
                self.remember(sha256, &content);
                Ok(content)
            }
        }
    }

    fn remembered(&self, sha256: Sha256Hash) -> Option<Bytes> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.blobs.iter().find(|(key, _)| *key == sha256).map(|(_, content)| content.clone())
    }

    fn remember(&self, sha256: Sha256Hash, content: &Bytes) {
        if content.len() > MEMORY_BYTES_MAX {
            return;
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.bytes = memory.bytes.saturating_add(content.len());
        memory.blobs.push_back((sha256, content.clone()));
        while memory.bytes > MEMORY_BYTES_MAX {
            let Some((_, oldest)) = memory.blobs.pop_front() else { return };
            memory.bytes = memory.bytes.saturating_sub(oldest.len());
        }
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, HashMap<Sha256Hash, Arc<tokio::sync::Mutex<()>>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries again while the failure may pass. The lease's deadline ends it from outside.
async fn persistent<T, F>(sha256: Sha256Hash, mut call: impl FnMut() -> F) -> Result<T, FetchError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut backoff = Backoff::default();
    for _ in 1..TRIES {
        match call().await {
            Err(error) if error.may_pass() => {
                tracing::debug!(%sha256, %error, "loading a blob failed, trying again");
                tokio::time::sleep(backoff.next()).await;
            }
            done => return done.map_err(|source| FetchError::Call { sha256, source }),
        }
    }
    call().await.map_err(|source| FetchError::Call { sha256, source })
}

/// Runs what reads disks or hashes on the blocking pool; nothing if it panicked.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// A kept blob. One that decayed on disk is removed and loaded anew.
fn read_checked(path: &Path, sha256: Sha256Hash) -> Option<Bytes> {
    let content = disk::read(path).ok().flatten()?;
    if Sha256Hash::of(&content) == sha256 {
        return Some(content.into());
    }
    tracing::warn!(%sha256, "a kept blob has decayed, it is loaded again");
    drop(fs::remove_file(path));
    None
}

/// Keeps a blob and makes room. A full disk only costs another download.
fn keep(dir: &Path, sha256: Sha256Hash, content: &[u8], bytes_max: u64) {
    let kept = disk::write(&dir.join(sha256.to_string()), content)
        .and_then(|()| make_room(dir, bytes_max));
    if let Err(error) = kept {
        tracing::warn!(%sha256, %error, "a blob could not be kept on disk");
    }
}

/// Removes the blobs that came first until the rest fits.
fn make_room(dir: &Path, bytes_max: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        files.push((meta.modified()?, meta.len(), entry.path()));
    }
    files.sort();
    let mut bytes = files.iter().fold(0_u64, |sum, (_, len, _)| sum.saturating_add(*len));
    for (_, len, path) in files {
        if bytes <= bytes_max {
            break;
        }
        fs::remove_file(path)?;
        bytes = bytes.saturating_sub(len);
    }
    Ok(())
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
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn nowhere() -> Server {
        crate::install_crypto();
        Server::at("http://127.0.0.1:9").unwrap()
    }

    fn blob(content: &[u8]) -> Blob {
        Blob {
            sha256: *Sha256Hash::of(content).as_bytes(),
            size: u64::try_from(content.len()).unwrap(),
            path: "/b".into(),
        }
    }

    #[tokio::test]
    async fn inline_parts_are_taken_from_the_payload_in_order() {
        let scratch = Scratch::new();
        let blobs = Blobs::open(scratch.path().to_owned(), 100).unwrap();
        let mut payload = Bytes::from_static(b"abcde");
        for (part, wanted) in [(2, "ab"), (0, ""), (3, "cde")] {
            let got = blobs.part(&nowhere(), &Part::Inline(part), &mut payload).await.unwrap();
            assert_eq!(got, wanted);
        }
        let short = blobs.part(&nowhere(), &Part::Inline(1), &mut payload).await;
        assert!(matches!(short, Err(FetchError::Range)));
    }

    #[tokio::test]
    async fn a_kept_blob_needs_no_server_and_gives_its_ranges() {
        let scratch = Scratch::new();
        let blobs = Blobs::open(scratch.path().to_owned(), 100).unwrap();
        let blob = blob(b"hello");
        keep(scratch.path(), Sha256Hash(blob.sha256), b"hello", 100);
        assert_eq!(blobs.whole(&nowhere(), &blob).await.unwrap(), "hello");
        let part = Part::Range { blob: blob.clone(), offset: 1, len: 3 };
        let got = blobs.part(&nowhere(), &part, &mut Bytes::new()).await.unwrap();
        assert_eq!(got, "ell");
        let headed = Part::Headed { head: 2, blob: blob.clone(), offset: 1, len: 3 };
        let mut payload = Bytes::from_static(b"abcd");
        assert_eq!(blobs.part(&nowhere(), &headed, &mut payload).await.unwrap(), "abell");
        assert_eq!(payload, "cd", "the rest is for the next part");
        let short = blobs.part(&nowhere(), &headed, &mut Bytes::from_static(b"a")).await;
        assert!(matches!(short, Err(FetchError::Range)));
        let past = Part::Range { blob, offset: 4, len: 2 };
        let got = blobs.part(&nowhere(), &past, &mut Bytes::new()).await;
        assert!(matches!(got, Err(FetchError::Range)));
    }

    #[test]
    fn a_decayed_blob_is_not_used() {
        let scratch = Scratch::new();
        let path = scratch.path().join("x");
        fs::write(&path, "hellp").unwrap();
        assert_eq!(read_checked(&path, Sha256Hash::of(b"hello")), None);
        assert!(!path.exists());
    }

    #[test]
    fn the_oldest_blobs_make_room() {
        let scratch = Scratch::new();
        let hash = |n: u8| Sha256Hash::of(&[n; 40]);
        for (n, age) in [(1, 30), (2, 20), (3, 10)] {
            keep(scratch.path(), hash(n), &[n; 40], 1_000);
            let file =
                fs::File::options().write(true).open(scratch.path().join(hash(n).to_string()));
            let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(100 - age);
            file.unwrap().set_modified(day).unwrap();
        }
        keep(scratch.path(), hash(4), &[4; 40], 100);
        let kept = |n| scratch.path().join(hash(n).to_string()).exists();
        assert_eq!([kept(1), kept(2), kept(3), kept(4)], [false, false, true, true]);
    }
}
