//! How often and when a failed request is sent again.

use std::time::Duration;

use medusa_types::{OperationId, Uuid};

/// Times that a request is sent again after its first failure, unless the caller wants otherwise.
pub(crate) const RETRIES: u32 = 4;
/// A server that wants us to wait longer than this gets no second try.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

const PAUSE_FIRST_MS: u64 = 100;
const PAUSE_MS_MAX: u64 = 3_000;

/// A new id for a command: the time and chance. The same id never takes effect twice, so whoever
/// wants to send a command again after a lost answer keeps its id.
#[must_use]
pub fn operation_id() -> OperationId {
    #[expect(clippy::disallowed_methods, reason = "the client is where operation ids are born")]
    let id = Uuid::now_v7();
    OperationId(id)
}

/// The pause before try `attempt` (from 0): doubling, with up to half of it left to chance so that
/// many clients do not come back in step.
pub(crate) fn pause(attempt: u32) -> Duration {
    let full = PAUSE_FIRST_MS.saturating_mul(1 << attempt.min(10)).min(PAUSE_MS_MAX);
    let half = full >> 1;
    let chance = operation_id().0.as_u64_pair().1.checked_rem(half).unwrap_or_default();
    Duration::from_millis(half.saturating_add(chance))
}

/// What `Retry-After` says, when it is a number of seconds. Dates are not understood: the server
/// never sends them.
pub(crate) fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let value = headers.get(reqwest::header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_their_limits() {
        for (attempt, low, high) in [(0, 50, 100), (1, 100, 200), (3, 400, 800), (40, 1500, 3000)] {
            let ms = pause(attempt).as_millis();
            assert!((low..high).contains(&ms), "try {attempt} waits {ms} ms");
        }
    }

    #[test]
    fn operation_ids_differ() {
        assert_ne!(operation_id(), operation_id());
    }
}
