//! macOS. Of the walls it has the user and the limits; a worker notices its parent's end by looking
//! every second. A build there would add a profile of `sandbox_init` for files and network,
//! `setpriority` for workers that compute last, `proc_pid_rusage` for their memory, and `shm_open`.

use std::io;
use std::os::unix::process::parent_id;
use std::thread;
use std::time::Duration;

use nix::unistd::{Gid, Uid, setgid, setuid};

use super::unix::NOBODY;
pub(crate) use super::unshared::Memory;
use crate::walls::Wall;

/// How often the parent is looked for.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Ends the process soon after its parent.
pub(super) fn raise() {
    let parent = parent_id();
    thread::spawn(move || {
        while parent_id() == parent {
            thread::sleep(LOOKED_EVERY);
        }
        std::process::abort();
    });
}

/// From root to nobody.
pub(super) fn change_user() -> nix::Result<()> {
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))
}

/// No wall for files, calls or rights stands.
pub(crate) fn close_doors() -> [Wall; 3] {
    [Wall::Missing; 3]
}

/// The worker keeps its priority.
pub(crate) fn put_last(_process: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not known.
pub(crate) fn resident_bytes(_process: u32) -> Option<u64> {
    None
}
