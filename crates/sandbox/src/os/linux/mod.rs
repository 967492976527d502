//! Linux: Landlock and seccomp refuse what a worker has no reason to ask for, the kernel ends it
//! with its parent, `/proc` tells its memory, and a file without a name is what both share.

mod sys;

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::signal;
use nix::sys::stat::fstat;
use nix::unistd::{Gid, SysconfVar, Uid, setgroups, setresgid, setresuid, sysconf};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp as Op,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

pub(crate) use sys::put_last;

use super::unix::{NOBODY, lower};
use crate::walls::Wall;

/// What computing needs: memory, its pipes, signals of its own, time, and an end.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_clock_gettime,
    libc::SYS_sched_yield,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The memory that a run maps holds no code.
const MAPPING: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];

/// No new processes, no new rights through programs that have some, no look into this process from
/// outside, and an end when the parent has one.
pub(super) fn raise() {
    if let Err(error) = sys::close_inherited() {
        tracing::warn!(%error, "a worker could not close what it inherited");
    }
    for resource in [Resource::RLIMIT_NPROC, Resource::RLIMIT_MEMLOCK, Resource::RLIMIT_MSGQUEUE] {
        lower(resource, 0);
    }
    if let Err(error) = prctl::set_no_new_privs().and_then(|()| prctl::set_dumpable(false)) {
        tracing::warn!(%error, "a worker could not give up its rights");
    }
    if let Err(error) = die_with_parent() {
        tracing::warn!(%error, "a worker cannot notice its parent's end");
    }
}

/// Standard error is a pipe to the parent, which reads it only after this process. When the parent
/// is gone, nobody can read it: then the kernel ends this process, whatever it does, also when it
/// stands still. A signal at the parent's end (`PR_SET_PDEATHSIG`) would come with the end of the
/// thread that started this process.
fn die_with_parent() -> io::Result<()> {
    let stderr = io::stderr();
    let is_pipe = fstat(&stderr)?.st_mode & libc::S_IFMT == libc::S_IFIFO;
    if !is_pipe {
        return Ok(());
    }
    sys::die_when_unread(stderr.as_fd())?;
    let mut polled = [PollFd::new(stderr.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO)?;
    let is_late = |p: &PollFd<'_>| p.revents().is_some_and(|r| r.contains(PollFlags::POLLERR));
    if polled.iter().any(is_late) {
        signal::raise(signal::Signal::SIGKILL)?;
    }
    Ok(())
}

/// From root to nobody, without a group.
pub(super) fn change_user() -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)
}

/// Closes files, calls and rights, and gives how these walls stand.
pub(crate) fn close_doors() -> [Wall; 3] {
    let rights = match prctl::get_no_new_privs() {
        Ok(true) => Wall::Full,
        Ok(false) | Err(_) => Wall::Missing,
    };
    let files = lock_files().unwrap_or_else(|error| {
        tracing::warn!(%error, "a worker could not lock its files");
        Wall::Missing
    });
    let calls = match refuse_calls() {
        Ok(()) => Wall::Full,
        Err(error) => {
            tracing::warn!(%error, "a worker could not refuse system calls");
            Wall::Missing
        }
    };
    [files, calls, rights]
}

/// No file, no TCP, no signals or sockets to others. Older kernels enforce what they know.
fn lock_files() -> Result<Wall, RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Wall::Full,
        RulesetStatus::PartiallyEnforced => Wall::Part,
        RulesetStatus::NotEnforced => Wall::Missing,
    })
}

/// Whatever is not allowed fails, as on a system that does not have it. The numbers of another
/// instruction set are none of the allowed ones, or end the process.
fn refuse_calls() -> Result<(), seccompiler::Error> {
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let code = u64::try_from(libc::PROT_EXEC).unwrap_or(u64::MAX);
    let without_code = SeccompRule::new(vec![is(2, Op::MaskedEq(code), 0)?])?;
    allowed.extend(MAPPING.iter().map(|call| (*call, vec![without_code.clone()])));
    let own = u64::from(std::process::id());
    for call in [libc::SYS_tgkill, libc::SYS_prlimit64] {
        // The own limits, which go by 0, and signals to itself, at an end in disorder.
        let whose = if call == libc::SYS_prlimit64 { 0 } else { own };
        allowed.insert(call, vec![SeccompRule::new(vec![is(0, Op::Eq, whose)?])?]);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(allowed, refuse, SeccompAction::Allow, ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)
}

/// A condition about an argument that is a small number.
fn is(argument: u8, how: Op, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}

/// Memory of the process that is neither a file's nor shared, as the system counts it.
pub(crate) fn resident_bytes(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let mut pages = text.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(resident.saturating_sub(shared).saturating_mul(u64::try_from(page).ok()?))
}

/// Memory that a process and its children share: a file that has no name and no disk. It is read
/// and written, not mapped.
#[derive(Debug)]
pub(crate) struct Memory(File);

impl Memory {
    /// Makes so much of it. Its size is sealed.
    pub(crate) fn new(bytes: u64) -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(c"medusa frames", flags)?);
        file.set_len(bytes)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self(file))
    }

    /// Where another process of the same user finds it, while this one has it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// The one at this path.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        File::options().read(true).write(true).open(path).map(Self)
    }

    /// Puts bytes in at a place, all of them.
    pub(crate) fn put_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    /// Gets as many bytes out from a place as the target has.
    pub(crate) fn get_at(&self, at: u64, target: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(target, at)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Both walls stand around the thread that raises them, so each test has a thread to lose.
    #[test]
    fn files_and_tcp_are_locked() {
        let test = thread::spawn(|| {
            let enforced = lock_files().expect("rules") == Wall::Full;
            // An old kernel knows not all rules, and then there is nothing to rely on.
            let opened = File::open("/etc/passwd").is_ok();
            let listens = TcpListener::bind("127.0.0.1:0").is_ok();
            (enforced, opened || listens)
        });
        let (enforced, reached) = test.join().expect("a thread");
        assert!(!enforced || !reached);
    }

    #[test]
    fn sockets_and_programs_are_refused() {
        let test = thread::spawn(|| {
            refuse_calls().expect("a filter");
            [
                UdpSocket::bind("127.0.0.1:0").is_ok(),
                Command::new("/bin/true").status().is_ok(),
                File::open("/etc/passwd").is_ok(),
            ]
        });
        assert_eq!(test.join().expect("a thread"), [false; 3]);
    }
}
