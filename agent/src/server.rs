//! The server's HTTP routes that an agent uses. Answers are bounded, waits are bounded, redirects
//! are not followed, and whether a failure may pass by itself is part of the error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use medusa_api::{DeviceCode, DevicePoll, DeviceRequest, DeviceToken, Problem};
use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A transfer that moves nothing for so long has ended.
const SILENCE: Duration = Duration::from_secs(30);
/// An answer that is not a blob.
const JSON_BYTES_MAX: usize = 1024 * 1024;

/// One server, and this machine's key there once it has one.
#[derive(Clone)]
pub(crate) struct Server {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
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
    #[error("the answer is larger or smaller than it should be")]
    Length,
    #[error("the answer is not what was asked for")]
    Content(#[from] serde_json::Error),
}

impl CallError {
    /// Whether the same call may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Refused(problem) => problem.status >= 500 || problem.status == 429,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Length | Self::Content(_) => false,
        }
    }

    /// The stable code of the refusal, if it is one.
    pub(crate) fn code(&self) -> &str {
        if let Self::Refused(problem) = self { &problem.code } else { "" }
    }
}

impl Server {
    /// A server at this address (see [`crate::config`]), without a key.
    pub(crate) fn at(base: &str) -> Result<Self, CallError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("medusa-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self { http, base: base.to_owned(), key: None })
    }

    /// The same server, called with a machine's key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
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
    pub(crate) async fn device_code(&self, name: &str) -> Result<DeviceCode, CallError> {
        let body = DeviceRequest { name: name.to_owned() };
        self.json(self.call(Method::POST, "/v1/device").json(&body)).await
    }

    /// Asks whether the owner has typed it.
    pub(crate) async fn device_token(&self, code: &str) -> Result<DeviceToken, CallError> {
        let body = DevicePoll { device_code: code.to_owned() };
        self.json(self.call(Method::POST, "/v1/device/token").json(&body)).await
    }

    /// What the server says about this machine.
    pub(crate) async fn account(&self) -> Result<medusa_api::Agent, CallError> {
        self.json(self.call(Method::GET, "/v1/agent/self")).await
    }

    /// Reads a whole blob of this size.
    pub(crate) async fn blob(&self, path: &str, size: u64) -> Result<Bytes, CallError> {
        let answer = accepted(self.call(Method::GET, path).send().await?).await?;
        exactly(answer, size).await
    }

    /// Reads a range of a blob.
    pub(crate) async fn range(&self, path: &str, from: u64, len: u64) -> Result<Bytes, CallError> {
        let last = from.saturating_add(len).saturating_sub(1);
        let request = self.call(Method::GET, path).header(RANGE, format!("bytes={from}-{last}"));
        let answer = accepted(request.send().await?).await?;
        // A server that ignores the header sends other bytes than were asked for.
        let told = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let wanted = format!("bytes {from}-{last}/");
        if answer.status() != StatusCode::PARTIAL_CONTENT
            || told.is_some_and(|told| !told.starts_with(&wanted))
        {
            return Err(CallError::Status(answer.status()));
        }
        exactly(answer, len).await
    }

    /// Stores a large output.
    pub(crate) async fn put(&self, path: &str, content: Bytes) -> Result<(), CallError> {
        accepted(self.call(Method::PUT, path).body(content).send().await?).await.map(drop)
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if self.key.is_some() {
            request.header(AUTHORIZATION, self.authorization())
        } else {
            request
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let answer = accepted(request.send().await?).await?;
        Ok(serde_json::from_slice(&at_most(answer, JSON_BYTES_MAX).await?)?)
    }
}

/// The answer, if it is a success.
async fn accepted(answer: Response) -> Result<Response, CallError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = at_most(answer, JSON_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice(&body) {
        Ok(problem) => Err(CallError::Refused(problem)),
        Err(_) => Err(CallError::Status(status)),
    }
}

async fn exactly(answer: Response, bytes: u64) -> Result<Bytes, CallError> {
    let bytes = usize::try_from(bytes).map_err(|_too_large| CallError::Length)?;
    let content = at_most(answer, bytes).await?;
    if content.len() == bytes { Ok(content) } else { Err(CallError::Length) }
}

async fn at_most(mut answer: Response, bytes: usize) -> Result<Bytes, CallError> {
    let mut content = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        if content.len().saturating_add(piece.len()) > bytes {
            return Err(CallError::Length);
        }
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
