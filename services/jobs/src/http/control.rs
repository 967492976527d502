//! Steering a job that was submitted.

use actix_web::{HttpRequest, HttpResponse, post, web};
use medusa_api::{Job, JobBudget, JobRetry, Problem, Quote};
use medusa_platform::{ApiError, Principal, idempotency_key, position};
use medusa_types::JobId;

use crate::command::Jobs;

fn done(job: &Job) -> HttpResponse {
    // Its actor has written it, in a task of its own.
    position::written(job.position);
    HttpResponse::Ok().json(job)
}

/// Hands out nothing more until it is resumed; chunks under way are finished and paid.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Job), (status = 409, body = Problem)))]
#[post("/v1/jobs/{id}/pause")]
pub(crate) async fn pause(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    id: web::Path<JobId>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    Ok(done(&jobs.pause(who.user, &key, *id).await?))
}

/// Goes on with a paused job.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Job), (status = 409, body = Problem)))]
#[post("/v1/jobs/{id}/resume")]
pub(crate) async fn resume(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    id: web::Path<JobId>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    Ok(done(&jobs.resume(who.user, &key, *id).await?))
}

/// Holds more for a job; one that paused for want of it goes on.
#[utoipa::path(tag = "jobs", request_body = JobBudget, responses(
    (status = 200, body = Job), (status = 402, body = Problem), (status = 409, body = Problem)))]
#[post("/v1/jobs/{id}/budget")]
pub(crate) async fn raise(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    id: web::Path<JobId>,
    body: web::Json<JobBudget>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    Ok(done(&jobs.raise(who.user, &key, *id, body.add).await?))
}

/// Gives failed chunks another chance.
#[utoipa::path(tag = "jobs", request_body = JobRetry, responses(
    (status = 200, body = Job), (status = 409, body = Problem), (status = 422, body = Problem)))]
#[post("/v1/jobs/{id}/retry")]
pub(crate) async fn retry(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    id: web::Path<JobId>,
    body: web::Json<JobRetry>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    Ok(done(&jobs.retry(who.user, &key, *id, body.fuel_times).await?))
}

/// Stops a job; what was not spent goes back.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Job), (status = 409, body = Problem)))]
#[post("/v1/jobs/{id}/cancel")]
pub(crate) async fn cancel(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    id: web::Path<JobId>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    Ok(done(&jobs.cancel(who.user, &key, *id).await?))
}

/// What the same job would cost once more. Nothing is charged.
#[utoipa::path(tag = "jobs", responses((status = 201, body = Quote), (status = 404, body = Problem)))]
#[post("/v1/jobs/{id}/rerun")]
pub(crate) async fn rerun(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created().json(jobs.rerun(who.user, *id).await?))
}
