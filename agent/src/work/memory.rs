//! The memory that chunks share: so many MiB at once, and fewer while the rules say so.
//!
//! What was taken is not taken back: when the limit falls below it, what is given back first goes
//! to the debt, and whoever waits, waits.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{AcquireError, Semaphore};

/// The memory.
#[derive(Debug)]
pub(crate) struct Memory {
    free: Semaphore,
    /// What was announced.
    lent_mib: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// What is in use beyond the limit.
    debt: usize,
}

/// A part of it, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    memory: &'a Memory,
    mib: u32,
}

impl Memory {
    pub(crate) fn new(lent_mib: u32) -> Self {
        let limit = permits(lent_mib);
        let state = Mutex::new(State { limit, debt: 0 });
        Self { free: Semaphore::new(limit), lent_mib, state }
    }

    /// The most that there ever is, in MiB.
    pub(crate) const fn lent(&self) -> u32 {
        self.lent_mib
    }

    /// From now on so many MiB, and never more than are lent.
    pub(crate) fn limit(&self, mib: u64) {
        let limit = permits(u32::try_from(mib).unwrap_or(u32::MAX).min(self.lent_mib));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if limit < state.limit {
            let less = state.limit.saturating_sub(limit);
            let taken = self.free.forget_permits(less);
            state.debt = state.debt.saturating_add(less.saturating_sub(taken));
        } else {
            let more = limit.saturating_sub(state.limit);
            let paid = more.min(state.debt);
            state.debt = state.debt.saturating_sub(paid);
            self.free.add_permits(more.saturating_sub(paid));
        }
        state.limit = limit;
    }

    /// Waits for so many MiB, in the order of asking.
    pub(crate) async fn take(&self, mib: u32) -> Result<Share<'_>, AcquireError> {
        self.free.acquire_many(mib).await?.forget();
        Ok(Share { memory: self, mib })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.state.lock().unwrap_or_else(PoisonError::into_inner);
        let back = permits(self.mib);
        let paid = back.min(state.debt);
        state.debt = state.debt.saturating_sub(paid);
        self.memory.free.add_permits(back.saturating_sub(paid));
    }
}

fn permits(mib: u32) -> usize {
    usize::try_from(mib).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Nothing when it has to wait.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        future.now_or_never()
    }

    #[test]
    fn a_lower_limit_is_reached_when_something_is_given_back() {
        let memory = Memory::new(100);
        let (first, second) = (now(memory.take(60)), now(memory.take(30)));
        assert!(first.is_some() && second.is_some() && now(memory.take(20)).is_none());
        memory.limit(50);
        assert!(now(memory.take(1)).is_none(), "90 are in use");
        drop(second);
        assert!(now(memory.take(1)).is_none(), "60 are in use");
        drop(first);
        assert!(now(memory.take(51)).is_none());
        assert!(now(memory.take(50)).unwrap().is_ok());
        memory.limit(1_000_000);
        assert!(now(memory.take(101)).is_none(), "never more than was announced");
        assert!(now(memory.take(100)).unwrap().is_ok());
    }

    #[test]
    fn a_limit_that_falls_and_rises_loses_nothing() {
        let memory = Memory::new(100);
        let all = now(memory.take(100)).unwrap();
        for limit in [10, 70, 20, 100, 5, 100] {
            memory.limit(limit);
        }
        assert!(now(memory.take(1)).is_none());
        drop(all);
        assert!(now(memory.take(100)).unwrap().is_ok());
    }
}
