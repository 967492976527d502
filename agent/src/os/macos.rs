//! macOS: power by `pmset`, the last key or movement by `ioreg`.

use std::path::Path;

use super::{Quick, Slow, said};

/// Opens a link.
pub(super) const OPENER: (&str, &[&str]) = ("open", &[]);

pub(super) fn quick(_root: &Path, _now: u64) -> Quick {
    Quick::default()
}

pub(super) async fn slow(root: &Path, _now: u64) -> Slow {
    let power = said(&root.join("usr/bin/pmset"), &["-g", "batt"]).await;
    let input = said(&root.join("usr/sbin/ioreg"), &["-c", "IOHIDSystem", "-d", "4"]).await;
    Slow {
        idle_s: input.as_deref().and_then(idle),
        on_battery: power.as_deref().map(|text| text.contains("'Battery Power'")),
        metered: None,
    }
}

/// Seconds since the last input; `ioreg` tells nanoseconds.
fn idle(text: &str) -> Option<u64> {
    let (_, after) = text.split_once("\"HIDIdleTime\" = ")?;
    after.lines().next()?.trim().parse::<u64>().ok()?.checked_div(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_input_is_read() {
        assert_eq!(idle("  | \"HIDIdleTime\" = 61500000000\n"), Some(61));
        assert_eq!(idle("nothing"), None);
    }
}
