//! The bytes of each chunk of a job.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;
use tokio::sync::OnceCell;

use super::error::SplitError;
use super::plan::{ChunkInput, Picture, Plan, paths, seeds};
use super::{json, tile};

/// What a chunk's program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Standard input.
    pub stdin: Source,
    /// Files by guest path without the leading slash, like `in/name`.
    pub files: Vec<(String, Source)>,
}

/// Where bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// They are these.
    Bytes(Bytes),
    /// They are these, and after them part of a blob.
    Headed {
        /// The first bytes.
        head: Bytes,
        /// The blob.
        sha256: Sha256Hash,
        /// Its whole length.
        size: u64,
        /// Of the first byte.
        offset: u64,
        /// How many of the blob.
        len: u64,
    },
    /// They are part of a blob.
    Blob {
        /// The blob.
        sha256: Sha256Hash,
        /// Its whole length.
        size: u64,
        /// Of the first byte.
        offset: u64,
        /// How many.
        len: u64,
    },
}

/// Resolves the chunks of one job. Holds no content: a tile is read as the rows that it needs.
#[derive(Debug)]
pub struct Inputs {
    blobs: BlobStore,
    plan: Arc<Plan>,
    input: Option<Sha256Hash>,
    input_size: OnceCell<u64>,
    header: OnceCell<Bytes>,
}

impl Inputs {
    /// For a job with this plan and input.
    #[must_use]
    pub fn new(blobs: BlobStore, plan: Arc<Plan>, input: Option<Sha256Hash>) -> Self {
        Self { blobs, plan, input, input_size: OnceCell::new(), header: OnceCell::new() }
    }

    /// What one chunk gets: always the same.
    ///
    /// # Errors
    /// [`SplitError`] when there is no such chunk or the store fails.
    pub async fn resolve(&self, index: u32) -> Result<Resolved, SplitError> {
        let chunk = self.plan.get(index.into()).ok_or(SplitError::ChunkUnknown(index))?;
        match &chunk {
            ChunkInput::Range { offset, len } => {
                let sha256 = self.input.ok_or(SplitError::InputMissing)?;
                let (offset, len) = (*offset, *len);
                let size = self.input_size(sha256).await?;
                let stdin = match self.plan.header {
                    None => Source::Blob { sha256, size, offset, len },
                    Some(header) => {
                        let head = self.header(sha256, header).await?;
                        Source::Headed { head, sha256, size, offset, len }
                    }
                };
                Ok(Resolved { stdin, files: Vec::new() })
            }
            ChunkInput::File { name, sha256, size } => {
                let (path, file) = file(name, *sha256, *size);
                Ok(Resolved { stdin: file.clone(), files: vec![(path, file)] })
            }
            ChunkInput::Piece { name, offset, len } => {
                let (sha256, size) = self.pieces().await?;
                let (offset, len) = (*offset, *len);
                let piece = Source::Blob { sha256, size, offset, len };
                Ok(Resolved { stdin: piece.clone(), files: vec![(format!("in/{name}"), piece)] })
            }
            ChunkInput::Files { files } => {
                let stdin = Source::Bytes(Bytes::from(paths(files)));
                let files = files.iter().map(|f| file(&f.name, f.sha256, f.size)).collect();
                Ok(Resolved { stdin, files })
            }
            ChunkInput::Grid { first, count, .. } => {
                let lines = json::grid_lines(&self.plan.grid, *first, *count);
                Ok(Resolved { stdin: Source::Bytes(Bytes::from(lines)), files: Vec::new() })
            }
            ChunkInput::Tile { .. } => {
                let picture = self.plan.picture.as_ref().ok_or(SplitError::InputMissing)?;
                let stdin = Source::Bytes(self.tile(&chunk, picture).await?);
                Ok(Resolved { stdin, files: Vec::new() })
            }
            ChunkInput::Seeds { first, count } => {
                let stdin = Source::Bytes(Bytes::from(seeds(*first, *count)));
                Ok(Resolved { stdin, files: Vec::new() })
            }
        }
    }

    /// What pieces are cut from, and its length.
    async fn pieces(&self) -> Result<(Sha256Hash, u64), SplitError> {
        if let Some(pieces) = self.plan.pieces {
            return Ok((pieces.sha256, pieces.size));
        }
        let sha256 = self.input.ok_or(SplitError::InputMissing)?;
        Ok((sha256, self.input_size(sha256).await?))
    }

    async fn input_size(&self, hash: Sha256Hash) -> Result<u64, SplitError> {
        let size = self.input_size.get_or_try_init(|| self.blobs.size(hash));
        size.await.copied().map_err(SplitError::of_blob(hash))
    }

    /// The header of the table, which is read once.
    async fn header(&self, hash: Sha256Hash, len: u64) -> Result<Bytes, SplitError> {
        let header = self.header.get_or_try_init(|| self.blobs.get_range(hash, 0..len));
        header.await.cloned().map_err(SplitError::of_blob(hash))
    }

    async fn tile(&self, chunk: &ChunkInput, picture: &Picture) -> Result<Bytes, SplitError> {
        let ChunkInput::Tile { x, y, width, height, .. } = *chunk else {
            return Ok(Bytes::new());
        };
        let header = tile::header(chunk, picture);
        let stride = picture.width;
        let offset_of = |row: u32| u64::from(row).saturating_mul(u64::from(stride));
        let rows = offset_of(y)..offset_of(y.saturating_add(height));
        let read = self.blobs.get_range(picture.grey, rows);
        let rows = read.await.map_err(SplitError::of_blob(picture.grey))?;
        let cropped = tokio::task::spawn_blocking(move || {
            let mut pgm = BytesMut::with_capacity(header.len().saturating_add(rows.len()));
            pgm.put_slice(header.as_bytes());
            tile::crop(&rows, stride, x, width).for_each(|row| pgm.put_slice(row));
            pgm.freeze()
        });
        Ok(cropped.await?)
    }
}

/// A file with its guest path.
fn file(name: &str, sha256: Sha256Hash, size: u64) -> (String, Source) {
    (format!("in/{name}"), Source::Blob { sha256, size, offset: 0, len: size })
}
