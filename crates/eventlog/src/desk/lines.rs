//! The lines of one account's statement, in pages of any size from any place in either direction.
//! Nothing is read but the rows around that place, however long the statement is.

use medusa_ledger::{Account, Amount};
use sqlx::PgConnection;

use super::place::Place;
use crate::error::LogError;

/// Rows of one read; each has at least one line, and mostly many.
const ROWS_READ: i64 = 32;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it is.
    pub place: Place,
    /// What moved, credit side positive.
    pub amount: Amount,
    /// The balance after it.
    pub balance: Amount,
}

/// The last lines before a place, newest first. None for an account that was never used.
///
/// # Errors
/// [`LogError::Corrupt`] when a stored page contradicts itself.
pub async fn lines_before(
    db: &mut PgConnection,
    account: &Account,
    place: Place,
    limit: usize,
) -> Result<Vec<Line>, LogError> {
    let account = account.to_string();
    let mut lines = Vec::new();
    // The row that the place is in has the earliest end behind it; all others end before.
    let mut last = sqlx::query_scalar!(
        r#"select coalesce(min(last_position), $3) as "last!" from statement_page
           where account_id = (select id from ledger_account where account = $1)
             and last_position > $2"#,
        account,
        place.position,
        i64::MAX
    )
    .fetch_one(&mut *db)
    .await?;
    let mut first = i64::MAX;
    loop {
        let rows = sqlx::query_as!(
            Row,
            "select first_position, last_position, opening, offsets, entries, amounts
             from statement_page
             where account_id = (select id from ledger_account where account = $1)
               and (last_position, first_position) < ($2, $3)
             order by last_position desc, first_position desc limit $4",
            account,
            last,
            first,
            ROWS_READ
        )
        .fetch_all(&mut *db)
        .await?;
        for row in &rows {
            (last, first) = (row.last_position, row.first_position);
            lines.extend(row.lines()?.into_iter().rev().filter(|line| line.place < place));
            if lines.len() >= limit {
                lines.truncate(limit);
                return Ok(lines);
            }
        }
        if rows.is_empty() {
            return Ok(lines);
        }
    }
}

/// The first lines after a place, oldest first. None for an account that was never used.
///
/// # Errors
/// As [`lines_before`].
pub async fn lines_after(
    db: &mut PgConnection,
    account: &Account,
    place: Place,
    limit: usize,
) -> Result<Vec<Line>, LogError> {
    let account = account.to_string();
    let mut lines = Vec::new();
    let (mut last, mut first) = (place.position, i64::MIN);
    loop {
        let rows = sqlx::query_as!(
            Row,
            "select first_position, last_position, opening, offsets, entries, amounts
             from statement_page
             where account_id = (select id from ledger_account where account = $1)
               and (last_position, first_position) > ($2, $3)
             order by last_position, first_position limit $4",
            account,
            last,
            first,
            ROWS_READ
        )
        .fetch_all(&mut *db)
        .await?;
        for row in &rows {
            (last, first) = (row.last_position, row.first_position);
            lines.extend(row.lines()?.into_iter().filter(|line| line.place > place));
            if lines.len() >= limit {
                lines.truncate(limit);
                return Ok(lines);
            }
        }
        if rows.is_empty() {
            return Ok(lines);
        }
    }
}

/// Some lines as they are stored.
struct Row {
    first_position: i64,
    last_position: i64,
    opening: i64,
    offsets: Vec<i32>,
    entries: Vec<i16>,
    amounts: Vec<i64>,
}

impl Row {
    fn lines(&self) -> Result<Vec<Line>, LogError> {
        let corrupt = || {
            let text = format!("a page of a statement from position {}", self.first_position);
            LogError::Corrupt(text)
        };
        if self.offsets.len() != self.amounts.len() || self.entries.len() != self.amounts.len() {
            return Err(corrupt());
        }
        let mut balance = Amount::new(self.opening);
        let mut lines = Vec::with_capacity(self.amounts.len());
        let places = self.offsets.iter().zip(&self.entries);
        for ((offset, entry), amount) in places.zip(&self.amounts) {
            let amount = Amount::new(*amount);
            balance = balance.checked_add(amount).ok_or_else(corrupt)?;
            let position = self.first_position.saturating_add(i64::from(*offset));
            lines.push(Line { place: Place { position, entry: *entry }, amount, balance });
        }
        Ok(lines)
    }
}
