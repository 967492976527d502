//! What is left to see of a job: how its chunks ran, their files, its events, its report.
#![expect(clippy::missing_errors_doc, reason = "they are the same for every route: see routes.rs")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use medusa_api::{ChunkFiles, ChunkRun, Comparison, EventPage, RunInput, Timeline};
use medusa_types::{ChunkIndex, JobId};
use reqwest::{Method, Response};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::download::checked;
use crate::http::Call;
use crate::routes::Answer;
use crate::upload::transfer_deadline;
use crate::{Client, ClientError, Progress};

/// A download that gives no byte for so long is broken off.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Chunks whose files fit into memory are not larger.
const BUNDLE_BYTES_MAX: u64 = 128 * 1024 * 1024;

impl Client {
    /// `GET /v1/jobs/{id}/chunks/{index}/run`.
    pub async fn chunk_run(&self, job: JobId, chunk: ChunkIndex) -> Answer<ChunkRun> {
        self.json(self.of_chunk(job, chunk, &["run"])).await
    }

    /// `GET /v1/jobs/{id}/chunks/{index}/program`: the run's module, checked against its digest.
    pub async fn chunk_program(&self, run: &ChunkRun) -> Answer<Vec<u8>> {
        let call = self.of_chunk(run.job, run.chunk, &["program"]);
        let bytes = self.exactly(&call, run.program.size).await?;
        checked(bytes, run.program.sha256)
    }

    /// `GET /v1/jobs/{id}/chunks/{index}/inputs/{place}`: what the run reads at this place,
    /// checked against its digest where the description has one.
    pub async fn chunk_input(&self, run: &ChunkRun, place: usize) -> Answer<Vec<u8>> {
        let missing = || ClientError::Answer(format!("the run has no input {place}"));
        let RunInput { size, sha256, .. } = run.inputs.get(place).ok_or_else(missing)?;
        let call = self.of_chunk(run.job, run.chunk, &["inputs", &place.to_string()]);
        let bytes = self.exactly(&call, *size).await?;
        match sha256 {
            Some(sha256) => checked(bytes, *sha256),
            None => Ok(bytes),
        }
    }

    /// `GET /v1/jobs/{id}/chunks/{index}/files`.
    pub async fn chunk_files(&self, job: JobId, chunk: ChunkIndex) -> Answer<ChunkFiles> {
        self.json(self.of_chunk(job, chunk, &["files"])).await
    }

    /// `GET /v1/jobs/{id}/chunks/{index}/bundle`: all that a chunk wrote, checked against its
    /// digest.
    pub async fn chunk_bundle(&self, job: JobId, chunk: ChunkIndex) -> Answer<Vec<u8>> {
        let bundle = self.chunk_files(job, chunk).await?.bundle;
        if bundle.size > BUNDLE_BYTES_MAX {
            return Err(ClientError::Answer(format!("a bundle of {} bytes", bundle.size)));
        }
        let call = self.of_chunk(job, chunk, &["bundle"]);
        checked(self.exactly(&call, bundle.size).await?, bundle.sha256)
    }

    /// `GET /v1/jobs/{id}/chunks.zip` into a file: the files of all chunks that are done so far.
    pub async fn download_chunks(&self, job: JobId, to: &Path, progress: Progress) -> Answer<()> {
        self.save(&self.of_job(job, &["chunks.zip"]), to, &progress).await
    }

    /// `GET /v1/jobs/{id}/partial/{name}` into a file: a result made of the chunks that are done so
    /// far. Gives how many of how many chunks those are, like `12/36`.
    pub async fn download_partial(&self, job: JobId, name: &str, to: &Path) -> Answer<String> {
        let response = self.open(&self.of_job(job, &["partial", name])).await?;
        let chunks = response.headers().get("x-medusa-chunks");
        let chunks = chunks.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        write(response, to, &crate::no_progress()).await?;
        Ok(chunks)
    }

    /// `GET /v1/jobs/{id}/report.html` into a file.
    pub async fn download_report(&self, job: JobId, to: &Path) -> Answer<()> {
        self.save(&self.of_job(job, &["report.html"]), to, &crate::no_progress()).await
    }

    /// `GET /v1/jobs/{id}/events`, oldest first, after a version of the job's stream.
    pub async fn job_events(&self, job: JobId, after: i64, limit: u32) -> Answer<EventPage> {
        let call = self.of_job(job, &["events"]).query("after", Some(&after.to_string()));
        self.json(call.query("limit", Some(&limit.to_string()))).await
    }

    /// `GET /v1/jobs/{id}/timeline`.
    pub async fn timeline(&self, job: JobId) -> Answer<Timeline> {
        self.json(self.of_job(job, &["timeline"])).await
    }

    /// `GET /v1/jobs/{id}/compare/{other}`.
    pub async fn compare_jobs(&self, left: JobId, right: JobId) -> Answer<Comparison> {
        self.json(self.of_job(left, &["compare", &right.to_string()])).await
    }

    fn of_job(&self, job: JobId, rest: &[&str]) -> Call {
        let job = job.to_string();
        self.call(Method::GET, &[&["v1", "jobs", &job], rest].concat())
    }

    fn of_chunk(&self, job: JobId, chunk: ChunkIndex, rest: &[&str]) -> Call {
        let chunk = chunk.to_string();
        self.of_job(job, &[&["chunks", &chunk], rest].concat())
    }

    /// The whole answer, which must have so many bytes.
    async fn exactly(&self, call: &Call, size: u64) -> Answer<Vec<u8>> {
        let limit = transfer_deadline(self.deadline(), size);
        let read = async {
            let mut response = self.open(call).await?;
            let mut bytes = Vec::new();
            let length = |bytes: &Vec<u8>| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            while length(&bytes) <= size {
                let Some(part) = next(&mut response).await? else { break };
                bytes.extend_from_slice(&part);
            }
            let received = length(&bytes);
            if received == size {
                Ok(bytes)
            } else {
                Err(ClientError::Cut { received, expected: size })
            }
        };
        timeout(limit, read).await.unwrap_or(Err(ClientError::Deadline(limit)))
    }

    async fn save(&self, call: &Call, to: &Path, progress: &Progress) -> Answer<()> {
        write(self.open(call).await?, to, progress).await
    }
}

/// Writes an answer of unknown length to a file, which appears whole or not at all: an answer that
/// was cut is an error of its transfer.
async fn write(mut response: Response, to: &Path, progress: &Progress) -> Answer<()> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = fs::File::create(&part).await.map_err(ClientError::file(&part))?;
    let mut done = 0_u64;
    loop {
        let bytes = match next(&mut response).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(error) => {
                drop(file);
                fs::remove_file(&part).await.map_err(ClientError::file(&part))?;
                return Err(error);
            }
        };
        file.write_all(&bytes).await.map_err(ClientError::file(&part))?;
        done = done.saturating_add(u64::try_from(bytes.len()).unwrap_or_default());
        progress(done, done);
    }
    file.sync_all().await.map_err(ClientError::file(&part))?;
    fs::rename(&part, to).await.map_err(ClientError::file(to))
}

async fn next(response: &mut Response) -> Answer<Option<bytes::Bytes>> {
    let silent = |_| Err(ClientError::Deadline(SILENCE_MAX));
    let part =
        timeout(SILENCE_MAX, async { response.chunk().await.map_err(ClientError::Transport) });
    part.await.unwrap_or_else(silent)
}
