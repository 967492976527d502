//! The link: one WebSocket to the server, made again whenever it is cut.
//!
//! Work does not depend on it. Leases go on during a cut, and their reports wait here. What was
//! sent shortly before a cut may not have arrived, so it is sent again after the next welcome; the
//! server takes the first report of a lease and ignores others.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use medusa_protocol::{
    Frame, FrameError, GONE_MS, HEARTBEAT_MS, Hello, MAX_FRAME_BYTES, Message, Pulse, SUBPROTOCOL,
    Welcome,
};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::backoff::Backoff;
use crate::board::Board;
use crate::server::Server;
use crate::state::Connection;
use crate::work::Order;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long connecting, the welcome and a write may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// A link that lasted this long was a good one: the next tries start quickly again.
const GOOD: Duration = Duration::from_secs(5);
/// A server that was not heard for so long is gone.
const GONE: Duration = Duration::from_millis(GONE_MS);
/// Reports that are sent again after a cut: the last ones, up to this age, number and size.
const RECENT: Duration = Duration::from_secs(10);
const RECENT_MAX: usize = 1_024;
const RECENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Reports that are written at once; they must fit into the recent ones.
const BATCH_MAX: usize = 16;

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the server does not know this machine's key")]
    Revoked,
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("{}", .0.kind())]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Socket(WsError),
    #[error("the server speaks another protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("the server's first frame was not a welcome")]
    NoWelcome,
    #[error("the server closed the link")]
    Closed,
    #[error("the server hands over to another one")]
    Restart,
    #[error("the server does not answer")]
    Silent,
    #[error("the address cannot be used: {0}")]
    Address(String),
}

impl Cut {
    fn closed(frame: Option<&CloseFrame>) -> Self {
        match frame {
            Some(frame) if frame.code == CloseCode::Restart => Self::Restart,
            _ => Self::Closed,
        }
    }
}

impl From<WsError> for Cut {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Http(answer) if answer.status() == StatusCode::UNAUTHORIZED => Self::Revoked,
            WsError::Http(answer) => Self::Status(answer.status()),
            WsError::Io(error) => Self::Io(error),
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::Closed,
            other => Self::Socket(other),
        }
    }
}

/// The agent's end of the link.
pub(crate) struct Link {
    board: Arc<Board>,
    orders: mpsc::Sender<Order>,
    reports: mpsc::Receiver<Frame>,
    slots: u32,
    memory_bytes: u64,
    recent: Recent,
}

impl Link {
    pub(crate) fn new(
        board: Arc<Board>,
        orders: mpsc::Sender<Order>,
        reports: mpsc::Receiver<Frame>,
        (slots, memory_bytes): (u32, u64),
    ) -> Self {
        Self { board, orders, reports, slots, memory_bytes, recent: Recent::default() }
    }

    /// Keeps the link up until the server refuses the key.
    pub(crate) async fn keep_up(&mut self, server: &Arc<Server>) {
        let mut backoff = Backoff::default();
        self.board.connection(Connection::Connecting);
        loop {
            let began = Instant::now();
            let why = match self.once(server).await {
                Cut::Revoked => {
                    tracing::error!(
                        "{} does not accept this machine's key any more: enrol it again on the \
                         local page, or with --enrol",
                        server.base()
                    );
                    return self.board.connection(Connection::Revoked);
                }
                cut => cut.to_string(),
            };
            if began.elapsed() >= GOOD {
                backoff.reset();
            }
            let wait = backoff.next();
            let ms = wait.as_millis();
            tracing::warn!("not connected to {}: {why}, next try in {ms} ms", server.base());
            if order(&self.orders, Order::Tidy).await.is_err() {
                return;
            }
            self.board.connection(Connection::Cut { why, retry_at: Instant::now() + wait });
            sleep(wait).await;
        }
    }

    /// One link, from its connection to its cut.
    async fn once(&mut self, server: &Arc<Server>) -> Cut {
        let closed = self.board.watch_closed();
        let opened = timeout(PATIENCE, self.open(server)).await;
        let (socket, welcome) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(cut)) => return cut,
            Err(_late) => return Cut::Silent,
        };
        tracing::info!("connected to {} as {}", server.base(), welcome.name);
        self.board.identified(server.base(), Some(&welcome.name));
        self.board.connection(Connection::Connected);
        let (sink, mut stream) = socket.split();
        let orders = self.orders.clone();
        let mut mouth = Mouth { sink, link: self };
        let Err(cut) = tokio::select! {
            cut = hear(&mut stream, server, &orders) => cut,
            cut = mouth.speak(welcome.heartbeat_ms, closed) => cut,
        };
        cut
    }

    async fn open(&self, server: &Server) -> Result<(Socket, Welcome), Cut> {
        let request = request(server).map_err(Cut::Address)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        let (mut socket, _) = connect_async_with_config(request, Some(config), true).await?;
        socket.send(WsMessage::Binary(self.hello().encode())).await?;
        loop {
            match socket.next().await.ok_or(Cut::Closed)?? {
                WsMessage::Binary(bytes) => match Frame::decode(&bytes)?.message {
                    Message::Welcome(welcome) => return Ok((socket, welcome)),
                    _ => return Err(Cut::NoWelcome),
                },
                WsMessage::Close(frame) => return Err(Cut::closed(frame.as_ref())),
                _ => {}
            }
        }
    }

    fn hello(&self) -> Frame {
        Frame::of(Message::Hello(Hello {
            software: concat!("medusa-agent ", env!("CARGO_PKG_VERSION")).into(),
            meter: medusa_types::METER.into(),
            slots: self.slots,
            memory_bytes: self.memory_bytes,
            arch: std::env::consts::ARCH.into(),
            os: std::env::consts::OS.into(),
            paused: *self.board.watch_closed().borrow(),
        }))
    }
}

/// Hears the server until the link is cut.
async fn hear(
    stream: &mut SplitStream<Socket>,
    server: &Arc<Server>,
    orders: &mpsc::Sender<Order>,
) -> Result<Infallible, Cut> {
    loop {
        // Each pulse has a ping beside it, so a server that lives is heard.
        let message = timeout(GONE, stream.next()).await.map_err(|_late| Cut::Silent)?;
        let bytes = match message.ok_or(Cut::Closed)?? {
            WsMessage::Binary(bytes) => bytes,
            WsMessage::Close(frame) => return Err(Cut::closed(frame.as_ref())),
            WsMessage::Text(_) | WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_) => {
                continue;
            }
        };
        let frame = match Frame::decode(&bytes) {
            Ok(frame) => frame,
            // A newer server may say more than this version understands.
            Err(FrameError::Kind(kind)) => {
                tracing::debug!(kind, "a frame of an unknown kind was ignored");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match frame.message {
            Message::Lease(lease) => {
                order(orders, Order::Take(Arc::clone(server), lease, frame.payload)).await?;
            }
            Message::Cancel(cancel) => order(orders, Order::Cancel(cancel.lease)).await?,
            Message::Welcome(_) | Message::Hello(_) | Message::Report(_) | Message::Pulse(_) => {}
        }
    }
}

async fn order(orders: &mpsc::Sender<Order>, order: Order) -> Result<(), Cut> {
    orders.send(order).await.map_err(|_stopping| Cut::Closed)
}

/// What speaks to the server. It never waits for [`hear`]: two peers that both wait until the
/// other one reads would wait forever.
struct Mouth<'a> {
    sink: SplitSink<Socket, WsMessage>,
    link: &'a mut Link,
}

impl Mouth<'_> {
    /// Speaks until the link is cut.
    async fn speak(
        &mut self,
        heartbeat_ms: u64,
        mut closed: watch::Receiver<bool>,
    ) -> Result<Infallible, Cut> {
        let again = self.link.recent.take();
        self.write(again).await?;
        self.pulse().await?;
        let mut beat = beat(heartbeat_ms);
        loop {
            tokio::select! {
                Some(first) = self.link.reports.recv() => {
                    let mut frames = vec![first];
                    while frames.len() < BATCH_MAX && let Ok(next) = self.link.reports.try_recv() {
                        frames.push(next);
                    }
                    self.write(frames).await?;
                }
                Ok(()) = closed.changed() => self.pulse().await?,
                _ = beat.tick() => {
                    self.pulse().await?;
                    order(&self.link.orders, Order::Tidy).await?;
                }
            }
        }
    }

    /// Sends reports. They count as recent before it begins, so that none is lost in a cut.
    async fn write(&mut self, frames: Vec<Frame>) -> Result<(), Cut> {
        let encoded = frames.iter().map(|frame| WsMessage::Binary(frame.encode())).collect();
        self.link.recent.add(frames, Instant::now());
        self.send(encoded).await
    }

    /// Says that this agent lives, and asks the same of the server. What is finished is told
    /// before:
    /// a lease that is neither worked on nor reported counts as lost.
    async fn pulse(&mut self) -> Result<(), Cut> {
        let paused = *self.link.board.watch_closed().borrow();
        let running = self.link.board.leases();
        let mut finished = Vec::new();
        while let Ok(report) = self.link.reports.try_recv() {
            finished.push(report);
        }
        self.write(finished).await?;
        let pulse = Frame::of(Message::Pulse(Pulse { paused, running }));
        let ping = WsMessage::Ping(Bytes::new());
        self.send(vec![WsMessage::Binary(pulse.encode()), ping]).await
    }

    async fn send(&mut self, messages: Vec<WsMessage>) -> Result<(), Cut> {
        let sent = async {
            for message in messages {
                self.sink.feed(message).await?;
            }
            self.sink.flush().await
        };
        timeout(PATIENCE, sent).await.map_err(|_late| Cut::Silent)?.map_err(Cut::from)
    }
}

/// The reports that may have been lost in a cut.
#[derive(Debug, Default)]
struct Recent {
    frames: VecDeque<(Instant, Frame)>,
    bytes: usize,
}

impl Recent {
    fn add(&mut self, frames: Vec<Frame>, now: Instant) {
        for frame in frames {
            self.bytes = self.bytes.saturating_add(frame.payload.len());
            self.frames.push_back((now, frame));
        }
        while let Some((sent, frame)) = self.frames.front() {
            let fits = self.frames.len() <= RECENT_MAX && self.bytes <= RECENT_BYTES_MAX;
            if fits && now.duration_since(*sent) < RECENT {
                break;
            }
            self.bytes = self.bytes.saturating_sub(frame.payload.len());
            self.frames.pop_front();
        }
    }

    fn take(&mut self) -> Vec<Frame> {
        self.bytes = 0;
        std::mem::take(&mut self.frames).into_iter().map(|(_, frame)| frame).collect()
    }
}

/// Twice as often as the server asks for.
fn beat(heartbeat_ms: u64) -> Interval {
    let half = heartbeat_ms.clamp(100, HEARTBEAT_MS).checked_div(2).unwrap_or(HEARTBEAT_MS);
    let period = Duration::from_millis(half);
    let mut beat = interval_at(Instant::now() + period, period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

fn request(
    server: &Server,
) -> Result<tokio_tungstenite::tungstenite::handshake::client::Request, String> {
    // `https` becomes `wss`.
    let rest = server.base().strip_prefix("http").unwrap_or_default();
    let url = format!("ws{rest}/v1/agent/link");
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let mut key = HeaderValue::from_str(&server.authorization()).map_err(|e| e.to_string())?;
    key.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, key);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use medusa_protocol::Cancel;

    use super::*;

    fn frame(bytes: usize) -> Frame {
        let message = Message::Cancel(Cancel { lease: "lse_1".into() });
        Frame { message, payload: vec![0; bytes].into() }
    }

    #[test]
    fn only_the_last_reports_are_sent_again() {
        let mut recent = Recent::default();
        let now = Instant::now();
        recent.add(vec![frame(1)], now);
        recent.add(vec![frame(2), frame(3)], now + RECENT);
        let sizes: Vec<_> = recent.take().iter().map(|f| f.payload.len()).collect();
        assert_eq!(sizes, [2, 3], "the first is too old");
        recent.add(vec![frame(RECENT_BYTES_MAX), frame(7)], now);
        assert_eq!(recent.take().len(), 1, "the large one does not fit");
        recent.add((0..RECENT_MAX + 5).map(|_| frame(0)).collect(), now);
        assert_eq!(recent.take().len(), RECENT_MAX);
        assert!(recent.take().is_empty());
    }

    #[test]
    fn the_link_is_as_secret_as_the_server() {
        crate::install_crypto();
        for (server, link) in [
            ("http://a:7700", "ws://a:7700/v1/agent/link"),
            ("https://a/b", "wss://a/b/v1/agent/link"),
        ] {
            let request = request(&Server::at(server).unwrap().with_key("k")).unwrap();
            assert_eq!(request.uri().to_string(), link);
            assert_eq!(request.headers()["authorization"], "Bearer k");
        }
    }
}
