//! Uploads in parts. A part is taken where bytes are missing, several at once, so that a sender who
//! lost an answer asks what is missing and goes on. When all are there, the server joins them to a
//! blob.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Jobs;
use crate::domain::gaps::{PART_BYTES, Place};
use crate::error::JobsError;
use crate::store;
use crate::store::upload::{Sender, StoredUpload};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use medusa_api::{NewUpload, Upload, UploadState};
use medusa_eventlog::Operation;
use medusa_platform::blob::BlobError;
use medusa_types::{Sha256Hash, UploadId, UserId};

/// The most bytes of one part.
pub(crate) const PART_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Of a part that broke off, so much is kept.
const KEPT_BYTES_MIN: u64 = 64 * 1024;
/// Stretches that an answer names.
const MISSING_MAX: usize = 1_000;
/// Uploads that are joined at the same time.
const JOINED_MAX: usize = 4;
/// Uploads of one person that are not done.
const OPEN_MAX: i64 = 20;
/// Between two notes of how far joining is.
const NOTE: Duration = Duration::from_secs(1);

impl Jobs {
    /// Begins an upload. Repeated with the same key, it is the same upload; and so it is for other
    /// keys when the digest says that it is about the same bytes.
    ///
    /// # Errors
    /// [`JobsError::Blob`] when it is too large, [`JobsError::UploadsOpen`], and
    /// [`JobsError::KeyReused`] when the key began another one.
    pub(crate) async fn begin_upload(
        &self,
        user: UserId,
        key: &str,
        wish: &NewUpload,
    ) -> Result<Upload, JobsError> {
        let limit = self.parts.config.upload_bytes_max;
        if wish.size > limit {
            return Err(JobsError::Blob(BlobError::TooLarge(limit)));
        }
        if wish.size == 0 {
            return Err(JobsError::UploadEmpty);
        }
        let request = Sha256Hash::of(format!("{wish:?}").as_bytes());
        let id = UploadId(Operation::client(user, &format!("upload:{key}"), request).id());
        let whole = self.whole_already(user, wish).await?;
        let mut db = self.parts.log.pool().begin().await?;
        let sender = Sender::Person(user);
        let mut found = store::upload::find(&mut db, id, sender).await?;
        if found.is_none() {
            found = store::upload::begun(&mut db, user, (wish.size, wish.sha256)).await?;
        }
        let stored = match found {
            Some(stored) => stored,
            None => {
                if whole.is_none() && store::upload::count_open(&mut db, user).await? >= OPEN_MAX {
                    return Err(JobsError::UploadsOpen);
                }
                let (what, now) = ((wish.size, wish.sha256), self.parts.clock.now());
                store::upload::insert(&mut db, (id, sender), what, whole, now).await?;
                let stored = store::upload::find(&mut db, id, sender).await?;
                stored.ok_or(JobsError::Missing("upload"))?
            }
        };
        db.commit().await?;
        if (stored.size, stored.announced) != (wish.size, wish.sha256) {
            return Err(JobsError::KeyReused);
        }
        Ok(shown(&stored))
    }

    /// The blob, when this person has uploaded these bytes before.
    async fn whole_already(
        &self,
        user: UserId,
        wish: &NewUpload,
    ) -> Result<Option<Sha256Hash>, JobsError> {
        let Some(hash) = wish.sha256 else { return Ok(None) };
        let mut db = self.parts.log.pool().acquire().await?;
        let owned = store::blob::owned_size(&mut db, hash, user).await?;
        if owned != Some(wish.size) || self.parts.blobs.size(hash).await.is_err() {
            return Ok(None);
        }
        store::blob::own(&mut db, hash, user, wish.size, self.parts.clock.now()).await?;
        Ok(Some(hash))
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn upload_state(
        &self,
        sender: Sender,
        id: UploadId,
    ) -> Result<Upload, JobsError> {
        Ok(shown(&self.stored_upload(sender, id).await?))
    }

    async fn stored_upload(&self, sender: Sender, id: UploadId) -> Result<StoredUpload, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::upload::find(&mut db, id, sender).await?.ok_or(JobsError::Missing("upload"))
    }

    /// Takes the part that begins at `first`; a shorter one than was meant when its sender
    /// stopped. Bytes that are there already are not read again.
    ///
    /// # Errors
    /// [`JobsError::UploadGap`] when no part may begin there, [`JobsError::UploadSmall`] when it is
    /// not worth keeping, [`JobsError::Blob`] when it is too large, or goes beyond the end or into
    /// bytes that are there.
    pub(crate) async fn add_part<S, E>(
        &self,
        sender: Sender,
        (id, first): (UploadId, u64),
        body: S,
    ) -> Result<Upload, JobsError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let stored = self.stored_upload(sender, id).await?;
        if stored.state != UploadState::Open {
            return Ok(shown(&stored));
        }
        let room = match stored.gaps.place(first) {
            Place::There => return Ok(shown(&stored)),
            Place::Elsewhere(at) => return Err(JobsError::UploadGap(at)),
            Place::Free(room) => room,
        };
        let (part, blobs) = (self.parts.random.id(), &self.parts.blobs);
        let bytes = blobs.put_part(part, body, PART_BYTES_MAX.min(room)).await?;
        let now = self.parts.clock.now();
        // Crumbs of a line that breaks all the time are not worth a file each.
        if bytes != room && bytes < KEPT_BYTES_MIN {
            blobs.drop_part(part).await?;
            return Err(JobsError::UploadSmall { came: bytes, least: KEPT_BYTES_MIN.min(room) });
        }
        let mut db = self.parts.log.pool().begin().await?;
        let added = store::upload::add_part(&mut db, id, (first, bytes), part, now).await?;
        db.commit().await?;
        if !added {
            // Somebody else brought it meanwhile.
            blobs.drop_part(part).await?;
        }
        self.upload_state(sender, id).await
    }

    /// Joins what has all its parts, of outputs or of what people sent. Cut off in the middle it
    /// begins anew.
    ///
    /// # Errors
    /// When database or object store fail.
    pub(crate) async fn join_uploads(&self, outputs: bool) -> Result<(), JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let joining = store::upload::joining(&mut db, outputs).await?;
        drop(db);
        let all = futures_util::stream::iter(joining.into_iter().map(Ok));
        all.try_for_each_concurrent(JOINED_MAX, async |(id, sender)| {
            let stored = self.stored_upload(sender, id).await?;
            self.join(&stored).await
        })
        .await
    }

    async fn join(&self, upload: &StoredUpload) -> Result<(), JobsError> {
        let (blobs, id) = (&self.parts.blobs, upload.id);
        let mut db = self.parts.log.pool().acquire().await?;
        let names = store::upload::parts(&mut db, id).await?;
        let joined = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&joined);
        let bytes = blobs.parts(names.clone()).inspect_ok(move |bytes| {
            let n = u64::try_from(bytes.len()).unwrap_or_default();
            counter.fetch_add(n, Ordering::Relaxed);
        });
        let bytes = std::pin::pin!(bytes);
        let stored = blobs.put_stream(&self.parts.random, bytes, upload.size, upload.announced);
        let mut stored = std::pin::pin!(stored);
        let result = loop {
            match tokio::time::timeout(NOTE, &mut stored).await {
                Ok(result) => break result,
                Err(_) => {
                    let now = self.parts.clock.now();
                    let joined = joined.load(Ordering::Relaxed);
                    store::upload::set_joined(&mut db, id, joined, now).await?;
                }
            }
        };
        let (blob, now) = (digest_of(result)?, self.parts.clock.now());
        // An output is nobody's before it is believed, and its job's then.
        if let (Some(hash), Sender::Person(user)) = (blob, upload.sender) {
            store::blob::own(&mut db, hash, user, upload.size, now).await?;
        }
        store::upload::end(&mut db, id, blob, now).await?;
        for part in names {
            blobs.drop_part(part).await?;
        }
        Ok(())
    }

    /// Drops uploads that nothing happened to for so long: what people sent, and outputs.
    ///
    /// # Errors
    /// When database or object store fail.
    pub(crate) async fn drop_forgotten_uploads(
        &self,
        (idle_ms, outputs_idle_ms): (i64, i64),
    ) -> Result<(), JobsError> {
        let ago = |ms: i64| self.parts.clock.now().plus_ms(ms.saturating_neg());
        let mut db = self.parts.log.pool().acquire().await?;
        let forgotten = store::upload::forgotten(&mut db, ago(idle_ms), ago(outputs_idle_ms));
        for id in forgotten.await? {
            for part in store::upload::parts(&mut db, id).await? {
                self.parts.blobs.drop_part(part).await?;
            }
            store::upload::remove(&mut db, id).await?;
        }
        Ok(())
    }
}

/// None when the bytes are not the announced ones: that is for their sender to know.
fn digest_of(
    result: Result<(Sha256Hash, u64), BlobError>,
) -> Result<Option<Sha256Hash>, BlobError> {
    match result {
        Ok((hash, _)) => Ok(Some(hash)),
        Err(BlobError::Digest { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn shown(stored: &StoredUpload) -> Upload {
    let mut missing = stored.gaps.missing().to_vec();
    missing.truncate(MISSING_MAX);
    Upload {
        id: stored.id,
        size: stored.size,
        received: stored.gaps.received(),
        missing,
        joined: stored.joined,
        state: stored.state,
        blob: stored.blob.clone(),
        part_bytes_max: PART_BYTES_MAX,
        part_bytes: PART_BYTES,
    }
}
