//! The log for auditors: the signed head, pages of stored bytes, proofs, and the audit from inside.

use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{get, post};
use medusa_api::{AuditHead, EventEntry, EventPage, InclusionProof, Problem, VerifyReport};
use medusa_billing::Billing;
use medusa_eventlog::{Auditor, EventLog};
use medusa_platform::{ApiError, Principal};
use medusa_types::Role;
use serde::Deserialize;
use utoipa::OpenApi;

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(head).service(events).service(event).service(proof).service(verify);
}

/// The routes as an OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(head, events, event, proof, verify))]
struct Document;

#[derive(Deserialize, utoipa::IntoParams)]
struct EventQuery {
    /// First position, from 1.
    from: Option<i64>,
    /// Events, at most 1,000.
    limit: Option<i64>,
}

/// The tree over all events, with a signed checkpoint. Public: whoever keeps a checkpoint can later
/// show that history was not rewritten.
#[utoipa::path(tag = "audit", responses((status = 200, body = AuditHead)))]
#[get("/v1/audit/head")]
async fn head(auditor: Data<Auditor>) -> Result<Json<AuditHead>, ApiError> {
    Ok(Json(auditor.head().await?))
}

/// Events with their stored bytes, in order.
#[utoipa::path(tag = "audit", params(EventQuery), responses(
    (status = 200, body = EventPage), (status = 403, body = Problem)))]
#[get("/v1/audit/events")]
async fn events(
    auditor: Data<Auditor>,
    who: Principal,
    query: Query<EventQuery>,
) -> Result<Json<EventPage>, ApiError> {
    who.require(Role::Admin)?;
    let (from, limit) = (query.from.unwrap_or(1), query.limit.unwrap_or(100));
    Ok(Json(auditor.events(from, limit).await?))
}

/// One event: for admins, and for whose credits it moved.
#[utoipa::path(tag = "audit", responses((status = 200, body = EventEntry), (status = 404, body = Problem)))]
#[get("/v1/audit/events/{position}")]
async fn event(
    auditor: Data<Auditor>,
    billing: Data<Billing>,
    who: Principal,
    position: Path<i64>,
) -> Result<Json<EventEntry>, ApiError> {
    Ok(Json(event_for(&auditor, &billing, &who, *position).await?))
}

/// That an event is in the tree: for admins, and for whose credits it moved.
#[utoipa::path(tag = "audit", responses((status = 200, body = InclusionProof), (status = 404, body = Problem)))]
#[get("/v1/audit/proof/{position}")]
async fn proof(
    auditor: Data<Auditor>,
    billing: Data<Billing>,
    who: Principal,
    position: Path<i64>,
) -> Result<Json<InclusionProof>, ApiError> {
    event_for(&auditor, &billing, &who, *position).await?;
    Ok(Json(auditor.proof(*position).await?))
}

/// Recomputes the tree and all balances from the events.
#[utoipa::path(tag = "audit", responses((status = 200, body = VerifyReport), (status = 403, body = Problem)))]
#[post("/v1/admin/verify")]
async fn verify(log: Data<EventLog>, who: Principal) -> Result<Json<VerifyReport>, ApiError> {
    who.require(Role::Admin)?;
    Ok(Json(medusa_eventlog::verify(log.pool()).await?))
}

/// An event that this person may see. Somebody else's looks like one that does not exist.
pub(crate) async fn event_for(
    auditor: &Auditor,
    billing: &Billing,
    who: &Principal,
    position: i64,
) -> Result<EventEntry, ApiError> {
    let missing = || ApiError::not_found("event");
    if !who.has(Role::Admin) && !billing.touches(who.user, position).await? {
        return Err(missing());
    }
    let page = auditor.events(position, 1).await?;
    page.items.into_iter().find(|e| e.position == position).ok_or_else(missing)
}
