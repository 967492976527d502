//! The consumer at the wheel of a job: what it cost so far, why it stands still, and what can be
//! done about it.

use medusa_types::Credits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::jobs::Counts;

/// `POST /v1/jobs/{id}/budget`: hold more.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobBudget {
    /// How much more than is held.
    pub add: Credits,
}

/// `POST /v1/jobs/{id}/retry`: another chance for failed chunks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRetry {
    /// So many times the fuel that a run was allowed before, 1 to 100.
    #[serde(default = "once")]
    pub fuel_times: u32,
}

const fn once() -> u32 {
    1
}

/// Why a job is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseWhy {
    /// Its consumer wished it.
    Asked,
    /// What was held is spent.
    HoldSpent,
    /// Nothing is left but chunks that failed.
    ChunksFailed,
}

impl PauseWhy {
    /// The word in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::HoldSpent => "hold_spent",
            Self::ChunksFailed => "chunks_failed",
        }
    }

    /// Reads the word that the log has.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "hold_spent" => Self::HoldSpent,
            "chunks_failed" => Self::ChunksFailed,
            _ => Self::Asked,
        }
    }

    /// What to do, and why.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Asked => {
                "resume it to go on: you paused it; chunks under way are finished and paid, and \
                 what is held stays held"
            }
            Self::HoldSpent => {
                "raise the budget to go on, or stop the job: the credits that were held are spent \
                 before all chunks are done, because they need more than the sample did"
            }
            Self::ChunksFailed => {
                "retry the chunks that failed, with more fuel if they ran out of it, or stop the \
                 job: every other chunk is done"
            }
        }
    }

    /// The same in a few words, for lists.
    #[must_use]
    pub const fn in_short(self) -> &'static str {
        match self {
            Self::Asked => "by you",
            Self::HoldSpent => "budget spent",
            Self::ChunksFailed => "chunks failed",
        }
    }
}

/// What a job cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cost {
    /// What was held at the start.
    pub held: Credits,
    /// What was paid, fee included.
    pub spent: Credits,
    /// Part of `spent` that is the platform's fee.
    pub fee: Credits,
    /// What came back at the end.
    pub released: Credits,
}

impl Cost {
    /// What is still held.
    #[must_use]
    pub fn left(&self) -> Credits {
        self.held.saturating_sub(self.spent).saturating_sub(self.released).max(Credits::ZERO)
    }

    /// What will likely be missing in the hold: a quarter more than the mean price of a chunk so
    /// far, for each chunk that is not done, and at least what one run at its limit may cost; less
    /// what is left. Rounded up to two digits.
    #[must_use]
    pub fn missing(&self, counts: &Counts) -> Credits {
        let todo = u64::from(counts.total.saturating_sub(counts.done()));
        let (paid, of) = match counts.done() {
            // Nothing is known but what was held: as much again.
            0 => (self.held, counts.total.max(1)),
            done => (self.spent, done),
        };
        // A run is only begun when its limit is covered: about four times the mean.
        let parts = if todo == 0 { 0 } else { todo.saturating_mul(5).max(16) };
        let need = paid.share_floor(parts, u64::from(of).saturating_mul(4)).unwrap_or(paid);
        let short = need.saturating_sub(self.left()).max(Credits::ZERO).micros();
        Credits::from_micros(two_digits_up(short))
    }
}

/// The next number that has no more than two digits before its zeros.
fn two_digits_up(n: i64) -> i64 {
    let (mut step, mut digits) = (1_i64, n);
    while digits > 99 {
        step = step.saturating_mul(10);
        digits = n.saturating_add(step - 1).checked_div(step).unwrap_or_default();
    }
    digits.saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_follows_what_chunks_cost_so_far() {
        let micros = Credits::from_micros;
        for (held, spent, (done, total), missing) in [
            // 2 of 10 took 0.4 each at the mean: 8 more, a quarter on top, of which 0.2 is there.
            (1_000_000, 800_000, (2, 10), 3_800_000),
            (1_000_000, 100_000, (5, 10), 0),
            // Nothing is done yet.
            (1_000_000, 0, (0, 10), 250_000),
            // One chunk more needs room for a run at its limit; told in two digits.
            (100_000, 99_999, (1, 2), 400_000),
            (1_000_000, 999_999, (3, 4), 1_400_000),
            (1_000, 999, (9, 9), 0),
            (100_000, 50_000, (2, 2), 0),
        ] {
            let cost = Cost { held: micros(held), spent: micros(spent), ..Cost::default() };
            let counts = Counts { total, verified: done, ..Counts::default() };
            assert_eq!(cost.missing(&counts), micros(missing), "{held} {spent} {done}/{total}");
        }
    }
}
