//! What chunks wrote, before and after the merge: one chunk's files, all of them as an archive, and
//! the results as far as they go.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use medusa_api::{BlobInfo, ChunkFiles, Job as JobView, JobState, MergeHow, MergeRule, ResultFile};
use medusa_events::FileRef;
use medusa_platform::Principal;
use medusa_platform::blob::BlobError;
use medusa_types::{Bundle, ChunkIndex, JobId, Sha256Hash};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Jobs;
use super::retention::kept;
use crate::error::JobsError;
use crate::merge;
use crate::projection::result_files;
use crate::split::{ChunkInput, Plan};
use crate::store;

/// Chunks of one archive: its list of files is kept until its end. A larger job is loaded in parts,
/// and each part says where the next begins.
pub(crate) const ARCHIVE_CHUNKS_MAX: u32 = 100_000;
/// Chunks that are looked up at once.
const LOOK_UP: i64 = 5_000;
/// Archives that are written at the same time.
static ARCHIVES: Semaphore = Semaphore::const_new(4);
/// Previews that are made at the same time: the merges of jobs come first.
static PREVIEWS: Semaphore = Semaphore::const_new(1);
/// Bytes that are handed on at once.
const PART_BYTES: usize = 256 * 1024;
/// Tiles that are looked at before others get their turn.
const TILES_AT_ONCE: u32 = 1_000;
/// Parts on their way to a reader.
const PARTS_MAX: usize = 4;

/// The part of an archive that comes next, or why there is no more.
pub(crate) type Part = Result<Bytes, io::Error>;

/// A result file made of the chunks that are done.
pub(crate) struct Partial {
    pub(crate) file: ResultFile,
    /// Chunks that it is made of.
    pub(crate) chunks: u32,
    /// Chunks of the job.
    pub(crate) total: u32,
}

impl Jobs {
    /// Address and length of the accepted result of a chunk.
    ///
    /// # Errors
    /// [`JobsError::NotYet`] while it has none.
    pub(crate) async fn chunk_bundle(
        &self,
        who: &Principal,
        (id, chunk): (JobId, ChunkIndex),
    ) -> Result<BlobInfo, JobsError> {
        kept(&self.readable(who, id).await?)?;
        let mut db = self.parts.log.pool().acquire().await?;
        let accepted = store::record::accepted(&mut db, id, chunk.0).await?;
        drop(db);
        let accepted = accepted.ok_or(JobsError::Missing("chunk"))?;
        let sha256 = accepted.ok_or(JobsError::NotYet("the chunk"))?.output;
        Ok(BlobInfo { sha256, size: self.parts.blobs.size(sha256).await? })
    }

    /// What a chunk wrote.
    ///
    /// # Errors
    /// As [`Jobs::chunk_bundle`].
    pub async fn chunk_files(
        &self,
        who: &Principal,
        id: JobId,
        chunk: ChunkIndex,
    ) -> Result<ChunkFiles, JobsError> {
        let bundle = self.chunk_bundle(who, (id, chunk)).await?;
        let bytes = self.parts.blobs.get(bundle.sha256).await?;
        let files = tokio::task::spawn_blocking(move || {
            let decoded = decoded(&bytes)?;
            let file = |(name, content): (&str, &[u8])| FileRef {
                name: name.to_owned(),
                sha256: Sha256Hash::of(content),
                size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            };
            let files: Vec<FileRef> = decoded.iter().map(file).collect();
            Ok::<_, JobsError>(result_files(&files))
        });
        Ok(ChunkFiles { bundle, files: files.await.map_err(|_| JobsError::Busy)?? })
    }

    /// One file that a chunk wrote; the empty name is standard output.
    ///
    /// # Errors
    /// [`JobsError::Missing`] when it wrote no such file.
    pub(crate) async fn chunk_file(
        &self,
        who: &Principal,
        at: (JobId, ChunkIndex),
        name: &str,
    ) -> Result<Bytes, JobsError> {
        let bundle = self.chunk_bundle(who, at).await?;
        let bytes = self.parts.blobs.get(bundle.sha256).await?;
        let found = decoded(&bytes)?.get(name).map(Bytes::copy_from_slice);
        found.ok_or(JobsError::Missing("file"))
    }

    /// The files of chunks that are done, so many from an index on, as a zip archive that is
    /// written while it is read.
    ///
    /// # Errors
    /// [`JobsError::NotYet`] when none is done, [`JobsError::Busy`] when too many are written.
    pub(crate) async fn archive(
        &self,
        who: &Principal,
        id: JobId,
        (from, count): (u32, u32),
    ) -> Result<mpsc::Receiver<Part>, JobsError> {
        let job = self.readable(who, id).await?;
        kept(&job)?;
        let turn = ARCHIVES.try_acquire().map_err(|_| JobsError::Busy)?;
        let total = job.counts.total;
        let to = from.saturating_add(count.min(ARCHIVE_CHUNKS_MAX)).min(total);
        let mut db = self.parts.log.pool().acquire().await?;
        let any = !store::record::outputs(&mut db, id, (from, to), 1).await?.is_empty();
        drop(db);
        if !any {
            return Err(JobsError::NotYet("this part of the job"));
        }
        let cut = count >= ARCHIVE_CHUNKS_MAX && to < total;
        let chunks = Chunks { jobs: self.clone(), id, from, to, total, cut };
        let (parts, coming) = mpsc::channel(PARTS_MAX);
        // Ends when the archive is whole or its reader has gone, so it needs no supervisor.
        tokio::task::spawn_blocking(move || write_archive(chunks, parts, turn));
        Ok(coming)
    }

    /// A result file, made of the chunks that are done so far; the result itself once it is there.
    ///
    /// # Errors
    /// [`JobsError::Missing`] when no rule makes such a file, [`JobsError::NotYet`] when nothing is
    /// done, [`JobsError::Merge`] when what is there cannot be put together.
    pub(crate) async fn partial(
        &self,
        who: &Principal,
        id: JobId,
        name: &str,
    ) -> Result<Partial, JobsError> {
        let job = self.readable(who, id).await?;
        kept(&job)?;
        if job.state == JobState::Done {
            let file = job.results.into_iter().find(|file| file.name == name);
            let file = file.ok_or(JobsError::Missing("result"))?;
            let total = job.counts.total;
            return Ok(Partial { file, chunks: total, total });
        }
        let rule = rule(&job, name).ok_or(JobsError::Missing("result"))?;
        let _turn = PREVIEWS.try_acquire().map_err(|_| JobsError::Busy)?;
        let mut db = self.parts.log.pool().acquire().await?;
        let found = store::submission::find(&mut db, id).await?;
        let done = store::record::outputs(&mut db, id, (0, job.counts.total), i64::MAX).await?;
        drop(db);
        let plan = found.ok_or(JobsError::Missing("job"))?.plan;
        let chunks = u32::try_from(done.len()).unwrap_or(u32::MAX);
        let Some((_, first)) = done.first() else { return Err(JobsError::NotYet("the job")) };
        let (outputs, mut unkept) = if rule.how == MergeHow::Tiles {
            self.with_blanks(&rule, &plan, &done, *first).await?
        } else {
            (done.into_iter().map(|(_, output)| output).collect(), Vec::new())
        };
        let made = merge::merge_some(&self.parts.blobs, &[rule], &plan, &outputs).await;
        unkept.extend(made.iter().flatten().map(|file| file.sha256));
        // Nobody owns what a preview is made of: it goes when it was not asked for in a while.
        let mut db = self.parts.log.pool().acquire().await?;
        store::retention::set_aside(&mut db, &unkept, self.parts.clock.now()).await?;
        drop(db);
        let file = result_files(&made?).into_iter().next().ok_or(JobsError::Missing("result"))?;
        Ok(Partial { file, chunks, total: job.counts.total })
    }

    /// The outputs of all tiles, with black ones in place of those that are not done; and these.
    async fn with_blanks(
        &self,
        rule: &MergeRule,
        plan: &Plan,
        done: &[(u32, Sha256Hash)],
        first: Sha256Hash,
    ) -> Result<(Vec<Sha256Hash>, Vec<Sha256Hash>), JobsError> {
        let like = self.parts.blobs.get(first).await?;
        let coloured = decoded(&like)?.get(&rule.file).is_some_and(|tile| tile.starts_with(b"P6"));
        let done: std::collections::BTreeMap<u32, Sha256Hash> = done.iter().copied().collect();
        let mut blanks = std::collections::BTreeMap::new();
        let mut outputs = Vec::new();
        for (index, chunk) in (0_u32..).zip(plan.iter()) {
            if index.is_multiple_of(TILES_AT_ONCE) {
                tokio::task::yield_now().await;
            }
            let ChunkInput::Tile { core_width, core_height, .. } = chunk else { continue };
            let size = (core_width, core_height);
            let output = match (done.get(&index), blanks.get(&size)) {
                (Some(output), _) | (None, Some(output)) => *output,
                (None, None) => {
                    let mut bundle = Bundle::default();
                    bundle.insert(rule.file.clone(), black(size, coloured));
                    let put = self.parts.blobs.put(bundle.encode().into()).await?;
                    blanks.insert(size, put);
                    put
                }
            };
            outputs.push(output);
        }
        Ok((outputs, blanks.into_values().collect()))
    }
}

/// The rule that makes a result file.
fn rule(job: &JobView, name: &str) -> Option<MergeRule> {
    // What the merger does where nothing is said.
    let usual = || MergeRule {
        file: String::new(),
        how: MergeHow::Concat,
        sort: 0,
        to: "result".to_owned(),
    };
    match job.spec.merge.as_slice() {
        [] => Some(usual()).filter(|rule| rule.to == name),
        rules => rules.iter().find(|rule| rule.to == name).cloned(),
    }
}

/// A black picture, as PGM or PPM.
fn black((width, height): (u32, u32), coloured: bool) -> Vec<u8> {
    let kind = if coloured { 6 } else { 5 };
    let samples = if coloured { 3_u64 } else { 1 };
    let mut picture = format!("P{kind}\n{width} {height}\n255\n").into_bytes();
    let bytes = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(samples);
    let bytes = usize::try_from(bytes).unwrap_or_default();
    picture.resize(picture.len().saturating_add(bytes), 0);
    picture
}

fn decoded(bytes: &[u8]) -> Result<Bundle, JobsError> {
    // What agents report is checked when it comes in; only a damaged store gets here.
    Bundle::decode(bytes).map_err(|_| JobsError::Blob(BlobError::Missing))
}

/// The chunks of an archive.
struct Chunks {
    jobs: Jobs,
    id: JobId,
    from: u32,
    to: u32,
    total: u32,
    /// Whether there would be more if an archive had no limit.
    cut: bool,
}

impl Chunks {
    /// The next of those that are done, from an index on.
    async fn next(&self, from: u32) -> Result<Vec<(u32, Sha256Hash)>, sqlx::Error> {
        let mut db = self.jobs.parts.log.pool().acquire().await?;
        store::record::outputs(&mut db, self.id, (from, self.to), LOOK_UP).await
    }

    /// What the archive says of those that have no room in it.
    fn more(&self) -> String {
        let Self { id, from, to, total, .. } = self;
        let last = to.saturating_sub(1);
        format!(
            "This archive has chunks {from} to {last} of {total}, as far as they were done. The \
             next ones are at\n/v1/jobs/{id}/chunks.zip?from={to}\n"
        )
    }
}

/// Runs on the blocking pool, and keeps its turn to the end.
fn write_archive(chunks: Chunks, parts: mpsc::Sender<Part>, turn: SemaphorePermit<'static>) {
    let mut pipe = Pipe { part: BytesMut::with_capacity(PART_BYTES), parts };
    let written = fill(&chunks, &mut pipe).and_then(|()| pipe.flush());
    if let Err(error) = written {
        if error.kind() != io::ErrorKind::BrokenPipe {
            tracing::error!(%error, "an archive of chunks was cut short");
        }
        // The reader must not take it for whole. If it has gone, there is nobody to tell.
        drop(pipe.parts.blocking_send(Err(error)));
    }
    drop(turn);
}

/// Each chunk is a folder like `007`, with `stdout` and what the program wrote to `/out` in it.
fn fill(chunks: &Chunks, pipe: &mut Pipe) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let digits = chunks.total.saturating_sub(1).to_string().len();
    let (runtime, blobs) = (Handle::current(), &chunks.jobs.parts.blobs);
    let mut archive = ZipWriter::new_stream(pipe);
    let mut from = chunks.from;
    while let outputs = runtime.block_on(chunks.next(from)).map_err(io::Error::other)?
        && let Some((last, _)) = outputs.last()
    {
        from = last.saturating_add(1);
        for (chunk, sha256) in outputs {
            let bytes = runtime.block_on(blobs.get(sha256)).map_err(io::Error::other)?;
            let bundle = Bundle::decode(&bytes).map_err(io::Error::other)?;
            for (name, content) in bundle.iter() {
                let path = match name {
                    "" => format!("{chunk:0digits$}/stdout"),
                    name => format!("{chunk:0digits$}/out/{name}"),
                };
                let large = u32::try_from(content.len()).is_err();
                archive.start_file(path, options.large_file(large))?;
                archive.write_all(content)?;
            }
        }
    }
    if chunks.cut {
        archive.start_file("MORE.txt", options)?;
        archive.write_all(chunks.more().as_bytes())?;
    }
    archive.finish()?.flush()
}

/// Hands on what is written, part by part.
struct Pipe {
    part: BytesMut,
    parts: mpsc::Sender<Part>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = self.part.split().freeze();
        self.parts.blocking_send(Ok(part)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_tile_is_a_picture_of_its_size() {
        assert_eq!(black((2, 1), false), b"P5\n2 1\n255\n\0\0");
        assert_eq!(black((1, 1), true), b"P6\n1 1\n255\n\0\0\0");
    }
}
