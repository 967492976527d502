//! When a result is believed.

use medusa_types::{Fuel, LeaseId, Outcome, Sha256Hash};

use super::lease::Attempt;
use super::trust::Copies;

/// What to do about a chunk after a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another copy is needed.
    Open,
    /// The server has to run the chunk itself: its reports contradict each other, or one agent
    /// alone is not enough and nobody else is there.
    Referee,
    /// The result is believed.
    Believed {
        /// `agreed`, `refereed` or `trusted`.
        why: &'static str,
        /// How the runs ended.
        outcome: Outcome,
        /// The result.
        output: Sha256Hash,
        /// Its length in bytes.
        output_bytes: u64,
        /// Agreed fuel.
        fuel: Fuel,
        /// Leases that are paid.
        right: Vec<LeaseId>,
        /// Leases that are not.
        wrong: Vec<LeaseId>,
    },
}

/// What a run gave: the server's own, or one that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refereed {
    /// How it ended.
    pub outcome: Outcome,
    /// The result.
    pub output: Sha256Hash,
    /// Its length in bytes.
    pub output_bytes: u64,
    /// Fuel used.
    pub fuel: Fuel,
}

/// What can be done about a chunk beside believing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Means {
    /// What was decided when its first copy was given out.
    pub(super) copies: Copies,
    /// An unrelated owner's agent could still give another copy.
    pub(super) more: bool,
    /// The server can afford to run it.
    pub(super) cheap: bool,
}

/// Decides over the comparable reports of one chunk. Nothing is believed that only one agent says,
/// unless its record was found good enough before it began.
#[must_use]
pub(super) fn judge(attempts: &[Attempt], means: Means) -> Verdict {
    let Some(first) = attempts.first() else { return Verdict::Open };
    if attempts.iter().any(|a| !a.matches(first)) {
        return disagreement(attempts, means);
    }
    if attempts.len() > 1 {
        return believed("agreed", first.into(), attempts);
    }
    match means.copies {
        Copies::Single if first.outcome == Outcome::Done => {
            believed("trusted", first.into(), attempts)
        }
        Copies::Rerun if means.cheap => Verdict::Referee,
        _ if !means.more && means.cheap => Verdict::Referee,
        _ => Verdict::Open,
    }
}

/// The server decides where it can; where that is too expensive, one more copy does.
fn disagreement(attempts: &[Attempt], means: Means) -> Verdict {
    if means.cheap {
        return Verdict::Referee;
    }
    let most = attempts.iter().max_by_key(|a| alike(a, attempts));
    if let Some(most) = most.filter(|a| alike(a, attempts).saturating_mul(2) > attempts.len()) {
        return believed("agreed", most.into(), attempts);
    }
    if means.more { Verdict::Open } else { Verdict::Referee }
}

fn alike(one: &Attempt, attempts: &[Attempt]) -> usize {
    attempts.iter().filter(|a| a.matches(one)).count()
}

/// Decides by the server's own run.
#[must_use]
pub(super) fn judge_by(referee: Refereed, attempts: &[Attempt]) -> Verdict {
    believed("refereed", referee, attempts)
}

impl From<&Attempt> for Refereed {
    fn from(attempt: &Attempt) -> Self {
        let Attempt { outcome, output, output_bytes, fuel, .. } = *attempt;
        Self { outcome, output, output_bytes, fuel }
    }
}

fn believed(why: &'static str, truth: Refereed, attempts: &[Attempt]) -> Verdict {
    let Refereed { outcome, output, output_bytes, fuel } = truth;
    let same = |a: &&Attempt| a.outcome.is_like(outcome) && (a.output, a.fuel) == (output, fuel);
    let right = attempts.iter().filter(same).map(|a| a.lease).collect();
    let wrong = attempts.iter().filter(|a| !same(a)).map(|a| a.lease).collect();
    Verdict::Believed { why, outcome, output, output_bytes, fuel, right, wrong }
}
