//! What owners do with their machines from afar.

use actix_web::{HttpResponse, delete, patch, web};
use medusa_api::{Agent, AgentChange, Problem};
use medusa_platform::{ApiError, Principal, position};
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
