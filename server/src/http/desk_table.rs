//! Lists of the desk as JSON, or as a table: RFC 4180 with a header line, one row an item.
//!
//! A table may be opened with a program that runs what looks like a formula: a text that begins
//! like one gets an apostrophe in front. Numbers stay as they are.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, LINK};
use actix_web::{HttpRequest, HttpResponse};
use medusa_api::{
    AccountPage, AccountStatement, AdjustmentPage, CheckpointPage, EventSummaryPage, ExportFormat,
    ExportQuery, Invariants, Projections, TrialBalance,
};
use medusa_types::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// What a formula begins with.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A list that can leave as a table.
pub(super) trait Listing: Serialize {
    /// Of the file, without its ending.
    const NAME: &'static str;
    /// The fields of an item in order; `a/b` is the field `b` of the field `a`, and `name=/a` the
    /// field `a` of the whole list, the same in each row.
    const COLUMNS: &'static [&'static str];

    /// The items.
    fn items(&self) -> Vec<Value>;

    /// Cursor of the next page.
    fn next(&self) -> Option<&str>;
}

macro_rules! listings {
    ($($page:ident $name:literal $items:ident $(next $next:ident)? [$($column:literal)*];)*) => {$(
        impl Listing for $page {
            const NAME: &'static str = $name;
            const COLUMNS: &'static [&'static str] = &[$($column),*];

            fn items(&self) -> Vec<Value> {
                // Strings, numbers and lists of them: writing cannot fail.
                self.$items.iter().map(|i| serde_json::to_value(i).unwrap_or_default()).collect()
            }

            fn next(&self) -> Option<&str> {
                let next: Option<&str> = None;
                $(let next = next.or(self.$next.as_deref());)?
                next
            }
        }
    )*};
}

listings! {
    TrialBalance "trial-balance" lines ["code" "class" "currency" "accounts" "balance"
        "as_of_position=/position" "as_of=/at"];
    AccountPage "accounts" items next next ["account" "code" "class" "currency" "balance"
        "debits_pending" "credits_pending" "state" "lines" "position" "as_of_position=/position"];
    EventSummaryPage "events" items next next ["position" "at" "event" "stream" "version" "actor"
        "causation" "moved" "postings"];
    Invariants "invariants" items ["id" "name" "meaning" "checked_at" "position" "bad" "first_bad"
        "detail" "idle"];
    CheckpointPage "checkpoints" items next next ["size" "root" "at" "cosigned" "note"];
    Projections "projections" items ["name" "position" "head" "lag_events" "lag_ms" "rebuilt/at"
        "rebuilt/ms" "rebuilt/differences" "away"];
    AdjustmentPage "adjustments" items next next ["id" "account" "counter_account" "currency"
        "amount" "reason" "explanation" "ticket" "proposed_by" "proposed_at" "state" "decided_by"
        "decided_at" "position" "text_in_log"];
}

/// A table is whole in itself, as the page is: it begins with a row for the opening balance and
/// ends with one for the closing balance.
impl Listing for AccountStatement {
    const NAME: &'static str = "statement";
    const COLUMNS: &'static [&'static str] = &[
        "account=/account",
        "currency=/currency",
        "position",
        "entry",
        "at",
        "event",
        "stream",
        "amount",
        "balance",
    ];

    fn items(&self) -> Vec<Value> {
        let end = |event: &str, position: i64, at: Option<Timestamp>, balance: &str| json!({ "event": event, "position": position, "at": at, "balance": balance });
        let lines = self.lines.iter().map(|line| json!(line));
        let opening = end("opening", self.from, self.since, &self.opening);
        let closing = end("closing", self.to, self.until, &self.closing);
        [opening].into_iter().chain(lines).chain([closing]).collect()
    }

    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// A list as it was asked for. The header `Link` leads to the next page.
pub(super) fn answer<L: Listing>(req: &HttpRequest, export: ExportQuery, list: &L) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(next) = list.next() {
        let address = next_address(req.path(), req.query_string(), next);
        answer.insert_header((LINK, format!("<{address}>; rel=\"next\"")));
    }
    match export.format {
        ExportFormat::Json => answer.json(list),
        ExportFormat::Csv => answer
            .insert_header((
                CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}.csv\"", L::NAME),
            ))
            .content_type("text/csv; charset=utf-8")
            .body(table(list)),
    }
}

/// The same address with another cursor.
fn next_address(path: &str, query: &str, next: &str) -> String {
    let is_cursor = |pair: &str| pair.starts_with("after=") || pair.starts_with("before=");
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair)).collect();
    let kept = kept.into_iter().map(|pair| format!("{pair}&")).collect::<String>();
    // Cursors are made of letters, digits and marks that an address may have.
    format!("{path}?{kept}after={next}")
}

fn table<L: Listing>(list: &L) -> String {
    let mut text = String::new();
    let header = |column: &&str| match column.split_once('=') {
        Some((name, _)) => name.to_owned(),
        None => column.replace('/', "_"),
    };
    write_row(&mut text, &L::COLUMNS.iter().map(header).collect::<Vec<_>>());
    let page = serde_json::to_value(list).unwrap_or_default();
    for item in list.items() {
        let found = |column: &str| match column.split_once('=') {
            Some((_, of_page)) => page.pointer(of_page).cloned(),
            None => item.pointer(&format!("/{column}")).cloned(),
        };
        let cell = |column: &&str| found(column).as_ref().map(cell).unwrap_or_default();
        write_row(&mut text, &L::COLUMNS.iter().map(cell).collect::<Vec<_>>());
    }
    text
}

fn write_row(text: &mut String, cells: &[String]) {
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}

/// What stands in a cell: nothing for nothing, items of a list one after the other.
fn cell(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(item).collect();
            harmless(items.join(" "))
        }
        other => harmless(plain(other)),
    }
}

/// An item of a list in a cell: its fields in the order of their names, with `=` between.
fn item(value: &Value) -> String {
    let Value::Object(fields) = value else { return plain(value) };
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    fields.into_iter().map(|(_, value)| plain(value)).collect::<Vec<_>>().join("=")
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text that no program takes for a formula.
fn harmless(text: String) -> String {
    if text.starts_with(FORMULA) && !is_number(&text) { format!("'{text}") } else { text }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    plain(whole) && plain(places)
}

#[cfg(test)]
#[path = "desk_table_tests.rs"]
mod tests;
