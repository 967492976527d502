//! Blobs that nobody seems to need. They are set aside first: whoever asks for one meanwhile gets
//! it back into its place, so that throwing away can never take a blob from somebody who just came
//! by the same bytes. Only what nobody asked for is gone in the end.

use medusa_types::Sha256Hash;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as Key;

use crate::blob::{BlobError, BlobStore, key};

fn aside(hash: Sha256Hash) -> Key {
    Key::from(format!("trash/{hash}"))
}

impl BlobStore {
    /// Sets a blob aside; `false` when it is not there.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub async fn set_aside(&self, hash: Sha256Hash) -> Result<bool, BlobError> {
        self.forget_lately();
        let moved = self.store.rename(&key(hash), &aside(hash)).await;
        self.forget_lately();
        found(moved.map_err(BlobError::from))
    }

    /// Puts a blob that was set aside back into its place; `false` when it was not.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub async fn put_back(&self, hash: Sha256Hash) -> Result<bool, BlobError> {
        found(self.store.rename(&aside(hash), &key(hash)).await.map_err(BlobError::from))
    }

    /// Drops a blob that was set aside for good; one that is not there is no error.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub async fn throw_away(&self, hash: Sha256Hash) -> Result<(), BlobError> {
        found(self.store.delete(&aside(hash)).await.map_err(BlobError::from)).map(drop)
    }
}

/// Whether there was something to do it with.
fn found(done: Result<(), BlobError>) -> Result<bool, BlobError> {
    match done {
        Ok(()) => Ok(true),
        Err(BlobError::Missing) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn what_is_set_aside_comes_back_when_it_is_asked_for() {
        let folder = std::env::temp_dir().join(format!("medusa-trash-{}", std::process::id()));
        let blobs = BlobStore::files(&folder).unwrap();
        let bytes = Bytes::from_static(b"wanted again");
        let hash = blobs.put(bytes.clone()).await.unwrap();
        assert!(blobs.set_aside(hash).await.unwrap());
        assert!(!blobs.set_aside(hash).await.unwrap(), "it is aside already");
        assert_eq!(blobs.get_range(hash, 0..6).await.unwrap(), "wanted");
        blobs.set_aside(hash).await.unwrap();
        assert_eq!(blobs.get(hash).await.unwrap(), bytes);
        // Whatever comes first, whoever brings the bytes finds them.
        for _ in 0..200 {
            let bring = async {
                let hash = blobs.put(bytes.clone()).await.unwrap();
                blobs.get(hash).await.unwrap()
            };
            let (_, found) = tokio::join!(blobs.set_aside(hash), bring);
            assert_eq!(found, bytes);
            blobs.set_aside(hash).await.unwrap();
            let bring = async { blobs.put(bytes.clone()).await.unwrap() };
            let (thrown, _) = tokio::join!(blobs.throw_away(hash), bring);
            thrown.unwrap();
            assert_eq!(blobs.get(hash).await.unwrap(), bytes);
        }
        blobs.set_aside(hash).await.unwrap();
        blobs.throw_away(hash).await.unwrap();
        assert!(matches!(blobs.get(hash).await, Err(BlobError::Missing)));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
