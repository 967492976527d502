//! The platform runtimes that scripts may be run by.

use actix_web::{get, web};
use medusa_api::Runtime;
use medusa_platform::ApiError;

use crate::command::Jobs;

/// What is offered, by name.
#[utoipa::path(tag = "programs", responses((status = 200, body = Vec<Runtime>)))]
#[get("/v1/runtimes")]
pub(crate) async fn list(jobs: web::Data<Jobs>) -> Result<web::Json<Vec<Runtime>>, ApiError> {
    Ok(web::Json(jobs.runtimes().await?))
}
