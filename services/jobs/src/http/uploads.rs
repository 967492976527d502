//! Uploads in parts.

use actix_web::{HttpRequest, HttpResponse, get, post, put, web};
use medusa_api::{NewUpload, Problem, Upload};
use medusa_platform::{ApiError, Principal, idempotency_key};
use medusa_types::UploadId;

use crate::command::Jobs;
use crate::store::upload::Sender;

/// Begins an upload in parts.
#[utoipa::path(tag = "inputs", request_body = NewUpload, responses(
    (status = 201, body = Upload), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 422, body = Problem)))]
#[post("/v1/uploads")]
pub(crate) async fn begin(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    wish: web::Json<NewUpload>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    Ok(HttpResponse::Created().json(jobs.begin_upload(who.user, &key, &wish).await?))
}

/// How far an upload is.
#[utoipa::path(tag = "inputs", responses((status = 200, body = Upload), (status = 404, body = Problem)))]
#[get("/v1/uploads/{id}")]
pub(crate) async fn state(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<UploadId>,
) -> Result<web::Json<Upload>, ApiError> {
    Ok(web::Json(jobs.upload_state(Sender::Person(who.user), *id).await?))
}

/// The part of an upload that begins at this byte. What is there already is taken for a repetition.
#[utoipa::path(tag = "inputs", request_body = String, responses(
    (status = 200, body = Upload), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 413, body = Problem), (status = 422, body = Problem)))]
#[put("/v1/uploads/{id}/parts/{first}")]
pub(crate) async fn part(
    jobs: web::Data<Jobs>,
    who: Principal,
    place: web::Path<(UploadId, u64)>,
    body: web::Payload,
) -> Result<web::Json<Upload>, ApiError> {
    let sender = Sender::Person(who.user);
    Ok(web::Json(jobs.add_part(sender, place.into_inner(), body).await?))
}
