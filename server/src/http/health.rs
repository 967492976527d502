//! Whether the server lives and can work, and the OpenAPI document.

use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{HttpResponse, get};
use medusa_eventlog::EventLog;
use medusa_platform::ApiError;
use utoipa::OpenApi;

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(healthz).service(readyz).service(document);
}

/// The routes as an OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(healthz, readyz, document))]
struct Document;

/// The process answers: `role` is `writer`, or `standby` of one that forwards to the writer.
#[utoipa::path(tag = "health", responses((status = 200)))]
#[get("/healthz")]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "alive", "role": "writer" }))
}

/// The log can be written: the database answers and this server is its writer, or reaches it.
#[utoipa::path(tag = "health", responses((status = 200), (status = 503, body = medusa_api::Problem)))]
#[get("/readyz")]
async fn readyz(log: Data<EventLog>) -> Result<HttpResponse, ApiError> {
    let head = medusa_eventlog::stored_head(log.pool()).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ready", "position": head })))
}

/// This document.
#[utoipa::path(tag = "health", responses((status = 200)))]
#[get("/v1/openapi.json")]
async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}
