//! Which route leads where.

use actix_web::web::{ServiceConfig, post};
use utoipa::OpenApi as _;

use super::offers;

/// Registers the routes.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/v1/ads/offers", post().to(offers::offer))
        .route("/v1/ads/offers/{id}/claim", post().to(offers::claim));
}

/// The routes as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(offers::offer, offers::claim))]
struct Document;
