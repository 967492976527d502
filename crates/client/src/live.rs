//! Live streams: `GET /v1/streams` as a stream of events that survives cuts.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::{Stream, stream};
use medusa_api::LiveEvent;
use medusa_types::JobId;
use reqwest::header::{ACCEPT, HeaderName};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout};

use crate::sse::{Event, Parser};
use crate::{Client, ClientError, retry};

/// The server sends a heartbeat every 15 seconds: after three of them the line is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A server that stays away longer than this will not come back soon.
const ABSENCE_MAX: Duration = Duration::from_secs(120);

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One job.
    Job(JobId),
    /// One's own wallet.
    Wallet,
    /// One's own machines.
    Agents,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job:{job}"),
            Self::Wallet => f.write_str("wallet"),
            Self::Agents => f.write_str("agents"),
        }
    }
}

struct Live {
    client: Client,
    topics: String,
    last_id: String,
    response: Option<Response>,
    parser: Parser,
    ready: VecDeque<Event>,
    /// When the line was last good, and the tries since.
    alive: Instant,
    tries: u32,
}

impl Client {
    /// `GET /v1/streams?topics=…`. A broken line is opened again after the last message that was
    /// seen; the stream ends only with an error: a refusal, or [`ClientError::StreamLost`].
    pub fn stream(
        &self,
        topics: &[Topic],
    ) -> impl Stream<Item = Result<LiveEvent, ClientError>> + Send + 'static + use<> {
        let topics = topics.iter().map(Topic::to_string).collect::<Vec<_>>().join(",");
        let live = Live {
            client: self.clone(),
            topics,
            last_id: String::new(),
            response: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
            alive: Instant::now(),
            tries: 0,
        };
        stream::unfold(Some(live), |live| async {
            let mut live = live?;
            match live.next().await {
                Ok(event) => Some((Ok(event), Some(live))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl Live {
    async fn next(&mut self) -> Result<LiveEvent, ClientError> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                self.last_id.clone_from(&event.id);
                if let Some(live) = read(&event)? {
                    return Ok(live);
                }
            }
            match self.receive().await {
                Ok(true) => {}
                Ok(false) => self.response = None,
                Err(error) => self.pause(error).await?,
            }
        }
    }

    /// Takes what comes next; false when the line is dead.
    async fn receive(&mut self) -> Result<bool, ClientError> {
        if self.response.is_none() {
            self.response = Some(self.connect().await?);
            self.parser = Parser::resume(self.last_id.clone());
        }
        let Some(response) = &mut self.response else { return Ok(false) };
        let Ok(Ok(Some(bytes))) = timeout(SILENCE_MAX, response.chunk()).await else {
            // A server that accepts and hangs up at once must not be asked in a tight loop.
            tokio::time::sleep(retry::pause(self.tries)).await;
            self.tries = self.tries.saturating_add(1);
            return if self.alive.elapsed() < ABSENCE_MAX {
                Ok(false)
            } else {
                Err(ClientError::StreamLost)
            };
        };
        self.alive = Instant::now();
        self.tries = 0;
        let too_long = |_| ClientError::Answer("an event of the stream is too long".into());
        self.ready.extend(self.parser.push(&bytes).map_err(too_long)?);
        Ok(true)
    }

    async fn connect(&self) -> Result<Response, ClientError> {
        let call = self.client.call(Method::GET, &["v1", "streams"]);
        let mut call = call.query("topics", Some(&self.topics)).header(ACCEPT, "text/event-stream");
        if !self.last_id.is_empty() {
            call = call.header(HeaderName::from_static("last-event-id"), &self.last_id);
        }
        self.client.open(&call).await
    }

    /// Waits before the next try, unless another try makes no sense.
    async fn pause(&mut self, error: ClientError) -> Result<(), ClientError> {
        let passing = match &error {
            ClientError::Connect { .. } | ClientError::Transport(_) | ClientError::Deadline(_) => {
                true
            }
            ClientError::Problem(p) => matches!(p.status, 429 | 502 | 503 | 504),
            _ => false,
        };
        if !passing || self.alive.elapsed() >= ABSENCE_MAX {
            return Err(error);
        }
        tokio::time::sleep(retry::pause(self.tries)).await;
        self.tries = self.tries.saturating_add(1);
        Ok(())
    }
}

/// Events of a newer server that this client does not know are passed over.
fn read(event: &Event) -> Result<Option<LiveEvent>, ClientError> {
    if !matches!(event.name.as_str(), "snapshot" | "delta" | "wallet" | "agents") {
        return Ok(None);
    }
    let parsed = serde_json::from_str(&event.data)
        .map_err(|e| ClientError::Answer(format!("{e} in a {} of the stream", event.name)))?;
    Ok(Some(parsed))
}
