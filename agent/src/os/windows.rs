//! Windows. Its readings are not known yet: the page says so for each rule that asks for one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

use super::{Quick, Slow};

/// Makes a directory and its parents. Below a profile only its owner can enter it.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(dir)
}

/// A new file, with the rights of its directory.
pub(crate) fn new_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
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
