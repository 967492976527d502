//! Who is who: owners that are not independent of each other, and the agents that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use medusa_types::UserId;

/// Something that two owners share only if they are not strangers to each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// The network that an agent connects from.
    Network(IpAddr),
    /// A payout identity, or a set of linked accounts: any stable name of it.
    Account(String),
}

/// The network of an address: /24 of version 4, /48 of version 6. Loopback and private addresses
/// are everybody's, and count only where that is wished.
#[must_use]
pub fn network(address: IpAddr, private_too: bool) -> Option<Tie> {
    let address = address.to_canonical();
    let common = match address {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    };
    if common && !private_too {
        return None;
    }
    let prefix = match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    };
    Some(Tie::Network(prefix))
}

/// The owners whose agents are connected and neither paused nor quarantined, or may be again in a
/// moment, and what ties owners together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Each once, with the memory of the largest agent in bytes.
    pub owners: BTreeMap<UserId, u64>,
    /// Ties of owners, also of those who are away.
    pub ties: Arc<BTreeMap<UserId, BTreeSet<Tie>>>,
    /// The server has just started, and agents are still coming back.
    pub gathering: bool,
}

impl Fleet {
    /// Whether two owners may be one person, or may know of each other.
    #[must_use]
    pub fn related(&self, one: UserId, other: UserId) -> bool {
        let shared = || {
            let (one, other) = (self.ties.get(&one)?, self.ties.get(&other)?);
            Some(!one.is_disjoint(other))
        };
        one == other || shared().unwrap_or(false)
    }

    /// Whether an owner with enough memory is there who is unrelated to the consumer and is none of
    /// `without`.
    pub fn has_other(
        &self,
        consumer: UserId,
        memory_bytes: u64,
        without: impl Fn(UserId) -> bool,
    ) -> bool {
        let fits = |(owner, memory): (&UserId, &u64)| {
            *memory >= memory_bytes && !self.related(consumer, *owner) && !without(*owner)
        };
        self.gathering || self.owners.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use medusa_types::Uuid;

    use super::*;

    const CARLA: UserId = UserId(Uuid::from_u128(1));
    const ANN: UserId = UserId(Uuid::from_u128(2));
    const BOB: UserId = UserId(Uuid::from_u128(3));

    fn of(address: &str) -> Option<Tie> {
        network(address.parse().unwrap(), false)
    }

    #[test]
    fn a_network_is_a_prefix_and_common_addresses_are_none() {
        assert_eq!(of("203.0.113.7"), of("203.0.113.200"));
        assert_ne!(of("203.0.113.7"), of("203.0.114.7"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::9"));
        assert_ne!(of("2001:db8:1::3"), of("2001:db8:2::3"));
        assert_eq!(of("::ffff:203.0.113.9"), of("203.0.113.7"), "the same machine by another name");
        for common in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "::1", "fd00::1", "fe80::1"] {
            assert_eq!(of(common), None, "{common}");
            assert!(network(common.parse().unwrap(), true).is_some(), "{common}");
        }
    }

    #[test]
    fn a_shared_tie_relates_two_owners_and_a_relative_is_no_second_opinion() {
        let net = || BTreeSet::from([of("203.0.113.7").unwrap()]);
        let mut fleet = Fleet {
            owners: BTreeMap::from([(ANN, 10), (BOB, 10)]),
            ties: Arc::new(BTreeMap::from([(ANN, net()), (BOB, net())])),
            gathering: false,
        };
        assert!(fleet.related(ANN, BOB) && !fleet.related(ANN, CARLA));
        let beside_ann =
            |fleet: &Fleet| fleet.has_other(CARLA, 10, |owner| fleet.related(owner, ANN));
        assert!(!beside_ann(&fleet));
        Arc::make_mut(&mut fleet.ties)
            .insert(BOB, BTreeSet::from([Tie::Account("payout-7".into())]));
        assert!(beside_ann(&fleet));
        assert!(!fleet.has_other(CARLA, 11, |owner| owner == ANN), "its machine is too small");
    }
}
