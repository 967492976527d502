//! Routes of billing. Handlers take [`crate::Billing`] as `web::Data`.

mod adjust;
mod wallet;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{ServiceConfig, get, post};
use medusa_platform::ApiError;
use serde::Serialize;
use utoipa::OpenApi as _;

/// Registers the routes.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/v1/wallet", get().to(wallet::wallet))
        .route("/v1/wallet/statement", get().to(wallet::statement))
        .route("/v1/tariff", get().to(wallet::tariff))
        .route("/v1/admin/adjustments", post().to(adjust::propose))
        .route("/v1/admin/adjustments/{id}/approve", post().to(adjust::approve))
        .route("/v1/admin/adjustments/{id}/reject", post().to(adjust::reject))
        .route("/v1/admin/adjustments/{id}/withdraw", post().to(adjust::withdraw));
}

/// The routes as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    wallet::wallet,
    wallet::statement,
    wallet::tariff,
    adjust::propose,
    adjust::approve,
    adjust::reject,
    adjust::withdraw,
))]
struct Document;

type Answer = Result<HttpResponse, ApiError>;

/// An answer that nobody on the way may keep.
fn private<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}
