//! What was found last, one row for each rule.
#![expect(clippy::as_conversions, reason = "the query macros name a parameter's type with `as`")]

use medusa_api::{InvariantStatus, Invariants};
use medusa_types::Timestamp;
use sqlx::PgPool;

use super::list::{ALL, How, Invariant};
use super::round;
use super::run::{Findings, NOTHING_YET};
use crate::error::LogError;
use crate::read::stored_head;

/// Whether what was broken once stays noted: what is true of the present moment does not.
const fn lasts(rule: &Invariant) -> bool {
    !matches!(rule.how, How::Now(_) | How::Later)
}

/// Every rule with what the last check of it found.
///
/// # Errors
/// [`LogError::Database`].
pub async fn status(pool: &PgPool) -> Result<Invariants, LogError> {
    let rows =
        sqlx::query!("select id, checked_at, position, bad, first_bad, detail from invariant")
            .fetch_all(pool)
            .await?;
    let items = ALL.iter().map(|rule| {
        let row = rows.iter().find(|row| row.id == rule.id);
        InvariantStatus {
            id: rule.id.to_owned(),
            name: rule.name.to_owned(),
            meaning: rule.meaning.to_owned(),
            checked_at: row.map(|row| Timestamp::from_utc(row.checked_at)),
            position: row.map_or(0, |row| row.position),
            bad: row.map_or(0, |row| u64::try_from(row.bad).unwrap_or_default()),
            first_bad: row.and_then(|row| row.first_bad),
            detail: row.map(|row| row.detail.clone()).unwrap_or_default(),
            idle: row.is_some_and(|row| row.bad == 0 && row.detail == NOTHING_YET),
        }
    });
    let (items, head) = (items.collect(), stored_head(pool).await?);
    Ok(Invariants { items, head, round: round::status(pool).await?, checking: false })
}

/// Up to which position every rule over spans was checked; 0 when one never was.
pub(super) async fn checked(pool: &PgPool) -> Result<i64, LogError> {
    let ids: Vec<String> = ALL
        .iter()
        .filter(|rule| matches!(rule.how, How::Span(_) | How::Hashes | How::Roots))
        .map(|rule| rule.id.to_owned())
        .collect();
    let position = sqlx::query_scalar!(
        r#"select coalesce(min(coalesce(i.position, 0)), 0) as "position!"
           from unnest($1::text[]) as wanted (id) left join invariant i using (id)"#,
        &ids
    )
    .fetch_one(pool)
    .await?;
    Ok(position)
}

/// Notes a check of everything, up to a position.
pub(super) async fn replace(pool: &PgPool, high: i64, found: &Findings) -> Result<(), LogError> {
    write(pool, high, found, |_| false).await
}

/// Notes a check of one more span, up to a position.
pub(super) async fn add(pool: &PgPool, high: i64, found: &Findings) -> Result<(), LogError> {
    write(pool, high, found, lasts).await
}

async fn write(
    pool: &PgPool,
    high: i64,
    found: &Findings,
    keeps: impl Fn(&Invariant) -> bool,
) -> Result<(), LogError> {
    let rules: Vec<_> = ALL.iter().filter_map(|rule| Some((rule, found.get(rule.id)?))).collect();
    let ids: Vec<String> = rules.iter().map(|(rule, _)| rule.id.to_owned()).collect();
    let bads: Vec<i64> = rules.iter().map(|(_, finding)| finding.bad).collect();
    let firsts: Vec<Option<i64>> = rules.iter().map(|(_, finding)| finding.first).collect();
    let details: Vec<String> = rules.iter().map(|(_, finding)| finding.detail.clone()).collect();
    let kept: Vec<String> =
        rules.iter().filter(|(rule, _)| keeps(rule)).map(|(rule, _)| rule.id.to_owned()).collect();
    sqlx::query!(
        "insert into invariant as i (id, checked_at, position, bad, first_bad, detail)
         select id, now(), $5, bad, first_bad, detail
         from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
             as n (id, bad, first_bad, detail)
         on conflict (id) do update set
             checked_at = excluded.checked_at, position = greatest(i.position, excluded.position),
             bad = case when i.id = any($6) then greatest(i.bad, excluded.bad)
                 else excluded.bad end,
             first_bad = case when i.id = any($6) then least(i.first_bad, excluded.first_bad)
                 else excluded.first_bad end,
             detail = case when i.id = any($6) and i.bad > 0 then i.detail
                 else excluded.detail end",
        &ids,
        &bads,
        &firsts as &[Option<i64>],
        &details,
        high,
        &kept
    )
    .execute(pool)
    .await?;
    Ok(())
}
