//! The right edge of the tiles, which a writer keeps: it takes one leaf after another, and gives
//! each tile once when it is full. Costs one hash for each leaf on average.

use crate::proof::ProofError;
use crate::tile::{Tile, TileSet};
use crate::tile_id::{LEVELS, TILE_WIDTH, TileId};
use crate::tree::{Hash, shift_right};

/// The hashes of the partial tiles, level by level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileEdge {
    size: u64,
    rows: [Vec<Hash>; 8],
}

impl TileEdge {
    /// The partial tiles of a tree, from which its edge is restored: at most one a level.
    #[must_use]
    pub fn tiles_needed(size: u64) -> Vec<TileId> {
        (0..LEVELS).filter_map(|level| partial(level, size)).collect()
    }

    /// The edge of a tree whose partial tiles were stored.
    ///
    /// # Errors
    /// [`ProofError::Missing`] names a tile that is not in the set or too narrow.
    pub fn restore(size: u64, tiles: &TileSet) -> Result<Self, ProofError> {
        let mut edge = Self { size, ..Self::default() };
        for (level, row) in (0..LEVELS).zip(&mut edge.rows) {
            let Some(id) = partial(level, size) else { continue };
            let stored = tiles.get(level, id.index()).map(Tile::hashes);
            let hashes = stored.and_then(|hashes| hashes.get(..usize::from(id.width())));
            *row = hashes.ok_or(ProofError::Missing(id))?.to_vec();
        }
        Ok(edge)
    }

    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and gives the tiles that it completed, lowest level first.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let index = self.size;
        self.size = self.size.saturating_add(1);
        let mut full = Vec::new();
        let mut hash = leaf;
        for (level, row) in (0..LEVELS).zip(&mut self.rows) {
            row.push(hash);
            if row.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let Some(tile) = tile(level, index, self.size, std::mem::take(row)) else { break };
            let Some(entry) = tile.parent_entry() else { break };
            full.push(tile);
            hash = entry;
        }
        full
    }

    /// The partial tiles as they are now, lowest level first.
    #[must_use]
    pub fn partials(&self) -> Vec<Tile> {
        let rows = (0..LEVELS).zip(&self.rows);
        rows.filter_map(|(level, row)| Tile::new(partial(level, self.size)?, row.clone()).ok())
            .collect()
    }
}

/// The tile at the end of a level, unless that one is full.
fn partial(level: u8, size: u64) -> Option<TileId> {
    let row = shift_right(size, u32::from(level).saturating_mul(8));
    TileId::in_tree(level, row >> 8, size)
}

/// The tile of a level over leaf `index`.
fn tile(level: u8, index: u64, size: u64, hashes: Vec<Hash>) -> Option<Tile> {
    let row = shift_right(index, u32::from(level).saturating_mul(8));
    Tile::new(TileId::in_tree(level, row >> 8, size)?, hashes).ok()
}
