//! The auditor's page: the books, the head of the log, its events, and the check of them all.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{AuditHead, EventEntry, TrialBalance};
use medusa_types::Credits;
use serde::Deserialize;

use crate::ask::Ask;
use crate::port::Totals;
use crate::show;

const EVENTS: u32 = 50;

#[derive(Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    from: String,
}

#[derive(Template)]
#[template(path = "admin.html")]
struct Admin<'a> {
    ask: &'a Ask,
    books: TrialBalance,
    head: AuditHead,
    totals: Totals,
    events: Vec<EventEntry>,
    from: i64,
    /// Starts of the neighbouring pages.
    older: Option<i64>,
    newer: Option<i64>,
}

impl Admin<'_> {
    fn balanced(&self) -> bool {
        self.books.sum == Credits::ZERO
    }
}

pub(crate) async fn admin(ask: Ask, query: web::Query<From>) -> HttpResponse {
    ask.show(async {
        let who = ask.admin()?;
        let books = ask.data().trial_balance(who).await?;
        let head = ask.data().head().await?;
        let totals = ask.data().totals().await?;
        // Without a wish, the newest events.
        let last = last_page(head.size);
        let from = query.from.parse::<i64>().map_or(last, |wish| wish.clamp(1, head.size.max(1)));
        let mut events = ask.data().events(who, from, EVENTS).await?.items;
        events.reverse();
        let older = (from > 1).then(|| from.saturating_sub(i64::from(EVENTS)).max(1));
        let newer = Some(from.saturating_add(i64::from(EVENTS))).filter(|n| *n <= head.size);
        ask.page(&Admin { ask: &ask, books, head, totals, events, from, older, newer })
    })
    .await
}

fn last_page(size: i64) -> i64 {
    size.saturating_sub(i64::from(EVENTS)).saturating_add(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::last_page;

    #[test]
    fn the_last_page_ends_with_the_last_event() {
        assert_eq!([last_page(0), last_page(50), last_page(51)], [1, 1, 2]);
    }
}
