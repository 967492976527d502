//! What is kept of attempts outside the log: standard error, which is the consumer's text and
//! bounded, and signatures of agents.

use medusa_types::{JobId, LeaseId, Uuid};
use sqlx::PgConnection;

use crate::actor::Signature;

/// Keeps the end of an attempt's standard error.
pub(crate) async fn insert(
    db: &mut PgConnection,
    lease: LeaseId,
    job: JobId,
    chunk: u32,
    stderr: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into attempt_log (lease_id, job_id, chunk, stderr) values ($1, $2, $3, $4)
         on conflict (lease_id) do nothing",
        lease.0,
        job.0,
        i32::try_from(chunk).unwrap_or(i32::MAX),
        // Postgres text cannot hold a zero byte.
        stderr.replace('\0', "\u{fffd}")
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps signatures of reports.
pub(crate) async fn sign(
    db: &mut PgConnection,
    signed: &[(LeaseId, Signature)],
) -> sqlx::Result<()> {
    let leases: Vec<Uuid> = signed.iter().map(|(lease, _)| lease.0).collect();
    let keys: Vec<Vec<u8>> = signed.iter().map(|(_, sig)| sig.public_key.to_vec()).collect();
    let bytes: Vec<Vec<u8>> = signed.iter().map(|(_, sig)| sig.bytes.to_vec()).collect();
    sqlx::query!(
        "insert into attempt_signature (lease_id, public_key, signature)
         select * from unnest($1::uuid[], $2::bytea[], $3::bytea[])
         on conflict (lease_id) do nothing",
        &leases,
        &keys,
        &bytes
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Standard error of chunks by index, the newest attempt of each.
pub(crate) async fn of_chunks(
    db: &mut PgConnection,
    job: JobId,
    chunks: &[i32],
) -> sqlx::Result<Vec<(i32, String)>> {
    let rows = sqlx::query!(
        "select distinct on (chunk) chunk, stderr from attempt_log
         where job_id = $1 and chunk = any($2) order by chunk, lease_id desc",
        job.0,
        chunks
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.chunk, row.stderr)).collect())
}
