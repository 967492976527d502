//! Quotes, until they end or become a job.

use medusa_api::{JobSpec, Quote};
use medusa_types::{JobId, ProgramId, Sha256Hash, Timestamp, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::hash;
use crate::error::JobsError;

/// A quote as it was given.
pub(crate) struct StoredQuote {
    pub(crate) id: Uuid,
    pub(crate) owner: UserId,
    pub(crate) program: ProgramId,
    pub(crate) input: Option<Sha256Hash>,
    pub(crate) spec: JobSpec,
    pub(crate) quote: Quote,
    pub(crate) job: Option<JobId>,
}

/// Keeps a quote.
pub(crate) async fn insert(db: &mut PgConnection, quote: &StoredQuote) -> Result<(), JobsError> {
    let input = quote.input.map(|hash| hash.0.to_vec());
    sqlx::query!(
        "insert into quote (quote_id, owner_id, program_id, input, spec, quote, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        quote.id,
        quote.owner.0,
        quote.program.0,
        input,
        serde_json::to_value(&quote.spec)?,
        serde_json::to_value(&quote.quote)?,
        quote.quote.expires_at.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A quote of this person.
pub(crate) async fn find(
    db: &mut PgConnection,
    id: Uuid,
    owner: UserId,
) -> Result<Option<StoredQuote>, JobsError> {
    let row = sqlx::query!(
        "select program_id, input, spec, quote, job_id from quote
         where quote_id = $1 and owner_id = $2",
        id,
        owner.0
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(StoredQuote {
            id,
            owner,
            program: ProgramId(row.program_id),
            input: row.input.map(|bytes| hash(&bytes)),
            spec: serde_json::from_value(row.spec)?,
            quote: serde_json::from_value(row.quote)?,
            job: row.job_id.map(JobId),
        })
    })
    .transpose()
}

/// Gives a quote its job, once; answers with the job that it has.
pub(crate) async fn accept(db: &mut PgConnection, id: Uuid, job: JobId) -> sqlx::Result<JobId> {
    let job = sqlx::query_scalar!(
        r#"update quote set job_id = coalesce(job_id, $2) where quote_id = $1
           returning job_id as "job_id!""#,
        id,
        job.0
    )
    .fetch_one(db)
    .await?;
    Ok(JobId(job))
}

/// Forgets quotes that ended long ago without a job.
pub(crate) async fn sweep(db: &mut PgConnection, before: Timestamp) -> sqlx::Result<u64> {
    let swept =
        sqlx::query!("delete from quote where job_id is null and expires_at < $1", before.to_utc())
            .execute(db)
            .await?;
    Ok(swept.rows_affected())
}
