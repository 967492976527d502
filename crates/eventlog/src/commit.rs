//! The SQL of the writer: taking over, loading, looking up, and the one call of a batch.
#![expect(clippy::as_conversions, reason = "the query macros name a parameter's type with `as`")]

use std::sync::Arc;

use medusa_ledger::{Account, AccountState, Amount, Book, Pending, PendingState, Standing};
use medusa_tlog::Frontier;
use medusa_types::{PendingId, Timestamp, Uuid};
use sqlx::{PgConnection, PgPool};

use crate::error::LogError;
use crate::loaded;
use crate::read::{StoredEvent, read_events};
use crate::standby::WriterSign;
use crate::state::{Decided, Found, Outcome, State};

/// Any number that only this log uses.
const WRITER_LOCK: i64 = 0x6d65_6475_7361;
/// Events of one read.
const READ_MAX: i64 = 5_000;

/// What a process sees that would like to write.
pub(crate) enum Sight {
    /// It has the lock now: nobody writes.
    Free,
    /// The writer, and its last sign of life. One that stays the same is from a silent writer.
    Written(WriterSign, time::OffsetDateTime),
}

/// Tries to get the writer's lock.
pub(crate) async fn look(db: &mut PgConnection) -> Result<Sight, LogError> {
    if lock(db).await? {
        return Ok(Sight::Free);
    }
    let sign =
        sqlx::query!("select epoch, alive_at, address from log_writer").fetch_one(db).await?;
    Ok(Sight::Written(WriterSign { epoch: sign.epoch, address: sign.address }, sign.alive_at))
}

/// The epoch that may write now.
pub(crate) async fn epoch(pool: &PgPool) -> Result<i64, LogError> {
    Ok(sqlx::query_scalar!("select epoch from log_head").fetch_one(pool).await?)
}

/// Begins a new epoch: whoever wrote before writes no more.
pub(crate) async fn begin_epoch(lock: &mut PgConnection) -> Result<i64, LogError> {
    Ok(sqlx::query_scalar!(r#"select log_take_over() as "epoch!""#).fetch_one(lock).await?)
}

/// Becomes the one writer: a new epoch fences whoever wrote before.
pub(crate) async fn take_over(
    pool: &PgPool,
    lock: &mut PgConnection,
    epoch: i64,
    now: Timestamp,
) -> Result<State, LogError> {
    keep_alive(lock, epoch, true, None).await?;
    evict(lock).await;
    let head = sqlx::query!("select position, batch, frontier, root, at from log_head")
        .fetch_one(pool)
        .await?;
    let peaks: Option<Vec<[u8; 32]>> =
        head.frontier.iter().map(|peak| peak.as_slice().try_into().ok()).collect();
    let size = u64::try_from(head.position).unwrap_or_default();
    let frontier = peaks
        .and_then(|peaks| Frontier::restore(size, peaks))
        .filter(|frontier| frontier.root() == head.root.as_slice())
        .ok_or_else(|| LogError::Corrupt("frontier, size and root of the head disagree".into()))?;
    let last = sqlx::query_scalar!(r#"select coalesce(max(position), 0) as "last!" from event"#)
        .fetch_one(pool)
        .await?;
    if last != head.position {
        let text = format!("the head says {} events, the table has {last}", head.position);
        return Err(LogError::Corrupt(text));
    }
    make_partitions(pool, head.position).await?;
    let at = Timestamp::from_utc(head.at).max(now.min(Timestamp::from_utc(head.at)));
    let book = load_book(pool, head.position).await?;
    Ok(State::new(epoch, head.batch, at, frontier, book))
}

/// Ends the connection that still holds the lock: its process is silent and fenced. Where the
/// rights are missing the fence alone has to do.
async fn evict(lock: &mut PgConnection) {
    let evicted = sqlx::query!("select log_evict($1)", WRITER_LOCK).execute(&mut *lock).await;
    if evicted.is_err() {
        tracing::warn!("the writer before could not be disconnected; it is fenced");
    }
}

/// Gets the lock for a writer that took over without it. The connection that had it ends a moment
/// after it was told to.
pub(crate) async fn lock(db: &mut PgConnection) -> Result<bool, LogError> {
    Ok(sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "taken!""#, WRITER_LOCK)
        .fetch_one(db)
        .await?)
}

/// Says that the writer of this epoch lives, and where; `false` when another has taken over.
pub(crate) async fn keep_alive(
    db: &mut PgConnection,
    epoch: i64,
    first: bool,
    address: Option<&str>,
) -> Result<bool, LogError> {
    let kept = sqlx::query!(
        "update log_writer set alive_at = clock_timestamp(), epoch = $1, address = $3
         where epoch = $1 or ($2 and epoch < $1)",
        epoch,
        first,
        address
    )
    .execute(db)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Makes the partitions that the next events need.
pub(crate) async fn make_partitions(pool: &PgPool, position: i64) -> Result<(), LogError> {
    const AHEAD: i64 = 2_000_000;
    sqlx::query!("select log_partitions($1)", position.saturating_add(AHEAD)).execute(pool).await?;
    Ok(())
}

/// The books as the projection stored them, and what the log says since.
async fn load_book(pool: &PgPool, head: i64) -> Result<Book, LogError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read read only")
        .execute(&mut *tx)
        .await?;
    let stored = sqlx::query_scalar!("select position from projection where name = 'books'")
        .fetch_optional(&mut *tx)
        .await?;
    let mut position = stored.unwrap_or_default();
    let (accounts, open) = (load_accounts(&mut tx).await?, load_open(&mut tx).await?);
    drop(tx);
    loaded::check(&accounts, &open)?;
    let mut book = Book::load(accounts, open);
    while position < head {
        let events = read_events(pool, position, READ_MAX).await?;
        let Some(last) = events.last() else {
            return Err(LogError::Corrupt(format!("event {position} has no successor")));
        };
        position = last.envelope.position;
        for event in &events {
            let envelope = &event.envelope;
            let mut draft = book.draft();
            draft.replay(&envelope.postings, &envelope.changes).map_err(|refusal| {
                LogError::Corrupt(format!("event {}: {refusal}", envelope.position))
            })?;
            let changed = draft.into_changed();
            book.keep(changed);
        }
    }
    let end = book.mark();
    book.commit(end);
    Ok(book)
}

pub(crate) fn account(text: &str) -> Result<Account, LogError> {
    text.parse().map_err(|error| LogError::Corrupt(format!("{error}")))
}

async fn load_accounts(db: &mut PgConnection) -> Result<Vec<(Account, Standing)>, LogError> {
    let rows = sqlx::query!(
        "select account, balance, debits_pending, credits_pending, state from ledger_account"
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let standing = Standing {
                posted: Amount::new(row.balance),
                debits_pending: Amount::new(row.debits_pending),
                credits_pending: Amount::new(row.credits_pending),
                state: AccountState::of_name(&row.state).unwrap_or_default(),
            };
            Ok((account(&row.account)?, standing))
        })
        .collect()
}

async fn load_open(db: &mut PgConnection) -> Result<Vec<(PendingId, Pending)>, LogError> {
    let ids = sqlx::query_scalar!("select pending_id from reservation where state = 'open'")
        .fetch_all(&mut *db)
        .await?;
    pendings(db, &ids).await
}

/// Stored reservations among these.
pub(crate) async fn pendings(
    db: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(PendingId, Pending)>, LogError> {
    let rows = sqlx::query!(
        "select pending_id, from_account, to_account, amount, expires_at, state
         from reservation where pending_id = any($1)",
        ids
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let pending = Pending {
                from: account(&row.from_account)?,
                to: account(&row.to_account)?,
                amount: Amount::new(row.amount),
                expires_at: row.expires_at.map(Timestamp::from_utc),
                state: match row.state.as_str() {
                    "open" => PendingState::Open,
                    "posted" => PendingState::Posted,
                    "voided" => PendingState::Voided,
                    _ => PendingState::Expired,
                },
            };
            Ok((PendingId(row.pending_id), pending))
        })
        .collect()
}

/// Versions of streams that are not in memory; those that do not exist are at 0.
pub(crate) async fn stream_versions(
    db: &mut PgConnection,
    streams: &[String],
) -> Result<Vec<(String, i64)>, LogError> {
    let rows = sqlx::query!(
        r#"select wanted.stream as "stream!", coalesce((
               select version from event e
               where hashtextextended(e.stream, 0) = hashtextextended(wanted.stream, 0)
                   and e.stream = wanted.stream
               order by version desc limit 1
           ), 0) as "version!"
           from unnest($1::text[]) as wanted (stream)"#,
        streams
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.stream, row.version)).collect())
}

/// What became of operations, of those that are stored.
pub(crate) async fn operations(db: &mut PgConnection, ids: &[Uuid]) -> Result<Found, LogError> {
    let rows = sqlx::query!(
        "select id, request, position, refusal from operation where id = any($1)",
        ids
    )
    .fetch_all(db)
    .await?;
    let outcome = |position: Option<i64>, refusal: Option<String>| match position {
        Some(position) => Outcome::Done(position),
        None => Outcome::Refused(refusal.unwrap_or_default()),
    };
    let found = rows.into_iter();
    Ok(found.map(|row| (row.id, (row.request, outcome(row.position, row.refusal)))).collect())
}

/// Why a batch was not written.
pub(crate) enum CommitError {
    /// An operation in it is stored already: somebody repeats a command.
    Repeated,
    /// Anything else; whether it was written is not known.
    Lost(LogError),
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code());
        match code.as_deref() {
            Some("MD001") => Self::Lost(LogError::Fenced),
            Some("23505") => Self::Repeated,
            _ => Self::Lost(error.into()),
        }
    }
}

/// What a batch writes.
pub(crate) struct Written {
    before: i64,
    epoch: i64,
    batch: i64,
    at: Timestamp,
    peaks: Vec<Vec<u8>>,
    root: [u8; 32],
    events: Vec<Arc<StoredEvent>>,
    operations: Vec<(Uuid, Uuid, Outcome)>,
}

impl Written {
    /// Of the batch that was decided last.
    pub(crate) fn of(state: &State, decided: &Decided) -> Self {
        Self {
            before: decided.before.position,
            epoch: state.epoch,
            batch: state.batch,
            at: decided.at,
            peaks: state.frontier.peaks().iter().map(|p| p.to_vec()).collect(),
            root: state.frontier.root(),
            events: decided.events.clone(),
            operations: decided.operations.clone(),
        }
    }
}

/// Writes a batch in one call, which is one transaction.
pub(crate) async fn commit(db: &mut PgConnection, batch: Written) -> Result<(), CommitError> {
    let Written { events, operations, .. } = &batch;
    let streams: Vec<&str> = events.iter().map(|e| e.envelope.stream.as_str()).collect();
    let versions: Vec<i64> = events.iter().map(|e| e.envelope.version).collect();
    let types: Vec<&str> = events.iter().map(|e| e.envelope.kind()).collect();
    let bodies: Vec<&[u8]> = events.iter().map(|e| e.body.as_ref()).collect();
    let leaves: Vec<&[u8]> = events.iter().map(|e| e.leaf.0.as_slice()).collect();
    let ids: Vec<Uuid> = operations.iter().map(|(id, _, _)| *id).collect();
    let requests: Vec<Uuid> = operations.iter().map(|(_, request, _)| *request).collect();
    let positions: Vec<Option<i64>> = operations.iter().map(|(_, _, o)| o.position()).collect();
    let refusals: Vec<Option<&str>> = operations.iter().map(|(_, _, o)| o.refusal()).collect();
    sqlx::query!(
        "select log_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        batch.before,
        batch.epoch,
        batch.batch,
        batch.at.to_utc(),
        &batch.peaks,
        batch.root.as_slice(),
        &streams as &[&str],
        &versions,
        &types as &[&str],
        &bodies as &[&[u8]],
        &leaves as &[&[u8]],
        &ids,
        &requests,
        &positions as &[Option<i64>],
        &refusals as &[Option<&str>],
    )
    .execute(db)
    .await?;
    Ok(())
}
