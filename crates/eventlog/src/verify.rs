//! The audit from inside: reads the whole log, recomputes the tree and every balance, and names
//! the first thing that disagrees.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use medusa_api::VerifyReport;
use medusa_events::Envelope;
use medusa_ledger::{Book, Posting};
use medusa_tlog::{Frontier, leaf_hash};
use medusa_types::{Sha256Hash, Timestamp};
use sqlx::{PgConnection, PgPool};

use crate::error::LogError;

/// Problems that are listed; one is enough to fail.
const PROBLEMS_MAX: usize = 20;

/// What has been read so far.
#[derive(Default)]
struct Audit {
    frontier: Frontier,
    book: Book,
    streams: BTreeMap<String, i64>,
    position: i64,
    at: Timestamp,
    problems: Vec<String>,
}

impl Audit {
    fn problem(&mut self, position: i64, text: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(format!("event {position}: {text}"));
        }
    }

    fn read(&mut self, position: i64, body: &[u8], leaf: &[u8], columns: (&str, i64, &str)) {
        let expected = self.position.saturating_add(1);
        if position != expected {
            self.problem(expected, &format!("is missing; the next one is {position}"));
        }
        self.position = position;
        let hash = leaf_hash(body);
        if hash != leaf {
            self.problem(position, "its bytes do not have the stored leaf hash");
        }
        self.frontier.push(hash);
        match Envelope::decode(body) {
            Ok(envelope) => self.check(position, &envelope, columns),
            Err(error) => self.problem(position, &error.to_string()),
        }
    }

    fn check(&mut self, position: i64, envelope: &Envelope, columns: (&str, i64, &str)) {
        if envelope.position != position
            || (envelope.stream.as_str(), envelope.version, envelope.kind()) != columns
        {
            self.problem(position, "its bytes and its columns disagree");
        }
        let before = self.streams.insert(envelope.stream.clone(), envelope.version);
        if before.unwrap_or_default().saturating_add(1) != envelope.version {
            self.problem(position, "its version does not follow the one before in its stream");
        }
        if envelope.at < self.at {
            self.problem(position, "its time lies before the event before");
        }
        self.at = envelope.at;
        let sum: i128 = envelope.postings.iter().map(|Posting(_, a)| i128::from(a.micros())).sum();
        if sum != 0 {
            self.problem(position, "its postings do not sum to zero");
        }
        let mut draft = self.book.draft();
        match draft.replay(&envelope.postings) {
            Ok(()) => {
                let changed = draft.into_changed();
                self.book.keep(changed);
            }
            Err(refusal) => self.problem(position, &format!("overdraws an account: {refusal}")),
        }
    }
}

/// Verifies the stored log: dense positions, leaf hashes, root, columns, zero sums, no overdraft at
/// any prefix, and the stored balances.
///
/// # Errors
/// [`LogError::Database`]; everything else is in the report.
pub async fn verify(pool: &PgPool) -> Result<VerifyReport, LogError> {
    let began = tokio::time::Instant::now();
    let mut tx = pool.begin().await?;
    // One snapshot for head, events and balances, however much is written meanwhile.
    sqlx::query!("set transaction isolation level repeatable read read only")
        .execute(&mut *tx)
        .await?;
    let head = sqlx::query!("select position, root from log_head").fetch_one(&mut *tx).await?;
    let mut audit = Audit::default();
    {
        let mut rows = sqlx::query!(
            "select position, stream, version, type as kind, body, leaf from event order by position"
        )
        .fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            audit.read(row.position, &row.body, &row.leaf, (&row.stream, row.version, &row.kind));
        }
    }
    if audit.position != head.position {
        let text = format!("the head says {}", head.position);
        audit.problem(audit.position, &format!("is the last one, but {text}"));
    }
    if audit.frontier.root() != head.root.as_slice() {
        audit.problem(audit.position, "the recomputed root is not the stored one");
    }
    let accounts = check_balances(&mut tx, &mut audit).await?;
    check_checkpoints(&mut tx, &mut audit).await?;
    Ok(VerifyReport {
        ok: audit.problems.is_empty(),
        events: audit.position,
        root: Sha256Hash(audit.frontier.root()),
        accounts,
        problems: audit.problems,
        ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

async fn check_balances(db: &mut PgConnection, audit: &mut Audit) -> Result<u64, LogError> {
    let stored =
        sqlx::query!("select account, balance, position from ledger_account").fetch_all(db).await?;
    let mut replayed: BTreeMap<String, i64> =
        audit.book.iter().map(|(account, b)| (account.to_string(), b.micros())).collect();
    for row in &stored {
        let found = replayed.remove(&row.account).unwrap_or_default();
        if found != row.balance {
            let text = format!(
                "the balance of {} is stored as {} and replays to {found}",
                row.account, row.balance
            );
            audit.problem(row.position, &text);
        }
    }
    for (account, balance) in replayed {
        audit.problem(audit.position, &format!("the balance {balance} of {account} is not stored"));
    }
    Ok(u64::try_from(stored.len()).unwrap_or_default())
}

/// The newest signed checkpoint must be of this tree.
async fn check_checkpoints(db: &mut PgConnection, audit: &mut Audit) -> Result<(), LogError> {
    let newest = sqlx::query!("select size, root from checkpoint order by size desc limit 1")
        .fetch_optional(&mut *db)
        .await?;
    let Some(newest) = newest else { return Ok(()) };
    let leaves = sqlx::query_scalar!(
        "select leaf from event where position <= $1 order by position",
        newest.size
    )
    .fetch_all(db)
    .await?;
    let mut frontier = Frontier::default();
    for leaf in &leaves {
        frontier.push(leaf.as_slice().try_into().unwrap_or_default());
    }
    let size = i64::try_from(frontier.size()).unwrap_or(i64::MAX);
    if size != newest.size || frontier.root() != newest.root.as_slice() {
        audit.problem(newest.size, "the signed checkpoint of this size has another root");
    }
    Ok(())
}
