//! Quotes, until they end or become a job, and the plans of their chunks.

use medusa_api::{JobSpec, Quote};
use medusa_types::{JobId, ProgramId, Sha256Hash, Timestamp, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::hash;
use crate::error::JobsError;
use crate::split::Planned;

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

/// What is to be known of a plan without reading it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanFigures {
    /// SHA-256 of its JSON.
    pub(crate) sha256: Sha256Hash,
    /// Bytes of the largest chunk's input.
    pub(crate) largest: u64,
}

/// Keeps a quote with its plan.
pub(crate) async fn insert(
    db: &mut PgConnection,
    quote: &StoredQuote,
    planned: &Planned,
) -> Result<(), JobsError> {
    insert_plan(db, quote.id, planned).await?;
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

/// Keeps the plan of a quote; again for the same quote changes nothing.
pub(crate) async fn insert_plan(
    db: &mut PgConnection,
    quote: Uuid,
    planned: &Planned,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into plan (quote_id, sha256, json, largest) values ($1, $2, $3, $4)
         on conflict (quote_id) do nothing",
        quote,
        planned.sha256.0.as_slice(),
        planned.json,
        i64::try_from(planned.measure.largest).unwrap_or(i64::MAX)
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The figures of a quote's plan. Quotes from before plans were kept have none.
pub(crate) async fn plan(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<PlanFigures>> {
    let row = sqlx::query!("select sha256, largest from plan where quote_id = $1", id)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| PlanFigures {
        sha256: hash(&row.sha256),
        largest: u64::try_from(row.largest).unwrap_or_default(),
    }))
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

/// Forgets quotes that ended long ago without a job, and their plans.
pub(crate) async fn sweep(db: &mut PgConnection, before: Timestamp) -> sqlx::Result<u64> {
    let swept = sqlx::query!(
        "with gone as (
             delete from quote where job_id is null and expires_at < $1 returning quote_id)
         delete from plan using gone where plan.quote_id = gone.quote_id",
        before.to_utc()
    )
    .execute(db)
    .await?;
    Ok(swept.rows_affected())
}

/// The program that a job was quoted for; none once the quote is swept away.
pub(crate) async fn program_of_job(
    db: &mut PgConnection,
    job: JobId,
) -> sqlx::Result<Option<ProgramId>> {
    let id = sqlx::query_scalar!("select program_id from quote where job_id = $1", job.0)
        .fetch_optional(db)
        .await?;
    Ok(id.map(ProgramId))
}
