//! Hearing live values: the one subscription of a process, handed to its listeners through bounded
//! queues. Whoever falls behind, or was cut off, is told [`Heard::Lost`] and starts from a whole
//! value again. Also the places that one person's connections may take.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::pending;
use medusa_api::LiveEvent;
use medusa_types::UserId;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{CHANNELS, key, manager};
use crate::error::chain;
use crate::supervise::supervise;

/// Messages that a listener may lie behind.
const BEHIND_MAX: usize = 64;
/// Between two renewals of the subscription, which heal what reconnecting did not.
const RENEW: Duration = Duration::from_secs(2);

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

    /// Hands a message to the listeners of its topic. Without any it is not even decoded. An empty
    /// one says that what they know may be wrong.
    fn tell(&self, channel: &[u8], text: &[u8]) {
        let topic = std::str::from_utf8(channel).ok().and_then(|c| c.strip_prefix(CHANNELS));
        let Some(sender) = topic.and_then(|topic| self.topics().get(topic).cloned()) else {
            return;
        };
        let heard = match serde_json::from_slice(text) {
            _ if text.is_empty() => Heard::Lost,
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
