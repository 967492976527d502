//! The plan of a job: what each chunk gets.

use std::io::{self, Read as _};

use medusa_api::{Size, Split};
use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::blob_io::{BlobReader, BlobWriter, Trouble, in_turn};
use super::cut::{ItemError, Items, Lines};
use super::describe::grouped;
use super::error::SplitError;
use super::json::{Axis, JsonLines};
use super::table::Rows;
use super::{cut, expand, json, picture, tile};

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
    /// Bytes of the input's header, a table's first row, which stands before each chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<u64>,
    /// The parameters that combinations are made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid: Vec<Axis>,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInput {
    /// Its plain name in the archive.
    pub name: String,
    /// Its content.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
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
    /// Files under `/in`, and their paths on standard input.
    Files {
        /// At least one, in the order of their names.
        files: Vec<FileInput>,
    },
    /// Combinations of parameters, as JSON lines on standard input.
    Grid {
        /// Index of the first.
        first: u64,
        /// How many.
        count: u64,
        /// Bytes of their lines.
        len: u64,
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
    /// Of these chunks alone.
    pub(crate) const fn of(chunks: Vec<ChunkInput>) -> Self {
        Self { chunks, picture: None, header: None, grid: Vec::new() }
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
            ChunkInput::Range { len, .. } => len.saturating_add(self.header.unwrap_or_default()),
            ChunkInput::Grid { len, .. } => *len,
            ChunkInput::Files { files } => {
                files.iter().map(|file| file.size).fold(text(paths(files)), u64::saturating_add)
            }
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

/// Standard input of a group of files: their paths, one to a line. Names have no line feeds.
pub(super) fn paths(files: &[FileInput]) -> String {
    files.iter().map(|file| format!("/in/{}\n", file.name)).collect()
}

/// Plans the chunks of an input. Seconds must have become a count.
///
/// # Errors
/// [`SplitError`] when the input cannot be split so.
pub async fn plan(
    blobs: &BlobStore,
    split: &Split,
    input: Option<Sha256Hash>,
) -> Result<Plan, SplitError> {
    if let Split::Range { from, to, step } = split {
        return Plan::of(cut::by_range(*from, *to, counted(*step))).checked();
    }
    let scan = Scan::open(blobs, input).await?;
    let split = split.clone();
    in_turn(&SCANS, move || scan.plan(&split)?.checked()).await?
}

/// Items of a size that is a count; one, where it is none.
pub(super) const fn counted(size: Size) -> u64 {
    match size {
        Size::Count(n) => n,
        Size::Bytes(_) | Size::Seconds(_) => 1,
    }
}

/// An input that is looked through as a whole. Its methods run on the blocking pool.
pub(super) struct Scan {
    blobs: BlobStore,
    hash: Sha256Hash,
    pub(super) size: u64,
    trouble: Trouble,
}

impl Scan {
    /// Finds the input, which must not be empty.
    pub(super) async fn open(
        blobs: &BlobStore,
        input: Option<Sha256Hash>,
    ) -> Result<Self, SplitError> {
        let hash = input.ok_or(SplitError::InputMissing)?;
        let size = blobs.size(hash).await.map_err(SplitError::of_blob(hash))?;
        if size == 0 {
            return Err(SplitError::InputEmpty);
        }
        Ok(Self { blobs: blobs.clone(), hash, size, trouble: Trouble::default() })
    }

    fn reader(&self) -> BlobReader {
        BlobReader::new(&self.blobs, self.hash, self.size, &self.trouble)
    }

    /// The items of a splitter that has any, and the length of the header before them.
    #[expect(clippy::type_complexity, reason = "a boxed reader and a length")]
    pub(super) fn items(
        &self,
        split: &Split,
    ) -> Result<Option<(Box<dyn Items>, Option<u64>, Size)>, SplitError> {
        Ok(match split {
            Split::Lines { lines } => Some((Box::new(Lines(self.reader())), None, *lines)),
            Split::Jsonl { size } => Some((Box::new(JsonLines::new(self.reader())), None, *size)),
            Split::CsvRows { size } => {
                let mut rows = Rows::new(self.reader());
                let header = rows.header().map_err(|error| self.refused(split, error))?;
                Some((Box::new(rows), Some(header), *size))
            }
            Split::Bytes { .. }
            | Split::Files { .. }
            | Split::Tiles { .. }
            | Split::Range { .. }
            | Split::Grid { .. } => None,
        })
    }

    /// Why items of this splitter end.
    pub(super) fn refused(&self, split: &Split, error: ItemError) -> SplitError {
        match (error, split) {
            (ItemError::Read(error), _) => self.failed(error),
            (ItemError::Refused(why), Split::CsvRows { .. }) => SplitError::Table(why),
            (ItemError::Refused(why), _) => SplitError::JsonLines(why),
        }
    }

    fn failed(&self, error: io::Error) -> SplitError {
        self.trouble.take().map_or(SplitError::Read(error), SplitError::Store)
    }

    fn plan(&self, split: &Split) -> Result<Plan, SplitError> {
        if let Some((mut items, header, size)) = self.items(split)? {
            let packed = cut::pack(&mut *items, header.unwrap_or_default(), size);
            let chunks = packed.map_err(|error| self.refused(split, error))?;
            return Ok(Plan { header, ..Plan::of(chunks) });
        }
        match split {
            Split::Bytes { bytes } => Ok(Plan::of(cut::by_bytes(self.size, *bytes))),
            Split::Files { group } => {
                Ok(Plan::of(expand::by_files(&self.blobs, self.hash, self.size, *group)?))
            }
            Split::Range { from, to, step } => {
                Ok(Plan::of(cut::by_range(*from, *to, counted(*step))))
            }
            Split::Grid { per_chunk } => self.grid(*per_chunk),
            Split::Tiles { width, height, overlap } => {
                let picture = self.picture()?;
                let chunks = tile::by_tiles(&picture, *width, *height, *overlap);
                Ok(Plan { picture: Some(picture), ..Plan::of(chunks) })
            }
            // These have items.
            Split::Lines { .. } | Split::CsvRows { .. } | Split::Jsonl { .. } => {
                Ok(Plan::of(Vec::new()))
            }
        }
    }

    /// Reads the description of a grid.
    fn grid(&self, per_chunk: u64) -> Result<Plan, SplitError> {
        if self.size > json::GRID_BYTES_MAX {
            let most = grouped(json::GRID_BYTES_MAX);
            return Err(SplitError::Grid(format!("its description is longer than {most} bytes")));
        }
        let mut text = Vec::new();
        self.reader().read_to_end(&mut text).map_err(|error| self.failed(error))?;
        let grid = json::read_grid(&text).map_err(SplitError::Grid)?;
        let chunks = json::by_grid(&grid, per_chunk).map_err(SplitError::Grid)?;
        Ok(Plan { grid, ..Plan::of(chunks) })
    }

    /// Stores the picture's grey pixels.
    fn picture(&self) -> Result<Picture, SplitError> {
        let mut pixels = BlobWriter::new(&self.blobs, PICTURE_BYTES_MAX, &self.trouble);
        let read = picture::read_grey(self.reader(), &mut pixels);
        let (width, height) = read.map_err(|error| {
            let store = self.trouble.take();
            store.map_or_else(|| SplitError::Picture(error.to_string()), SplitError::Store)
        })?;
        let (grey, _) = pixels.finish().map_err(|error| self.failed(error))?;
        Ok(Picture { width, height, grey })
    }
}
