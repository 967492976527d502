//! Who has to pause. Counts failed tries: in a row for an account and for codes typed by a person,
//! in a minute for a network address. A try counts from its start, so that many at once do not slip
//! through, and is given back when it succeeds.
//!
//! Kept in the memory of one server process: a restart forgives, and with several processes each
//! counts for itself. Bounded; when full, the try that is longest ago is forgotten.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use medusa_types::{Sha256Hash, Timestamp, UserId};

/// Keys that are counted at once.
const ENTRIES_MAX: usize = 20_000;
/// The window of a network address.
const WINDOW_MS: i64 = 60_000;
/// The first pause of an account; each further failure doubles it.
const PAUSE_MS: i64 = 30_000;
/// The longest pause of an account.
const PAUSE_MS_MAX: i64 = 15 * 60_000;
/// After so long without a try an account's failures are forgotten.
const FORGET_MS: i64 = 60 * 60_000;

/// What tries are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// An account, by the hash of its address; it need not exist.
    Account(Sha256Hash),
    /// A person who types codes of machines.
    Codes(UserId),
    /// Where the tries come from.
    Address(IpAddr),
}

impl Key {
    /// The account of this address, whether there is one or not.
    pub(crate) fn account(email_key: &str) -> Self {
        Self::Account(Sha256Hash::of(email_key.as_bytes()))
    }

    /// A network address; a whole IPv6 /64 belongs to one customer and counts as one.
    pub(crate) fn address(from: IpAddr) -> Self {
        match from.to_canonical() {
            v4 @ IpAddr::V4(_) => Self::Address(v4),
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & (u128::MAX << 64);
                Self::Address(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tries: u32,
    first: Timestamp,
    last: Timestamp,
    blocked_until: Timestamp,
}

impl Entry {
    const fn is_stale(&self, key: Key, now: Timestamp) -> bool {
        let ends = match key {
            Key::Address(_) => self.first.plus_ms(WINDOW_MS),
            Key::Account(_) | Key::Codes(_) => self.last.plus_ms(FORGET_MS),
        };
        now.micros() >= ends.micros()
    }
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Throttle {
    failures_max: u32,
    address_failures_max: u32,
    entries: HashMap<Key, Entry>,
}

impl Throttle {
    pub(crate) fn new(failures_max: u32, address_failures_max: u32) -> Self {
        Self { failures_max, address_failures_max, entries: HashMap::new() }
    }

    /// Counts a try for all of these keys, or refuses it with the seconds to wait.
    pub(crate) fn admit(&mut self, keys: &[Key], now: Timestamp) -> Result<(), u64> {
        let waits = keys.iter().filter_map(|key| self.blocked_ms(*key, now));
        if let Some(ms) = waits.max() {
            return Err(u64::try_from(ms).unwrap_or_default().div_ceil(1_000));
        }
        for key in keys {
            self.count(*key, now);
        }
        Ok(())
    }

    fn blocked_ms(&self, key: Key, now: Timestamp) -> Option<i64> {
        let ms = self.entries.get(&key)?.blocked_until.ms_since(now);
        (ms > 0).then_some(ms)
    }

    fn count(&mut self, key: Key, now: Timestamp) {
        if !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        let fresh = Entry { tries: 0, first: now, last: now, blocked_until: now };
        let max = match key {
            Key::Address(_) => self.address_failures_max,
            Key::Account(_) | Key::Codes(_) => self.failures_max,
        };
        let entry = self.entries.entry(key).or_insert(fresh);
        if entry.is_stale(key, now) {
            *entry = fresh;
        }
        entry.tries = entry.tries.saturating_add(1);
        entry.last = now;
        if let Some(over) = entry.tries.checked_sub(max) {
            entry.blocked_until = match key {
                Key::Address(_) => entry.first.plus_ms(WINDOW_MS),
                Key::Account(_) | Key::Codes(_) => now.plus_ms(pause_ms(over)),
            };
        }
    }

    /// The try was right: the account starts anew, and the address gets its try back.
    pub(crate) fn succeeded(&mut self, keys: &[Key], now: Timestamp) {
        for key in keys {
            match key {
                Key::Account(_) | Key::Codes(_) => {
                    self.entries.remove(key);
                }
                Key::Address(_) => {
                    if let Some(entry) = self.entries.get_mut(key) {
                        entry.tries = entry.tries.saturating_sub(1);
                        entry.blocked_until = now;
                    }
                }
            }
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.retain(|key, entry| !entry.is_stale(*key, now));
        }
        if self.entries.len() >= ENTRIES_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.entries.remove(&key);
            }
        }
    }
}

fn pause_ms(over: u32) -> i64 {
    PAUSE_MS.saturating_mul(1_i64.checked_shl(over.min(16)).unwrap_or(1)).min(PAUSE_MS_MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(0).plus_ms(seconds * 1_000)
    }

    #[test]
    fn the_sixth_try_waits_and_pauses_grow() {
        let mut throttle = Throttle::new(5, 30);
        let key = [Key::account("a@b")];
        for _ in 0..5 {
            assert_eq!(throttle.admit(&key, at(0)), Ok(()));
        }
        assert_eq!(throttle.admit(&key, at(0)), Err(30));
        assert_eq!(throttle.admit(&key, at(29)), Err(1));
        assert_eq!(throttle.admit(&[Key::account("c@d")], at(0)), Ok(()));
        assert_eq!(throttle.admit(&key, at(30)), Ok(()));
        assert_eq!(throttle.admit(&key, at(30)), Err(60));
        assert_eq!(throttle.admit(&key, at(90)), Ok(()));
        assert_eq!(throttle.admit(&key, at(90)), Err(120));
        assert_eq!(pause_ms(99), PAUSE_MS_MAX);
    }

    #[test]
    fn success_and_time_forgive() {
        let mut throttle = Throttle::new(2, 30);
        let key = [Key::account("a@b")];
        assert_eq!(throttle.admit(&key, at(0)), Ok(()));
        assert_eq!(throttle.admit(&key, at(0)), Ok(()));
        throttle.succeeded(&key, at(0));
        assert_eq!(throttle.admit(&key, at(1)), Ok(()));
        assert_eq!(throttle.admit(&key, at(3_601)), Ok(()));
        assert_eq!(throttle.admit(&key, at(3_602)), Ok(()));
        assert!(throttle.admit(&key, at(3_603)).is_err());
    }

    #[test]
    fn an_address_has_so_many_failures_in_a_minute() {
        let mut throttle = Throttle::new(5, 3);
        let from = Key::address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let keys = |n: i64| [Key::account(&format!("{n}@b")), from];
        assert_eq!(throttle.admit(&keys(1), at(0)), Ok(()));
        throttle.succeeded(&keys(1), at(0));
        for n in 2..5 {
            assert_eq!(throttle.admit(&keys(n), at(n)), Ok(()), "{n}");
        }
        assert_eq!(throttle.admit(&keys(9), at(10)), Err(50));
        assert_eq!(throttle.admit(&keys(9), at(60)), Ok(()));
    }

    #[test]
    fn one_customer_has_one_address() {
        let v6 = |text: &str| Key::address(text.parse().unwrap());
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:1"));
        assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
        assert_eq!(v6("::ffff:10.0.0.1"), v6("10.0.0.1"));
    }

    #[test]
    fn the_counters_are_bounded() {
        let mut throttle = Throttle::new(5, 30);
        for n in 0..=ENTRIES_MAX {
            assert_eq!(throttle.admit(&[Key::account(&n.to_string())], at(0)), Ok(()));
        }
        assert_eq!(throttle.entries.len(), ENTRIES_MAX);
    }
}
