//! What a worker process gives up before it touches anything of a guest.
//!
//! The walls only stand around a fault in the engine or in this crate: a guest that keeps to
//! WebAssembly never meets them. Each is best effort, because a missing one must not stop work on
//! a system that lacks it; the process has no secrets either way, an empty environment, an empty
//! folder and no descriptors but its three pipes.

#[cfg(target_os = "linux")]
mod linux;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;

/// The address space of a worker that compiles. The largest real modules need about 2 GiB.
const COMPILE_BYTES_MAX: u64 = 4 << 30;
/// CPU seconds that a run may have beyond its wall limit before the system ends it.
const GRACE_S: u64 = 10;

/// The walls of every worker: no core dumps, no files to write, no new processes, no new rights.
pub(crate) fn raise() {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, 32),
        (Resource::RLIMIT_NPROC, 0),
    ];
    for (resource, limit) in limits {
        lower(resource, limit);
    }
    #[cfg(target_os = "linux")]
    linux::give_up_rights();
}

/// The wall of a worker that compiles.
pub(crate) fn raise_for_compiling() {
    lower(Resource::RLIMIT_AS, COMPILE_BYTES_MAX);
}

/// From here on the process can open, connect and start nothing. Call it when everything that it
/// needs is open, and before it touches anything of a guest.
pub(crate) fn close_doors() {
    #[cfg(target_os = "linux")]
    linux::close_doors();
}

/// Ends a run whose parent died and can end it no more. Only the soft limit moves, so that the
/// next run gets its own.
pub(crate) fn limit_cpu(wall_ms: u64) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
    let used = usage.user_time().num_seconds().saturating_add(usage.system_time().num_seconds());
    let used = u64::try_from(used).unwrap_or_default();
    let allowed = wall_ms.div_ceil(1_000).saturating_add(GRACE_S).saturating_add(used);
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CPU) else { return };
    if let Err(error) = setrlimit(Resource::RLIMIT_CPU, allowed.min(hard), hard) {
        tracing::warn!(%error, "a worker could not limit its CPU time");
    }
}

/// Lowers a limit for good, never raising it.
fn lower(resource: Resource, limit: u64) {
    let hard = getrlimit(resource).map_or(limit, |(_, hard)| hard.min(limit));
    if let Err(error) = setrlimit(resource, hard, hard) {
        tracing::warn!(%error, ?resource, "a worker could not lower a limit");
    }
}
