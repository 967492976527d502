//! A job as a whole: its module, its events, who worked when, its results so far, and how it
//! compares with another.

use actix_web::{HttpRequest, HttpResponse, get, web};
use medusa_api::{Comparison, EventPage, Problem, Timeline};
use medusa_platform::{ApiError, Principal};
use medusa_types::{ChunkIndex, JobId};
use serde::Deserialize;

use super::blobs::{send_blob, send_file};
use super::chunks::as_download;
use crate::command::Jobs;

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct EventsQuery {
    /// The version after which to go on: `next` of the page before.
    after: Option<i64>,
    /// Events, at most 1,000.
    limit: Option<i64>,
}

/// The module that a job runs, resumable by range. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 206), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/program")]
pub(crate) async fn program(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let found = jobs.program_of(&who, *id).await?;
    send_blob(&jobs, &req, found.sha256, found.size, "application/wasm", Some("program.wasm"))
}

/// The module that a chunk's run has, resumable by range: the job's, or the one that merges where
/// the run puts results together. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 206), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/program")]
pub(crate) async fn chunk_program(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex)>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, index) = *path;
    let found = jobs.program_of_chunk(&who, id, index).await?;
    send_blob(&jobs, &req, found.sha256, found.size, "application/wasm", Some("program.wasm"))
}

/// What each chunk of a job gets, as the JSON whose SHA-256 is `plan` in the job's first event. For
/// the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/plan")]
pub(crate) async fn plan(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
) -> Result<HttpResponse, ApiError> {
    let json = jobs.plan(&who, *id).await?;
    let mut answer = HttpResponse::Ok();
    as_download(&mut answer, "application/json", "plan.json");
    Ok(answer.body(json))
}

/// Everything that happened to a job, with the stored bytes, oldest first. For the job's owner and
/// admins.
#[utoipa::path(tag = "jobs", params(EventsQuery), responses(
    (status = 200, body = EventPage), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/events")]
pub(crate) async fn events(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
    query: web::Query<EventsQuery>,
) -> Result<web::Json<EventPage>, ApiError> {
    let page = (query.after.unwrap_or_default(), query.limit.unwrap_or(100));
    Ok(web::Json(jobs.events(&who, *id, page).await?))
}

/// Which agent worked on a job when. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Timeline), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/timeline")]
pub(crate) async fn timeline(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
) -> Result<web::Json<Timeline>, ApiError> {
    Ok(web::Json(jobs.timeline(&who, *id).await?))
}

/// Two jobs side by side: what was asked, what came of it and what it cost. For who may see both.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Comparison), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/compare/{other}")]
pub(crate) async fn compare(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, JobId)>,
) -> Result<web::Json<Comparison>, ApiError> {
    let (left, right) = *path;
    Ok(web::Json(jobs.compare(&who, left, right).await?))
}

/// A result file made of the chunks that are done so far; `X-Medusa-Chunks` says of how many of how
/// many. Black are the tiles that are missing. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem)))]
#[get("/v1/jobs/{id}/partial/{name}")]
pub(crate) async fn partial(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, String)>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, name) = path.into_inner();
    let made = jobs.partial(&who, id, &name).await?;
    let partial = format!("partial-{name}");
    let shown = if made.chunks == made.total { &name } else { &partial };
    let file = (made.file.sha256, made.file.size);
    let mut answer = send_file(&jobs, &req, file, &made.file.media_type, shown)?;
    let of = format!("{}/{}", made.chunks, made.total);
    let headers = answer.headers_mut();
    let told = of.parse().map_err(|error| ApiError::internal(&error))?;
    headers.insert(actix_web::http::header::HeaderName::from_static("x-medusa-chunks"), told);
    // The next one may have more in it.
    let anew = actix_web::http::header::HeaderValue::from_static("private, no-cache");
    headers.insert(actix_web::http::header::CACHE_CONTROL, anew);
    Ok(answer)
}
