//! Request to command to response, one file per resource.

mod agents;
mod blobs;
mod jobs;
mod link;
mod programs;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

/// Registers the routes of this service under `/v1`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(blobs::upload)
        .service(blobs::preview)
        .service(blobs::download)
        .service(programs::add)
        .service(programs::list)
        .service(programs::examples)
        .service(jobs::quote)
        .service(jobs::submit)
        .service(jobs::list)
        .service(jobs::get)
        .service(jobs::cancel)
        .service(jobs::chunks)
        .service(jobs::result)
        .service(agents::list)
        .service(agents::own)
        .service(agents::blob)
        .service(agents::output)
        .service(link::link);
}

/// The routes of this service as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(
    blobs::upload,
    blobs::preview,
    blobs::download,
    programs::add,
    programs::list,
    programs::examples,
    jobs::quote,
    jobs::submit,
    jobs::list,
    jobs::get,
    jobs::cancel,
    jobs::chunks,
    jobs::result,
    agents::list,
    agents::own,
    agents::blob,
    agents::output,
    link::link
))]
struct Document;
