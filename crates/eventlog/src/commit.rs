//! The SQL of the writer: taking over, loading, and the one transaction of a batch.

use std::collections::HashMap;

use medusa_ledger::{Account, Book};
use medusa_tlog::Frontier;
use medusa_types::{Credits, Sha256Hash, Timestamp};
use sqlx::{PgConnection, PgPool};

use crate::append::Operation;
use crate::error::LogError;
use crate::state::{Decided, State};

/// Any number that only this log uses.
const WRITER_LOCK: i64 = 0x6d65_6475_7361;

/// Becomes the one writer: a session lock that ends with the connection, and a new epoch that
/// fences whoever wrote before.
pub(crate) async fn take_over(
    pool: &PgPool,
    lock: &mut PgConnection,
    now: Timestamp,
) -> Result<State, LogError> {
    let taken = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "taken!""#, WRITER_LOCK)
        .fetch_one(lock)
        .await?;
    if !taken {
        return Err(LogError::Taken);
    }
    let head = sqlx::query!(
        "update log_head set epoch = epoch + 1
         returning position, batch, epoch, frontier, root, at"
    )
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
    Ok(State {
        epoch: head.epoch,
        batch: head.batch,
        position: head.position,
        at: Timestamp::from_utc(head.at).max(now.min(Timestamp::from_utc(head.at))),
        frontier,
        book: load_book(pool).await?,
        streams: HashMap::new(),
    })
}

async fn load_book(pool: &PgPool) -> Result<Book, LogError> {
    let rows = sqlx::query!("select account, balance from ledger_account").fetch_all(pool).await?;
    let mut balances = Vec::with_capacity(rows.len());
    for row in rows {
        let account: Account =
            row.account.parse().map_err(|e| LogError::Corrupt(format!("{e}")))?;
        balances.push((account, Credits::from_micros(row.balance)));
    }
    Ok(Book::load(balances))
}

/// Versions of streams that are not in memory.
pub(crate) async fn stream_versions(
    pool: &PgPool,
    streams: &[String],
) -> Result<Vec<(String, i64)>, LogError> {
    let rows =
        sqlx::query!("select stream, version from stream_head where stream = any($1)", streams)
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().map(|row| (row.stream, row.version)).collect())
}

/// Operations of a batch that were committed before.
pub(crate) async fn operations_done(
    pool: &PgPool,
    keys: &[String],
) -> Result<HashMap<String, (Sha256Hash, i64)>, LogError> {
    let rows =
        sqlx::query!("select key, request, position from operation where key = any($1)", keys)
            .fetch_all(pool)
            .await?;
    rows.into_iter()
        .map(|row| {
            let request = Sha256Hash::try_from(row.request.as_slice())
                .map_err(|e| LogError::Corrupt(e.to_string()))?;
            Ok((row.key, (request, row.position)))
        })
        .collect()
}

/// Writes a batch: head guard first, so that a fenced writer fails before anything else.
pub(crate) async fn commit(
    pool: &PgPool,
    state: &State,
    before: i64,
    decided: &Decided,
) -> Result<(), LogError> {
    let mut tx = pool.begin().await?;
    let peaks: Vec<Vec<u8>> = decided.frontier.peaks().iter().map(|p| p.to_vec()).collect();
    let root = decided.frontier.root();
    let guarded = sqlx::query!(
        "update log_head set position = $1, batch = $2, frontier = $3, root = $4, at = $5
         where position = $6 and epoch = $7",
        state.position,
        state.batch,
        &peaks,
        root.as_slice(),
        decided.at.to_utc(),
        before,
        state.epoch,
    )
    .execute(&mut *tx)
    .await?;
    if guarded.rows_affected() != 1 {
        return Err(LogError::Fenced);
    }
    insert_events(&mut tx, state.batch, decided).await?;
    insert_entries(&mut tx, decided).await?;
    upsert_balances(&mut tx, decided).await?;
    upsert_streams(&mut tx, decided).await?;
    insert_operations(&mut tx, &decided.operations, decided.at).await?;
    tx.commit().await?;
    Ok(())
}

async fn insert_events(
    db: &mut PgConnection,
    batch: i64,
    decided: &Decided,
) -> Result<(), LogError> {
    let of = |f: fn(&crate::read::StoredEvent) -> i64| -> Vec<i64> {
        decided.events.iter().map(|e| f(e)).collect()
    };
    let positions = of(|e| e.envelope.position);
    let versions = of(|e| e.envelope.version);
    let streams: Vec<String> = decided.events.iter().map(|e| e.envelope.stream.clone()).collect();
    let types: Vec<String> = decided.events.iter().map(|e| e.envelope.kind().to_owned()).collect();
    let bodies: Vec<Vec<u8>> = decided.events.iter().map(|e| e.body.to_vec()).collect();
    let leaves: Vec<Vec<u8>> = decided.events.iter().map(|e| e.leaf.0.to_vec()).collect();
    sqlx::query!(
        "insert into event (position, batch, stream, version, type, at, body, leaf)
         select position, $1, stream, version, type, $2, body, leaf
         from unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::bytea[])
             as row (position, stream, version, type, body, leaf)",
        batch,
        decided.at.to_utc(),
        &positions,
        &streams,
        &versions,
        &types,
        &bodies,
        &leaves,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_entries(db: &mut PgConnection, decided: &Decided) -> Result<(), LogError> {
    if decided.entries.is_empty() {
        return Ok(());
    }
    let accounts: Vec<String> = decided.entries.iter().map(|e| e.account.clone()).collect();
    let positions: Vec<i64> = decided.entries.iter().map(|e| e.position).collect();
    let numbers: Vec<i16> = decided.entries.iter().map(|e| e.entry).collect();
    let amounts: Vec<i64> = decided.entries.iter().map(|e| e.amount).collect();
    let balances: Vec<i64> = decided.entries.iter().map(|e| e.balance).collect();
    sqlx::query!(
        "insert into ledger_entry (account, position, entry, amount, balance)
         select * from unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[])",
        &accounts,
        &positions,
        &numbers,
        &amounts,
        &balances,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn upsert_balances(db: &mut PgConnection, decided: &Decided) -> Result<(), LogError> {
    if decided.balances.is_empty() {
        return Ok(());
    }
    let accounts: Vec<String> = decided.balances.keys().map(ToString::to_string).collect();
    let codes: Vec<i16> = decided
        .balances
        .keys()
        .map(|account| i16::try_from(account.class().code()).unwrap_or(i16::MAX))
        .collect();
    let balances: Vec<i64> = decided.balances.values().map(|(b, _)| b.micros()).collect();
    let positions: Vec<i64> = decided.balances.values().map(|(_, p)| *p).collect();
    sqlx::query!(
        "insert into ledger_account (account, code, balance, position)
         select * from unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[])
         on conflict (account) do update
         set balance = excluded.balance, position = excluded.position",
        &accounts,
        &codes,
        &balances,
        &positions,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn upsert_streams(db: &mut PgConnection, decided: &Decided) -> Result<(), LogError> {
    let streams: Vec<String> = decided.streams.keys().cloned().collect();
    let versions: Vec<i64> = decided.streams.values().copied().collect();
    sqlx::query!(
        "insert into stream_head (stream, version)
         select * from unnest($1::text[], $2::bigint[])
         on conflict (stream) do update set version = excluded.version",
        &streams,
        &versions,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_operations(
    db: &mut PgConnection,
    operations: &[(Operation, i64)],
    at: Timestamp,
) -> Result<(), LogError> {
    if operations.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = operations.iter().map(|(o, _)| o.key.clone()).collect();
    let requests: Vec<Vec<u8>> = operations.iter().map(|(o, _)| o.request.0.to_vec()).collect();
    let positions: Vec<i64> = operations.iter().map(|(_, p)| *p).collect();
    sqlx::query!(
        "insert into operation (key, request, position, at)
         select key, request, position, $1
         from unnest($2::text[], $3::bytea[], $4::bigint[]) as row (key, request, position)",
        at.to_utc(),
        &keys,
        &requests,
        &positions,
    )
    .execute(db)
    .await?;
    Ok(())
}
