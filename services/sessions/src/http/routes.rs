//! Which route leads where.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi as _;

use super::sessions;

/// Registers the routes.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(sessions::open).service(sessions::list).service(sessions::get);
}

/// The routes as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(sessions::open, sessions::list, sessions::get))]
struct Document;
