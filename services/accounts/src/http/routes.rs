//! Which route leads where, and what every answer has.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{ServiceConfig, delete, get, post, put};
use serde::Serialize;
use utoipa::OpenApi as _;

use super::{device, notices, people};

/// Registers the routes.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/v1/signup", post().to(people::sign_up))
        .route("/v1/login", post().to(people::login))
        .route("/v1/tokens/refresh", post().to(people::refresh))
        .route("/v1/logout", post().to(people::logout))
        .route("/v1/me", get().to(people::me))
        .route("/v1/device", post().to(device::request))
        .route("/v1/device/approve", post().to(device::approve))
        .route("/v1/device/token", post().to(device::poll))
        .route("/v1/notices", get().to(notices::list))
        .route("/v1/notices/mail", put().to(notices::mail))
        .route("/v1/webhooks", post().to(notices::add))
        .route("/v1/webhooks/{id}", delete().to(notices::remove))
        .route("/v1/webhooks/{id}/test", post().to(notices::test));
}

/// The routes as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    people::sign_up,
    people::login,
    people::refresh,
    people::logout,
    people::me,
    device::request,
    device::approve,
    device::poll,
    notices::list,
    notices::mail,
    notices::add,
    notices::remove,
    notices::test,
))]
struct Document;

/// An answer that nobody on the way may keep: it holds a secret or something personal.
pub(super) fn private<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}
