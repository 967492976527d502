//! The few system calls that have no safe wrapper elsewhere. Each takes plain numbers only, so
//! that nothing of this process can be harmed by what is passed.
#![expect(unsafe_code, reason = "the wrappers that the rest of the crate uses instead")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// `F_SETSIG`, the same number on all processors: which signal tells of a descriptor.
const SET_SIGNAL: libc::c_int = 10;
/// How far down a process can be put among those that want the processor.
const LOWEST: libc::c_int = 19;

/// From now on the kernel kills this process when nobody reads from this pipe any more.
pub(super) fn die_when_unread(pipe: BorrowedFd<'_>) -> io::Result<()> {
    let own = std::process::id().try_into().map_err(io::Error::other)?;
    let commands: [(libc::c_int, libc::c_int); 3] =
        [(libc::F_SETOWN, own), (SET_SIGNAL, libc::SIGKILL), (libc::F_SETFL, libc::O_ASYNC)];
    for (command, argument) in commands {
        // SAFETY: these commands take a number, and the descriptor is borrowed, so it is open.
        done(unsafe { libc::fcntl(pipe.as_raw_fd(), command, argument) })?;
    }
    Ok(())
}

/// Closes every descriptor but the three standard ones. Only for a process that did nothing yet, so
/// that no open one is anybody's.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: it takes numbers only, and see above.
    done(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) })
}

/// Lets the process compute only when no other wants to.
pub(crate) fn put_last(process: u32) -> io::Result<()> {
    let id = process.try_into().map_err(io::Error::other)?;
    // SAFETY: it takes numbers only.
    done(unsafe { libc::setpriority(libc::PRIO_PROCESS, process, LOWEST) })?;
    let idle = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is a local that outlives the call.
    done(unsafe { libc::sched_setscheduler(id, libc::SCHED_IDLE, &raw const idle) })
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
