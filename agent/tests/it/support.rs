//! A server that speaks just enough HTTP and `medusa-protocol` for one agent, and an agent in a
//! directory of its own. Tests drive the server's end of the link by hand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use medusa_agent::{Agent, Config, Identity, Logs, RunArgs, View};
use medusa_protocol::{
    Blob, Features, Frame, Hello, Lease, Message, Part, Report, SUBPROTOCOL, Welcome,
};
use medusa_types::{AgentId, Limits, Sha256Hash, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

pub(crate) const KEY: &str = "agent-key";
/// Nothing in a test takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails the test instead of hanging.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("no {what} came"))
}

/// What the server knows; answers are `status line, body`.
#[derive(Default)]
struct Shelf {
    answers: HashMap<String, Vec<(u16, Vec<u8>)>>,
    requests: Vec<(String, Vec<u8>)>,
    key: String,
    /// It is of the first version, and names no features.
    is_old: bool,
    /// The frame that greets agents; the usual one if there is none.
    welcome: Option<Vec<u8>>,
}

pub(crate) struct FakeServer {
    pub(crate) url: String,
    links: mpsc::Receiver<Link>,
    shelf: Arc<Mutex<Shelf>>,
    /// While this is false, blobs are not answered.
    pub(crate) open: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// The server's end of a link.
pub(crate) struct Link {
    socket: WebSocketStream<TcpStream>,
    pub(crate) hello: Hello,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, links) = mpsc::channel(8);
        let shelf = Arc::new(Mutex::new(Shelf { key: KEY.into(), ..Shelf::default() }));
        let open = watch::Sender::new(true);
        let (on_shelf, is_open) = (Arc::clone(&shelf), open.subscribe());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shelf = Arc::clone(&on_shelf);
                connections.spawn(connection(stream, shelf, sender.clone(), is_open.clone()));
            }
        });
        Self { url, links, shelf, open, _tasks: tasks }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// The next link, welcomed.
    pub(crate) async fn link(&mut self) -> Link {
        soon("link", self.links.recv()).await.unwrap()
    }

    /// From now on only this key is accepted.
    pub(crate) fn accept_key(&self, key: &str) {
        self.shelf.lock().unwrap().key = key.into();
    }

    /// From now on it speaks like a server of the first version.
    pub(crate) fn be_old(&self) {
        self.shelf.lock().unwrap().is_old = true;
    }

    /// From now on it greets with these bytes, as a server of another version.
    pub(crate) fn greet(&self, welcome: Vec<u8>) {
        self.shelf.lock().unwrap().welcome = Some(welcome);
    }

    /// Answers a path; later answers come after earlier ones, and the last one stays.
    pub(crate) fn answer(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        let mut shelf = self.shelf.lock().unwrap();
        shelf.answers.entry(path.into()).or_default().push((status, body.into()));
    }

    /// Offers a blob under its hash.
    pub(crate) fn blob(&self, content: &[u8]) -> Blob {
        let sha256 = Sha256Hash::of(content);
        let path = format!("/v1/agent/blobs/{sha256}?ticket=1");
        self.answer(&path, 200, content);
        Blob { sha256: sha256.0, size: content.len().try_into().unwrap(), path }
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.shelf.lock().unwrap().requests.iter().filter(|(p, _)| p == path).count()
    }

    /// The last body that was sent to a path.
    pub(crate) fn body(&self, path: &str) -> Option<Vec<u8>> {
        let shelf = self.shelf.lock().unwrap();
        shelf.requests.iter().rev().find(|(p, _)| p == path).map(|(_, body)| body.clone())
    }
}

impl Link {
    pub(crate) async fn send(&mut self, message: Message, payload: impl Into<Bytes>) {
        let frame = Frame { message, payload: payload.into() };
        self.socket.send(WsMessage::Binary(frame.encode())).await.unwrap();
    }

    pub(crate) async fn lease(&mut self, lease: &Lease, payload: impl Into<Bytes>) {
        self.send(Message::Lease(Box::new(lease.clone())), payload).await;
    }

    pub(crate) async fn raw(&mut self, bytes: Vec<u8>) {
        self.socket.send(WsMessage::Binary(bytes.into())).await.unwrap();
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        loop {
            let message = soon("frame", self.socket.next()).await.unwrap().unwrap();
            if let WsMessage::Binary(bytes) = message {
                return Frame::decode(&bytes).unwrap();
            }
        }
    }

    /// The next frame, or nothing when the link has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        self.bytes().await.map(|bytes| Frame::decode(&bytes).unwrap())
    }

    /// The bytes of the next frame, or nothing when the link has ended.
    pub(crate) async fn bytes(&mut self) -> Option<Bytes> {
        while let Some(Ok(message)) = soon("frame", self.socket.next()).await {
            if let WsMessage::Binary(bytes) = message {
                return Some(bytes);
            }
        }
        None
    }

    /// Gives a lease, or says that the link has ended.
    pub(crate) async fn try_lease(&mut self, lease: &Lease) -> bool {
        let frame = Frame::of(Message::Lease(Box::new(lease.clone())));
        self.socket.send(WsMessage::Binary(frame.encode())).await.is_ok()
    }

    /// Closes the link with this code.
    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.unwrap();
        // It ends when the agent has heard it.
        while let Some(Ok(_)) = soon("end", self.socket.next()).await {}
    }

    /// The next report, with its inline output.
    pub(crate) async fn report(&mut self) -> (Report, Bytes) {
        loop {
            if let Frame { message: Message::Report(report), payload } = self.frame().await {
                return (report, payload);
            }
        }
    }

    /// The next pulse: paused, and what is running.
    pub(crate) async fn pulse(&mut self) -> (bool, Vec<String>) {
        loop {
            if let Message::Pulse(pulse) = self.frame().await.message {
                return (pulse.paused, pulse.running);
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    shelf: Arc<Mutex<Shelf>>,
    links: mpsc::Sender<Link>,
    mut open: watch::Receiver<bool>,
) {
    let mut begin = [0; 24];
    loop {
        match stream.peek(&mut begin).await {
            Ok(length) if length == begin.len() => break,
            // Nothing can be asked over a connection that has ended.
            Ok(0) | Err(_) => return,
            Ok(_some) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    if begin.starts_with(b"GET /v1/agent/link") {
        let (key, is_old, greeting) = {
            let shelf = shelf.lock().unwrap();
            (shelf.key.clone(), shelf.is_old, shelf.welcome.clone())
        };
        // A refused handshake is an error here, and what the test is about.
        if let Ok(link) = welcome(stream, &key, is_old, greeting).await {
            drop(links.send(link).await);
        }
    } else {
        // An agent that stops breaks its connections off.
        drop(answer(stream, &shelf, &mut open).await);
    }
}

#[expect(clippy::result_large_err, reason = "the library's type")]
async fn welcome(
    stream: TcpStream,
    key: &str,
    is_old: bool,
    greeting: Option<Vec<u8>>,
) -> Result<Link, Box<dyn std::error::Error + Send + Sync>> {
    let check = |request: &Request, mut response: Response| {
        let header = |name| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        if header("authorization") != Some(format!("Bearer {key}")) {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = 401.try_into().unwrap();
            return Err(refused);
        }
        assert_eq!(header("sec-websocket-protocol").as_deref(), Some(SUBPROTOCOL));
        let protocol = SUBPROTOCOL.parse().unwrap();
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, check).await?;
    let first = socket.next().await.ok_or("no hello")??.into_data();
    let Message::Hello(hello) = Frame::decode(&first)?.message else { panic!("no hello") };
    let welcome = Welcome {
        agent: agent_id().to_string(),
        name: "desk".into(),
        heartbeat_ms: 400,
        features: if is_old { Vec::new() } else { Features::own() },
    };
    let usual = Frame::of(Message::Welcome(welcome)).encode();
    socket.send(WsMessage::Binary(greeting.map_or(usual, Bytes::from))).await?;
    Ok(Link { socket, hello })
}

async fn answer(
    mut stream: TcpStream,
    shelf: &Mutex<Shelf>,
    open: &mut watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let path = head.split(' ').nth(1).unwrap().to_owned();
    if path.starts_with("/v1/agent/blobs/") {
        open.wait_for(|open| *open).await.unwrap();
    }
    let (mut status, mut content) = {
        let mut shelf = shelf.lock().unwrap();
        shelf.requests.push((path.clone(), body));
        let bare = path.split('?').next().unwrap().to_owned();
        let path = if shelf.answers.contains_key(&path) { path } else { bare };
        match shelf.answers.get_mut(&path) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => (404, Vec::new()),
        }
    };
    if let Some(range) = header("range") {
        let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        content = content[from.parse().unwrap()..=to.parse().unwrap()].to_vec();
        status = 206;
    }
    let length = content.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &content].concat()).await
}

pub(crate) fn agent_id() -> AgentId {
    AgentId(Uuid::from_u128(7))
}

/// An agent's directory, removed with it.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(format!("medusa-agent-test-{unique}"));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn enrol(&self, server: &str) {
        let (agent, name, agent_key) = (agent_id(), "desk".into(), KEY.into());
        Identity { server: server.into(), agent, name, agent_key }.save(&self.0).unwrap();
    }

    pub(crate) fn config(&self) -> Config {
        let args = RunArgs {
            data: Some(self.0.clone()),
            slots: Some(2),
            memory_mib: Some(512),
            start: true,
            always: true,
            no_measure: true,
            ..RunArgs::default()
        };
        let mut config = args.resolve().unwrap();
        config.config_home = Some(self.0.join("config"));
        config.worker = env!("CARGO_BIN_EXE_medusa-agent").into();
        // Nothing of the user who runs the tests is touched.
        config.home = Some(self.0.join("home"));
        config.config_home = Some(self.0.join("home/.config"));
        config
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// An enrolled agent and its server, linked.
pub(crate) async fn linked(home: &Home) -> (FakeServer, Agent, Link) {
    let mut server = FakeServer::start().await;
    home.enrol(&server.url);
    let agent = Agent::start(home.config(), Logs::default()).unwrap();
    let link = server.link().await;
    (server, agent, link)
}

/// Waits until the agent's state is so.
pub(crate) async fn until(agent: &Agent, what: &str, is_so: impl FnMut(&View) -> bool) -> View {
    let mut views = agent.watch();
    soon(what, views.wait_for(is_so)).await.unwrap().clone()
}

/// A lease of this program, without input.
pub(crate) fn lease(name: &str, program: &Blob) -> Lease {
    Lease {
        lease: name.into(),
        job: "job_1".into(),
        job_name: "Cell picture".into(),
        chunk: 0,
        chunks: 9,
        program: program.clone(),
        args: Vec::new(),
        seed: 1,
        clock_ms: 1,
        limits: Limits {
            fuel: 1_000_000_000_000,
            memory_bytes: 16 << 20,
            output_bytes: 4 << 20,
            stderr_bytes: 4_096,
            wall_ms: 120_000,
        },
        stdin: None,
        files: Vec::new(),
        strict: false,
        deadline_ms: 120_000,
        upload_path: format!("/v1/agent/outputs/{name}"),
        env: Vec::new(),
        fuel_estimate: None,
        home: None,
    }
}

pub(crate) fn inline(bytes: &[u8]) -> Part {
    Part::Inline(bytes.len().try_into().unwrap())
}
