//! How long this machine computed, and how hard, by the quarter of an hour: the part of a rate that
//! the server cannot know. Kept in `<data>/worked.json` for a week, which is the longest window.
//!
//! What was earned comes from the server. [`Worked::window`] says from when on the two can be
//! compared, and how much computing there was since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use medusa_types::Credits;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::settings::Settings;

/// The file, in the data directory.
const FILE: &str = "worked.json";
/// Seconds of a quarter of an hour.
pub(crate) const QUARTER: u64 = 15 * 60;
/// Quarters that are kept: a week.
const KEPT: u64 = 7 * 24 * 4;
/// With less computing than this, a rate would be chance.
const ENOUGH: u64 = 5 * 60;
/// Seconds of computing that a crash may lose.
const UNSAVED_MAX: u64 = 60;

/// What this machine computed.
#[derive(Debug)]
pub(crate) struct Worked {
    file: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// By the number of the quarter since 1970.
    quarters: BTreeMap<u64, Part>,
    #[serde(skip)]
    unsaved: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Part {
    /// Seconds in which at least one chunk computed.
    seconds: u64,
    /// Of those, in which the processor share of it was known.
    measured: u64,
    /// The shares of those seconds, in percent, summed up.
    load: u64,
}

/// A stretch of time up to now, and the computing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its beginning, in seconds since 1970: that of a quarter of an hour.
    pub(crate) from: u64,
    /// Seconds in which at least one chunk computed.
    pub(crate) seconds: u64,
    /// What computing took of all processors meanwhile, in percent.
    pub(crate) load_pct: Option<u64>,
}

impl Worked {
    /// What was kept in this data directory. A damaged file is like none: the window begins anew.
    pub(crate) fn open(data: &Path) -> Self {
        let file = data.join(FILE);
        let content = disk::read(&file).ok().flatten().unwrap_or_default();
        let kept = serde_json::from_slice(&content).unwrap_or_default();
        Self { file, kept: Mutex::new(kept) }
    }

    /// Another second in which chunks computed, with what that took of all processors.
    pub(crate) fn second(&self, now: u64, load_pct: Option<u32>) {
        let mut kept = self.kept();
        let quarter = now.checked_div(QUARTER).unwrap_or_default();
        let oldest = quarter.saturating_sub(KEPT);
        kept.quarters.retain(|quarter, _| *quarter > oldest);
        let part = kept.quarters.entry(quarter).or_default();
        part.seconds = part.seconds.saturating_add(1);
        if let Some(load) = load_pct {
            part.measured = part.measured.saturating_add(1);
            part.load = part.load.saturating_add(u64::from(load));
        }
        kept.unsaved = kept.unsaved.saturating_add(1);
        let is_due = kept.unsaved >= UNSAVED_MAX;
        drop(kept);
        if is_due {
            self.save();
        }
    }

    /// From the first kept quarter of the last week until now; nothing before the first computing.
    pub(crate) fn window(&self, now: u64) -> Option<Window> {
        let kept = self.kept();
        let oldest = now.checked_div(QUARTER).unwrap_or_default().saturating_sub(KEPT);
        let parts = || kept.quarters.iter().filter(|(quarter, _)| **quarter > oldest);
        let (first, _) = parts().next()?;
        let sum = |of: fn(&Part) -> u64| {
            parts().fold(0_u64, |sum, (_, part)| sum.saturating_add(of(part)))
        };
        Some(Window {
            from: first.saturating_mul(QUARTER),
            seconds: sum(|part| part.seconds),
            load_pct: sum(|part| part.load).checked_div(sum(|part| part.measured)),
        })
    }

    /// Writes it down for the next start.
    pub(crate) fn save(&self) {
        let content = {
            let mut kept = self.kept();
            kept.unsaved = 0;
            serde_json::to_vec(&*kept)
        };
        let written = content
            .map_err(std::io::Error::from)
            .and_then(|content| disk::write(&self.file, &content));
        if let Err(error) = written {
            tracing::warn!(%error, "the time of computing could not be kept");
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// What an hour of computing earned, if there was enough of it to tell.
    pub(crate) fn per_hour(&self, earned: Credits) -> Option<Credits> {
        if self.seconds < ENOUGH {
            return None;
        }
        let micros = i128::from(earned.micros()).saturating_mul(3_600);
        let micros = micros.checked_div(i128::from(self.seconds))?;
        // Thousandths are enough of what is large: more digits would promise too much.
        let unit = if micros >= 100_000 { 1_000 } else { 1 };
        let micros = micros.checked_div(unit)?.saturating_mul(unit);
        i64::try_from(micros).ok().map(Credits::from_micros)
    }
}

/// What an hour of computing costs in electricity, in thousandths of a cent, when it takes this
/// share of the processors; the machine's whole draw where the share is not known. Nothing while
/// price or power are not set.
pub(crate) fn cost_per_hour(settings: &Settings, load_pct: Option<u64>) -> Option<u64> {
    // Watts by cents for a kilowatt hour are thousandths of a cent an hour.
    let whole = u64::from(settings.watts).saturating_mul(u64::from(settings.kwh_cents));
    let share = load_pct.unwrap_or(100).min(100);
    Some(whole.saturating_mul(share).checked_div(100)?).filter(|_| whole > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn an_hour_of_computing_has_a_rate_once_there_was_enough() {
        let scratch = Scratch::new();
        let worked = Worked::open(scratch.path());
        let now = 1_000 * QUARTER;
        assert_eq!(worked.window(now), None);
        for second in 0..200 {
            worked.second(now + second, Some(80));
        }
        let earned = Credits::from_micros(500_000);
        assert_eq!(worked.window(now).unwrap().per_hour(earned), None, "too little to tell");
        for second in 200..400 {
            worked.second(now + second, None);
        }
        let window = worked.window(now + 400).unwrap();
        assert_eq!(window, Window { from: now, seconds: 400, load_pct: Some(80) });
        assert_eq!(window.per_hour(earned).unwrap(), Credits::from_micros(4_500_000));
    }

    #[test]
    fn a_window_is_a_week_at_most_and_survives_a_restart() {
        let scratch = Scratch::new();
        let worked = Worked::open(scratch.path());
        let day = 24 * 3_600;
        for at in [0, 5 * day, 10 * day] {
            (0..UNSAVED_MAX).for_each(|second| worked.second(100 * day + at + second, Some(50)));
        }
        let window = Worked::open(scratch.path()).window(110 * day + 70).unwrap();
        assert_eq!((window.from, window.seconds), (105 * day, 2 * UNSAVED_MAX));
        assert_eq!(worked.window(130 * day), None, "it did nothing for a week");
    }

    #[test]
    fn a_damaged_file_means_a_new_window() {
        let scratch = Scratch::new();
        std::fs::write(scratch.path().join(FILE), "{\"quarters\":7").unwrap();
        assert_eq!(Worked::open(scratch.path()).window(1), None);
    }

    #[test]
    fn electricity_costs_what_computing_takes() {
        let settings = Settings { watts: 40, kwh_cents: 31, ..Settings::default() };
        assert_eq!(cost_per_hour(&settings, None), Some(1_240));
        assert_eq!(cost_per_hour(&settings, Some(50)), Some(620));
        assert_eq!(cost_per_hour(&Settings::default(), Some(50)), None);
    }
}
