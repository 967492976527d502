//! Blobs on their way to the server. The digest goes along, so that a truncated or altered upload
//! is refused; an upload can always be sent again, because a blob is addressed by its content.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use medusa_api::BlobInfo;
use medusa_types::Sha256Hash;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use reqwest::{Body, Method};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::http::MakeBody;
use crate::{Client, ClientError, Progress};

const PART_BYTES: usize = 256 * 1024;
/// What is larger goes in parts.
const WHOLE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The slowest line that a transfer is given time for.
const BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

/// Time that a transfer of this size may take.
pub(crate) fn transfer_deadline(base: Duration, size: u64) -> Duration {
    base.saturating_add(Duration::from_secs(size.checked_div(BYTES_PER_SECOND_MIN).unwrap_or(0)))
}

impl Client {
    /// `POST /v1/blobs`: uploads bytes.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal of the server is its `Problem`.
    pub async fn upload_bytes(&self, bytes: Bytes) -> Result<BlobInfo, ClientError> {
        let digest = digest_of(bytes.clone()).await;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.upload(digest, size, Arc::new(move || Body::from(bytes.clone()))).await
    }

    /// Uploads a file: a small one by `POST /v1/blobs`, a larger one in parts, of which only
    /// those are sent that the server does not have. It is read twice, first for its digest.
    ///
    /// # Errors
    /// [`ClientError::File`] when it cannot be read, else as [`Client::upload_bytes`].
    pub async fn upload_file(
        &self,
        path: &Path,
        progress: Progress,
    ) -> Result<BlobInfo, ClientError> {
        let (digest, size) = digest_of_file(path).await?;
        if size > WHOLE_BYTES_MAX {
            return self.upload_in_parts(path, (digest, size), progress).await;
        }
        let path = path.to_owned();
        let body = move || file_body(path.clone(), size, Arc::clone(&progress));
        self.upload(digest, size, Arc::new(body)).await
    }

    async fn upload(
        &self,
        digest: Sha256Hash,
        size: u64,
        body: MakeBody,
    ) -> Result<BlobInfo, ClientError> {
        use base64::Engine as _;
        let digest_text = base64::engine::general_purpose::STANDARD.encode(digest.as_bytes());
        let mut call = self
            .call(Method::POST, &["v1", "blobs"])
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, &size.to_string())
            .header(HeaderName::from_static("content-digest"), &format!("sha-256=:{digest_text}:"));
        call.body = Some(body);
        call.repeatable = true;
        call.deadline = transfer_deadline(self.deadline(), size);
        let info: BlobInfo = self.json(call).await?;
        if info.sha256 == digest {
            Ok(info)
        } else {
            Err(ClientError::Digest { expected: digest, found: info.sha256 })
        }
    }
}

async fn digest_of(bytes: Bytes) -> Sha256Hash {
    let hashed = tokio::task::spawn_blocking({
        let bytes = bytes.clone();
        move || Sha256Hash::of(&bytes)
    });
    // The task ends early only when the runtime is being shut down.
    hashed.await.unwrap_or_else(|_| Sha256Hash::of(&bytes))
}

/// Digest and length of a file.
///
/// # Errors
/// [`ClientError::File`] when it cannot be read.
pub async fn digest_of_file(path: &Path) -> Result<(Sha256Hash, u64), ClientError> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(owned)?;
        let mut digest = Sha256::new();
        let mut size = 0_u64;
        let mut buffer = vec![0; PART_BYTES];
        loop {
            let n = std::io::Read::read(&mut file, &mut buffer)?;
            let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
            digest.update(part);
            size = size.saturating_add(u64::try_from(n).unwrap_or_default());
        }
        Ok((Sha256Hash(digest.finalize().into()), size))
    });
    hashed.await.unwrap_or_else(|e| Err(std::io::Error::other(e))).map_err(ClientError::file(path))
}

/// Reads the file as it is sent, and tells how far it is.
fn file_body(path: std::path::PathBuf, size: u64, progress: Progress) -> Body {
    let opened = stream::once(async move { File::open(path).await });
    let parts = opened.flat_map(move |file| {
        let progress = Arc::clone(&progress);
        stream::try_unfold((file, 0_u64), move |(file, sent)| {
            let progress = Arc::clone(&progress);
            async move {
                let mut file = file?;
                let mut part = Vec::with_capacity(PART_BYTES);
                if file.read_buf(&mut part).await? == 0 {
                    return Ok::<_, std::io::Error>(None);
                }
                let sent = sent.saturating_add(u64::try_from(part.len()).unwrap_or_default());
                progress(sent, size);
                Ok(Some((Bytes::from(part), (Ok(file), sent))))
            }
        })
    });
    Body::wrap_stream(parts)
}
