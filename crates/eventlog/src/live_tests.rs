//! Live values over a Redis that is emptied, set back, restarted and changed by hand: they are
//! right again within 5 s, and the books do not notice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use medusa_api::{LiveEvent, Wallet};
use medusa_events::{Envelope, Fact};
use medusa_ledger::{Account, Bucket, Move};
use medusa_platform::Clock;
use medusa_platform::live::{Heard, Hub, Post, Publisher, Shown, write_anew, written_to};
use medusa_platform::supervise::supervise;
use medusa_testkit::{OwnRedis, TestDb};
use medusa_types::{Credits, UserId, Uuid};
use redis::aio::ConnectionManager;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{EventLog, LogConfig, NewEvent, show};

const KIND: &str = "gifts";
/// As long as a wrong value may be seen.
const LIMIT: Duration = Duration::from_secs(5);
const PEOPLE: u128 = 30;

/// What everybody was given.
#[derive(Default)]
struct Gifts(BTreeMap<UserId, Wallet>);

impl Gifts {
    fn fold(&mut self, envelope: &Envelope) -> Option<UserId> {
        let Fact::CreditsGranted { user, amount, .. } = &envelope.fact else { return None };
        let wallet = self.0.entry(*user).or_default();
        wallet.promo = wallet.promo.saturating_add(*amount);
        wallet.position = envelope.position;
        Some(*user)
    }
}

impl Shown<UserId> for Gifts {
    fn post(&mut self, id: &UserId) -> Option<Post> {
        let wallet = self.0.get(id)?.clone();
        let (position, whole) = (wallet.position, LiveEvent::Wallet(wallet));
        Some(Post { position, whole, change: None, last: false })
    }

    fn ended(&mut self, _: &UserId) {}

    fn all(&self) -> Vec<UserId> {
        self.0.keys().copied().collect()
    }
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn key(n: u128) -> String {
    format!("{KIND}:{{{}}}", user(n))
}

struct World {
    db: TestDb,
    log: EventLog,
    redis: OwnRedis,
    hub: Hub,
    _stop: DropGuard,
}

/// The keys that there should be, and what they hold.
type Values = BTreeMap<String, (String, String)>;

impl World {
    async fn new() -> Self {
        let (db, redis) = (TestDb::new().await.unwrap(), OwnRedis::start().unwrap());
        let stop = CancellationToken::new();
        let config = LogConfig { pool: db.pool.clone(), clock: Clock::system() };
        let log = crate::start(config, stop.clone()).await.unwrap();
        let hub = Hub::start(&redis.url(), stop.clone()).await.unwrap();
        let (shown, url) = (log.clone(), redis.url());
        supervise("test.live", stop.clone(), move || {
            show(shown.clone(), url.clone(), KIND, Gifts::default(), |gifts, envelope, _| {
                gifts.fold(envelope)
            })
        });
        Self { db, log, redis, hub, _stop: stop.drop_guard() }
    }

    async fn give(&self, n: u128) -> i64 {
        let (user, amount) = (user(n), Credits::from_micros(10));
        let fact = Fact::CreditsGranted { user, amount, why: "test".into() };
        let pay = Move::pay(Account::promo_grant(), Account::wallet(Bucket::Promo, user), amount);
        let event = NewEvent::new(format!("account-{user}"), fact).moving(vec![pay]);
        self.log.append_one(None, event).await.unwrap().position
    }

    async fn connect(&self) -> ConnectionManager {
        let client = redis::Client::open(self.redis.url()).unwrap();
        client.get_connection_manager().await.unwrap()
    }

    async fn order(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.exec_async(&mut self.connect().await).await.unwrap();
    }

    /// What the log says that Redis should hold.
    async fn truth(&self) -> Values {
        let mut gifts = Gifts::default();
        for event in crate::read_events(&self.db.pool, 0, 100_000).await.unwrap() {
            gifts.fold(&event.envelope);
        }
        let value = |(user, wallet): (UserId, Wallet)| {
            let position = wallet.position.to_string();
            let json = serde_json::to_string(&LiveEvent::Wallet(wallet)).unwrap();
            (format!("{KIND}:{{{user}}}"), (position, json))
        };
        gifts.0.into_iter().map(value).collect()
    }

    /// What Redis holds; nothing while it cannot be read like that.
    async fn found(&self) -> Option<Values> {
        let mut redis = self.connect().await;
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{KIND}:*")).query_async(&mut redis).await.ok()?;
        let mut values = Values::new();
        for key in keys {
            let get = redis::cmd("HMGET").arg(&key).arg("pos").arg("json").to_owned();
            let fields: BTreeSet<String> =
                redis::cmd("HKEYS").arg(&key).query_async(&mut redis).await.ok()?;
            if fields.len() != 2 {
                return None;
            }
            values.insert(key, get.query_async(&mut redis).await.ok()?);
        }
        Some(values)
    }

    /// Everybody's value becomes wrong, in one way or another.
    async fn poison(&self) {
        let wrong = r#"{"type":"wallet","available":"9999.00"}"#;
        let truth = self.truth().await;
        let (position, json) = truth.get(&key(3)).cloned().unwrap();
        let (head, as_long) = (self.log.head().to_string(), "x".repeat(json.len()));
        let orders = [
            vec!["HSET", "pos", "9000000000000000", "json", wrong],
            vec!["HSET", "pos", "9223372036854775807", "json", json.as_str()],
            vec!["HSET", "pos", head.as_str(), "json", wrong],
            vec!["HSET", "pos", position.as_str(), "json", wrong],
            vec!["HSET", "json", as_long.as_str()],
            vec!["HSET", "pos", "1"],
            vec!["HSET", "pos", "-1", "json", wrong],
            vec!["HSET", "pos", "soon", "json", wrong],
            vec!["HSET", "pos", "inf", "json", wrong],
            vec!["HSET", "pos", "nan", "json", wrong],
            vec!["HSET", "pos", ""],
            vec!["HSET", "json", "\0\u{fffd}"],
            vec!["HDEL", "pos"],
            vec!["HDEL", "json"],
            vec!["DEL"],
            vec!["SET", "a text"],
        ];
        for (words, n) in orders.iter().cycle().zip(0..PEOPLE - 1) {
            let key = key(n);
            self.order(&[&[words[0], key.as_str()], &words[1..]].concat()).await;
        }
        let last = key(PEOPLE - 1);
        self.order(&["DEL", &last]).await;
        self.order(&["RPUSH", &last, "a list"]).await;
    }

    /// Waits until Redis is right, and says how long that took.
    async fn heals(&self, after: &str) {
        let (began, truth) = (Instant::now(), self.truth().await);
        while self.found().await.as_ref() != Some(&truth) {
            assert!(began.elapsed() < LIMIT, "still wrong after {after}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn books(&self) -> Vec<String> {
        assert!(self.log.books_current().await);
        let query = "select a::text from ledger_account a order by id";
        sqlx::query_scalar(query).fetch_all(&self.db.pool).await.unwrap()
    }

    /// Keys and their bytes as Redis writes them into a copy of itself.
    async fn copy(&self) -> Vec<(String, Vec<u8>)> {
        let mut redis = self.connect().await;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
        let mut copy = Vec::new();
        for key in keys {
            let bytes = redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
            copy.push((key, bytes));
        }
        copy
    }

    async fn restore(&self, copy: &[(String, Vec<u8>)]) {
        let mut orders = redis::pipe();
        orders.atomic().cmd("FLUSHALL").ignore();
        for (key, bytes) in copy {
            orders.cmd("RESTORE").arg(key).arg(0).arg(bytes).ignore();
        }
        orders.exec_async(&mut self.connect().await).await.unwrap();
    }
}

#[tokio::test]
async fn whatever_happens_to_redis_its_values_are_right_again_within_seconds() {
    let mut w = World::new().await;
    for n in 0..PEOPLE {
        w.give(n).await;
    }
    w.heals("the start").await;
    let old = w.copy().await;
    for n in 0..PEOPLE {
        w.give(n).await;
    }
    w.heals("more events").await;
    let books = w.books().await;

    w.order(&["FLUSHALL"]).await;
    w.heals("a flush").await;
    w.restore(&old).await;
    assert_ne!(w.found().await, Some(w.truth().await), "the old copy is another");
    w.heals("an older copy of itself").await;
    w.redis.restart().unwrap();
    w.heals("a restart without anything").await;
    w.redis.restart().unwrap();
    w.restore(&old).await;
    w.heals("a restart with an older copy").await;

    w.poison().await;
    w.heals("values of every kind of wrong").await;
    for mark in ["a text", "9000000000000000"] {
        w.order(&["SET", "live:pos:gifts", mark]).await;
        w.order(&["HSET", &key(1), "pos", "1"]).await;
        w.heals("another mark").await;
    }
    w.order(&["DEL", "live:pos:gifts"]).await;
    w.order(&["RPUSH", "live:pos:gifts", "a list"]).await;
    let position = w.give(4).await;
    w.heals("one more event").await;
    assert_eq!(written_to(&w.redis.url(), KIND).await.unwrap(), Some(position));
    assert_eq!(w.books().await.len(), books.len());
    assert_eq!(crate::verify(&w.db.pool).await.unwrap().problems, [""; 0]);
}

#[tokio::test]
async fn all_values_are_right_again_when_every_one_was_changed() {
    let w = World::new().await;
    for n in 0..PEOPLE {
        w.give(n).await;
    }
    w.heals("the start").await;
    for n in 0..PEOPLE {
        let position = if n % 2 == 0 { "9000000000000000" } else { "1" };
        w.order(&["HSET", &key(n), "pos", position, "json", "{}"]).await;
    }
    w.heals("a change of all").await;
    write_anew(&w.redis.url(), KIND).await.unwrap();
    let asked = Instant::now();
    while written_to(&w.redis.url(), KIND).await.unwrap().is_none() {
        assert!(asked.elapsed() < LIMIT, "nobody writes anew");
        sleep(Duration::from_millis(20)).await;
    }
    w.heals("a wish").await;
}

#[tokio::test]
async fn who_listens_forgets_what_a_wrong_value_said() {
    let w = World::new().await;
    let position = w.give(1).await;
    w.heals("the start").await;
    let mut listener = w.hub.listen(KIND, user(1));
    w.order(&["HSET", &key(1), "pos", "9000000000000000", "json", "{}"]).await;
    let lost = async { while !matches!(listener.next().await, Heard::Lost) {} };
    timeout(LIMIT, lost).await.expect("the listener is told to read again");
    match w.hub.read(KIND, user(1)).await.unwrap() {
        Some(LiveEvent::Wallet(wallet)) => assert_eq!(wallet.position, position),
        other => panic!("{other:?}"),
    }
}

/// A publisher that stopped reading the log at some position.
async fn publish(w: &World, at: i64, end: Option<i64>) -> bool {
    let mut gifts = Gifts::default();
    for event in crate::read_events(&w.db.pool, 0, at).await.unwrap() {
        gifts.fold(&event.envelope);
    }
    let mut publisher = Publisher::new(KIND, &w.redis.url()).unwrap();
    publisher.touch(user(1));
    if let Some(end) = end {
        publisher.log_ends_at(end);
    }
    publisher.flush(&mut gifts, at).await;
    publisher.doubts()
}

#[tokio::test]
async fn an_older_value_never_takes_the_place_of_a_newer_one() {
    let db = TestDb::new().await.unwrap();
    let redis = OwnRedis::start().unwrap();
    let stop = CancellationToken::new();
    let config = LogConfig { pool: db.pool.clone(), clock: Clock::system() };
    let log = crate::start(config, stop.clone()).await.unwrap();
    let hub = Hub::start(&redis.url(), stop.clone()).await.unwrap();
    let w = World { db, log, redis, hub, _stop: stop.drop_guard() };
    for _ in 0..3 {
        w.give(1).await;
    }
    let truth = w.truth().await;
    assert!(!publish(&w, 3, None).await);
    assert_eq!(w.found().await, Some(truth.clone()));
    // Who has read less gives way, also when it asks how long the log is.
    assert!(publish(&w, 1, None).await);
    assert!(publish(&w, 2, Some(3)).await);
    assert_eq!(w.found().await, Some(truth.clone()));
    // What is newer than the log itself was never true.
    w.order(&["HSET", &key(1), "pos", "4"]).await;
    assert!(publish(&w, 3, None).await, "who does not know asks first");
    assert!(!publish(&w, 3, Some(3)).await);
    assert_eq!(w.found().await, Some(truth));
}
