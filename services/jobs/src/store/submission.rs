//! What was submitted, in the consumer's own words, and the plan of its chunks.

use medusa_api::JobSpec;
use medusa_types::JobId;
use sqlx::PgConnection;

use crate::error::JobsError;
use crate::split::Plan;

/// What the log only holds hashes of.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) program_name: String,
    pub(crate) spec: JobSpec,
    pub(crate) plan: Plan,
}

/// Keeps a submission; again for the same job changes nothing.
pub(crate) async fn insert(
    db: &mut PgConnection,
    job: JobId,
    submission: &Submission,
) -> Result<(), JobsError> {
    sqlx::query!(
        "insert into submission (job_id, program_name, spec, plan) values ($1, $2, $3, $4)
         on conflict (job_id) do nothing",
        job.0,
        submission.program_name,
        serde_json::to_value(&submission.spec)?,
        serde_json::to_value(&submission.plan)?
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The submission of a job.
pub(crate) async fn find(
    db: &mut PgConnection,
    job: JobId,
) -> Result<Option<Submission>, JobsError> {
    let row =
        sqlx::query!("select program_name, spec, plan from submission where job_id = $1", job.0)
            .fetch_optional(db)
            .await?;
    row.map(|row| {
        Ok(Submission {
            program_name: row.program_name,
            spec: serde_json::from_value(row.spec)?,
            plan: serde_json::from_value(row.plan)?,
        })
    })
    .transpose()
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
