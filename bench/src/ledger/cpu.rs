//! Where the time of the cores goes: of this process, of each process of Postgres, and of the
//! whole machine, by the transfer. On a shared machine these say more than a rate does. Linux
//! only; elsewhere there are no figures.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use sqlx::PgPool;

use crate::figure;

/// Microseconds of one tick of `/proc`: it has a hundred in a second on every Linux.
const TICK_US: u32 = 10_000;

/// Ticks so far.
#[derive(Default)]
pub(super) struct Cpu {
    parts: BTreeMap<&'static str, u64>,
}

impl Cpu {
    /// As it is now.
    pub(super) async fn now(pool: &PgPool) -> Result<Self> {
        let mut parts = BTreeMap::new();
        let mut add = |part, ticks: Option<u64>| {
            *parts.entry(part).or_insert(0) += ticks.unwrap_or_default();
        };
        add("process", of_process("self"));
        let processes: Vec<(i32, String, bool, bool)> = sqlx::query_as(
            "select pid, backend_type, coalesce(query like '%log_append(%', false),
                 pid = pg_backend_pid()
             from pg_stat_activity",
        )
        .fetch_all(pool)
        .await?;
        for (pid, kind, commits, asks) in processes {
            let part = match kind.as_str() {
                _ if asks => "asking",
                "client backend" if commits => "commit",
                "client backend" => "books",
                "walwriter" => "walwriter",
                _ => "upkeep",
            };
            add(part, of_process(&pid.to_string()));
        }
        for (part, ticks) in of_machine() {
            add(part, Some(ticks));
        }
        Ok(Self { parts })
    }

    /// What was used since, in microseconds for each of `count`.
    #[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
    pub(super) fn since(&self, before: &Self, count: f64) -> BTreeMap<&'static str, f64> {
        let used = |part| {
            let of = |cpu: &Self| cpu.parts.get(part).copied().unwrap_or_default();
            let ticks = u32::try_from(of(self).saturating_sub(of(before))).unwrap_or(u32::MAX);
            f64::from(ticks) * f64::from(TICK_US) / count
        };
        self.parts.keys().map(|part| (*part, used(part))).collect()
    }
}

/// Prints the middle window of each part, in microseconds by the transfer.
pub(super) fn print(name: &str, windows: &[BTreeMap<&'static str, f64>]) {
    let parts = windows.first().map(|window| window.keys().copied()).into_iter().flatten();
    for part in parts {
        let values: Vec<f64> = windows.iter().filter_map(|w| w.get(part).copied()).collect();
        figure::us(&format!("{name}_cpu_{part}"), figure::middle(&values));
    }
}

/// User and system ticks of a process, its threads included.
fn of_process(pid: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may have spaces in it.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Ticks of the machine: busy, idle, waiting for the disk, and taken by other guests of its host.
fn of_machine() -> Vec<(&'static str, u64)> {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let [user, nice, system, idle, disk, irq, soft, stolen, ..] = ticks.as_slice() else {
        return Vec::new();
    };
    vec![
        ("machine_busy", user + nice + system + irq + soft),
        ("machine_idle", *idle),
        ("machine_disk", *disk),
        ("machine_stolen", *stolen),
    ]
}
