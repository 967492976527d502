//! The cache of compiled programs, and worker processes that go wrong.

use std::io::ErrorKind;

use bytes::Bytes;
use medusa_sandbox::{CompileError, Modules, Wall, Worker, WorkerError};
use medusa_types::{Outcome, Sha256Hash};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::setup::{Folder, compiled, modules, program, task};

fn nothing() -> Vec<u8> {
    program(r#"(func (export "_start"))"#)
}

/// The compiled files in a folder.
fn kept(folder: &Folder) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(&folder.0).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "cwasm")).collect()
}

#[tokio::test]
async fn a_program_is_compiled_once() {
    let folder = Folder::new();
    let wasm = nothing();
    let id = Sha256Hash::of(&wasm);
    assert_eq!(modules(&folder).find(id, false).await.expect("an answer"), None);
    let first = compiled(&modules(&folder), &wasm).await;
    let written = std::fs::metadata(&kept(&folder)[0]).and_then(|m| m.modified()).expect("a time");
    assert_eq!(modules(&folder).find(id, false).await.expect("an answer"), Some(first));
    compiled(&modules(&folder), &wasm).await;
    let now = std::fs::metadata(&kept(&folder)[0]).and_then(|m| m.modified()).expect("a time");
    assert_eq!((kept(&folder).len(), now), (1, written));
    assert_eq!(modules(&folder).find(id, true).await.expect("an answer"), None, "strict differs");
}

#[tokio::test]
async fn a_damaged_file_is_made_again() {
    let folder = Folder::new();
    let modules = modules(&folder);
    let wasm = nothing();
    compiled(&modules, &wasm).await;
    let path = kept(&folder).remove(0);
    let mut bytes = std::fs::read(&path).expect("a file");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&path, &bytes).expect("a damaged file");
    assert_eq!(modules.find(Sha256Hash::of(&wasm), false).await.expect("an answer"), None);
    let again = compiled(&modules, &wasm).await;
    let mut worker = Worker::start(&modules, &again).await.expect("a worker");
    assert_eq!(worker.run(task()).await.expect("a report").outcome, Outcome::Done);
}

#[tokio::test]
async fn a_file_that_does_not_load_is_forgotten() {
    let folder = Folder::new();
    let modules = modules(&folder);
    let compiled = compiled(&modules, &nothing()).await;
    std::fs::write(&kept(&folder)[0], b"something else").expect("a wrong file");
    let error = Worker::start(&modules, &compiled).await.expect_err("it does not load");
    assert!(matches!(error, WorkerError::Load(_)), "{error}");
    assert!(kept(&folder).is_empty());
}

#[tokio::test]
async fn other_bytes_than_the_programs_are_refused() {
    let folder = Folder::new();
    let program = Sha256Hash::of(b"another program");
    let error = modules(&folder).compiled(program, false, nothing().into()).await;
    assert!(matches!(error, Err(CompileError::Altered { .. })), "{error:?}");
    let text = Bytes::from_static(b"int main(void)");
    let error = modules(&folder).compiled(Sha256Hash::of(&text), false, text).await;
    assert!(matches!(error, Err(CompileError::Refused(_))), "{error:?}");
    assert!(kept(&folder).is_empty());
}

#[tokio::test]
async fn a_worker_that_is_no_worker_is_an_error_and_not_a_hang() {
    let folder = Folder::new();
    for (exe, args) in [("/bin/false", vec![]), ("/nonexistent", vec![]), ("/bin/cat", vec![])] {
        let modules = Modules::new(folder.0.clone(), exe.into(), args);
        let error = modules.find(Sha256Hash::of(b""), false).await.expect_err(exe);
        assert!(matches!(error, CompileError::Compiler(_)), "{exe}: {error}");
    }
}

/// The worker's own process: nothing in it is worth stealing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_has_no_environment_no_files_and_no_rights() {
    let folder = Folder::new();
    let modules = modules(&folder);
    let compiled = compiled(&modules, &nothing()).await;
    // A descriptor that is handed on to whatever is started.
    let left_open = std::fs::File::open("/dev/null").expect("a file");
    fcntl(&left_open, FcntlArg::F_SETFD(FdFlag::empty())).expect("a flag");
    let mut worker = Worker::start(&modules, &compiled).await.expect("a worker");
    worker.run(task()).await.expect("a report");
    let id = worker.id().expect("it is alive");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("limits");
    let line = |text: &str, start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line(&status, "NoNewPrivs"), "NoNewPrivs: 1");
    assert_eq!(line(&status, "Threads"), "Threads: 1");
    assert_eq!(line(&status, "Seccomp:"), "Seccomp: 2", "a filter is in place");
    assert_eq!(line(&limits, "Max core file size"), "Max core file size 0 0 bytes");
    assert_eq!(line(&limits, "Max file size"), "Max file size 0 0 bytes");
    assert_eq!(line(&limits, "Max open files"), "Max open files 32 32 files");
    // Who started it is not who it is.
    let uid = line(&status, "Uid:");
    assert!(!uid.split(' ').any(|id| id == "0"), "{uid}");
    assert_eq!(seen(id, "environ").map(|text| text.len()), Some(0));
    match std::fs::read_dir(format!("/proc/{id}/fd")) {
        Ok(open) => {
            let links = open.map(|entry| std::fs::read_link(entry.expect("an entry").path()));
            let links: Vec<_> = links.map(|link| link.expect("a link")).collect();
            let (pipes, files): (Vec<_>, Vec<_>) =
                links.iter().partition(|link| link.to_string_lossy().starts_with("pipe:"));
            assert_eq!((pipes.len(), files), (3, vec![&kept(&folder)[0]]), "its program, to read");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "it hides them"),
    }
    worker.stop().await;
}

/// A file about a process: whoever may not read it sees nothing.
fn seen(id: u32, name: &str) -> Option<Vec<u8>> {
    match std::fs::read(format!("/proc/{id}/{name}")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(Vec::new()),
        read => read.ok(),
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_stands_is_told() {
    let folder = Folder::new();
    let modules = modules(&folder);
    assert_eq!(modules.walls(), None);
    let looked = modules.look_at_walls().await.expect("walls");
    assert_eq!(modules.walls(), Some(looked));
    let compiled = compiled(&modules, &nothing()).await;
    let worker = Worker::start(&modules, &compiled).await.expect("a worker");
    assert_eq!(worker.walls(), looked, "every worker has the same");
    assert_eq!((looked.calls, looked.rights, looked.user), (Wall::Full, Wall::Full, Wall::Full));
    assert!(looked.in_words().iter().all(|(name, _, words)| !name.is_empty() && !words.is_empty()));
    worker.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn workers_in_the_background_come_last() {
    let folder = Folder::new();
    for (modules, policy, nice) in
        [(modules(&folder), "0", "0"), (modules(&folder).in_background(), "5", "19")]
    {
        let compiled = compiled(&modules, &nothing()).await;
        let worker = Worker::start(&modules, &compiled).await.expect("a worker");
        let id = worker.id().expect("it is alive");
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
        let (_, about) = stat.rsplit_once(") ").expect("a name");
        let fields: Vec<&str> = about.split(' ').collect();
        assert_eq!((fields[16], fields[38]), (nice, policy), "nice value and policy");
        worker.stop().await;
    }
}
