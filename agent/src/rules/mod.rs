//! The comfort rules: from limits and readings to what the machine may do now, and why.
//!
//! [`decide`] is a plain function on plain numbers: no clock, no files, no floats. The switch is
//! not asked here, so that the same answer says what would happen if it were on. A reading that
//! this machine does not have is named in the verdict, and taken for the careful case where there
//! is one: somebody uses the machine. [`clock`] knows the week.

pub(crate) mod clock;
mod reason;
#[cfg(test)]
mod tests;

use crate::settings::Settings;
use clock::Local;
pub use reason::{Reason, Unknown};

/// Degrees below its limit at which a hot machine goes on.
const COOLER: i32 = 5;

/// What the machine measured. None is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Seconds since the last key or movement.
    pub idle_s: Option<u64>,
    /// What other programs take of all processors, in percent.
    pub load_pct: Option<u32>,
    /// What this program and its workers take of all processors, in percent.
    pub own_pct: Option<u32>,
    /// Whether it runs on battery.
    pub on_battery: Option<bool>,
    /// The hottest sensor, in degrees Celsius.
    pub heat_c: Option<i32>,
    /// Whether the connection is paid by volume.
    pub metered: Option<bool>,
    /// Free disk where the data is kept, in MB.
    pub disk_free_mb: Option<u64>,
    /// The program of the lender's list that runs.
    pub program: Option<String>,
    /// The machine's memory, in MiB.
    pub memory_mib: u64,
}

/// What was announced to the server: the most that a verdict gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lent {
    pub(crate) slots: u32,
    pub(crate) memory_mib: u64,
}

/// What has to be remembered between two decisions, so that they do not flutter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// A load is over at this time, in seconds since 1970.
    quiet_at: Option<u64>,
    /// It was too hot, and has not cooled down.
    is_hot: bool,
}

/// How much may happen, from all to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Work is taken and done.
    Run,
    /// What is under way goes on; nothing new is taken.
    Hold,
    /// Nothing computes.
    Freeze,
}

/// The answer of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How much may happen.
    pub scope: Scope,
    /// Chunks that may compute at the same time; none when frozen.
    pub slots: u32,
    /// Memory that they share, in MiB.
    pub memory_mib: u64,
    /// Why it is not everything that is lent.
    pub why: Vec<Reason>,
    /// Rules that are on and cannot be judged on this machine.
    pub unknown: Vec<Unknown>,
    /// When it can go on at the earliest, in seconds since 1970, if the clock alone decides.
    pub next: Option<u64>,
}

/// What the lender asked for on the website. It is not kept: the server says it at each link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) paused: bool,
    pub(crate) slots: Option<u32>,
    pub(crate) memory_mib: Option<u64>,
}

impl Verdict {
    /// The verdict with what the website asks for: it can only become less.
    pub(crate) fn within(mut self, remote: &Remote) -> Self {
        if remote.paused {
            self.why.insert(0, Reason::Website);
            (self.scope, self.slots, self.next) = (Scope::Freeze, 0, None);
        }
        let slots = remote.slots.map(|most| most.max(1)).filter(|most| *most < self.slots);
        let memory_mib = remote.memory_mib.filter(|most| *most < self.memory_mib);
        self.slots = slots.unwrap_or(self.slots);
        self.memory_mib = memory_mib.unwrap_or(self.memory_mib);
        // What stands still is not limited further.
        let is_limited = slots.is_some() || memory_mib.is_some();
        if is_limited && self.scope != Scope::Freeze {
            self.why.push(Reason::WebsiteLimit { slots, memory_mib });
        }
        self
    }
}

/// What may happen now, and what to remember for the next decision.
pub(crate) fn decide(
    settings: &Settings,
    readings: &Readings,
    lent: Lent,
    now: Local,
    memory: Memory,
) -> (Verdict, Memory) {
    let memory = remember(settings, readings, now, memory);
    let is_idle =
        readings.idle_s.is_some_and(|idle| idle >= u64::from(settings.idle_min).saturating_mul(60));
    let (cores, mem) = if is_idle {
        (settings.cores_idle_pct, settings.memory_idle_pct)
    } else {
        (settings.cores_in_use_pct, settings.memory_in_use_pct)
    };
    let mut why = freezing(settings, readings, now, memory);
    if cores == 0 {
        why.push(if is_idle { Reason::NoCores } else { Reason::InUse });
    }
    let is_frozen = !why.is_empty();
    why.extend(holding(settings, readings));
    let scope = match (is_frozen, why.is_empty()) {
        (true, _) => Scope::Freeze,
        (false, false) => Scope::Hold,
        (false, true) => Scope::Run,
    };
    let slots = if is_frozen { 0 } else { share(lent.slots, cores) };
    if !is_frozen && slots < lent.slots {
        why.push(Reason::Fewer { slots, of: lent.slots, is_idle });
    }
    let memory_mib = match readings.memory_mib {
        // Not known, or not read yet.
        0 => lent.memory_mib,
        whole => percent(whole, mem).min(lent.memory_mib),
    };
    let next = next(settings, now, memory, &why);
    let unknown = unknown(settings, readings);
    (Verdict { scope, slots, memory_mib, why, unknown, next }, memory)
}

/// Brings the memory up to date. A clock that was set back must not prolong a pause.
fn remember(settings: &Settings, readings: &Readings, now: Local, memory: Memory) -> Memory {
    let latest = now.unix.saturating_add(u64::from(settings.quiet_min).saturating_mul(60));
    let is_loaded =
        settings.load_pct.zip(readings.load_pct).is_some_and(|(most, load)| load > most);
    let quiet_at = match (settings.load_pct, is_loaded) {
        (None, _) => None,
        (Some(_), true) => Some(latest),
        (Some(_), false) => memory.quiet_at.filter(|at| *at > now.unix).map(|at| at.min(latest)),
    };
    let is_hot = settings.heat_c.zip(readings.heat_c).is_some_and(|(most, heat)| {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        heat >= if memory.is_hot { most.saturating_sub(COOLER) } else { most }
    });
    Memory { quiet_at, is_hot }
}

/// Why nothing may compute.
fn freezing(settings: &Settings, readings: &Readings, now: Local, memory: Memory) -> Vec<Reason> {
    let mut why = Vec::new();
    if settings.snooze_until > now.unix {
        why.push(Reason::Snoozed);
    }
    if !clock::is_lent(&settings.hours, now.weekday, now.hour) {
        why.push(Reason::Hours);
    }
    if clock::is_dear(settings.dear, now.hour) {
        why.push(Reason::Dear);
    }
    if let Some(name) = &readings.program {
        why.push(Reason::Program(name.clone()));
    }
    if !settings.on_battery && readings.on_battery == Some(true) {
        why.push(Reason::Battery);
    }
    if memory.is_hot {
        why.push(Reason::Hot(readings.heat_c.unwrap_or_default()));
    }
    if memory.quiet_at.is_some() {
        why.push(Reason::Load(readings.load_pct.unwrap_or_default()));
    }
    why
}

/// Why nothing new is taken.
fn holding(settings: &Settings, readings: &Readings) -> Vec<Reason> {
    let mut why = Vec::new();
    if !settings.on_metered && readings.metered == Some(true) {
        why.push(Reason::Metered);
    }
    let least_mb = u64::from(settings.disk_free_gb).saturating_mul(1_000);
    if let Some(free) = readings.disk_free_mb.filter(|free| *free < least_mb) {
        why.push(Reason::Disk(free));
    }
    why
}

/// Rules that are on, and whose reading this machine does not have.
fn unknown(settings: &Settings, readings: &Readings) -> Vec<Unknown> {
    let differs = settings.cores_in_use_pct != settings.cores_idle_pct
        || settings.memory_in_use_pct != settings.memory_idle_pct;
    [
        (differs && readings.idle_s.is_none(), Unknown::Idle),
        (settings.load_pct.is_some() && readings.load_pct.is_none(), Unknown::Load),
        (!settings.on_battery && readings.on_battery.is_none(), Unknown::Battery),
        (settings.heat_c.is_some() && readings.heat_c.is_none(), Unknown::Heat),
        (!settings.on_metered && readings.metered.is_none(), Unknown::Metered),
        (settings.disk_free_gb > 0 && readings.disk_free_mb.is_none(), Unknown::Disk),
    ]
    .into_iter()
    .filter_map(|(is_unknown, rule)| is_unknown.then_some(rule))
    .collect()
}

/// The end of a pause that only time can end: the latest of its reasons' ends.
fn next(settings: &Settings, now: Local, memory: Memory, why: &[Reason]) -> Option<u64> {
    let end = |reason: &Reason| match reason {
        Reason::Snoozed => Some(settings.snooze_until),
        Reason::Load(_) => memory.quiet_at,
        Reason::Hours | Reason::Dear => clock::opens(settings, now),
        _ => None,
    };
    let pausing = why.iter().filter(|reason| reason.is_pause());
    let ends: Option<Vec<u64>> = pausing.map(end).collect();
    ends?.into_iter().max()
}

/// A share of the slots; any share at all is at least one of them.
fn share(slots: u32, pct: u32) -> u32 {
    let slots = percent(u64::from(slots), pct);
    u32::try_from(slots).unwrap_or(u32::MAX).max(1)
}

fn percent(whole: u64, pct: u32) -> u64 {
    whole.saturating_mul(u64::from(pct)).checked_div(100).unwrap_or_default()
}
