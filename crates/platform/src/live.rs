//! What changes by the second: values in Redis, told to whoever listens.
//!
//! A [`Publisher`] writes one kind of value, each with the log position that it reflects, and
//! publishes the change in the same script: a reader who listens first and reads then misses
//! nothing. A value is replaced only by a newer one. A [`Hub`] is the one subscription of a process
//! and hands messages to its listeners through bounded queues; whoever falls behind, or was cut
//! off, is told [`Heard::Lost`] and starts from a whole value again.
//!
//! Redis may be emptied or away at any time. Both ends notice, and write or ask for everything
//! anew; nothing here is a record of anything.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, pending, try_join_all};
use medusa_api::LiveEvent;
use medusa_types::UserId;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{PushInfo, PushKind, RedisError, Script, Value};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::supervise::supervise;

/// Between two messages about one thing. The first comes at once.
const PACE: Duration = Duration::from_millis(40);
/// Between two looks whether Redis still holds what was written.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure, until the next try.
const RETRY: Duration = Duration::from_millis(500);
/// How long one round of writing may take.
const WRITE_LIMIT: Duration = Duration::from_secs(2);
/// Values of one round; the others wait for the next.
const POSTS_MAX: usize = 500;
/// Messages that a listener may lie behind.
const BEHIND_MAX: usize = 64;
/// Between two renewals of the subscription, which heal what reconnecting did not.
const RENEW: Duration = Duration::from_secs(2);
/// What the names of channels begin with; the topic follows.
const CHANNELS: &str = "live:";
/// How long a value is kept after its last change.
const KEPT_S: u32 = 86_400;
/// How long the last value of a thing that has ended is kept.
const ENDED_KEPT_S: u32 = 3_600;

/// Writes and publishes in one step. What the key holds decides which text listeners get: the
/// change, when they can know what was before it, else the whole.
const WRITE: &str = "
local at = redis.call('hget', KEYS[1], 'pos')
if at and at ~= ARGV[2] and tonumber(at) > tonumber(ARGV[1]) then return 0 end
redis.call('hset', KEYS[1], 'pos', ARGV[1], 'json', ARGV[3])
redis.call('expire', KEYS[1], ARGV[5])
local text = ARGV[3]
if at and at == ARGV[2] and ARGV[4] ~= '' then text = ARGV[4] end
redis.call('publish', ARGV[6], text)
return 1
";

/// The part in braces keeps what belongs together on one node of a cluster.
fn key(kind: &str, id: &impl Display) -> String {
    format!("{kind}:{{{id}}}")
}

/// Connects on first use, and fails fast while nothing answers.
fn manager(url: &str, config: ConnectionManagerConfig) -> Result<ConnectionManager, RedisError> {
    let config = config.set_number_of_retries(1).set_min_delay(Duration::from_millis(50));
    redis::Client::open(url)?.get_connection_manager_lazy(config)
}

/// What is to be told about one thing.
#[derive(Clone, Debug)]
pub struct Post {
    /// Log position that it reflects.
    pub position: i64,
    /// The thing as it is: kept, and told to listeners who may have missed something.
    pub whole: LiveEvent,
    /// What changed since the post before; none when it is always told as a whole.
    pub change: Option<LiveEvent>,
    /// Whether nothing will come after it.
    pub last: bool,
}

/// The things of one kind, folded from the log by who owns them.
pub trait Shown<K> {
    /// What is to be told about a thing now; changes count from here on. None when it is gone.
    fn post(&mut self, id: &K) -> Option<Post>;
    /// Redis has the last post of a thing, which can be forgotten.
    fn ended(&mut self, id: &K);
    /// Everything that is there, to be written again.
    fn all(&self) -> Vec<K>;
}

/// Writes the values of one kind, each at most once in 40 ms.
pub struct Publisher<K> {
    kind: &'static str,
    redis: ConnectionManager,
    script: Script,
    /// What changed, and from when on it may be sent.
    waiting: BTreeMap<K, Instant>,
    sent: BTreeMap<K, Instant>,
    /// Positions that the keys hold, as far as is known.
    written: BTreeMap<K, i64>,
    /// What the mark in Redis was set to.
    mark: Option<i64>,
    look_at: Instant,
    failing: bool,
}

impl<K: Ord + Clone + Display> Publisher<K> {
    /// A publisher of values of this kind, the first part of their keys and topics. There must be
    /// one in the installation. Does not wait for Redis.
    ///
    /// # Errors
    /// When the address is wrong.
    pub fn new(kind: &'static str, url: &str) -> Result<Self, RedisError> {
        Ok(Self {
            kind,
            redis: manager(url, ConnectionManagerConfig::new())?,
            script: Script::new(WRITE),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            written: BTreeMap::new(),
            mark: None,
            look_at: Instant::now(),
            failing: false,
        })
    }

    /// Notes that a thing changed.
    pub fn touch(&mut self, id: K) {
        let due = self.sent.get(&id).map_or_else(Instant::now, |sent| *sent + PACE);
        self.waiting.entry(id).or_insert(due);
    }

    /// Waits until [`Self::flush`] has something to do.
    pub async fn due(&self) {
        let first = self.waiting.values().min().filter(|_| !self.failing);
        sleep_until(first.map_or(self.look_at, |first| self.look_at.min(*first))).await;
    }

    /// Writes what is due. A failure is logged once and tried again later; nothing is lost by it.
    pub async fn flush(&mut self, shown: &mut impl Shown<K>, position: i64) {
        let now = Instant::now();
        self.sent.retain(|_, sent| now < *sent + PACE);
        let due = self.waiting.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        let due: Vec<K> = due.take(POSTS_MAX).collect();
        let mut posts = Vec::with_capacity(due.len());
        for id in due {
            self.waiting.remove(&id);
            self.sent.insert(id.clone(), now);
            posts.extend(shown.post(&id).map(|post| (id, post)));
        }
        let wrote = timeout(WRITE_LIMIT, self.write(position, &posts)).await;
        match wrote {
            Ok(Ok(mark)) => self.keep(shown, posts, position, mark),
            Ok(Err(error)) => self.fail(posts, &chain(&error)),
            Err(_) => self.fail(posts, "it takes too long"),
        }
    }

    /// Writes posts and mark; answers what the mark was.
    async fn write(&self, position: i64, posts: &[(K, Post)]) -> Result<Option<i64>, RedisError> {
        let mut redis = self.redis.clone();
        let mut set = redis::cmd("SET");
        set.arg(format!("live:pos:{}", self.kind)).arg(position).arg("GET");
        let sends = posts.iter().map(|(id, post)| self.send(id, post));
        let (mark, sent) = join(set.query_async(&mut redis), try_join_all(sends)).await;
        sent?;
        mark
    }

    async fn send(&self, id: &K, post: &Post) -> Result<(), RedisError> {
        let before = self.written.get(id).map(i64::to_string).unwrap_or_default();
        let kept_s = if post.last { ENDED_KEPT_S } else { KEPT_S };
        self.script
            .key(key(self.kind, id))
            .arg(post.position)
            .arg(before)
            .arg(text(&post.whole))
            .arg(post.change.as_ref().map(text).unwrap_or_default())
            .arg(kept_s)
            .arg(format!("{CHANNELS}{}:{id}", self.kind))
            .invoke_async(&mut self.redis.clone())
            .await
    }

    fn keep(
        &mut self,
        shown: &mut impl Shown<K>,
        posts: Vec<(K, Post)>,
        position: i64,
        mark: Option<i64>,
    ) {
        if self.failing {
            tracing::info!(kind = self.kind, "live values are written again");
        }
        self.failing = false;
        self.look_at = Instant::now() + LOOK;
        for (id, post) in posts {
            if post.last {
                self.written.remove(&id);
                shown.ended(&id);
            } else {
                self.written.insert(id, post.position);
            }
        }
        let lost = self.mark.is_some() && self.mark != mark;
        self.mark = Some(position);
        if lost {
            tracing::warn!(kind = self.kind, "redis lost its values; they are written anew");
            self.written.clear();
            for id in shown.all() {
                self.touch(id);
            }
        }
    }

    fn fail(&mut self, posts: Vec<(K, Post)>, error: &str) {
        if !self.failing {
            tracing::warn!(kind = self.kind, error, "live values cannot be written");
        }
        self.failing = true;
        self.look_at = Instant::now() + RETRY;
        for (id, _) in posts {
            // Whether it was written is not known, so the next one goes as a whole.
            self.written.remove(&id);
            self.waiting.insert(id, self.look_at);
        }
    }
}

/// A live event as it stands in Redis and goes over the wire.
fn text(event: &LiveEvent) -> String {
    // Strings, numbers and lists of them: writing cannot fail.
    serde_json::to_string(event).unwrap_or_default()
}

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A change, or the whole.
    Event(Arc<LiveEvent>),
    /// Something was missed: read the whole.
    Lost,
}

/// The one subscription of a process. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    url: String,
    reader: ConnectionManager,
    topics: Mutex<BTreeMap<String, broadcast::Sender<Heard>>>,
    /// Open connections of each person, oldest first.
    seats: Mutex<BTreeMap<UserId, VecDeque<CancellationToken>>>,
}

impl Hub {
    /// Starts listening, until `stop`. Redis must answer now, and may be away later.
    ///
    /// # Errors
    /// When the address is wrong or nothing answers there.
    pub async fn start(url: &str, stop: CancellationToken) -> Result<Self, RedisError> {
        let mut reader = manager(url, ConnectionManagerConfig::new())?;
        redis::cmd("PING").exec_async(&mut reader).await?;
        let (topics, seats) = (Mutex::default(), Mutex::default());
        let hub = Self(Arc::new(Inner { url: url.to_owned(), reader, topics, seats }));
        let running = hub.clone();
        supervise("live.hub", stop, move || running.clone().run());
        Ok(hub)
    }

    /// Listens to what is told about a thing. Listen first, then read.
    #[must_use]
    pub fn listen(&self, kind: &str, id: impl Display) -> Listener {
        let topic = format!("{kind}:{id}");
        let mut topics = self.topics();
        let sender =
            topics.entry(topic.clone()).or_insert_with(|| broadcast::Sender::new(BEHIND_MAX));
        Listener { messages: sender.subscribe(), topic, hub: self.clone() }
    }

    /// The value that Redis keeps of a thing.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn read(
        &self,
        kind: &str,
        id: impl Display,
    ) -> Result<Option<LiveEvent>, RedisError> {
        let mut get = redis::cmd("HGET");
        get.arg(key(kind, &id)).arg("json");
        let found: Option<String> = get.query_async(&mut self.0.reader.clone()).await?;
        // What an older server wrote in another shape is as good as nothing.
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// A place for one more connection of a person. Beyond `most` of them the oldest has to go: a
    /// connection that was left is noticed late, and must not keep a new one out.
    #[must_use]
    pub fn seat(&self, person: UserId, most: usize) -> Seat {
        let token = CancellationToken::new();
        let mut seats = self.seats();
        let taken = seats.entry(person).or_default();
        taken.push_back(token.clone());
        while taken.len() > most.max(1) {
            if let Some(oldest) = taken.pop_front() {
                oldest.cancel();
            }
        }
        drop(seats);
        Seat { person, token, hub: self.clone() }
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<UserId, VecDeque<CancellationToken>>> {
        // Every state of the lists is a sound one, also after a panic.
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics(&self) -> MutexGuard<'_, BTreeMap<String, broadcast::Sender<Heard>>> {
        // A map of senders is whole even when a holder panicked.
        self.0.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self) -> Result<(), RedisError> {
        let (sender, mut pushes) = mpsc::unbounded_channel();
        let config = ConnectionManagerConfig::new();
        let config = config.set_push_sender(sender).set_automatic_resubscription();
        let mut redis = manager(&self.0.url, config)?;
        let pattern = format!("{CHANNELS}*");
        let mut renew = interval(RENEW);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Before the subscription stands, messages go by unheard.
        let mut cut = true;
        loop {
            tokio::select! {
                push = pushes.recv() => match push {
                    Some(push) => self.hear(&push, &mut cut),
                    None => return Ok(()),
                },
                _ = renew.tick() => if let Err(error) = redis.psubscribe(&pattern).await {
                    tracing::debug!(error = %chain(&error), "live values cannot be heard");
                },
            }
        }
    }

    fn hear(&self, push: &PushInfo, cut: &mut bool) {
        match push.kind {
            PushKind::Disconnection => *cut = true,
            PushKind::PSubscribe if *cut => {
                *cut = false;
                for sender in self.topics().values() {
                    // Who is gone by now has nothing to read again.
                    let _gone = sender.send(Heard::Lost);
                }
            }
            PushKind::PMessage => {
                if let [_, Value::BulkString(channel), Value::BulkString(text)] =
                    push.data.as_slice()
                {
                    self.tell(channel, text);
                }
            }
            _ => {}
        }
    }

    /// Hands a message to the listeners of its topic. Without any it is not even decoded.
    fn tell(&self, channel: &[u8], text: &[u8]) {
        let topic = std::str::from_utf8(channel).ok().and_then(|c| c.strip_prefix(CHANNELS));
        let Some(sender) = topic.and_then(|topic| self.topics().get(topic).cloned()) else {
            return;
        };
        let heard = match serde_json::from_slice(text) {
            Ok(event) => Heard::Event(Arc::new(event)),
            Err(error) => {
                tracing::warn!(%error, "a live message is malformed");
                Heard::Lost
            }
        };
        let _gone = sender.send(heard);
    }
}

/// Listens to one thing.
pub struct Listener {
    messages: broadcast::Receiver<Heard>,
    topic: String,
    hub: Hub,
}

impl Listener {
    /// The next message; waits for it. Can be dropped while it waits.
    pub async fn next(&mut self) -> Heard {
        match self.messages.recv().await {
            Ok(heard) => heard,
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Lost,
            // The hub keeps the sender while anybody listens.
            Err(broadcast::error::RecvError::Closed) => pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut topics = self.hub.topics();
        // This one is still counted.
        if topics.get(&self.topic).is_some_and(|sender| sender.receiver_count() <= 1) {
            topics.remove(&self.topic);
        }
    }
}

/// One of the connections that a person may have.
pub struct Seat {
    person: UserId,
    token: CancellationToken,
    hub: Hub,
}

impl Seat {
    /// Waits until newer connections need the place.
    pub async fn lost(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Marks the own entry, which has no other name.
        self.token.cancel();
        let mut seats = self.hub.seats();
        if let Some(taken) = seats.get_mut(&self.person) {
            taken.retain(|token| !token.is_cancelled());
            if taken.is_empty() {
                seats.remove(&self.person);
            }
        }
    }
}
