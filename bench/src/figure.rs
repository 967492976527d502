//! Figures: a number with a name and a unit, one JSON line each.

use std::io::Write as _;
use std::num::NonZero;
use std::time::Duration;

use serde::Serialize;
use sysinfo::System;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    value: f64,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
fn print(name: &str, value: f64, unit: &str, against: Option<f64>) {
    let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let value = rounded(value);
    let ratio = against.map(|against| rounded(value / against));
    let line = Line { name, value, unit, against, ratio };
    let text = serde_json::to_string(&line).unwrap_or_default();
    // Nobody listens any more when this fails.
    writeln!(std::io::stdout(), "{text}").ok();
}

/// A time in seconds.
pub(crate) fn seconds(name: &str, value: Duration) {
    print(name, value.as_secs_f64(), "s", None);
}

/// A time in milliseconds, and the time that it should stay under.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(crate) fn millis(name: &str, value: Duration, aim: Duration) {
    print(name, value.as_secs_f64() * 1_000.0, "ms", Some(aim.as_secs_f64() * 1_000.0));
}

/// So many in a time, by the second.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(crate) fn rate(name: &str, count: u32, time: Duration, unit: &str) {
    print(name, f64::from(count) / time.as_secs_f64(), unit, None);
}

/// So many a second.
pub(crate) fn per_second(name: &str, value: f64) {
    print(name, value, "/s", None);
}

/// How many a second these are.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(crate) fn per_second_of(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

/// One figure by another of the same run.
pub(crate) fn ratio(name: &str, value: f64) {
    print(name, value, "ratio", None);
}

/// A time in milliseconds.
pub(crate) fn ms(name: &str, value: f64) {
    print(name, value, "ms", None);
}

/// A time in microseconds.
pub(crate) fn us(name: &str, value: f64) {
    print(name, value, "us", None);
}

/// So many bytes.
pub(crate) fn bytes(name: &str, value: f64) {
    print(name, value, "bytes", None);
}

/// A size in KiB, and the size that it should stay under.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(crate) fn kib(name: &str, bytes: f64, aim: f64) {
    print(name, bytes / 1024.0, "KiB", Some(aim));
}

/// A figure with a unit, and what it should stay under.
pub(crate) fn aimed(name: &str, value: f64, unit: &str, aim: f64) {
    print(name, value, unit, Some(aim));
}

/// One time by another, and the ratio that is wanted.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(crate) fn speedup(name: &str, (one, two): (Duration, Duration), aim: f64) {
    print(name, one.as_secs_f64() / two.as_secs_f64(), "ratio", Some(aim));
}

/// The middle one of some values.
pub(crate) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() >> 1).copied().unwrap_or_default()
}

/// What the figures were measured on, and how busy it was before.
pub(crate) fn machine() {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    print("machine_cores", f64::from(cores), "cores", None);
    if let Ok(load) = System::load_average() {
        print("machine_load_1m", load.one, "processes", None);
    }
}

/// The middle one of an odd number of times.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() >> 1).copied().unwrap_or_default()
}

/// What goes on, for a person who waits.
pub(crate) fn say(text: &str) {
    writeln!(std::io::stderr(), "bench: {text}").ok();
}
