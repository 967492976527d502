//! Outputs of leases that are too large for a frame, from the agents that computed them: whole, or
//! in parts like uploads of people. What lets an agent send one is the ticket in its lease.

use actix_web::{HttpResponse, get, post, put, web};
use medusa_api::{BlobInfo, NewUpload, Problem, Upload};
use medusa_platform::ticket::TicketQuery;
use medusa_platform::{AgentPrincipal, ApiError};
use medusa_types::{LeaseId, UploadId};

use super::agents::refused;
use crate::command::Jobs;
use crate::store::upload::Sender;

/// Whose output it is, if the ticket is for it.
fn sender(
    jobs: &Jobs,
    who: &AgentPrincipal,
    lease: LeaseId,
    ticket: &TicketQuery,
) -> Result<Sender, ApiError> {
    let (parts, subject) = (&jobs.parts, lease.to_string());
    if parts.tickets.check("put", &subject, who.agent, ticket, parts.clock.now()) {
        Ok(Sender::Agent(who.agent, lease))
    } else {
        Err(refused())
    }
}

/// The output of a lease in one request, by ticket.
#[utoipa::path(tag = "agents", request_body = String, responses(
    (status = 201, body = BlobInfo), (status = 403, body = Problem), (status = 413, body = Problem)))]
#[put("/v1/agent/outputs/{lease}")]
pub(crate) async fn whole(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    lease: web::Path<LeaseId>,
    ticket: web::Query<TicketQuery>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let sender = sender(&jobs, &who, *lease, &ticket)?;
    Ok(HttpResponse::Created().json(jobs.put_output(sender, body).await?))
}

/// Begins to send the output of a lease in parts, by ticket. A lease has one output: asked again,
/// it is the same upload.
#[utoipa::path(tag = "agents", request_body = NewUpload, responses(
    (status = 201, body = Upload), (status = 403, body = Problem), (status = 413, body = Problem),
    (status = 422, body = Problem)))]
#[post("/v1/agent/outputs/{lease}/parts")]
pub(crate) async fn begin(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    lease: web::Path<LeaseId>,
    ticket: web::Query<TicketQuery>,
    wish: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    // Read here, so that who is not known is told so and nothing else.
    let sender = sender(&jobs, &who, *lease, &ticket)?;
    let wish: NewUpload = serde_json::from_slice(&wish).map_err(|error| {
        let detail = format!("the body is not the expected JSON: {error}");
        ApiError::new(422, "platform.json_refused", "bad JSON", detail)
    })?;
    Ok(HttpResponse::Created().json(jobs.begin_output(sender, *lease, &wish).await?))
}

/// How much of the output of a lease is there, by ticket.
#[utoipa::path(tag = "agents", responses(
    (status = 200, body = Upload), (status = 403, body = Problem), (status = 404, body = Problem)))]
#[get("/v1/agent/outputs/{lease}/parts")]
pub(crate) async fn state(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    lease: web::Path<LeaseId>,
    ticket: web::Query<TicketQuery>,
) -> Result<web::Json<Upload>, ApiError> {
    let sender = sender(&jobs, &who, *lease, &ticket)?;
    Ok(web::Json(jobs.upload_state(sender, UploadId(lease.0)).await?))
}

/// The part of the output of a lease that begins at this byte, by ticket.
#[utoipa::path(tag = "agents", request_body = String, responses(
    (status = 200, body = Upload), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
#[put("/v1/agent/outputs/{lease}/parts/{first}")]
pub(crate) async fn part(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    place: web::Path<(LeaseId, u64)>,
    ticket: web::Query<TicketQuery>,
    body: web::Payload,
) -> Result<web::Json<Upload>, ApiError> {
    let (lease, first) = place.into_inner();
    let sender = sender(&jobs, &who, lease, &ticket)?;
    Ok(web::Json(jobs.add_part(sender, (UploadId(lease.0), first), body).await?))
}
