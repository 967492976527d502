//! Carrying a check out: span after span, each in a snapshot of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use medusa_api::Invariants;
use sqlx::{PgConnection, PgPool};

use super::list::{ALL, How};
use super::{Finding, relations, store, tree};
use crate::books::Books;
use crate::error::LogError;
use crate::rebuild::{RebuildError, differences};

/// Events that are looked at together.
const SPAN_MAX: i64 = 50_000;

/// What is said of a rule while there is nothing that it is about.
pub(super) const NOTHING_YET: &str = "no such accounts yet";

/// What was found, by the ids of the rules.
pub(super) type Findings = BTreeMap<&'static str, Finding>;

/// Checks the events behind `span.start` up to `span.end`, as far as they are written and derived
/// from, and everything that they touch; from 0 on that is all. Answers what is known then of every
/// rule.
///
/// # Errors
/// [`LogError`]; what breaks a rule is no error.
pub async fn check(pool: &PgPool, span: Range<i64>) -> Result<Invariants, LogError> {
    let end = {
        let mut db = pool.acquire().await?;
        reach(&mut db, span.start, span.end).await?
    };
    let whole = span.start <= 0;
    let (mut low, mut all) = (span.start.max(0), Findings::new());
    while low < end {
        let (high, found) = check_span(pool, low, end).await?;
        merge(&mut all, found);
        if high <= low {
            break;
        }
        low = high;
    }
    merge(&mut all, check_now(pool).await?);
    if whole {
        all.insert("L22", replay(pool).await?);
        store::replace(pool, low, &all).await?;
    } else {
        store::add(pool, low, &all).await?;
    }
    store::status(pool).await
}

fn merge(all: &mut Findings, found: Findings) {
    for (id, finding) in found {
        all.entry(id).or_default().merge(finding);
    }
}

/// Checks the next span behind `low`; answers where it ended.
pub(super) async fn check_span(
    pool: &PgPool,
    low: i64,
    end: i64,
) -> Result<(i64, Findings), LogError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read").execute(&mut *tx).await?;
    let high = reach(&mut tx, low, end.min(low.saturating_add(SPAN_MAX))).await?;
    let found = if high > low { run(&mut tx, low, high).await? } else { Findings::new() };
    // The temporary tables go with it.
    tx.rollback().await?;
    Ok((high.max(low), found))
}

/// How far a check can go: what is written, and read by everybody who derives something from it. A
/// batch is looked at whole, because chains are not cut then.
async fn reach(db: &mut PgConnection, low: i64, end: i64) -> Result<i64, LogError> {
    let reach = sqlx::query_scalar!(
        r#"with known as (
               select least(
                   $2, (select position from log_head),
                   (select min(position) from projection where name in ('books', 'jobs', 'billing'))
               ) as high
           )
           select case
               when exists (select from event where position = high + 1) then coalesce((
                   select max(position) from event
                   where position > $1 and position <= high
                       and batch < (select batch from event where position = high + 1)
               ), $1)
               else high
           end as "reach!"
           from known"#,
        low,
        end
    )
    .fetch_one(db)
    .await?;
    Ok(reach)
}

/// Looks at a span in the caller's transaction, which must see one snapshot.
pub(super) async fn run(db: &mut PgConnection, low: i64, high: i64) -> Result<Findings, LogError> {
    let bytes = tree::read(db, (low, high)).await?;
    relations::fill(db, (low, high), &bytes).await?;
    let mut found = Findings::new();
    for rule in ALL {
        if let How::Span(query) = rule.how {
            found.insert(rule.id, ask(db, query).await?);
        }
    }
    found.insert("I02", bytes.events);
    found.insert("L21", bytes.roots);
    Ok(found)
}

/// Looks at everything that is so, or not, at this moment; of the other rules, whether there is
/// anything that they are about.
pub(super) async fn check_now(pool: &PgPool) -> Result<Findings, LogError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read").execute(&mut *tx).await?;
    let found = now(&mut tx).await?;
    tx.rollback().await?;
    Ok(found)
}

pub(super) async fn now(db: &mut PgConnection) -> Result<Findings, LogError> {
    let mut found = Findings::new();
    for rule in ALL.iter().filter(|rule| !matches!(rule.how, How::Replay)) {
        let there = count_accounts(db, rule.about).await?;
        let finding = match rule.how {
            How::Now(query) => ask(db, query).await?,
            How::Later if there > 0 => Finding {
                bad: there,
                first: None,
                detail: format!("{there} such accounts, and no check for them yet"),
            },
            _ => Finding::default(),
        };
        let detail = if finding.bad == 0 && there == 0 && !rule.about.is_empty() {
            NOTHING_YET.to_owned()
        } else {
            finding.detail.clone()
        };
        found.insert(rule.id, Finding { detail, ..finding });
    }
    Ok(found)
}

/// How many accounts of these classes there are; not more than two are counted.
async fn count_accounts(db: &mut PgConnection, classes: &[&str]) -> Result<i64, LogError> {
    let mut count = 0_i64;
    for class in classes {
        // The accounts of a class lie together: after its name comes nothing, or a colon.
        let found = sqlx::query_scalar!(
            r#"select count(*) as "count!" from (
                   select from ledger_account
                   where account = $1 or (account > $1 || ':' and account < $1 || ';') limit 2
               ) as found"#,
            class
        )
        .fetch_one(&mut *db)
        .await?;
        count = count.saturating_add(found);
    }
    Ok(count)
}

async fn ask(db: &mut PgConnection, query: &'static str) -> Result<Finding, LogError> {
    let (bad, first, detail): (i64, Option<i64>, Option<String>) =
        sqlx::query_as(query).persistent(false).fetch_one(db).await?;
    Ok(Finding { bad, first, detail: detail.unwrap_or_default() })
}

/// Builds the books anew beside the stored ones and compares them.
pub(super) async fn replay(pool: &PgPool) -> Result<Finding, LogError> {
    let text = match differences(pool, &Books::default()).await {
        Ok(Some(0)) => return Ok(Finding::default()),
        Ok(Some(bad)) => {
            let detail = format!("{bad} accounts, statements or reservations differ");
            return Ok(Finding { bad, first: None, detail });
        }
        Ok(None) => "the books say that they stand where the log does not reach",
        Err(RebuildError::Running(_)) => {
            let detail = "the books are being rebuilt; check again".to_owned();
            return Ok(Finding { bad: 0, first: None, detail });
        }
        Err(RebuildError::Log(LogError::Changed(position))) => {
            let detail = "the event was changed, so nothing can be built from it".to_owned();
            return Ok(Finding { bad: 1, first: Some(position), detail });
        }
        Err(RebuildError::Log(error)) => return Err(error),
    };
    Ok(Finding { bad: 1, first: None, detail: text.to_owned() })
}
