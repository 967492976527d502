//! The object store: blobs under their SHA-256. A blob is written to a temporary place, hashed on
//! the way, and only then gets its address; so an address never names anything else.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use medusa_types::Sha256Hash;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart};
use sha2::{Digest as _, Sha256};

use crate::random::Random;

/// Bytes that are collected before they are handed to the store.
pub(crate) const PART_BYTES: usize = 1024 * 1024;

/// Hashes of blobs that are remembered as stored.
const LATELY_MAX: usize = 4_096;

/// Blobs by hash.
#[derive(Clone, Debug)]
pub struct BlobStore {
    pub(crate) store: Arc<dyn ObjectStore>,
    lately: Arc<Mutex<Lately>>,
}

/// Blobs that were in their places when they were last stored: many small results are the same.
#[derive(Debug, Default)]
struct Lately {
    /// Another one whenever a blob left its place.
    generation: u64,
    there: HashSet<Sha256Hash>,
}

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The sender stopped in the middle.
    #[error("the upload was cut short")]
    Cut,
    /// There is more than allowed.
    #[error("the upload is larger than {0} bytes")]
    TooLarge(u64),
    /// The bytes do not have the announced hash.
    #[error("the bytes have the digest {found}, not the announced one")]
    Digest {
        /// What they have.
        found: Sha256Hash,
    },
    /// There is no such blob.
    #[error("there is no such blob")]
    Missing,
    /// The store failed.
    #[error("the object store failed")]
    Store(#[source] object_store::Error),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) {
            Self::Missing
        } else {
            Self::Store(error)
        }
    }
}

pub(crate) fn key(hash: Sha256Hash) -> Key {
    let text = hash.to_string();
    let (head, _) = text.split_at_checked(2).unwrap_or(("", ""));
    Key::from(format!("{head}/{text}"))
}

impl BlobStore {
    /// A store in a folder of this machine.
    ///
    /// # Errors
    /// [`BlobError::Store`] when the folder cannot be made.
    pub fn files(root: &Path) -> Result<Self, BlobError> {
        std::fs::create_dir_all(root).map_err(|source| {
            BlobError::Store(object_store::Error::Generic {
                store: "files",
                source: Box::new(source),
            })
        })?;
        let store = LocalFileSystem::new_with_prefix(root)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), lately: Arc::default() })
    }

    fn lately<T>(&self, look: impl FnOnce(&mut Lately) -> T) -> T {
        look(&mut self.lately.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers nothing of what was stored: a blob leaves its place.
    pub(crate) fn forget_lately(&self) {
        self.lately(|lately| {
            lately.generation = lately.generation.wrapping_add(1);
            lately.there.clear();
        });
    }

    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub async fn put(&self, bytes: Bytes) -> Result<Sha256Hash, BlobError> {
        let hash = Sha256Hash::of(&bytes);
        let (known, generation) =
            self.lately(|lately| (lately.there.contains(&hash), lately.generation));
        if known {
            return Ok(hash);
        }
        // Also brings it back when it was set aside.
        if self.size(hash).await.is_err() {
            self.store.put(&key(hash), PutPayload::from_bytes(bytes)).await?;
        }
        self.lately(|lately| {
            if lately.there.len() >= LATELY_MAX {
                lately.there.clear();
            }
            if lately.generation == generation {
                lately.there.insert(hash);
            }
        });
        Ok(hash)
    }

    /// Stores a stream of at most `limit` bytes; gives hash and length.
    ///
    /// # Errors
    /// Any [`BlobError`]; nothing is kept then.
    pub async fn put_stream<S, E>(
        &self,
        random: &Random,
        mut body: S,
        limit: u64,
        announced: Option<Sha256Hash>,
    ) -> Result<(Sha256Hash, u64), BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let part = Key::from(format!("upload/{}", random.id()));
        let upload = self.store.put_multipart(&part).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut hasher = Sha256::new();
        let mut size = 0_u64;
        let failed = loop {
            match body.next().await {
                None => break None,
                Some(Err(_)) => break Some(BlobError::Cut),
                Some(Ok(bytes)) => {
                    size = size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    if size > limit {
                        break Some(BlobError::TooLarge(limit));
                    }
                    hasher.update(&bytes);
                    writer.wait_for_capacity(4).await?;
                    writer.put(bytes);
                }
            }
        };
        if let Some(error) = failed {
            writer.abort().await?;
            return Err(error);
        }
        writer.finish().await?;
        let found = Sha256Hash(hasher.finalize().into());
        if announced.is_some_and(|hash| hash != found) {
            self.store.delete(&part).await?;
            return Err(BlobError::Digest { found });
        }
        self.store.rename(&part, &key(found)).await?;
        Ok((found, size))
    }

    /// A blob's length.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Store`].
    pub async fn size(&self, hash: Sha256Hash) -> Result<u64, BlobError> {
        let head = match self.store.head(&key(hash)).await.map_err(BlobError::from) {
            Err(BlobError::Missing) if self.put_back(hash).await? => {
                self.store.head(&key(hash)).await?
            }
            head => head?,
        };
        Ok(head.size)
    }

    /// A whole blob.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Store`].
    pub async fn get(&self, hash: Sha256Hash) -> Result<Bytes, BlobError> {
        let found = match self.store.get(&key(hash)).await.map_err(BlobError::from) {
            Err(BlobError::Missing) if self.put_back(hash).await? => {
                self.store.get(&key(hash)).await?
            }
            found => found?,
        };
        Ok(found.bytes().await?)
    }

    /// Part of a blob.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Store`] also when the range is outside.
    pub async fn get_range(&self, hash: Sha256Hash, range: Range<u64>) -> Result<Bytes, BlobError> {
        let read = self.store.get_range(&key(hash), range.clone()).await;
        match read.map_err(BlobError::from) {
            Err(BlobError::Missing) if self.put_back(hash).await? => {
                Ok(self.store.get_range(&key(hash), range).await?)
            }
            read => read,
        }
    }
}
