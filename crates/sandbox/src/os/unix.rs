//! What Linux and macOS have alike: signals, limits, users, and calls that read and write.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, geteuid, read, write};

use super::here;
use crate::walls::Wall;

/// Whom a worker becomes that was started as root: nobody.
pub(super) const NOBODY: u32 = 65_534;

/// Makes a child of this process, which was not waited for yet, stand still or go on.
pub(crate) fn hold(child: u32, still: bool) -> io::Result<()> {
    let child = Pid::from_raw(child.try_into().map_err(io::Error::other)?);
    let signal = if still { Signal::SIGSTOP } else { Signal::SIGCONT };
    Ok(kill(child, signal)?)
}

/// CPU time of this process: its own, and the kernel's for it.
pub(crate) fn cpu_times() -> [Duration; 2] {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return [Duration::ZERO; 2] };
    let times = [usage.user_time(), usage.system_time()];
    times.map(|time| {
        Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default())
    })
}

/// Gives up for good what no worker needs: core dumps, files larger than this, many descriptors,
/// and what this system has besides. From here on it ends when its parent does.
pub(crate) fn raise(file_bytes: u64) {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, file_bytes),
        (Resource::RLIMIT_NOFILE, 32),
    ];
    for (resource, limit) in limits {
        lower(resource, limit);
    }
    here::raise();
}

/// The largest address space of this process, for good.
pub(crate) fn limit_memory(bytes: u64) {
    lower(Resource::RLIMIT_AS, bytes);
}

/// The largest file that this process can write, for good.
pub(crate) fn limit_files(bytes: u64) {
    lower(Resource::RLIMIT_FSIZE, bytes);
}

/// Ends this process when it has used so much more CPU time. Only the soft limit moves, so that it
/// can be moved again.
pub(crate) fn limit_cpu(more_s: u64) -> io::Result<()> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let used = usage.user_time().num_seconds().saturating_add(usage.system_time().num_seconds());
    let allowed = more_s.saturating_add(u64::try_from(used).unwrap_or_default());
    let (_, hard) = getrlimit(Resource::RLIMIT_CPU)?;
    Ok(setrlimit(Resource::RLIMIT_CPU, allowed.min(hard), hard)?)
}

/// Lowers a limit for good, never raising it.
pub(super) fn lower(resource: Resource, limit: u64) {
    let hard = getrlimit(resource).map_or(limit, |(_, hard)| hard.min(limit));
    if let Err(error) = setrlimit(resource, hard, hard) {
        tracing::warn!(%error, ?resource, "a worker could not lower a limit");
    }
}

/// Whoever was started by root goes on as nobody; others are what they were.
pub(crate) fn become_nobody() -> Wall {
    if !geteuid().is_root() {
        return Wall::Full;
    }
    match here::change_user() {
        Ok(()) => Wall::Full,
        Err(error) => {
            tracing::warn!(%error, "a worker stays root");
            Wall::Missing
        }
    }
}

/// Reads standard input with one call, past every buffer and lock.
pub(crate) fn read_input(target: &mut [u8]) -> io::Result<usize> {
    Ok(read(io::stdin(), target)?)
}

/// Writes to standard output with one call, past every buffer and lock.
pub(crate) fn write_output(bytes: &[u8]) -> io::Result<usize> {
    Ok(write(io::stdout(), bytes)?)
}
