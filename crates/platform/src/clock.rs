//! The clock is an argument. Servers take [`Clock::system`]; tests turn their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use medusa_types::Timestamp;

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            Timestamp::from_utc(time::OffsetDateTime::now_utc())
        }))
    }

    /// A clock that only moves when the returned hand is turned (microseconds since 1970).
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, Arc<AtomicI64>) {
        let hand = Arc::new(AtomicI64::new(start.micros()));
        let read = Arc::clone(&hand);
        (Self(Arc::new(move || Timestamp::from_micros(read.load(Ordering::SeqCst)))), hand)
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
