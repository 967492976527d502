//! What the lender set on the local page, kept in `<data>/settings.json`: whole numbers in the
//! units that the page shows. Every value is brought into its range when it is read, so that the
//! rules can trust them.
//!
//! The switch is not here: it belongs to the state, and a damaged file of settings must not start
//! anything.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;

/// The file, in the data directory.
const FILE: &str = "settings.json";
/// Hours of a day, and all of them as bits: bit 0 is from midnight to one.
pub(crate) const HOURS: u32 = 24;
pub(crate) const ALL_HOURS: u32 = (1 << HOURS) - 1;
/// Names of programs that pause this one, and their longest.
pub(crate) const PROGRAMS_MAX: usize = 50;
pub(crate) const PROGRAM_CHARS_MAX: usize = 64;
const GB: u64 = 1_000_000_000;
/// The longest snooze, in seconds.
pub(crate) const SNOOZE_MAX: u64 = 12 * 3_600;

/// The lender's limits. A rule that may be off is off when its value is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Share of the slots while somebody uses the machine, in percent. 0: only when nobody does.
    pub cores_in_use_pct: u32,
    /// Share of the slots while nobody does, in percent.
    pub cores_idle_pct: u32,
    /// Share of the machine's memory while somebody uses it, in percent.
    pub memory_in_use_pct: u32,
    /// Share of the machine's memory while nobody does, in percent.
    pub memory_idle_pct: u32,
    /// Nobody uses a machine whose last key or mouse movement is so many minutes ago.
    pub idle_min: u32,
    /// Other programs that use more than this share of the processor pause it, in percent.
    pub load_pct: Option<u32>,
    /// How long such a load has to be over, in minutes.
    pub quiet_min: u32,
    /// Whether it computes on battery.
    pub on_battery: bool,
    /// The hottest sensor may reach this, in degrees Celsius.
    pub heat_c: Option<u32>,
    /// Whether it takes work over a connection that is paid by volume.
    pub on_metered: bool,
    /// Disk for downloads and compiled programs, in GB.
    pub disk_gb: u32,
    /// Disk that stays free, in GB.
    pub disk_free_gb: u32,
    /// The hours of each day of the week, from Monday, in which it may compute.
    pub hours: [u32; 7],
    /// From and to this hour of each day electricity is dear, and it does not compute.
    pub dear: Option<(u32, u32)>,
    /// It does not compute while a program of one of these names runs.
    pub programs: Vec<String>,
    /// It does not compute before this time, in seconds since 1970.
    pub snooze_until: u64,
    /// What a kilowatt hour costs, in hundredths of the lender's currency.
    pub kwh_cents: u32,
    /// What the machine draws more while it computes, in watts.
    pub watts: u32,
    /// What a credit is worth to the lender, in hundredths of the same currency; 0: not said.
    pub credit_cents: u32,
    /// What downloads may take of the connection, in MB a second; 0: all of it.
    pub down_mb_s: u32,
    /// What uploads may take of it, in MB a second; 0: all of it.
    pub up_mb_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cores_in_use_pct: 50,
            cores_idle_pct: 100,
            memory_in_use_pct: 50,
            memory_idle_pct: 90,
            idle_min: 3,
            load_pct: Some(25),
            quiet_min: 5,
            on_battery: false,
            heat_c: Some(85),
            on_metered: false,
            disk_gb: 10,
            disk_free_gb: 1,
            hours: [ALL_HOURS; 7],
            dear: None,
            programs: Vec::new(),
            snooze_until: 0,
            kwh_cents: 0,
            watts: 0,
            credit_cents: 0,
            down_mb_s: 0,
            up_mb_s: 0,
        }
    }
}

impl Settings {
    /// The kept settings. A damaged file is like none: the defaults are the careful ones.
    pub(crate) fn load(data: &Path) -> Self {
        let content = disk::read(&Self::file(data)).ok().flatten();
        let read = |content: Vec<u8>| serde_json::from_slice::<Self>(&content);
        match content.map(read) {
            Some(Ok(settings)) => settings.in_range(),
            Some(Err(error)) => {
                let file = Self::file(data);
                tracing::warn!(%error, "{} is damaged: the usual limits hold", file.display());
                Self::default()
            }
            None => Self::default(),
        }
    }

    /// Where they are kept.
    pub(crate) fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// Writes them down for the next start.
    pub(crate) fn save(&self, data: &Path) -> std::io::Result<()> {
        disk::write(&Self::file(data), &serde_json::to_vec_pretty(self)?)
    }

    /// Disk for downloads, and as much for compiled programs, in bytes.
    pub(crate) fn half_of_disk(&self) -> u64 {
        u64::from(self.disk_gb).saturating_mul(GB).checked_div(2).unwrap_or_default()
    }

    /// The same without what the machine and the clock could object to; only a snooze is left.
    pub(crate) fn always(&self) -> Self {
        Self {
            cores_in_use_pct: 100,
            cores_idle_pct: 100,
            memory_in_use_pct: 100,
            memory_idle_pct: 100,
            load_pct: None,
            on_battery: true,
            heat_c: None,
            on_metered: true,
            disk_free_gb: 0,
            hours: [ALL_HOURS; 7],
            dear: None,
            programs: Vec::new(),
            ..self.clone()
        }
    }

    /// Each value in its range; names trimmed, short, and each once.
    #[must_use]
    pub(crate) fn in_range(mut self) -> Self {
        self.cores_in_use_pct = self.cores_in_use_pct.min(100);
        self.cores_idle_pct = self.cores_idle_pct.min(100).max(self.cores_in_use_pct);
        self.memory_in_use_pct = self.memory_in_use_pct.clamp(5, 100);
        self.memory_idle_pct = self.memory_idle_pct.min(100).max(self.memory_in_use_pct);
        self.idle_min = self.idle_min.clamp(1, 240);
        self.load_pct = self.load_pct.map(|pct| pct.clamp(5, 100));
        self.quiet_min = self.quiet_min.clamp(1, 240);
        self.heat_c = self.heat_c.map(|heat| heat.clamp(40, 110));
        self.disk_gb = self.disk_gb.clamp(1, 10_000);
        self.disk_free_gb = self.disk_free_gb.min(10_000);
        self.hours = self.hours.map(|hours| hours & ALL_HOURS);
        self.dear = self.dear.map(|(from, to)| (from.min(HOURS - 1), to.min(HOURS)));
        self.dear = self.dear.filter(|(from, to)| from != to);
        self.kwh_cents = self.kwh_cents.min(100_000);
        self.watts = self.watts.min(10_000);
        self.credit_cents = self.credit_cents.min(100_000);
        self.down_mb_s = self.down_mb_s.min(10_000);
        self.up_mb_s = self.up_mb_s.min(10_000);
        let mut programs = Vec::new();
        for name in &self.programs {
            let name: String =
                name.trim().chars().filter(|c| !c.is_control()).take(PROGRAM_CHARS_MAX).collect();
            if !name.is_empty() && !programs.contains(&name) && programs.len() < PROGRAMS_MAX {
                programs.push(name);
            }
        }
        self.programs = programs;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn settings_survive_a_restart() {
        let scratch = Scratch::new();
        assert_eq!(Settings::load(scratch.path()), Settings::default());
        let settings = Settings {
            load_pct: None,
            dear: Some((17, 21)),
            programs: vec!["doom".into()],
            ..Settings::default()
        };
        settings.save(scratch.path()).unwrap();
        assert_eq!(Settings::load(scratch.path()), settings);
    }

    #[test]
    fn a_damaged_file_means_the_defaults() {
        let scratch = Scratch::new();
        for damaged in ["{\"idle_min\":", "[]", "{\"idle_min\":-1}", "{\"start\":true}"] {
            std::fs::write(scratch.path().join(FILE), damaged).unwrap();
            assert_eq!(Settings::load(scratch.path()), Settings::default(), "{damaged}");
        }
        std::fs::write(scratch.path().join(FILE), "{\"idle_min\":7}").unwrap();
        assert_eq!(Settings::load(scratch.path()).idle_min, 7, "what is missing is usual");
    }

    #[test]
    fn values_are_brought_into_their_range() {
        let wild = Settings {
            cores_in_use_pct: 80,
            cores_idle_pct: 20,
            memory_in_use_pct: 0,
            memory_idle_pct: 900,
            idle_min: 0,
            load_pct: Some(0),
            heat_c: Some(900),
            disk_gb: 0,
            hours: [u32::MAX; 7],
            dear: Some((3, 3)),
            programs: vec![" a ".into(), "a".into(), "\n".into(), "x".repeat(99)],
            ..Settings::default()
        }
        .in_range();
        assert_eq!((wild.cores_in_use_pct, wild.cores_idle_pct), (80, 80));
        assert_eq!((wild.memory_in_use_pct, wild.memory_idle_pct), (5, 100));
        assert_eq!((wild.idle_min, wild.load_pct, wild.heat_c), (1, Some(5), Some(110)));
        assert_eq!((wild.disk_gb, wild.hours, wild.dear), (1, [ALL_HOURS; 7], None));
        assert_eq!(wild.programs, ["a".to_owned(), "x".repeat(PROGRAM_CHARS_MAX)]);
        assert_eq!(wild.clone().in_range(), wild);
        assert_eq!(Settings::default().in_range(), Settings::default());
    }
}
