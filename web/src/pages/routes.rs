//! Which address leads to which page.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use medusa_platform::ApiError;

use super::{
    account, control, desk, docs, earn, event, home, lend, lend_machine, notices, record, wallet,
    work,
};
use crate::Site;
use crate::ask::Ask;

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/static/{folder}/{name}", web::get().to(file))
        .route("/favicon.ico", web::get().to(icon))
        .route("/", web::get().to(home::home))
        .route("/signup", web::get().to(account::sign_up))
        .route("/signup", web::post().to(account::sign_up_sent))
        .route("/login", web::get().to(account::log_in))
        .route("/login", web::post().to(account::log_in_sent))
        .route("/logout", web::post().to(account::log_out))
        .route("/theme", web::post().to(account::theme))
        .route("/app", web::get().to(work::dashboard))
        .route("/app/jobs", web::get().to(work::jobs))
        .route("/app/jobs/new", web::get().to(work::new_job))
        .route("/app/jobs/{id}", web::get().to(work::job))
        .route("/app/jobs/{id}/chunks", web::get().to(work::chunks))
        .route("/app/jobs/{id}/timeline", web::get().to(work::timeline))
        .route("/app/jobs/{id}/events", web::get().to(record::events))
        .route("/app/jobs/{id}/compare", web::get().to(record::compare))
        .route("/app/jobs/{id}/{act}", web::post().to(control::act))
        .route("/app/jobs/{id}/rerun", web::get().to(control::back))
        .route("/app/wallet", web::get().to(wallet::wallet))
        .route("/app/events/{position}", web::get().to(event::event))
        .route("/app/lend", web::get().to(lend::lend))
        .route("/app/lend/{agent}", web::get().to(lend_machine::machine))
        .route("/app/lend/{agent}", web::post().to(lend_machine::sent))
        .route("/app/earn", web::get().to(earn::earn))
        .route("/app/notices", web::get().to(notices::notices))
        .route("/app/notices", web::post().to(notices::notices_sent))
        .route("/device", web::get().to(lend::device))
        .route("/device", web::post().to(lend::device_sent))
        .configure(desk_routes)
        .route("/docs", web::get().to(docs::docs))
        .route("/docs/errors", web::get().to(docs::errors))
        .route("/docs/errors/{code}", web::get().to(docs::error))
        .default_service(web::to(nowhere));
}

/// The audit desk.
fn desk_routes(config: &mut ServiceConfig) {
    config
        .route("/admin", web::get().to(desk::overview))
        .route("/admin/accounts", web::get().to(desk::accounts))
        .route("/admin/accounts/{account}", web::get().to(desk::account))
        .route("/admin/events", web::get().to(desk::events))
        .route("/admin/invariants", web::get().to(desk::invariants))
        .route("/admin/invariants", web::post().to(desk::check))
        .route("/admin/checkpoints", web::get().to(desk::checkpoints))
        .route("/admin/projections", web::get().to(desk::projections))
        .route("/admin/adjustments", web::get().to(desk::adjustments))
        .route("/admin/adjustments", web::post().to(desk::propose))
        .route("/admin/adjustments/{id}/{decision}", web::post().to(desk::decide));
}

async fn file(
    site: web::Data<Site>,
    path: web::Path<(String, String)>,
    req: HttpRequest,
) -> HttpResponse {
    let (folder, name) = path.into_inner();
    site.assets.serve(&req, &folder, &name)
}

/// Browsers ask for this name unasked.
async fn icon(site: web::Data<Site>, req: HttpRequest) -> HttpResponse {
    site.assets.serve(&req, "", "icon.svg")
}

async fn nowhere(ask: Ask, req: HttpRequest) -> HttpResponse {
    let refusal = ApiError::not_found("address");
    if req.path().starts_with("/v1/") {
        return refusal.error_response();
    }
    ask.problem(&refusal.0)
}
