//! Which tiles a tree has, and their paths (C2SP tlog-tiles).
//!
//! A tile is up to 256 neighbouring hashes of one level: leaves at level 0, roots of full tiles of
//! the level below at the others. A tree that fits in 64 bits has at most 8 levels.

use std::fmt;
use std::str::FromStr;

use crate::text::parse_decimal;
use crate::tree::{power_of_two, shift_right};

/// Hashes of a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Levels that a tree of less than 2^64 leaves can have.
pub(crate) const LEVELS: u8 = 8;
/// Groups of three digits that the index of a tile, which is below 2^56, can have.
const GROUPS_MAX: usize = 6;

/// Why a tile or its name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The text is not the path of a tile.
    #[error("this is not a tile's path, like tile/0/x001/234 or tile/0/x001/234.p/112")]
    Path,
    /// No tree of less than 2^64 leaves has such a tile.
    #[error("no tree has this tile; levels are 0 to 7, widths 1 to 256")]
    Place,
    /// The tile's bytes are not as many hashes as it is wide.
    #[error("the tile has {found} bytes instead of {wanted}; fetch it again")]
    Length {
        /// Bytes that came.
        found: usize,
        /// 32 for each hash.
        wanted: usize,
    },
}

/// The name of a tile: level, index within the level, and how many hashes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

impl TileId {
    /// A tile at this place, 1 to 256 hashes wide.
    ///
    /// # Errors
    /// [`TileError::Place`] when no tree can have it.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        let end = row_end(index, width).filter(|_| level < LEVELS).ok_or(TileError::Place)?;
        end.checked_mul(power_of_two(height(level))).ok_or(TileError::Place)?;
        Ok(Self { level, index, width })
    }

    /// The tile at this place as wide as it is in a tree of `size` leaves; `None` when that tree
    /// has nothing there.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let row = if level < LEVELS { shift_right(size, height(level)) } else { 0 };
        let width = width_in_row(index, row)?;
        Some(Self { level, index, width })
    }

    /// 0 for leaves.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.level
    }

    /// The place in its level, from 0.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many hashes, 1 to 256.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it never grows any more.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }
}

/// Levels of nodes below the hashes of a tile.
fn height(level: u8) -> u32 {
    u32::from(level).saturating_mul(8)
}

/// The hashes of a row up to the end of this tile.
fn row_end(index: u64, width: u16) -> Option<u64> {
    let fits = (1..=TILE_WIDTH).contains(&width);
    let before = index.checked_mul(u64::from(TILE_WIDTH)).filter(|_| fits)?;
    before.checked_add(u64::from(width))
}

/// How many of a row's hashes stand in the tile or bundle of this index.
pub(crate) fn width_in_row(index: u64, row: u64) -> Option<u16> {
    let before = index.checked_mul(u64::from(TILE_WIDTH))?;
    let rest = row.checked_sub(before).filter(|rest| *rest > 0)?;
    u16::try_from(rest.min(u64::from(TILE_WIDTH))).ok()
}

/// All tiles of a tree of `size` leaves, level by level, the partial ones with their widths.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TileId> {
    tiles_grown(0, size)
}

/// The tiles of the tree of `new` leaves that the tree of `old` leaves does not have, or has
/// narrower: what a writer has to store when its tree grows.
pub fn tiles_grown(old: u64, new: u64) -> impl Iterator<Item = TileId> {
    (0..LEVELS).flat_map(move |level| {
        let (old, row) = (shift_right(old, height(level)), shift_right(new, height(level)));
        let end = if row > old { row.div_ceil(u64::from(TILE_WIDTH)) } else { 0 };
        ((old >> 8)..end).filter_map(move |index| TileId::in_tree(level, index, new))
    })
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, Place { index: self.index, width: self.width })
    }
}

impl FromStr for TileId {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/").ok_or(TileError::Path)?;
        let (level, place) = rest.split_once('/').ok_or(TileError::Path)?;
        let level = parse_decimal(level).ok_or(TileError::Path)?;
        let level = u8::try_from(level).map_err(|_| TileError::Place)?;
        let place = Place::parse(place).ok_or(TileError::Path)?;
        Self::new(level, place.index, place.width)
    }
}

/// The end of a path: the index in groups of three digits, and the width unless it is full.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) width: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        for (at, digit) in padded.chars().enumerate() {
            let before_last = padded.len().saturating_sub(at) > 3;
            match at.is_multiple_of(3) {
                true if before_last => write!(f, "{}x{digit}", if at == 0 { "" } else { "/" })?,
                true if at > 0 => write!(f, "/{digit}")?,
                _ => write!(f, "{digit}")?,
            }
        }
        if self.width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl Place {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (groups, width) = match text.split_once(".p/") {
            Some((groups, width)) => (groups, u16::try_from(parse_decimal(width)?).ok()?),
            None => (text, TILE_WIDTH),
        };
        if groups.split('/').count() > GROUPS_MAX {
            return None;
        }
        let digits: String = groups.split('/').map(|group| group.trim_start_matches('x')).collect();
        let place = Self { index: digits.parse().ok()?, width };
        // Whatever is spelled in another way comes out differently here.
        (place.to_string() == text).then_some(place)
    }
}
