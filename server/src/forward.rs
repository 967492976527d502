//! A standby's answer to every request: the writer's. Bodies stream both ways without being kept,
//! web sockets are carried as bytes. Nothing is decided here, and nothing is tried again: whether a
//! request was carried out is known to the writer alone, and callers repeat it under their key.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::body::{BodyStream, SizedStream};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, rt};
use anyhow::{Context as _, Result};
use futures_util::{Stream, StreamExt as _, stream};
use medusa_eventlog::WriterSign;
use medusa_platform::ApiError;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::forwarded::{HEADER, Notes};

/// Seconds after which a caller is told to try again: a standby takes over within three.
pub(crate) const RETRY_S: u64 = 3;
/// How long the writer's machine may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Connections without a request are given up sooner than the writer does, so that none breaks
/// under a request that must not be repeated.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// How long the writer may think after it has heard everything.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// How long a client, or the writer behind it, may leave a body at one place.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Pieces of a body on their way.
const PIECES_MAX: usize = 8;
/// Bytes of a web socket that are carried at once.
const CARRY_BYTES: usize = 16 * 1024;
/// Headers of one connection, that say nothing about the request or its answer. The length stands
/// in the body.
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// The way to the writer.
pub(crate) struct Forwarder {
    http: reqwest::Client,
    notes: Notes,
    writer: Seen,
}

/// The writer as it is known now.
type Seen = watch::Receiver<Option<WriterSign>>;

/// The other end went away in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut in the middle")]
struct Cut;

impl Forwarder {
    /// To the writer that is seen there.
    pub(crate) fn new(notes: Notes, writer: Seen) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .build()
            .context("no connection to another process can be made")?;
        Ok(Self { http, notes, writer })
    }

    /// The request as the writer gets it, without its body.
    fn request(&self, req: &HttpRequest, writer: &str, socket: bool) -> Option<RequestBuilder> {
        let path = req.uri().path_and_query().map_or("/", |path| path.as_str());
        if !path.starts_with('/') {
            // `OPTIONS *` is about no page, and no address can be made of it.
            return None;
        }
        let method = Method::from_bytes(req.method().as_str().as_bytes()).ok()?;
        let named = named_by(req.headers().get_all("connection").map(|v| v.as_bytes()));
        let mut headers = HeaderMap::new();
        for (name, value) in req.headers() {
            if !is_of_connection(name.as_str(), &named) && name.as_str() != HEADER {
                let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
            }
        }
        if let Some(client) = req.peer_addr() {
            headers.insert(HEADER, HeaderValue::from_str(&self.notes.write(client)).ok()?);
        }
        if socket {
            headers.insert("connection", HeaderValue::from_static("upgrade"));
            headers.insert("upgrade", HeaderValue::from_static("websocket"));
        }
        Some(self.http.request(method, format!("http://{writer}{path}")).headers(headers))
    }
}

/// Answers as the writer does.
pub(crate) async fn forward(
    req: HttpRequest,
    payload: Payload,
    to: Data<Forwarder>,
) -> Result<HttpResponse, ApiError> {
    // What another process sent here is on its way in a circle: the writer has just changed.
    if to.notes.read(req.headers()).is_some() {
        return Err(ApiError::busy(RETRY_S));
    }
    let seen = to.writer.clone();
    let writer = seen.borrow().clone();
    let Some(WriterSign { epoch, address: Some(address) }) = writer else {
        return Err(ApiError::busy(RETRY_S));
    };
    let mut gone = Gone { seen, epoch };
    let socket = wants_socket(&req);
    let request = to.request(&req, &address, socket);
    let request = request.ok_or_else(|| ApiError::not_found("page"))?;
    let (request, heard, rest) = match (socket, has_body(&req)) {
        (true, _) => (request, None, Some(payload)),
        (false, false) => (request, None, None),
        (false, true) => {
            let (body, heard) = carry_body(payload);
            (request.body(body), Some(heard), None)
        }
    };
    let answer = tokio::select! {
        answer = request.send() => answer.map_err(|error| lost(&error))?,
        () = gone.wait() => return Err(interrupted()),
        () = too_late(heard) => return Err(interrupted()),
    };
    let builder = head(&answer)?;
    match rest {
        Some(payload) if answer.status().as_u16() == 101 => {
            carry_socket(builder, answer, payload, gone).await
        }
        _ => Ok(with_body(builder, answer, gone)),
    }
}

/// Ends when another process writes than the one that has the request.
#[derive(Clone)]
struct Gone {
    seen: Seen,
    epoch: i64,
}

impl Gone {
    async fn wait(&mut self) {
        let epoch = self.epoch;
        let other = |sign: &Option<WriterSign>| sign.as_ref().is_none_or(|s| s.epoch != epoch);
        // Nobody looks any more: then this process ends.
        let _end = self.seen.wait_for(other).await.is_ok();
    }
}

/// Ends when the writer has heard everything and says nothing for too long.
async fn too_late(heard: Option<oneshot::Receiver<()>>) {
    if let Some(heard) = heard {
        let _ended = heard.await.is_ok();
    }
    sleep(ANSWER_MAX).await;
}

/// Why there is no answer. Nothing was begun where not even a connection came about.
fn lost(error: &reqwest::Error) -> ApiError {
    tracing::info!(error = %medusa_platform::error::chain(error), "the writer did not answer a request");
    if error.is_connect() { ApiError::busy(RETRY_S) } else { interrupted() }
}

fn interrupted() -> ApiError {
    let detail = "the server that worked on this ended before it answered; send the same request \
                  with the same idempotency key again";
    let mut refusal = ApiError::new(502, "platform.interrupted", "no answer", detail);
    refusal.0.retry_after = Some(RETRY_S);
    refusal
}

fn wants_socket(req: &HttpRequest) -> bool {
    let upgrade = req.headers().get("upgrade").and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
}

fn has_body(req: &HttpRequest) -> bool {
    let length = req.headers().get("content-length");
    req.headers().contains_key("transfer-encoding")
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

/// The names that a `Connection` header has, in lower case.
fn named_by<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let values = values.filter_map(|value| std::str::from_utf8(value).ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase()).collect()
}

fn is_of_connection(name: &str, named: &[String]) -> bool {
    OF_CONNECTION.contains(&name) || named.iter().any(|other| other == name)
}

/// Status and headers of the answer.
fn head(answer: &Response) -> Result<HttpResponseBuilder, ApiError> {
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16());
    let mut builder = HttpResponse::build(status.map_err(|error| ApiError::internal(&error))?);
    let named = named_by(answer.headers().get_all("connection").iter().map(HeaderValue::as_bytes));
    for (name, value) in answer.headers() {
        if !is_of_connection(name.as_str(), &named) && name.as_str() != "content-length" {
            builder.append_header((name.as_str(), value.as_bytes()));
        }
    }
    Ok(builder)
}

/// A body on its way to the writer, and what tells that all of it was taken.
fn carry_body(mut payload: Payload) -> (Body, oneshot::Receiver<()>) {
    let (pieces, carried) = mpsc::channel(PIECES_MAX);
    let (done, heard) = oneshot::channel();
    let carry = async move {
        loop {
            let piece = tokio::select! {
                piece = timeout(SILENCE_MAX, payload.next()) => piece,
                () = pieces.closed() => break,
            };
            let Ok(Ok(piece)) = piece.map(Option::transpose) else { break };
            let last = piece.is_none();
            let sent = timeout(SILENCE_MAX, pieces.send(piece)).await;
            if last || !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
        let _answered = done.send(());
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the request, on its thread")]
    drop(rt::spawn(carry));
    (Body::wrap_stream(whole(carried)), heard)
}

/// These pieces up to the word that there are no more. Without that word the body was cut off, and
/// is cut off for the writer too: it must not look whole.
fn whole(pieces: mpsc::Receiver<Option<Bytes>>) -> impl Stream<Item = Result<Bytes, Cut>> {
    stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Some(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(None) => None,
            None => Some((Err(Cut), None)),
        }
    })
}

/// The answer with its body, as long as the writer said or until it ends.
fn with_body(mut builder: HttpResponseBuilder, answer: Response, gone: Gone) -> HttpResponse {
    let length = answer.headers().get("content-length");
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if matches!(answer.status().as_u16(), 204 | 304) {
        return builder.finish();
    }
    let pieces = stream::unfold(Some((answer, gone)), |state| async move {
        let (mut answer, mut gone) = state?;
        let piece = tokio::select! {
            piece = answer.chunk() => piece.map_err(|_error| Cut),
            () = gone.wait() => Err(Cut),
        };
        match piece.transpose()? {
            Ok(bytes) => Some((Ok(bytes), Some((answer, gone)))),
            Err(cut) => Some((Err(cut), None)),
        }
    });
    match length {
        Some(length) => builder.body(SizedStream::new(length, Box::pin(pieces))),
        None => builder.body(BodyStream::new(Box::pin(pieces))),
    }
}

/// A web socket: bytes both ways until one end closes; then the other one is closed too.
async fn carry_socket(
    mut builder: HttpResponseBuilder,
    answer: Response,
    mut payload: Payload,
    gone: Gone,
) -> Result<HttpResponse, ApiError> {
    let socket = answer.upgrade().await.map_err(|error| lost(&error))?;
    let (from, mut to) = tokio::io::split(socket);
    let mut ended = gone.clone();
    let carry = async move {
        let up = async {
            while let Some(Ok(bytes)) = payload.next().await {
                to.write_all(&bytes).await?;
                to.flush().await?;
            }
            to.shutdown().await
        };
        tokio::select! {
            end = up => tracing::debug!(clean = end.is_ok(), "a socket was closed"),
            () = ended.wait() => {}
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the connection, on its thread")]
    drop(rt::spawn(carry));
    builder.upgrade("websocket");
    Ok(builder.body(BodyStream::new(Box::pin(down(from, gone)))))
}

/// What the writer says on a web socket.
fn down(
    from: tokio::io::ReadHalf<reqwest::Upgraded>,
    gone: Gone,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((from, gone), |(mut from, mut gone)| async move {
        let mut bytes = bytes::BytesMut::with_capacity(CARRY_BYTES);
        let read = tokio::select! {
            read = from.read_buf(&mut bytes) => read.unwrap_or_default(),
            () = gone.wait() => 0,
        };
        (read > 0).then(|| (Ok(bytes.freeze()), (from, gone)))
    })
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
