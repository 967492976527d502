//! The mark of a kind of live values: up to which log position they were written. It is the
//! publisher's, which finds out by it that Redis is not as it was left.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};

use super::manager;

/// Sets the mark and answers what it was, whatever stood in its place.
const SET: &str = "
local before = false
if redis.call('type', KEYS[1]).ok == 'string' then before = redis.call('get', KEYS[1]) end
redis.call('set', KEYS[1], ARGV[1])
return before
";

fn key(kind: &str) -> String {
    format!("live:pos:{kind}")
}

/// The mark of one kind, as its publisher sees it.
pub(super) struct Mark {
    kind: &'static str,
    script: Script,
    /// What it was set to.
    set: Option<i64>,
}

impl Mark {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, script: Script::new(SET), set: None }
    }

    /// Sets it; answers what it was.
    pub(super) async fn set(
        &self,
        mut redis: ConnectionManager,
        position: i64,
    ) -> Result<Option<Vec<u8>>, RedisError> {
        self.script.key(key(self.kind)).arg(position).invoke_async(&mut redis).await
    }

    /// It was set to this, and was found as told; answers whether that is not how it was left.
    pub(super) fn was_lost(&mut self, position: i64, found: Option<&[u8]>) -> bool {
        let left = self.set.replace(position);
        left.is_some_and(|left| found != Some(left.to_string().as_bytes()))
    }
}

/// Up to which log position the values of a kind were written; none when nobody wrote them, or
/// Redis lost that.
///
/// # Errors
/// When the address is wrong or Redis does not answer.
pub async fn written_to(url: &str, kind: &str) -> Result<Option<i64>, RedisError> {
    let mut redis = manager(url, ConnectionManagerConfig::new())?;
    let found: Option<String> = redis::cmd("GET").arg(key(kind)).query_async(&mut redis).await?;
    Ok(found.and_then(|text| text.parse().ok()))
}

/// Lets the publisher of a kind write all values anew: it does within a second, and then
/// [`written_to`] answers again.
///
/// # Errors
/// When the address is wrong or Redis does not answer.
pub async fn write_anew(url: &str, kind: &str) -> Result<(), RedisError> {
    let mut redis = manager(url, ConnectionManagerConfig::new())?;
    redis::cmd("DEL").arg(key(kind)).exec_async(&mut redis).await
}
