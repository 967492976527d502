//! Live values: folded from the whole log into memory and told through Redis as they change. They
//! can be folded again at any time, so a failure costs nothing but freshness.

use std::fmt::Display;

use medusa_events::Envelope;
use medusa_platform::live::{Publisher, Shown};

use crate::append::EventLog;
use crate::error::LogError;
use crate::read::stored_head;

/// Why live values are not kept current any more. Start again; it folds the log anew.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] LogError),
    /// The address of Redis is wrong.
    #[error("the address of redis is wrong")]
    Redis(#[from] redis::RedisError),
}

/// Keeps the values of one kind current in Redis, for ever. `fold` takes an event, and whether it
/// was there before the start, and answers which values it changed; they are told when everything
/// that was there before is folded.
///
/// # Errors
/// [`LiveError`]; that Redis is away is not one.
pub async fn show<K, S, I>(
    log: EventLog,
    url: String,
    kind: &'static str,
    mut shown: S,
    fold: impl Fn(&mut S, &Envelope, bool) -> I + Send,
) -> Result<(), LiveError>
where
    K: Ord + Clone + Display + Send,
    S: Shown<K> + Send,
    I: IntoIterator<Item = K>,
{
    let mut publisher = Publisher::new(kind, &url)?;
    let mut tail = log.tail(0);
    let start = log.head();
    loop {
        tokio::select! {
            events = tail.next() => for event in events? {
                let earlier = event.envelope.position <= start;
                for id in fold(&mut shown, &event.envelope, earlier) {
                    publisher.touch(id);
                }
            },
            () = publisher.due(), if tail.position() >= start => {
                if publisher.doubts()
                    && let Ok(end) = stored_head(log.pool()).await
                {
                    publisher.log_ends_at(end);
                }
                publisher.flush(&mut shown, tail.position()).await;
            }
        }
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
