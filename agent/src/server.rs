//! The server's HTTP routes that an agent uses. Answers are bounded, waits are bounded, redirects
//! are not followed, and whether a failure may pass by itself is part of the error. What a lease
//! names is looked for below `/v1/agent/` of the same server, and nowhere else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use medusa_api::{
    AgentKey, DeviceAbout, DeviceCode, DevicePoll, DeviceRequest, DeviceToken, Earnings,
    EarningsQuery, NewUpload, Problem, TaskPage, TaskQuery, Upload,
};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, DATE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;

use crate::pipe::{Pipe, Pipes};
use crate::push;
use crate::tls::{self, TlsError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A transfer that moves nothing for so long has ended.
const SILENCE: Duration = Duration::from_secs(30);
/// Where leases' bytes come from and go to.
const OF_AGENTS: &str = "/v1/agent/";
/// An answer that is not a blob.
const JSON_BYTES_MAX: usize = 1024 * 1024;

/// One server, and this machine's key there once it has one.
#[derive(Clone)]
pub(crate) struct Server {
    http: reqwest::Client,
    /// For large bodies.
    uploads: reqwest::Client,
    base: String,
    key: Option<String>,
    tls: Arc<ClientConfig>,
    pipes: Arc<Pipes>,
}

/// A range on its way.
pub(crate) struct Pulling {
    answer: Response,
    /// Bytes that have not come.
    left: usize,
    pipes: Arc<Pipes>,
}

/// Why a call did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{}", innermost(.0))]
    Transport(#[from] reqwest::Error),
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("the server named a place that is not one of its own for agents")]
    Foreign,
    #[error("nothing moved for {} seconds", SILENCE.as_secs())]
    Silent,
    #[error("the answer is larger or smaller than it should be")]
    Length,
    #[error("what arrived at the server is not what was sent")]
    Altered,
    #[error("the answer is not what was asked for")]
    Content(#[from] serde_json::Error),
}

impl CallError {
    /// Whether the same call may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Silent => true,
            Self::Refused(problem) => problem.status >= 500 || problem.status == 429,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Tls(_) | Self::Foreign | Self::Length | Self::Altered | Self::Content(_) => false,
        }
    }

    /// Whether the server has no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.status == 404,
            Self::Status(status) => *status == StatusCode::NOT_FOUND,
            Self::Transport(_)
            | Self::Tls(_)
            | Self::Foreign
            | Self::Silent
            | Self::Length
            | Self::Altered
            | Self::Content(_) => false,
        }
    }

    /// The stable code of the refusal, if it is one.
    pub(crate) fn code(&self) -> &str {
        if let Self::Refused(problem) = self { &problem.code } else { "" }
    }
}

impl Server {
    /// A server at this address (see [`crate::config`]), without a key.
    #[cfg(test)]
    pub(crate) fn at(base: &str) -> Result<Self, CallError> {
        Self::trusting(base, None)
    }

    /// The same, also trusted by the certificate of this file.
    pub(crate) fn trusting(base: &str, ca: Option<&Path>) -> Result<Self, CallError> {
        let tls = tls::trust(ca)?;
        let mut of_http = ClientConfig::clone(&tls);
        of_http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = || {
            reqwest::Client::builder()
                .user_agent(concat!("medusa-agent/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(redirect::Policy::none())
                .tls_backend_preconfigured(of_http.clone())
        };
        let http = client().read_timeout(SILENCE).build()?;
        // That limit counts from the beginning of the request, however long its body is.
        let uploads = client().build()?;
        let pipes = Arc::new(Pipes::default());
        Ok(Self { http, uploads, base: base.to_owned(), key: None, tls, pipes })
    }

    /// The same server, called with a machine's key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The same server, within limits that others share.
    pub(crate) fn through(self, pipes: Arc<Pipes>) -> Self {
        Self { pipes, ..self }
    }

    /// What a link to it is made with.
    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// What limits transfers from and to it.
    pub(crate) fn pipes(&self) -> Arc<Pipes> {
        Arc::clone(&self.pipes)
    }

    /// Its address.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The value of the `Authorization` header, empty without a key.
    pub(crate) fn authorization(&self) -> String {
        self.key.as_ref().map_or_else(String::new, |key| format!("Bearer {key}"))
    }

    /// Asks for a code that the owner types.
    pub(crate) async fn device_code(
        &self,
        name: &str,
        public_key: Option<&str>,
        about: Option<DeviceAbout>,
    ) -> Result<DeviceCode, CallError> {
        let public_key = public_key.map(str::to_owned);
        let body = DeviceRequest { name: name.to_owned(), public_key, about };
        self.json(self.call(Method::POST, "/v1/device")?.json(&body)).await
    }

    /// Says which key this machine signs its results with.
    pub(crate) async fn sign_with(&self, public_key: &str) -> Result<(), CallError> {
        let body = AgentKey { public_key: public_key.to_owned() };
        let request = self.call(Method::PUT, "/v1/agent/key")?.json(&body);
        self.accepted(request).await.map(drop)
    }

    /// Asks whether the owner has typed it.
    pub(crate) async fn device_token(&self, code: &str) -> Result<DeviceToken, CallError> {
        let body = DevicePoll { device_code: code.to_owned() };
        self.json(self.call(Method::POST, "/v1/device/token")?.json(&body)).await
    }

    /// What the server says about this machine.
    pub(crate) async fn account(&self) -> Result<medusa_api::Agent, CallError> {
        self.json(self.call(Method::GET, "/v1/agent/self")?).await
    }

    /// What this machine earned by day.
    pub(crate) async fn earnings(&self, query: &EarningsQuery) -> Result<Earnings, CallError> {
        self.json(self.call(Method::GET, "/v1/agent/earnings")?.query(query)).await
    }

    /// What this machine did, newest first, from a page's end on.
    pub(crate) async fn tasks(
        &self,
        before: Option<&str>,
        limit: i64,
    ) -> Result<TaskPage, CallError> {
        let query = TaskQuery { before: before.map(str::to_owned), limit: Some(limit) };
        self.json(self.call(Method::GET, "/v1/agent/tasks")?.query(&query)).await
    }

    /// Whether the server answers, and what time it says it is.
    pub(crate) async fn health(&self) -> Result<Option<String>, CallError> {
        let answer = self.accepted(self.call(Method::GET, "/healthz")?).await?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(date.map(str::to_owned))
    }

    /// Reads a small file.
    pub(crate) async fn small(&self, path: &str) -> Result<Bytes, CallError> {
        self.answer(self.call(Method::GET, path)?).await
    }

    /// Reads a file of this size.
    pub(crate) async fn file(&self, path: &str, size: u64) -> Result<Bytes, CallError> {
        let answer = self.accepted(self.call(Method::GET, path)?).await?;
        exactly(answer, size, &self.pipes.down).await
    }

    /// Reads a whole blob of this size, where a lease says it is.
    pub(crate) async fn blob(&self, path: &str, size: u64) -> Result<Bytes, CallError> {
        let request = self.with(&self.http, Method::GET, self.url(path, OF_AGENTS)?);
        let answer = self.accepted(request).await?;
        exactly(answer, size, &self.pipes.down).await
    }

    /// Begins to read a range of a blob, which is taken as it comes.
    pub(crate) async fn pull(&self, path: &str, from: u64, len: u64) -> Result<Pulling, CallError> {
        let answer = self.part_of(path, from, len).await?;
        let left = usize::try_from(len).map_err(|_too_large| CallError::Length)?;
        Ok(Pulling { answer, left, pipes: self.pipes() })
    }

    async fn part_of(&self, path: &str, from: u64, len: u64) -> Result<Response, CallError> {
        let last = from.saturating_add(len).saturating_sub(1);
        let request = self.with(&self.http, Method::GET, self.url(path, OF_AGENTS)?);
        let request = request.header(RANGE, format!("bytes={from}-{last}"));
        let answer = self.accepted(request).await?;
        // A server that ignores the header sends other bytes than were asked for.
        let told = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let wanted = format!("bytes {from}-{last}/");
        if answer.status() != StatusCode::PARTIAL_CONTENT
            || told.is_some_and(|told| !told.starts_with(&wanted))
        {
            return Err(CallError::Status(answer.status()));
        }
        Ok(answer)
    }

    /// Stores a large output in one request.
    pub(crate) async fn put(&self, path: &str, content: Bytes) -> Result<(), CallError> {
        self.send(path, content).await.map(drop)
    }

    /// Begins to store a large output in parts, or finds what was begun.
    pub(crate) async fn begin_output(
        &self,
        path: &str,
        wish: &NewUpload,
    ) -> Result<Upload, CallError> {
        let url = self.url(&in_parts(path, ""), OF_AGENTS)?;
        self.json(self.with(&self.http, Method::POST, url).json(wish)).await
    }

    /// How much of it is there.
    pub(crate) async fn output_state(&self, path: &str) -> Result<Upload, CallError> {
        let url = self.url(&in_parts(path, ""), OF_AGENTS)?;
        self.json(self.with(&self.http, Method::GET, url)).await
    }

    /// Stores its part that begins at this byte.
    pub(crate) async fn put_part(
        &self,
        path: &str,
        first: u64,
        content: Bytes,
    ) -> Result<Upload, CallError> {
        let answer = self.send(&in_parts(path, &format!("/{first}")), content).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Sends a large body; what was answered.
    async fn send(&self, path: &str, content: Bytes) -> Result<Bytes, CallError> {
        let request = self.with(&self.uploads, Method::PUT, self.url(path, OF_AGENTS)?);
        let request = request.header(CONTENT_LENGTH, content.len());
        let (body, moving) = push::body(content, self.pipes());
        let sent = async { self.answer(request.body(body)).await };
        tokio::select! {
            done = sent => done,
            () = moving.stops(SILENCE) => Err(CallError::Silent),
        }
    }

    /// A small answer.
    async fn answer(&self, request: RequestBuilder) -> Result<Bytes, CallError> {
        let answer = self.accepted(request).await?;
        at_most(answer, JSON_BYTES_MAX, &self.pipes.down).await
    }

    /// An answer, if it is a success.
    async fn accepted(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let answer = sent(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = at_most(answer, JSON_BYTES_MAX, &self.pipes.down).await.unwrap_or_default();
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(CallError::Refused(problem)),
            Err(_) => Err(CallError::Status(status)),
        }
    }

    fn call(&self, method: Method, path: &str) -> Result<RequestBuilder, CallError> {
        Ok(self.with(&self.http, method, self.url(path, "/")?))
    }

    /// The address of a path of this server, which must be below another one when it has lost its
    /// dots: a lease must not lead to other machines that only this one reaches.
    fn url(&self, path: &str, within: &str) -> Result<Url, CallError> {
        let foreign = || CallError::Foreign;
        let root = Url::parse(&format!("{}/", self.base)).map_err(|_not_one| foreign())?;
        let below = |path: &str| root.join(path.strip_prefix('/')?).ok();
        let url = below(path).ok_or_else(foreign)?;
        let within = below(within).ok_or_else(foreign)?;
        let is_own = url.origin() == root.origin()
            && (url.username(), url.password()) == (root.username(), root.password())
            && url.path().starts_with(within.path());
        if is_own { Ok(url) } else { Err(foreign()) }
    }

    fn with(&self, client: &reqwest::Client, method: Method, url: Url) -> RequestBuilder {
        let request = client.request(method, url);
        if self.key.is_some() {
            request.header(AUTHORIZATION, self.authorization())
        } else {
            request
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        Ok(serde_json::from_slice(&self.answer(request).await?)?)
    }
}

impl Pulling {
    /// What came next; nothing at the end, which is an error before all has come.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        match self.answer.chunk().await? {
            Some(piece) => {
                self.left = self.left.checked_sub(piece.len()).ok_or(CallError::Length)?;
                self.pipes.down.pass(piece.len()).await;
                Ok(Some(piece))
            }
            None if self.left == 0 => Ok(None),
            None => Err(CallError::Length),
        }
    }
}

/// Sends a request. One that only reads is sent a second time when the connection ends before an
/// answer: the server may have closed it just when it was taken from those that are kept open.
async fn sent(request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let request = request?;
    let reads = *request.method() == Method::GET;
    let again = request.try_clone().filter(|_| reads);
    match (client.execute(request).await, again) {
        (Err(error), Some(again))
            if error.is_request() && !error.is_connect() && !error.is_timeout() =>
        {
            client.execute(again).await
        }
        (answer, _) => answer,
    }
}

/// The path of an output's parts, or of one of them, with the ticket of the whole.
fn in_parts(path: &str, part: &str) -> String {
    match path.split_once('?') {
        Some((path, ticket)) => format!("{path}/parts{part}?{ticket}"),
        None => format!("{path}/parts{part}"),
    }
}

async fn exactly(answer: Response, bytes: u64, pipe: &Pipe) -> Result<Bytes, CallError> {
    let bytes = usize::try_from(bytes).map_err(|_too_large| CallError::Length)?;
    let content = at_most(answer, bytes, pipe).await?;
    if content.len() == bytes { Ok(content) } else { Err(CallError::Length) }
}

async fn at_most(mut answer: Response, bytes: usize, pipe: &Pipe) -> Result<Bytes, CallError> {
    let mut content = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        if content.len().saturating_add(piece.len()) > bytes {
            return Err(CallError::Length);
        }
        pipe.pass(piece.len()).await;
        content.extend_from_slice(&piece);
    }
    Ok(content.freeze())
}

/// The cause that a lender can act on ("connection refused"), not the library's frame around it.
fn innermost(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_ticket_of_the_whole() {
        let path = "/v1/agent/outputs/lse_1?until=7&sig=a";
        assert_eq!(in_parts(path, ""), "/v1/agent/outputs/lse_1/parts?until=7&sig=a");
        assert_eq!(in_parts(path, "/9"), "/v1/agent/outputs/lse_1/parts/9?until=7&sig=a");
        assert_eq!(in_parts("/v1/agent/outputs/lse_1", "/9"), "/v1/agent/outputs/lse_1/parts/9");
    }

    #[tokio::test]
    async fn what_only_reads_is_asked_again_when_the_connection_was_closed() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        crate::install_crypto();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::at(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        // Each other connection is closed without an answer.
        let answering = async {
            for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 4_096]).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
                // Its answer is read before it ends.
                stream.shutdown().await.unwrap();
            }
        };
        let asking = async {
            assert_eq!(server.small("/x").await.unwrap(), "ok");
            let key = "0".repeat(64);
            assert!(
                server.sign_with(&key).await.is_err(),
                "what changes something is not sent again"
            );
        };
        tokio::join!(answering, asking);
    }

    #[test]
    fn a_lease_leads_to_its_own_server_only() {
        crate::install_crypto();
        for base in ["https://a.example:8443", "http://10.0.0.1", "http://a.example/medusa"] {
            let server = Server::at(base).unwrap();
            let good = "/v1/agent/blobs/ab?ticket=..//@x";
            assert_eq!(server.url(good, OF_AGENTS).unwrap().as_str(), format!("{base}{good}"));
            for bad in [
                "@127.0.0.1:81/v1/agent/x",
                "/@127.0.0.1/v1/agent/x",
                "//127.0.0.1/v1/agent/x",
                "///127.0.0.1/v1/agent/x",
                "/\\\\127.0.0.1/v1/agent/x",
                "/http://127.0.0.1/v1/agent/x",
                ":81/v1/agent/x",
                ".evil.example/v1/agent/x",
                "/v1/agent/../admin",
                "/v1/agent/%2e%2E/admin",
                "/v1/agent/.\t./admin",
                "/v1/agent/..\\admin",
                "/v1/agents",
                "v1/agent/x",
                "",
            ] {
                let url = server.url(bad, OF_AGENTS);
                assert!(matches!(url, Err(CallError::Foreign)), "{bad}: {url:?}");
            }
        }
    }
}
