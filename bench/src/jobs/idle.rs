//! What a connected agent that does nothing costs the server: 5,000 of them over WebSocket, with
//! their pulses, and the server's memory with and without them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use medusa_protocol::{Frame, HEARTBEAT_MS, Hello, Message, Pulse, SUBPROTOCOL};
use medusa_types::{METER, Sha256Hash, UserId};
use sqlx::{Connection as _, PgConnection};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::figure;
use crate::house::House;

const AGENTS: u32 = 5_000;
const AIM_KIB: f64 = 40.0;
/// Lenders that they belong to.
const LENDERS: u32 = 50;
/// Agents that connect at the same time.
const AT_ONCE: usize = 64;
/// Each agent has pulsed several times by then.
const SETTLE: Duration = Duration::from_secs(40);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn measure() -> Result<()> {
    let house = House::open().await?;
    let keys = enrol(&house).await?;
    // What every first connection brings along is not the agents'.
    drop(connect(house.address(), "warm").await.ok());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = house.server_bytes()?;
    let connecting = stream::iter(&keys).map(|key| connect(house.address(), key));
    let mut sockets: Vec<Socket> = connecting.buffer_unordered(AT_ONCE).try_collect().await?;
    figure::say(&format!("{} agents are connected", sockets.len()));
    let pulsing = async {
        loop {
            pulse(&mut sockets).await?;
            tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS >> 1)).await;
        }
    };
    let pulsed: Result<()> = tokio::time::timeout(SETTLE, pulsing).await.unwrap_or(Ok(()));
    pulsed.context("an agent was cut off")?;
    let after = house.server_bytes()?;
    let more = after.saturating_sub(before);
    figure::say(&format!("the server holds {before} bytes without them, {after} with them"));
    #[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
    let each = f64::from(u32::try_from(more >> 10)?) * 1024.0 / f64::from(AGENTS);
    figure::kib("idle_agent_kib", each, AIM_KIB);
    Ok(())
}

/// Keys of agents that are enrolled. Five thousand device flows would measure something else.
async fn enrol(house: &House) -> Result<Vec<String>> {
    let mut lenders: Vec<UserId> = Vec::new();
    for n in 0..LENDERS {
        lenders.push(house.person(&format!("lender{n}")).await?.client.me().await?.user);
    }
    let mut db = PgConnection::connect(&house.database()?).await?;
    let mut keys = Vec::new();
    for (n, lender) in (0..AGENTS).zip(lenders.iter().cycle()) {
        let key = format!("idle-agent-{n}");
        sqlx::query(
            "insert into agent (agent_id, owner_id, name, key_hash, enrolled_at)
             values (gen_random_uuid(), $1, $2, $3, now())",
        )
        .bind(lender.0)
        .bind(&key)
        .bind(Sha256Hash::of(key.as_bytes()).0.to_vec())
        .execute(&mut db)
        .await?;
        keys.push(key);
    }
    Ok(keys)
}

/// Connects and is welcomed.
async fn connect(address: &str, key: &str) -> Result<Socket> {
    let mut request = format!("ws://{address}/v1/agent/link").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {key}").parse()?);
    headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse()?);
    let (mut socket, _) = connect_async(request).await?;
    let hello = Hello {
        software: "medusa-bench".into(),
        meter: METER.into(),
        slots: 4,
        memory_bytes: 8 << 30,
        arch: "x86_64".into(),
        os: "linux".into(),
        paused: false,
        ..Hello::default()
    };
    socket.send(WsMessage::Binary(Frame::of(Message::Hello(hello)).encode())).await?;
    while let Some(message) = socket.next().await {
        if let WsMessage::Binary(bytes) = message? {
            return match Frame::decode(&bytes)?.message {
                Message::Welcome(_) => Ok(socket),
                other => bail!("not welcomed: {other:?}"),
            };
        }
    }
    bail!("the server hung up")
}

/// What an agent says twice in each interval: that it lives, and does the server?
async fn pulse(sockets: &mut [Socket]) -> Result<()> {
    for socket in sockets {
        let pulse = Pulse::default();
        socket.feed(WsMessage::Binary(Frame::of(Message::Pulse(pulse)).encode())).await?;
        socket.send(WsMessage::Ping(Vec::new().into())).await?;
        let answer = socket.next().await.context("the server hung up")??;
        if !matches!(answer, WsMessage::Pong(_)) {
            bail!("a pong was expected");
        }
    }
    Ok(())
}
