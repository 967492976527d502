//! Routes of billing. Handlers take [`crate::Billing`] as `web::Data`.

mod wallet;

use actix_web::web::{ServiceConfig, get};
use utoipa::OpenApi as _;

/// Registers the routes.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/v1/wallet", get().to(wallet::wallet))
        .route("/v1/wallet/statement", get().to(wallet::statement))
        .route("/v1/tariff", get().to(wallet::tariff))
        .route("/v1/admin/trial-balance", get().to(wallet::trial_balance));
}

/// The routes as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(wallet::wallet, wallet::statement, wallet::tariff, wallet::trial_balance))]
struct Document;
