//! The log in the formats of transparency logs (C2SP tlog-tiles) under `/log`: the checkpoint,
//! tiles of the tree, and bundles of entries. Checkpoint and tiles are for everybody: they hold
//! hashes only. Entries hold ids and amounts, so they are for admins and auditors.
//!
//! A path has exactly one spelling; any other is not there.

use std::str::FromStr;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get};
use medusa_api::Problem;
use medusa_eventlog::Auditor;
use medusa_platform::{ApiError, Principal};
use medusa_tlog::{BundleId, TILE_WIDTH, TileError, TileId};
use utoipa::OpenApi;

use super::audit::require_auditor;

/// What never changes any more.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// A partial tile never changes either, but a wider one takes its place soon.
const SHORT: &str = "public, max-age=60";
/// What only some may see stays with them.
const OWN: &str = "private, max-age=60";

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(checkpoint).service(entries).service(tile);
}

/// The routes as an OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(checkpoint, entries, tile))]
struct Document;

/// The signed head of the log, with the cosignatures of its witnesses: a signed note.
#[utoipa::path(tag = "log", responses((status = 200, body = String, content_type = "text/plain")))]
#[get("/log/checkpoint")]
async fn checkpoint(auditor: Data<Auditor>) -> Result<HttpResponse, ApiError> {
    let published = auditor.published().await?;
    Ok(public(HttpResponse::Ok())
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(published.note))
}

/// A tile of the tree: 32 bytes for each of up to 256 hashes.
#[utoipa::path(tag = "log", path = "/log/tile/{level}/{index}", params(
    ("level" = u8, Path, description = "0 for leaves"),
    ("index" = String, Path,
        description = "In groups of three digits, like `x001/x234/067`, and `.p/` and the width when it is below 256"),
), responses(
    (status = 200, body = [u8], content_type = "application/octet-stream"),
    (status = 404, description = "the log is not so long", body = Problem)))]
#[get("/log/tile/{tile:.*}")]
async fn tile(auditor: Data<Auditor>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let id: TileId = named(&req)?;
    let bytes = auditor.tile(id).await?;
    Ok(public(HttpResponse::Ok())
        .content_type("application/octet-stream")
        .insert_header((CACHE_CONTROL, if id.is_full() { FOR_EVER } else { SHORT }))
        // Hashes cannot be compressed.
        .insert_header((CONTENT_ENCODING, "identity"))
        .body(bytes))
}

/// A bundle of entries: the stored bytes of up to 256 events, each behind its length in two bytes.
/// For admins and auditors.
#[utoipa::path(tag = "log", path = "/log/tile/entries/{index}", params(
    ("index" = String, Path,
        description = "In groups of three digits, like `x001/x234/067`, and `.p/` and the number when it is below 256"),
), responses(
    (status = 200, body = [u8], content_type = "application/octet-stream"),
    (status = 403, body = Problem),
    (status = 404, description = "the log is not so long", body = Problem)))]
#[get("/log/tile/entries/{index:.*}")]
async fn entries(
    auditor: Data<Auditor>,
    who: Principal,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    require_auditor(&who)?;
    let id: BundleId = named(&req)?;
    let bytes = auditor.bundle(id).await?;
    let own = if id.width() == TILE_WIDTH { "private, max-age=31536000, immutable" } else { OWN };
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CACHE_CONTROL, own))
        .body(bytes))
}

/// What the path names, as it was sent: no other spelling of it is decoded first.
fn named<T: FromStr<Err = TileError>>(req: &HttpRequest) -> Result<T, ApiError> {
    let name = req.uri().path().strip_prefix("/log/").unwrap_or_default();
    name.parse().map_err(|why: TileError| {
        ApiError::new(404, "platform.not_found", "not found", why.to_string())
    })
}

/// Any page may read it: it says nothing about who asks.
fn public(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer
        .insert_header(("Access-Control-Allow-Origin", "*"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    answer
}
