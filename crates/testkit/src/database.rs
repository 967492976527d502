//! A migrated database for one test.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use medusa_platform::migrate::MIGRATOR;
use medusa_types::Sha256Hash;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use crate::servers::{Servers, home, lock};

/// Connections of one test's pool: many tests share the server's 200.
const CONNECTIONS_MAX: u32 = 8;

/// A database of one test, empty and migrated, and its corner of Redis.
pub struct TestDb {
    /// Address of the database.
    pub url: String,
    /// Connections to it.
    pub pool: PgPool,
    /// Address of the shared Redis.
    pub redis_url: String,
    /// What every key and channel of this test begins with.
    pub redis_prefix: String,
}

impl TestDb {
    /// Clones the template, starting servers and making the template first if need be.
    ///
    /// # Errors
    /// When a server does not start or a migration fails.
    pub async fn new() -> Result<Self> {
        let servers = start_servers().await?;
        let name = own_name();
        let mut admin = PgConnection::connect(&servers.postgres.url_of("postgres")).await?;
        let template = template(&servers, &mut admin).await?;
        sweep(&mut admin).await?;
        order(&mut admin, format!("create database {name} template {template} strategy file_copy"))
            .await?;
        admin.close().await?;

        let url = servers.postgres.url_of(&name);
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect(&url)
            .await
            .context("could not open the test's database")?;
        Ok(Self { url, pool, redis_url: servers.redis.url(), redis_prefix: format!("{name}:") })
    }
}

/// Makes the database that the SQL macros are checked against and returns its address.
///
/// # Errors
/// When a server does not start or a migration fails.
pub async fn checked_database() -> Result<String> {
    let servers = start_servers().await?;
    let mut admin = PgConnection::connect(&servers.postgres.url_of("postgres")).await?;
    let template = template(&servers, &mut admin).await?;
    let _lock = lock(&home(), "checked.lock")?;
    order(&mut admin, "drop database if exists checked with (force)".to_owned()).await?;
    order(&mut admin, format!("create database checked template {template} strategy file_copy"))
        .await?;
    admin.close().await?;
    Ok(servers.postgres.url_of("checked"))
}

async fn start_servers() -> Result<Servers> {
    tokio::task::spawn_blocking(Servers::start)
        .await
        .context("the start of the servers panicked")?
}

/// The name of a new database; its owner's process id is in it, for the sweep.
fn own_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The migrated template; made by the first who asks. Its name is the hash of the migrations, so a
/// changed migration makes a new one.
async fn template(servers: &Servers, admin: &mut PgConnection) -> Result<String> {
    let sums: Vec<u8> = MIGRATOR.iter().flat_map(|m| m.checksum.to_vec()).collect();
    let hash: String = Sha256Hash::of(&sums).to_string().chars().take(16).collect();
    let name = format!("template_{hash}");
    if exists(admin, &name).await? {
        return Ok(name);
    }
    let waiting = tokio::task::spawn_blocking(|| lock(&home(), "template.lock"));
    let _lock = waiting.await.context("the wait for the lock panicked")??;
    if exists(admin, &name).await? {
        return Ok(name);
    }
    order(admin, "drop database if exists template_new with (force)".to_owned()).await?;
    order(admin, "create database template_new".to_owned()).await?;
    let mut new = PgConnection::connect(&servers.postgres.url_of("template_new")).await?;
    MIGRATOR.run(&mut new).await.context("a migration failed")?;
    new.close().await?;
    order(admin, format!("alter database template_new rename to {name}")).await?;
    Ok(name)
}

/// Drops the databases of processes that have ended. Several tests may try at once.
async fn sweep(admin: &mut PgConnection) -> Result<()> {
    let names: Vec<String> =
        sqlx::query_scalar("select datname::text from pg_database where datname like 't\\_%'")
            .fetch_all(&mut *admin)
            .await?;
    for name in names {
        let owner = name.split('_').nth(1).and_then(|pid| pid.parse().ok());
        let ended = |pid| matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH));
        if owner.is_some_and(ended) {
            // Whoever comes second finds nothing, or a database that is being dropped.
            order(admin, format!("drop database if exists {name} with (force)")).await.ok();
        }
    }
    Ok(())
}

async fn exists(admin: &mut PgConnection, name: &str) -> Result<bool> {
    let found: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(admin)
            .await?;
    Ok(found)
}

/// Runs a statement that takes no parameters. The names in it are ours.
async fn order(admin: &mut PgConnection, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_tests_do_not_see_each_other() {
        let (one, two) = (TestDb::new().await.unwrap(), TestDb::new().await.unwrap());
        sqlx::query("create table mine (n int)").execute(&one.pool).await.unwrap();
        assert!(sqlx::query("select n from mine").fetch_all(&two.pool).await.is_err());
        assert_ne!(one.redis_prefix, two.redis_prefix);
    }

    #[tokio::test]
    async fn the_database_is_migrated() {
        let db = TestDb::new().await.unwrap();
        let applied: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations")
            .fetch_one(&db.pool)
            .await
            .unwrap();
        assert_eq!(usize::try_from(applied).unwrap(), MIGRATOR.iter().count());
    }

    #[tokio::test]
    async fn the_database_of_an_ended_process_is_dropped() {
        let db = TestDb::new().await.unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let name = format!("t_{}_0", ended.id());
        ended.wait().unwrap();
        let mut admin = PgConnection::connect(&db.url).await.unwrap();
        order(&mut admin, format!("create database {name}")).await.unwrap();
        drop(TestDb::new().await.unwrap());
        assert!(!exists(&mut admin, &name).await.unwrap());
    }
}
