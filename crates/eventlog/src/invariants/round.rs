//! The round over what is old: some events and some accounts each minute, from the first to the
//! last and again from the first, so that what was changed long after it was checked is noticed by
//! the running server.
//!
//! An event is compared with its hash, its columns, the stored tile and the roots that were written
//! down; an account with the end of its statement and with what is reserved on it. Where a round is
//! stands in the database: a restart goes on with it.

use medusa_api::InvariantRound;
use medusa_types::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::Finding;
use super::run::Findings;
use super::tree;
use crate::error::LogError;
use crate::read::stored_head;

/// Events of one step: whole tiles.
const EVENTS: i64 = 80 * 256;
/// Accounts of one step.
const ACCOUNTS: i64 = 2_000;
/// Wrong tiles of one step that are looked into.
const TILES_MAX: i64 = 10;

/// One account as it stands, and as what it is made of says.
struct Standing {
    id: i64,
    account: String,
    position: i64,
    balance: i64,
    stated: i64,
    pending: bool,
}

/// Looks at the next events; answers what is wrong with them.
pub(super) async fn events(pool: &PgPool) -> Result<Findings, LogError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read").execute(&mut *tx).await?;
    let head = stored_head(&mut *tx).await?;
    let place =
        sqlx::query_scalar!("select position from invariant_round").fetch_one(&mut *tx).await?;
    let low = if place < head { place } else { 0 };
    let high = head.min(low.saturating_add(EVENTS));
    let bytes = tree::read(&mut tx, (low, high)).await?;
    let mut found = Findings::from([("I01", bytes.missing), ("I02", bytes.events)]);
    let mut roots = tiles(&mut tx, low, high).await?;
    roots.merge(bytes.roots);
    found.insert("L21", roots);
    tx.rollback().await?;
    sqlx::query!(
        "update invariant_round set position = case when $2 then 0 else $1::bigint end,
             whole_at = case when $2 then now() else whole_at end,
             whole_events = case when $2 then $1::bigint else whole_events end",
        high,
        high >= head
    )
    .execute(pool)
    .await?;
    found.retain(|_, finding| finding.bad > 0);
    Ok(found)
}

/// The stored tiles of leaves in a span, beside the leaves.
async fn tiles(db: &mut PgConnection, low: i64, high: i64) -> Result<Finding, LogError> {
    let rows = sqlx::query!(
        r#"select t.index, t.hashes, e.leaves as "leaves!"
           from merkle_tile t
           cross join lateral (
               select coalesce(string_agg(leaf, '' order by position), '') as leaves from event
               where position > t.index * 256 and position <= t.index * 256 + 256
           ) e
           where t.level = 0 and t.index >= $1 and t.index < $2 and t.hashes <> e.leaves
           order by t.index limit $3"#,
        low.div_euclid(256),
        high.div_euclid(256),
        TILES_MAX
    )
    .fetch_all(db)
    .await?;
    let mut found = Finding::default();
    for row in rows {
        let same = |(tile, leaf): &(&[u8], &[u8])| tile == leaf;
        let before = row.hashes.chunks(32).zip(row.leaves.chunks(32)).take_while(same).count();
        let before = i64::try_from(before).unwrap_or_default();
        let first = row.index.saturating_mul(256).saturating_add(before).saturating_add(1);
        found.add(Some(first), "the stored tile has another hash than the event");
    }
    Ok(found)
}

/// Looks at the next accounts; answers what is wrong with them, and whether the round ended.
pub(super) async fn accounts(pool: &PgPool) -> Result<(Findings, bool), LogError> {
    let rows = sqlx::query_as!(
        Standing,
        r#"select a.id, a.account, a.position, a.balance, coalesce(p.closing, 0) as "stated!",
               a.debits_pending = coalesce(leaving.amount, 0)
                   and a.credits_pending = coalesce(coming.amount, 0) as "pending!"
           from (
               select * from ledger_account
               where id > (select account from invariant_round) order by id limit $1
           ) a
           left join lateral (
               select opening + coalesce(
                   (select sum(amount) from unnest(amounts) as amount), 0)::bigint as closing
               from statement_page where account_id = a.id
               order by last_position desc, first_position desc limit 1
           ) p on true
           cross join lateral (
               select sum(amount) as amount from reservation
               where from_account = a.account
                   and coalesce(resolved_position, 9223372036854775807) = 9223372036854775807
           ) leaving
           cross join lateral (
               select sum(amount) as amount from reservation
               where to_account = a.account
                   and coalesce(resolved_position, 9223372036854775807) = 9223372036854775807
           ) coming
           order by a.id"#,
        ACCOUNTS
    )
    .fetch_all(pool)
    .await?;
    let (mut balances, mut pending) = (Finding::default(), Finding::default());
    for Standing { account, position, balance, stated, .. } in
        rows.iter().filter(|row| row.balance != row.stated)
    {
        let text = format!("{account} stands at {balance}, and its statement ends at {stated}");
        balances.add(Some(*position), text);
    }
    for row in rows.iter().filter(|row| !row.pending) {
        let text = format!("{} says that something else is set aside than is", row.account);
        pending.add(Some(row.position), text);
    }
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let ended = count < ACCOUNTS;
    sqlx::query!(
        "update invariant_round set account = case when $3 then 0 else $1::bigint end,
             accounts = case when $3 then 0 else accounts + $2::bigint end,
             accounts_whole = case when $3 then accounts + $2::bigint else accounts_whole end,
             accounts_whole_at = case when $3 then now() else accounts_whole_at end",
        rows.last().map_or(0, |row| row.id),
        count,
        ended
    )
    .execute(pool)
    .await?;
    let mut found = Findings::from([("I05", balances), ("L06", pending)]);
    found.retain(|_, finding| finding.bad > 0);
    Ok((found, ended))
}

/// Where the round is.
///
/// # Errors
/// [`LogError::Database`].
pub(super) async fn status(pool: &PgPool) -> Result<InvariantRound, LogError> {
    let row = sqlx::query!(
        "select position, whole_at, whole_events, accounts_whole_at, accounts_whole
         from invariant_round"
    )
    .fetch_one(pool)
    .await?;
    Ok(InvariantRound {
        position: row.position,
        events_at: row.whole_at.map(Timestamp::from_utc),
        events: row.whole_events,
        accounts_at: row.accounts_whole_at.map(Timestamp::from_utc),
        accounts: row.accounts_whole,
    })
}
