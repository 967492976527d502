//! The peer: one transaction for each transfer, which locks both balances with `SELECT … FOR
//! UPDATE`, as most ledgers are written. It does what ours does: an event with its operation, two
//! balances, two lines of statements. 16 clients, 10,000 accounts.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use sqlx::PgPool;

use super::ground::Ledger;
use super::load::Load;
use crate::figure::per_second_of;

/// Connections that write at a time.
const CLIENTS: u64 = 16;

pub(super) async fn prepare(ledger: &Ledger) -> Result<()> {
    for order in [
        "create table naive_account (id bigint primary key, balance bigint not null)
         with (fillfactor = 50)",
        "insert into naive_account select n, 1000000000000 from generate_series(0, 9999) as n",
        "create table naive_event (id bigserial primary key, operation uuid not null unique,
             debit bigint not null, credit bigint not null, amount bigint not null,
             at timestamptz not null default now(), body bytea not null)",
        "create table naive_line (account bigint not null, event bigint not null,
             amount bigint not null, balance bigint not null, primary key (account, event))",
    ] {
        sqlx::query(order).execute(&ledger.pool).await?;
    }
    Ok(())
}

/// Transfers for so long; answers how many a second.
pub(super) async fn window(ledger: &Ledger, time: Duration) -> Result<f64> {
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|n| {
        let pool = ledger.pool.clone();
        #[expect(clippy::disallowed_methods, reason = "clients of a load, which end with it")]
        tokio::spawn(client(pool, n, began, time))
    });
    let mut done = 0;
    for client in join_all(clients.collect::<Vec<_>>()).await {
        done += client??;
    }
    Ok(per_second_of(done, began.elapsed()))
}

async fn client(pool: PgPool, n: u64, began: Instant, time: Duration) -> Result<usize> {
    let mut load = Load::new();
    for _ in 0..=n {
        load.next(2);
    }
    let random = medusa_platform::Random::system();
    let body = vec![b'x'; 400];
    let mut db = pool.acquire().await?;
    let mut done = 0;
    while began.elapsed() < time {
        let from = i64::try_from((load.next(10_000) + n * 613) % 10_000)?;
        let to = (from + 1 + i64::try_from(load.next(9_998))?) % 10_000;
        let mut tx = sqlx::Connection::begin(&mut *db).await?;
        // In the order of their ids, so that two transfers cannot wait for each other.
        let locked: Vec<(i64, i64)> = sqlx::query_as(
            "select id, balance from naive_account where id in ($1, $2) order by id for update",
        )
        .bind(from)
        .bind(to)
        .fetch_all(&mut *tx)
        .await?;
        if locked.iter().any(|(id, balance)| *id == from && *balance < 1) {
            continue;
        }
        sqlx::query(
            "with after as (
                 update naive_account set balance = balance + case when id = $1 then -1 else 1 end
                 where id in ($1, $2) returning id, balance
             ), event as (
                 insert into naive_event (operation, debit, credit, amount, body)
                 values ($3, $1, $2, 1, $4) returning id
             )
             insert into naive_line (account, event, amount, balance)
             select after.id, event.id, case when after.id = $1 then -1 else 1 end, after.balance
             from after, event",
        )
        .bind(from)
        .bind(to)
        .bind(random.id())
        .bind(&body)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        done += 1;
    }
    Ok(done)
}
