//! The operator's side of platform runtimes. Their modules are in the object store already: the
//! operator's command puts them there.

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, post};
use medusa_api::NewRuntime;
use medusa_jobs::Jobs;
use medusa_platform::ApiError;

use super::operator::ByOperator;
use crate::examples::{self, Gallery};

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(add).service(retire);
}

/// Offers a runtime, and the examples that wait for it.
#[post("/v1/operator/runtimes")]
async fn add(
    _: ByOperator,
    jobs: Data<Jobs>,
    gallery: Data<Gallery>,
    body: Json<NewRuntime>,
) -> Result<HttpResponse, ApiError> {
    let runtime = jobs.add_runtime(body.into_inner()).await?;
    if let Some(folder) = &gallery.0
        && let Err(error) = examples::offer(&jobs, folder).await
    {
        tracing::warn!(%error, "the examples for a new runtime are not offered");
    }
    Ok(HttpResponse::Ok().json(runtime))
}

/// Takes a runtime from offer.
#[post("/v1/operator/runtimes/{name}/retire")]
async fn retire(
    _: ByOperator,
    jobs: Data<Jobs>,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    jobs.retire_runtime(&name).await?;
    Ok(HttpResponse::NoContent().finish())
}
