//! All SQL of the jobs service's own tables. The caller owns the transaction.

pub(crate) mod agent;
pub(crate) mod attempt;
pub(crate) mod blob;
pub(crate) mod chunk;
pub(crate) mod earnings;
pub(crate) mod job;
pub(crate) mod program;
pub(crate) mod quote;
pub(crate) mod record;
pub(crate) mod retention;
pub(crate) mod runtime;
pub(crate) mod submission;
pub(crate) mod upload;

use medusa_types::{Sha256Hash, UserId};
use sqlx::PgConnection;

/// Lets one transaction at a time decide whether a person's program is new.
pub(crate) async fn lock_programs(db: &mut PgConnection, owner: UserId) -> sqlx::Result<()> {
    let owner = owner.0.to_string();
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('programs:' || $1, 0))", owner)
        .execute(db)
        .await?;
    Ok(())
}

/// A digest column. The tables only ever get 32 bytes.
pub(crate) fn hash(bytes: &[u8]) -> Sha256Hash {
    Sha256Hash::try_from(bytes).unwrap_or(Sha256Hash([0; 32]))
}

/// A count column.
pub(crate) fn count(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}
