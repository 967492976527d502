//! What is asked of the operating system, one module for each: what the machine measures, files
//! that are private, and signals. Outside this folder nothing knows which system it is.
//!
//! A reading that a system or a machine does not have is none. Reading takes a few files each
//! second; commands and lists of processes are asked for seldom, and only while a rule needs them.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as here;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as here;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::Signals;
#[cfg(all(test, unix))]
pub(crate) use unix::open_to_others;
#[cfg(unix)]
pub(crate) use unix::{
    become_program, is_open_to_others, link, make_private_dir, new_private_file, new_program,
    put_in_place,
};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as here;
#[cfg(windows)]
pub use windows::Signals;
#[cfg(all(test, windows))]
pub(crate) use windows::open_to_others;
#[cfg(windows)]
pub(crate) use windows::{
    become_program, is_open_to_others, link, make_private_dir, new_private_file, new_program,
    put_in_place,
};

mod load;
mod sensors;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

pub(crate) use sensors::{Sensors, memory_bytes};

use crate::rules::clock::Local;

/// How long a command may take.
const COMMAND_MAX: Duration = Duration::from_secs(2);

/// What files tell at once.
#[derive(Debug, Default)]
struct Quick {
    /// Time of the processors since the start of the machine.
    cpu: Option<load::Cpu>,
    /// Seconds since a terminal was typed at.
    terminals_idle_s: Option<u64>,
    on_battery: Option<bool>,
    heat_c: Option<i32>,
}

/// What commands tell.
#[derive(Clone, Copy, Debug, Default)]
struct Slow {
    idle_s: Option<u64>,
    on_battery: Option<bool>,
    metered: Option<bool>,
}

/// The same moment on the wall clock of this machine; in UTC where its zone is not known.
pub(crate) fn local(unix: u64) -> Local {
    let zoned = zoned(unix);
    let small = |n: i8| u32::try_from(n).unwrap_or_default();
    Local {
        unix,
        weekday: small(zoned.weekday().to_monday_zero_offset()),
        hour: small(zoned.hour()),
        second: small(zoned.minute()).saturating_mul(60).saturating_add(small(zoned.second())),
    }
}

/// Minutes that this machine's clock is ahead of UTC.
pub(crate) fn offset_min(unix: u64) -> i32 {
    zoned(unix).offset().seconds().checked_div(60).unwrap_or_default()
}

/// The day and the minute, as this machine's clock shows them: `2026-11-23 18:05`.
pub(crate) fn date(unix: u64) -> String {
    zoned(unix).strftime("%Y-%m-%d %H:%M").to_string()
}

fn zoned(unix: u64) -> jiff::Zoned {
    let seconds = i64::try_from(unix).unwrap_or_default();
    let stamp = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    stamp.to_zoned(jiff::tz::TimeZone::system())
}

/// Opens a link in the browser of whoever uses the machine. What runs then opens it, or is it.
pub(crate) fn open_link(link: &str) -> std::io::Result<std::process::Child> {
    let (program, args) = here::OPENER;
    let mut command = std::process::Command::new(program);
    command.args(args).arg(link);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// What a command prints, if it is there, succeeds and is quick.
#[cfg_attr(windows, expect(dead_code, reason = "no reading of Windows needs a command"))]
async fn said(program: &Path, args: &[&str]) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(COMMAND_MAX, command.output()).await.ok()?.ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_knows_its_hour() {
        let now = local(1_000_000_000);
        assert_eq!(now.unix, 1_000_000_000);
        assert!(now.weekday < 7 && now.hour < 24 && now.second < 3_600);
        assert_eq!(now.second % 60, 40, "no zone is off by less than a minute");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_is_heard_when_it_succeeds() {
        assert_eq!(said(Path::new("/bin/echo"), &["a"]).await.as_deref(), Some("a\n"));
        assert_eq!(said(Path::new("/bin/false"), &[]).await, None);
        assert_eq!(said(Path::new("/no/such/program"), &[]).await, None);
    }
}
