//! Where events that may meet a filter are looked for, a few positions at a time: in a stream, in
//! the statement of an account, or in the whole log.

use medusa_ledger::Account;
use sqlx::PgConnection;

use super::lines::{lines_after, lines_before};
use super::place::Place;
use crate::error::LogError;

/// Positions in some order, of which fewer and fewer are left.
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) newest_first: bool,
}

impl Span {
    /// Leaves out everything up to this position, in the order of the span.
    pub(super) fn go_behind(&mut self, position: i64) {
        if self.newest_first {
            self.to = self.to.min(position.saturating_sub(1));
        } else {
            self.from = self.from.max(position.saturating_add(1));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.from > self.to
    }
}

/// What holds the positions.
pub(super) enum Source {
    Log,
    Stream(String),
    Account(Account),
}

impl Source {
    /// The next positions of the span, at least one unless there are no more; takes them off.
    pub(super) async fn next(
        &self,
        db: &mut PgConnection,
        span: &mut Span,
        count: usize,
    ) -> Result<Vec<i64>, LogError> {
        if span.is_empty() {
            return Ok(Vec::new());
        }
        let positions = match self {
            Self::Log => of_log(span, count),
            Self::Stream(stream) => of_stream(db, stream, span, count).await?,
            Self::Account(account) => of_account(db, account, span, count).await?,
        };
        if let Some(last) = positions.last() {
            span.go_behind(*last);
        }
        Ok(positions)
    }
}

fn of_log(span: &Span, count: usize) -> Vec<i64> {
    if span.newest_first {
        (span.from..=span.to).rev().take(count).collect()
    } else {
        (span.from..=span.to).take(count).collect()
    }
}

async fn of_stream(
    db: &mut PgConnection,
    stream: &str,
    span: &Span,
    count: usize,
) -> Result<Vec<i64>, LogError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let positions = if span.newest_first {
        sqlx::query_scalar!(
            "select position from event
             where hashtextextended(stream, 0) = hashtextextended($1, 0) and stream = $1
               and position between $2 and $3
             order by version desc limit $4",
            stream,
            span.from,
            span.to,
            count
        )
        .fetch_all(db)
        .await?
    } else {
        sqlx::query_scalar!(
            "select position from event
             where hashtextextended(stream, 0) = hashtextextended($1, 0) and stream = $1
               and position between $2 and $3
             order by version limit $4",
            stream,
            span.from,
            span.to,
            count
        )
        .fetch_all(db)
        .await?
    };
    Ok(positions)
}

async fn of_account(
    db: &mut PgConnection,
    account: &Account,
    span: &Span,
    count: usize,
) -> Result<Vec<i64>, LogError> {
    let lines = if span.newest_first {
        lines_before(db, account, Place::behind(span.to), count).await?
    } else {
        lines_after(db, account, Place::before(span.from), count).await?
    };
    let mut positions: Vec<i64> = lines.iter().map(|line| line.place.position).collect();
    positions.retain(|position| (span.from..=span.to).contains(position));
    // An event can have several lines on one account.
    positions.dedup();
    Ok(positions)
}
