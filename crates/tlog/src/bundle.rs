//! Entry bundles: the stored bytes of up to 256 neighbouring leaves, each behind its length in two
//! bytes, the higher first (C2SP tlog-tiles).

use std::fmt;
use std::str::FromStr;

use crate::tile_id::{Place, TILE_WIDTH, TileError, TileId, width_in_row};

/// Bytes that an entry can have, as its length stands in two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Why a bundle was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// There is nothing in it.
    #[error("the bundle is empty; it has 1 to 256 entries")]
    Empty,
    /// More entries than a bundle can have.
    #[error("the bundle has more than 256 entries; make several bundles")]
    TooMany,
    /// An entry whose length does not fit into two bytes.
    #[error("entry {entry} has {bytes} bytes, but 65535 is the most; make it shorter")]
    TooLong {
        /// The entry, from 0.
        entry: usize,
        /// Its length.
        bytes: usize,
    },
    /// The bytes end inside an entry.
    #[error("the bundle ends inside entry {entry}; fetch it again")]
    Cut {
        /// The entry, from 0.
        entry: usize,
    },
}

/// The name of a bundle: the entries of the tile of leaves at the same index and of that width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    index: u64,
    width: u16,
}

impl BundleId {
    /// A bundle at this place, of 1 to 256 entries.
    ///
    /// # Errors
    /// [`TileError::Place`] when no tree can have it.
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        TileId::new(0, index, width).map(|_| Self { index, width })
    }

    /// The bundle at this place as wide as it is in a tree of `size` leaves.
    #[must_use]
    pub fn in_tree(index: u64, size: u64) -> Option<Self> {
        width_in_row(index, size).map(|width| Self { index, width })
    }

    /// The place among the bundles, from 0: its first entry is leaf 256 x index.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many entries, 1 to 256.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/entries/{}", Place { index: self.index, width: self.width })
    }
}

impl FromStr for BundleId {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let place = path.strip_prefix("tile/entries/").and_then(Place::parse);
        let place = place.ok_or(TileError::Path)?;
        Self::new(place.index, place.width)
    }
}

/// All bundles of a tree of `size` leaves; the last may be partial.
pub fn bundles_of(size: u64) -> impl Iterator<Item = BundleId> {
    let end = size.div_ceil(u64::from(TILE_WIDTH));
    (0..end).filter_map(move |index| BundleId::in_tree(index, size))
}

/// The bytes of a bundle.
///
/// # Errors
/// [`BundleError`] when there are not 1 to 256 entries, or one is longer than
/// [`ENTRY_BYTES_MAX`].
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        if at >= usize::from(TILE_WIDTH) {
            return Err(BundleError::TooMany);
        }
        let too_long = BundleError::TooLong { entry: at, bytes: entry.len() };
        let length = u16::try_from(entry.len()).map_err(|_| too_long)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    if bytes.is_empty() { Err(BundleError::Empty) } else { Ok(bytes) }
}

/// The entries of a bundle. That they are as many as its name says is for the caller to compare,
/// and that they are the right ones shows in the leaf hashes.
///
/// # Errors
/// [`BundleError`] when it is empty, has more than 256 entries or ends inside one.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if entries.len() >= usize::from(TILE_WIDTH) {
            return Err(BundleError::TooMany);
        }
        let (entry, after) = split_entry(rest).ok_or(BundleError::Cut { entry: entries.len() })?;
        entries.push(entry);
        rest = after;
    }
    if entries.is_empty() { Err(BundleError::Empty) } else { Ok(entries) }
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
