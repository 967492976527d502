//! The plan of a job: what each chunk gets.

use std::io;

use medusa_api::Split;
use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::blob_io::{BlobReader, BlobWriter, Trouble, in_turn};
use super::describe::{counted, grouped};
use super::error::SplitError;
use super::{cut, expand, picture, tile};

/// The most chunks of a job.
pub const CHUNKS_MAX: usize = 100_000;
/// The most bytes of a chunk's input: an agent holds it in memory while it runs.
pub const CHUNK_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// More than the pixels of any picture that is read.
const PICTURE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Inputs that are looked through at the same time.
pub(super) static SCANS: Semaphore = Semaphore::const_new(8);

/// What each chunk gets, without its bytes where a range will do. Its JSON is hashed into the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// In chunk order.
    pub chunks: Vec<ChunkInput>,
    /// The picture that tiles are cut from.
    pub picture: Option<Picture>,
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The blob of its grey pixels, row by row: a tile is cut from it without decoding again.
    pub grey: Sha256Hash,
}

/// What one chunk gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ChunkInput {
    /// Bytes of the input, on standard input.
    Range {
        /// Of the first byte.
        offset: u64,
        /// At least 1.
        len: u64,
    },
    /// A file, on standard input and under `/in`.
    File {
        /// Its plain name in the archive.
        name: String,
        /// Its content.
        sha256: Sha256Hash,
        /// Its length in bytes.
        size: u64,
    },
    /// Part of the picture, as PGM on standard input.
    Tile {
        /// Left edge.
        x: u32,
        /// Upper edge.
        y: u32,
        /// With overlap.
        width: u32,
        /// With overlap.
        height: u32,
        /// Left edge of the core.
        core_x: u32,
        /// Upper edge of the core.
        core_y: u32,
        /// Without overlap.
        core_width: u32,
        /// Without overlap.
        core_height: u32,
    },
    /// A range of numbers, as text on standard input.
    Seeds {
        /// First number.
        first: u64,
        /// How many.
        count: u64,
    },
}

impl Plan {
    /// For people, like `48 tiles of 128 x 128 pixels`.
    #[must_use]
    pub fn in_words(&self, split: &Split) -> String {
        let chunks = u64::try_from(self.chunks.len()).unwrap_or(u64::MAX);
        match split {
            Split::Lines { lines } => {
                format!("{} of {}", counted(chunks, "part"), counted(*lines, "line"))
            }
            Split::Bytes { bytes } => {
                format!("{} of {}", counted(chunks, "part"), counted(*bytes, "byte"))
            }
            Split::Files {} => counted(chunks, "file"),
            Split::Tiles { width, height, .. } => {
                let (width, height) = (grouped(*width), grouped(*height));
                format!("{} of {width} x {height} pixels", counted(chunks, "tile"))
            }
            Split::Range { step, .. } => {
                format!("{} of {}", counted(chunks, "range"), counted(*step, "number"))
            }
        }
    }

    /// Bytes of all chunks' inputs together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| self.bytes_of(chunk)).fold(0, u64::saturating_add)
    }

    /// Bytes of the largest chunk's input.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.chunks.iter().map(|chunk| self.bytes_of(chunk)).max().unwrap_or_default()
    }

    /// Bytes of one chunk's input.
    #[must_use]
    pub fn bytes_of_chunk(&self, index: u32) -> u64 {
        let chunk = usize::try_from(index).ok().and_then(|i| self.chunks.get(i));
        chunk.map_or(0, |chunk| self.bytes_of(chunk))
    }

    fn bytes_of(&self, chunk: &ChunkInput) -> u64 {
        let text = |text: String| u64::try_from(text.len()).unwrap_or(u64::MAX);
        match chunk {
            ChunkInput::Range { len, .. } => *len,
            ChunkInput::File { size, .. } => *size,
            ChunkInput::Tile { width, height, .. } => {
                let header = self.picture.as_ref().map(|picture| tile::header(chunk, picture));
                let pixels = u64::from(*width).saturating_mul(u64::from(*height));
                pixels.saturating_add(header.map_or(0, text))
            }
            ChunkInput::Seeds { first, count } => text(seeds(*first, *count)),
        }
    }

    /// Refuses plans that no job may have.
    pub(super) fn checked(self) -> Result<Self, SplitError> {
        if self.chunks.is_empty() {
            return Err(SplitError::InputEmpty);
        }
        if self.chunks.len() > CHUNKS_MAX {
            return Err(SplitError::TooManyChunks);
        }
        let sizes = self.chunks.iter().map(|chunk| self.bytes_of(chunk)).enumerate();
        match sizes.into_iter().find(|(_, bytes)| *bytes > CHUNK_BYTES_MAX) {
            Some((chunk, bytes)) => Err(SplitError::ChunkTooLarge { chunk, bytes }),
            None => Ok(self),
        }
    }
}

/// Standard input of a range of numbers.
pub(super) fn seeds(first: u64, count: u64) -> String {
    format!("{first} {count}\n")
}

/// Plans the chunks of an input.
///
/// # Errors
/// [`SplitError`] when the input cannot be split so.
pub async fn plan(
    blobs: &BlobStore,
    split: &Split,
    input: Option<Sha256Hash>,
) -> Result<Plan, SplitError> {
    if let Split::Range { from, to, step } = split {
        return Plan { chunks: cut::by_range(*from, *to, *step), picture: None }.checked();
    }
    let hash = input.ok_or(SplitError::InputMissing)?;
    let size = blobs.size(hash).await.map_err(SplitError::of_blob(hash))?;
    if size == 0 {
        return Err(SplitError::InputEmpty);
    }
    let (blobs, split) = (blobs.clone(), split.clone());
    in_turn(&SCANS, move || scan(&blobs, &split, hash, size)?.checked()).await?
}

/// Looks through the whole input. Runs on the blocking pool.
fn scan(blobs: &BlobStore, split: &Split, hash: Sha256Hash, size: u64) -> Result<Plan, SplitError> {
    let trouble = Trouble::default();
    let reader = || BlobReader::new(blobs, hash, size, &trouble);
    let read = |error: io::Error| trouble.take().map_or(SplitError::Read(error), SplitError::Store);
    let chunks = match split {
        Split::Lines { lines } => cut::by_lines(reader(), *lines).map_err(read)?,
        Split::Bytes { bytes } => cut::by_bytes(size, *bytes),
        Split::Files {} => expand::by_files(blobs, hash, size)?,
        Split::Range { from, to, step } => cut::by_range(*from, *to, *step),
        Split::Tiles { width, height, overlap } => {
            let picture = decode(blobs, reader(), &trouble)?;
            let chunks = tile::by_tiles(&picture, *width, *height, *overlap);
            return Ok(Plan { chunks, picture: Some(picture) });
        }
    };
    Ok(Plan { chunks, picture: None })
}

/// Stores a picture's grey pixels.
fn decode(blobs: &BlobStore, png: BlobReader, trouble: &Trouble) -> Result<Picture, SplitError> {
    let mut pixels = BlobWriter::new(blobs, PICTURE_BYTES_MAX, trouble);
    let (width, height) = picture::read_grey(png, &mut pixels).map_err(|error| {
        trouble.take().map_or_else(|| SplitError::Picture(error.to_string()), SplitError::Store)
    })?;
    let stored = pixels.finish();
    let (grey, _) = stored
        .map_err(|error| trouble.take().map_or(SplitError::Read(error), SplitError::Store))?;
    Ok(Picture { width, height, grey })
}
