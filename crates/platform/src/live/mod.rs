//! What changes by the second: values in Redis, told to whoever listens.
//!
//! A [`Publisher`] writes one kind of value, each with the log position that it reflects, and
//! publishes the change in the same script: a reader who listens first and reads then misses
//! nothing. A [`Hub`] is the one subscription of a process.
//!
//! Redis may be emptied, away, as old as an earlier copy of itself, or changed by anybody's hand at
//! any time. The publisher notices and writes everything anew; nothing here is a record of
//! anything.

mod hub;
mod mark;
mod publisher;

use std::fmt::Display;
use std::time::Duration;

use medusa_api::LiveEvent;
use redis::RedisError;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

pub use hub::{Heard, Hub, Listener, Seat};
pub use mark::{write_anew, written_to};
pub use publisher::Publisher;

/// What the names of channels begin with; the topic follows.
const CHANNELS: &str = "live:";

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

/// The part in braces keeps what belongs together on one node of a cluster.
fn key(kind: &str, id: &impl Display) -> String {
    format!("{kind}:{{{id}}}")
}

/// Connects on first use, and fails fast while nothing answers.
fn manager(url: &str, config: ConnectionManagerConfig) -> Result<ConnectionManager, RedisError> {
    let config = config.set_number_of_retries(1).set_min_delay(Duration::from_millis(50));
    redis::Client::open(url)?.get_connection_manager_lazy(config)
}
