//! How much of the connection transfers may take, in each direction: what is over the limit waits.
//! The limit can change at any time, and is the same for all transfers together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const MB: u64 = 1_000_000;
/// What may pass at once after a pause.
const BURST: Duration = Duration::from_millis(250);

/// Both directions.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub(crate) down: Pipe,
    pub(crate) up: Pipe,
}

impl Pipes {
    /// Sets the lender's limits, in MB a second; 0 is none.
    pub(crate) fn limit(&self, down_mb_s: u32, up_mb_s: u32) {
        let rate = |mb_s: u32| u64::from(mb_s).saturating_mul(MB);
        self.down.limit(rate(down_mb_s));
        self.up.limit(rate(up_mb_s));
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe(Mutex<Flow>);

#[derive(Debug, Default)]
struct Flow {
    /// Bytes a second; 0 is no limit.
    rate: u64,
    /// When what was let through so far has passed at this rate.
    free_at: Option<Instant>,
}

impl Pipe {
    /// Sets the limit in bytes a second; 0 is none.
    pub(crate) fn limit(&self, rate: u64) {
        let mut flow = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flow.rate != rate {
            *flow = Flow { rate, free_at: None };
        }
    }

    /// Waits until so many bytes may pass.
    pub(crate) async fn pass(&self, bytes: usize) {
        if let Some(until) = self.take(bytes, Instant::now()) {
            sleep_until(until).await;
        }
    }

    /// When so many bytes have passed, if they must wait at all.
    fn take(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let mut flow = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000);
        let needed = Duration::from_micros(micros.checked_div(flow.rate)?);
        let saved = now.checked_sub(BURST).unwrap_or(now);
        let free_at = flow.free_at.map_or(saved, |at| at.max(saved)) + needed;
        flow.free_at = Some(free_at);
        Some(free_at).filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long so many bytes wait at a time that is so many milliseconds after the start.
    fn wait(pipe: &Pipe, start: Instant, at_ms: u64, bytes: usize) -> u64 {
        let now = start + Duration::from_millis(at_ms);
        let until = pipe.take(bytes, now).map_or(Duration::ZERO, |until| until - now);
        until.as_millis().try_into().unwrap()
    }

    #[test]
    fn transfers_share_the_limit() {
        let (pipe, start) = (Pipe::default(), Instant::now() + Duration::from_secs(60));
        pipe.limit(1_000);
        let waits: Vec<_> = (0..4).map(|_| wait(&pipe, start, 0, 500)).collect();
        assert_eq!(waits, [250, 750, 1_250, 1_750], "a quarter of a second is free");
        assert_eq!(wait(&pipe, start, 1_750, 500), 500);
        assert_eq!(wait(&pipe, start, 60_000, 500), 250, "a long pause saves no more");
    }

    #[test]
    fn a_limit_can_change_and_end() {
        let (pipe, start) = (Pipe::default(), Instant::now() + Duration::from_secs(60));
        assert_eq!(wait(&pipe, start, 0, usize::MAX), 0);
        pipe.limit(1);
        assert_eq!(wait(&pipe, start, 0, 100), 99_750);
        pipe.limit(100);
        assert_eq!(wait(&pipe, start, 0, 100), 750, "what waited at the old limit is forgotten");
        pipe.limit(0);
        assert_eq!(wait(&pipe, start, 0, usize::MAX), 0);
    }

    #[tokio::test]
    async fn what_is_over_the_limit_waits() {
        let pipe = Pipe::default();
        pipe.limit(1_000_000);
        let began = Instant::now();
        pipe.pass(400_000).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(149), "{took:?}");
    }
}
