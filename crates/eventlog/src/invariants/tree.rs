//! The rules that need the bytes: each event's hash is that of its bytes, its columns say what its
//! bytes say, and the tree over the hashes has the roots that were written down.

use std::collections::BTreeMap;

use medusa_events::Envelope;
use medusa_tlog::{Frontier, Hash, TilePlan, leaf_hash};
use medusa_types::{Sha256Hash, Uuid};
use sqlx::PgConnection;

use super::Finding;
use crate::audit::AuditError;
use crate::error::LogError;
use crate::operation::Operation;
use crate::tiles_read::TileReader;

/// Events of one read.
const READ_MAX: i64 = 2_000;

/// What was found in a span.
#[derive(Default)]
pub(super) struct Bytes {
    /// Hashes and columns.
    pub(super) events: Finding,
    /// Positions without an event.
    pub(super) missing: Finding,
    /// Roots.
    pub(super) roots: Finding,
    /// Positions of events that cannot be read.
    pub(super) unread: Vec<i64>,
    /// Positions of events that belong to a command, and under which number it is remembered.
    pub(super) commands: (Vec<i64>, Vec<Uuid>),
}

struct Row {
    position: i64,
    stream: String,
    version: i64,
    kind: String,
    at: time::OffsetDateTime,
    body: Vec<u8>,
    leaf: Vec<u8>,
}

impl Row {
    /// What is wrong with it.
    fn judge(&self, envelope: Option<&Envelope>, hash: &Hash) -> Option<&'static str> {
        let Some(envelope) = envelope else { return Some("its bytes are not an event") };
        let told = (envelope.position, envelope.stream.as_str(), envelope.version, envelope.kind());
        let columns = (self.position, self.stream.as_str(), self.version, self.kind.as_str());
        if hash != self.leaf.as_slice() {
            Some("its bytes do not have the stored hash")
        } else if told != columns || envelope.at.to_utc() != self.at {
            Some("its columns do not say what its bytes say")
        } else {
            None
        }
    }
}

/// Reads the span behind `low` up to `high`, which must be as many events as are there.
pub(super) async fn read(
    db: &mut PgConnection,
    (low, high): (i64, i64),
) -> Result<Bytes, LogError> {
    let mut found = Bytes::default();
    let mut frontier = match frontier(db, low).await {
        Ok(frontier) => frontier,
        Err(AuditError::Log(LogError::Database(error))) => return Err(error.into()),
        // Nothing is wrong, it only has to wait.
        Err(error @ AuditError::Behind) => return Err(LogError::Corrupt(error.to_string())),
        Err(error) => {
            found.roots.add(Some(low), error.to_string());
            Frontier::default()
        }
    };
    let mut roots = roots(db, low, high).await?;
    let mut position = low;
    while position < high {
        let rows = sqlx::query_as!(
            Row,
            "select position, stream, version, type as kind, at, body, leaf from event
             where position > $1 and position <= $2 order by position limit $3",
            position,
            high,
            READ_MAX
        )
        .fetch_all(&mut *db)
        .await?;
        let Some(last) = rows.last().map(|row| row.position) else { break };
        let piece = Piece { rows, before: position, frontier, roots, found };
        let read = tokio::task::spawn_blocking(move || piece.read()).await;
        let piece = read.map_err(|error| LogError::Corrupt(error.to_string()))?;
        Piece { frontier, roots, found, .. } = piece;
        position = last;
    }
    if position < high {
        found.missing.add(Some(position.saturating_add(1)), "the event is missing");
    }
    for size in roots.into_keys() {
        found.roots.add(Some(size), "a root of this size was written down, and no event is there");
    }
    Ok(found)
}

/// Some rows, and what came of the ones before.
struct Piece {
    rows: Vec<Row>,
    /// The position before the first.
    before: i64,
    frontier: Frontier,
    roots: BTreeMap<i64, Vec<Vec<u8>>>,
    found: Bytes,
}

impl Piece {
    fn read(mut self) -> Self {
        for row in std::mem::take(&mut self.rows) {
            let expected = self.before.saturating_add(1);
            if row.position != expected {
                self.found.missing.add(Some(expected), "the event is missing");
            }
            self.before = row.position;
            let (hash, envelope) = (leaf_hash(&row.body), Envelope::decode(&row.body).ok());
            if let Some(problem) = row.judge(envelope.as_ref(), &hash) {
                self.found.events.add(Some(row.position), problem);
            }
            match envelope.map(|envelope| envelope.operation) {
                Some(Some(key)) => {
                    self.found.commands.0.push(row.position);
                    // What was asked for is no part of the number.
                    let command = Operation::house(key, Sha256Hash([0; 32]));
                    self.found.commands.1.push(command.id());
                }
                Some(None) => {}
                None => self.found.unread.push(row.position),
            }
            self.frontier.push(hash);
            let written = self.roots.remove(&row.position).unwrap_or_default();
            if written.iter().any(|written| self.frontier.root() != written.as_slice()) {
                let text =
                    "the tree over the events up to here has another root than was written down";
                self.found.roots.add(Some(row.position), text);
            }
        }
        self
    }
}

/// The tree over the first events.
async fn frontier(db: &mut PgConnection, size: i64) -> Result<Frontier, AuditError> {
    let size = size.unsigned_abs();
    let plan = TilePlan::frontier(size);
    let tiles = TileReader::default().read(db, &plan.tiles()).await?;
    let peaks = plan.read(&tiles).map_err(|error| AuditError::corrupt(error.to_string()))?;
    let whole = Frontier::restore(size, peaks);
    whole.ok_or_else(|| AuditError::corrupt("the tiles do not make a tree"))
}

/// Roots that were written down for sizes in the span, by size: checkpoints and the head.
async fn roots(
    db: &mut PgConnection,
    low: i64,
    high: i64,
) -> Result<BTreeMap<i64, Vec<Vec<u8>>>, LogError> {
    let rows = sqlx::query!(
        r#"select size as "size!", root as "root!" from checkpoint where size > $1 and size <= $2
           union all select position, root from log_head where position > $1 and position <= $2"#,
        low,
        high
    )
    .fetch_all(db)
    .await?;
    let mut roots: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for row in rows {
        roots.entry(row.size).or_default().push(row.root);
    }
    Ok(roots)
}
