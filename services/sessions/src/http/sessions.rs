//! Opening sessions and looking at them. Their rounds go over a WebSocket of their own.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use medusa_api::{Problem, Session, SessionRequest};
use medusa_platform::{ApiError, Principal, idempotency_key};
use medusa_types::SessionId;

use crate::Sessions;

/// Opens a session: the input is split into shards, the budget is held, and agents are looked for.
/// Its rounds go to the WebSocket that `home` names, as `docs/sessions.md` says.
#[utoipa::path(tag = "sessions", request_body = SessionRequest, responses(
    (status = 201, body = Session), (status = 402, body = Problem), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
#[post("/v1/sessions")]
pub(super) async fn open(
    sessions: web::Data<Sessions>,
    who: Principal,
    req: HttpRequest,
    body: web::Json<SessionRequest>,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&req)?;
    let session = sessions.open(who.user, &key, body.into_inner()).await?;
    Ok(HttpResponse::Created()
        .insert_header(("Location", format!("/v1/sessions/{}", session.id)))
        .json(session))
}

/// Own sessions, the latest 100, newest first.
#[utoipa::path(tag = "sessions", responses((status = 200, body = Vec<Session>)))]
#[get("/v1/sessions")]
pub(super) async fn list(
    sessions: web::Data<Sessions>,
    who: Principal,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sessions.sessions(who.user).await?))
}

/// One of them.
#[utoipa::path(tag = "sessions", params(("id" = String, Path, description = "the session")),
    responses((status = 200, body = Session), (status = 404, body = Problem)))]
#[get("/v1/sessions/{id}")]
pub(super) async fn get(
    sessions: web::Data<Sessions>,
    who: Principal,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sessions.session(who.user, *id).await?))
}
