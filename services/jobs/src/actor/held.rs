//! The leases that one connection may speak of: those that it was given, and those of an earlier
//! one that its first pulse names. Until that pulse a lease of an earlier connection is not told
//! from one that was made up; afterwards what is said of any other lease is nothing.

use std::collections::{HashMap, HashSet};

use medusa_types::LeaseId;

/// What a connection may say of leases that it was not given before it is cut: more than an agent
/// says again after a cut.
const STRAYS_MAX: usize = 2_048;

/// Whose a lease is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim<J> {
    /// It was given over this connection, for this job.
    Here(J),
    /// It may be of an earlier connection.
    Before,
    /// This machine does not hold it.
    Not,
    /// The same, too often.
    Flood,
}

/// Leases in hand, with their jobs.
#[derive(Debug)]
pub(super) struct Held<J> {
    here: HashMap<LeaseId, J>,
    /// Those of before; nothing is known of them until the first pulse.
    before: Option<HashSet<LeaseId>>,
    strays: usize,
}

impl<J> Held<J> {
    pub(super) fn new() -> Self {
        Self { here: HashMap::new(), before: None, strays: 0 }
    }

    /// It is given a lease.
    pub(super) fn give(&mut self, lease: LeaseId, job: J) {
        self.here.insert(lease, job);
    }

    /// A lease is not needed any more.
    pub(super) fn withdraw(&mut self, lease: LeaseId) {
        self.here.remove(&lease);
    }

    /// It says that a lease is over: once.
    pub(super) fn take(&mut self, lease: LeaseId) -> Claim<J> {
        if let Some(job) = self.here.remove(&lease) {
            return Claim::Here(job);
        }
        if self.before.as_mut().is_some_and(|before| before.remove(&lease)) {
            return Claim::Before;
        }
        self.strays = self.strays.saturating_add(1);
        match self.before {
            _ if self.strays > STRAYS_MAX => Claim::Flood,
            None => Claim::Before,
            Some(_) => Claim::Not,
        }
    }

    /// Which of the leases it may say that it works on.
    pub(super) fn pulse(&mut self, mut running: Vec<LeaseId>) -> Vec<LeaseId> {
        let here = &self.here;
        match &self.before {
            None => {
                let before = running.iter().filter(|lease| !here.contains_key(lease));
                self.before = Some(before.copied().collect());
            }
            Some(before) => {
                running.retain(|lease| here.contains_key(lease) || before.contains(lease));
            }
        }
        running
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    fn id(n: u128) -> LeaseId {
        LeaseId(Uuid::from_u128(n))
    }

    #[test]
    fn what_a_machine_says_of_a_lease_counts_once_and_of_others_never() {
        let mut held = Held::new();
        held.pulse(Vec::new());
        held.give(id(1), 'j');
        held.give(id(2), 'j');
        // Handed back, and then reported with something made up.
        assert_eq!(held.take(id(1)), Claim::Here('j'));
        assert_eq!(held.take(id(1)), Claim::Not);
        assert_eq!(held.take(id(9)), Claim::Not);
        held.withdraw(id(2));
        assert_eq!(held.take(id(2)), Claim::Not);
    }

    #[test]
    fn leases_of_an_earlier_connection_are_those_of_the_first_pulse() {
        let mut held = Held::new();
        assert_eq!(held.take(id(1)), Claim::Before, "told again after a cut");
        held.give(id(2), 'j');
        assert_eq!(held.pulse(vec![id(2), id(3)]), [id(2), id(3)]);
        assert_eq!(held.pulse(vec![id(2), id(3), id(4)]), [id(2), id(3)], "4 is made up");
        assert_eq!(held.take(id(4)), Claim::Not);
        assert_eq!(held.take(id(3)), Claim::Before);
        assert_eq!(held.take(id(3)), Claim::Not);
        assert_eq!(held.take(id(2)), Claim::Here('j'));
    }

    #[test]
    fn a_flood_of_made_up_leases_is_one_before_the_first_pulse_too() {
        for pulsed in [false, true] {
            let mut held: Held<char> = Held::new();
            if pulsed {
                held.pulse(Vec::new());
            }
            let claims = |n: u128| held.take(id(n));
            let claims: Vec<_> = (0..=u128::try_from(STRAYS_MAX).unwrap()).map(claims).collect();
            let floods = claims.iter().filter(|claim| **claim == Claim::Flood).count();
            assert_eq!((floods, claims.last()), (1, Some(&Claim::Flood)));
        }
    }
}
