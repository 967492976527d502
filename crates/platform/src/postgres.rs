//! The connection pool, and the check that what is committed stays committed.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Connections of one server process.
const CONNECTIONS_MAX: u32 = 12;

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
