//! The link: one WebSocket to the server, made again whenever it is cut.
//!
//! Work does not depend on it. Leases go on during a cut, and their reports wait here. What was
//! sent shortly before a cut may not have arrived, so it is sent again after the next welcome; the
//! server takes the first report of a lease and ignores others.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use medusa_protocol::{
    ByteArray, Features, Frame, FrameError, HEARTBEAT_MS, Hello, MAX_FRAME_BYTES, Message, Phase,
    Pulse, SETTINGS, SUBPROTOCOL, Settings, Speed, Welcome,
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
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::backoff::Backoff;
use crate::board::Board;
use crate::server::Server;
use crate::signing::{Signing, signed};
use crate::state::Connection;
use crate::work::Order;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long connecting, the welcome and a write may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// A link that lasted this long was a good one: the next tries start quickly again.
const GOOD: Duration = Duration::from_secs(5);
/// A server that was not heard for so long is gone: three pings had no answer. Leases that nobody
/// renews live for a minute, so what was computed meanwhile still counts.
const GONE: Duration = Duration::from_secs(25);
/// Reports that are sent again after a cut: the last ones, up to this age, number and size. What
/// went into a dead connection before that was noticed is among them.
const RECENT: Duration = Duration::from_secs(45);
const RECENT_MAX: usize = 1_024;
const RECENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Reports that are written at once; they must fit into the recent ones.
const BATCH_MAX: usize = 16;
/// The server's code for: the owner removed this machine.
const REMOVED: u16 = 4_001;
/// How often it is looked whether the server should hear something before the next pulse is due.
const LOOK: Duration = Duration::from_secs(1);

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the server does not know this machine's key")]
    Revoked,
    #[error("its owner removed this machine on the website")]
    Removed,
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("{}", of_io(.0))]
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

/// What broke, in a few words; of a certificate that is not trusted, why it is not.
fn of_io(error: &std::io::Error) -> String {
    match error.get_ref() {
        Some(inner) if error.kind() == std::io::ErrorKind::InvalidData => inner.to_string(),
        _ => error.kind().to_string(),
    }
}

impl Cut {
    fn closed(frame: Option<&CloseFrame>) -> Self {
        match frame {
            Some(frame) if frame.code == CloseCode::Restart => Self::Restart,
            Some(frame) if u16::from(frame.code) == REMOVED => Self::Removed,
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
    /// The key that results are signed with, and where it is kept.
    signing: Option<(Signing, PathBuf)>,
}

impl Link {
    pub(crate) fn new(
        board: Arc<Board>,
        orders: mpsc::Sender<Order>,
        reports: mpsc::Receiver<Frame>,
        (slots, memory_bytes): (u32, u64),
    ) -> Self {
        let (recent, signing) = (Recent::default(), None);
        Self { board, orders, reports, slots, memory_bytes, recent, signing }
    }

    /// From now on the server is told this key.
    pub(crate) fn signs_with(&mut self, signing: Signing, data: &Path) {
        self.signing = Some((signing, data.to_owned()));
    }

    /// Keeps the link up until the server refuses the key.
    pub(crate) async fn keep_up(&mut self, server: &Arc<Server>) {
        let mut backoff = Backoff::default();
        self.board.connection(Connection::Connecting);
        loop {
            let began = Instant::now();
            let why = match self.once(server).await {
                why @ (Cut::Revoked | Cut::Removed) => {
                    tracing::error!(
                        "{} does not accept this machine's key any more ({why}): enrol it again \
                         on the local page, or with --enrol",
                        server.base()
                    );
                    self.board.connection(Connection::Revoked);
                    // Nobody there takes what it computes.
                    let _stopping = order(&self.orders, Order::GiveUp).await;
                    return;
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
        if let Some((signing, data)) = &mut self.signing {
            let _late = timeout(PATIENCE, signing.register(server, data)).await;
        }
        let closed = self.board.watch_closed();
        let mut cached = self.board.cached.subscribe();
        cached.mark_unchanged();
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
        let (orders, board) = (self.orders.clone(), Arc::clone(&self.board));
        let features = Features::of(&welcome.features);
        if !features.has(SETTINGS) {
            // It will not say that what another one asked for is over.
            board.steered(&Settings::default());
        }
        let told = Told::default();
        let mut mouth = Mouth { sink, link: self, features, cached, told };
        let Err(cut) = tokio::select! {
            cut = hear(&mut stream, server, &orders, &board) => cut,
            cut = mouth.speak(welcome.heartbeat_ms, closed) => cut,
        };
        cut
    }

    async fn open(&self, server: &Server) -> Result<(Socket, Welcome), Cut> {
        let request = request(server).map_err(Cut::Address)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        let tls = Some(Connector::Rustls(server.tls()));
        let connecting = connect_async_tls_with_config(request, Some(config), true, tls);
        let (mut socket, _) = connecting.await?;
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
        let speed = self.board.view().speed;
        Frame::of(Message::Hello(Hello {
            software: concat!("medusa-agent ", env!("CARGO_PKG_VERSION")).into(),
            meter: medusa_types::METER.into(),
            slots: self.slots,
            memory_bytes: self.memory_bytes,
            arch: std::env::consts::ARCH.into(),
            os: std::env::consts::OS.into(),
            paused: *self.board.watch_closed().borrow(),
            features: Features::own(),
            engine: speed.as_ref().map(|speed| speed.engine.clone()),
            speed: speed.map(|speed| Speed { one: speed.one, all: speed.all }),
            cached: self.board.cached.borrow().iter().copied().map(ByteArray::from).collect(),
        }))
    }
}

/// Hears the server until the link is cut.
async fn hear(
    stream: &mut SplitStream<Socket>,
    server: &Arc<Server>,
    orders: &mpsc::Sender<Order>,
    board: &Board,
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
            Message::Settings(settings) => {
                board.steered(&settings);
                order(orders, Order::Prepare(Arc::clone(server), settings.ahead)).await?;
                board.identified(server.base(), settings.name.as_deref());
            }
            // It is the server's part to hear these, or too late for them.
            _ => {}
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
    /// What the server understands.
    features: Features,
    /// Changes when a program was compiled that the server does not know of.
    cached: watch::Receiver<Vec<[u8; 32]>>,
    told: Told,
}

/// What the server should not learn only when the next pulse is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    slots: Option<u32>,
    memory_bytes: Option<u64>,
    is_held: bool,
    compiling: usize,
}

impl Told {
    fn of(pulse: &Pulse) -> Self {
        let compiling = pulse.phases.iter().filter(|phase| **phase == Phase::Compiling.number());
        Self {
            slots: pulse.slots,
            memory_bytes: pulse.memory_bytes,
            is_held: pulse.why.is_some(),
            compiling: compiling.count(),
        }
    }
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
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                _ = look.tick() => {
                    if Told::of(&self.link.board.pulse()) != self.told {
                        self.pulse().await?;
                    }
                }
                _ = beat.tick() => {
                    self.pulse().await?;
                    order(&self.link.orders, Order::Tidy).await?;
                }
            }
        }
    }

    /// Sends reports. They count as recent before it begins, so that none is lost in a cut.
    async fn write(&mut self, frames: Vec<Frame>) -> Result<(), Cut> {
        let pen = self.link.board.pen();
        let readable =
            frames.iter().filter_map(|frame| signed(frame, &self.features, pen.as_ref()));
        let encoded = readable.map(|frame| WsMessage::Binary(frame.encode())).collect();
        self.link.recent.add(frames, Instant::now());
        self.send(encoded).await
    }

    /// Says that this agent lives, and asks the same of the server. What is finished is told
    /// before: a lease that is neither worked on nor reported counts as lost.
    async fn pulse(&mut self) -> Result<(), Cut> {
        let mut pulse = self.link.board.pulse();
        self.told = Told::of(&pulse);
        if self.cached.has_changed().unwrap_or(false) {
            let cached = self.cached.borrow_and_update();
            pulse.cached = Some(cached.iter().copied().map(ByteArray::from).collect());
        }
        let mut finished = Vec::new();
        while let Ok(report) = self.link.reports.try_recv() {
            finished.push(report);
        }
        self.write(finished).await?;
        let pulse = Frame::of(Message::Pulse(pulse));
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
