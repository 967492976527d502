//! The table of host functions: every name of [`crate::imports`] and what answers it.

use wasmtime::{Caller, Engine, FuncType, Linker, Val, ValType};

use super::{Host, enter, fd, path, process};
use crate::imports::{self, MODULE};
use crate::stop::{Errno, Stop};

/// How a function answers without doing anything.
enum Answer {
    /// Success, if the first argument is an open descriptor.
    WhenOpen,
    Always(Errno),
}

/// What has no effect here, and what programs may import and never get.
const SIMPLE: &[(&str, Answer)] = &[
    ("fd_advise", Answer::WhenOpen),
    ("fd_datasync", Answer::WhenOpen),
    ("fd_fdstat_set_rights", Answer::WhenOpen),
    ("fd_filestat_set_times", Answer::WhenOpen),
    ("fd_sync", Answer::WhenOpen),
    ("path_link", Answer::Always(Errno::NotPermitted)),
    ("path_symlink", Answer::Always(Errno::NotPermitted)),
    ("proc_raise", Answer::Always(Errno::NotSupported)),
    ("sock_accept", Answer::Always(Errno::NotSupported)),
    ("sock_recv", Answer::Always(Errno::NotSupported)),
    ("sock_send", Answer::Always(Errno::NotSupported)),
    ("sock_shutdown", Answer::Always(Errno::NotSupported)),
];

/// Defines host functions that all answer with an error number.
macro_rules! define {
    ($linker:ident, $($name:literal ( $($arg:ident: $ty:ty),* ) => $function:expr;)*) => {$(
        $linker.func_wrap(
            MODULE,
            $name,
            |caller: Caller<'_, Host> $(, $arg: $ty)*| -> wasmtime::Result<i32> {
                enter(caller, |call| $function(call $(, $arg)*))
            },
        )?;
    )*};
}

/// A linker with the whole host.
pub(crate) fn link(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    link_process(&mut linker)?;
    link_descriptors(&mut linker)?;
    link_paths(&mut linker)?;
    link_simple(&mut linker)?;
    Ok(linker)
}

fn link_process(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    define! { linker,
        "args_get"(list: u32, text: u32) => process::args_get;
        "args_sizes_get"(count: u32, bytes: u32) => process::args_sizes_get;
        "environ_get"(list: u32, text: u32) => process::environ_get;
        "environ_sizes_get"(count: u32, bytes: u32) => process::environ_sizes_get;
        "clock_res_get"(clock: u32, target: u32) => process::clock_res_get;
        "clock_time_get"(clock: u32, precision: u64, target: u32) => process::clock_time_get;
        "poll_oneoff"(list: u32, events: u32, n: u32, count: u32) => process::poll_oneoff;
        "random_get"(target: u32, len: u32) => process::random_get;
        "sched_yield"() => process::sched_yield;
    }
    let exit = |caller: Caller<'_, Host>, status: u32| -> wasmtime::Result<()> {
        enter(caller, |call| process::proc_exit(call, status)).map(|_| ())
    };
    linker.func_wrap(MODULE, "proc_exit", exit)?;
    Ok(())
}

fn link_descriptors(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    define! { linker,
        "fd_allocate"(f: u32, from: u64, len: u64) => fd::fd_allocate;
        "fd_close"(f: u32) => fd::fd_close;
        "fd_fdstat_get"(f: u32, target: u32) => fd::fd_fdstat_get;
        "fd_fdstat_set_flags"(f: u32, flags: u32) => fd::fd_fdstat_set_flags;
        "fd_filestat_get"(f: u32, target: u32) => fd::fd_filestat_get;
        "fd_filestat_set_size"(f: u32, bytes: u64) => fd::fd_filestat_set_size;
        "fd_pread"(f: u32, list: u32, n: u32, at: u64, count: u32) => fd::fd_pread;
        "fd_prestat_dir_name"(f: u32, at: u32, len: u32) => fd::fd_prestat_dir_name;
        "fd_prestat_get"(f: u32, target: u32) => fd::fd_prestat_get;
        "fd_pwrite"(f: u32, list: u32, n: u32, at: u64, count: u32) => fd::fd_pwrite;
        "fd_read"(f: u32, list: u32, n: u32, count: u32) => fd::fd_read;
        "fd_readdir"(f: u32, at: u32, len: u32, cookie: u64, count: u32) => fd::fd_readdir;
        "fd_renumber"(from: u32, to: u32) => fd::fd_renumber;
        "fd_seek"(f: u32, offset: u64, whence: u32, target: u32) => fd::fd_seek;
        "fd_tell"(f: u32, target: u32) => fd::fd_tell;
        "fd_write"(f: u32, list: u32, n: u32, count: u32) => fd::fd_write;
    }
    Ok(())
}

fn link_paths(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    define! { linker,
        "path_create_directory"(f: u32, at: u32, len: u32) => path::path_create_directory;
        "path_filestat_get"(f: u32, follow: u32, at: u32, len: u32, target: u32)
            => path::path_filestat_get;
        "path_filestat_set_times"(
            f: u32, follow: u32, at: u32, len: u32, access: u64, change: u64, which: u32
        ) => path::path_filestat_set_times;
        "path_open"(
            f: u32, follow: u32, at: u32, len: u32, how: u32,
            rights: u64, inherited: u64, flags: u32, target: u32
        ) => path::path_open;
        "path_readlink"(f: u32, at: u32, len: u32, target: u32, room: u32, count: u32)
            => path::path_readlink;
        "path_remove_directory"(f: u32, at: u32, len: u32) => path::path_remove_directory;
        "path_rename"(f: u32, at: u32, len: u32, to: u32, to_at: u32, to_len: u32)
            => path::path_rename;
        "path_unlink_file"(f: u32, at: u32, len: u32) => path::path_unlink_file;
    }
    Ok(())
}

/// Defines the functions whose answer needs no more than the first argument, if any.
fn link_simple(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for (name, parameters, _) in imports::FUNCTIONS {
        let Some((_, answer)) = SIMPLE.iter().find(|(simple, _)| simple == name) else { continue };
        let letters = parameters.chars();
        let parameters = letters.map(|c| if c == 'I' { ValType::I64 } else { ValType::I32 });
        let ty = FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(MODULE, name, ty, |caller, arguments, results| {
            let fd = arguments.first().and_then(Val::i32).unwrap_or_default().cast_unsigned();
            let errno = enter(caller, |call| match answer {
                Answer::WhenOpen => fd::check(call, fd),
                Answer::Always(errno) => Err(Stop::Errno(*errno)),
            })?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno);
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmtime::{Extern, Store};

    use super::*;
    use crate::engine;
    use crate::wasi::tests::task;

    #[test]
    fn the_host_is_what_the_gate_allows() {
        let engine = engine::engine(false).expect("an engine");
        let linker = link(&engine).expect("a linker");
        let mut store = Store::new(&engine, Host::new(task()).expect("a host"));
        let mut defined: Vec<(String, String, bool)> = linker
            .iter(&mut store)
            .map(|(_, name, item)| {
                let Extern::Func(_) = item else { panic!("{name} is no function") };
                (name.to_owned(), String::new(), false)
            })
            .collect();
        for (name, parameters, returns) in &mut defined {
            let item = linker.get(&mut store, MODULE, name).expect("it is defined");
            let ty = item.into_func().expect("a function").ty(&store);
            *parameters = ty.params().map(|p| if p.is_i64() { 'I' } else { 'i' }).collect();
            *returns = ty.results().len() == 1;
        }
        defined.sort();
        let mut allowed: Vec<(String, String, bool)> = imports::FUNCTIONS
            .iter()
            .map(|(name, parameters, returns)| ((*name).into(), (*parameters).into(), *returns))
            .collect();
        allowed.sort();
        assert_eq!(defined, allowed);
    }
}
