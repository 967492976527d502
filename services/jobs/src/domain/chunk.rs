//! One chunk that agents have touched, and the order of those that want another copy. A chunk that
//! nobody has touched costs nothing: it has no entry anywhere.

use std::collections::{BTreeMap, BTreeSet};

use medusa_types::{LeaseId, Outcome, Sha256Hash, UserId};

use super::lease::Attempt;
use super::trust::Copies;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkStatus {
    /// It needs more copies.
    Open,
    /// Its result is believed.
    Done {
        /// The result.
        output: Sha256Hash,
    },
    /// The program failed on it.
    Failed {
        /// How.
        outcome: Outcome,
    },
}

/// An open chunk.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) live: Vec<LeaseId>,
    /// Owners whose agents could not run it; others come first.
    pub(super) faulted: BTreeSet<UserId>,
    /// Owners whose agents broke down over it.
    pub(super) broken: BTreeSet<UserId>,
    /// What was decided when its first copy was given out.
    pub(super) copies: Copies,
    pub(super) attempts: Vec<Attempt>,
    pub(super) leases: u32,
    /// Leases that do not count against it any more.
    pub(super) pardoned: u32,
    /// Copies that ended without a verdict, and whose.
    pub(super) gave_up: Vec<(LeaseId, UserId)>,
    /// How often each owner's agents handed it back.
    pub(super) backs: BTreeMap<UserId, u32>,
    /// One of its copies takes long: one more may go out.
    pub(super) late: bool,
}

impl Chunk {
    /// One that nobody has touched.
    pub(super) const PRISTINE: Self = Self {
        live: Vec::new(),
        faulted: BTreeSet::new(),
        broken: BTreeSet::new(),
        copies: Copies::Double,
        attempts: Vec::new(),
        leases: 0,
        pardoned: 0,
        gave_up: Vec::new(),
        backs: BTreeMap::new(),
        late: false,
    };

    /// One that starts anew, after so many leases.
    pub(super) fn pardoned(leases: u32) -> Self {
        Self { leases, pardoned: leases, ..Self::PRISTINE }
    }

    /// Whether nobody has a copy, and none that counts was reported.
    pub(super) fn is_fresh(&self) -> bool {
        self.live.is_empty() && self.attempts.is_empty()
    }
}

/// Who cannot be given a chunk: all chunks with the same owners are alike to a worker that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Barred {
    /// Owners with a copy that counts.
    pub(super) has: BTreeSet<UserId>,
    /// Owners whose agents could not run it.
    pub(super) faulted: BTreeSet<UserId>,
}

/// Chunks that want one more copy, by who cannot give it: an agent that asks is compared with each
/// group, not with each chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanting {
    groups: BTreeMap<Barred, BTreeSet<u32>>,
    of: BTreeMap<u32, Barred>,
}

impl Wanting {
    /// Puts a chunk into its group; out of all of them without one.
    pub(super) fn set(&mut self, chunk: u32, barred: Option<Barred>) {
        if self.of.get(&chunk) == barred.as_ref() {
            return;
        }
        if let Some(old) = self.of.remove(&chunk)
            && let Some(group) = self.groups.get_mut(&old)
        {
            group.remove(&chunk);
            if group.is_empty() {
                self.groups.remove(&old);
            }
        }
        if let Some(barred) = barred {
            self.groups.entry(barred.clone()).or_default().insert(chunk);
            self.of.insert(chunk, barred);
        }
    }

    /// The lowest chunk of the first group that fits.
    pub(super) fn find(&self, fits: impl Fn(&Barred) -> bool) -> Option<u32> {
        let group = self.groups.iter().find(|(barred, _)| fits(barred));
        group.and_then(|(_, chunks)| chunks.first().copied())
    }

    /// Whether a chunk is among them that somebody has a copy of.
    pub(super) fn has_begun(&self) -> bool {
        // Those that nobody has come first.
        self.groups.last_key_value().is_some_and(|(barred, _)| !barred.has.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}
