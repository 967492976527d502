//! Child processes and the folder that they work in. Both go away with their handles.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};

/// A program that was built beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.is_file() {
        bail!("{} is missing: `./dev bench` builds it", path.display());
    }
    Ok(path)
}

/// The root of the checkout that this program was built in.
pub(crate) fn checkout() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let mut above = program.ancestors();
    let root = above.find(|folder| folder.join("examples/cells/job.json").is_file());
    root.map(Path::to_owned).context("there is no checkout above this program")
}

/// A new folder in the system's folder for such.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("medusa-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is only litter.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A running child. It holds the child's standard input, which ends with this process.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it with its output at the end of the log.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("could not start {command:?}"))?;
        Ok(Self(child))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Bytes of memory that it holds, its children not counted.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib.context("the system does not tell the memory of a process")?.parse()?;
        Ok(kib.saturating_mul(1024))
    }

    /// Ends it the hard way (SIGKILL) and waits until it is gone.
    pub(crate) fn kill9(&mut self) {
        // It may have ended in this moment.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}
