//! Chance that can be repeated: the same seed gives the same throws.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// A seeded generator (splitmix64).
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The throws of this seed.
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed that nobody chose.
    pub(crate) fn any_seed() -> u64 {
        RandomState::new().build_hasher().finish()
    }

    /// Any number.
    pub(crate) const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// A time between these, in milliseconds.
    pub(crate) const fn pause(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}
