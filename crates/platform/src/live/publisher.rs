//! Writing live values. Each value carries its log position and gives way only to a newer one. A
//! position is believed as far as the log goes: what claims more than that, or something else than
//! what was written, is written over. Values are looked at in turn, some at a time, so that looking
//! costs the same however many there are; up to 10,000 of a kind are right again within 5 s.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::hash::BuildHasher as _;
use std::ops::Bound;
use std::time::Duration;

use futures_util::future::{join, try_join_all};
use medusa_api::LiveEvent;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};
use tokio::time::{Instant, sleep_until, timeout};

use super::mark::Mark;
use super::{CHANNELS, Post, Shown, key, manager};
use crate::error::chain;

/// Between two messages about one thing. The first comes at once.
const PACE: Duration = Duration::from_millis(40);
/// Between two looks whether Redis is as it was left.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at some of the values.
const SCRUB_EVERY: Duration = Duration::from_millis(200);
/// All values are looked at in so many steps, as long as a step is not too large.
const SCRUB_STEPS: usize = 10;
/// Values and bytes of one step.
const SCRUB_MAX: usize = 500;
const SCRUB_BYTES_MAX: usize = 2 * 1024 * 1024;
/// After a failure, until the next try.
const RETRY: Duration = Duration::from_millis(500);
/// How long one round of writing may take.
const WRITE_LIMIT: Duration = Duration::from_secs(2);
/// Values of one round; the others wait for the next.
const POSTS_MAX: usize = 500;
/// How long a value is kept after it was last looked at.
const KEPT_S: u32 = 86_400;
/// How long the last value of a thing that has ended is kept.
const ENDED_KEPT_S: u32 = 3_600;

/// Writes and publishes in one step. What the key holds decides which text listeners get: the
/// change, when they can know what was before it, else the whole. After a value that was wrong they
/// get an empty text, by which they forget what they know. Answers 0, and does nothing, when the
/// key has a newer value that may be right.
const WRITE: &str = "
local position, before, read, log_end = ARGV[1], ARGV[2], ARGV[7], ARGV[8]
local at = false
if redis.call('type', KEYS[1]).ok == 'hash' then at = redis.call('hget', KEYS[1], 'pos') end
local found = tonumber(at or '')
if found and at ~= before and found > tonumber(position) and found > tonumber(read)
    and (log_end == '' or found <= tonumber(log_end)) then return 0 end
local text = ARGV[3]
if at and at == before and ARGV[4] ~= '' then text = ARGV[4] end
if ARGV[9] == '1' or (at and (not found or found > tonumber(position))) then text = '' end
redis.call('del', KEYS[1])
redis.call('hset', KEYS[1], 'pos', position, 'json', ARGV[3])
redis.call('expire', KEYS[1], ARGV[5])
redis.call('publish', ARGV[6], text)
return 1
";

/// Answers a value, and keeps it for longer, unless already its position or its length are not
/// these.
const LOOK_AT: &str = "
if redis.call('type', KEYS[1]).ok ~= 'hash' then return false end
if redis.call('hget', KEYS[1], 'pos') ~= ARGV[1] then return false end
if redis.call('hstrlen', KEYS[1], 'json') ~= tonumber(ARGV[2]) then return false end
redis.call('expire', KEYS[1], ARGV[3])
return redis.call('hget', KEYS[1], 'json')
";

/// A value as it was written.
struct Written {
    position: i64,
    bytes: usize,
    digest: u64,
}

/// A post on its way, with the text of the whole.
struct Sending<K> {
    id: K,
    post: Post,
    whole: String,
}

/// Writes the values of one kind, each at most once in 40 ms.
pub struct Publisher<K> {
    kind: &'static str,
    redis: ConnectionManager,
    write: Script,
    look_at: Script,
    hasher: RandomState,
    /// What changed, and from when on it may be sent.
    waiting: BTreeMap<K, Instant>,
    sent: BTreeMap<K, Instant>,
    /// What the keys hold, as far as is known.
    written: BTreeMap<K, Written>,
    /// Things whose keys were found to hold something else.
    wrong: BTreeSet<K>,
    /// Where the looking goes on.
    scrubbed: Option<K>,
    mark: Mark,
    /// Things whose keys have a newer value than anything that was read.
    doubted: BTreeSet<K>,
    /// The end of the log, when it was just asked for.
    log_end: Option<i64>,
    next_look: Instant,
    next_scrub: Instant,
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
            write: Script::new(WRITE),
            look_at: Script::new(LOOK_AT),
            hasher: RandomState::new(),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            written: BTreeMap::new(),
            wrong: BTreeSet::new(),
            scrubbed: None,
            mark: Mark::new(kind),
            doubted: BTreeSet::new(),
            log_end: None,
            next_look: Instant::now(),
            next_scrub: Instant::now(),
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
        let mut due = self.next_look;
        if !self.failing {
            due = self.waiting.values().fold(due, |due, at| due.min(*at));
            if !self.written.is_empty() {
                due = due.min(self.next_scrub);
            }
        }
        sleep_until(due).await;
    }

    /// Whether a value stands in the way that claims to be newer than anything that was read. Who
    /// asks looks up where the log ends and tells it by [`Self::log_ends_at`].
    #[must_use]
    pub fn doubts(&self) -> bool {
        !self.doubted.is_empty()
    }

    /// The position of the last event that is stored at this moment.
    pub const fn log_ends_at(&mut self, position: i64) {
        self.log_end = Some(position);
    }

    /// Writes what is due, and looks at some of what was written before. `read` is how far the log
    /// was read. A failure is logged once and tried again later; nothing is lost by it.
    pub async fn flush(&mut self, shown: &mut impl Shown<K>, read: i64) {
        if self.next_scrub <= Instant::now() {
            self.scrub().await;
        }
        let now = Instant::now();
        self.sent.retain(|_, sent| now < *sent + PACE);
        let due = self.waiting.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        let due: Vec<K> = due.take(POSTS_MAX).collect();
        if due.is_empty() && now < self.next_look {
            self.log_end = None;
            return;
        }
        let mut posts = Vec::with_capacity(due.len());
        for id in due {
            self.waiting.remove(&id);
            self.sent.insert(id.clone(), now);
            if let Some(post) = shown.post(&id) {
                posts.push(Sending { whole: text(&post.whole), id, post });
            }
        }
        let wrote = timeout(WRITE_LIMIT, self.write(read, &posts)).await;
        match wrote {
            Ok(Ok((mark, taken))) => self.keep(shown, posts, &taken, read, mark.as_deref()),
            Ok(Err(error)) => self.fail(posts, &chain(&error)),
            Err(_) => self.fail(posts, "it takes too long"),
        }
    }

    /// Writes posts and mark; answers what the mark was, and which posts were taken.
    async fn write(
        &self,
        read: i64,
        posts: &[Sending<K>],
    ) -> Result<(Option<Vec<u8>>, Vec<bool>), RedisError> {
        let sends = posts.iter().map(|sending| self.send(read, sending));
        let (mark, sent) = join(self.mark.set(self.redis.clone(), read), try_join_all(sends)).await;
        let sent = sent?;
        Ok((mark?, sent))
    }

    async fn send(
        &self,
        read: i64,
        Sending { id, post, whole }: &Sending<K>,
    ) -> Result<bool, RedisError> {
        let before = self.written.get(id).map(|w| w.position.to_string()).unwrap_or_default();
        let kept_s = if post.last { ENDED_KEPT_S } else { KEPT_S };
        self.write
            .key(key(self.kind, id))
            .arg(post.position)
            .arg(before)
            .arg(whole)
            .arg(post.change.as_ref().map(text).unwrap_or_default())
            .arg(kept_s)
            .arg(format!("{CHANNELS}{}:{id}", self.kind))
            .arg(read)
            .arg(self.log_end.map(|end| end.to_string()).unwrap_or_default())
            .arg(i32::from(self.wrong.contains(id)))
            .invoke_async(&mut self.redis.clone())
            .await
    }

    fn keep(
        &mut self,
        shown: &mut impl Shown<K>,
        posts: Vec<Sending<K>>,
        taken: &[bool],
        read: i64,
        mark: Option<&[u8]>,
    ) {
        if self.failing {
            tracing::info!(kind = self.kind, "live values are written again");
        }
        self.failing = false;
        self.next_look = Instant::now() + LOOK;
        let asked = self.log_end.take().is_some();
        for (Sending { id, post, whole }, taken) in posts.into_iter().zip(taken) {
            if !taken {
                // Who knows the end of the log already has to wait until it reaches the value.
                let again = if asked { self.next_look } else { Instant::now() };
                self.waiting.insert(id.clone(), again);
                self.written.remove(&id);
                self.doubted.insert(id);
                continue;
            }
            self.wrong.remove(&id);
            self.doubted.remove(&id);
            if post.last {
                self.written.remove(&id);
                shown.ended(&id);
            } else {
                let (bytes, digest) = (whole.len(), self.hasher.hash_one(whole.as_bytes()));
                self.written.insert(id, Written { position: post.position, bytes, digest });
            }
        }
        if self.mark.was_lost(read, mark) {
            tracing::warn!(kind = self.kind, "redis lost its values; they are written anew");
            self.written.clear();
            for id in shown.all() {
                self.touch(id);
            }
        }
    }

    fn fail(&mut self, posts: Vec<Sending<K>>, error: &str) {
        self.trouble(error);
        for Sending { id, .. } in posts {
            // Whether it was written is not known, so the next one goes as a whole.
            self.written.remove(&id);
            self.waiting.insert(id, self.next_look);
        }
    }

    fn trouble(&mut self, error: &str) {
        self.log_end = None;
        if !self.failing {
            tracing::warn!(kind = self.kind, error, "live values cannot be written");
        }
        self.failing = true;
        self.next_look = Instant::now() + RETRY;
    }

    /// Looks at the next values, whether they are what was written.
    async fn scrub(&mut self) {
        let (ids, looked) = {
            let step = self.step();
            let looks = step.iter().map(|(id, written)| self.is_right(id, written));
            let looked = timeout(WRITE_LIMIT, try_join_all(looks)).await;
            (step.into_iter().map(|(id, _)| id.clone()).collect::<Vec<K>>(), looked)
        };
        self.next_scrub = Instant::now() + SCRUB_EVERY;
        let right = match looked {
            Ok(Ok(right)) => right,
            Ok(Err(error)) => return self.trouble(&chain(&error)),
            Err(_) => return self.trouble("it takes too long"),
        };
        self.scrubbed = ids.last().cloned();
        let wrong = ids.into_iter().zip(right).filter(|(_, right)| !right);
        let wrong: Vec<K> = wrong.map(|(id, _)| id).collect();
        if !wrong.is_empty() {
            let (kind, count) = (self.kind, wrong.len());
            tracing::warn!(
                kind,
                count,
                "redis holds values that were not written; they are written anew"
            );
        }
        for id in wrong {
            self.wrong.insert(id.clone());
            self.touch(id);
        }
    }

    /// The next values to look at; none at the end of a round.
    fn step(&self) -> Vec<(&K, &Written)> {
        let most = self.written.len().div_ceil(SCRUB_STEPS).clamp(1, SCRUB_MAX);
        let after = self.scrubbed.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut bytes = 0_usize;
        let fits = |(_, written): &(&K, &Written)| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(written.bytes);
            first || bytes <= SCRUB_BYTES_MAX
        };
        self.written.range((after, Bound::Unbounded)).take(most).take_while(fits).collect()
    }

    async fn is_right(&self, id: &K, written: &Written) -> Result<bool, RedisError> {
        let found: Option<Vec<u8>> = self
            .look_at
            .key(key(self.kind, id))
            .arg(written.position)
            .arg(written.bytes)
            .arg(KEPT_S)
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok(found.is_some_and(|text| self.hasher.hash_one(text.as_slice()) == written.digest))
    }
}

/// A live event as it stands in Redis and goes over the wire.
fn text(event: &LiveEvent) -> String {
    // Strings, numbers and lists of them: writing cannot fail.
    serde_json::to_string(event).unwrap_or_default()
}
