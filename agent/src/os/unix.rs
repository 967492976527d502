//! Private files, programs and signals of Linux and macOS.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Makes a directory that only the owner can enter, and its parents.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A new file that only the owner can read.
pub(crate) fn new_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A new file that everybody may run and only the owner may change.
pub(crate) fn new_program(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)
}

/// Whether others than the owner may read or change it.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Lets everybody read a file, and says whether that is a right of the file here.
#[cfg(test)]
pub(crate) fn open_to_others(path: &Path) -> io::Result<bool> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
    Ok(true)
}

/// Makes a symbolic link.
pub(crate) fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

/// Puts a file where another one is, which may be a program that runs.
pub(crate) fn put_in_place(new: &Path, at: &Path) -> io::Result<()> {
    std::fs::rename(new, at)
}

/// Makes this process another program; it returns only when that fails.
pub(crate) fn become_program(program: &Path, args: &[OsString]) -> io::Error {
    Command::new(program).args(args).exec()
}

/// The signals that ask a program to end.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them over from the system.
    ///
    /// # Errors
    /// When the system refuses that.
    pub fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    /// The next of them, in a word.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
        }
    }
}
