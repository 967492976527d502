//! What can be set about sessions.

use std::time::Duration;

/// Typed settings.
#[derive(Clone, Debug)]
pub struct SessionsConfig {
    /// Where clients and agents reach this process's data path: an address that begins with `ws:`
    /// or `wss:`, without a path.
    pub url: String,
    /// Shards that one session may have.
    pub shards_max: u32,
    /// A session without a round for so long ends.
    pub idle: Duration,
    /// A window of rounds is paid after so long.
    pub window: Duration,
    /// While the log takes longer than this for a window, no further round begins.
    pub lead: Duration,
    /// An agent that was cut is waited for so long.
    pub cut: Duration,
    /// An agent that was given a seat comes, and has its shard in memory, within this.
    pub arrive: Duration,
    /// A session that lacks agents for so long ends.
    pub lonely: Duration,
    /// A round is late after so long, when it takes much longer than others.
    pub late: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            url: "ws://127.0.0.1:0".into(),
            shards_max: 256,
            idle: Duration::from_secs(90),
            window: Duration::from_millis(250),
            lead: Duration::from_millis(500),
            cut: Duration::from_secs(2),
            arrive: Duration::from_secs(120),
            lonely: Duration::from_secs(600),
            late: Duration::from_secs(2),
        }
    }
}
