//! Statements of single accounts: any part of one, as of any moment. Each page is whole in itself:
//! opening and lines come to closing, and the next page opens where it closes.

use medusa_api::{AccountLine, AccountStatement, AccountStatementQuery};
use medusa_ledger::{Account, Amount};
use sqlx::PgConnection;

use super::accounts::api_currency;
use super::error::DeskError;
use super::lines::{Line, lines_after, lines_before};
use super::moment::{books, first_at, marks, position_at, snapshot};
use super::place::Place;
use super::{Desk, limit};
use crate::error::LogError;

/// The events that are asked for, both ends within.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    const fn has(&self, line: &Line) -> bool {
        self.from <= line.place.position && line.place.position <= self.to
    }
}

/// Which end of the page is known.
#[derive(Clone, Copy)]
enum Edge {
    /// The lines after a place.
    After(Place),
    /// The lines before a place.
    Before(Place),
}

/// Lines of one account, oldest first.
struct Page {
    lines: Vec<Line>,
    /// Whether there are lines before these in the span.
    earlier: bool,
    /// Whether there are lines after these in the span.
    later: bool,
    /// What stood before the first line, or where one would be.
    opening: Amount,
}

impl Desk {
    /// A page of an account's statement.
    ///
    /// # Errors
    /// [`DeskError::Missing`] for an account that was never touched, [`DeskError::Cursor`];
    /// [`DeskError::Query`] for both cursors at once, or a limit that no page has.
    pub async fn account_statement(
        &self,
        account: &str,
        query: AccountStatementQuery,
    ) -> Result<AccountStatement, DeskError> {
        let account: Account = account.parse().map_err(|_| DeskError::Missing("account"))?;
        let limit = limit(query.limit, 500)?;
        self.log.books_current().await;
        let mut db = snapshot(self.log.pool()).await?;
        check_used(&mut db, &account).await?;
        let span = span(&mut db, &query).await?;
        let page = match edge(&query, span)? {
            Edge::After(place) => page_after(&mut db, &account, span, place, limit).await?,
            Edge::Before(place) => page_before(&mut db, &account, span, place, limit).await?,
        };
        answer(&mut db, account, span, page).await
    }
}

async fn check_used(db: &mut PgConnection, account: &Account) -> Result<(), DeskError> {
    let used = sqlx::query_scalar!(
        r#"select exists (select from ledger_account where account = $1) as "used!""#,
        account.to_string()
    )
    .fetch_one(db)
    .await?;
    used.then_some(()).ok_or(DeskError::Missing("account"))
}

async fn span(db: &mut PgConnection, query: &AccountStatementQuery) -> Result<Span, DeskError> {
    let mut span = Span { from: query.from.unwrap_or(1).max(1), to: books(db).await? };
    if let Some(to) = query.to {
        span.to = span.to.min(to.max(0));
    }
    if let Some(since) = query.since {
        span.from = span.from.max(first_at(db, since).await?);
    }
    if let Some(until) = query.until {
        span.to = span.to.min(position_at(db, until).await?);
    }
    Ok(span)
}

/// Where the page begins or ends.
fn edge(query: &AccountStatementQuery, span: Span) -> Result<Edge, DeskError> {
    let place = |text: &str| text.parse::<Place>().map_err(|_| DeskError::Cursor);
    let start = Place::before(span.from);
    let end = Place::behind(span.to);
    match (query.after.as_deref(), query.before.as_deref()) {
        (Some(_), Some(_)) => {
            Err(DeskError::Query("lines are after a cursor or before one, not both".into()))
        }
        (Some(after), None) => Ok(Edge::After(place(after)?.max(start))),
        (None, Some(before)) => Ok(Edge::Before(place(before)?.min(end))),
        (None, None) if query.from.is_some() || query.since.is_some() => Ok(Edge::After(start)),
        (None, None) => Ok(Edge::Before(end)),
    }
}

async fn page_after(
    db: &mut PgConnection,
    account: &Account,
    span: Span,
    place: Place,
    limit: usize,
) -> Result<Page, LogError> {
    let mut lines = lines_after(db, account, place, limit.saturating_add(1)).await?;
    lines.retain(|line| span.has(line));
    let later = lines.len() > limit;
    lines.truncate(limit);
    // With nothing behind the place, everything stays as it is at the end of the span.
    let first = lines.first().map_or(Place::behind(span.to), |line| line.place);
    let before = line_before(db, account, first).await?;
    let earlier = before.is_some_and(|line| span.has(&line));
    Ok(Page { lines, earlier, later, opening: before.map_or(Amount::ZERO, |line| line.balance) })
}

async fn page_before(
    db: &mut PgConnection,
    account: &Account,
    span: Span,
    place: Place,
    limit: usize,
) -> Result<Page, LogError> {
    let mut lines = lines_before(db, account, place, limit).await?;
    lines.retain(|line| span.has(line));
    lines.reverse();
    let first = lines.first().map_or(place, |line| line.place);
    let before = line_before(db, account, first).await?;
    let earlier = before.is_some_and(|line| span.has(&line));
    let later = match lines.last() {
        Some(last) => {
            let next = lines_after(db, account, last.place, 1).await?;
            next.first().is_some_and(|line| span.has(line))
        }
        None => false,
    };
    Ok(Page { lines, earlier, later, opening: before.map_or(Amount::ZERO, |line| line.balance) })
}

/// The last line before a place.
async fn line_before(
    db: &mut PgConnection,
    account: &Account,
    place: Place,
) -> Result<Option<Line>, LogError> {
    Ok(lines_before(db, account, place, 1).await?.first().copied())
}

async fn answer(
    db: &mut PgConnection,
    account: Account,
    span: Span,
    page: Page,
) -> Result<AccountStatement, DeskError> {
    let ends = [page.lines.first(), page.lines.last()].map(|line| line.map(|line| line.place));
    let [first, last] = ends;
    let from = first.filter(|_| page.earlier).map_or(span.from, |place| place.position);
    let to = last.filter(|_| page.later).map_or(span.to, |place| place.position);
    let mut positions: Vec<i64> = page.lines.iter().map(|line| line.place.position).collect();
    positions.extend([from, to]);
    let marks = marks(db, &positions).await?;
    let at = |position: i64| marks.get(&position).map(|mark| mark.at);
    let currency = account.currency();
    let lines = page.lines.iter().map(|line| {
        let position = line.place.position;
        let missing = || LogError::Corrupt(format!("event {position}: is missing"));
        let mark = marks.get(&position).ok_or_else(missing)?;
        Ok(AccountLine {
            position,
            entry: u16::try_from(line.place.entry).unwrap_or_default(),
            at: mark.at,
            event: mark.kind.clone(),
            stream: mark.stream.clone(),
            amount: currency.show(line.amount),
            balance: currency.show(line.balance),
        })
    });
    let closing = page.lines.last().map_or(page.opening, |line| line.balance);
    Ok(AccountStatement {
        account: account.to_string(),
        currency: api_currency(currency),
        from,
        to,
        since: at(from),
        until: at(to),
        opening: currency.show(page.opening),
        lines: lines.collect::<Result<_, LogError>>()?,
        closing: currency.show(closing),
        next: last.filter(|_| page.later).map(|place| place.to_string()),
        previous: first.filter(|_| page.earlier).map(|place| place.to_string()),
    })
}
