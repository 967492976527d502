//! Blobs on their way to a file: resumed where they broke off, checked, and then renamed into
//! place. The file appears whole and right, or not at all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use medusa_api::{Job, ResultFile};
use medusa_types::{JobId, Sha256Hash};
use reqwest::header::{CONTENT_RANGE, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::fs::{self, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::http::{Call, Tries};
use crate::upload::{digest_of_file, transfer_deadline};
use crate::{Client, ClientError, Progress};

/// A download that gives no byte for so long is broken off and resumed.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl Client {
    /// `GET /v1/blobs/{sha256}` into a file.
    ///
    /// # Errors
    /// [`ClientError::Digest`] when the server's bytes are not the blob; [`ClientError::File`].
    pub async fn download_blob(
        &self,
        blob: Sha256Hash,
        size: u64,
        to: &Path,
        progress: Progress,
    ) -> Result<(), ClientError> {
        let path = ["v1", "blobs", &blob.to_string()];
        self.download(self.call(Method::GET, &path), (blob, size), to, &progress).await
    }

    /// `GET /v1/jobs/{id}/results/{name}` into a file.
    ///
    /// # Errors
    /// As [`Client::download_blob`].
    pub async fn download_result(
        &self,
        job: JobId,
        file: &ResultFile,
        to: &Path,
        progress: Progress,
    ) -> Result<(), ClientError> {
        let path = ["v1", "jobs", &job.to_string(), "results", &file.name];
        self.download(self.call(Method::GET, &path), (file.sha256, file.size), to, &progress).await
    }

    /// `GET /v1/blobs/{sha256}` into memory, for small blobs.
    ///
    /// # Errors
    /// As [`Client::download_blob`].
    pub async fn blob(&self, blob: Sha256Hash) -> Result<Vec<u8>, ClientError> {
        let call = self.call(Method::GET, &["v1", "blobs", &blob.to_string()]);
        checked(self.whole(&call).await?, blob)
    }

    /// `GET /v1/jobs/{id}/results/{name}` into memory, for small results. `None` when the job has
    /// no result of this name.
    ///
    /// # Errors
    /// As [`Client::download_blob`].
    pub async fn result(&self, job: &Job, name: &str) -> Result<Option<Vec<u8>>, ClientError> {
        let Some(file) = job.results.iter().find(|file| file.name == name) else {
            return Ok(None);
        };
        let call = self.call(Method::GET, &["v1", "jobs", &job.id.to_string(), "results", name]);
        checked(self.whole(&call).await?, file.sha256).map(Some)
    }

    async fn download(
        &self,
        call: Call,
        (digest, size): (Sha256Hash, u64),
        to: &Path,
        progress: &Progress,
    ) -> Result<(), ClientError> {
        let part = part_path(to, digest);
        let limit = transfer_deadline(self.deadline(), size);
        let run = async {
            let resumed = length(&part).await.is_some();
            match self.fill(&call, (digest, size), &part, progress).await {
                // What an earlier run left behind may be bad: the second try starts from nothing.
                Err(ClientError::Digest { .. }) if resumed => {
                    self.fill(&call, (digest, size), &part, progress).await
                }
                done => done,
            }
        };
        timeout(limit, run).await.unwrap_or(Err(ClientError::Deadline(limit)))?;
        fs::rename(&part, to).await.map_err(ClientError::file(to))
    }

    /// Loads what the part file lacks, then checks it. A wrong part file is removed.
    async fn fill(
        &self,
        call: &Call,
        (digest, size): (Sha256Hash, u64),
        part: &Path,
        progress: &Progress,
    ) -> Result<(), ClientError> {
        let mut tries = Tries::default();
        loop {
            let have = length(part).await;
            if have == Some(size) {
                break;
            }
            match self.load(call, (digest, size), part, progress).await {
                Ok(()) => break,
                Err(error) => {
                    // Every byte gained is a new beginning: only standing still is a failed try.
                    if length(part).await > have {
                        tries = Tries::default();
                    }
                    self.wait(&mut tries, call, error).await?;
                }
            }
        }
        let (found, _) = digest_of_file(part).await?;
        if found == digest {
            return Ok(());
        }
        fs::remove_file(part).await.map_err(ClientError::file(part))?;
        Err(ClientError::Digest { expected: digest, found })
    }

    async fn load(
        &self,
        call: &Call,
        (digest, size): (Sha256Hash, u64),
        part: &Path,
        progress: &Progress,
    ) -> Result<(), ClientError> {
        let have = length(part).await.unwrap_or_default();
        let mut ranged = self.call(Method::GET, &[]);
        ranged.url = call.url.clone();
        // A part that is too long is no part of this file.
        if (1..size).contains(&have) {
            ranged = ranged
                .header(RANGE, &format!("bytes={have}-"))
                .header(IF_RANGE, &format!("\"{digest}\""));
        }
        let mut response = self.open(&ranged).await?;
        let start = start_of(&response, have);
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(part).await;
        let mut file = file.map_err(ClientError::file(part))?;
        file.set_len(start).await.map_err(ClientError::file(part))?;
        tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::End(0))
            .await
            .map_err(ClientError::file(part))?;
        let mut done = start;
        // More than was promised is not read to its end: the digest will refuse it.
        while done <= size {
            let next = timeout(SILENCE_MAX, response.chunk()).await;
            let next = next.unwrap_or(Ok(None)).map_err(ClientError::Transport)?;
            let Some(bytes) = next else { break };
            file.write_all(&bytes).await.map_err(ClientError::file(part))?;
            file.flush().await.map_err(ClientError::file(part))?;
            done = done.saturating_add(u64::try_from(bytes.len()).unwrap_or_default());
            progress(done, size);
        }
        file.sync_all().await.map_err(ClientError::file(part))?;
        if done < size { Err(ClientError::Cut { received: done, expected: size }) } else { Ok(()) }
    }
}

/// Where the answer's bytes belong: after what we have only if the server says so.
fn start_of(response: &Response, have: u64) -> u64 {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let follows = range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
    if response.status() == StatusCode::PARTIAL_CONTENT && follows { have } else { 0 }
}

/// The bytes, if they have this digest.
pub(crate) fn checked(bytes: Vec<u8>, expected: Sha256Hash) -> Result<Vec<u8>, ClientError> {
    let found = Sha256Hash::of(&bytes);
    if found == expected { Ok(bytes) } else { Err(ClientError::Digest { expected, found }) }
}

/// The name holds the digest, so that a part of another file is never continued.
fn part_path(to: &Path, digest: Sha256Hash) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    let digest: String = digest.to_string().chars().take(12).collect();
    name.push(format!(".{digest}.part"));
    PathBuf::from(name)
}

async fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).await.ok().map(|meta| meta.len())
}
