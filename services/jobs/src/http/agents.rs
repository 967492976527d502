//! Machines, as their owners see them and as they fetch and deliver.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use medusa_api::{Agent, Earnings, EarningsQuery, Problem, TaskPage, TaskQuery};
use medusa_platform::ticket::TicketQuery;
use medusa_platform::{AgentPrincipal, ApiError, Principal, idempotency_key, position};
use medusa_types::{AgentId, Role, Sha256Hash};

use super::blobs::send_blob;
use crate::command::Jobs;
use crate::error::JobsError;

pub(super) fn refused() -> ApiError {
    let detail = "the ticket is not for this, or it has ended; the lease has to be given anew";
    ApiError::new(403, "jobs.ticket_refused", "ticket refused", detail)
}

/// Own machines.
#[utoipa::path(tag = "agents", responses((status = 200, body = Vec<Agent>)))]
#[get("/v1/agents")]
pub(crate) async fn list(
    jobs: web::Data<Jobs>,
    who: Principal,
) -> Result<web::Json<Vec<Agent>>, ApiError> {
    Ok(web::Json(jobs.agents(who.user).await?))
}

/// The machine that asks, with its agent key.
#[utoipa::path(tag = "agents", responses((status = 200, body = Agent)))]
#[get("/v1/agent/self")]
pub(crate) async fn own(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
) -> Result<web::Json<Agent>, ApiError> {
    let agents = jobs.agents(who.owner).await?;
    let own = agents.into_iter().find(|agent| agent.id == who.agent);
    Ok(web::Json(own.ok_or_else(|| ApiError::not_found("agent"))?))
}

/// What the machine that asks earned by day, and what its owner has of earnings.
#[utoipa::path(tag = "agents", params(
    ("days" = Option<u32>, Query, description = "how many days, today being the last; 30 or what is said, at most 366"),
    ("offset_min" = Option<i32>, Query, description = "minutes that clocks are ahead of UTC where the days are meant"),
    ("since" = Option<i64>, Query, description = "also count from this time on, in microseconds since 1970"),
), responses((status = 200, body = Earnings)))]
#[get("/v1/agent/earnings")]
pub(crate) async fn earnings(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    query: web::Query<EarningsQuery>,
) -> Result<web::Json<Earnings>, ApiError> {
    Ok(web::Json(jobs.earnings((who.owner, who.agent), &query).await?))
}

/// What the machine that asks did, newest first.
#[utoipa::path(tag = "agents", params(
    ("before" = Option<String>, Query, description = "the `next` of the page before"),
    ("limit" = Option<i64>, Query, description = "how many; 50 or what is said, at most 200"),
), responses((status = 200, body = TaskPage), (status = 400, body = Problem)))]
#[get("/v1/agent/tasks")]
pub(crate) async fn tasks(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    query: web::Query<TaskQuery>,
) -> Result<web::Json<TaskPage>, ApiError> {
    Ok(web::Json(jobs.tasks(who.agent, &query).await?))
}

/// Lifts the quarantine of a machine; its streak stays as it is. Admins only.
#[utoipa::path(tag = "agents", responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
#[post("/v1/admin/agents/{agent}/reinstate")]
pub(crate) async fn reinstate(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    agent: web::Path<AgentId>,
) -> Result<HttpResponse, ApiError> {
    who.require(Role::Admin)?;
    let key = idempotency_key(&req)?;
    position::written(jobs.reinstate(who.user, &key, *agent).await?);
    Ok(HttpResponse::NoContent().finish())
}

/// A blob that a lease names, by ticket.
#[utoipa::path(tag = "agents", responses((status = 200), (status = 206), (status = 403, body = Problem)))]
#[get("/v1/agent/blobs/{sha256}")]
pub(crate) async fn blob(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    hash: web::Path<Sha256Hash>,
    ticket: web::Query<TicketQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (parts, subject) = (&jobs.parts, hash.to_string());
    if !parts.tickets.check("get", &subject, who.agent, &ticket, parts.clock.now()) {
        return Err(refused());
    }
    let size = parts.blobs.size(*hash).await.map_err(JobsError::Blob)?;
    send_blob(&jobs, &req, *hash, size, "application/octet-stream", None)
}
