//! What a worker process gives up before it touches anything of a guest.
//!
//! The walls only stand around a fault in the engine or in this crate: a guest that keeps to
//! WebAssembly never meets them. Each is best effort, because a missing one must not stop work on
//! a system that lacks it; the process has no secrets either way, an empty environment, an empty
//! folder and no descriptors but its three pipes. Which of them stand is told ([`Walls`]).

#[cfg(target_os = "linux")]
mod linux;

use minicbor::{Decode, Encode};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use nix::unistd::{Uid, geteuid};

use crate::frames::Area;

/// The address space of a worker that compiles. The largest real modules need about 2 GiB.
const COMPILE_BYTES_MAX: u64 = 4 << 30;
/// CPU seconds that a run may have beyond its wall limit before the system ends it.
const GRACE_S: u64 = 10;
/// Whom a worker becomes that was started as root: nobody.
const NOBODY: u32 = 65_534;

/// How much of a wall stands on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Wall {
    /// All of it.
    #[n(0)]
    Full,
    /// What this system knows of it.
    #[n(1)]
    Part,
    /// This system does not have it.
    #[n(2)]
    Missing,
}

/// What stands around the process that a guest runs in, as it was found when it was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Walls {
    /// No file can be opened, nor TCP used (Landlock).
    #[n(0)]
    pub files: Wall,
    /// Only the system calls that computing needs, and no new code (seccomp).
    #[n(1)]
    pub calls: Wall,
    /// No way to get rights back that were given up.
    #[n(2)]
    pub rights: Wall,
    /// It is not the system's administrator.
    #[n(3)]
    pub user: Wall,
}

impl Walls {
    /// Each wall's name, how much of it stands, and what that means, for a page.
    #[must_use]
    pub const fn in_words(&self) -> [(&'static str, Wall, &'static str); 5] {
        let files = match self.files {
            Wall::Full => "full: no file of this machine can be opened",
            Wall::Part => "in part: this kernel knows some of the rules",
            Wall::Missing => "none: this system has no Landlock",
        };
        let calls = match self.calls {
            Wall::Full => "full: computing and its own pipes, nothing else",
            Wall::Part => "in part",
            Wall::Missing => "none: this system has no seccomp",
        };
        let network = match self.calls {
            Wall::Full => "none can be reached",
            Wall::Part | Wall::Missing => match self.files {
                Wall::Full => "no TCP; the rest is not locked by the system",
                Wall::Part | Wall::Missing => "not locked by the system",
            },
        };
        let rights = match self.rights {
            Wall::Full => "given up for good",
            Wall::Part | Wall::Missing => "this system keeps them with the user",
        };
        let user = match self.user {
            Wall::Full => "without the rights of an administrator",
            Wall::Part | Wall::Missing => "an administrator: start the agent as another user",
        };
        [
            ("Files (Landlock)", self.files, files),
            ("System calls (seccomp)", self.calls, calls),
            ("Network", self.calls, network),
            ("New rights", self.rights, rights),
            ("User", self.user, user),
        ]
    }

    /// Whether all of them stand.
    #[must_use]
    pub fn are_full(&self) -> bool {
        [self.files, self.calls, self.rights, self.user].iter().all(|wall| *wall == Wall::Full)
    }
}

/// The walls of every worker: no core dumps, no large files, no new processes, no new rights,
/// and an end when its parent has one.
pub(crate) fn raise() {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, Area::file_bytes()),
        (Resource::RLIMIT_NOFILE, 32),
        (Resource::RLIMIT_NPROC, 0),
    ];
    for (resource, limit) in limits {
        lower(resource, limit);
    }
    #[cfg(target_os = "linux")]
    linux::raise();
    #[cfg(not(target_os = "linux"))]
    watch_parent();
}

/// The wall of a worker that compiles.
pub(crate) fn raise_for_compiling() {
    lower(Resource::RLIMIT_AS, COMPILE_BYTES_MAX);
}

/// From here on the process can open, connect and start nothing. Call it when everything that it
/// needs is open, and before it touches anything of a guest. The only file that it may still write
/// is the memory that it shares with its parent. Gives what stands.
pub(crate) fn close_doors(shares: bool) -> Walls {
    if !shares {
        lower(Resource::RLIMIT_FSIZE, 0);
    }
    let user = become_nobody();
    #[cfg(target_os = "linux")]
    let [files, calls, rights] = linux::close_doors();
    #[cfg(not(target_os = "linux"))]
    let [files, calls, rights] = [Wall::Missing; 3];
    Walls { files, calls, rights, user }
}

/// Whoever was started by root goes on as nobody; others are what they were.
fn become_nobody() -> Wall {
    if !geteuid().is_root() {
        return Wall::Full;
    }
    match change_user() {
        Ok(()) => Wall::Full,
        Err(error) => {
            tracing::warn!(%error, "a worker stays root");
            Wall::Missing
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn change_user() -> nix::Result<()> {
    use nix::unistd::{Gid, setgroups, setresgid, setresuid};
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn change_user() -> nix::Result<()> {
    nix::unistd::setgid(nix::unistd::Gid::from_raw(NOBODY))?;
    nix::unistd::setuid(Uid::from_raw(NOBODY))
}

/// Ends the process soon after its parent: where the kernel cannot do it, a thread looks.
#[cfg(not(target_os = "linux"))]
fn watch_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        std::process::abort();
    });
}

/// Ends a run that nothing else ended. Only the soft limit moves, so that the next run gets its
/// own.
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
