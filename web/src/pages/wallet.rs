//! The wallet, and the event behind each of its lines.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{StatementLine, Wallet};
use medusa_platform::ApiError;
use medusa_types::Credits;
use serde::Deserialize;

use crate::ask::{Ask, Refusal};
use crate::port::{EventDetail, Paging};
use crate::show;

const LINES: u32 = 50;

#[derive(Deserialize)]
pub(crate) struct Cursor {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "wallet.html")]
struct WalletPage<'a> {
    ask: &'a Ask,
    wallet: Wallet,
    lines: Vec<StatementLine>,
    next: Option<String>,
    first: bool,
}

pub(crate) async fn wallet(ask: Ask, cursor: web::Query<Cursor>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let after = cursor.into_inner().after.filter(|a| !a.is_empty());
        let first = after.is_none();
        let wallet = ask.data().wallet(who).await?;
        let page = ask.data().statement(who, Paging { limit: LINES, after }).await?;
        ask.page(&WalletPage { ask: &ask, wallet, lines: page.items, next: page.next, first })
    })
    .await
}

/// The part of an event's body that the page shows as a table: account and micro-credits.
#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    postings: Vec<(String, i64)>,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage<'a> {
    ask: &'a Ask,
    detail: EventDetail,
    postings: Vec<(String, Credits)>,
    sum: Credits,
    pretty: String,
}

pub(crate) async fn event(ask: Ask, position: web::Path<String>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let position = position.parse::<i64>().map_err(|_| ApiError::not_found("event"))?;
        let detail = ask.data().event(who, position).await?;
        let body: Body = serde_json::from_str(&detail.entry.body).unwrap_or_default();
        let postings: Vec<_> = body
            .postings
            .into_iter()
            .map(|(account, micros)| (account, Credits::from_micros(micros)))
            .collect();
        let sum = postings.iter().fold(Credits::ZERO, |sum, (_, a)| sum.saturating_add(*a));
        let pretty = pretty(&detail.entry.body);
        Ok::<_, Refusal>(ask.page(&EventPage { ask: &ask, detail, postings, sum, pretty })?)
    })
    .await
}

/// The document with line breaks. Shown beside the exact bytes, never hashed.
fn pretty(body: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(body);
    value.and_then(|v| serde_json::to_string_pretty(&v)).unwrap_or_else(|_| body.to_owned())
}
