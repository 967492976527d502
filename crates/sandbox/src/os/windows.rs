//! Windows, as far as the standard library goes: a worker runs, its clock and its fuel end it, and
//! it ends with its input. Everything around it is missing, and says so. A build there would add
//!
//! - a job object that the parent makes for each worker: limits of memory, CPU time and processes,
//!   the lowest priority class, and an end with the parent (`KILL_ON_JOB_CLOSE`);
//! - `SuspendThread` and `ResumeThread` for each thread of a worker that has to stand still;
//! - a restricted token at low integrity, in an app container: files, network, rights and user;
//! - `GetProcessMemoryInfo` and `GetProcessTimes` for what a worker takes;
//! - a file mapping without a name, whose handle the worker inherits.

use std::io::{self, Read, Write};
use std::time::Duration;

pub(crate) use super::unshared::Memory;
use crate::walls::Wall;

/// A process cannot be stopped.
pub(crate) fn hold(_child: u32, _still: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The worker keeps its priority.
pub(crate) fn put_last(_process: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not known.
pub(crate) fn resident_bytes(_process: u32) -> Option<u64> {
    None
}

/// Not known: all of it counts as none.
pub(crate) fn cpu_times() -> [Duration; 2] {
    [Duration::ZERO; 2]
}

/// A process here cannot give up anything by itself.
pub(crate) fn raise(_file_bytes: u64) {}

/// Nothing limits an address space from within.
pub(crate) fn limit_memory(_bytes: u64) {}

/// Nothing limits what files are written.
pub(crate) fn limit_files(_bytes: u64) {}

/// Nothing limits CPU time from within.
pub(crate) fn limit_cpu(_more_s: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The worker is whoever started it, who may be an administrator.
pub(crate) fn become_nobody() -> Wall {
    Wall::Missing
}

/// No wall for files, calls or rights stands.
pub(crate) fn close_doors() -> [Wall; 3] {
    [Wall::Missing; 3]
}

/// Reads standard input. Nobody else does, so what its buffer holds is not lost.
pub(crate) fn read_input(target: &mut [u8]) -> io::Result<usize> {
    io::stdin().read(target)
}

/// Writes to standard output, all of it and at once.
pub(crate) fn write_output(bytes: &[u8]) -> io::Result<usize> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(bytes.len())
}
