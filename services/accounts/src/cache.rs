//! Answers that are used again for some seconds, so that a page or an agent's call does not ask the
//! database who it is. Bounded; only valid answers are kept, and what ended here ends here at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use medusa_types::{Sha256Hash, Timestamp};

/// Answers kept at once.
const ENTRIES_MAX: usize = 10_000;

/// Answers by the hash of the secret that was presented.
pub(crate) struct Cache<V> {
    keep_ms: i64,
    state: Mutex<State<V>>,
}

struct State<V> {
    /// Grows with every removal: an answer read before it must not be kept after it.
    generation: u64,
    entries: HashMap<Sha256Hash, (Timestamp, V)>,
}

impl<V: Clone> Cache<V> {
    pub(crate) fn new(keep_ms: i64) -> Self {
        let state = State { generation: 0, entries: HashMap::new() };
        Self { keep_ms, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        // Single map operations: a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: Sha256Hash, now: Timestamp) -> Option<V> {
        let state = self.state();
        state.entries.get(&key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// Taken before an answer is read, and given to [`Cache::put`] with it.
    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Keeps an answer, at most until `ends`.
    pub(crate) fn put(
        &self,
        generation: u64,
        key: Sha256Hash,
        value: V,
        now: Timestamp,
        ends: Timestamp,
    ) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        if state.entries.len() >= ENTRIES_MAX {
            state.entries.retain(|_, (until, _)| now < *until);
        }
        if state.entries.len() >= ENTRIES_MAX {
            state.entries.clear();
        }
        state.entries.insert(key, (ends.min(now.plus_ms(self.keep_ms)), value));
    }

    pub(crate) fn remove(&self, key: Sha256Hash) {
        let mut state = self.state();
        state.generation = state.generation.wrapping_add(1);
        state.entries.remove(&key);
    }

    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.generation = state.generation.wrapping_add(1);
        state.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_micros(0).plus_ms(ms)
    }

    #[test]
    fn an_answer_ends_with_its_time_or_with_what_it_is_about() {
        let cache = Cache::new(100);
        let (a, b) = (Sha256Hash([1; 32]), Sha256Hash([2; 32]));
        cache.put(cache.generation(), a, "a", at(0), at(1_000));
        cache.put(cache.generation(), b, "b", at(0), at(50));
        assert_eq!(cache.get(a, at(99)), Some("a"));
        assert_eq!(cache.get(a, at(100)), None);
        assert_eq!(cache.get(b, at(50)), None);
    }

    #[test]
    fn an_answer_that_was_read_before_a_removal_is_not_kept_after_it() {
        let cache = Cache::new(100);
        let key = Sha256Hash([1; 32]);
        let generation = cache.generation();
        cache.remove(key);
        cache.put(generation, key, "a", at(0), at(1_000));
        assert_eq!(cache.get(key, at(1)), None);
    }
}
