//! Looking through an input once, and planning its chunks.

use std::io::{self, Read as _};
use std::sync::Arc;

use bytes::Bytes;
use medusa_api::{Size, Split};
use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;
use tokio::sync::Semaphore;

use super::blob_io::{BlobReader, BlobWriter, Trouble, in_turn};
use super::chunks::{Rule, Steps, Tiles};
use super::cut::{ItemError, Items, Lines};
use super::describe::grouped;
use super::error::SplitError;
use super::json::JsonLines;
use super::plan::{Measure, Picture, Plan};
use super::table::Rows;
use super::{cut, expand, json, own, picture};

/// More than the pixels of any picture that is read.
const PICTURE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Inputs that are looked through at the same time.
pub(super) static SCANS: Semaphore = Semaphore::const_new(8);

/// A plan that a job may have, with all that is worked out by looking at each of its chunks.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Arc<Plan>,
    /// What its chunks come to.
    pub measure: Measure,
    /// The plan as JSON: the bytes whose hash stands in the log.
    pub json: Vec<u8>,
    /// SHA-256 of these bytes.
    pub sha256: Sha256Hash,
}

impl Planned {
    /// Refuses plans that no job may have. Takes long for many chunks.
    pub(super) fn of(plan: Plan) -> Result<Self, SplitError> {
        let measure = plan.measure()?;
        let json = serde_json::to_vec(&plan).map_err(|error| SplitError::Read(error.into()))?;
        let sha256 = Sha256Hash::of(&json);
        Ok(Self { plan: Arc::new(plan), measure, json, sha256 })
    }
}

/// Plans the chunks of an input. Seconds must have become a count; a program of the consumer's own
/// is run by the caller, and [`plan_written`] reads what it wrote.
///
/// # Errors
/// [`SplitError`] when the input cannot be split so.
pub async fn plan(
    blobs: &BlobStore,
    split: &Split,
    input: Option<Sha256Hash>,
) -> Result<Planned, SplitError> {
    if let Split::Range { from, to, step } = *split {
        let plan = Plan::by(Rule::Seeds(Steps { from, to, step: counted(step).max(1) }));
        return tokio::task::spawn_blocking(move || Planned::of(plan)).await?;
    }
    let scan = Scan::open(blobs, input).await?;
    let split = split.clone();
    in_turn(&SCANS, move || Planned::of(scan.plan(&split)?)).await?
}

/// The plan that the output of a splitter of the consumer's own stands for, beside an input of so
/// many bytes. Where it has pieces, the output is their blob.
///
/// # Errors
/// [`SplitError`] when it is no plan that a job may have.
pub(crate) async fn plan_written(output: Bytes, input: Option<u64>) -> Result<Planned, SplitError> {
    in_turn(&SCANS, move || Planned::of(own::plan(&output, input)?)).await?
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
            | Split::Grid { .. }
            | Split::Program { .. } => None,
        })
    }

    /// Why items of this splitter end.
    pub(super) fn refused(&self, split: &Split, error: ItemError) -> SplitError {
        match (error, split) {
            (ItemError::Read(error), _) => self.failed(error),
            (ItemError::TooLarge { chunk, bytes }, _) => SplitError::ChunkTooLarge { chunk, bytes },
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
            let ranges = packed.map_err(|error| self.refused(split, error))?;
            return Ok(Plan { header, ..Plan::by(Rule::Ranges(ranges)) });
        }
        match *split {
            Split::Bytes { bytes } => {
                let steps = Steps { from: 0, to: self.size, step: bytes.max(1) };
                Ok(Plan::by(Rule::Bytes(steps)))
            }
            Split::Files { group } => {
                Ok(Plan::of(expand::by_files(&self.blobs, self.hash, self.size, group)?))
            }
            Split::Grid { per_chunk } => self.grid(per_chunk),
            Split::Tiles { width, height, overlap } => {
                let (width, height) = (width.max(1), height.max(1));
                let tiles = Rule::Tiles(Tiles { width, height, overlap });
                Ok(Plan { picture: Some(self.picture()?), ..Plan::by(tiles) })
            }
            // The first ones have items, a range has no input, and a program is run elsewhere.
            Split::Lines { .. }
            | Split::CsvRows { .. }
            | Split::Jsonl { .. }
            | Split::Range { .. }
            | Split::Program { .. } => Ok(Plan::of(Vec::new())),
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
        let steps = json::by_grid(&grid, per_chunk).map_err(SplitError::Grid)?;
        Ok(Plan { grid, ..Plan::by(Rule::Grid(steps)) })
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
