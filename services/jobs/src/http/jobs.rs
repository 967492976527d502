//! Quotes, jobs, chunks and results.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use medusa_api::{ChunkPage, ChunkState, Job, JobPage, JobSubmit, Problem, Quote, QuoteRequest};
use medusa_platform::{ApiError, Principal, idempotency_key};
use medusa_types::{ChunkIndex, JobId};
use serde::Deserialize;

use super::blobs::send_file;
use crate::command::Jobs;

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct PageQuery {
    /// Rows, at most 200.
    limit: Option<i64>,
    /// The cursor of the page before.
    after: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct ChunkQuery {
    /// Only those in this state; all of them, unless said otherwise.
    state: Option<ChunkState>,
    /// Rows, at most 200.
    limit: Option<i64>,
    /// The cursor of the page before.
    after: Option<String>,
}

fn bad_cursor() -> ApiError {
    let detail = "give back the cursor `next` of the page before as it was";
    ApiError::new(400, "platform.cursor_refused", "bad cursor", detail)
}

/// What a job would cost, from one sample chunk. Nothing is charged.
#[utoipa::path(tag = "jobs", request_body = QuoteRequest, responses(
    (status = 201, body = Quote), (status = 404, body = Problem), (status = 422, body = Problem)))]
#[post("/v1/quotes")]
pub(crate) async fn quote(
    jobs: web::Data<Jobs>,
    who: Principal,
    body: web::Json<QuoteRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created().json(jobs.quote(who.user, body.into_inner()).await?))
}

/// Accepts a quote: its price is held and the job starts.
#[utoipa::path(tag = "jobs", request_body = JobSubmit, responses(
    (status = 201, body = Job), (status = 402, body = Problem), (status = 409, body = Problem)))]
#[post("/v1/jobs")]
pub(crate) async fn submit(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    body: web::Json<JobSubmit>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    let job = jobs.submit(who.user, &key, &body).await?;
    Ok(HttpResponse::Created()
        .insert_header(("Location", format!("/v1/jobs/{}", job.id)))
        .json(job))
}

/// Own jobs, newest first.
#[utoipa::path(tag = "jobs", params(PageQuery), responses((status = 200, body = JobPage)))]
#[get("/v1/jobs")]
pub(crate) async fn list(
    jobs: web::Data<Jobs>,
    who: Principal,
    query: web::Query<PageQuery>,
) -> Result<web::Json<JobPage>, ApiError> {
    let after = query.after.as_deref().map(str::parse::<JobId>).transpose();
    let after = after.map_err(|_| bad_cursor())?;
    Ok(web::Json(jobs.list(who.user, query.limit.unwrap_or(50), after).await?))
}

/// One job.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Job), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}")]
pub(crate) async fn get(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
) -> Result<web::Json<Job>, ApiError> {
    Ok(web::Json(jobs.job(who.user, *id).await?))
}

/// Chunks of a job in order.
#[utoipa::path(tag = "jobs", params(ChunkQuery), responses((status = 200, body = ChunkPage)))]
#[get("/v1/jobs/{id}/chunks")]
pub(crate) async fn chunks(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
    query: web::Query<ChunkQuery>,
) -> Result<web::Json<ChunkPage>, ApiError> {
    let from = query.after.as_deref().map(str::parse::<u32>).transpose();
    let from = from.map_err(|_| bad_cursor())?.unwrap_or_default();
    let part = (query.limit.unwrap_or(100), ChunkIndex(from));
    Ok(web::Json(jobs.chunks(who.user, *id, query.state, part).await?))
}

/// A result file; resumable by range.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 206), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/results/{name}")]
pub(crate) async fn result(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, String)>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, name) = path.into_inner();
    let (hash, size, media_type) = jobs.result(who.user, id, &name).await?;
    send_file(&jobs, &req, (hash, size), &media_type, &name)
}
