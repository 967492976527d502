//! The plan of a job: what each chunk gets.

use std::fmt;

use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};

use super::chunks::{ChunkInputs, Rule};
use super::error::SplitError;
use super::json::{Axis, LineLens};
use super::tile;
use crate::domain::InputBytes;

/// The most chunks of a job.
pub const CHUNKS_MAX: u32 = 1_000_000;
/// The most bytes of a chunk's input: an agent holds it in memory while it runs.
pub const CHUNK_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What each chunk gets, without its bytes where a range will do. Its JSON is hashed into the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// In chunk order.
    pub chunks: ChunkInputs,
    /// The picture that tiles are cut from.
    pub picture: Option<Picture>,
    /// Bytes of the input's header, a table's first row, which stands before each chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<u64>,
    /// The parameters that combinations are made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid: Vec<Axis>,
    /// What pieces are cut from, where it is not the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Pieces>,
}

/// The files that a splitter of the consumer's own wrote, as one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pieces {
    /// The blob.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
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
    /// Bytes of the plan's pieces, or of the input where it has none, on standard input and under
    /// `/in`.
    Piece {
        /// Its file's plain name.
        name: String,
        /// Of the first byte.
        offset: u64,
        /// At least 1.
        len: u64,
    },
    /// A range of numbers, as text on standard input.
    Seeds {
        /// First number.
        first: u64,
        /// How many.
        count: u64,
    },
}

/// What the chunks of a plan come to, in bytes of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Of all chunks together.
    pub bytes: u64,
    /// Of the largest.
    pub largest: u64,
}

impl Plan {
    /// Of chunks that are listed one by one.
    pub(crate) const fn of(chunks: Vec<ChunkInput>) -> Self {
        Self::with(ChunkInputs::List(chunks))
    }

    /// Of chunks that follow a rule.
    pub(crate) const fn by(rule: Rule) -> Self {
        Self::with(ChunkInputs::Rule(rule))
    }

    const fn with(chunks: ChunkInputs) -> Self {
        Self { chunks, picture: None, header: None, grid: Vec::new(), pieces: None }
    }

    /// How many chunks there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.chunks {
            ChunkInputs::List(list) => u64::try_from(list.len()).unwrap_or(u64::MAX),
            ChunkInputs::Rule(Rule::Bytes(steps) | Rule::Seeds(steps) | Rule::Grid(steps)) => {
                steps.count()
            }
            ChunkInputs::Rule(Rule::Ranges(ranges)) => ranges.count(),
            ChunkInputs::Rule(Rule::Tiles(tiles)) => {
                self.picture.as_ref().map_or(0, |picture| tile::count(picture, *tiles))
            }
        }
    }

    /// What one chunk gets.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<ChunkInput> {
        let rule = match &self.chunks {
            ChunkInputs::List(list) => return list.get(usize::try_from(index).ok()?).cloned(),
            ChunkInputs::Rule(rule) => rule,
        };
        let range = |(offset, len)| ChunkInput::Range { offset, len };
        match rule {
            Rule::Bytes(steps) => steps.get(index).map(range),
            Rule::Ranges(ranges) => ranges.get(index).map(range),
            Rule::Seeds(steps) => {
                steps.get(index).map(|(first, count)| ChunkInput::Seeds { first, count })
            }
            Rule::Grid(steps) => {
                let (first, count) = steps.get(index)?;
                let len = LineLens::of(&self.grid).of_lines(first, count);
                Some(ChunkInput::Grid { first, count, len })
            }
            Rule::Tiles(tiles) => tile::get(self.picture.as_ref()?, *tiles, index),
        }
    }

    /// What each chunk gets, in chunk order.
    pub fn iter(&self) -> impl Iterator<Item = ChunkInput> {
        (0..self.count()).filter_map(|index| self.get(index))
    }

    /// Bytes of one chunk's input.
    #[must_use]
    pub fn bytes_of_chunk(&self, index: u32) -> u64 {
        self.get(index.into()).map_or(0, |chunk| self.bytes_of(&chunk))
    }

    fn bytes_of(&self, chunk: &ChunkInput) -> u64 {
        match chunk {
            ChunkInput::Range { len, .. } => len.saturating_add(self.header.unwrap_or_default()),
            ChunkInput::Grid { len, .. } | ChunkInput::Piece { len, .. } => *len,
            ChunkInput::Files { files } => {
                let paths = u64::try_from(paths(files).len()).unwrap_or(u64::MAX);
                files.iter().map(|file| file.size).fold(paths, u64::saturating_add)
            }
            ChunkInput::File { size, .. } => *size,
            ChunkInput::Tile { width, height, .. } => {
                let pixels = u64::from(*width).saturating_mul(u64::from(*height));
                let picture = self.picture.as_ref();
                pixels.saturating_add(picture.map_or(0, |picture| tile::header_len(chunk, picture)))
            }
            ChunkInput::Seeds { first, count } => text_len(format_args!("{first} {count}\n")),
        }
    }

    /// Bytes of each chunk's input, in chunk order.
    pub(crate) fn sizes(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match &self.chunks {
            ChunkInputs::Rule(Rule::Ranges(ranges)) => {
                let header = self.header.unwrap_or_default();
                Box::new(ranges.lens().map(move |len| len.saturating_add(header)))
            }
            ChunkInputs::Rule(Rule::Grid(steps)) => {
                let (steps, lens) = (*steps, LineLens::of(&self.grid));
                let steps = (0..steps.count()).filter_map(move |index| steps.get(index));
                Box::new(steps.map(move |(first, count)| lens.of_lines(first, count)))
            }
            ChunkInputs::Rule(_) | ChunkInputs::List(_) => {
                Box::new(self.iter().map(|chunk| self.bytes_of(&chunk)))
            }
        }
    }

    /// Measures the plan, and refuses one that no job may have. Looks at every chunk.
    pub(super) fn measure(&self) -> Result<Measure, SplitError> {
        match self.count() {
            0 => return Err(SplitError::InputEmpty),
            count if count > u64::from(CHUNKS_MAX) => return Err(SplitError::TooManyChunks),
            _ => {}
        }
        let mut measure = Measure { bytes: 0, largest: 0 };
        for (chunk, bytes) in self.sizes().enumerate() {
            if bytes > CHUNK_BYTES_MAX {
                return Err(SplitError::ChunkTooLarge { chunk, bytes });
            }
            measure.bytes = measure.bytes.saturating_add(bytes);
            measure.largest = measure.largest.max(bytes);
        }
        Ok(measure)
    }
}

impl InputBytes for Plan {
    fn bytes_of_chunk(&self, chunk: u32) -> u64 {
        Self::bytes_of_chunk(self, chunk)
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

/// Bytes of a text that is not made.
pub(super) fn text_len(text: fmt::Arguments<'_>) -> u64 {
    struct Count(usize);
    impl fmt::Write for Count {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.saturating_add(part.len());
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting does not fail.
    let counted = fmt::write(&mut count, text).map(|()| count.0);
    counted.map_or(u64::MAX, |len| u64::try_from(len).unwrap_or(u64::MAX))
}
