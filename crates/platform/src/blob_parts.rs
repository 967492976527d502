//! Parts of a blob that is still coming. They have no address; whoever keeps them knows their
//! names, and joins them to a blob when all are there.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt as _, WriteMultipart};
use uuid::Uuid;

use crate::blob::{BlobError, BlobStore, PART_BYTES};

fn key(part: Uuid) -> Key {
    Key::from(format!("part/{part}"))
}

impl BlobStore {
    /// Stores a part of at most `limit` bytes under a new name; gives its length. What was received
    /// before its sender stopped is kept as a shorter part.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] and [`BlobError::Store`]; nothing is kept then.
    pub async fn put_part<S, E>(
        &self,
        part: Uuid,
        mut body: S,
        limit: u64,
    ) -> Result<u64, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let upload = self.store.put_multipart(&key(part)).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut size = 0_u64;
        while let Some(Ok(bytes)) = body.next().await {
            size = size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if size > limit {
                writer.abort().await?;
                return Err(BlobError::TooLarge(limit));
            }
            writer.wait_for_capacity(4).await?;
            writer.put(bytes);
        }
        writer.finish().await?;
        Ok(size)
    }

    /// The bytes of parts, one part after the other.
    pub fn parts(&self, parts: Vec<Uuid>) -> impl Stream<Item = Result<Bytes, BlobError>> + use<> {
        let store = self.store.clone();
        let each = futures_util::stream::iter(parts).then(move |part| {
            let store = store.clone();
            async move { Ok::<_, BlobError>(store.get(&key(part)).await?.into_stream()) }
        });
        each.map_ok(|bytes| bytes.map_err(BlobError::from)).try_flatten()
    }

    /// Drops a part; one that is gone already is no error.
    ///
    /// # Errors
    /// [`BlobError::Store`].
    pub async fn drop_part(&self, part: Uuid) -> Result<(), BlobError> {
        match self.store.delete(&key(part)).await.map_err(BlobError::from) {
            Err(BlobError::Missing) => Ok(()),
            done => done,
        }
    }
}
