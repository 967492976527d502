//! A check of everything that somebody asks for: it reads the whole log, so it runs beside the
//! request, one at a time, and what it found is read later.

use std::sync::atomic::Ordering;

use medusa_api::Invariants;
use medusa_platform::supervise::supervise;
use tokio_util::sync::CancellationToken;

use super::{check, status};
use crate::append::EventLog;
use crate::error::LogError;

/// Begins a check of everything up to the head now, unless one is running.
pub fn begin(log: &EventLog) {
    if log.checking.swap(true, Ordering::AcqRel) {
        return;
    }
    let log = log.clone();
    supervise("eventlog.check", CancellationToken::new(), move || {
        let over = Over(log.clone());
        async move {
            // Whoever asked sees that nothing was checked, and asks again.
            if let Err(error) = check(over.0.pool(), 0..i64::MAX).await {
                tracing::warn!(%error, "the rules of the log could not be checked");
            }
            Ok::<(), LogError>(())
        }
    });
}

/// Says that the check is over, however it ends.
struct Over(EventLog);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.checking.store(false, Ordering::Release);
    }
}

/// Every rule with what the last check of it found, and whether one is running.
///
/// # Errors
/// [`LogError::Database`].
pub async fn shown(log: &EventLog) -> Result<Invariants, LogError> {
    // Looked at first: what a check that is over by then has found is seen.
    let checking = log.checking.load(Ordering::Acquire);
    Ok(Invariants { checking, ..status(log.pool()).await? })
}
