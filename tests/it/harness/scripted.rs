//! An agent that does what its test says: it speaks the protocol and computes nothing.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use medusa_api::DeviceToken;
use medusa_protocol::{Frame, Hello, Lease, Message, Report, SUBPROTOCOL};
use medusa_types::{METER, Outcome, Sha256Hash};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::house::House;

const PATIENCE: Duration = Duration::from_secs(60);

/// What an agent of the first version says of itself.
pub(crate) fn hello() -> Hello {
    Hello {
        software: "scripted".into(),
        meter: METER.into(),
        slots: 1,
        memory_bytes: 1 << 30,
        arch: "x86_64".into(),
        os: "linux".into(),
        ..Hello::default()
    }
}

/// One end of a link.
pub(crate) struct ScriptedAgent {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl ScriptedAgent {
    /// Connects with this key and is welcomed.
    pub(crate) async fn connect(house: &House, token: &DeviceToken, slots: u32) -> Self {
        Self::greet(house, token, Hello { slots, ..hello() }).await
    }

    /// Connects with this key and this greeting, and is welcomed.
    pub(crate) async fn greet(house: &House, token: &DeviceToken, hello: Hello) -> Self {
        let mut agent = Self::open(house, token).await;
        agent.send(Frame::of(Message::Hello(hello))).await;
        let first = agent.frame().await;
        assert!(matches!(first.message, Message::Welcome(_)), "{first:?}");
        agent
    }

    /// Connects with this key, and has not said anything yet.
    pub(crate) async fn open(house: &House, token: &DeviceToken) -> Self {
        let url = format!("ws://{}/v1/agent/link", house.address());
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", token.agent_key);
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let (socket, _) = connect_async(request).await.unwrap();
        Self { socket }
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: Frame) {
        self.socket.send(WsMessage::Binary(frame.encode())).await.unwrap();
    }

    /// Sends bytes that need not be a frame.
    pub(crate) async fn raw(&mut self, bytes: Vec<u8>) {
        self.socket.send(WsMessage::Binary(bytes.into())).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> Frame {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("the server is silent");
            if let WsMessage::Binary(bytes) = next.expect("the server hung up").unwrap() {
                return Frame::decode(&bytes).unwrap();
            }
        }
    }

    /// The next lease, with its inline input.
    pub(crate) async fn lease(&mut self) -> (Lease, Bytes) {
        loop {
            let frame = self.frame().await;
            if let Message::Lease(lease) = frame.message {
                return (*lease, frame.payload);
            }
        }
    }

    /// The code with which the server closes the link; nothing when it only hangs up.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the server is silent") {
                Some(Ok(WsMessage::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Says that a lease ended well with this output.
    pub(crate) async fn report(&mut self, lease: &Lease, output: Vec<u8>, fuel: u64) {
        self.say(lease, Outcome::Done, output, fuel).await;
    }

    /// Says how a lease ended.
    pub(crate) async fn say(
        &mut self,
        lease: &Lease,
        outcome: Outcome,
        output: Vec<u8>,
        fuel: u64,
    ) {
        let report = Report {
            lease: lease.lease.clone(),
            outcome,
            fuel,
            output: Sha256Hash::of(&output).0,
            output_bytes: output.len().try_into().unwrap(),
            uploaded: false,
            stderr: String::new(),
            cpu_ms: 1,
            signature: None,
        };
        self.send(Frame { message: Message::Report(report), payload: output.into() }).await;
    }
}
