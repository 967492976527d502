//! What owners do with their machines from afar, and the key that a machine signs with.

use actix_web::{HttpResponse, delete, patch, put, web};
use medusa_api::{Agent, AgentChange, AgentKey, Problem};
use medusa_platform::{AgentPrincipal, ApiError, Principal, position};
use medusa_types::AgentId;

use crate::command::Jobs;

/// Renames a machine, pauses it, or lowers what it may use. The same again changes nothing.
#[utoipa::path(tag = "agents", request_body = AgentChange, responses(
    (status = 200, body = Agent), (status = 404, body = Problem), (status = 422, body = Problem)))]
#[patch("/v1/agents/{agent}")]
pub(crate) async fn change(
    jobs: web::Data<Jobs>,
    who: Principal,
    agent: web::Path<AgentId>,
    change: web::Json<AgentChange>,
) -> Result<web::Json<Agent>, ApiError> {
    let (agent, at) = jobs.change_agent(who.user, *agent, &change).await?;
    if at > 0 {
        position::written(at);
    }
    Ok(web::Json(agent))
}

/// Removes a machine: its key opens nothing any more, and it has to be enrolled again. The same
/// again changes nothing.
#[utoipa::path(tag = "agents", responses((status = 204), (status = 404, body = Problem)))]
#[delete("/v1/agents/{agent}")]
pub(crate) async fn remove(
    jobs: web::Data<Jobs>,
    who: Principal,
    agent: web::Path<AgentId>,
) -> Result<HttpResponse, ApiError> {
    jobs.remove_agent(who.user, *agent).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A machine says which key it signs its results with, with its agent key. It can be said once. A
/// link that was opened without the key is closed, so that nothing counts unsigned from then on.
#[utoipa::path(tag = "agents", request_body = AgentKey, responses(
    (status = 204, description = "its results are checked against this key from now on"),
    (status = 401, description = "platform.unauthenticated", body = Problem),
    (status = 409, description = "accounts.agent_key_set", body = Problem),
    (status = 422, description = "accounts.agent_key_refused", body = Problem)))]
#[put("/v1/agent/key")]
pub(crate) async fn set_key(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    // Read here, so that who is not known is told so and nothing else; what cannot be read names
    // no key, and is refused as none.
    let named = serde_json::from_slice::<AgentKey>(&form);
    let public_key = named.map(|form| form.public_key).unwrap_or_default();
    jobs.set_agent_key(who.agent, &public_key).await?;
    Ok(HttpResponse::NoContent().finish())
}
