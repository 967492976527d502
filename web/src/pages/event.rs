//! One event: what it moved, what caused it, its stored document, and the proof that it is in the
//! log, which the reader's own browser can check.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Currency, Moved};
use medusa_platform::ApiError;
use medusa_types::Credits;

use crate::ask::Ask;
use crate::link::link;
use crate::port::EventDetail;
use crate::show;

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage<'a> {
    ask: &'a Ask,
    detail: EventDetail,
    sums: Vec<(Currency, String)>,
    pretty: String,
}

impl EventPage<'_> {
    /// The events that meet one condition.
    fn list(&self, name: &str, value: impl ToString) -> String {
        link("/admin/events", &[(name, &value.to_string())])
    }

    /// The stream from its beginning.
    fn stream(&self) -> String {
        link("/admin/events", &[("stream", &self.detail.entry.stream), ("order", "oldest")])
    }
}

pub(crate) async fn event(ask: Ask, position: web::Path<String>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let position = position.parse::<i64>().map_err(|_| ApiError::not_found("event"))?;
        let detail = ask.data().event(who, position).await?;
        let sums = sums(&detail.moved);
        let pretty = pretty(&detail.entry.body);
        ask.page(&EventPage { ask: &ask, detail, sums, pretty })
    })
    .await
}

/// What the movements of each currency come to: nothing, or the books are wrong.
fn sums(moved: &[Moved]) -> Vec<(Currency, String)> {
    let sum = |currency| {
        let own = moved.iter().filter(|one| one.currency == currency);
        let amounts = own.clone().filter_map(|one| one.amount.parse::<Credits>().ok());
        let sum = amounts.fold(Credits::ZERO, Credits::saturating_add).to_string();
        own.count().gt(&0).then_some((currency, sum))
    };
    [Currency::Crd, Currency::Usd].into_iter().filter_map(sum).collect()
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
    use super::*;

    #[test]
    fn each_currency_has_its_sum() {
        let one = |currency, amount: &str| Moved {
            account: "bank".into(),
            currency,
            amount: amount.into(),
        };
        let (crd, usd) = (Currency::Crd, Currency::Usd);
        let moved = [one(usd, "-1.50"), one(crd, "2.00"), one(usd, "1.50"), one(crd, "-0.5")];
        assert_eq!(sums(&moved), [(crd, "1.50".to_owned()), (usd, "0.00".to_owned())]);
        assert_eq!(sums(&moved[..1]), [(usd, "-1.50".to_owned())]);
    }

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
