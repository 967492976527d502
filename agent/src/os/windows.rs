//! Windows. Its readings are not known yet: the page says so for each rule that asks for one.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Command;

use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

use super::{Quick, Slow};

/// Opens a link.
pub(super) const OPENER: (&str, &[&str]) = ("rundll32", &["url.dll,FileProtocolHandler"]);

/// Makes a directory and its parents. Below a profile only its owner can enter it.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(dir)
}

/// A new file, with the rights of its directory.
pub(crate) fn new_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A new file that can be run: on Windows its name says so.
pub(crate) fn new_program(path: &Path) -> io::Result<File> {
    new_private_file(path)
}

/// Rights are those of the profile.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| false)
}

/// A file's rights are not its own here.
#[cfg(test)]
pub(crate) fn open_to_others(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| false)
}

/// Nothing here needs a link.
pub(crate) fn link(_to: &Path, _at: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Puts a file where another one is. A program that runs cannot be replaced, but moved away.
pub(crate) fn put_in_place(new: &Path, at: &Path) -> io::Result<()> {
    let away = at.with_extension("old");
    // It is from the last time, and ended since.
    drop(std::fs::remove_file(&away));
    std::fs::rename(at, &away)?;
    std::fs::rename(new, at)
}

/// Starts the other program; the caller ends.
pub(crate) fn become_program(program: &Path, args: &[OsString]) -> io::Error {
    match Command::new(program).args(args).status() {
        Ok(status) => io::Error::other(format!("it ended: {status}")),
        Err(error) => error,
    }
}

/// The signals that ask a program to end.
#[derive(Debug)]
pub struct Signals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
}

impl Signals {
    /// Takes them over from the system.
    ///
    /// # Errors
    /// When the system refuses that.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()? })
    }

    /// The next of them, in a word.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
        }
    }
}

pub(super) fn quick(_root: &Path, _now: u64) -> Quick {
    Quick::default()
}

pub(super) fn slow(_root: &Path, _now: u64) -> impl Future<Output = Slow> {
    std::future::ready(Slow::default())
}
