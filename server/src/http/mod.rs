//! The HTTP surface: all services' routes, the website, health, and what every answer has.

pub(crate) mod audit;
mod desk;
mod desk_table;
mod health;
mod operator;
mod runtimes;
mod streams;
mod tlog;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::JsonPayloadError;
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::web::{JsonConfig, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{Error, HttpRequest};
use medusa_platform::ApiError;
use medusa_platform::position::{self, POSITION_HEADER};

pub(crate) use operator::Operator;

/// JSON bodies may not be larger.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// Registers everything.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(JsonConfig::default().limit(JSON_BYTES_MAX).error_handler(refuse_json))
        .app_data(QueryConfig::default().error_handler(refuse_query))
        .app_data(PathConfig::default().error_handler(refuse_path))
        .configure(health::configure)
        .configure(operator::configure)
        .configure(runtimes::configure)
        .configure(audit::configure)
        .configure(tlog::configure)
        .configure(desk::configure)
        .configure(streams::configure)
        .configure(medusa_accounts::configure)
        .configure(medusa_jobs::http::configure)
        .configure(medusa_billing::http::configure)
        .configure(medusa_ads::configure)
        .configure(medusa_sessions::http::configure)
        .configure(medusa_web::configure);
}

fn refuse_json(error: JsonPayloadError, _: &HttpRequest) -> Error {
    match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            let detail = format!("a JSON body has at most {JSON_BYTES_MAX} bytes");
            ApiError::new(413, "platform.body_too_large", "too large", detail).into()
        }
        JsonPayloadError::ContentType => {
            let detail = "send JSON, with the header Content-Type: application/json";
            ApiError::new(415, "platform.media_type", "not JSON", detail).into()
        }
        error => {
            let detail = format!("the body is not the expected JSON: {error}");
            ApiError::new(422, "platform.json_refused", "bad JSON", detail).into()
        }
    }
}

/// Answers `HEAD` as `GET`; the connection leaves the body out.
pub(crate) async fn head_as_get(
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if req.method() == Method::HEAD {
        req.head_mut().method = Method::GET;
    }
    next.call(req).await
}

/// Puts the last log position that a request has written into its answer.
pub(crate) async fn tell_position(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (answer, written) = position::listen(next.call(req)).await;
    let mut answer = answer?;
    if let Some(written) = written {
        let name = HeaderName::from_static(POSITION_HEADER);
        answer.headers_mut().insert(name, HeaderValue::from(written));
    }
    Ok(answer)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that actix asks for")]
fn refuse_query(error: actix_web::error::QueryPayloadError, _: &HttpRequest) -> Error {
    let detail = format!("the query of the address is not as expected: {error}");
    ApiError::new(400, "platform.query_refused", "bad query", detail).into()
}

fn refuse_path(_: actix_web::error::PathError, req: &HttpRequest) -> Error {
    ApiError::not_found(if req.path().contains("/blobs/") { "blob" } else { "thing" }).into()
}

/// Headers that every answer has unless it has its own.
pub(crate) fn default_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
}

/// The whole interface as one OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = medusa_accounts::openapi();
    document.merge(medusa_jobs::http::openapi());
    document.merge(medusa_billing::http::openapi());
    document.merge(medusa_ads::openapi());
    document.merge(medusa_sessions::http::openapi());
    document.merge(audit::openapi());
    document.merge(tlog::openapi());
    document.merge(desk::openapi());
    document.merge(streams::openapi());
    document.merge(health::openapi());
    document.info = utoipa::openapi::InfoBuilder::new()
        .title("Medusa")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The HTTP interface of the Medusa compute marketplace."))
        .build();
    document
}
