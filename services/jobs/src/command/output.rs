//! Outputs of leases on their way from their agents: whole, or in parts that go on after a cut, by
//! the same steps as uploads of people. Each is noted with its lease, so that one that no report
//! ever names is found again and goes.

use bytes::Bytes;
use futures_util::Stream;
use medusa_api::{BlobInfo, NewUpload, Upload};
use medusa_platform::blob::BlobError;
use medusa_types::{LeaseId, UploadId};

use super::Jobs;
use super::upload::shown;
use crate::error::JobsError;
use crate::order::{BUNDLE_BYTES_MAX, OUTPUT_BYTES_MAX};
use crate::store;
use crate::store::upload::Sender;

/// What a program may write, and its bundle's own bytes.
const BYTES_MAX: u64 = OUTPUT_BYTES_MAX.saturating_add(BUNDLE_BYTES_MAX);

impl Jobs {
    /// Stores an output that comes in one request.
    ///
    /// # Errors
    /// [`JobsError::Blob`] when it is too large or was cut; nothing is kept then.
    pub(crate) async fn put_output<S, E>(
        &self,
        sender: Sender,
        body: S,
    ) -> Result<BlobInfo, JobsError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let (parts, now) = (&self.parts, self.parts.clock.now());
        let stored = parts.blobs.put_stream(&parts.random, body, BYTES_MAX, None).await;
        let (sha256, size) = stored.map_err(JobsError::Blob)?;
        if size > 0 {
            let id = UploadId(parts.random.id());
            let mut db = parts.log.pool().acquire().await?;
            let what = (size, Some(sha256));
            store::upload::insert(&mut db, (id, sender), what, Some(sha256), now).await?;
        }
        Ok(BlobInfo { sha256, size })
    }

    /// Begins to take an output in parts. Of one lease there is one, so the lease is the key.
    ///
    /// # Errors
    /// [`JobsError::Blob`] when it is too large, [`JobsError::UploadEmpty`], and
    /// [`JobsError::KeyReused`] when other bytes were announced for this lease before.
    pub(crate) async fn begin_output(
        &self,
        sender: Sender,
        lease: LeaseId,
        wish: &NewUpload,
    ) -> Result<Upload, JobsError> {
        if wish.size > BYTES_MAX {
            return Err(JobsError::Blob(BlobError::TooLarge(BYTES_MAX)));
        }
        if wish.size == 0 {
            return Err(JobsError::UploadEmpty);
        }
        let (id, what) = (UploadId(lease.0), (wish.size, wish.sha256));
        let mut db = self.parts.log.pool().acquire().await?;
        let now = self.parts.clock.now();
        store::upload::insert(&mut db, (id, sender), what, None, now).await?;
        let stored = store::upload::find(&mut db, id, sender).await?;
        let stored = stored.ok_or(JobsError::Missing("upload"))?;
        if (stored.size, stored.announced) != what {
            return Err(JobsError::KeyReused);
        }
        Ok(shown(&stored))
    }
}
