//! Interpreters that scripts may be run by.

use medusa_api::{Calling, Runtime};
use medusa_types::Timestamp;
use sqlx::PgConnection;

use super::hash;
use crate::error::JobsError;

/// A runtime, and whether it is offered.
pub(crate) struct Known {
    pub(crate) runtime: Runtime,
    pub(crate) is_offered: bool,
}

/// Offers a runtime in place of the one that had its name. The same version again is only offered
/// again.
pub(crate) async fn offer(db: &mut PgConnection, runtime: &Runtime) -> Result<(), JobsError> {
    retire(db, &runtime.name, runtime.added_at).await?;
    sqlx::query!(
        "insert into runtime (name, version, suffix, about, sha256, size, calling, added_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (name, version) do update set retired_at = null, about = excluded.about",
        runtime.name,
        runtime.version,
        runtime.suffix,
        runtime.about,
        runtime.sha256.0.as_slice(),
        i64::try_from(runtime.size).unwrap_or(i64::MAX),
        serde_json::to_value(&runtime.calling)?,
        runtime.added_at.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes a runtime from offer; gives its version, if it was offered.
pub(crate) async fn retire(
    db: &mut PgConnection,
    name: &str,
    at: Timestamp,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "update runtime set retired_at = $2 where name = $1 and retired_at is null
         returning version",
        name,
        at.to_utc()
    )
    .fetch_optional(db)
    .await
}

/// A version of a runtime, offered or not.
pub(crate) async fn find(
    db: &mut PgConnection,
    name: &str,
    version: &str,
) -> Result<Option<Known>, JobsError> {
    let row = sqlx::query!(
        "select suffix, about, sha256, size, calling, added_at, retired_at from runtime
         where name = $1 and version = $2",
        name,
        version
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Known {
            runtime: Runtime {
                name: name.to_owned(),
                version: version.to_owned(),
                suffix: row.suffix,
                about: row.about,
                sha256: hash(&row.sha256),
                size: u64::try_from(row.size).unwrap_or_default(),
                calling: serde_json::from_value::<Calling>(row.calling)?,
                added_at: Timestamp::from_utc(row.added_at),
            },
            is_offered: row.retired_at.is_none(),
        })
    })
    .transpose()
}

/// What is offered, by name.
pub(crate) async fn offered(db: &mut PgConnection) -> Result<Vec<Runtime>, JobsError> {
    let rows = sqlx::query!(
        "select name, version, suffix, about, sha256, size, calling, added_at from runtime
         where retired_at is null order by name"
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Runtime {
                name: row.name,
                version: row.version,
                suffix: row.suffix,
                about: row.about,
                sha256: hash(&row.sha256),
                size: u64::try_from(row.size).unwrap_or_default(),
                calling: serde_json::from_value::<Calling>(row.calling)?,
                added_at: Timestamp::from_utc(row.added_at),
            })
        })
        .collect()
}
