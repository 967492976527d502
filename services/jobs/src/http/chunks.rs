//! One chunk: how to run it again, and what it wrote; and all chunks in one archive.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, web};
use bytes::Bytes;
use medusa_api::{ChunkFiles, ChunkRun, Problem};
use medusa_platform::{ApiError, Principal};
use medusa_types::{ChunkIndex, JobId};
use serde::Deserialize;

use super::blobs::{send_blob, send_headed, send_range};
use crate::command::{ARCHIVE_CHUNKS_MAX, Jobs};
use crate::split::Source;

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct ArchiveQuery {
    /// The first chunk, from 0.
    from: Option<u32>,
    /// How many chunks from there on; all of them, unless said otherwise.
    count: Option<u32>,
}

/// Everything that the run of a chunk depends on, and what came of it: enough to do it again, bit
/// for bit. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200, body = ChunkRun), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/run")]
pub(crate) async fn run(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex)>,
) -> Result<web::Json<ChunkRun>, ApiError> {
    let (id, index) = *path;
    Ok(web::Json(jobs.chunk_run(&who, id, index).await?))
}

/// The bytes that a chunk's run reads at a place of `inputs` of its description. For the job's
/// owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/inputs/{place}")]
pub(crate) async fn input(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex, usize)>,
) -> Result<HttpResponse, ApiError> {
    let (id, index, place) = path.into_inner();
    let mut answer = HttpResponse::Ok();
    as_download(&mut answer, "application/octet-stream", "input");
    Ok(match jobs.chunk_input(&who, (id, index), place).await? {
        Source::Bytes(bytes) => answer.body(bytes),
        Source::Headed { head, sha256, offset, len, .. } => {
            let range = (offset, offset.saturating_add(len));
            send_headed(&jobs, answer, head, sha256, range)
        }
        Source::Blob { sha256, offset, len, .. } => {
            send_range(&jobs, answer, sha256, (offset, offset.saturating_add(len)))
        }
    })
}

/// What a chunk wrote: names, lengths and digests. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200, body = ChunkFiles),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/files")]
pub(crate) async fn files(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex)>,
) -> Result<web::Json<ChunkFiles>, ApiError> {
    let (id, index) = *path;
    Ok(web::Json(jobs.chunk_files(&who, id, index).await?))
}

/// A file that a chunk wrote to `/out`; its name may have slashes. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/files/{name:.+}")]
pub(crate) async fn file(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex, String)>,
) -> Result<HttpResponse, ApiError> {
    let (id, index, name) = path.into_inner();
    let content = jobs.chunk_file(&who, (id, index), &name).await?;
    Ok(saved(content, name.rsplit('/').next().unwrap_or_default()))
}

/// What a chunk wrote to standard output. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/stdout")]
pub(crate) async fn stdout(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex)>,
) -> Result<HttpResponse, ApiError> {
    let content = jobs.chunk_file(&who, *path, "").await?;
    Ok(saved(content, "stdout"))
}

/// The accepted result of a chunk as it was hashed: a bundle, resumable by range. For the job's
/// owner and admins.
#[utoipa::path(tag = "jobs", responses((status = 200), (status = 206),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
#[get("/v1/jobs/{id}/chunks/{index}/bundle")]
pub(crate) async fn bundle(
    jobs: web::Data<Jobs>,
    who: Principal,
    path: web::Path<(JobId, ChunkIndex)>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let found = jobs.chunk_bundle(&who, *path).await?;
    let (hash, size) = (found.sha256, found.size);
    send_blob(&jobs, &req, hash, size, "application/octet-stream", Some("chunk.bundle"))
}

/// The files of all chunks that are done so far, as a zip archive with a folder for each chunk. For
/// the job's owner and admins.
#[utoipa::path(tag = "jobs", params(ArchiveQuery), responses((status = 200),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
#[get("/v1/jobs/{id}/chunks.zip")]
pub(crate) async fn archive(
    jobs: web::Data<Jobs>,
    who: Principal,
    id: web::Path<JobId>,
    query: web::Query<ArchiveQuery>,
) -> Result<HttpResponse, ApiError> {
    let wanted = (query.from.unwrap_or_default(), query.count.unwrap_or(ARCHIVE_CHUNKS_MAX));
    let parts = jobs.archive(&who, *id, wanted).await?;
    let stream = futures_util::stream::unfold(parts, |mut parts| async move {
        let part = parts.recv().await?;
        Some((part, parts))
    });
    let mut answer = HttpResponse::Ok();
    as_download(&mut answer, "application/zip", "chunks.zip");
    Ok(answer.streaming(stream))
}

fn saved(content: Bytes, name: &str) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    as_download(&mut answer, "application/octet-stream", name);
    answer.body(content)
}

/// The guest chose the content, so it is saved and never shown or run.
pub(super) fn as_download(answer: &mut HttpResponseBuilder, media_type: &str, name: &str) {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    answer
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header(("Cache-Control", "private, no-cache"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Content-Security-Policy", "sandbox; default-src 'none'"));
}
