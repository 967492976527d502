//! The hashes of tiles: stored bytes, inner nodes, and the hash that stands for a full tile in the
//! level above.

use std::collections::BTreeMap;

use crate::tile_id::{TileError, TileId};
use crate::tree::{Hash, root_of};

const HASH_BYTES: usize = 32;

/// A tile with its hashes; as many as its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    id: TileId,
    hashes: Vec<Hash>,
}

impl Tile {
    /// A tile of these hashes.
    ///
    /// # Errors
    /// [`TileError::Length`] when there are not as many as it is wide.
    pub fn new(id: TileId, hashes: Vec<Hash>) -> Result<Self, TileError> {
        if hashes.len() == usize::from(id.width()) {
            return Ok(Self { id, hashes });
        }
        Err(length_error(id, hashes.len().saturating_mul(HASH_BYTES)))
    }

    /// A tile from its bytes: 32 for each hash, one behind the other.
    ///
    /// # Errors
    /// [`TileError::Length`] when it is longer or shorter than it is wide.
    pub fn decode(id: TileId, bytes: &[u8]) -> Result<Self, TileError> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if rest.is_empty() && hashes.len() == usize::from(id.width()) {
            return Ok(Self { id, hashes: hashes.to_vec() });
        }
        Err(length_error(id, bytes.len()))
    }

    /// Its bytes, as they are stored and served.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.hashes.concat()
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> TileId {
        self.id
    }

    /// Its hashes from left to right.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// What stands for it in the level above; a tile that is not full has no such hash.
    #[must_use]
    pub fn parent_entry(&self) -> Option<Hash> {
        self.id.is_full().then(|| root_of(&self.hashes))
    }

    /// The root over some of its hashes.
    pub(crate) fn subtree(&self, from: usize, len: usize) -> Option<Hash> {
        self.hashes.get(from..from.checked_add(len)?).map(root_of)
    }
}

fn length_error(id: TileId, found: usize) -> TileError {
    TileError::Length { found, wanted: usize::from(id.width()).saturating_mul(HASH_BYTES) }
}

/// Tiles that were loaded. Of several at one place the widest is kept.
#[derive(Clone, Debug, Default)]
pub struct TileSet {
    tiles: BTreeMap<(u8, u64), Tile>,
}

impl TileSet {
    /// Adds a tile.
    pub fn insert(&mut self, tile: Tile) {
        let place = (tile.id.level(), tile.id.index());
        if self.tiles.get(&place).is_none_or(|kept| kept.id.width() < tile.id.width()) {
            self.tiles.insert(place, tile);
        }
    }

    /// The tile at a place.
    #[must_use]
    pub fn get(&self, level: u8, index: u64) -> Option<&Tile> {
        self.tiles.get(&(level, index))
    }
}

impl FromIterator<Tile> for TileSet {
    fn from_iter<I: IntoIterator<Item = Tile>>(tiles: I) -> Self {
        let mut set = Self::default();
        tiles.into_iter().for_each(|tile| set.insert(tile));
        set
    }
}
