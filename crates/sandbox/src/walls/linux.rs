//! Landlock and seccomp: the kernel refuses what a worker has no reason to ask for.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use nix::libc;
use nix::sys::prctl;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// What is refused: network, other processes, other programs, and the kernel's rarely used doors.
/// Landlock covers files and TCP, and not UDP, so that sockets are closed here.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// No new rights through programs that have some, and no look into this process from outside.
pub(super) fn give_up_rights() {
    if let Err(error) = prctl::set_no_new_privs().and_then(|()| prctl::set_dumpable(false)) {
        tracing::warn!(%error, "a worker could not give up its rights");
    }
}

pub(super) fn close_doors() {
    match lock_files() {
        Ok(true) => {}
        Ok(false) => tracing::debug!("this kernel locks a worker's files only in part"),
        Err(error) => tracing::warn!(%error, "a worker could not lock its files"),
    }
    if let Err(error) = refuse_calls() {
        tracing::warn!(%error, "a worker could not refuse system calls");
    }
}

/// No file, no TCP, no signals or sockets to others. Older kernels enforce what they know; gives
/// whether this one knows all of it.
fn lock_files() -> Result<bool, RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset == RulesetStatus::FullyEnforced)
}

fn refuse_calls() -> Result<(), seccompiler::Error> {
    let refused: BTreeMap<i64, _> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, refuse, ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, UdpSocket};
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Both walls stand around the thread that raises them, so each test has a thread to lose.
    #[test]
    fn files_and_tcp_are_locked() {
        let test = thread::spawn(|| {
            let enforced = lock_files().expect("rules");
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
