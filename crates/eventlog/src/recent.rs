//! A map that remembers the latest entries and forgets old ones, some at a time.

use foldhash::{HashMap, HashMapExt as _};
use std::hash::Hash;

/// Remembers at least the `kept` newest entries, at most twice as many.
pub(crate) struct Recent<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
    kept: usize,
    forgot: bool,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    pub(crate) fn new(kept: usize) -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), kept, forgot: false }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.new.get(key).or_else(|| self.old.get(key))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.new.len() >= self.kept {
            self.forgot |= !self.old.is_empty();
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, value);
    }

    /// Inserts, without a copy of the key when it is among the newer ones.
    pub(crate) fn set<Q>(&mut self, key: &Q, value: V)
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        match self.new.get_mut(key) {
            Some(known) => *known = value,
            None => self.insert(key.to_owned(), value),
        }
    }

    /// Whether entries were forgotten since the last call.
    pub(crate) fn forgot(&mut self) -> bool {
        std::mem::take(&mut self.forgot)
    }

    pub(crate) fn clear(&mut self) {
        self.new.clear();
        self.old.clear();
        self.forgot = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entries_are_remembered() {
        let mut recent = Recent::new(10);
        for n in 0..100 {
            recent.insert(n, n * 2);
            let remembered = (0..=n).rev().take_while(|k| recent.get(k) == Some(&(k * 2))).count();
            assert!(remembered >= 10.min(n + 1), "{n}: {remembered}");
            assert!(remembered <= 20, "{n}: {remembered}");
        }
    }
}
