//! All readings together, each as often as it is worth.

use std::path::{Path, PathBuf};

use sysinfo::{
    Disks, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind, get_current_pid,
};
use tokio::task::{JoinSet, spawn_blocking};

use super::{Quick, Slow, here, load::Load};
use crate::chance;
use crate::rules::Readings;
use crate::settings::Settings;

/// Seconds between two looks at processes.
const PROGRAMS_EACH: u64 = 4;
/// Seconds between two commands.
const COMMANDS_EACH: u64 = 10;
/// Seconds between two looks at the disk.
const DISK_EACH: u64 = 20;
/// Characters of a process's name that every system keeps.
const NAME_CHARS: usize = 15;
const MIB: u64 = 1024 * 1024;
const MB: u64 = 1_000_000;

/// The machine's sensors.
#[derive(Debug)]
pub(crate) struct Sensors {
    /// Where the system's files are: `/`, or a folder that a test made.
    root: PathBuf,
    data: PathBuf,
    load: Load,
    slow: Slow,
    /// The commands that are asked now; a slow one keeps no other reading waiting.
    commands: JoinSet<Slow>,
    program: Option<String>,
    disk_free_mb: Option<u64>,
    memory_mib: u64,
    /// Readings so far; one each second.
    count: u64,
}

impl Sensors {
    pub(crate) fn new(root: PathBuf, data: PathBuf) -> Self {
        Self {
            root,
            data,
            load: Load::default(),
            slow: Slow::default(),
            commands: JoinSet::new(),
            program: None,
            disk_free_mb: None,
            memory_mib: memory_bytes().checked_div(MIB).unwrap_or_default(),
            count: 0,
        }
    }

    /// All readings, for whoever asks once a second.
    pub(crate) async fn read(&mut self, settings: &Settings) -> Readings {
        let now = chance::unix_seconds();
        if let Some(Ok(slow)) = self.commands.try_join_next() {
            self.slow = slow;
        }
        if self.is_due(COMMANDS_EACH) && self.commands.is_empty() {
            let root = self.root.clone();
            self.commands.spawn(async move { here::slow(&root, now).await });
        }
        if settings.programs.is_empty() {
            self.program = None;
        } else if self.is_due(PROGRAMS_EACH) {
            let names = settings.programs.clone();
            self.program = aside(move || running(&names)).await;
        }
        if self.is_due(DISK_EACH) {
            let data = self.data.clone();
            self.disk_free_mb = aside(move || disk_free(&data)).await;
        }
        self.count = self.count.wrapping_add(1);
        let root = self.root.clone();
        let quick = aside(move || Some(here::quick(&root, now))).await.unwrap_or_default();
        self.together(&quick)
    }

    fn together(&mut self, quick: &Quick) -> Readings {
        let idle = [quick.terminals_idle_s, self.slow.idle_s];
        // A terminal alone does not tell whether somebody moves a mouse.
        let idle_s = self.slow.idle_s.and_then(|_| idle.into_iter().flatten().min());
        Readings {
            idle_s,
            load_pct: self.load.add(quick.cpu),
            own_pct: self.load.own(),
            on_battery: quick.on_battery.or(self.slow.on_battery),
            heat_c: quick.heat_c,
            metered: self.slow.metered,
            disk_free_mb: self.disk_free_mb,
            program: self.program.clone(),
            memory_mib: self.memory_mib,
        }
    }

    const fn is_due(&self, each: u64) -> bool {
        self.count.is_multiple_of(each)
    }
}

/// The machine's memory, in bytes; 0 where it is not known.
pub(crate) fn memory_bytes() -> u64 {
    System::new().map_or(0, |mut system| {
        system.refresh_memory();
        system.total_memory()
    })
}

/// Files of devices may answer slowly, and must not keep the link waiting.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    spawn_blocking(read).await.ok().flatten()
}

/// The first of these programs that runs.
fn running(names: &[String]) -> Option<String> {
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let own = get_current_pid().ok();
    let others = system.processes().iter().filter(|(pid, _)| Some(**pid) != own);
    let words = |(_, process): (_, &Process)| {
        let file = process.exe().and_then(Path::file_name);
        let both = [Some(process.name()), file];
        both.map(|name| name.map(|name| name.to_string_lossy().to_lowercase()))
    };
    let found: Vec<String> = others.flat_map(words).flatten().collect();
    names.iter().find(|name| found.iter().any(|found| is_same(name, found))).cloned()
}

/// Whether a process is the program that the lender means; some systems cut names.
fn is_same(wanted: &str, found: &str) -> bool {
    let wanted = wanted.to_lowercase();
    let cut: String = wanted.chars().take(NAME_CHARS).collect();
    found == wanted || found == cut || found.strip_suffix(".exe") == Some(wanted.as_str())
}

/// Free bytes where the data is kept, in MB.
fn disk_free(data: &Path) -> Option<u64> {
    let data = data.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let holds = disks.iter().filter(|disk| data.starts_with(disk.mount_point()));
    let disk = holds.max_by_key(|disk| disk.mount_point().components().count())?;
    disk.available_space().checked_div(MB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_program_is_known_by_its_name() {
        assert!(is_same("Doom", "doom") && is_same("doom", "doom.exe"));
        assert!(is_same("a-very-long-program", "a-very-long-pro"));
        assert!(!is_same("doom", "doomed") && !is_same("a-very-long-program", "a-very-long"));
        assert_eq!(running(&["no such program".into()]), None);
    }

    #[test]
    fn this_machine_has_memory_and_a_disk() {
        let scratch = Scratch::new();
        assert!(memory_bytes() > 0);
        assert!(disk_free(scratch.path()).is_some());
    }

    #[tokio::test]
    async fn a_machine_without_anything_knows_nothing() {
        let scratch = Scratch::new();
        let mut sensors = Sensors::new(scratch.path().to_owned(), scratch.path().to_owned());
        let readings = sensors.read(&Settings::default()).await;
        let nothing = Readings {
            disk_free_mb: readings.disk_free_mb,
            memory_mib: readings.memory_mib,
            ..Readings::default()
        };
        assert_eq!(readings, nothing);
    }
}
