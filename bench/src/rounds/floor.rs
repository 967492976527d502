//! What a round costs at least: a driver, a hub that adds up, and two workers, four processes that
//! do nothing else, over WebSockets. No log, no sandbox, no tickets. The same as `hub none sum` of
//! the peers' benchmark.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

/// Says which part a process plays: the hub, or by the hub's port a worker.
const PART: &str = "--floor";
const HUB: &str = "hub";
const WORKERS: usize = 2;

type Socket = WebSocketStream<TcpStream>;

/// Plays a part.
pub(crate) fn part(part: String) -> Result<()> {
    let play = move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match part.parse() {
            Ok(port) => runtime.block_on(worker(port)),
            Err(_) => runtime.block_on(hub()),
        }
    };
    let played = std::thread::spawn(play).join();
    played.unwrap_or_else(|_| Err(anyhow::anyhow!("a part of the floor failed")))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

fn start(part: &str) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args([PART, part]).stdout(Stdio::piped()).spawn()?)
}

async fn dial(port: u16) -> Result<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let address = format!("ws://127.0.0.1:{port}/");
    Ok(client_async_with_config(address, stream, Some(config())).await?.0)
}

/// Half of each number, and one.
async fn worker(port: u16) -> Result<()> {
    let mut socket = dial(port).await?;
    socket.send(Message::text("worker")).await?;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(numbers) = message else { continue };
        let answer: Vec<u8> = numbers
            .as_chunks()
            .0
            .iter()
            .flat_map(|x| (f64::from_le_bytes(*x).mul_add(0.5, 1.0)).to_le_bytes())
            .collect();
        socket.send(Message::Binary(answer.into())).await?;
    }
    Ok(())
}

async fn hub() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    writeln!(std::io::stdout(), "{port}")?;
    let children = (0..WORKERS).map(|_| start(&port.to_string()));
    let mut children = children.collect::<Result<Vec<Child>>>()?;
    let (mut workers, mut driver) = (Vec::new(), None);
    while workers.len() < WORKERS || driver.is_none() {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut socket = accept_async_with_config(stream, Some(config())).await?;
        match socket.next().await {
            Some(Ok(Message::Text(who))) if who.as_str() == "worker" => workers.push(socket),
            _ => driver = Some(socket),
        }
    }
    let (mut driver, [a, b]) = (driver.context("a driver")?, &mut workers[..]) else {
        anyhow::bail!("two workers")
    };
    driver.send(Message::text("ready")).await?;
    while let Some(Ok(Message::Binary(numbers))) = driver.next().await {
        let (x, y) = tokio::try_join!(ask(a, numbers.clone()), ask(b, numbers))?;
        driver.send(Message::Binary(sum(&x, &y))).await?;
    }
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

async fn ask(worker: &mut Socket, numbers: Bytes) -> Result<Bytes> {
    worker.send(Message::Binary(numbers)).await?;
    Ok(worker.next().await.context("a worker ended")??.into_data())
}

#[expect(clippy::float_arithmetic, reason = "there is no money here")]
fn sum(x: &[u8], y: &[u8]) -> Bytes {
    let pairs = x.as_chunks().0.iter().zip(y.as_chunks().0);
    pairs
        .flat_map(|(x, y)| (f64::from_le_bytes(*x) + f64::from_le_bytes(*y)).to_le_bytes())
        .collect::<Vec<u8>>()
        .into()
}

/// A hub with its workers, as their driver sees them.
pub(super) struct Floor {
    socket: Socket,
    hub: Child,
}

impl Floor {
    pub(super) async fn start() -> Result<Self> {
        let mut hub = start(HUB)?;
        let mut line = String::new();
        BufReader::new(hub.stdout.as_mut().context("it has an output")?).read_line(&mut line)?;
        let mut socket = dial(line.trim().parse()?).await?;
        socket.send(Message::text("driver")).await?;
        ensure!(socket.next().await.is_some(), "the hub does not get ready");
        Ok(Self { socket, hub })
    }

    /// So many rounds of so many bytes, and what each took.
    pub(super) async fn rounds(&mut self, bytes: usize, count: usize) -> Result<Vec<Duration>> {
        let mut numbers = Bytes::from(vec![0; bytes]);
        let mut took = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            self.socket.send(Message::Binary(numbers)).await?;
            numbers = self.socket.next().await.context("the hub ended")??.into_data();
            took.push(began.elapsed());
            ensure!(numbers.len() == bytes, "the hub gave something else back");
        }
        Ok(took)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It ends with its driver, and its workers with it; what is gone already is no error.
        self.hub.kill().ok();
        self.hub.wait().ok();
    }
}
