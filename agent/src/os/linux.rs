//! Linux: `/proc` and `/sys`, terminals, `loginctl` for sessions and `busctl` for the network.
//!
//! All paths begin at a root, so that tests can put a machine of their own there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::load::Cpu;
use super::{Quick, Slow, said};

/// Opens a link.
pub(super) const OPENER: (&str, &[&str]) = ("xdg-open", &[]);

/// What a sensor may plausibly say, in thousandths of a degree Celsius; others are broken.
const PLAUSIBLE: std::ops::Range<i32> = -40_000..150_000;

pub(super) fn quick(root: &Path, now: u64) -> Quick {
    Quick {
        cpu: cpu(&root.join("proc")),
        terminals_idle_s: terminals(&root.join("dev"), now),
        on_battery: on_battery(&root.join("sys/class/power_supply")),
        heat_c: heat(&root.join("sys/class")),
    }
}

pub(super) async fn slow(root: &Path, now: u64) -> Slow {
    Slow { idle_s: sessions(root, now).await, on_battery: None, metered: metered(root).await }
}

/// Processor time of all, and of this program with the workers that it has and had.
fn cpu(proc: &Path) -> Option<Cpu> {
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    let all = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = all.split_whitespace().map_while(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; what guests take is part of user.
    let total: u64 = times.iter().take(8).sum();
    let idle: u64 = times.iter().skip(3).take(2).sum();
    let mut own = ticks(&proc.join("self/stat"), 4)?;
    for task in entries(&proc.join("self/task")) {
        let children = fs::read_to_string(task.join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            // It may have ended in between; then its time is its parent's.
            let child = ticks(&proc.join(child).join("stat"), 2).unwrap_or_default();
            own = own.saturating_add(child);
        }
    }
    Some(Cpu { total, busy: total.saturating_sub(idle), own })
}

/// So many of a process's times: in user mode, in the kernel, and both of its ended children.
fn ticks(stat: &Path, count: usize) -> Option<u64> {
    let stat = fs::read_to_string(stat).ok()?;
    // The name may hold anything, even a bracket.
    let (_, after) = stat.rsplit_once(')')?;
    let times = after.split_whitespace().skip(11).take(count);
    Some(times.map_while(|n| n.parse::<u64>().ok()).sum())
}

/// Seconds since somebody typed at a terminal: the system notes when it was read last.
fn terminals(dev: &Path, now: u64) -> Option<u64> {
    let numbered = |path: &PathBuf, prefix: &str| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(prefix).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let virtual_ones = entries(dev).filter(|path| numbered(path, "tty"));
    let pseudo = entries(&dev.join("pts")).filter(|path| numbered(path, ""));
    let read = |path: PathBuf| {
        let accessed = fs::metadata(path).ok()?.accessed().ok()?;
        Some(accessed.duration_since(UNIX_EPOCH).ok()?.as_secs())
    };
    let last = virtual_ones.chain(pseudo).filter_map(read).max()?;
    Some(now.saturating_sub(last))
}

/// Whether a battery of the machine (not of a mouse) gives power. Without any it hangs on mains.
fn on_battery(supplies: &Path) -> Option<bool> {
    fs::read_dir(supplies).ok()?;
    let mut is_discharging = false;
    for supply in entries(supplies) {
        let word = |name: &str| {
            let text = fs::read_to_string(supply.join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        match word("type").as_str() {
            "Mains" | "USB" if word("online") == "1" => return Some(false),
            "Battery" if word("scope") != "Device" => {
                is_discharging |= word("status") == "Discharging";
            }
            _ => {}
        }
    }
    Some(is_discharging)
}

/// The hottest sensor, in degrees Celsius.
fn heat(class: &Path) -> Option<i32> {
    let zones = entries(&class.join("thermal")).map(|zone| zone.join("temp"));
    let chips = entries(&class.join("hwmon")).flat_map(|chip| {
        entries(&chip).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("temp") && name.ends_with("_input")
        })
    });
    let read = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<i32>().ok();
    let milli = zones.chain(chips).filter_map(read).filter(|milli| PLAUSIBLE.contains(milli));
    milli.max()?.checked_div(1_000)
}

/// Seconds since a session was used last; very many while nobody is logged in.
async fn sessions(root: &Path, now: u64) -> Option<u64> {
    let loginctl = root.join("usr/bin/loginctl");
    let list = said(&loginctl, &["list-sessions", "--no-legend"]).await?;
    let ids: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    if ids.is_empty() {
        return Some(u64::MAX);
    }
    let mut args = vec!["show-session", "-p", "Class", "-p", "Type"];
    args.extend(["-p", "IdleHint", "-p", "IdleSinceHint", "--"]);
    args.extend(ids);
    Some(idle(&said(&loginctl, &args).await?, now))
}

/// The same from what `loginctl` says about each session. Those of a terminal are told by it.
fn idle(sessions: &str, now: u64) -> u64 {
    let of = |session: &str| {
        let value = |name: &str| session.lines().find_map(|line| line.strip_prefix(name));
        let is_seen = value("Class=") == Some("user")
            && matches!(value("Type="), Some("x11" | "wayland" | "mir"));
        if !is_seen {
            return None;
        }
        let since = value("IdleSinceHint=").and_then(|micros| micros.parse::<u64>().ok());
        match value("IdleHint=") {
            Some("yes") => {
                let since = since.and_then(|micros| micros.checked_div(1_000_000));
                Some(now.saturating_sub(since.unwrap_or(now)))
            }
            _ => Some(0),
        }
    };
    sessions.split("\n\n").filter_map(of).min().unwrap_or(u64::MAX)
}

/// Whether NetworkManager thinks that the connection is paid by volume.
async fn metered(root: &Path) -> Option<bool> {
    const MANAGER: &str = "org.freedesktop.NetworkManager";
    const PATH: &str = "/org/freedesktop/NetworkManager";
    let args = ["--system", "get-property", MANAGER, PATH, MANAGER, "Metered"];
    is_metered(&said(&root.join("usr/bin/busctl"), &args).await?)
}

/// 1 is yes, 2 is no, 3 and 4 are the same as a guess.
fn is_metered(said: &str) -> Option<bool> {
    match said.trim() {
        "u 1" | "u 3" => Some(true),
        "u 2" | "u 4" => Some(false),
        _ => None,
    }
}

/// What is in a folder; nothing when there is none.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
#[path = "linux_tests.rs"]
mod tests;
