//! The wallet: balances and statement.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{StatementLine, Wallet};
use serde::Deserialize;

use crate::ask::Ask;
use crate::port::Paging;
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
