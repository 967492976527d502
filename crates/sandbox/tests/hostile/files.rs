//! Floods of output, and tricks with files and paths.

use crate::corpus::{DONE, Dice, EXIT, FILES, FUEL, Guest, Listed, OUTPUT, body, whole};

/// More than one kind of limit may be met first.
const FULL: &[&str] = &["output_out", "fuel_out"];

pub(crate) const FAMILIES: &[Listed] = &[
    ("a flood of output", OUTPUT, |d| {
        let mut guest = body(
            d,
            "(loop (drop (call $text (i32.const 1) (i32.const 64)
            (i32.const 65000))) (br 0))",
        );
        guest.task.limits.fuel = 1_000_000_000;
        guest
    }),
    ("output by the byte", FULL, |d| {
        body(d, "(loop (drop (call $text (i32.const 1) (i32.const 64) (i32.const 1))) (br 0))")
    }),
    ("a flood of errors", FUEL, |d| {
        body(d, "(loop (drop (call $text (i32.const 2) (i32.const 64) (i32.const 60000))) (br 0))")
    }),
    ("words that steer a terminal", DONE, |d| {
        whole(
            d,
            r#"(data (i32.const 64) "\1b[2J\1b]0;x\07\r\n\00\ff\fe\e2\80\ae")
            (func (export "_start")
                (drop (call $text (i32.const 2) (i32.const 64) (i32.const 20))))"#,
        )
    }),
    ("one large file", OUTPUT, |d| {
        let mut guest = made(
            d,
            "(loop (drop (call $text (local.get $n) (i32.const 64)
            (i32.const 60000))) (br 0))",
        );
        guest.task.limits.fuel = 1_000_000_000;
        guest
    }),
    ("files without end", FILES, |d| {
        let guest = body(
            d,
            "(loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (i32.store (i32.const 64) (i32.or (local.get $i) (i32.const 0x40404040)))
            (if (i32.eqz (call $open (i32.const 5) (i32.const 64) (i32.const 4) (i32.const 1)))
                (then (drop (call $fd_close (i32.load (i32.const 12))))))
            (br 0))",
        );
        guest.rich()
    }),
    ("a file with a hole", OUTPUT, |d| {
        let far = d.one_of(&[1_u64 << 40, 1 << 33, 1 << 62, (1 << 20) + 1]);
        made(
            d,
            &format!(
                "(drop (call $fd_seek (local.get $n) (i64.const {far}) (i32.const 0)
            (i32.const 24)))
            (drop (call $text (local.get $n) (i32.const 64) (i32.const 9)))"
            ),
        )
    }),
    ("a file stretched", OUTPUT, |d| {
        let size = d.one_of(&[1_u64 << 40, 1 << 62, (1 << 20) + 1]);
        made(
            d,
            &format!("(call $exit (call $fd_filestat_set_size (local.get $n) (i64.const {size})))"),
        )
    }),
    ("room taken in advance", OUTPUT, |d| {
        made(
            d,
            "(call $exit (call $fd_allocate (local.get $n) (i64.const 0) (i64.const 0x7fffffffff)))",
        )
    }),
    ("room taken past all numbers", EXIT, |d| {
        made(d, "(call $exit (call $fd_allocate (local.get $n) (i64.const -1) (i64.const -1)))")
    }),
    ("directories in directories", EXIT, |d| {
        // "a/a/a/…", one step deeper each time.
        body(
            d,
            "(loop
            (i32.store16 (i32.add (i32.const 64) (local.get $n)) (i32.const 0x2f61))
            (local.set $n (i32.add (local.get $n) (i32.const 2)))
            (call $exit (call $path_create_directory (i32.const 5) (i32.const 64)
                (i32.sub (local.get $n) (i32.const 1))))
            (br 0))",
        )
    }),
    ("every descriptor", FILES, |d| {
        body(
            d,
            "(i32.store8 (i32.const 64) (i32.const 0x67))
            (loop (call $exit (call $open (i32.const 5) (i32.const 64) (i32.const 1) (i32.const 1)))
                (br 0))",
        )
    }),
    ("descriptors closed and taken over", DONE, |d| {
        let (from, to) = (d.below(7), d.below(7));
        body(
            d,
            &format!(
                "(drop (call $fd_renumber (i32.const {from}) (i32.const {to})))
            (drop (call $fd_close (i32.const {to}))) (drop (call $fd_close (i32.const {to})))
            (drop (call $text (i32.const {to}) (i32.const 64) (i32.const 9)))"
            ),
        )
    }),
    ("files of the machine", EXIT, |d| {
        let name = d.one_of(&[
            "etc/passwd",
            "../etc/passwd",
            "../../../../etc/passwd",
            "proc/self/environ",
            "a/../../../etc/shadow",
            "./../../etc/ssh/ssh_host_rsa_key",
            "....//....//etc/passwd",
        ]);
        path(d, name)
    }),
    ("absolute paths", EXIT, |d| {
        let name = d.one_of(&["/etc/passwd", "//etc/passwd", "/", "/in/given", "/proc/1/mem"]);
        path(d, name)
    }),
    ("names of another system", EXIT, |d| {
        let name = d.one_of(&[
            r"\\\\?\\C:\\",
            "CON",
            "NUL",
            "COM1",
            "given:stream",
            r"C:\\Windows",
            r"..\\..\\x",
        ]);
        path(d, name)
    }),
    ("names that are no text", EXIT, |d| {
        let name = d.one_of(&[r"\ff\fe", r"a\00b", r"\c0\af", r"\ed\a0\80", r"given\00"]);
        path(d, name)
    }),
    ("a name without end", EXIT, |d| {
        body(
            d,
            "(memory.fill (i32.const 64) (i32.const 97) (i32.const 65000))
            (call $exit (call $open (i32.const 3) (i32.const 64) (i32.const 65000) (i32.const 0)))",
        )
    }),
    ("links", EXIT, |d| {
        whole(
            d,
            r#"(data (i32.const 64) "/etc/passwd") (data (i32.const 80) "x")
            (func (export "_start") (call $exit (call $path_symlink (i32.const 64) (i32.const 11)
                (i32.const 5) (i32.const 80) (i32.const 1))))"#,
        )
    }),
    ("second names", EXIT, |d| {
        whole(
            d,
            r#"(data (i32.const 64) "given") (data (i32.const 80) "x")
            (func (export "_start") (call $exit (call $path_link (i32.const 3) (i32.const 0)
                (i32.const 64) (i32.const 5) (i32.const 5) (i32.const 80) (i32.const 1))))"#,
        )
    }),
    ("writing to what was given", EXIT, |d| {
        let (dir, how) = (d.one_of(&[3_u32, 4]), d.one_of(&[1_u32, 8, 9]));
        whole(
            d,
            &format!(
                r#"(data (i32.const 64) "given") (func (export "_start")
            (call $exit (call $open (i32.const {dir}) (i32.const 64) (i32.const 5)
                (i32.const {how}))))"#
            ),
        )
    }),
    ("a directory into itself", EXIT, |d| {
        whole(
            d,
            r#"(data (i32.const 64) "a") (data (i32.const 80) "a/b") (func (export "_start")
            (drop (call $path_create_directory (i32.const 5) (i32.const 64) (i32.const 1)))
            (call $exit (call $path_rename (i32.const 5) (i32.const 64) (i32.const 1) (i32.const 5)
                (i32.const 80) (i32.const 3))))"#,
        )
    }),
    ("its own root", EXIT, |d| {
        let name = d.one_of(&[".", "..", "./.", "a/.."]);
        whole(
            d,
            &format!(
                r#"(data (i32.const 64) "{name}") (func (export "_start")
            (call $exit (call $path_remove_directory (i32.const 5) (i32.const 64)
                (i32.const {}))))"#,
                name.len()
            ),
        )
    }),
    ("a file that is gone and open", &["output_out", "fuel_out"], |d| {
        made(
            d,
            "(drop (call $path_unlink_file (i32.const 5) (i32.const 64) (i32.const 1)))
            (loop (drop (call $text (local.get $n) (i32.const 64) (i32.const 50000))) (br 0))",
        )
    }),
    ("listings from everywhere", DONE, |d| {
        let cookie = d.one_of(&[0_u64, 1, 5, 1 << 33, u64::MAX]);
        let room = d.one_of(&[0_u32, 1, 23, 24, 25, 4_096]);
        body(
            d,
            &format!(
                "(loop (drop (call $fd_readdir (local.get $i) (i32.const 64)
                (i32.const {room}) (i64.const {cookie}) (i32.const 8)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 8))))"
            ),
        )
    }),
];

/// Makes a file in `/out`, whose descriptor is then in `$n`.
fn made(dice: &mut Dice, code: &str) -> Guest {
    body(
        dice,
        &format!(
            "(i32.store8 (i32.const 64) (i32.const 0x67))
        (call $exit (call $open (i32.const 5) (i32.const 64) (i32.const 1) (i32.const 1)))
        (local.set $n (i32.load (i32.const 12))) {code}"
        ),
    )
}

/// Opens a path, written as in a module's text, through one of the directories. It must fail.
fn path(dice: &mut Dice, name: &str) -> Guest {
    let dir = 3 + dice.below(4);
    let length = wat::parse_str(format!(r#"(module (memory 1) (data (i32.const 0) "{name}"))"#))
        .expect("a text")
        .len()
        - wat::parse_str(r#"(module (memory 1) (data (i32.const 0) ""))"#).expect("a text").len();
    whole(
        dice,
        &format!(
            r#"(data (i32.const 64) "{name}") (func (export "_start")
        (call $exit (call $open (i32.const {dir}) (i32.const 64) (i32.const {length})
            (i32.const 0))))"#
        ),
    )
}
