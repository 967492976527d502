//! The account explorer: search, one account, and its statement with a curve.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{
    AccountPage, AccountQuery, AccountStatement, AccountStatementQuery, AccountSummary, AsOf,
};
use medusa_platform::Principal;
use serde::Deserialize;

use super::wish::{Reader, in_form, micros, number};
use crate::ask::{Ask, Refusal};
use crate::link::{encode, link};
use crate::plot::{Plot, plot};
use crate::port::DeskAccess;
use crate::show;

const ACCOUNTS: u32 = 50;
const LINES: u32 = 50;
/// Lines of an exported page: the most that the interface gives.
const EXPORT_LINES: u32 = 500;

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    search: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "desk/accounts.html")]
struct Accounts<'a> {
    ask: &'a Ask,
    typed: &'a Search,
    page: AccountPage,
    /// Classes that have accounts, to choose from.
    classes: Vec<String>,
}

impl Accounts<'_> {
    fn chosen(&self, class: &str) -> bool {
        self.typed.class == class
    }

    fn here(&self, after: &str) -> String {
        let (search, class) = (&*self.typed.search, &*self.typed.class);
        link("/admin/accounts", &[("search", search), ("class", class), ("after", after)])
    }

    fn export(&self, format: &str) -> String {
        let (search, class, after) =
            (self.typed.search.trim(), &*self.typed.class, &*self.typed.after);
        let values = [("search", search), ("class", class), ("after", after), ("format", format)];
        link("/v1/admin/accounts", &values)
    }
}

pub(crate) async fn accounts(ask: Ask, typed: web::Query<Search>) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let mut form = Reader::default();
        let wish = AccountQuery {
            search: form.text(&typed.search),
            class: form.text(&typed.class),
            after: form.text(&typed.after),
            limit: Some(ACCOUNTS),
        };
        let page = ask.data().accounts(who, wish).await?;
        let books = ask.data().trial_balance(who, AsOf::default()).await;
        let lines = books.map(|books| books.lines).unwrap_or_default();
        let classes = lines.into_iter().map(|line| line.class).collect();
        ask.page(&Accounts { ask: &ask, typed: &typed, page, classes })
    })
    .await
}

#[derive(Deserialize)]
pub(crate) struct Range {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    before: String,
}

#[derive(Template)]
#[template(path = "desk/account.html")]
struct Account<'a> {
    ask: &'a Ask,
    typed: &'a Range,
    asked: AccountStatementQuery,
    wrong: Option<String>,
    account: AccountSummary,
    statement: AccountStatement,
    plot: Option<Plot>,
}

impl Account<'_> {
    fn ranged(&self) -> bool {
        let Range { from, to, since, until, .. } = self.typed;
        ![from, to, since, until].iter().all(|text| text.is_empty())
    }

    /// Whether this is not the page that comes first.
    fn turned(&self) -> bool {
        !self.typed.after.is_empty() || !self.typed.before.is_empty()
    }

    /// Another page of the same statement.
    fn page(&self, turn: &str, cursor: &str) -> String {
        let Range { from, to, since, until, .. } = self.typed;
        let values =
            [("from", &**from), ("to", to), ("since", since), ("until", until), (turn, cursor)];
        link(&format!("/admin/accounts/{}", encode(&self.account.account)), &values)
    }

    /// What is shown, from its first to its last position.
    fn export(&self, format: &str) -> String {
        let asked = &self.asked;
        let (from, to) = (number(asked.from), number(asked.to));
        let (since, until) = (micros(asked.since), micros(asked.until));
        let cursor = |cursor: &Option<String>| cursor.clone().unwrap_or_default();
        let (after, before) = (cursor(&asked.after), cursor(&asked.before));
        let limit = EXPORT_LINES.to_string();
        let values = [
            ("from", &*from),
            ("to", &to),
            ("since", &since),
            ("until", &until),
            ("after", &after),
            ("before", &before),
            ("limit", &limit),
            ("format", format),
        ];
        let path = format!("/v1/admin/accounts/{}/statement", encode(&self.account.account));
        link(&path, &values)
    }
}

pub(crate) async fn account(
    ask: Ask,
    account: web::Path<String>,
    typed: web::Query<Range>,
) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let account = ask.data().account(who, &account).await?;
        let (statement, asked, wrong) = statement(&ask, who, &account.account, &typed).await?;
        let plot = plot(&statement);
        ask.page(&Account { ask: &ask, typed: &typed, asked, wrong, account, statement, plot })
    })
    .await
}

/// The wanted part of a statement; where that makes no sense, the newest lines, and why.
async fn statement(
    ask: &Ask,
    who: &Principal,
    account: &str,
    typed: &Range,
) -> Result<(AccountStatement, AccountStatementQuery, Option<String>), Refusal> {
    let mut form = Reader::default();
    let asked = AccountStatementQuery {
        from: form.position(&typed.from),
        to: form.position(&typed.to),
        since: form.moment(&typed.since),
        until: form.moment(&typed.until),
        after: form.text(&typed.after),
        before: form.text(&typed.before),
        limit: Some(LINES),
    };
    let wrong = form.wrong();
    match ask.data().account_statement(who, account, asked.clone()).await {
        Ok(statement) => Ok((statement, asked, wrong)),
        Err(error) => {
            let wrong = in_form(error)?;
            let newest = AccountStatementQuery { limit: Some(LINES), ..Default::default() };
            let statement = ask.data().account_statement(who, account, newest.clone()).await?;
            Ok((statement, newest, Some(wrong)))
        }
    }
}
