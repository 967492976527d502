//! What a worker process gives up before it touches anything of a guest.
//!
//! The walls only stand around a fault in the engine or in this crate: a guest that keeps to
//! WebAssembly never meets them. Each is best effort, because a missing one must not stop work on
//! a system that lacks it; the process has no secrets either way, an empty environment, an empty
//! folder and no descriptors but its three pipes. Which of them stand is told ([`Walls`]).

use minicbor::{Decode, Encode};

use crate::frames::Area;
use crate::os;

/// The address space of a worker that compiles. The largest real modules need about 2 GiB; below
/// the least, which is more reserved than used, no compiler starts.
pub(crate) const COMPILE_BYTES_MAX: u64 = 4 << 30;
pub(crate) const COMPILE_BYTES_MIN: u64 = 1 << 30;
/// CPU seconds that a run may have beyond its wall limit before the system ends it.
const GRACE_S: u64 = 10;

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
    os::raise(Area::file_bytes());
}

/// The wall of a worker that compiles: its address space.
pub(crate) fn raise_for_compiling(bytes: u64) {
    os::limit_memory(bytes.min(COMPILE_BYTES_MAX));
}

/// From here on the process can open, connect and start nothing. Call it when everything that it
/// needs is open, and before it touches anything of a guest. The only file that it may still write
/// is the memory that it shares with its parent. Gives what stands.
pub(crate) fn close_doors(shares: bool) -> Walls {
    if !shares {
        os::limit_files(0);
    }
    let user = os::become_nobody();
    let [files, calls, rights] = os::close_doors();
    Walls { files, calls, rights, user }
}

/// Ends a run that nothing else ended. The next run gets a limit of its own.
pub(crate) fn limit_cpu(wall_ms: u64) {
    let seconds = wall_ms.div_ceil(1_000).saturating_add(GRACE_S);
    if let Err(error) = os::limit_cpu(seconds) {
        tracing::warn!(%error, "a worker could not limit its CPU time");
    }
}
