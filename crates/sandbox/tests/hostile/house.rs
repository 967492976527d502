//! Where guests run: a folder that is watched, and somebody who wants an answer meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use medusa_sandbox::Modules;
use medusa_types::Sha256Hash;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How often somebody asks.
const OFTEN: Duration = Duration::from_millis(10);

/// A folder with files that matter, and the cache among them. It goes away with the test.
pub(crate) struct House(PathBuf);

impl House {
    pub(crate) fn new() -> Self {
        let name = format!("medusa-hostile-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("data/in")).expect("a folder");
        for file in ["given", "data/key", "data/in/given", "g", "a"] {
            std::fs::write(path.join(file), file).expect("a file");
        }
        Self(path)
    }

    pub(crate) fn modules(&self) -> Modules {
        let exe = env!("CARGO_BIN_EXE_medusa-sandbox-worker");
        Modules::new(self.0.join("code"), exe.into(), Vec::new())
    }

    /// Every file and folder with the digest of its content. Of the cache only what is no compiled
    /// program.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Option<Sha256Hash>> {
        let mut tree = BTreeMap::new();
        collect(&self.0, &mut tree);
        let code = self.0.join("code");
        let is_kept = |path: &Path| {
            let kind = path.extension().and_then(|kind| kind.to_str());
            path.starts_with(&code)
                && (path == code
                    || path.ends_with("empty")
                    || matches!(kind, Some("cwasm" | "sha256")))
        };
        tree.retain(|path, _| !is_kept(path));
        tree
    }
}

impl Drop for House {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

fn collect(folder: &Path, tree: &mut BTreeMap<PathBuf, Option<Sha256Hash>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_compiled = path.extension().is_some_and(|kind| kind == "cwasm");
        let is_folder = path.is_dir();
        if is_folder {
            collect(&path, tree);
        }
        let content = (!is_folder && !is_compiled).then(|| std::fs::read(&path).expect("a file"));
        tree.insert(path, content.map(|content| Sha256Hash::of(&content)));
    }
}

/// A task that answers, as the agent's page does, and one that asks it all the time.
pub(crate) struct Page {
    _tasks: JoinSet<()>,
    worst: Arc<std::sync::Mutex<Duration>>,
    over: Arc<AtomicBool>,
    machine: JoinHandle<Duration>,
}

impl Page {
    pub(crate) fn open() -> Self {
        let (asks, mut hears) = mpsc::channel::<oneshot::Sender<()>>(16);
        let (worst, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Some(answer) = hears.recv().await {
                answer.send(()).expect("somebody waits");
            }
        });
        let kept: Arc<std::sync::Mutex<Duration>> = Arc::clone(&worst);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(OFTEN).await;
                let (answer, answered) = oneshot::channel();
                let since = Instant::now();
                asks.send(answer).await.expect("it listens");
                answered.await.expect("it answers");
                let mut worst = kept.lock().expect("a lock");
                *worst = since.elapsed().max(*worst);
            }
        });
        let ends = Arc::clone(&over);
        let machine = std::thread::spawn(move || {
            let mut late = Duration::ZERO;
            while !ends.load(Ordering::Relaxed) {
                let since = Instant::now();
                std::thread::sleep(OFTEN);
                late = late.max(since.elapsed().saturating_sub(OFTEN));
            }
            late
        });
        Self { _tasks: tasks, worst, over, machine }
    }

    /// The longest answer, and how late the machine was at most for a thread of its own.
    pub(crate) fn close(self) -> (Duration, Duration) {
        self.over.store(true, Ordering::Relaxed);
        let late = self.machine.join().expect("a thread");
        let worst = *self.worst.lock().expect("a lock");
        (worst, late)
    }
}

/// The most memory that a process ever had, in KiB.
pub(crate) fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
