//! The corpus: families of guests that want to do harm, and how each may end. A seed changes what
//! can be changed: sizes, limits, addresses, exit statuses, where bytes are broken.

use medusa_sandbox::Task;
use medusa_types::Limits;

use crate::{computing, files, hosts, modules};

/// How a guest may end: `refused` before it runs, or the name of an outcome.
pub(crate) type Ends = &'static [&'static str];

pub(crate) const FUEL: Ends = &["fuel_out"];
pub(crate) const TRAP: Ends = &["trap"];
pub(crate) const DONE: Ends = &["done"];
pub(crate) const EXIT: Ends = &["exit"];
pub(crate) const STACK: Ends = &["stack_out"];
pub(crate) const MEMORY: Ends = &["memory_out"];
pub(crate) const OUTPUT: Ends = &["output_out"];
pub(crate) const TABLE: Ends = &["table_out"];
pub(crate) const FILES: Ends = &["files_out"];
pub(crate) const REFUSED: Ends = &["refused"];

/// Guests of one kind.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) ends: Ends,
    pub(crate) make: fn(&mut Dice) -> Guest,
}

/// One of them.
pub(crate) struct Guest {
    pub(crate) module: Vec<u8>,
    pub(crate) task: Task,
}

impl Guest {
    /// With so much fuel that another limit is met first.
    pub(crate) const fn rich(mut self) -> Self {
        self.task.limits.fuel = 1 << 40;
        self
    }
}

/// Numbers that follow from a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or_default()
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let count = u64::try_from(all.len()).expect("a length");
        all[usize::try_from(self.below(count)).expect("a place")]
    }
}

/// All of them.
pub(crate) fn families() -> Vec<Family> {
    [computing::FAMILIES, files::FAMILIES, hosts::FAMILIES, modules::FAMILIES]
        .into_iter()
        .flatten()
        .map(|(name, ends, make)| Family { name, ends, make: *make })
        .collect()
}

/// A family as it is listed.
pub(crate) type Listed = (&'static str, Ends, fn(&mut Dice) -> Guest);

/// A task with small limits, whose fuel the seed decides.
pub(crate) fn task(dice: &mut Dice) -> Task {
    Task {
        args: Vec::new(),
        env: Vec::new(),
        stdin: b"input".to_vec(),
        files: vec![("in/given".into(), vec![7; 100]), ("data/a/b".into(), vec![8; 10])],
        seed: dice.roll(),
        clock_ms: 1_700_000_000_000,
        limits: Limits {
            fuel: 3_000_000 + dice.below(3_000_000),
            memory_bytes: 8 << 20,
            output_bytes: 1 << 20,
            stderr_bytes: 4 << 10,
            wall_ms: 20_000,
        },
    }
}

/// A guest from the code of its `_start`.
pub(crate) fn body(dice: &mut Dice, code: &str) -> Guest {
    whole(dice, &format!(r#"(func (export "_start") (local $i i32) (local $n i32) {code})"#))
}

/// A guest from everything in its module but imports and memory.
pub(crate) fn whole(dice: &mut Dice, rest: &str) -> Guest {
    let tools = "(func $exit (param $errno i32)
        (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))
    (func $text (param $fd i32) (param $at i32) (param $len i32) (result i32)
        (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
        (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func $open (param $dir i32) (param $at i32) (param $len i32) (param $how i32) (result i32)
        (call $path_open (local.get $dir) (i32.const 0) (local.get $at) (local.get $len)
            (local.get $how) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 12)))";
    let imports = imports();
    bare(dice, &format!(r#"(module {imports} (memory (export "memory") 1) {tools} {rest})"#))
}

/// A guest from the text of its module.
pub(crate) fn bare(dice: &mut Dice, text: &str) -> Guest {
    let module = wat::parse_str(text).expect("a module");
    Guest { module, task: task(dice) }
}

/// Every function of the host, under its own name.
fn imports() -> String {
    HOST.split_whitespace()
        .map(|function| {
            let (name, letters) = function.split_once(':').expect("a name");
            let parameters: String =
                letters.chars().map(|c| if c == 'I' { " i64" } else { " i32" }).collect();
            let result = if name == "proc_exit" { "" } else { "(result i32)" };
            format!(
                r#"(import "wasi_snapshot_preview1" "{name}"
                    (func ${name} (param{parameters}) {result}))"#
            )
        })
        .collect()
}

const HOST: &str = "args_get:ii args_sizes_get:ii clock_res_get:ii clock_time_get:iIi
    environ_get:ii environ_sizes_get:ii fd_advise:iIIi fd_allocate:iII fd_close:i fd_datasync:i
    fd_fdstat_get:ii fd_fdstat_set_flags:ii fd_fdstat_set_rights:iII fd_filestat_get:ii
    fd_filestat_set_size:iI fd_filestat_set_times:iIIi fd_pread:iiiIi fd_prestat_dir_name:iii
    fd_prestat_get:ii fd_pwrite:iiiIi fd_read:iiii fd_readdir:iiiIi fd_renumber:ii fd_seek:iIii
    fd_sync:i fd_tell:ii fd_write:iiii path_create_directory:iii path_filestat_get:iiiii
    path_filestat_set_times:iiiiIIi path_link:iiiiiii path_open:iiiiiIIii path_readlink:iiiiii
    path_remove_directory:iii path_rename:iiiiii path_symlink:iiiii path_unlink_file:iii
    poll_oneoff:iiii proc_exit:i proc_raise:i random_get:ii sched_yield: sock_accept:iii
    sock_recv:iiiiii sock_send:iiiii sock_shutdown:ii";
