//! The line between a seat and its session's home: one WebSocket.
//!
//! [`Ears`] put the parts of what comes together and keep it until it is its turn; [`Mouth`] says
//! things in parts. Neither makes a new line: a broken one is told to whoever can.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use medusa_api::{SeatOrder, SeatWord};
use medusa_protocol::{
    PART_BYTES, Parts, SESSION_HEAD_BYTES, SESSION_SUBPROTOCOL, SessionHead, SessionKind,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::server::Server;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long connecting, and the last words, may take.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The longest message: a part, or a few words.
const MESSAGE_BYTES_MAX: usize = PART_BYTES + SESSION_HEAD_BYTES + 4_096;
/// Payloads of which some parts have come.
const HALF_MAX: usize = 4;
/// What waits for its turn; past it nothing more is read.
const QUEUE_MAX: usize = 512;
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Why a line is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// A new one may do.
    Cut(String),
    /// The home does not want this seat.
    Refused(String),
    /// What came is no message of a session.
    Malformed(String),
}

impl From<WsError> for Broken {
    fn from(error: WsError) -> Self {
        let why = error.to_string();
        match error {
            WsError::Http(answer) if answer.status().is_client_error() => {
                Self::Refused(format!("it answered {}", answer.status()))
            }
            WsError::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing,
            ) => Self::Cut(why),
            WsError::Capacity(_) | WsError::Utf8(_) | WsError::Protocol(_) => Self::Malformed(why),
            _ => Self::Cut(why),
        }
    }
}

/// What a home says.
#[derive(Debug)]
pub(super) enum Heard {
    /// All parts of it.
    Payload(SessionHead, Bytes),
    Order(SeatOrder),
}

/// Where a home is: an address of its own, or path and query on the server. What is said to it is
/// no less secret than what is said to the server.
pub(super) fn address(base: &str, home: &str) -> Result<String, String> {
    let address = match base.strip_prefix("http") {
        Some(rest) if home.starts_with('/') => format!("ws{rest}{home}"),
        _ => home.to_owned(),
    };
    let is_private = address.starts_with("wss://");
    if is_private || (address.starts_with("ws://") && base.starts_with("http://")) {
        return Ok(address);
    }
    let place = home.split('?').next().unwrap_or_default();
    Err(format!("the session's home {place} is no address that this machine may go to"))
}

/// Makes a line to this address.
pub(super) async fn connect(address: &str, server: &Server) -> Result<(Mouth, Ears), Broken> {
    let mut request = address.into_client_request()?;
    let protocol = HeaderValue::from_static(SESSION_SUBPROTOCOL);
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let tls = Some(Connector::Rustls(server.tls()));
    let connecting = connect_async_tls_with_config(request, Some(config), true, tls);
    let late = |_| Broken::Cut("it does not answer".into());
    let (socket, _) = timeout(PATIENCE, connecting).await.map_err(late)??;
    let (sink, stream) = socket.split();
    Ok((Mouth { sink, buffer: BytesMut::new() }, Ears { stream: Some(stream), ..Ears::default() }))
}

/// Hears a home.
#[derive(Debug, Default)]
pub(super) struct Ears {
    stream: Option<SplitStream<Socket>>,
    half: Vec<(SessionHead, Parts)>,
    queue: VecDeque<Heard>,
    /// Payload in the queue.
    bytes: usize,
    /// Why nothing more will come.
    pub(super) broken: Option<Broken>,
}

impl Ears {
    /// Hears one message and keeps it; an order that others need not wait for is given back.
    /// Never ends when nothing can be heard. Nothing is lost when it is given up.
    pub(super) async fn hear(&mut self) -> Option<SeatOrder> {
        let is_full = self.queue.len() >= QUEUE_MAX || self.bytes >= QUEUE_BYTES_MAX;
        let Some(stream) = self.stream.as_mut().filter(|_| self.broken.is_none() && !is_full)
        else {
            return pending().await;
        };
        let came = stream.next().await;
        match self.keep(came) {
            Ok(order) => order,
            Err(broken) => {
                self.broken = Some(broken);
                None
            }
        }
    }

    /// What came first, if it may be taken now.
    pub(super) fn take(&mut self, may: impl FnOnce(&Heard) -> bool) -> Option<Heard> {
        let heard = self.queue.pop_front_if(|heard| may(heard))?;
        if let Heard::Payload(_, payload) = &heard {
            self.bytes = self.bytes.saturating_sub(payload.len());
        }
        Some(heard)
    }

    fn keep(
        &mut self,
        came: Option<Result<WsMessage, WsError>>,
    ) -> Result<Option<SeatOrder>, Broken> {
        let closed = || Broken::Cut("it closed the line".into());
        match came.ok_or_else(closed)?? {
            WsMessage::Binary(message) => self.part(&message)?,
            WsMessage::Text(text) => match serde_json::from_str(&text) {
                Ok(SeatOrder::Finish) => self.queue.push_back(Heard::Order(SeatOrder::Finish)),
                Ok(paid @ SeatOrder::Paid { .. }) => return Ok(Some(paid)),
                Err(error) => return Err(Broken::Malformed(error.to_string())),
            },
            WsMessage::Close(_) => return Err(closed()),
            WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_) => {}
        }
        Ok(None)
    }

    fn part(&mut self, message: &Bytes) -> Result<(), Broken> {
        let bad = |error: medusa_protocol::SessionError| Broken::Malformed(error.to_string());
        let (head, part) = SessionHead::decode(message).map_err(bad)?;
        if head.offset == 0 && is_asking(&head) {
            // The rest of a round before it will not come: its client has left it.
            self.half.retain(|(begun, _)| !is_asking(begun) || begun.round >= head.round);
        }
        if head.offset == 0 && head.is_last(part.len()) {
            self.put(head, message.slice(SESSION_HEAD_BYTES..));
            return Ok(());
        }
        let whole = SessionHead { offset: 0, ..head };
        let at = match self.half.iter().position(|(begun, _)| *begun == whole) {
            Some(at) => at,
            None if self.half.len() >= HALF_MAX => {
                return Err(Broken::Malformed("too many payloads at the same time".into()));
            }
            None => {
                self.half.push((whole, Parts::default()));
                self.half.len().saturating_sub(1)
            }
        };
        let Some((_, parts)) = self.half.get_mut(at) else { return Ok(()) };
        if parts.add(&head, part).map_err(bad)? {
            let (head, parts) = self.half.swap_remove(at);
            self.put(head, parts.payload.into());
        }
        Ok(())
    }

    fn put(&mut self, head: SessionHead, payload: Bytes) {
        self.bytes = self.bytes.saturating_add(payload.len());
        self.queue.push_back(Heard::Payload(head, payload));
    }
}

const fn is_asking(head: &SessionHead) -> bool {
    matches!(head.kind, SessionKind::Round | SessionKind::Call)
}

/// Speaks to a home.
#[derive(Debug)]
pub(super) struct Mouth {
    sink: SplitSink<Socket, WsMessage>,
    /// Its room comes back when a message was written.
    buffer: BytesMut,
}

impl Mouth {
    /// Says this, without waiting for it to leave.
    pub(super) async fn feed(&mut self, head: SessionHead, payload: &[u8]) -> Result<(), Broken> {
        let empty = payload.is_empty().then_some(payload);
        let mut offset = 0_u32;
        for part in empty.into_iter().chain(payload.chunks(PART_BYTES)) {
            self.buffer.reserve(SESSION_HEAD_BYTES.saturating_add(part.len()));
            self.buffer.extend_from_slice(&SessionHead { offset, ..head }.encode());
            self.buffer.extend_from_slice(part);
            offset = offset.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
            self.sink.feed(WsMessage::Binary(self.buffer.split().freeze())).await?;
        }
        Ok(())
    }

    /// Ends when what was said has left.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        Ok(self.sink.flush().await?)
    }

    /// Says a few words, which leave at once.
    pub(super) async fn word(&mut self, word: &SeatWord) -> Result<(), Broken> {
        let text = serde_json::to_string(word).unwrap_or_default();
        Ok(self.sink.send(WsMessage::text(text)).await?)
    }

    /// Says goodbye, with or without a last word.
    pub(super) async fn close(mut self, word: Option<&SeatWord>) {
        let goodbye = async {
            if let Some(word) = word {
                self.word(word).await?;
            }
            self.sink.close().await.map_err(Broken::from)
        };
        if !matches!(timeout(LAST_WORDS, goodbye).await, Ok(Ok(()))) {
            tracing::debug!("a session's home was gone before it heard the last word");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ears(messages: &[Vec<u8>]) -> Result<Vec<(SessionHead, Bytes)>, Broken> {
        let mut ears = Ears::default();
        for message in messages {
            let message = WsMessage::Binary(Bytes::copy_from_slice(message));
            assert_eq!(ears.keep(Some(Ok(message)))?, None);
        }
        let mut heard = Vec::new();
        while let Some(next) = ears.take(|_| true) {
            let Heard::Payload(head, payload) = next else { panic!("no order was given") };
            heard.push((head, payload));
        }
        assert_eq!((ears.bytes, ears.half.len()), (0, 0));
        Ok(heard)
    }

    fn head(kind: SessionKind, round: u64, payload: &[u8]) -> SessionHead {
        SessionHead::new(kind, round, payload.len().try_into().unwrap())
    }

    #[test]
    fn short_messages_pass_between_the_parts_of_long_ones() {
        let (one, two) = (vec![1; PART_BYTES * 2 + 1], vec![2; PART_BYTES + 1]);
        let (a, b) = (head(SessionKind::Take, 0, &one), head(SessionKind::Round, 7, &two));
        let c = head(SessionKind::Round, 6, b"c");
        let (mut one_parts, mut two_parts) = (a.messages(&one), b.messages(&two));
        let mut messages = Vec::new();
        messages.extend(one_parts.next());
        messages.extend(two_parts.next());
        messages.extend(c.messages(b"c"));
        messages.extend(one_parts);
        messages.extend(two_parts);
        let heard = ears(&messages).unwrap();
        let expected: [(_, Bytes); 3] =
            [(c, Bytes::from_static(b"c")), (a, one.into()), (b, two.into())];
        assert_eq!(heard, expected);
    }

    #[test]
    fn a_round_that_was_left_in_its_middle_is_forgotten_with_the_next() {
        let long = vec![0; PART_BYTES + 1];
        let half = |round| {
            let head = head(SessionKind::Round, round, &long);
            head.messages(&long).next().unwrap()
        };
        let next = head(SessionKind::Call, 9, b"x");
        let messages: Vec<_> = (0..9).map(half).chain(next.messages(b"x")).collect();
        assert_eq!(ears(&messages).unwrap(), [(next, Bytes::from_static(b"x"))]);
    }

    #[test]
    fn what_is_no_message_ends_the_line() {
        let long = vec![0; PART_BYTES + 1];
        let first = |round| {
            let head = head(SessionKind::Round, round, &long);
            head.messages(&long).next().unwrap()
        };
        let second = head(SessionKind::Round, 1, &long).messages(&long).nth(1).unwrap();
        let many: Vec<_> = (0..5).rev().map(first).collect();
        for bad in [vec![b"hello".to_vec()], vec![second], vec![first(1), first(1)], many] {
            assert!(matches!(ears(&bad), Err(Broken::Malformed(_))));
        }
        let mut ears = Ears::default();
        let text = |text: &str| Some(Ok(WsMessage::text(text)));
        assert!(matches!(ears.keep(text("{\"do\":\"dance\"}")), Err(Broken::Malformed(_))));
        assert!(matches!(ears.keep(None), Err(Broken::Cut(_))));
        let paid = ears.keep(text("{\"do\":\"paid\",\"round\":3}"));
        assert_eq!(paid, Ok(Some(SeatOrder::Paid { round: 3 })));
    }

    #[test]
    fn a_home_is_as_secret_as_the_server() {
        let at = |base, home| address(base, home).ok();
        let some = |address: &str| Some(address.to_owned());
        assert_eq!(at("http://a:1", "/v1/s?x=1"), some("ws://a:1/v1/s?x=1"));
        assert_eq!(at("https://a/b", "/v1/s"), some("wss://a/b/v1/s"));
        assert_eq!(at("https://a", "wss://c:2/s"), some("wss://c:2/s"));
        assert_eq!(at("http://a", "ws://c:2/s"), some("ws://c:2/s"));
        for (base, home) in
            [("https://a", "ws://c/s"), ("http://a", "http://c/s"), ("http://a", "")]
        {
            assert_eq!(at(base, home), None, "{base} {home}");
        }
        let why = address("https://a", "ws://c/s?ticket=secret").unwrap_err();
        assert!(!why.contains("secret"));
    }
}
