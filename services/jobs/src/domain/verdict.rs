//! When a result is believed.

use medusa_types::{Fuel, LeaseId, Outcome, Sha256Hash};

use super::lease::Attempt;

/// What to do about a chunk after a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another copy is needed.
    Open,
    /// The reports contradict each other: the server has to run the chunk itself.
    Referee,
    /// The result is believed.
    Believed {
        /// `agreed`, `refereed` or `unverified`.
        why: &'static str,
        /// How the runs ended.
        outcome: Outcome,
        /// The result.
        output: Sha256Hash,
        /// Agreed fuel.
        fuel: Fuel,
        /// Leases that are paid.
        right: Vec<LeaseId>,
        /// Leases that are not.
        wrong: Vec<LeaseId>,
    },
}

/// What the server's own run gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refereed {
    /// How it ended.
    pub outcome: Outcome,
    /// The result.
    pub output: Sha256Hash,
    /// Fuel used.
    pub fuel: Fuel,
}

/// Decides over the comparable reports of one chunk. `more` says whether another owner's agent
/// could still give a second copy.
#[must_use]
pub(super) fn judge(attempts: &[Attempt], copies: u32, more: bool) -> Verdict {
    let Some(first) = attempts.first() else { return Verdict::Open };
    let wanted = usize::try_from(copies).unwrap_or(1);
    if attempts.iter().any(|a| !a.matches(first)) {
        return Verdict::Referee;
    }
    if attempts.len() < wanted && more {
        return Verdict::Open;
    }
    // One stranger alone cannot fail a job.
    if attempts.len() == 1 && first.outcome != Outcome::Done {
        return Verdict::Referee;
    }
    let why = if attempts.len() > 1 { "agreed" } else { "unverified" };
    believed(why, first.outcome, (first.output, first.fuel), attempts)
}

/// Decides by the server's own run.
#[must_use]
pub(super) fn judge_by(referee: Refereed, attempts: &[Attempt]) -> Verdict {
    believed("refereed", referee.outcome, (referee.output, referee.fuel), attempts)
}

fn believed(
    why: &'static str,
    outcome: Outcome,
    (output, fuel): (Sha256Hash, Fuel),
    attempts: &[Attempt],
) -> Verdict {
    let same = |a: &&Attempt| (a.outcome, a.output, a.fuel) == (outcome, output, fuel);
    let right = attempts.iter().filter(same).map(|a| a.lease).collect();
    let wrong = attempts.iter().filter(|a| !same(a)).map(|a| a.lease).collect();
    Verdict::Believed { why, outcome, output, fuel, right, wrong }
}
