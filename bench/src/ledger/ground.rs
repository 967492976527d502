//! The ground to measure on: a durable Postgres of its own on the disk, and logs in databases of
//! it, each with its writer in this process.

use std::time::Duration;

use anyhow::{Context as _, Result};
use medusa_eventlog::{EventLog, LogConfig};
use medusa_platform::Clock;
use medusa_platform::embedded::{Postgres, PostgresConfig};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::process::Folder;

/// Connections of one log's pool: the peer has 16 clients.
const CONNECTIONS: u32 = 24;

/// The Postgres.
pub(super) struct Ground {
    postgres: Option<Postgres>,
    _folder: Folder,
}

/// One log.
pub(super) struct Ledger {
    pub(super) pool: PgPool,
    pub(super) log: EventLog,
    stop: CancellationToken,
}

impl Ground {
    pub(super) async fn open() -> Result<Self> {
        let folder = Folder::new()?;
        let path = |name: &str| folder.path().join(name);
        let config = PostgresConfig {
            data_dir: path("pg"),
            socket_dir: path("run"),
            log: path("postgres.log"),
            durable: true,
            bin: None,
        };
        let started = tokio::task::spawn_blocking(move || Postgres::start(&config));
        let postgres = started.await??;
        let mut db = PgConnection::connect(&postgres.url()).await?;
        // Checkpoints by time and not by size, for all windows alike.
        for order in [
            "alter system set max_wal_size = '16GB'",
            "alter system set min_wal_size = '8GB'",
            "alter system set checkpoint_timeout = '15min'",
            "select pg_reload_conf()",
        ] {
            sqlx::query(order).execute(&mut db).await?;
        }
        Ok(Self { postgres: Some(postgres), _folder: folder })
    }

    /// A log in a database of this name.
    pub(super) async fn ledger(&self, name: &str) -> Result<Ledger> {
        let postgres = self.postgres.as_ref().context("the database is stopped")?;
        if name != "medusa" {
            let mut db = PgConnection::connect(&postgres.url()).await?;
            sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut db).await?;
        }
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .connect(&postgres.url_of(name))
            .await?;
        medusa_platform::migrate::MIGRATOR.run(&pool).await?;
        let stop = CancellationToken::new();
        let config = LogConfig { pool: pool.clone(), clock: Clock::system() };
        let log = medusa_eventlog::start(config, stop.clone()).await?;
        Ok(Ledger { pool, log, stop })
    }

    pub(super) fn close(mut self) {
        if let Some(postgres) = self.postgres.take() {
            // What cannot be stopped is told by the next start in this folder, which is gone then.
            postgres.stop().ok();
        }
    }
}

impl Ledger {
    /// Waits until balances and statements show everything, however long it takes.
    pub(super) async fn settled(&self) {
        while !self.log.books_current().await {}
    }

    /// What events, operations, balances, statements and the tree take on the disk, by the event.
    #[expect(clippy::float_arithmetic, reason = "a figure for people")]
    pub(super) async fn bytes_per_event(&self) -> Result<f64> {
        let sizes: (i64, i64) = sqlx::query_as(
            "select (select sum(pg_total_relation_size(c.oid))::bigint from pg_class c
                 where c.relkind = 'r' and (c.relname like 'event%' or c.relname in
                     ('operation', 'ledger_account', 'statement_page', 'merkle_tile',
                      'reservation'))),
                 (select position from log_head)",
        )
        .fetch_one(&self.pool)
        .await?;
        let (bytes, events) = (u32::try_from(sizes.0 >> 10)?, u32::try_from(sizes.1)?);
        Ok(f64::from(bytes) * 1024.0 / f64::from(events))
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.pool.close().await;
    }
}
