//! Sessions in tests: how one is opened and driven, what its rounds should answer, and what the log
//! says that they cost.
#![expect(clippy::float_arithmetic, reason = "what programs compute; money is whole numbers")]

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use medusa_api::{ClientWord, HomeWord, Session, SessionRequest, SessionState, Split};
use medusa_client::{Rounds, operation_id};
use medusa_protocol::{Number, Reduce, SESSION_SUBPROTOCOL, SessionHead, SessionKind};
use medusa_types::Credits;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::books::projected;
use super::{House, Person, add_program, range, until};

/// The sum of 64-bit floats.
pub(crate) const SUM: (Reduce, Number) = (Reduce::Sum, Number::F64);

/// Numbers as bytes.
pub(crate) fn numbers(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

/// Bytes as numbers.
pub(crate) fn read(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
}

/// A session over so many shards of `each` numbers, which count up from 0.
pub(crate) async fn open_session(
    person: &Person,
    wasm: Vec<u8>,
    (shards, each): (u64, u64),
    change: impl FnOnce(&mut SessionRequest),
) -> Session {
    let program = add_program(person, wasm).await.unwrap();
    let input = numbers((0..shards * each).map(|n| f64::from(u32::try_from(n).unwrap())));
    let input = person.client.upload_bytes(Bytes::from(input)).await.unwrap();
    let mut spec = range(shards, 1);
    spec.split = Split::Bytes { bytes: each * 8 };
    let mut request = SessionRequest {
        program,
        input: Some(input.sha256),
        spec,
        spares: 0,
        budget: Credits::from_micros(5_000_000),
        keep_nan: false,
        remembers: false,
    };
    change(&mut request);
    person.client.open_session(&request, operation_id()).await.unwrap()
}

/// Its rounds, when every shard has an agent.
pub(crate) async fn drive(session: &Session) -> Rounds {
    let home = session.home.as_ref().expect("it is open");
    Rounds::connect(&home.url).await.unwrap()
}

/// The session when it has ended.
pub(crate) async fn over(person: &Person, session: &Session) -> Session {
    until("the end of the session", async || {
        let now = person.client.session(session.id).await.unwrap();
        (now.state != SessionState::Open).then_some(now)
    })
    .await
}

/// What one shard of `step` answers to these numbers.
pub(crate) fn answered(round: &[f64], shard: u64) -> Vec<f64> {
    let each = u64::try_from(round.len()).unwrap();
    let own = (shard * each..).map(|n| f64::from(u32::try_from(n).unwrap()));
    round.iter().zip(own).map(|(x, own)| x * 0.5 + own).collect()
}

/// What all of them answer together.
pub(crate) fn expected(round: &[f64], shards: u64) -> Vec<f64> {
    let add = |sum: Vec<f64>, more: Vec<f64>| sum.iter().zip(&more).map(|(a, b)| a + b).collect();
    (0..shards).map(|shard| answered(round, shard)).reduce(add).unwrap()
}

/// A client that sees everything that a session says.
pub(crate) struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Word(HomeWord),
    Answer(SessionHead, Vec<u8>),
}

impl Wire {
    pub(crate) async fn connect(session: &Session) -> Self {
        let url = &session.home.as_ref().expect("it is open").url;
        let mut request = url.into_client_request().unwrap();
        let spoken = SESSION_SUBPROTOCOL.parse().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", spoken);
        let (socket, _) = Box::pin(tokio_tungstenite::connect_async(request)).await.unwrap();
        Self { socket }
    }

    /// Waits until it is ready; the last round that was begun.
    pub(crate) async fn ready(&mut self) -> u64 {
        loop {
            if let Said::Word(HomeWord::Ready { round, .. }) = self.next().await {
                return round;
            }
        }
    }

    pub(crate) async fn send(&mut self, message: Vec<u8>) {
        self.socket.send(Message::Binary(message.into())).await.unwrap();
    }

    /// Sends a round to be summed up.
    pub(crate) async fn round(&mut self, number: u64, payload: &[u8]) {
        let head = SessionHead::new(SessionKind::Round, number, payload.len().try_into().unwrap());
        let head = SessionHead { reduce: SUM.0, number: SUM.1, ..head };
        for message in head.messages(payload) {
            self.send(message).await;
        }
    }

    /// Ends the session when all is answered.
    pub(crate) async fn finish(&mut self) {
        let word = serde_json::to_string(&ClientWord::Finish).unwrap();
        self.socket.send(Message::Text(word.into())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Said {
        loop {
            match self.socket.next().await.expect("it is open").unwrap() {
                Message::Text(words) => return Said::Word(serde_json::from_str(&words).unwrap()),
                Message::Binary(message) => {
                    let (head, part) = SessionHead::decode(&message).unwrap();
                    return Said::Answer(head, part.to_vec());
                }
                _ => {}
            }
        }
    }
}

/// What the log says that a session cost.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) price: i64,
    pub(crate) rounds: u64,
    /// Agents that were paid, with what their seats were paid last.
    pub(crate) windows_of: BTreeMap<String, u64>,
}

/// Reads all windows of a session, and checks that every seat is paid exactly the price of its
/// fuel, once, less the platform's part.
pub(crate) async fn cost(house: &House, session: &Session) -> Cost {
    projected(house).await;
    let facts: Vec<Value> = sqlx::query_scalar(
        "select body -> 'data' from audit.events
         where kind in ('sessions.session_opened', 'billing.rounds_settled')
             and body -> 'data' ->> 'session' = $1 order by pos",
    )
    .bind(session.id.to_string())
    .fetch_all(&house.db.pool)
    .await
    .unwrap();
    let (opened, windows) = facts.split_first().expect("it was opened");
    let credits =
        |value: &Value| serde_json::from_value::<Credits>(value.clone()).unwrap().micros();
    let number = |value: &Value| i64::try_from(value.as_u64().unwrap()).unwrap();
    let (per_gfuel, per_start) = (credits(&opened["per_gfuel"]), credits(&opened["per_start"]));
    let price_of = |fuel: i64| -> i64 {
        let micros =
            (i128::from(fuel) * i128::from(per_gfuel) + 999_999_999).div_euclid(1_000_000_000);
        i64::try_from(micros).unwrap() + per_start
    };
    let mut paid: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let mut cost = Cost { price: 0, rounds: 0, windows_of: BTreeMap::new() };
    for (n, window) in (1..).zip(windows) {
        assert_eq!(window["window"], n, "windows are counted, and each is there once");
        let round = window["round"].as_u64().unwrap();
        assert!(round >= cost.rounds);
        let (mut price, mut fees) = (0, 0);
        for share in window["shares"].as_array().unwrap() {
            let lease = share["lease"].as_str().unwrap().to_owned();
            let (fuel, before) = paid.get(&lease).copied().unwrap_or_default();
            let now = number(&share["fuel"]);
            assert!(now >= fuel, "fuel only grows");
            let part = (price_of(now) - before).min(session.held.micros() - cost.price - price);
            let fee = (part * number(&opened["fee_permille"])).div_euclid(1_000);
            assert_eq!(credits(&share["amount"]), part - fee);
            (price, fees) = (price + part, fees + fee);
            paid.insert(lease, (now, price_of(now)));
            cost.windows_of.insert(share["agent"].as_str().unwrap().to_owned(), n);
        }
        assert_eq!((credits(&window["price"]), credits(&window["fee"])), (price, fees));
        (cost.price, cost.rounds) = (cost.price + price, round);
    }
    let whole: i64 = paid.values().map(|(_, price)| price).sum();
    assert_eq!(cost.price, whole.min(session.held.micros()), "all fuel is paid, and once");
    cost
}

/// Checks the money of a session that has ended, with a consumer who has opened only these.
pub(crate) async fn paid_right(house: &House, consumer: &Person, sessions: &[&Session]) {
    let mut spent = 0;
    for session in sessions {
        let ended = over(consumer, session).await;
        let cost = cost(house, session).await;
        assert_eq!(ended.spent.micros(), cost.price);
        assert!(ended.spent <= ended.held);
        spent += cost.price;
    }
    let wallet = consumer.client.wallet().await.unwrap();
    assert_eq!(wallet.held, Credits::ZERO, "the rest came back");
    assert_eq!(wallet.available.micros(), super::books::WELCOME.micros() - spent);
    assert_eq!(super::broken_invariants(house).await, [""; 0]);
}
