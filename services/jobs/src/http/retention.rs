//! Deleting the input and the results of a job.

use actix_web::{HttpRequest, delete, web};
use medusa_api::{Job, Problem};
use medusa_platform::{ApiError, Principal, idempotency_key, position};
use medusa_types::JobId;

use crate::command::Jobs;

/// Deletes the input and the results of a job that has ended. What the log says of it stays.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Job), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
#[delete("/v1/jobs/{id}/files")]
pub(crate) async fn delete(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    id: web::Path<JobId>,
) -> Result<web::Json<Job>, ApiError> {
    idempotency_key(&req)?;
    let job = jobs.delete_files(who.user, *id).await?;
    position::written(job.position);
    Ok(web::Json(job))
}
