//! The audit desk: books, events and their checks, for admins and auditors. Reads only, but for the
//! check of the invariants, which an admin may ask for; adjustments are proposed and decided at
//! billing's own routes. Every list leaves as JSON or as a table.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get, post};
use medusa_api::{
    AccountPage, AccountQuery, AccountStatement, AccountStatementQuery, AccountSummary,
    AdjustmentPage, AdjustmentQuery, AsOf, CheckpointPage, CheckpointQuery, EventFilter,
    EventSummaryPage, ExportQuery, Invariants, Problem, Projections, TrialBalance,
};
use medusa_billing::Billing;
use medusa_eventlog::desk::Desk;
use medusa_eventlog::{Auditor, EventLog, invariants};
use medusa_platform::{ApiError, Principal};
use medusa_types::Role;
use utoipa::OpenApi;

use super::audit::require_auditor;
use super::desk_table::answer;

type Answer = Result<HttpResponse, ApiError>;

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(trial_balance)
        .service(accounts)
        .service(one_account)
        .service(statement)
        .service(events)
        .service(invariants_status)
        .service(invariants_check)
        .service(checkpoints)
        .service(projections)
        .service(adjustments);
}

/// The routes as an OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(
    trial_balance,
    accounts,
    one_account,
    statement,
    events,
    invariants_status,
    invariants_check,
    checkpoints,
    projections,
    adjustments
))]
struct Document;

/// The books by class, now or as of a position or a time.
#[utoipa::path(tag = "desk", params(AsOf, ExportQuery), responses(
    (status = 200, body = TrialBalance), (status = 400, body = Problem),
    (status = 403, body = Problem)))]
#[get("/v1/admin/trial-balance")]
async fn trial_balance(
    desk: Data<Desk>,
    who: Principal,
    req: HttpRequest,
    query: Query<AsOf>,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &desk.trial_balance(*query).await?))
}

/// Accounts by code, then by text.
#[utoipa::path(tag = "desk", params(AccountQuery, ExportQuery), responses(
    (status = 200, body = AccountPage), (status = 400, body = Problem),
    (status = 403, body = Problem)))]
#[get("/v1/admin/accounts")]
async fn accounts(
    desk: Data<Desk>,
    who: Principal,
    req: HttpRequest,
    query: Query<AccountQuery>,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &desk.accounts(query.into_inner()).await?))
}

/// One account as it is now.
#[utoipa::path(tag = "desk", params(("account" = String, Path, description = "the account's text")),
    responses(
        (status = 200, body = AccountSummary), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
#[get("/v1/admin/accounts/{account}")]
async fn one_account(desk: Data<Desk>, who: Principal, account: Path<String>) -> Answer {
    require_auditor(&who)?;
    let found = desk.account(&account).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(found))
}

/// A part of an account's statement, whole in itself: opening and lines come to closing.
#[utoipa::path(tag = "desk",
    params(("account" = String, Path, description = "the account's text"), AccountStatementQuery,
        ExportQuery),
    responses(
        (status = 200, body = AccountStatement), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
#[get("/v1/admin/accounts/{account}/statement")]
async fn statement(
    desk: Data<Desk>,
    who: Principal,
    req: HttpRequest,
    account: Path<String>,
    query: Query<AccountStatementQuery>,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    let page = desk.account_statement(&account, query.into_inner()).await?;
    Ok(answer(&req, *export, &page))
}

/// The events that meet all of a filter. A page looks at a part of the log: one with few items and
/// a cursor goes on.
#[utoipa::path(tag = "desk", params(EventFilter, ExportQuery), responses(
    (status = 200, body = EventSummaryPage), (status = 400, body = Problem),
    (status = 403, body = Problem)))]
#[get("/v1/admin/events")]
async fn events(
    desk: Data<Desk>,
    who: Principal,
    req: HttpRequest,
    query: Query<EventFilter>,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &desk.events(query.into_inner()).await?))
}

/// What must hold, and what the continuous check found last.
#[utoipa::path(tag = "desk", params(ExportQuery), responses(
    (status = 200, body = Invariants), (status = 403, body = Problem)))]
#[get("/v1/admin/invariants")]
async fn invariants_status(
    log: Data<EventLog>,
    who: Principal,
    req: HttpRequest,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &invariants::shown(&log).await?))
}

/// Begins a check of everything from the first event up to the head now, unless one is running. It
/// takes as long as the log is: `GET /v1/admin/invariants` says in `checking` whether it is over.
/// Admins only.
#[utoipa::path(tag = "desk", responses(
    (status = 202, description = "it has begun", body = Invariants),
    (status = 403, body = Problem)))]
#[post("/v1/admin/invariants/check")]
async fn invariants_check(log: Data<EventLog>, who: Principal) -> Answer {
    who.require(Role::Admin)?;
    invariants::begin(&log);
    let now = invariants::shown(&log).await?;
    Ok(HttpResponse::Accepted().insert_header((CACHE_CONTROL, "no-store")).json(now))
}

/// Signed heads of the log, largest first, with the witnesses that signed them too.
#[utoipa::path(tag = "desk", params(CheckpointQuery, ExportQuery), responses(
    (status = 200, body = CheckpointPage), (status = 400, body = Problem),
    (status = 403, body = Problem)))]
#[get("/v1/admin/checkpoints")]
async fn checkpoints(
    auditor: Data<Auditor>,
    who: Principal,
    req: HttpRequest,
    query: Query<CheckpointQuery>,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &auditor.checkpoints(&query).await?))
}

/// How far each read model has read the log.
#[utoipa::path(tag = "desk", params(ExportQuery), responses(
    (status = 200, body = Projections), (status = 403, body = Problem)))]
#[get("/v1/admin/projections")]
async fn projections(
    desk: Data<Desk>,
    who: Principal,
    req: HttpRequest,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &desk.projections().await?))
}

/// Adjustments of the books, newest first.
#[utoipa::path(tag = "desk", params(AdjustmentQuery, ExportQuery), responses(
    (status = 200, body = AdjustmentPage), (status = 400, body = Problem),
    (status = 403, body = Problem)))]
#[get("/v1/admin/adjustments")]
async fn adjustments(
    billing: Data<Billing>,
    who: Principal,
    req: HttpRequest,
    query: Query<AdjustmentQuery>,
    export: Query<ExportQuery>,
) -> Answer {
    require_auditor(&who)?;
    Ok(answer(&req, *export, &billing.adjustments(query.into_inner()).await?))
}
