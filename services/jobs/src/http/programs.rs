//! Programs, and the gallery of ready-made jobs.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use medusa_api::{Example, Problem, Program, ProgramUpload};
use medusa_platform::{ApiError, Principal, idempotency_key};

use crate::command::Jobs;

/// Makes an uploaded module a program, or with a `runtime` an uploaded script, after inspection and
/// a dry run.
#[utoipa::path(tag = "programs", request_body = ProgramUpload, responses(
    (status = 201, body = Program), (status = 422, body = Problem)))]
#[post("/v1/programs")]
pub(crate) async fn add(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    body: web::Json<ProgramUpload>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    let program = jobs.add_program(who.user, &key, body.into_inner(), false).await?;
    Ok(HttpResponse::Created().json(program))
}

/// Own programs, newest first.
#[utoipa::path(tag = "programs", responses((status = 200, body = Vec<Program>)))]
#[get("/v1/programs")]
pub(crate) async fn list(
    jobs: web::Data<Jobs>,
    who: Principal,
) -> Result<web::Json<Vec<Program>>, ApiError> {
    Ok(web::Json(jobs.programs(who.user).await?))
}

/// The gallery.
#[utoipa::path(tag = "programs", responses((status = 200, body = Vec<Example>)))]
#[get("/v1/examples")]
pub(crate) async fn examples(jobs: web::Data<Jobs>) -> Result<web::Json<Vec<Example>>, ApiError> {
    Ok(web::Json(jobs.examples().await?))
}
