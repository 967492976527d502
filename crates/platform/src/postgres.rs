//! The connection pool, the schema that it finds, and the checks that what is committed stays
//! committed and that nobody who serves requests could change it.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool};

use crate::migrate::MIGRATOR;

/// The login of a server on one's own machine: a member of `medusa_app`, and nothing more.
pub const SERVER_LOGIN: &str = "medusa_server";

/// Connections of one server process.
const CONNECTIONS_MAX: u32 = 16;

/// A database that may lose what it confirmed.
#[derive(Debug, thiserror::Error)]
pub enum DurabilityError {
    /// A setting that must be on is off.
    #[error("the database has {0} off and could lose confirmed payments; turn it on")]
    Off(&'static str),
    /// The settings could not be read.
    #[error("could not read the database's settings")]
    Read(#[source] sqlx::Error),
}

/// Connects to the database of this URL.
///
/// # Errors
/// The first connection's error.
pub async fn connect(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(Duration::from_secs(5))
        .connect(url)
        .await
}

/// Connects as the application: with the rights of the role `medusa_app`, which can add to the log
/// and not change it. A login that is not a member of that role keeps its own rights.
///
/// # Errors
/// The first connection's error.
pub async fn connect_app(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(Duration::from_secs(5))
        .after_connect(|db, _| {
            Box::pin(async move {
                // A process that was stopped inside of a transaction must not keep its locks.
                db.execute("set idle_in_transaction_session_timeout = '3s'").await?;
                let member: bool = sqlx::query_scalar(
                    "select coalesce(bool_or(pg_has_role(oid, 'member')), false)
                     from pg_roles where rolname = 'medusa_app'",
                )
                .fetch_one(&mut *db)
                .await?;
                if member {
                    db.execute("set role medusa_app").await?;
                }
                Ok(())
            })
        })
        .connect(url)
        .await
}

/// A schema that this program cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// This login may not change it, and it is older than this program.
    #[error(
        "the database lacks {0} migrations of this program, and this login may not run them; run \
         `medusa-server migrate` as the owner of the database"
    )]
    Behind(usize),
    /// It was changed by hand, or a migration failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// It could not be read.
    #[error("could not read which migrations the database has")]
    Read(#[source] sqlx::Error),
}

/// Brings the schema up to date. A login that may not do so finds it up to date, or is told who
/// has to do it.
///
/// # Errors
/// [`SchemaError`].
pub async fn migrate(pool: &PgPool) -> Result<(), SchemaError> {
    let (owns, has): (bool, bool) = sqlx::query_as(
        "select has_schema_privilege('public', 'create'), to_regclass('_sqlx_migrations') is not null",
    )
    .fetch_one(pool)
    .await
    .map_err(SchemaError::Read)?;
    if owns {
        return Ok(MIGRATOR.run(pool).await?);
    }
    let mut missing: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    if has {
        let query = "select version from _sqlx_migrations where success";
        let done: Vec<i64> =
            sqlx::query_scalar(query).fetch_all(pool).await.map_err(SchemaError::Read)?;
        missing.retain(|version| !done.contains(version));
    }
    if missing.is_empty() { Ok(()) } else { Err(SchemaError::Behind(missing.len())) }
}

/// Makes the login [`SERVER_LOGIN`] if it is not there, for a server on one's own machine. The
/// pool has to be the owner's, after [`migrate`].
///
/// # Errors
/// When the login may not make logins.
pub async fn make_server_login(owner: &PgPool) -> Result<(), sqlx::Error> {
    // Roles belong to the whole cluster: another database may be making it at this moment.
    sqlx::query(
        "do $$
         begin
             create role medusa_server login in role medusa_app;
         exception when duplicate_object or unique_violation then
             null;
         end
         $$",
    )
    .execute(owner)
    .await?;
    Ok(())
}

/// A login that could change the log.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// It has a right that nobody needs.
    #[error(
        "this database login may {right} on {table}, so the log would not be append-only; connect \
         as a member of the role medusa_app, or as the owner of the database"
    )]
    TooMany {
        /// The right.
        right: String,
        /// The table.
        table: String,
    },
    /// The rights could not be read.
    #[error("could not read the rights of this database login")]
    Read(#[source] sqlx::Error),
}

/// Refuses to run with rights to change or delete events. A login that only laid such rights aside
/// is told of: whoever gets to send its own SQL could take them up again.
///
/// # Errors
/// [`RightsError::TooMany`] names one.
pub async fn check_rights(pool: &PgPool) -> Result<(), RightsError> {
    let found: Option<(String, String)> = sqlx::query_as(
        "select c.relname::text, r.name from pg_class c
         cross join (values ('UPDATE'), ('DELETE'), ('TRUNCATE')) as r (name)
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
             and (c.oid = 'event'::regclass
                 or c.oid in (select inhrelid from pg_inherits where inhparent = 'event'::regclass))
             and has_table_privilege(c.oid, r.name)
         limit 1",
    )
    .fetch_optional(pool)
    .await
    .map_err(RightsError::Read)?;
    if let Some((table, right)) = found {
        return Err(RightsError::TooMany { right, table });
    }
    let aside: bool =
        sqlx::query_scalar("select has_table_privilege(session_user, 'event', 'UPDATE, DELETE')")
            .fetch_one(pool)
            .await
            .map_err(RightsError::Read)?;
    if aside {
        tracing::warn!(
            "the database login could change the log if it left its role; give the server one that \
             is only a member of medusa_app: docs/operations.md says how"
        );
    }
    Ok(())
}

/// Refuses a database that acknowledges before it has written.
///
/// # Errors
/// [`DurabilityError::Off`] names the setting.
pub async fn check_durability(pool: &PgPool) -> Result<(), DurabilityError> {
    for (name, query) in [
        ("fsync", "show fsync"),
        ("full_page_writes", "show full_page_writes"),
        ("synchronous_commit", "show synchronous_commit"),
    ] {
        let value: String =
            sqlx::query_scalar(query).fetch_one(pool).await.map_err(DurabilityError::Read)?;
        if value == "off" {
            return Err(DurabilityError::Off(name));
        }
    }
    Ok(())
}
