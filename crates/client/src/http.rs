//! Sending one request: token, idempotency key, deadline, retries, and problem documents.

use std::sync::Arc;
use std::time::Duration;

use medusa_api::{Problem, Refresh, Tokens};
use medusa_types::OperationId;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::auth::{Auth, Need};
use crate::retry::{self, RETRIES, RETRY_AFTER_MAX};
use crate::{ClientError, Session, TokenStore};

/// How long a call may take in all, retries included, unless the caller wants otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest JSON answer that is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
const PROBLEM_BYTES_MAX: usize = 1024 * 1024;

pub(crate) type MakeBody = Arc<dyn Fn() -> Body + Send + Sync>;

/// A client of one server. Clones share connections and the session.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    auth: Auth,
    deadline: Duration,
    retries: u32,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// One request, as it can be sent several times.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<MakeBody>,
    /// Sending it twice has the effect of sending it once.
    pub(crate) repeatable: bool,
    /// It goes without a token: the call is how one gets a token.
    pub(crate) anonymous: bool,
    pub(crate) deadline: Duration,
}

impl Call {
    pub(crate) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Every field of a flat query shape that is there, by its name.
    pub(crate) fn query_of(mut self, query: &impl Serialize) -> Self {
        let fields = serde_json::to_value(query).unwrap_or_default();
        for (name, value) in fields.as_object().into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::String(text) => self = self.query(name, Some(text)),
                other => self = self.query(name, Some(&other.to_string())),
            }
        }
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        // Every value is made of digests, numbers and ids, which are legal in headers.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn key(mut self, key: OperationId) -> Self {
        self.repeatable = true;
        self.header(HeaderName::from_static("idempotency-key"), &key.to_string())
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        // The shapes of the API hold only strings, numbers and lists: writing cannot fail.
        let bytes = bytes::Bytes::from(serde_json::to_vec(body).unwrap_or_default());
        self.body = Some(Arc::new(move || Body::from(bytes.clone())));
        self.header(CONTENT_TYPE, "application/json")
    }
}

/// The tries of one call so far.
#[derive(Default)]
pub(crate) struct Tries(u32);

impl Client {
    /// A client of the server at `base_url`, like `http://127.0.0.1:7700`.
    ///
    /// # Errors
    /// [`ClientError::Address`] for an address that is none; [`ClientError::Transport`] when this
    /// machine has no certificates to check an `https` server by.
    pub fn new(base_url: &str, token: Option<String>) -> Result<Self, ClientError> {
        crate::install_crypto();
        let bad = || ClientError::Address { url: base_url.to_owned() };
        let mut base = Url::parse(base_url).map_err(|_why| bad())?;
        base.path_segments_mut().map_err(|()| bad())?.pop_if_empty();
        let host = base.host_str().ok_or_else(bad)?;
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("medusa-client/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT);
        if loopback {
            http = http.no_proxy();
        }
        match base.scheme() {
            "https" => {}
            // Without this a machine that has no certificates could not even use plain HTTP.
            "http" => http = http.tls_certs_only([]),
            _ => return Err(bad()),
        }
        let http = http.build().map_err(ClientError::Transport)?;
        let session = token.map(|access_token| Session {
            access_token,
            refresh_token: None,
            expires_at: None,
        });
        let auth = Auth::of(session, None);
        Ok(Self { http, base, auth, deadline: DEADLINE, retries: RETRIES })
    }

    /// The same client for a person whose session lives in `store`.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.auth = Auth::of(store.load(), Some(store));
        self
    }

    /// The same client for another person, or for nobody.
    #[must_use]
    pub fn with_session(mut self, session: Option<Session>) -> Self {
        self.auth = Auth::of(session, None);
        self
    }

    /// The same client with another limit for a whole call. Transfers get more by their size.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same client with another number of retries.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The server's address.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Call {
        let mut url = self.base.clone();
        // The base was checked to have a path when the client was made.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        let repeatable = method == Method::GET;
        let headers = HeaderMap::new();
        let deadline = self.deadline;
        Call { method, url, headers, body: None, repeatable, anonymous: false, deadline }
    }

    /// Sends the call and reads the whole answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let bytes = self.whole(&call).await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| ClientError::Answer(format!("{} from {}", e, call.url.path())))
    }

    /// Sends the call and reads the whole answer.
    pub(crate) async fn whole(&self, call: &Call) -> Result<Vec<u8>, ClientError> {
        let mut tries = Tries::default();
        let run = async {
            loop {
                let answer = match self.once(call).await {
                    Ok(response) => read(response, ANSWER_BYTES_MAX).await,
                    Err(error) => Err(error),
                };
                match answer {
                    Ok(bytes) => return Ok(bytes),
                    Err(error) => self.wait(&mut tries, call, error).await?,
                }
            }
        };
        let late = |_| Err(ClientError::Deadline(call.deadline));
        timeout(call.deadline, run).await.unwrap_or_else(late)
    }

    /// Sends the call; the body of the answer is still to be read.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response, ClientError> {
        let mut tries = Tries::default();
        let run = async {
            loop {
                match self.once(call).await {
                    Ok(response) => return Ok(response),
                    Err(error) => self.wait(&mut tries, call, error).await?,
                }
            }
        };
        let late = |_| Err(ClientError::Deadline(call.deadline));
        timeout(call.deadline, run).await.unwrap_or_else(late)
    }

    /// Waits before the next try, or gives the error back when there should be none.
    pub(crate) async fn wait(
        &self,
        tries: &mut Tries,
        call: &Call,
        error: ClientError,
    ) -> Result<(), ClientError> {
        let asked = match &error {
            ClientError::Connect { .. } | ClientError::Transport(_) | ClientError::Cut { .. } => {
                None
            }
            ClientError::Problem(p) if matches!(p.status, 429 | 502 | 503 | 504) => {
                p.retry_after.map(Duration::from_secs)
            }
            _ => return Err(error),
        };
        // Without a connection nothing was asked, so nothing can happen twice.
        let harmless = call.repeatable || matches!(error, ClientError::Connect { .. });
        let too_long = asked.is_some_and(|wait| wait > RETRY_AFTER_MAX);
        if !harmless || tries.0 >= self.retries || too_long {
            return Err(error);
        }
        tokio::time::sleep(asked.unwrap_or_else(|| retry::pause(tries.0))).await;
        tries.0 = tries.0.saturating_add(1);
        Ok(())
    }

    async fn once(&self, call: &Call) -> Result<Response, ClientError> {
        if call.anonymous {
            return check(self.exchange(call, None).await?).await;
        }
        let token = self.token(None).await?;
        let response = self.exchange(call, token.as_deref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || token.is_none() {
            return check(response).await;
        }
        let fresh = self.token(token.as_deref()).await?;
        if fresh == token {
            return check(response).await;
        }
        check(self.exchange(call, fresh.as_deref()).await?).await
    }

    /// The access token to send. The locks make parallel calls, and programs that share a store,
    /// use each refresh token once.
    async fn token(&self, refused: Option<&str>) -> Result<Option<String>, ClientError> {
        let mut session = self.auth.session.lock().await;
        if let Need::Ready(token) = self.auth.need(&mut session, refused) {
            return Ok(token);
        }
        let _turn = self.auth.turn().await;
        // Whoever had the turn before may have done it already.
        let refresh_token = match self.auth.need(&mut session, refused) {
            Need::Ready(token) => return Ok(token),
            Need::Refresh(refresh_token) => refresh_token,
        };
        let tokens = self.refresh_once(&Refresh { refresh_token }).await?;
        Ok(Some(self.auth.keep(&mut session, tokens)))
    }

    /// One try: whether a lost answer used the token up is unknown.
    pub(crate) async fn refresh_once(&self, refresh: &Refresh) -> Result<Tokens, ClientError> {
        let call = self.call(Method::POST, &["v1", "tokens", "refresh"]).json(refresh);
        let response = check(self.exchange(&call, None).await?).await?;
        let bytes = read(response, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|e| ClientError::Answer(e.to_string()))
    }

    async fn exchange(&self, call: &Call, token: Option<&str>) -> Result<Response, ClientError> {
        let mut request = self.http.request(call.method.clone(), call.url.clone());
        request = request.headers(call.headers.clone());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &call.body {
            request = request.body(body());
        }
        request.send().await.map_err(|source| {
            if source.is_connect() {
                ClientError::Connect {
                    url: self.base_url().to_owned(),
                    source: source.without_url(),
                }
            } else {
                ClientError::Transport(source.without_url())
            }
        })
    }
}

/// Lets a good answer through and turns every other into its problem.
async fn check(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let wait = retry::retry_after(response.headers()).map(|d| d.as_secs());
    let body = read(response, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_else(|_| foreign(status));
    problem.retry_after = problem.retry_after.or(wait);
    Err(ClientError::Problem(Box::new(problem)))
}

/// An answer that is not from a Medusa server, but from a proxy before it or another program.
fn foreign(status: StatusCode) -> Problem {
    let reason = status.canonical_reason().unwrap_or("without a reason");
    let detail = format!("the answer was {} {reason}", status.as_u16());
    Problem::new(status.as_u16(), "client.foreign_answer", "not a Medusa answer", detail)
}

async fn read(mut response: Response, max: usize) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(ClientError::Transport)? {
        if body.len().saturating_add(part.len()) > max {
            return Err(ClientError::Answer(format!("it is longer than {max} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}
