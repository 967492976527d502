//! The log for auditors: the signed head, pages of stored bytes, proofs and receipts, and the audit
//! from inside.

use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use medusa_api::{
    AuditHead, ConsistencyProof, ConsistencyQuery, EventEntry, EventPage, InclusionProof, Problem,
    ProofQuery, VerifyReport,
};
use medusa_billing::Billing;
use medusa_eventlog::{Auditor, EventLog};
use medusa_jobs::Jobs;
use medusa_platform::{ApiError, Principal};
use medusa_types::{JobId, Role};
use serde::Deserialize;
use utoipa::OpenApi;

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(head)
        .service(events)
        .service(event)
        .service(proof)
        .service(consistency)
        .service(receipt)
        .service(verify);
}

/// The routes as an OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(head, events, event, proof, consistency, receipt, verify))]
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

/// Events with their stored bytes, in order. For admins and auditors.
#[utoipa::path(tag = "audit", params(EventQuery), responses(
    (status = 200, body = EventPage), (status = 403, body = Problem)))]
#[get("/v1/audit/events")]
async fn events(
    auditor: Data<Auditor>,
    who: Principal,
    query: Query<EventQuery>,
) -> Result<Json<EventPage>, ApiError> {
    require_auditor(&who)?;
    let (from, limit) = (query.from.unwrap_or(1), query.limit.unwrap_or(100));
    Ok(Json(auditor.events(from, limit).await?))
}

/// One event: for admins, auditors, for whose credits it moved and whose job it is about; where a
/// machine says its key, also for those whose jobs it computed.
#[utoipa::path(tag = "audit", responses((status = 200, body = EventEntry), (status = 404, body = Problem)))]
#[get("/v1/audit/events/{position}")]
async fn event(
    auditor: Data<Auditor>,
    billing: Data<Billing>,
    jobs: Data<Jobs>,
    who: Principal,
    position: Path<i64>,
) -> Result<Json<EventEntry>, ApiError> {
    Ok(Json(event_for((&auditor, &billing, &jobs), &who, *position).await?))
}

/// That an event is in the tree of the present size, or of another one: for admins, auditors,
/// for whose credits it moved and whose job it is about; where a machine says its key, also for
/// those whose jobs it computed.
#[utoipa::path(tag = "audit", params(ProofQuery), responses(
    (status = 200, body = InclusionProof), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
#[get("/v1/audit/proof/{position}")]
async fn proof(
    auditor: Data<Auditor>,
    billing: Data<Billing>,
    jobs: Data<Jobs>,
    who: Principal,
    position: Path<i64>,
    query: Query<ProofQuery>,
) -> Result<Json<InclusionProof>, ApiError> {
    event_for((&auditor, &billing, &jobs), &who, *position).await?;
    Ok(Json(auditor.proof(*position, query.size).await?))
}

/// That the log of one size goes on from the log of another. Public: whoever keeps a checkpoint can
/// check that the present log still begins with it.
#[utoipa::path(tag = "audit", params(ConsistencyQuery), responses(
    (status = 200, body = ConsistencyProof), (status = 400, body = Problem)))]
#[get("/v1/audit/consistency")]
async fn consistency(
    auditor: Data<Auditor>,
    query: Query<ConsistencyQuery>,
) -> Result<Json<ConsistencyProof>, ApiError> {
    Ok(Json(auditor.consistency(query.from, query.to).await?))
}

/// A receipt of an event in one text (C2SP tlog-proof), to be verified without this server: for
/// admins, auditors, for whose credits it moved and whose job it is about; where a machine says its
/// key, also for those whose jobs it computed.
#[utoipa::path(tag = "audit", responses(
    (status = 200, body = String, content_type = "text/plain"), (status = 404, body = Problem)))]
#[get("/v1/audit/receipt/{position}")]
async fn receipt(
    auditor: Data<Auditor>,
    billing: Data<Billing>,
    jobs: Data<Jobs>,
    who: Principal,
    position: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    event_for((&auditor, &billing, &jobs), &who, *position).await?;
    let text = auditor.receipt(*position).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text))
}

/// Recomputes the tree and all balances from the events.
#[utoipa::path(tag = "audit", responses((status = 200, body = VerifyReport), (status = 403, body = Problem)))]
#[post("/v1/admin/verify")]
async fn verify(log: Data<EventLog>, who: Principal) -> Result<Json<VerifyReport>, ApiError> {
    who.require(Role::Admin)?;
    Ok(Json(medusa_eventlog::verify(log.pool()).await?))
}

/// Refuses everybody who is neither admin nor auditor.
pub(crate) fn require_auditor(who: &Principal) -> Result<(), ApiError> {
    if who.has(Role::Admin) { Ok(()) } else { who.require(Role::Auditor) }
}

/// An event that this person may see. Somebody else's looks like one that does not exist.
pub(crate) async fn event_for(
    (auditor, billing, jobs): (&Auditor, &Billing, &Jobs),
    who: &Principal,
    position: i64,
) -> Result<EventEntry, ApiError> {
    let missing = || ApiError::not_found("event");
    let page = auditor.events(position, 1).await?;
    let entry = page.items.into_iter().find(|e| e.position == position).ok_or_else(missing)?;
    if require_auditor(who).is_ok() || billing.touches(who.user, position).await? {
        return Ok(entry);
    }
    if jobs.is_workers_key(who.user, &entry.stream, &entry.event).await? {
        return Ok(entry);
    }
    let job = entry.stream.strip_prefix("job-").and_then(|id| id.parse::<JobId>().ok());
    jobs.readable(who, job.ok_or_else(missing)?).await.map_err(|_| missing())?;
    Ok(entry)
}
