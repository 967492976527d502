//! The four directories, through the calls that programs make.

use medusa_types::Outcome;

use crate::setup::{entries, program, run, stdout, task};

const READ: i64 = 2;
const WRITE: i64 = 64;

/// Opens each path and gives the error numbers, `0` for opened.
async fn open_all(cases: &[(i32, &str, i32, i64)]) -> Vec<i32> {
    let mut code = String::new();
    let mut data = String::new();
    for (number, (dir, path, how, rights)) in cases.iter().enumerate() {
        let (at, to) = (8_192 + 256 * number, 4_096 + 4 * number);
        data.push_str(&format!("(data (i32.const {at}) {path:?})\n"));
        code.push_str(&format!(
            "(i32.store (i32.const {to}) (call $path_open (i32.const {dir}) (i32.const 0)
                (i32.const {at}) (i32.const {len}) (i32.const {how}) (i64.const {rights})
                (i64.const 0) (i32.const 0) (i32.const 12)))\n",
            len = path.len(),
        ));
    }
    let len = 4 * cases.len();
    let body = format!(
        r#"{data} (func (export "_start") {code} (call $print (i32.const 4096) (i32.const {len})))"#
    );
    let mut task = task();
    task.files = vec![("in/a.txt".into(), b"alpha".to_vec()), ("data/d/e".into(), Vec::new())];
    let report = run(&program(&body), task).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.stderr);
    stdout(&report).as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()
}

#[tokio::test]
async fn nothing_outside_the_four_directories_can_be_reached() {
    let paths = [
        ("/etc/passwd", 76),
        ("../etc/passwd", 76),
        ("d/../../etc/passwd", 76),
        ("etc/passwd", 44),
        ("..", 76),
        ("a\u{0}b", 28),
        ("/", 76),
        ("\\\\?\\C:\\Windows", 44),
        ("CON", 44),
        ("d/../..//d", 76),
    ];
    let cases: Vec<_> = paths.iter().map(|(path, _)| (4, *path, 0, READ)).collect();
    let wanted: Vec<i32> = paths.iter().map(|(_, errno)| *errno).collect();
    let found = open_all(&cases).await;
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn given_files_can_be_read_and_not_written() {
    let found = open_all(&[
        (3, "a.txt", 0, READ),
        (3, "./a.txt", 0, READ),
        (3, "a.txt/", 0, READ),
        (3, "a.txt", 0, READ | WRITE),
        (3, "a.txt", 8, READ),
        (3, "new", 1, READ | WRITE),
        (4, "d", 2, READ),
        (4, "d/e", 2, READ),
        (4, "d/../d/e", 0, READ),
        (5, "a.txt", 0, READ),
        (6, "a.txt", 0, READ | WRITE),
        (6, "d/e", 0, READ),
        (3, "d/e", 0, READ),
        (5, "made", 5, WRITE),
        (5, "made", 5, WRITE),
        (6, "made", 0, READ),
        (5, "no/such/directory", 1, WRITE),
        (5, "back\\slash", 1, WRITE),
    ])
    .await;
    assert_eq!(found, [0, 0, 54, 69, 69, 69, 0, 54, 0, 44, 0, 0, 44, 0, 20, 0, 44, 28]);
}

#[tokio::test]
async fn files_of_out_and_changed_files_of_job_are_results() {
    let body = r#"
        (data (i32.const 100) "a.txt") (data (i32.const 110) "r.csv") (data (i32.const 120) "b.txt")
        (func (export "_start") (local $fd i32)
            ;; Appends the first bytes of /in/a.txt to the end of the same file in /job.
            (local.set $fd (call $open (i32.const 3) (i32.const 100) (i32.const 5) (i32.const 0)
                (i64.const 2)))
            (drop (call $read (local.get $fd)))
            (local.set $fd (call $open (i32.const 6) (i32.const 100) (i32.const 5) (i32.const 0)
                (i64.const 66)))
            (drop (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 2) (i32.const 64)))
            (call $write (local.get $fd) (i32.const 4096) (i32.const 3))
            ;; And makes a file in /out.
            (local.set $fd (call $open (i32.const 5) (i32.const 110) (i32.const 5) (i32.const 1)
                (i64.const 64)))
            (call $write (local.get $fd) (i32.const 4096) (i32.const 1))
            ;; A file that is only read is no result.
            (local.set $fd (call $open (i32.const 6) (i32.const 120) (i32.const 5) (i32.const 0)
                (i64.const 2)))
            (call $print (i32.const 4096) (call $read (local.get $fd)))
            ;; /in still shows what was given.
            (local.set $fd (call $open (i32.const 3) (i32.const 100) (i32.const 5) (i32.const 0)
                (i64.const 2)))
            (call $print (i32.const 4096) (call $read (local.get $fd))))"#;
    let mut task = task();
    task.files =
        vec![("in/a.txt".into(), b"alpha".to_vec()), ("data/b.txt".into(), b"beta ".to_vec())];
    let report = run(&program(body), task).await;
    let wanted: [(String, Vec<u8>); 3] = [
        (String::new(), b"beta alpha".to_vec()),
        ("a.txt".into(), b"alphaalp".to_vec()),
        ("r.csv".into(), b"a".to_vec()),
    ];
    assert_eq!((report.outcome, entries(&report)), (Outcome::Done, wanted.to_vec()));
}

#[tokio::test]
async fn listings_are_sorted_and_whole() {
    let body = r#"
        (func (export "_start") (local $cookie i64) (local $len i32)
            (loop $more
                (drop (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 60)
                    (local.get $cookie) (i32.const 64)))
                (local.set $len (i32.load (i32.const 4112)))
                (if (i32.ge_u (i32.load (i32.const 64)) (i32.add (i32.const 24) (local.get $len)))
                    (then
                        (i32.store8 (i32.add (i32.const 4120) (local.get $len)) (i32.const 10))
                        (call $print (i32.const 4120) (i32.add (local.get $len) (i32.const 1)))
                        (local.set $cookie (i64.load (i32.const 4096)))
                        (br $more)))))"#;
    let mut task = task();
    for name in ["z", "b/c", "a-long-name-of-a-file", "B", "é"] {
        task.files.push((format!("in/{name}"), Vec::new()));
    }
    let report = run(&program(body), task).await;
    let listed = String::from_utf8(stdout(&report)).expect("text");
    assert_eq!(listed, ".\n..\nB\na-long-name-of-a-file\nb\nz\né\n");
}

#[tokio::test]
async fn files_and_standard_output_share_one_limit() {
    let body = r#"
        (data (i32.const 100) "f")
        (func (export "_start") (local $fd i32)
            (local.set $fd (call $open (i32.const 5) (i32.const 100) (i32.const 1) (i32.const 1)
                (i64.const 64)))
            (call $write (local.get $fd) (i32.const 4096) (i32.const 600))
            (call $print (i32.const 4096) (i32.const 400)))"#;
    let mut task = task();
    task.limits.output_bytes = 1_000;
    assert_eq!(run(&program(body), task.clone()).await.outcome, Outcome::Done);
    task.limits.output_bytes = 999;
    assert_eq!(run(&program(body), task).await.outcome, Outcome::OutputOut);
}

#[tokio::test]
async fn a_gap_as_large_as_the_address_space_is_not_stored() {
    let body = r#"
        (data (i32.const 100) "f")
        (func (export "_start") (local $fd i32)
            (local.set $fd (call $open (i32.const 5) (i32.const 100) (i32.const 1) (i32.const 1)
                (i64.const 64)))
            (drop (call $fd_seek (local.get $fd) (i64.const 0x7fffffffffffffff) (i32.const 0)
                (i32.const 64)))
            (call $write (local.get $fd) (i32.const 4096) (i32.const 1)))"#;
    assert_eq!(run(&program(body), task()).await.outcome, Outcome::OutputOut);
}

#[tokio::test]
async fn removed_files_give_their_room_back() {
    let body = r#"
        (data (i32.const 100) "f")
        (func (export "_start") (local $fd i32) (local $n i32)
            (loop $more
                (local.set $fd (call $open (i32.const 5) (i32.const 100) (i32.const 1) (i32.const 5)
                    (i64.const 64)))
                (call $write (local.get $fd) (i32.const 4096) (i32.const 600))
                (drop (call $path_unlink_file (i32.const 5) (i32.const 100) (i32.const 1)))
                (drop (call $fd_close (local.get $fd)))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $n) (i32.const 10)))))"#;
    let mut task = task();
    task.limits.output_bytes = 1_000;
    let report = run(&program(body), task).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.stderr);
    assert_eq!(entries(&report), [(String::new(), Vec::new())]);
}

#[tokio::test]
async fn a_task_with_impossible_files_is_not_run() {
    use crate::setup::{Folder, modules, worker};
    let folder = Folder::new();
    let modules = modules(&folder);
    let mut worker = worker(&modules, &program(r#"(func (export "_start"))"#)).await;
    for path in ["etc/passwd", "in", "in/", "in/../x", "in//x", "data/.", "/in/x"] {
        let mut bad = task();
        bad.files = vec![(path.into(), Vec::new())];
        worker.run(bad).await.expect_err(path);
    }
    let mut twice = task();
    twice.files = vec![("in/a".into(), Vec::new()), ("in/a/b".into(), Vec::new())];
    worker.run(twice).await.expect_err("a is a file and a directory");
    assert_eq!(worker.run(task()).await.expect("it goes on").outcome, Outcome::Done);
}
