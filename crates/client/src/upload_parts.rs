//! Large files on their way to the server, in parts: several at once, only what is missing, and on
//! again after a broken line, a restarted server or another start of this program. The server knows
//! an upload by the digest of its bytes, so nothing has to be remembered here.

use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use medusa_api::{BlobInfo, ByteRange, NewUpload, Upload, UploadState};
use medusa_types::{Sha256Hash, UploadId};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::upload::transfer_deadline;
use crate::{Client, ClientError, Progress, operation_id, retry};

/// Parts that are on their way at the same time.
const AT_ONCE: usize = 3;
/// Bytes that are read and handed on at once.
const READ_BYTES: u64 = 256 * 1024;
/// Without one more byte at the server for so long, the upload is given up for now.
const STANDSTILL_MAX: Duration = Duration::from_secs(120);
/// Between two looks at an upload that is being put together.
const LOOK: Duration = Duration::from_millis(200);
/// A part that a server without wishes gets.
const PART_BYTES: u64 = 8 * 1024 * 1024;

impl Client {
    /// `POST /v1/uploads`: begins an upload in parts, or finds the one of the same bytes.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal of the server is its `Problem`.
    pub async fn begin_upload(&self, wish: &NewUpload) -> Result<Upload, ClientError> {
        self.json(self.post(&["v1", "uploads"]).json(wish).key(operation_id())).await
    }

    /// `GET /v1/uploads/{id}`: how far an upload is.
    ///
    /// # Errors
    /// As [`Client::begin_upload`].
    pub async fn upload_state(&self, id: UploadId) -> Result<Upload, ClientError> {
        self.get(&["v1", "uploads", &id.to_string()]).await
    }

    /// Uploads a file of this digest and length in parts. What the server has already is not sent.
    ///
    /// # Errors
    /// [`ClientError::File`] when it cannot be read, [`ClientError::Changed`] when it is not the
    /// same any more, and what kept the server away for two minutes. Called again, it goes on.
    pub(crate) async fn upload_in_parts(
        &self,
        path: &Path,
        (digest, size): (Sha256Hash, u64),
        progress: Progress,
    ) -> Result<BlobInfo, ClientError> {
        let wish = NewUpload { size, sha256: Some(digest) };
        let mut upload = self.begin_upload(&wish).await?;
        let mut moved = Instant::now();
        let mut tries = 0;
        while upload.state == UploadState::Open {
            let missing = bytes_of(&upload.missing);
            match self.send_missing(path, &upload, &progress).await {
                Ok(()) => {}
                Err(error) if passing(&error) && moved.elapsed() < STANDSTILL_MAX => {
                    tokio::time::sleep(retry::pause(tries)).await;
                }
                Err(error) => return Err(error),
            }
            upload = match self.upload_state(upload.id).await {
                Ok(now) => now,
                Err(error) if passing(&error) && moved.elapsed() < STANDSTILL_MAX => upload,
                Err(error) => return Err(error),
            };
            if bytes_of(&upload.missing) < missing {
                (moved, tries) = (Instant::now(), 0);
            } else {
                tries = tries.saturating_add(1);
            }
        }
        progress(size, size);
        self.put_together(upload, digest).await
    }

    /// Sends what is missing, some parts at once. The first that fails ends it.
    async fn send_missing(
        &self,
        path: &Path,
        upload: &Upload,
        progress: &Progress,
    ) -> Result<(), ClientError> {
        let there = upload.size.saturating_sub(bytes_of(&upload.missing));
        let told = Told { sent: Arc::new(AtomicU64::new(there)), size: upload.size };
        progress(there, upload.size);
        stream::iter(parts(upload).into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |part| {
                self.send_part(path, upload.id, part, (told.clone(), Arc::clone(progress)))
            })
            .await
    }

    async fn send_part(
        &self,
        path: &Path,
        id: UploadId,
        part: ByteRange,
        (told, progress): (Told, Progress),
    ) -> Result<(), ClientError> {
        let length = part.end.saturating_sub(part.first);
        let place = ["v1", "uploads", &id.to_string(), "parts", &part.first.to_string()];
        let mut call = self
            .call(Method::PUT, &place)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, &length.to_string());
        call.deadline = transfer_deadline(self.deadline(), length);
        let file = path.to_owned();
        let body = move || {
            let (told, progress) = (told.clone(), Arc::clone(&progress));
            let through = move |n: &Bytes| told.add(n, &progress);
            Body::wrap_stream(stretch(file.clone(), part).inspect_ok(through))
        };
        call.body = Some(Arc::new(body));
        let there = tokio::fs::metadata(path).await.map_err(ClientError::file(path))?.len();
        if there < part.end {
            return Err(ClientError::Changed);
        }
        self.whole(&call).await.map(drop)
    }

    /// Waits until the server has put the parts together.
    async fn put_together(
        &self,
        mut upload: Upload,
        digest: Sha256Hash,
    ) -> Result<BlobInfo, ClientError> {
        let mut moved = Instant::now();
        loop {
            match (upload.state, upload.blob) {
                (UploadState::Done, Some(blob)) if blob.sha256 == digest => return Ok(blob),
                (UploadState::Joining, _) => {}
                // The file was changed between the look at its digest and the sending.
                _ => return Err(ClientError::Changed),
            }
            tokio::time::sleep(LOOK).await;
            let joined = upload.joined;
            upload = match self.upload_state(upload.id).await {
                Ok(now) => now,
                Err(error) if passing(&error) && moved.elapsed() < STANDSTILL_MAX => {
                    Upload { blob: None, ..upload }
                }
                Err(error) => return Err(error),
            };
            if upload.joined > joined {
                moved = Instant::now();
            }
        }
    }
}

/// How much of a whole is through, parts that are on their way included.
#[derive(Clone)]
struct Told {
    sent: Arc<AtomicU64>,
    size: u64,
}

impl Told {
    fn add(&self, bytes: &Bytes, progress: &Progress) {
        let n = u64::try_from(bytes.len()).unwrap_or_default();
        let before = self.sent.fetch_add(n, Ordering::Relaxed);
        progress(before.saturating_add(n).min(self.size), self.size);
    }
}

fn bytes_of(ranges: &[ByteRange]) -> u64 {
    ranges.iter().map(|range| range.end.saturating_sub(range.first)).sum()
}

/// What is missing, cut where the server lets parts begin.
fn parts(upload: &Upload) -> Vec<ByteRange> {
    let step = if upload.part_bytes == 0 { PART_BYTES } else { upload.part_bytes };
    let mut parts = Vec::new();
    for gap in &upload.missing {
        let mut first = gap.first;
        while first < gap.end {
            let cell = first.checked_div(step).unwrap_or_default().saturating_add(1);
            let end = cell.saturating_mul(step).min(gap.end);
            parts.push(ByteRange { first, end });
            first = end;
        }
    }
    parts
}

/// Whether it may be better in a moment.
fn passing(error: &ClientError) -> bool {
    match error {
        ClientError::Connect { .. } | ClientError::Transport(_) | ClientError::Deadline(_) => true,
        ClientError::Problem(problem) => problem.status == 429 || problem.status >= 500,
        _ => false,
    }
}

/// The bytes of a stretch of a file, read as they are sent.
fn stretch(
    path: std::path::PathBuf,
    part: ByteRange,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let opened = stream::once(async move {
        let mut file = File::open(path).await?;
        file.seek(SeekFrom::Start(part.first)).await?;
        std::io::Result::Ok(file)
    });
    let length = part.end.saturating_sub(part.first);
    opened
        .map_ok(move |file| {
            stream::try_unfold((file, length), async |(mut file, left)| {
                let want = usize::try_from(left.min(READ_BYTES)).unwrap_or_default();
                let mut bytes = vec![0; want];
                let n = file.read(&mut bytes).await?;
                bytes.truncate(n);
                let left = left.saturating_sub(u64::try_from(n).unwrap_or_default());
                Ok((n > 0).then(|| (Bytes::from(bytes), (file, left))))
            })
        })
        .try_flatten()
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_cut_at_the_servers_marks() {
        let range = |first, end| ByteRange { first, end };
        let upload = Upload {
            id: UploadId(medusa_types::Uuid::nil()),
            size: 35,
            received: 3,
            missing: vec![range(3, 12), range(20, 35)],
            joined: 0,
            state: UploadState::Open,
            blob: None,
            part_bytes_max: 64,
            part_bytes: 10,
        };
        assert_eq!(parts(&upload), [range(3, 10), range(10, 12), range(20, 30), range(30, 35)]);
        assert_eq!(bytes_of(&upload.missing), 24);
    }

    #[tokio::test]
    async fn a_stretch_of_a_file_is_only_that() {
        let path = std::env::temp_dir().join(format!("medusa-{}", operation_id()));
        std::fs::write(&path, b"0123456789").unwrap();
        let part = ByteRange { first: 3, end: 7 };
        let read: Vec<Bytes> = stretch(path.clone(), part).try_collect().await.unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.concat(), b"3456");
    }
}
