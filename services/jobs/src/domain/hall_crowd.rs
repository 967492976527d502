//! Who is in the hall, for those who look on: agents, their owners, and consumers with jobs.

use std::collections::BTreeMap;

use medusa_types::{AgentId, Timestamp, UserId};

use super::{Entry, Hall};
use crate::domain::Standing;

/// How an agent is, for those who look on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Whose it is.
    pub lender: UserId,
    /// Runs at the same time.
    pub slots: u32,
    /// Its owner paused it.
    pub paused: bool,
    /// It is kept away for wrong results.
    pub quarantined: bool,
    /// It holds leases.
    pub busy: bool,
    /// It could take one more.
    pub room: bool,
    /// Its record.
    pub standing: Standing,
}

/// Who wants a share beside a new job of one consumer: jobs with chunks to give or under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rivals {
    /// Other consumers.
    pub consumers: u32,
    /// Their weights together: of each, that of the heaviest job.
    pub weight: u32,
    /// Further jobs of the same consumer, who take turns with it.
    pub own: u32,
}

impl Hall {
    /// The owners of agents that could be given a lease, now or once others are done, each with the
    /// memory of its largest agent in bytes.
    #[must_use]
    pub fn owners(&self, now: Timestamp) -> BTreeMap<UserId, u64> {
        let counts = |entry: &&Entry| {
            entry.works(&self.rules, now) && entry.worker.standing.leases_max(now) > 0
        };
        let mut owners = BTreeMap::new();
        for entry in self.entries.values().filter(counts) {
            let most: &mut u64 = owners.entry(entry.worker.lender).or_default();
            *most = entry.worker.memory_bytes.max(*most);
        }
        owners
    }

    /// Everybody who is there.
    pub fn presences(&self, now: Timestamp) -> impl Iterator<Item = (AgentId, Presence)> {
        self.entries.iter().map(move |(agent, entry)| {
            let standing = &entry.worker.standing;
            let presence = Presence {
                lender: entry.worker.lender,
                slots: entry.slots,
                paused: entry.paused,
                quarantined: standing.quarantined(&self.rules, now).is_some(),
                busy: !entry.leases.is_empty(),
                room: entry.room(&self.rules, now),
                standing: *standing,
            };
            (*agent, presence)
        })
    }

    /// Leases of those who are there, and questions that may become some.
    #[must_use]
    pub fn under_way(&self) -> usize {
        let of = |entry: &Entry| {
            let asking = usize::try_from(entry.asking).unwrap_or(usize::MAX);
            entry.leases.len().saturating_add(asking)
        };
        self.entries.values().map(of).fold(0, usize::saturating_add)
    }

    /// Who else wants a share.
    #[must_use]
    pub fn rivals(&self, consumer: UserId) -> Rivals {
        let mut weights: BTreeMap<UserId, u32> = BTreeMap::new();
        let lively = self.stalls.values().filter(|stall| stall.open || stall.leased > 0);
        let mut own = 0_u32;
        for stall in lively {
            if stall.offer.consumer == consumer {
                own = own.saturating_add(1);
                continue;
            }
            let most = weights.entry(stall.offer.consumer).or_default();
            *most = stall.offer.weight.max(*most);
        }
        Rivals {
            consumers: u32::try_from(weights.len()).unwrap_or(u32::MAX),
            weight: weights.values().fold(0, |sum, weight| sum.saturating_add(*weight)),
            own,
        }
    }
}
