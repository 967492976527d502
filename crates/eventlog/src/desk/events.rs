//! Events by filter. A page costs a bounded look at the log: when little is found in it, the page
//! is short, and its cursor goes on where the look ended.

use medusa_api::{EventFilter, EventOrder, EventSummary, EventSummaryPage, Moved};
use medusa_events::Envelope;
use medusa_ledger::Posting;
use sqlx::PgConnection;

use super::accounts::api_currency;
use super::error::DeskError;
use super::fetch::decode;
use super::moment::{first_at, position_at, snapshot};
use super::source::{Source, Span};
use super::{Desk, limit};
use crate::error::LogError;

/// Events that one page looks at.
const LOOK_MAX: usize = 20_000;
/// Events that are looked at together.
const LOOK: usize = 512;
/// Postings of an event that a list shows.
const MOVED_MAX: usize = 20;

impl Desk {
    /// The events that meet all of a filter, in the order that it asks for.
    ///
    /// # Errors
    /// [`DeskError::Cursor`]; [`DeskError::Query`] for an account that the chart does not
    /// have, or a limit that no page has.
    pub async fn events(&self, filter: EventFilter) -> Result<EventSummaryPage, DeskError> {
        let limit = limit(filter.limit, 200)?;
        let source = source(&filter)?;
        if matches!(source, Source::Account(_)) {
            self.log.books_current().await;
        }
        let mut db = snapshot(self.log.pool()).await?;
        let head = sqlx::query_scalar!("select position from log_head").fetch_one(&mut *db).await?;
        let mut span = span(&mut db, &filter, head).await?;
        let mut items: Vec<EventSummary> = Vec::new();
        let (mut looked, mut ended) = (0_usize, false);
        while items.len() <= limit && looked < LOOK_MAX && !ended {
            let count = if is_plain(&filter) { limit.saturating_add(1) } else { LOOK };
            let positions = source.next(&mut db, &mut span, count).await?;
            looked = looked.saturating_add(positions.len());
            ended = positions.is_empty();
            items.extend(matching(&mut db, &positions, &filter).await?);
        }
        let next = if items.len() > limit {
            items.truncate(limit);
            items.last().map(|item| item.position)
        } else if ended || span.is_empty() {
            None
        } else if span.newest_first {
            span.to.checked_add(1)
        } else {
            span.from.checked_sub(1)
        };
        Ok(EventSummaryPage { items, next: next.map(|position| position.to_string()), head })
    }
}

/// Whether every event of the source meets the filter.
fn is_plain(filter: &EventFilter) -> bool {
    let two_sources = filter.stream.is_some() && filter.account.is_some();
    filter.event.is_none() && filter.actor.is_none() && filter.causation.is_none() && !two_sources
}

/// Whether an event meets what the search in its bytes does not tell for certain.
fn is_met_by(filter: &EventFilter, event: &Envelope) -> bool {
    filter.actor.is_none_or(|actor| event.actor == Some(actor))
        && filter.causation.is_none_or(|causation| event.causation == Some(causation))
}

fn source(filter: &EventFilter) -> Result<Source, DeskError> {
    if let Some(account) = &filter.account {
        let words = |_| DeskError::Query(format!("{account:?} is not an account of the chart"));
        return Ok(Source::Account(account.parse().map_err(words)?));
    }
    Ok(filter.stream.clone().map_or(Source::Log, Source::Stream))
}

async fn span(db: &mut PgConnection, filter: &EventFilter, head: i64) -> Result<Span, DeskError> {
    let newest_first = filter.order == EventOrder::Newest;
    let mut span = Span { from: filter.from.unwrap_or(1).max(1), to: head, newest_first };
    span.to = span.to.min(filter.to.unwrap_or(head));
    if let Some(since) = filter.since {
        span.from = span.from.max(first_at(db, since).await?);
    }
    if let Some(until) = filter.until {
        span.to = span.to.min(position_at(db, until).await?);
    }
    if let Some(causation) = filter.causation {
        // What an event led to comes after it.
        span.from = span.from.max(causation.saturating_add(1));
    }
    if let Some(after) = &filter.after {
        span.go_behind(after.parse().map_err(|_| DeskError::Cursor)?);
    }
    Ok(span)
}

/// Those of these events that meet the filter, in the order of the positions.
async fn matching(
    db: &mut PgConnection,
    positions: &[i64],
    filter: &EventFilter,
) -> Result<Vec<EventSummary>, LogError> {
    // In the stored bytes a quotation mark within a text is escaped: these are keys, not content.
    let actor = filter.actor.map(|actor| format!("\"actor\":\"{actor}\"").into_bytes());
    let causation = filter.causation.map(|at| format!("\"causation\":{at},").into_bytes());
    let rows = sqlx::query!(
        "select position, body from event
         where position = any($1)
           and ($2::text is null or starts_with(type, $2))
           and ($3::text is null or stream = $3)
           and ($4::bytea is null or position($4 in body) > 0)
           and ($5::bytea is null or position($5 in body) > 0)",
        positions,
        filter.event,
        filter.stream,
        actor,
        causation
    )
    .fetch_all(db)
    .await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let event = decode(row.position, &row.body)?;
        if is_met_by(filter, &event) {
            items.push(summary(&event));
        }
    }
    items.sort_unstable_by_key(|item| item.position);
    if filter.order == EventOrder::Newest {
        items.reverse();
    }
    Ok(items)
}

fn summary(event: &Envelope) -> EventSummary {
    let moved = event.postings.iter().take(MOVED_MAX).map(|Posting(account, amount)| Moved {
        account: account.to_string(),
        currency: api_currency(account.currency()),
        amount: account.currency().show(*amount),
    });
    EventSummary {
        position: event.position,
        at: event.at,
        event: event.kind().to_owned(),
        stream: event.stream.clone(),
        version: event.version,
        actor: event.actor,
        causation: event.causation,
        moved: moved.collect(),
        postings: u32::try_from(event.postings.len()).unwrap_or(u32::MAX),
    }
}
