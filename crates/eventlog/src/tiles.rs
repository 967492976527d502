//! The projection `tiles`: the full tiles of the tree at all levels, 256 hashes each.
//!
//! It keeps nothing in memory. Full tiles never change, so it only adds rows; what it needs of the
//! levels below it reads back from its own table, and leaves that came before from the events.

use std::sync::Arc;

use medusa_tlog::{Hash, Tile, TileId, tiles_grown};
use sqlx::PgConnection;

use crate::audit::AuditError;
use crate::books::broken;
use crate::error::LogError;
use crate::projector::Projection;
use crate::read::StoredEvent;
use crate::tiles_read::{Edge, Walk, read_leaves};

/// The projection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tiles;

impl Projection for Tiles {
    const NAME: &'static str = "tiles";
    const TABLES: &'static [&'static str] = &["merkle_tile"];

    async fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> Result<(), sqlx::Error> {
        grow(db, events).await.map_err(|error| match error {
            AuditError::Log(LogError::Database(error)) => error,
            other => broken(LogError::Corrupt(other.to_string())),
        })
    }
}

async fn grow(db: &mut PgConnection, events: &[Arc<StoredEvent>]) -> Result<(), AuditError> {
    let position = |event: &Arc<StoredEvent>| u64::try_from(event.envelope.position).unwrap_or(0);
    let (Some(first), Some(new)) = (events.first().map(position), events.last().map(position))
    else {
        return Ok(());
    };
    let old = first.saturating_sub(1);
    let full: Vec<TileId> = tiles_grown(old, new).filter(|id| id.is_full()).collect();
    // The lowest level comes first, so that each finds the one below it in the table.
    for of_level in full.chunk_by(|a, b| a.level() == b.level()) {
        let tiles = match of_level.first() {
            Some(id) if id.level() == 0 => leaf_tiles(db, of_level, old, events).await?,
            _ => upper_tiles(db, of_level).await?,
        };
        write(db, &tiles).await?;
    }
    Ok(())
}

/// The tiles of leaves that these events complete. What lies before the events is read.
async fn leaf_tiles(
    db: &mut PgConnection,
    ids: &[TileId],
    old: u64,
    events: &[Arc<StoredEvent>],
) -> Result<Vec<Tile>, AuditError> {
    let begin = old.saturating_sub(old & 255);
    let mut leaves: Vec<Hash> = read_leaves(db, begin, old).await?;
    leaves.extend(events.iter().map(|event| event.leaf.0));
    let (whole, _) = leaves.as_chunks::<256>();
    ids.iter().zip(whole).map(|(id, hashes)| tile(*id, hashes.to_vec())).collect()
}

async fn upper_tiles(db: &mut PgConnection, ids: &[TileId]) -> Result<Vec<Tile>, AuditError> {
    let mut edge = Edge::default();
    let mut tiles = Vec::with_capacity(ids.len());
    for id in ids {
        let hashes = Walk::new(db, &mut edge).hashes(*id).await?;
        tiles.push(tile(*id, hashes)?);
    }
    Ok(tiles)
}

pub(crate) fn tile(id: TileId, hashes: Vec<Hash>) -> Result<Tile, AuditError> {
    Tile::new(id, hashes).map_err(|error| AuditError::corrupt(format!("{id}: {error}")))
}

async fn write(db: &mut PgConnection, tiles: &[Tile]) -> Result<(), AuditError> {
    let levels: Vec<i16> = tiles.iter().map(|tile| i16::from(tile.id().level())).collect();
    let indexes: Vec<i64> = tiles.iter().map(|tile| tile.id().index().cast_signed()).collect();
    let hashes: Vec<Vec<u8>> = tiles.iter().map(Tile::encode).collect();
    sqlx::query!(
        "insert into merkle_tile (level, index, hashes)
         select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])
         on conflict (level, index) do nothing",
        &levels,
        &indexes,
        &hashes
    )
    .execute(db)
    .await?;
    Ok(())
}
