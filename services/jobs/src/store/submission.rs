//! What was submitted, in the consumer's own words, and the plan of its chunks.

use medusa_api::JobSpec;
use medusa_types::{JobId, Sha256Hash, Uuid};
use serde_json::Value;
use sqlx::PgConnection;

use crate::error::JobsError;
use crate::split::Plan;

/// What the log only holds hashes of.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) spec: JobSpec,
    pub(crate) plan: Plan,
    /// Of the plan's bytes, where they were kept; the log has that of what was agreed.
    pub(crate) plan_hash: Option<Sha256Hash>,
}

/// Keeps what a job takes from its quote; again for the same job changes nothing.
pub(crate) async fn insert(
    db: &mut PgConnection,
    job: JobId,
    program_name: &str,
    quote: Uuid,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into submission (job_id, program_name, spec, quote_id)
         select $1, $2, spec, quote_id from quote where quote_id = $3
         on conflict (job_id) do nothing",
        job.0,
        program_name,
        quote
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What is kept of a job: its spec, its plan as bytes, and its plan in the column of before.
struct Kept {
    spec: Value,
    plan: Option<Value>,
    json: Option<Vec<u8>>,
}

async fn kept(db: &mut PgConnection, job: JobId) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select s.spec, s.plan, p.json as "json?"
           from submission s left join plan p on p.quote_id = s.quote_id
           where s.job_id = $1"#,
        job.0
    )
    .fetch_optional(db)
    .await
}

/// The submission of a job; nothing also when its plan is not there.
pub(crate) async fn find(
    db: &mut PgConnection,
    job: JobId,
) -> Result<Option<Submission>, JobsError> {
    let Some(kept) = kept(db, job).await? else { return Ok(None) };
    let Some((plan, plan_hash)) = read(kept.json, kept.plan).await? else { return Ok(None) };
    let spec = serde_json::from_value(kept.spec)?;
    Ok(Some(Submission { spec, plan, plan_hash }))
}

/// The plan of a job as the bytes whose hash stands in the log.
pub(crate) async fn plan_json(
    db: &mut PgConnection,
    job: JobId,
) -> Result<Option<Vec<u8>>, JobsError> {
    match kept(db, job).await? {
        Some(kept) if kept.json.is_some() => Ok(kept.json),
        // The column has the members in another order: written by us they are the same bytes again.
        Some(kept) => {
            let plan = read(None, kept.plan).await?;
            Ok(plan.map(|(plan, _)| serde_json::to_vec(&plan)).transpose()?)
        }
        None => Ok(None),
    }
}

/// A plan and its hash, out of its bytes or out of the column that jobs had before. Many chunks
/// take a while, so it is read on the blocking pool.
async fn read(
    json: Option<Vec<u8>>,
    before: Option<Value>,
) -> Result<Option<(Plan, Option<Sha256Hash>)>, JobsError> {
    let reading = tokio::task::spawn_blocking(move || match (json, before) {
        (Some(json), _) => {
            serde_json::from_slice(&json).map(|plan| Some((plan, Some(Sha256Hash::of(&json)))))
        }
        (None, Some(value)) => serde_json::from_value(value).map(|plan| Some((plan, None))),
        (None, None) => Ok(None),
    });
    Ok(reading.await.map_err(|_| JobsError::Busy)??)
}

/// Notes in words why a job failed.
pub(crate) async fn set_reason(
    db: &mut PgConnection,
    job: JobId,
    reason: &str,
) -> sqlx::Result<()> {
    sqlx::query!("update submission set reason = $2 where job_id = $1", job.0, reason)
        .execute(db)
        .await?;
    Ok(())
}
