//! What a guest can do to files, as a table of steps with what each gives.

use super::*;
use crate::stop::Stop;

fn files() -> Files {
    let given = [
        ("in/a.txt", "alpha"),
        ("in/sub/b.txt", "beta"),
        ("data/a.txt", "other"),
        ("data/c.txt", "gamma"),
    ];
    let given = given.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()));
    Files::new(given.to_vec(), 100).expect("files")
}

fn route(path: &str) -> Route<'_> {
    let view = View::ALL.into_iter().find(|view| path.starts_with(view.path()));
    let view = view.expect("one of the four directories");
    let path = path.strip_prefix(view.path()).expect("its path").trim_start_matches('/');
    Route { view, start: view.root(), path: if path.is_empty() { "." } else { path } }
}

fn step(files: &mut Files, step: &str) -> Sys<String> {
    let words: Vec<&str> = step.split_whitespace().collect();
    let create = OpenHow { create: true, write: true, ..OpenHow::default() };
    match words[..] {
        ["read", path] => {
            let node = files.open(route(path), OpenHow::default())?;
            let text = files.read(node, 0).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            files.close(node);
            text
        }
        ["write", path, text] => {
            let node = files.open(route(path), create)?;
            let end = files.stat(node)?.bytes;
            let written = files.write(node, end, text.as_bytes());
            files.close(node);
            written.map(|_| String::new())
        }
        ["truncate", path] => {
            let how = OpenHow { truncate: true, ..create };
            files.open(route(path), how).map(|node| files.close(node)).map(|()| String::new())
        }
        ["list", path] => {
            let node = files.open(route(path), OpenHow::default())?;
            let list = files.list(route(path).view, node)?;
            files.close(node);
            Ok(list.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(","))
        }
        ["mkdir", path] => files.create_directory(route(path)).map(|()| String::new()),
        ["rmdir", path] => files.remove_directory(route(path)).map(|()| String::new()),
        ["rm", path] => files.unlink_file(route(path)).map(|()| String::new()),
        ["mv", from, to] => files.rename(route(from), route(to)).map(|()| String::new()),
        ["stored"] => Ok(files.stored.to_string()),
        _ => panic!("no such step: {step}"),
    }
}

/// Runs the steps, then compares what is a result.
fn check(steps: &str, results: &[(&str, &str)]) {
    let mut files = files();
    for line in steps.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (what, wanted) = line.split_once("->").unwrap_or((line, ""));
        let found = match step(&mut files, what) {
            Ok(text) => text,
            Err(Stop::Errno(errno)) => format!("{errno:?}"),
            Err(Stop::End(ending)) => format!("{ending:?}"),
        };
        assert_eq!(found, wanted.trim(), "{line}");
    }
    let bundle = files.into_bundle(Vec::new());
    let found: Vec<(&str, String)> = bundle
        .iter()
        .skip(1)
        .map(|(name, content)| (name, String::from_utf8_lossy(content).into_owned()))
        .collect();
    let wanted: Vec<_> = results.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn job_shows_all_and_out_shows_what_is_new() {
    check(
        "
        list /in                    -> a.txt,sub
        list /data                  -> a.txt,c.txt
        list /job                   -> a.txt,c.txt,sub
        list /out                   ->
        read /job/a.txt             -> alpha
        read /data/a.txt            -> other
        read /job/sub/b.txt         -> beta
        read /out/a.txt             -> NoEntry
        write /job/new one
        write /out/also two
        list /out                   -> also,new
        read /out/new               -> one
        read /job/also              -> two
        ",
        &[("also", "two"), ("new", "one")],
    );
}

#[test]
fn given_files_change_only_in_job() {
    check(
        "
        write /in/a.txt x           -> ReadOnly
        rm /data/a.txt              -> ReadOnly
        mv /in/a.txt /out/a.txt     -> ReadOnly
        mkdir /data/d               -> ReadOnly
        write /job/sub/b.txt +
        stored                      -> 5
        list /out                   -> sub
        read /in/sub/b.txt          -> beta
        truncate /job/c.txt
        stored                      -> 5
        rm /job/a.txt
        list /job                   -> c.txt,sub
        read /in/a.txt              -> alpha
        ",
        &[("c.txt", ""), ("sub/b.txt", "beta+")],
    );
}

#[test]
fn a_new_file_of_out_replaces_a_given_one_that_it_hides() {
    check(
        "
        write /out/a.txt mine
        read /out/a.txt             -> mine
        read /job/a.txt             -> mine
        read /in/a.txt              -> alpha
        mkdir /out/sub
        mkdir /out/sub              -> Exists
        write /out/sub/x y
        ",
        &[("a.txt", "mine"), ("sub/x", "y")],
    );
}

#[test]
fn renamed_files_are_results_under_their_new_name() {
    check(
        "
        mv /job/a.txt /job/first
        stored                      -> 5
        mv /job/sub /out/moved
        stored                      -> 9
        list /job                   -> c.txt,first,moved
        mv /job/moved /job/moved/in -> Invalid
        mv /job/first /job/moved    -> IsDirectory
        mv /job/moved /job/first    -> NotDirectory
        mv /job/none /job/first     -> NoEntry
        mv /job/first /job/first
        mv /job/c.txt /job/first
        stored                      -> 9
        mkdir /out/empty
        mv /out/moved /out/empty
        list /out                   -> empty,first
        mv /out/empty /out/first/   -> NotDirectory
        ",
        &[("empty/b.txt", "beta"), ("first", "gamma")],
    );
}

#[test]
fn directories_go_only_when_empty() {
    check(
        "
        mkdir /out/d
        mkdir /out/d/e
        mkdir /out/none/e           -> NoEntry
        rmdir /out/d                -> NotEmpty
        rm /out/d                   -> IsDirectory
        rmdir /out/d/e
        rmdir /out/d
        rmdir /out/d                -> NoEntry
        rm /job/a.txt
        rm /job/c.txt
        rm /job/sub/b.txt
        rmdir /job/sub
        rmdir /job                  -> Invalid
        write /out/f x
        rmdir /out/f                -> NotDirectory
        read /out/f/x               -> NotDirectory
        ",
        &[("f", "x")],
    );
}

#[test]
fn the_quota_counts_what_is_stored() {
    let fill = "x".repeat(60);
    check(
        &format!(
            "
            write /out/a {fill}
            rm /out/a
            stored                  -> 0
            write /out/a {fill}
            truncate /out/a
            write /out/a {fill}
            stored                  -> 60
            write /out/b {fill}     -> OutputOut
            "
        ),
        &[("a", &fill), ("b", "")],
    );
}

#[test]
fn an_open_file_outlives_its_name_and_keeps_its_room_until_it_is_closed() {
    let mut files = files();
    let create = OpenHow { create: true, write: true, ..OpenHow::default() };
    let node = files.open(route("/out/f"), create).expect("a file");
    files.write(node, 0, b"12345").expect("it is written");
    files.unlink_file(route("/out/f")).expect("it goes");
    let other = files.open(route("/out/g"), create).expect("another file");
    assert_ne!(node, other);
    assert_eq!(files.read(node, 3), Ok(b"45".as_slice()));
    assert_eq!(files.stored, 5);
    files.close(node);
    assert_eq!(files.stored, 0);
    let reused = files.open(route("/out/h"), create).expect("a third file");
    assert_eq!((reused, files.read(reused, 0)), (node, Ok([].as_slice())));
}

#[test]
fn a_removed_directory_that_is_still_open_takes_no_files() {
    let mut files = files();
    files.create_directory(route("/out/d")).expect("a directory");
    let start = files.open(route("/out/d"), OpenHow::default()).expect("it opens");
    files.remove_directory(route("/out/d")).expect("it goes");
    let create = OpenHow { create: true, write: true, ..OpenHow::default() };
    let lost = Route { view: View::Out, start, path: "f" };
    assert_eq!(files.open(lost, create), Err(Errno::NoEntry.into()));
    files.close(start);
}

#[test]
fn depth_and_number_of_files_are_bounded() {
    let mut files = files();
    let deep = (0..DEPTH_MAX).map(|_| "d").collect::<Vec<_>>();
    for n in 1..=DEPTH_MAX {
        let path = format!("/out/{}", deep[..n].join("/"));
        files.create_directory(route(&path)).expect("a directory");
    }
    let path = format!("/out/{}/d", deep.join("/"));
    assert_eq!(files.create_directory(route(&path)), Err(Errno::NameTooLong.into()));
    files.create_directory(route("/out/x")).expect("a directory");
    assert_eq!(
        files.rename(route("/out/d"), route("/out/x/d")),
        Err(Errno::NameTooLong.into()),
        "a tree cannot be moved deeper than it could be made"
    );
    let name = format!("/out/{}", "n".repeat(NAME_BYTES_MAX + 1));
    assert_eq!(files.create_directory(route(&name)), Err(Errno::NameTooLong.into()));
    let made = (0..).find_map(|n| {
        let path = format!("/out/f{n}");
        files.create_directory(route(&path)).err().map(|stop| (n, stop))
    });
    let (n, stop) = made.expect("it ends");
    assert_eq!(stop, Stop::End(Ending::FilesOut));
    assert_eq!(n + 33, MADE_MAX);
}

#[test]
fn what_is_given_to_job_alone_is_seen_there_only_and_goes_first() {
    let given = [("in/main.py", "an input"), ("job/main.py", "the script"), ("in/x", "1")];
    let given = given.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()));
    let mut files = Files::new(given.to_vec(), 100).expect("files");
    let mut read = |path: &str| step(&mut files, &format!("read {path}")).ok();
    assert_eq!(read("/job/main.py").as_deref(), Some("the script"));
    assert_eq!(read("/in/main.py").as_deref(), Some("an input"));
    assert_eq!(read("/job/x").as_deref(), Some("1"));
    assert_eq!(read("/out/main.py"), None);
    assert_eq!(step(&mut files, "list /in").ok().as_deref(), Some("main.py,x"));
    assert_eq!(files.into_bundle(Vec::new()).iter().count(), 1, "it is no result");
}
