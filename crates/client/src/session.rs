//! The rounds of a session, over its WebSocket: what a consumer's program drives it with.
//!
//! Rounds are answered in order, and several may be under way: [`Rounds::submit`] and
//! [`Rounds::answer`]. Nothing here waits in order to gather: what is sent is flushed at once.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use medusa_api::{ClientWord, HomeWord};
use medusa_protocol::{
    Number, PART_BYTES, PAYLOAD_BYTES_MAX, Parts, Reduce, SESSION_HEAD_BYTES, SESSION_SUBPROTOCOL,
    SessionError, SessionHead, SessionKind,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Why a round was not answered.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The connection failed. The session goes on: connect again.
    #[error("the connection to the session failed")]
    Transport(#[from] Box<tungstenite::Error>),
    /// The home sent what is not understood.
    #[error("the session's answer is not understood: {0}")]
    Answer(String),
    /// The round was refused; the session goes on.
    #[error("{detail} ({code})")]
    Refused {
        /// The round, or 0.
        round: u64,
        /// The shard that it is about.
        shard: Option<u32>,
        /// A stable code.
        code: String,
        /// What happened and what to do.
        detail: String,
    },
    /// The session is over.
    #[error("the session is over: {detail}")]
    Ended {
        /// A stable code, where it failed.
        code: Option<String>,
        /// In words.
        detail: String,
    },
    /// More than a payload may have.
    #[error("a round has at most 64 MiB")]
    Large,
}

impl From<tungstenite::Error> for RoundError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

impl From<SessionError> for RoundError {
    fn from(error: SessionError) -> Self {
        Self::Answer(error.to_string())
    }
}

/// What came back of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundAnswer {
    /// Its number.
    pub round: u64,
    /// One payload, or one of each shard where they were not put together.
    pub payloads: Vec<Vec<u8>>,
    /// Lines of metrics, by shard.
    pub metrics: Vec<(u32, String)>,
    /// Fuel that all shards used.
    pub fuel: u64,
}

/// A round under way.
struct Pending {
    /// Answers that are still to come.
    left: u32,
    parts: Parts,
    answer: RoundAnswer,
}

/// An open session, as its consumer drives it.
pub struct Rounds {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    shards: u32,
    /// The number of the last round that was sent.
    last: u64,
    pending: VecDeque<Pending>,
}

impl Rounds {
    /// Connects to a session's [home](medusa_api::SessionHome), and waits until every shard is in
    /// the memory of an agent.
    ///
    /// # Errors
    /// When there is no connection, or the session ends meanwhile.
    pub async fn connect(url: &str) -> Result<Self, RoundError> {
        let mut request = url.into_client_request()?;
        let spoken = HeaderValue::from_static(SESSION_SUBPROTOCOL);
        request.headers_mut().insert("Sec-WebSocket-Protocol", spoken);
        let most = PART_BYTES.saturating_add(SESSION_HEAD_BYTES);
        let config = WebSocketConfig::default()
            .max_message_size(Some(most))
            .max_frame_size(Some(most))
            .write_buffer_size(0);
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        let (socket, _) = Box::pin(connecting).await?;
        let mut rounds = Self { socket, shards: 0, last: 0, pending: VecDeque::new() };
        rounds.ready().await?;
        Ok(rounds)
    }

    /// Shards of the session.
    #[must_use]
    pub const fn shards(&self) -> u32 {
        self.shards
    }

    async fn ready(&mut self) -> Result<(), RoundError> {
        loop {
            if let HomeWord::Ready { shards, round } = self.word().await? {
                (self.shards, self.last) = (shards, round);
                return Ok(());
            }
        }
    }

    /// The next words; messages of rounds that nobody waits for are passed over.
    async fn word(&mut self) -> Result<HomeWord, RoundError> {
        loop {
            if let Message::Text(words) = self.message().await? {
                return told(&words);
            }
        }
    }

    async fn message(&mut self) -> Result<Message, RoundError> {
        match self.socket.next().await {
            Some(Ok(Message::Close(_))) | None => {
                Err(Box::new(tungstenite::Error::ConnectionClosed).into())
            }
            Some(message) => Ok(message?),
        }
    }

    /// A round: every shard answers, and the answers become one as asked.
    ///
    /// # Errors
    /// [`RoundError`]; after a refusal the session goes on.
    pub async fn round(
        &mut self,
        payload: &[u8],
        how: (Reduce, Number),
    ) -> Result<RoundAnswer, RoundError> {
        self.submit(payload, how).await?;
        self.answer().await
    }

    /// Sends a round, and does not wait for its answer.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn submit(
        &mut self,
        payload: &[u8],
        (reduce, number): (Reduce, Number),
    ) -> Result<u64, RoundError> {
        let left = if reduce == Reduce::None { self.shards } else { 1 };
        let head = SessionHead { reduce, number, ..self.head(SessionKind::Round, payload)? };
        self.send(head, payload, left).await
    }

    /// Sends a question to one shard.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn submit_call(&mut self, shard: u32, payload: &[u8]) -> Result<u64, RoundError> {
        let head = SessionHead { shard, ..self.head(SessionKind::Call, payload)? };
        self.send(head, payload, 1).await
    }

    fn head(&mut self, kind: SessionKind, payload: &[u8]) -> Result<SessionHead, RoundError> {
        let total = u32::try_from(payload.len()).ok().filter(|len| *len <= PAYLOAD_BYTES_MAX);
        let round = self.last.saturating_add(1);
        Ok(SessionHead::new(kind, round, total.ok_or(RoundError::Large)?))
    }

    async fn send(
        &mut self,
        head: SessionHead,
        payload: &[u8],
        left: u32,
    ) -> Result<u64, RoundError> {
        self.last = head.round;
        for message in head.messages(payload) {
            self.socket.feed(Message::Binary(Bytes::from(message))).await?;
        }
        self.socket.flush().await?;
        let answer = RoundAnswer { round: head.round, ..RoundAnswer::default() };
        self.pending.push_back(Pending { left, parts: Parts::default(), answer });
        Ok(head.round)
    }

    /// Waits for the answer of the first round that has none yet.
    ///
    /// # Errors
    /// [`RoundError`]; when no round is under way too.
    pub async fn answer(&mut self) -> Result<RoundAnswer, RoundError> {
        loop {
            if self.pending.front().is_some_and(|pending| pending.left == 0)
                && let Some(pending) = self.pending.pop_front()
            {
                return Ok(pending.answer);
            }
            match self.message().await? {
                Message::Binary(message) => self.take(&message)?,
                Message::Text(words) => match told(&words)? {
                    HomeWord::Refused { round, shard, code, detail } => {
                        self.pending.retain(|pending| pending.answer.round != round);
                        return Err(RoundError::Refused { round, shard, code, detail });
                    }
                    HomeWord::Waiting { .. } | HomeWord::Ready { .. } | HomeWord::Lost { .. } => {}
                    HomeWord::Ended { code, detail } => {
                        return Err(RoundError::Ended { code, detail });
                    }
                },
                _ => {}
            }
        }
    }

    /// A message of some round: parts of answers come in order, metrics before them.
    fn take(&mut self, message: &[u8]) -> Result<(), RoundError> {
        let (head, part) = SessionHead::decode(message)?;
        let mut under_way = self.pending.iter_mut();
        let Some(pending) = under_way.find(|pending| pending.answer.round == head.round) else {
            return Ok(());
        };
        match head.kind {
            SessionKind::Metrics => {
                let words = String::from_utf8_lossy(part).into_owned();
                pending.answer.metrics.push((head.shard, words));
            }
            SessionKind::Answer => {
                if pending.parts.add(&head, part)? {
                    let payload = std::mem::take(&mut pending.parts).payload;
                    pending.answer.payloads.push(payload);
                    pending.answer.fuel = head.fuel;
                    pending.left = pending.left.saturating_sub(1);
                }
            }
            _ => return Err(RoundError::Answer("a message that is no answer".into())),
        }
        Ok(())
    }

    /// Ends the session when all is answered.
    ///
    /// # Errors
    /// When it cannot be told, or it failed.
    pub async fn finish(mut self) -> Result<(), RoundError> {
        let word = serde_json::to_string(&ClientWord::Finish).unwrap_or_default();
        self.socket.send(Message::Text(word.into())).await?;
        loop {
            match self.word().await {
                Err(RoundError::Ended { code: None, .. }) => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    }
}

fn told(words: &str) -> Result<HomeWord, RoundError> {
    match serde_json::from_str(words) {
        Ok(HomeWord::Ended { code, detail }) => Err(RoundError::Ended { code, detail }),
        Ok(word) => Ok(word),
        Err(error) => Err(RoundError::Answer(error.to_string())),
    }
}
