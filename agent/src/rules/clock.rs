//! The week as the lender's wall clock shows it: hours that are lent, hours in which electricity
//! is dear.

use crate::settings::{HOURS, Settings};

/// Hours that are looked ahead: a week.
const AHEAD: u64 = 7 * 24;
/// The days, as the grid of the page has them.
pub(crate) const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A moment in the machine's own time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// Seconds since 1970 in UTC.
    pub(crate) unix: u64,
    /// From Monday, 0.
    pub(crate) weekday: u32,
    /// From 0.
    pub(crate) hour: u32,
    /// Seconds since the hour began.
    pub(crate) second: u32,
}

impl Local {
    /// The moment that many seconds later, by the same zone: a change of the clock in between is
    /// not known here.
    pub(crate) fn later(self, seconds: u64) -> Self {
        let since = u64::from(self.weekday)
            .saturating_mul(24)
            .saturating_add(u64::from(self.hour))
            .saturating_mul(3_600)
            .saturating_add(u64::from(self.second))
            .saturating_add(seconds);
        let hours = since.checked_div(3_600).unwrap_or_default();
        let small = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
        Self {
            unix: self.unix.saturating_add(seconds),
            weekday: small(hours.checked_div(24).and_then(|days| days.checked_rem(7))),
            hour: small(hours.checked_rem(24)),
            second: small(since.checked_rem(3_600)),
        }
    }

    /// This moment as a clock shows it to who reads it `today`: `18:05`, or `Tue 18:05`.
    pub(crate) fn in_words(self, today: Self) -> String {
        let minute = self.second.checked_div(60).unwrap_or_default();
        let clock = format!("{:02}:{minute:02}", self.hour);
        let is_near = self.unix.saturating_sub(today.unix) < 24 * 3_600;
        match DAYS.get(usize::try_from(self.weekday).unwrap_or_default()) {
            Some(day) if self.weekday != today.weekday || !is_near => format!("{day} {clock}"),
            _ => clock,
        }
    }
}

/// Whether this hour of this day is lent.
pub(crate) fn is_lent(hours: &[u32; 7], weekday: u32, hour: u32) -> bool {
    let day = usize::try_from(weekday).ok().and_then(|day| hours.get(day));
    day.is_some_and(|bits| bits.checked_shr(hour).is_some_and(|bits| bits & 1 == 1))
}

/// Whether electricity is dear in this hour. A stretch may go over midnight.
pub(crate) fn is_dear(dear: Option<(u32, u32)>, hour: u32) -> bool {
    dear.is_some_and(
        |(from, to)| {
            if from < to { from <= hour && hour < to } else { hour >= from || hour < to }
        },
    )
}

/// When the next hour begins that is lent and not dear, if there is one within a week.
pub(crate) fn opens(settings: &Settings, now: Local) -> Option<u64> {
    let to_next = 3_600_u64.saturating_sub(u64::from(now.second));
    (0..AHEAD).map(|hours| now.later(hours.saturating_mul(3_600).saturating_add(to_next))).find_map(
        |then| {
            let opens = is_lent(&settings.hours, then.weekday, then.hour)
                && !is_dear(settings.dear, then.hour);
            opens.then_some(then.unix)
        },
    )
}

/// The hours of a day as a list of bits.
pub(crate) fn bits(hours: u32) -> impl Iterator<Item = bool> {
    (0..HOURS).map(move |hour| hours >> hour & 1 == 1)
}
