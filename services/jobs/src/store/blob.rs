//! Whose blobs are whose. A blob is stored once, however many people uploaded it.

use medusa_types::{Sha256Hash, Timestamp, UserId};
use sqlx::PgConnection;

/// Notes that somebody has uploaded (or made) a blob, now.
pub(crate) async fn own(
    db: &mut PgConnection,
    hash: Sha256Hash,
    owner: UserId,
    size: u64,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into blob_owner (sha256, owner_id, size, created_at) values ($1, $2, $3, $4)
         on conflict (sha256, owner_id) do update set created_at = excluded.created_at",
        hash.0.as_slice(),
        owner.0,
        i64::try_from(size).unwrap_or(i64::MAX),
        now.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The length of a blob that belongs to this person.
pub(crate) async fn owned_size(
    db: &mut PgConnection,
    hash: Sha256Hash,
    owner: UserId,
) -> sqlx::Result<Option<u64>> {
    let size = sqlx::query_scalar!(
        "select size from blob_owner where sha256 = $1 and owner_id = $2",
        hash.0.as_slice(),
        owner.0
    )
    .fetch_optional(db)
    .await?;
    Ok(size.and_then(|size| u64::try_from(size).ok()))
}

/// Whether a blob is the input of a ready-made job, which everybody may use.
pub(crate) async fn is_example_input(
    db: &mut PgConnection,
    hash: Sha256Hash,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from example where input = $1) as "found!""#,
        hash.0.as_slice()
    )
    .fetch_one(db)
    .await
}
