//! Reading tiles of the tree at any size that the log has had: full ones come from the table, the
//! others are computed.
//!
//! A partial tile of leaves is read from the events. A row at the right edge of a higher level is
//! made of full tiles of the level below; it is kept in memory and grows with the tree, so that a
//! proof costs a number of reads that grows with the logarithm of the size. Nothing here depends
//! on how far the projection is: a full tile that it has not written is computed as well, up to a
//! limit of events.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use medusa_tlog::{Hash, TILE_WIDTH, Tile, TileId, TileSet};
use sqlx::PgConnection;
use tokio::sync::Mutex;

use crate::audit::AuditError;
use crate::tiles::tile;

/// Leaves that are read for one answer while tiles are missing; beyond, they have to be waited for.
const LEAVES_MAX: u64 = 1 << 18;
/// Roots of tiles that are computed in place; more go to the blocking pool.
const INLINE_MAX: usize = 8;

/// The last row of each level above the leaves, by its level: the index of its tile, and its
/// hashes so far.
pub(crate) type Edge = BTreeMap<u8, (u64, Vec<Hash>)>;

/// Reads tiles, and remembers the edge.
#[derive(Default)]
pub(crate) struct TileReader {
    edge: Mutex<Edge>,
}

impl TileReader {
    /// These tiles, each at least as wide as asked. They must be tiles of a tree that the log has
    /// had.
    pub(crate) async fn read(
        &self,
        db: &mut PgConnection,
        ids: &[TileId],
    ) -> Result<TileSet, AuditError> {
        let mut tiles: TileSet = stored(db, ids).await?.into_iter().collect();
        for id in ids {
            if tiles.get(id.level(), id.index()).is_none() {
                let mut edge = self.edge.lock().await;
                let hashes = Walk::new(db, &mut edge).hashes(*id).await?;
                tiles.insert(tile(*id, hashes)?);
            }
        }
        Ok(tiles)
    }

    /// Forgets the edge, in case it was made of tiles that were wrong.
    pub(crate) async fn forget(&self) {
        self.edge.lock().await.clear();
    }
}

/// The computation of one tile.
pub(crate) struct Walk<'a> {
    db: &'a mut PgConnection,
    edge: &'a mut Edge,
    leaves: u64,
}

type Hashes<'a> = Pin<Box<dyn Future<Output = Result<Vec<Hash>, AuditError>> + Send + 'a>>;

impl<'a> Walk<'a> {
    pub(crate) const fn new(db: &'a mut PgConnection, edge: &'a mut Edge) -> Self {
        Self { db, edge, leaves: 0 }
    }

    /// The hashes of a tile that is not in the table.
    pub(crate) fn hashes(&mut self, id: TileId) -> Hashes<'_> {
        Box::pin(async move {
            match id.level().checked_sub(1) {
                None => self.leaves(id).await,
                Some(below) => self.row(id, below).await,
            }
        })
    }

    async fn leaves(&mut self, id: TileId) -> Result<Vec<Hash>, AuditError> {
        self.leaves = self.leaves.saturating_add(u64::from(id.width()));
        if self.leaves > LEAVES_MAX {
            return Err(AuditError::Behind);
        }
        let from = first_below(id);
        read_leaves(self.db, from, from.saturating_add(u64::from(id.width()))).await
    }

    /// The row of a higher level: the roots of full tiles of the level below.
    async fn row(&mut self, id: TileId, below: u8) -> Result<Vec<Hash>, AuditError> {
        let kept = self.edge.remove(&id.level()).filter(|(index, _)| *index == id.index());
        let mut row = kept.map(|(_, row)| row).unwrap_or_default();
        let (have, width) = (row.len(), usize::from(id.width()));
        let first = first_below(id);
        let children = (first..).take(width).skip(have);
        let children: Vec<TileId> =
            children.map(|index| full(below, index)).collect::<Result<_, _>>()?;
        let mut roots = roots(stored(self.db, &children).await?).await?;
        for child in children {
            let root = match roots.remove(&child.index()) {
                Some(root) => root,
                None => {
                    let hashes = self.hashes(child).await?;
                    tile(child, hashes)?.parent_entry().ok_or_else(|| narrow(child))?
                }
            };
            row.push(root);
        }
        let wanted = row.get(..width).map(<[Hash]>::to_vec);
        self.edge.insert(id.level(), (id.index(), row));
        wanted.ok_or_else(|| narrow(id))
    }
}

/// The index of what a tile's first hash stands for, in the level below.
fn first_below(id: TileId) -> u64 {
    id.index().saturating_mul(u64::from(TILE_WIDTH))
}

fn narrow(id: TileId) -> AuditError {
    AuditError::corrupt(format!("{id} is too narrow"))
}

fn full(level: u8, index: u64) -> Result<TileId, AuditError> {
    TileId::new(level, index, TILE_WIDTH).map_err(|error| AuditError::corrupt(error.to_string()))
}

/// Those of the tiles at these places that are in the table; each of them is full.
async fn stored(db: &mut PgConnection, ids: &[TileId]) -> Result<Vec<Tile>, AuditError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let levels: Vec<i16> = ids.iter().map(|id| i16::from(id.level())).collect();
    let indexes: Vec<i64> = ids.iter().map(|id| id.index().cast_signed()).collect();
    let rows = sqlx::query!(
        "select level, index, hashes from merkle_tile
         join unnest($1::smallint[], $2::bigint[]) as wanted (level, index) using (level, index)",
        &levels,
        &indexes
    )
    .fetch_all(db)
    .await?;
    let read = |level: i16, index: i64, hashes: &[u8]| {
        let id = full(u8::try_from(level).unwrap_or(u8::MAX), index.cast_unsigned())?;
        Tile::decode(id, hashes).map_err(|error| AuditError::corrupt(format!("{id}: {error}")))
    };
    rows.iter().map(|row| read(row.level, row.index, &row.hashes)).collect()
}

/// What stands for each of these full tiles in the level above, by index.
async fn roots(tiles: Vec<Tile>) -> Result<BTreeMap<u64, Hash>, AuditError> {
    let few = tiles.len() <= INLINE_MAX;
    let compute = move || {
        let root = |tile: &Tile| tile.parent_entry().map(|root| (tile.id().index(), root));
        tiles.iter().filter_map(root).collect::<BTreeMap<_, _>>()
    };
    if few {
        return Ok(compute());
    }
    let computed = tokio::task::spawn_blocking(compute).await;
    // It only fails when the process ends.
    computed.map_err(|_| AuditError::Behind)
}

/// Leaves `from` to `to`, the first not counted in and the last counted in, by their positions.
///
/// # Errors
/// [`crate::LogError::Corrupt`] when one is missing.
pub(crate) async fn read_leaves(
    db: &mut PgConnection,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, AuditError> {
    if from >= to {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        "select position, leaf from event where position > $1 and position <= $2
         order by position",
        from.cast_signed(),
        to.cast_signed()
    )
    .fetch_all(db)
    .await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for (row, position) in rows.iter().zip(from.cast_signed().saturating_add(1)..) {
        if row.position != position {
            return Err(AuditError::corrupt(format!("event {position} is missing")));
        }
        let leaf = row.leaf.as_slice().try_into();
        leaves.push(
            leaf.map_err(|_| AuditError::corrupt(format!("the leaf of event {position} is cut")))?,
        );
    }
    if leaves.len().try_into() == Ok(to.saturating_sub(from)) {
        return Ok(leaves);
    }
    let next = from.saturating_add(u64::try_from(leaves.len()).unwrap_or_default());
    Err(AuditError::corrupt(format!("event {} is missing", next.saturating_add(1))))
}
