//! The wallet, and the event behind each of its lines.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{StatementLine, Wallet};
use medusa_platform::ApiError;
use medusa_types::Credits;
use serde::Deserialize;

use crate::ask::Ask;
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
        ask.page(&EventPage { ask: &ask, detail, postings, sum, pretty })
    })
    .await
}

/// The document with line breaks, its keys in their stored order, lists of plain values on one
/// line. Shown beside the exact bytes, never hashed.
fn pretty(body: &str) -> String {
    let (mut out, mut depth, mut text, mut flat) = (String::new(), 0_usize, false, false);
    let mut before = ' ';
    let mut rest = body.chars().peekable();
    while let Some(c) = rest.next() {
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        };
        match c {
            '"' if before != '\\' => text = !text,
            _ if text => {}
            ']' if flat => flat = false,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                // An empty one stays on its line.
                if !matches!(before, '{' | '[') {
                    line(&mut out, depth);
                }
            }
            _ => {}
        }
        out.push(c);
        // Of two backslashes, the second escapes nothing.
        before = if c == '\\' && before == '\\' { ' ' } else { c };
        match (text, c) {
            (false, '[') if !matches!(rest.peek(), Some('[' | '{' | ']')) => flat = true,
            (false, '{' | '[') => {
                depth = depth.saturating_add(1);
                if !matches!(rest.peek(), Some('}' | ']')) {
                    line(&mut out, depth);
                }
            }
            (false, ',') if flat => out.push(' '),
            (false, ',') => line(&mut out, depth),
            (false, ':') => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn a_document_keeps_its_order_and_its_texts() {
        let body = r#"{"b":[["x",-1],["y\\",1]],"a":{"t":"a,b:{\"[","e":[],"o":{}}}"#;
        let shown = pretty(body);
        assert_eq!(
            shown,
            "{\n  \"b\": [\n    [\"x\", -1],\n    [\"y\\\\\", 1]\n  ],\n  \"a\": {\n    \
             \"t\": \"a,b:{\\\"[\",\n    \"e\": [],\n    \"o\": {}\n  }\n}"
        );
        let (a, b): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(body).unwrap(), serde_json::from_str(&shown).unwrap());
        assert_eq!(a, b);
    }
}
