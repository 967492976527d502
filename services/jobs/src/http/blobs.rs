//! Uploads and downloads of blobs.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, post, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use medusa_api::{BlobInfo, InputPreview, Problem};
use medusa_platform::{ApiError, Principal};
use medusa_types::Sha256Hash;

use crate::command::Jobs;
use crate::error::JobsError;

/// Bytes of one read while a blob is sent.
const READ_BYTES: u64 = 1024 * 1024;

/// Uploads a blob. With `Content-Digest` the bytes must have that hash.
#[utoipa::path(tag = "inputs", request_body = String, responses(
    (status = 201, body = BlobInfo), (status = 400, body = Problem), (status = 413, body = Problem),
    (status = 422, body = Problem)))]
#[post("/v1/blobs")]
pub(crate) async fn upload(
    jobs: web::Data<Jobs>,
    who: Principal,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let announced = content_digest(&req)?;
    let length =
        req.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let info = jobs.upload(who.user, body, announced, length).await?;
    Ok(HttpResponse::Created().json(info))
}

/// What an uploaded blob looks like, for choosing a splitter.
#[utoipa::path(tag = "inputs", responses((status = 200, body = InputPreview), (status = 404, body = Problem)))]
#[get("/v1/blobs/{sha256}/preview")]
pub(crate) async fn preview(
    jobs: web::Data<Jobs>,
    who: Principal,
    hash: web::Path<Sha256Hash>,
) -> Result<web::Json<InputPreview>, ApiError> {
    Ok(web::Json(jobs.preview(who.user, *hash).await?))
}

/// Downloads an own blob, or a part of it with `Range`.
#[utoipa::path(tag = "inputs", responses((status = 200), (status = 206), (status = 404, body = Problem)))]
#[get("/v1/blobs/{sha256}")]
pub(crate) async fn download(
    jobs: web::Data<Jobs>,
    who: Principal,
    hash: web::Path<Sha256Hash>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let size = jobs.owned_size(who.user, *hash).await?;
    send_blob(&jobs, &req, *hash, size, "application/octet-stream", Some("blob"))
}

/// `Content-Digest: sha-256=:…:` of RFC 9530.
fn content_digest(req: &HttpRequest) -> Result<Option<Sha256Hash>, ApiError> {
    let Some(value) = req.headers().get("Content-Digest") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    text.strip_prefix("sha-256=:")
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| Sha256Hash::try_from(bytes.as_slice()).ok())
        .map(Some)
        .ok_or_else(|| {
            let detail = "Content-Digest is sha-256=: and the digest in base64 and a colon";
            ApiError::new(400, "blob.digest_refused", "bad digest header", detail)
        })
}

/// First byte and one past the last of a `Range` header on a blob of this size.
fn range(req: &HttpRequest, size: u64) -> Option<Result<(u64, u64), ApiError>> {
    let text = req.headers().get(actix_web::http::header::RANGE)?.to_str().ok()?;
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let bounds = match (from.parse::<u64>().ok(), to.parse::<u64>().ok()) {
        (Some(from), Some(last)) => (from, last.saturating_add(1).min(size)),
        (Some(from), None) if to.is_empty() => (from, size),
        (None, Some(last)) if from.is_empty() => (size.saturating_sub(last), size),
        _ => return None,
    };
    if bounds.0 < bounds.1 {
        return Some(Ok(bounds));
    }
    let detail = format!("the blob has {size} bytes");
    Some(Err(ApiError::new(416, "blob.range_refused", "range outside the blob", detail)))
}

/// A file that a program wrote. Only pictures are shown in the page; everything else is saved,
/// never run.
pub(super) fn send_file(
    jobs: &Jobs,
    req: &HttpRequest,
    (hash, size): (Sha256Hash, u64),
    media_type: &str,
    name: &str,
) -> Result<HttpResponse, ApiError> {
    let attachment = (media_type != "image/png").then_some(name);
    send_blob(jobs, req, hash, size, media_type, attachment)
}

/// A blob as a streamed answer: immutable, with its hash as ETag, resumable by range.
pub(crate) fn send_blob(
    jobs: &Jobs,
    req: &HttpRequest,
    hash: Sha256Hash,
    size: u64,
    media_type: &str,
    attachment: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let etag = format!("\"{hash}\"");
    let known = req.headers().get(actix_web::http::header::IF_NONE_MATCH);
    if known.is_some_and(|v| v.as_bytes() == etag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let (from, to, mut answer) = match range(req, size).transpose()? {
        Some((from, to)) => {
            let mut answer = HttpResponse::PartialContent();
            let last = to.saturating_sub(1);
            answer.insert_header(("Content-Range", format!("bytes {from}-{last}/{size}")));
            (from, to, answer)
        }
        None => (0, size, HttpResponse::Ok()),
    };
    answer
        .insert_header((ETAG, etag))
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header(("Accept-Ranges", "bytes"))
        .insert_header(("Cache-Control", "private, max-age=31536000, immutable"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Content-Security-Policy", "sandbox; default-src 'none'"));
    if let Some(name) = attachment {
        let value = format!("attachment; filename=\"{name}\"");
        answer.insert_header((CONTENT_DISPOSITION, value));
    }
    Ok(send_range(jobs, answer, hash, (from, to)))
}

/// The bytes of a blob from one place up to another, streamed.
pub(super) fn send_range(
    jobs: &Jobs,
    answer: HttpResponseBuilder,
    hash: Sha256Hash,
    range: (u64, u64),
) -> HttpResponse {
    send_headed(jobs, answer, Bytes::new(), hash, range)
}

/// The same with other bytes before it.
pub(super) fn send_headed(
    jobs: &Jobs,
    mut answer: HttpResponseBuilder,
    head: Bytes,
    hash: Sha256Hash,
    (from, to): (u64, u64),
) -> HttpResponse {
    let blobs = jobs.parts.blobs.clone();
    let all = to.saturating_sub(from).saturating_add(u64::try_from(head.len()).unwrap_or(u64::MAX));
    let stream = futures_util::stream::try_unfold((head, from), move |(head, at)| {
        let blobs = blobs.clone();
        async move {
            if !head.is_empty() {
                return Ok(Some((head, (Bytes::new(), at))));
            }
            if at >= to {
                return Ok::<_, ApiError>(None);
            }
            let end = to.min(at.saturating_add(READ_BYTES));
            let bytes = blobs.get_range(hash, at..end).await.map_err(JobsError::Blob)?;
            Ok(Some((bytes, (head, end))))
        }
    });
    answer.no_chunking(all).streaming(stream)
}
