//! `wallet`: what is there, and how it came.

use medusa_api::StatementLine;

use crate::App;
use crate::args::History;
use crate::exit::Exit;
use crate::jobs::minute;

const PAGE: u32 = 100;

pub(crate) async fn show(app: &App, history: Option<History>, limit: u32) -> anyhow::Result<Exit> {
    if history.is_some() {
        return statement(app, limit).await;
    }
    let wallet = app.client.wallet().await?;
    if app.out.json() {
        app.out.value(&wallet)?;
        return Ok(Exit::Done);
    }
    for (name, amount) in [
        ("available", wallet.available),
        ("  promo", wallet.promo),
        ("  ads", wallet.ad),
        ("  bought", wallet.paid),
        ("  earned", wallet.earned),
        ("held", wallet.held),
        ("pending", wallet.earned_pending),
    ] {
        app.out.data(&format!("{name:<10} {:>14}", amount.to_string()))?;
    }
    Ok(Exit::Done)
}

async fn statement(app: &App, limit: u32) -> anyhow::Result<Exit> {
    let mut lines: Vec<StatementLine> = Vec::new();
    let mut after = None;
    loop {
        let missing = limit.saturating_sub(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        let page = app.client.statement(missing.min(PAGE), after.as_deref()).await?;
        lines.extend(page.items);
        after = page.next;
        if after.is_none() || lines.len() >= usize::try_from(limit)? {
            break;
        }
    }
    if app.out.json() {
        app.out.value(&lines)?;
        return Ok(Exit::Done);
    }
    let row = |line: &StatementLine| {
        let class = line.account.split(':').next().unwrap_or_default();
        vec![
            line.position.to_string(),
            minute(&line.at.to_string()),
            line.amount.to_string(),
            line.balance.to_string(),
            class.to_owned(),
            line.in_words.clone(),
        ]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    app.out.table(&["EVENT", "WHEN", "AMOUNT", "BALANCE", "ACCOUNT", "WHAT"], &rows)?;
    Ok(Exit::Done)
}
