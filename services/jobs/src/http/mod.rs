//! Request to command to response, one file per resource.

mod agents;
mod blobs;
mod jobs;
mod link;
mod programs;

use actix_web::HttpRequest;
use actix_web::web::ServiceConfig;
use medusa_platform::ApiError;
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

/// The caller's id for a write.
///
/// # Errors
/// `platform.key_missing` when it is absent, `platform.key_refused` when it is not 1 to 255 visible
/// characters.
fn idempotency_key(req: &HttpRequest) -> Result<String, ApiError> {
    let Some(value) = req.headers().get("Idempotency-Key") else {
        return Err(ApiError::new(
            400,
            "platform.key_missing",
            "no idempotency key",
            "send an Idempotency-Key header with a fresh random value, so that a repeated request takes effect once",
        ));
    };
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let detail = "an Idempotency-Key has 1 to 255 visible ASCII characters";
    Err(ApiError::new(400, "platform.key_refused", "bad idempotency key", detail))
}
