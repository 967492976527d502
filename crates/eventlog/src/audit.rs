//! The log as outsiders check it: pages of stored bytes, the signed head, inclusion proofs.

use std::sync::Arc;

use medusa_api::{AuditHead, EventEntry, EventPage, InclusionProof};
use medusa_platform::Clock;
use medusa_tlog::{Signer, inclusion_path};
use medusa_types::{Sha256Hash, Timestamp};
use sqlx::PgPool;

use crate::error::LogError;

/// Events of one page.
const PAGE_MAX: i64 = 1_000;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The log is shorter.
    #[error("there is no event at this position")]
    Missing,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<ProofError> for medusa_platform::ApiError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Missing => Self::not_found("event"),
            ProofError::Log(log) => log.into(),
        }
    }
}

/// Reads and signs; never writes events.
#[derive(Clone)]
pub struct Auditor {
    pool: PgPool,
    signer: Arc<Signer>,
    clock: Clock,
}

impl Auditor {
    /// With the log's key, which lives outside the database.
    #[must_use]
    pub fn new(pool: PgPool, signer: Signer, clock: Clock) -> Self {
        Self { pool, signer: Arc::new(signer), clock }
    }

    /// At most `limit` events from a position on.
    ///
    /// # Errors
    /// [`LogError::Database`].
    pub async fn events(&self, from: i64, limit: i64) -> Result<EventPage, LogError> {
        let limit = limit.clamp(1, PAGE_MAX);
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
    /// given is kept and given again.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] when another root was signed for this size.
    pub async fn head(&self) -> Result<AuditHead, LogError> {
        let head =
            sqlx::query!("select position, root from log_head").fetch_one(&self.pool).await?;
        let root = hash(&head.root)?;
        let note = self.signer.sign(u64::try_from(head.position).unwrap_or_default(), root.0);
        let kept = sqlx::query!(
            "insert into checkpoint (size, root, note, at) values ($1, $2, $3, $4)
             on conflict (size) do update set size = checkpoint.size
             returning root, note",
            head.position,
            head.root,
            note,
            self.clock.now().to_utc()
        )
        .fetch_one(&self.pool)
        .await?;
        if kept.root != head.root {
            let text = format!("two roots for the size {}", head.position);
            return Err(LogError::Corrupt(text));
        }
        Ok(AuditHead {
            size: head.position,
            root,
            checkpoint: kept.note,
            verifier_key: self.signer.verifier().to_string(),
        })
    }

    /// That an event is in the tree of the present head.
    ///
    /// # Errors
    /// [`ProofError::Missing`] when the log is shorter.
    pub async fn proof(&self, position: i64) -> Result<InclusionProof, ProofError> {
        let head = self.head().await?;
        let leaves = sqlx::query_scalar!(
            "select leaf from event where position <= $1 order by position",
            head.size
        )
        .fetch_all(&self.pool)
        .await
        .map_err(LogError::from)?;
        let leaves: Vec<[u8; 32]> =
            leaves.iter().map(|leaf| hash(leaf).map(|h| h.0)).collect::<Result<_, _>>()?;
        let index = usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX);
        let path = inclusion_path(&leaves, index).ok_or(ProofError::Missing)?;
        Ok(InclusionProof {
            position,
            leaf: Sha256Hash(leaves.get(index).copied().ok_or(ProofError::Missing)?),
            size: head.size,
            root: head.root,
            path: path.into_iter().map(Sha256Hash).collect(),
        })
    }
}

fn hash(bytes: &[u8]) -> Result<Sha256Hash, LogError> {
    Sha256Hash::try_from(bytes).map_err(|error| LogError::Corrupt(error.to_string()))
}
