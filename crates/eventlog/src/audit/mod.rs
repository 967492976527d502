//! The log as outsiders check it: pages of stored bytes, the signed head, tiles, proofs that an
//! event is in the tree and that a tree goes on from an older one, receipts.
//!
//! A proof is verified before it is given: what is stored may be damaged, but nothing wrong leaves.

mod error;

use std::collections::BTreeSet;
use std::sync::Arc;

use medusa_api::{AuditHead, ConsistencyProof, EventEntry, EventPage, InclusionProof};
use medusa_platform::Clock;
use medusa_tlog::{
    BundleId, Frontier, Hash, Note, Receipt, Signer, TileId, TilePlan, TreeHead, encode_bundle,
    verify_consistency, verify_inclusion,
};
use medusa_types::{Sha256Hash, Timestamp};
use sqlx::{PgConnection, PgPool};

pub use self::error::AuditError;
use crate::checkpoints::Signing;
use crate::error::LogError;
use crate::read::check_leaf;
use crate::tiles_read::TileReader;

/// Events of one page.
const PAGE_MAX: i64 = 1_000;

/// Reads and signs; never writes events. Cheap to clone.
#[derive(Clone)]
pub struct Auditor {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) signing: Arc<Signing>,
    pub(crate) witnesses: Arc<[String]>,
    tiles: Arc<TileReader>,
}

/// A proof out of tiles, and the roots that those give.
struct Read {
    path: Vec<Hash>,
    roots: Vec<Hash>,
}

impl Auditor {
    /// With the log's key, which lives outside the database.
    #[must_use]
    pub fn new(pool: PgPool, signer: Signer, clock: Clock) -> Self {
        let (signing, witnesses) = (Arc::new(Signing::new(signer)), Arc::default());
        Self { pool, clock, signing, witnesses, tiles: Arc::default() }
    }

    /// The same, of a log whose checkpoints the witnesses of these names are asked to sign.
    #[must_use]
    pub fn with_witnesses(mut self, names: Vec<String>) -> Self {
        self.witnesses = names.into();
        self
    }

    /// At most `limit` events from a position on.
    ///
    /// # Errors
    /// [`LogError::Changed`] when one of them is not what was sealed.
    pub async fn events(&self, from: i64, limit: i64) -> Result<EventPage, AuditError> {
        let limit = AuditError::limit(limit, PAGE_MAX)?;
        let rows = sqlx::query!(
            "select position, at, type as kind, stream, version, leaf, body from event
             where position >= $1 order by position limit $2",
            from,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        let full = i64::try_from(rows.len()).unwrap_or_default() == limit;
        let next = rows.last().filter(|_| full).map(|row| row.position.saturating_add(1));
        let items = rows
            .into_iter()
            .map(|row| {
                check_leaf(row.position, &row.body, &row.leaf)?;
                Ok(EventEntry {
                    position: row.position,
                    at: Timestamp::from_utc(row.at),
                    event: row.kind,
                    stream: row.stream,
                    version: row.version,
                    leaf: hash(&row.leaf)?,
                    body: String::from_utf8(row.body)
                        .map_err(|_| LogError::Corrupt("an event is not text".into()))?,
                })
            })
            .collect::<Result<_, LogError>>()?;
        Ok(EventPage { items, next })
    }

    /// The tree over all events, with a signed checkpoint of exactly this size. A checkpoint once
    /// given is kept.
    ///
    /// # Errors
    /// [`AuditError::Changed`] when the log does not go on from the last checkpoint.
    pub async fn head(&self) -> Result<AuditHead, AuditError> {
        let signed = self.sign().await?;
        Ok(AuditHead {
            size: signed.size,
            root: signed.root,
            checkpoint: signed.note,
            verifier_key: self.signing.signer.verifier().to_string(),
        })
    }

    /// That an event is in the tree of a size; without one, of the present head.
    ///
    /// # Errors
    /// [`AuditError::Missing`] when the log is shorter, [`AuditError::Size`] when the tree of this
    /// size does not have the event yet, or is larger than the log.
    pub async fn proof(
        &self,
        position: i64,
        size: Option<i64>,
    ) -> Result<InclusionProof, AuditError> {
        let head = match size {
            Some(_) => self.stored_head().await?,
            None => self.head().await?.size,
        };
        let size = size.unwrap_or(head);
        if !(1..=head).contains(&position) {
            return Err(AuditError::Missing);
        }
        between(size, position, head)?;
        let mut db = self.pool.acquire().await?;
        let index = count(position).saturating_sub(1);
        let plan = plan(TilePlan::inclusion(index, count(size)))?;
        let root = self.known_root(&mut db, size).await?;
        let leaf = self.leaf(&mut db, position).await?;
        for last_try in [false, true] {
            let Read { path, roots } = self.read(&mut db, &plan, &[size]).await?;
            let root = root.or(roots.first().copied()).unwrap_or_default();
            if verify_inclusion(leaf, index, count(size), &path, &root) {
                let (leaf, root, path) = (Sha256Hash(leaf), Sha256Hash(root), hashes(path));
                return Ok(InclusionProof { position, leaf, size, root, path });
            }
            self.again(last_try).await?;
        }
        Err(unproven())
    }

    /// That the tree of the size `to` begins with the tree of the size `from`. Without a size, of
    /// the present head.
    ///
    /// # Errors
    /// [`AuditError::Size`] unless 1 <= from <= to, and the log has so many events.
    pub async fn consistency(
        &self,
        from: i64,
        to: Option<i64>,
    ) -> Result<ConsistencyProof, AuditError> {
        let head = self.stored_head().await?;
        let to = to.unwrap_or(head);
        between(from, 1, head)?;
        between(to, from, head)?;
        let mut db = self.pool.acquire().await?;
        let plan = plan(TilePlan::consistency(count(from), count(to)))?;
        let known = (self.known_root(&mut db, from).await?, self.known_root(&mut db, to).await?);
        for last_try in [false, true] {
            let Read { path, roots } = self.read(&mut db, &plan, &[from, to]).await?;
            let computed = |n: usize| roots.get(n).copied().unwrap_or_default();
            let old = known.0.unwrap_or_else(|| computed(0));
            let new = known.1.unwrap_or_else(|| computed(1));
            if verify_consistency(&tree_head(from, old), &tree_head(to, new), &path) {
                let (from_root, to_root) = (Sha256Hash(old), Sha256Hash(new));
                let path = hashes(path);
                return Ok(ConsistencyProof { from, from_root, to, to_root, path });
            }
            self.again(last_try).await?;
        }
        Err(unproven())
    }

    /// A receipt (C2SP tlog-proof) of an event: its proof under the published checkpoint, or under
    /// a new one when that does not reach so far, in one text.
    ///
    /// # Errors
    /// As [`Auditor::proof`].
    pub async fn receipt(&self, position: i64) -> Result<String, AuditError> {
        let mut checkpoint = self.published().await?;
        if checkpoint.size < position {
            checkpoint = self.sign().await?;
        }
        let proof = self.proof(position, Some(checkpoint.size.max(position))).await?;
        let note = Note::parse(&checkpoint.note)
            .map_err(|error| AuditError::corrupt(format!("checkpoint {}: {error}", proof.size)))?;
        if checkpoint.root != proof.root {
            return Err(unproven());
        }
        let index = count(position).saturating_sub(1);
        let path = proof.path.iter().map(|hash| hash.0).collect();
        Ok(Receipt { index, path, note, extra: None }.to_string())
    }

    /// The bytes of a tile, exactly as wide as asked.
    ///
    /// # Errors
    /// [`AuditError::Tile`] when the log is not so long.
    pub async fn tile(&self, id: TileId) -> Result<Vec<u8>, AuditError> {
        let head = self.stored_head().await?;
        let there = TileId::in_tree(id.level(), id.index(), count(head));
        if there.is_none_or(|there| there.width() < id.width()) {
            return Err(AuditError::Tile { head });
        }
        let mut db = self.pool.acquire().await?;
        let tiles = self.tiles.read(&mut db, &[id]).await?;
        let tile = tiles.get(id.level(), id.index()).ok_or_else(unproven)?;
        Ok(tile.hashes().iter().take(id.width().into()).flatten().copied().collect())
    }

    /// The bytes of an entry bundle: the stored bytes of its events.
    ///
    /// # Errors
    /// [`AuditError::Tile`] when the log is not so long.
    pub async fn bundle(&self, id: BundleId) -> Result<Vec<u8>, AuditError> {
        let head = self.stored_head().await?;
        let there = BundleId::in_tree(id.index(), count(head));
        if there.is_none_or(|there| there.width() < id.width()) {
            return Err(AuditError::Tile { head });
        }
        let before = id.index().cast_signed().saturating_mul(256);
        let bodies = sqlx::query_scalar!(
            "select body from event where position > $1 and position <= $2 order by position",
            before,
            before.saturating_add(id.width().into())
        )
        .fetch_all(&self.pool)
        .await?;
        if bodies.len() != usize::from(id.width()) {
            return Err(AuditError::corrupt(format!("an event of {id} is missing")));
        }
        encode_bundle(bodies.iter().map(Vec::as_slice))
            .map_err(|error| AuditError::corrupt(format!("{id}: {error}")))
    }

    /// The root that tiles and events give for a size, from nothing that was signed.
    pub(crate) async fn computed_root(
        &self,
        db: &mut PgConnection,
        size: i64,
    ) -> Result<Hash, AuditError> {
        let read = self.read(db, &TilePlan::frontier(count(size)), &[size]).await?;
        read.roots.first().copied().ok_or_else(unproven)
    }

    /// The hashes that lead from one size to another, not verified yet.
    pub(crate) async fn steps(
        &self,
        db: &mut PgConnection,
        from: i64,
        to: i64,
    ) -> Result<Vec<Hash>, AuditError> {
        let plan = plan(TilePlan::consistency(count(from), count(to)))?;
        Ok(self.read(db, &plan, &[]).await?.path)
    }

    pub(crate) async fn forget_tiles(&self) {
        self.tiles.forget().await;
    }

    /// What a plan asks for, and the roots of some sizes, in one read of tiles.
    async fn read(
        &self,
        db: &mut PgConnection,
        plan: &TilePlan,
        sizes: &[i64],
    ) -> Result<Read, AuditError> {
        let peaks: Vec<TilePlan> =
            sizes.iter().map(|size| TilePlan::frontier(count(*size))).collect();
        let plans = peaks.iter().chain([plan]);
        // Of two widths of one tile the set keeps the wider one, so the wider one is asked for.
        let mut ids: Vec<TileId> =
            plans.flat_map(TilePlan::tiles).collect::<BTreeSet<_>>().into_iter().rev().collect();
        ids.dedup_by_key(|id| (id.level(), id.index()));
        let tiles = self.tiles.read(db, &ids).await?;
        let missing = |error: medusa_tlog::ProofError| AuditError::corrupt(error.to_string());
        let root = |(plan, size): (&TilePlan, &i64)| {
            let frontier = Frontier::restore(count(*size), plan.read(&tiles).map_err(missing)?);
            frontier.map(|frontier| frontier.root()).ok_or_else(unproven)
        };
        let roots = peaks.iter().zip(sizes).map(root).collect::<Result<_, _>>()?;
        Ok(Read { path: plan.read(&tiles).map_err(missing)?, roots })
    }

    /// The root that the head or a checkpoint names for a size.
    async fn known_root(
        &self,
        db: &mut PgConnection,
        size: i64,
    ) -> Result<Option<Hash>, AuditError> {
        let roots = sqlx::query_scalar!(
            r#"select root as "root!" from log_head where position = $1
               union select root from checkpoint where size = $1"#,
            size
        )
        .fetch_all(db)
        .await?;
        match roots.as_slice() {
            [] => Ok(None),
            [root] => Ok(Some(hash(root)?.0)),
            _ => Err(AuditError::corrupt(format!("two roots for the size {size}"))),
        }
    }

    async fn leaf(&self, db: &mut PgConnection, position: i64) -> Result<Hash, AuditError> {
        let leaf = sqlx::query_scalar!("select leaf from event where position = $1", position)
            .fetch_optional(db)
            .await?;
        Ok(hash(&leaf.ok_or(AuditError::Missing)?)?.0)
    }

    async fn stored_head(&self) -> Result<i64, AuditError> {
        Ok(crate::read::stored_head(&self.pool).await?)
    }

    /// After a proof that did not verify: once more, from what is stored alone.
    async fn again(&self, last_try: bool) -> Result<(), AuditError> {
        if last_try {
            return Err(unproven());
        }
        self.tiles.forget().await;
        Ok(())
    }
}

fn plan(plan: Result<TilePlan, medusa_tlog::ProofError>) -> Result<TilePlan, AuditError> {
    plan.map_err(|error| AuditError::corrupt(error.to_string()))
}

fn between(asked: i64, least: i64, head: i64) -> Result<(), AuditError> {
    if (least..=head).contains(&asked) {
        return Ok(());
    }
    Err(AuditError::Size { asked, least, head })
}

fn unproven() -> AuditError {
    AuditError::corrupt(
        "tiles and events do not give the signed root; `medusa-server verify` names the first \
         event that is wrong, and `medusa-server rebuild tiles` mends the tiles",
    )
}

fn hashes(hashes: Vec<Hash>) -> Vec<Sha256Hash> {
    hashes.into_iter().map(Sha256Hash).collect()
}

/// Positions and sizes are never negative.
pub(crate) fn count(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}

pub(crate) fn tree_head(size: i64, root: Hash) -> TreeHead {
    TreeHead { size: count(size), root }
}

pub(crate) fn hash(bytes: &[u8]) -> Result<Sha256Hash, LogError> {
    Sha256Hash::try_from(bytes).map_err(|error| LogError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests;
