//! What an agent's record is worth: its standing, folded from facts, and the rules that decide by
//! it how many copies a chunk needs. Pure, and the fold does not depend on the rules: other rules
//! read the same record.
//!
//! Guarantees: a single copy is only ever given to an agent whose unsettled earnings, times the
//! chance that the copy is checked, are at least its price; what was decided can be decided again
//! from the recorded draw.

use std::str::FromStr;

use medusa_types::{Credits, Timestamp};

/// Thousandths of thousandths.
const WHOLE_PPM: u32 = 1_000_000;
/// Leases that a new agent may hold at the same time, and failures in a row that it may have.
pub const ALLOWANCE_START: u32 = 16;
/// More is no limit any more.
const ALLOWANCE_MAX: u32 = 1 << 20;
/// So many right results in a row make up for one wrong result of before.
const STRIKE_FADES_AT: u32 = 100;
/// However often it was quarantined, an agent does not wait longer than this many times the first.
const QUARANTINE_DOUBLINGS_MAX: u32 = 6;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Every parameter of trust. As text: `seasoned_at=10,check_floor_ppm=20000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustRules {
    /// Right replicated results in a row from which on a single copy may do.
    pub seasoned_at: u32,
    /// Least part of a seasoned agent's chunks that get a second copy, in millionths.
    pub check_floor_ppm: u32,
    /// Part of the single copies that the server runs again, in millionths.
    pub rerun_ppm: u32,
    /// Results of one chunk that are compared at most.
    pub results_max: u32,
    /// Owners whose agents may break down over one chunk.
    pub errors_max: u32,
    /// Leases of one chunk in all.
    pub leases_max: u32,
    /// The server runs chunks again up to this much fuel; beyond, another agent has to.
    pub referee_fuel_max: u64,
    /// Reports that wait for a second owner; with more, a job hands out no fresh chunk.
    pub unconfirmed_max: u32,
    /// Proven wrong results from which on an agent is quarantined.
    pub strikes_max: u32,
    /// How long the first quarantine lasts, in milliseconds; each further one twice as long.
    pub quarantine_ms: u64,
    /// Whether loopback and private addresses tell networks apart, 0 or 1.
    pub private_networks: u32,
}

impl Default for TrustRules {
    fn default() -> Self {
        Self {
            seasoned_at: 10,
            check_floor_ppm: 20_000,
            rerun_ppm: 10_000,
            results_max: 5,
            errors_max: 3,
            leases_max: 8,
            referee_fuel_max: 50_000_000_000,
            unconfirmed_max: 64,
            strikes_max: 2,
            quarantine_ms: 24 * 60 * 60 * 1000,
            private_networks: 0,
        }
    }
}

impl FromStr for TrustRules {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(format!("{part} is no name=number"))?;
            let small = || value.parse::<u32>().map_err(|_| format!("{value} is no number"));
            let large = || value.parse::<u64>().map_err(|_| format!("{value} is no number"));
            match name {
                "seasoned_at" => rules.seasoned_at = small()?,
                "check_floor_ppm" => rules.check_floor_ppm = small()?.clamp(1, WHOLE_PPM),
                "rerun_ppm" => rules.rerun_ppm = small()?.min(WHOLE_PPM),
                "results_max" => rules.results_max = small()?.max(2),
                "errors_max" => rules.errors_max = small()?.max(1),
                "leases_max" => rules.leases_max = small()?.max(2),
                "referee_fuel_max" => rules.referee_fuel_max = large()?,
                "unconfirmed_max" => rules.unconfirmed_max = small()?.max(1),
                "strikes_max" => rules.strikes_max = small()?.max(1),
                "quarantine_ms" => rules.quarantine_ms = large()?,
                "private_networks" => rules.private_networks = small()?.min(1),
                _ => return Err(format!("there is no rule {name}")),
            }
        }
        Ok(rules)
    }
}

/// What happened to an agent's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A result that another agent or the server came to as well.
    Right,
    /// A result that was believed for the agent's record alone.
    Trusted,
    /// Not what the server's own run gave.
    Wrong,
    /// Not what most copies gave, and nobody ran it here.
    Outvoted,
    /// It gave up what another owner's agent finished: too slow, or its stack too small.
    Outdone,
    /// It broke down, or did not deliver what it announced.
    Crashed,
    /// It neither reported nor gave a sign of life in time.
    Late,
    /// Its connection was lost with a lease.
    Lost,
    /// It was paid, and the pay can still be taken back.
    Earned(Credits),
    /// What it could lose was taken back.
    Forfeited(Credits),
    /// An admin lifted its quarantine.
    Reinstated,
}

impl Mark {
    /// The word that the read model keeps; `None` for what is not worth a line.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Right | Self::Trusted | Self::Earned(_) => None,
            Self::Wrong => Some("wrong"),
            Self::Outvoted => Some("outvoted"),
            Self::Outdone => Some("outdone"),
            Self::Crashed => Some("crashed"),
            Self::Late => Some("late"),
            Self::Lost => Some("lost"),
            Self::Forfeited(_) => Some("forfeited"),
            Self::Reinstated => Some("reinstated"),
        }
    }
}

/// An agent's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Right replicated results in a row.
    pub streak: u32,
    /// The public number: one more for each right replicated result, a third less for each fault,
    /// one less for what was given up and another agent finished.
    pub score: u32,
    /// What it earned and could still lose.
    pub stake: Credits,
    /// Proven wrong results that have not faded.
    pub strikes: u32,
    /// When the last of them was proven.
    pub struck_at: Option<Timestamp>,
    /// Leases that it may hold at the same time.
    pub allowance: u32,
    /// When it last failed.
    pub failed_at: Option<Timestamp>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            streak: 0,
            score: 0,
            stake: Credits::ZERO,
            strikes: 0,
            struck_at: None,
            allowance: ALLOWANCE_START,
            failed_at: None,
        }
    }
}

impl Standing {
    /// Folds what happened.
    pub fn apply(&mut self, mark: Mark, at: Timestamp) {
        match mark {
            Mark::Right => {
                self.streak = self.streak.saturating_add(1);
                self.score = self.score.saturating_add(1);
                if self.streak.checked_rem(STRIKE_FADES_AT) == Some(0) {
                    self.strikes = self.strikes.saturating_sub(1);
                }
                self.grow();
            }
            Mark::Trusted => self.grow(),
            Mark::Wrong => {
                self.strikes = self.strikes.saturating_add(1);
                self.struck_at = Some(at);
                self.fault();
                self.fail(at);
                self.allowance = self.allowance.min(1);
            }
            Mark::Outvoted | Mark::Crashed | Mark::Late => {
                self.fault();
                self.fail(at);
            }
            // Slow machines are welcome: it says that they are slow, and no more.
            Mark::Outdone => self.score = self.score.saturating_sub(1),
            Mark::Lost => self.fail(at),
            Mark::Earned(amount) => self.stake = self.stake.saturating_add(amount),
            Mark::Forfeited(amount) => self.stake = self.stake.saturating_sub(amount),
            Mark::Reinstated => {
                (self.strikes, self.struck_at) = (0, None);
                self.allowance = self.allowance.max(1);
            }
        }
    }

    fn fault(&mut self) {
        self.streak = 0;
        self.score = self.score.saturating_mul(2).checked_div(3).unwrap_or_default();
    }

    fn fail(&mut self, at: Timestamp) {
        self.allowance = self.allowance.min(ALLOWANCE_START).saturating_sub(1);
        self.failed_at = Some(at);
    }

    fn grow(&mut self) {
        self.allowance = self.allowance.max(1).saturating_mul(2).min(ALLOWANCE_MAX);
    }

    /// Leases that it may hold now. Who failed too often in a row gets one more try each day.
    #[must_use]
    pub fn leases_max(&self, now: Timestamp) -> u32 {
        let rested = self.failed_at.is_none_or(|at| now.ms_since(at) >= DAY_MS);
        if self.allowance == 0 && rested { 1 } else { self.allowance }
    }

    /// Until when it gets no lease, if it is quarantined now.
    #[must_use]
    pub fn quarantined(&self, rules: &TrustRules, now: Timestamp) -> Option<Timestamp> {
        let beyond = self.strikes.checked_sub(rules.strikes_max)?;
        let first = i64::try_from(rules.quarantine_ms).unwrap_or(i64::MAX);
        let times = 1_i64.checked_shl(beyond.min(QUARANTINE_DOUBLINGS_MAX)).unwrap_or(1);
        let until = self.struck_at?.plus_ms(first.saturating_mul(times));
        (until > now).then_some(until)
    }

    /// The chance that a chunk of this agent is given to a second one, in millionths; all of them
    /// below the threshold.
    #[must_use]
    pub fn check_ppm(&self, rules: &TrustRules) -> u32 {
        if self.streak < rules.seasoned_at {
            return WHOLE_PPM;
        }
        WHOLE_PPM.checked_div(self.streak).unwrap_or(WHOLE_PPM).max(rules.check_floor_ppm)
    }

    /// The chance that a chunk of this agent gets a second copy, in millionths, where the consumer
    /// leaves that to records and a copy is paid at most `price`.
    #[must_use]
    pub fn twice_ppm(&self, price: Credits, rules: &TrustRules) -> u32 {
        let at_risk = covering_ppm(price, self.stake);
        at_risk.map_or(WHOLE_PPM, |at_risk| self.check_ppm(rules).max(at_risk))
    }
}

/// How many copies of a chunk were decided, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The agent's streak.
    pub streak: u32,
    /// The chance of a second copy, in millionths.
    pub check_ppm: u32,
    /// The number drawn, below 1,000,000.
    pub draw: u32,
    /// What follows.
    pub copies: Copies,
}

/// How a result will be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// One copy, believed for the agent's record.
    Single,
    /// One copy, run again by the server.
    Rerun,
    /// Two copies of unrelated owners.
    Double,
}

impl Copies {
    /// The word in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Rerun => "rerun",
            Self::Double => "double",
        }
    }

    /// Reads it back. What is not known is checked.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "single" => Self::Single,
            "rerun" => Self::Rerun,
            _ => Self::Double,
        }
    }
}

/// Decides about the first copy of a chunk. `price` is the most that the copy can be paid,
/// `exposed` what the agent could still gain by the single copies that it holds already, `draw`
/// any number. `None` for an agent that has not earned the question: its chunk gets two copies.
#[must_use]
pub fn draw(
    standing: &Standing,
    (price, exposed): (Credits, Credits),
    draw: u32,
    rules: &TrustRules,
) -> Option<Drawn> {
    let streak = standing.streak;
    if streak < rules.seasoned_at {
        return None;
    }
    let at_risk = covering_ppm(price, standing.stake.saturating_sub(exposed))?;
    let check_ppm = standing.check_ppm(rules).max(at_risk);
    let draw = draw.checked_rem(WHOLE_PPM).unwrap_or_default();
    let copies = if draw < check_ppm {
        Copies::Double
    } else if draw.saturating_sub(check_ppm) < rules.rerun_ppm {
        Copies::Rerun
    } else {
        Copies::Single
    };
    Some(Drawn { streak, check_ppm, draw, copies })
}

/// The least chance of a check, in millionths, at which an agent with this stake has more to lose
/// than to gain by this price; `None` when no chance is enough.
fn covering_ppm(price: Credits, stake: Credits) -> Option<u32> {
    let [price, stake] = [price, stake].map(|c| u128::try_from(c.micros()).unwrap_or_default());
    let ppm = price.checked_mul(u128::from(WHOLE_PPM))?.checked_add(stake.checked_sub(1)?)?;
    let ppm = u32::try_from(ppm.checked_div(stake)?).ok()?;
    (ppm < WHOLE_PPM).then_some(ppm)
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
