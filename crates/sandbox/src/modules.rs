//! Compiled programs: made here, kept here, never taken from anyone.
//!
//! A module passes the [gate](crate::inspect), is compiled once in a worker process that may be
//! killed, and is kept as `<key>.cwasm` beside `<key>.sha256`. The key names module, engine,
//! settings and processor, so that a file is never loaded by an engine that it was not made for;
//! the digest is checked before each use. One module is compiled at a time, which bounds memory.

use std::fs::{File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use medusa_types::Sha256Hash;
use tokio::fs;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::spawn_blocking;

use crate::brake::Lever;
use crate::child::{ANSWER_MAX, Bounds, Child, ChildError, Launch, TEXT_BYTES_MAX, absolute};
use crate::gate::{Refusal, inspect};
use crate::task::{Reply, Request};
use crate::walls::{COMPILE_BYTES_MAX, COMPILE_BYTES_MIN, Walls};

/// How long a compilation may take. Real modules of the largest accepted size take 80 seconds; in a
/// build without optimisation the compiler is ten times slower.
const COMPILE_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3_000 } else { 300 });
/// The largest compiled file. The largest real one has 250 MB.
const COMPILED_BYTES_MAX: u64 = 512 << 20;
/// The most that all compiled files together may take, where nobody sets less; those not used for
/// longest go first.
const CACHE_BYTES_MAX: u64 = 4 << 30;

/// The compiled programs of this machine, and how to start workers for them.
#[derive(Debug)]
pub struct Modules {
    folder: PathBuf,
    launch: Launch,
    /// By strictness.
    fingerprints: [OnceCell<String>; 2],
    compiling: Mutex<()>,
    pause: Lever,
    walls: OnceLock<Walls>,
    /// What all compiled files together may take, in bytes.
    room: AtomicU64,
    /// What a compilation may take, in bytes.
    memory: AtomicU64,
}

/// A program that is ready to run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The program.
    pub program: Sha256Hash,
    /// Whether the bits of each NaN are the same on all processors.
    pub strict: bool,
    pub(crate) path: PathBuf,
}

/// Why a program could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The gate refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The bytes are not those of the program.
    #[error("the module's bytes have the digest {found}, not {program}")]
    Altered {
        /// What was asked for.
        program: Sha256Hash,
        /// What came.
        found: Sha256Hash,
    },
    /// It took too long.
    #[error("the module took longer than {} seconds to compile", COMPILE_MAX.as_secs())]
    TooLong,
    /// It needs more memory than this machine lends to a compilation; another may have it.
    #[error("the module needs more than the {mib} MiB of memory that are lent here to be compiled")]
    Memory {
        /// What it could have.
        mib: u64,
    },
    /// The compiler does not take it.
    #[error("the module could not be compiled: {0}")]
    Failed(String),
    /// The compiler's process failed.
    #[error("the compiler did not finish")]
    Compiler(#[from] ChildError),
    /// The cache's folder failed.
    #[error("could not keep the compiled module")]
    Store(#[from] io::Error),
}

impl CompileError {
    /// Whether the program is to blame, everywhere and for good.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Failed(_) | Self::TooLong)
    }
}

impl Modules {
    /// A cache in this folder, with workers started as `exe worker_args…`; that program must call
    /// [`crate::worker_main`].
    #[must_use]
    pub fn new(folder: PathBuf, exe: PathBuf, worker_args: Vec<String>) -> Self {
        let folder = absolute(&folder);
        let launch = Launch {
            exe: absolute(&exe),
            args: worker_args,
            folder: folder.join("empty"),
            last: false,
        };
        let pause = Lever::new(false);
        Self {
            folder,
            launch,
            fingerprints: Default::default(),
            compiling: Mutex::default(),
            pause,
            walls: OnceLock::new(),
            room: AtomicU64::new(CACHE_BYTES_MAX),
            memory: AtomicU64::new(COMPILE_BYTES_MAX),
        }
    }

    /// The same, whose workers compute only when no other program of the machine wants to.
    #[must_use]
    pub fn in_background(mut self) -> Self {
        self.launch.last = true;
        self
    }

    /// From now on compiled files together take no more than this, and never more than 4 GiB. The
    /// one that was used last stays.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn limit(&self, bytes_max: u64) -> io::Result<()> {
        let room = bytes_max.min(CACHE_BYTES_MAX);
        if self.room.swap(room, Ordering::Relaxed) == room || !self.folder.exists() {
            return Ok(());
        }
        make_room(&self.folder, room).await
    }

    /// From now on a compilation takes no more memory than this, and never more than 4 GiB; up to
    /// 1 GiB it may always take. One that needs more fails with [`CompileError::Memory`].
    pub fn lend(&self, memory_bytes: u64) {
        let memory = memory_bytes.clamp(COMPILE_BYTES_MIN, COMPILE_BYTES_MAX);
        self.memory.store(memory, Ordering::Relaxed);
    }

    /// What stands around guests on this machine, once a worker was started for one.
    pub fn walls(&self) -> Option<Walls> {
        self.walls.get().copied()
    }

    /// What stands around guests on this machine: found out with a worker for nothing, if none was
    /// started before.
    ///
    /// # Errors
    /// [`ChildError`] when it cannot be started.
    pub async fn look_at_walls(&self) -> Result<Walls, ChildError> {
        if let Some(walls) = self.walls() {
            return Ok(walls);
        }
        let mut child = self.launch.start().await?;
        let reply = child.ask(&Request::Walls, TEXT_BYTES_MAX, ANSWER_MAX).await?;
        child.kill().await;
        let Reply::Loaded(walls, _) = reply else { return Err(ChildError::unasked(&reply)) };
        self.found(walls);
        Ok(walls)
    }

    /// Keeps what a worker told.
    pub(crate) fn found(&self, walls: Walls) {
        // They are the same for all workers of one process.
        self.walls.get_or_init(|| walls);
    }

    /// Stops the compilation under way where it is, or lets it go on. None begins meanwhile.
    pub fn pause(&self, is_paused: bool) {
        self.pause.pull(is_paused);
    }

    /// Names the engine: its version, settings and meter, and this processor's features.
    ///
    /// # Errors
    /// [`CompileError`] when a worker cannot be asked.
    pub async fn engine(&self) -> Result<&str, CompileError> {
        let [lax, _] = &self.fingerprints;
        Ok(lax.get_or_try_init(|| self.fingerprint(false)).await?)
    }

    /// The program, if it is compiled already.
    ///
    /// # Errors
    /// [`CompileError`] when a worker or the folder fails.
    pub async fn find(
        &self,
        program: Sha256Hash,
        strict: bool,
    ) -> Result<Option<Compiled>, CompileError> {
        let path = self.path(program, strict).await?;
        let compiled = Compiled { program, strict, path };
        if !is_intact(&compiled.path).await? {
            return Ok(None);
        }
        mark_used(&compiled.path).await;
        Ok(Some(compiled))
    }

    /// The program, compiled now unless it is already.
    ///
    /// # Errors
    /// [`CompileError`] when it is refused or cannot be compiled here.
    pub async fn compiled(
        &self,
        program: Sha256Hash,
        strict: bool,
        wasm: Bytes,
    ) -> Result<Compiled, CompileError> {
        let _turn = self.compiling.lock().await;
        if let Some(compiled) = self.find(program, strict).await? {
            return Ok(compiled);
        }
        let module = wasm.clone();
        let found = blocking(move || inspect(&module).map(|_| Sha256Hash::of(&module))).await??;
        if found != program {
            return Err(CompileError::Altered { program, found });
        }
        let code = self.compile(strict, wasm).await?;
        let path = self.path(program, strict).await?;
        blocking(move || keep(&path, &code)).await??;
        make_room(&self.folder, self.room.load(Ordering::Relaxed)).await?;
        let compiled = self.find(program, strict).await?;
        compiled.ok_or_else(|| io::Error::other("the file is not what was written").into())
    }

    async fn compile(&self, strict: bool, wasm: Bytes) -> Result<Vec<u8>, CompileError> {
        let mut child = self.start().await?;
        let memory = self.memory.load(Ordering::Relaxed);
        let request = Request::Compile(strict, wasm.to_vec(), memory);
        let brake = &mut self.pause.brake();
        let bounds =
            Bounds { reply_bytes: COMPILED_BYTES_MAX, within: COMPILE_MAX, resident_bytes: memory };
        let answer = child.ask_braked(&request, &bounds, brake).await;
        child.kill().await;
        match answer {
            Ok(Reply::Compiled(code)) => Ok(code),
            Ok(Reply::Failed(why)) => Err(CompileError::Failed(why)),
            Ok(other) => Err(ChildError::unasked(&other).into()),
            Err(ChildError::Late { .. }) => Err(CompileError::TooLong),
            Err(error) if is_short(&error, memory) => {
                Err(CompileError::Memory { mib: memory >> 20 })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) const fn launch(&self) -> &Launch {
        &self.launch
    }

    async fn start(&self) -> Result<Child, CompileError> {
        Ok(self.launch.start().await?)
    }

    /// Where the compiled program is kept.
    async fn path(&self, program: Sha256Hash, strict: bool) -> Result<PathBuf, CompileError> {
        let [lax, exact] = &self.fingerprints;
        let cell = if strict { exact } else { lax };
        let fingerprint = cell.get_or_try_init(|| self.fingerprint(strict)).await?;
        let key = Sha256Hash::of(format!("{program} {fingerprint} {strict}").as_bytes());
        Ok(self.folder.join(format!("{key}.cwasm")))
    }

    /// The engine runs in workers only, so one of them is asked.
    async fn fingerprint(&self, strict: bool) -> Result<String, CompileError> {
        let mut child = self.start().await?;
        let request = Request::Fingerprint(strict);
        let reply = child.ask(&request, TEXT_BYTES_MAX, ANSWER_MAX).await?;
        child.kill().await;
        match reply {
            Reply::Text(fingerprint) => Ok(fingerprint),
            other => Err(ChildError::unasked(&other).into()),
        }
    }
}

/// Whether a compiler that failed like this had too little memory, and another machine could give
/// it more.
fn is_short(error: &ChildError, memory: u64) -> bool {
    let ran_out = match error {
        ChildError::Swollen { .. } => true,
        // What every Rust program says then.
        ChildError::Died { last_words, .. } => last_words.contains("memory allocation of"),
        _ => false,
    };
    ran_out && memory < COMPILE_BYTES_MAX
}

/// Forgets files that were not used for long until the rest fits.
async fn make_room(folder: &Path, bytes_max: u64) -> io::Result<()> {
    let mut kept: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let about = match entry.metadata().await {
            // Another program that uses this folder has renamed or forgotten it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about?,
        };
        if about.is_file() && entry.path().extension().is_some_and(|e| e == "cwasm") {
            kept.push((about.accessed()?, entry.path(), about.len()));
        }
    }
    kept.sort();
    let mut total: u64 = kept.iter().map(|(.., bytes)| bytes).sum();
    // The last is the one that was just made.
    kept.pop();
    for (_, path, bytes) in kept {
        if total <= bytes_max {
            break;
        }
        forget(&path).await;
        total = total.saturating_sub(bytes);
    }
    Ok(())
}

/// Notes in the file itself that it is used now: the system may not note each reading.
async fn mark_used(path: &Path) {
    let owned = path.to_owned();
    #[expect(clippy::disallowed_methods, reason = "it is compared with times of the file system")]
    let now = FileTimes::new().set_accessed(SystemTime::now());
    let marked = blocking(move || File::open(owned)?.set_times(now)).await;
    if let Err(error) = marked.and_then(|marked| marked) {
        tracing::warn!(%error, path = %path.display(), "could not mark a compiled module as used");
    }
}

/// Removes a compiled file that is old or does not load. Running workers keep what they mapped.
pub(crate) async fn forget(path: &Path) {
    for path in [path.to_owned(), digest_path(path)] {
        if let Err(error) = fs::remove_file(&path).await {
            tracing::warn!(%error, path = %path.display(), "could not remove a compiled module");
        }
    }
}

fn digest_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

/// Whether the file is there and as it was written.
async fn is_intact(path: &Path) -> io::Result<bool> {
    let path = path.to_owned();
    blocking(move || {
        let (code, digest) = (std::fs::read(&path), std::fs::read(digest_path(&path)));
        match (code, digest) {
            (Ok(code), Ok(digest)) => {
                Ok(Sha256Hash::of(&code).to_string().as_bytes() == digest.trim_ascii())
            }
            (Err(e), _) | (_, Err(e)) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            (Err(e), _) | (_, Err(e)) => Err(e),
        }
    })
    .await?
}

/// Writes a compiled file and its digest, each as a whole.
fn keep(path: &Path, code: &[u8]) -> io::Result<()> {
    let digest = Sha256Hash::of(code).to_string();
    for (path, content) in [(path, code), (digest_path(path).as_path(), digest.as_bytes())] {
        // The process's number keeps two programs on one folder apart.
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(name);
        std::fs::write(&temporary, content)?;
        std::fs::rename(&temporary, path)?;
    }
    Ok(())
}

/// Runs what takes longer than an async thread may be held.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compilation_may_take_what_is_lent_within_bounds() {
        let modules = Modules::new("code".into(), "worker".into(), Vec::new());
        let lent = |bytes| {
            modules.lend(bytes);
            modules.memory.load(Ordering::Relaxed)
        };
        assert_eq!(modules.memory.load(Ordering::Relaxed), COMPILE_BYTES_MAX);
        assert_eq!(lent(0), COMPILE_BYTES_MIN);
        assert_eq!(lent(3 << 30), 3 << 30);
        assert_eq!(lent(u64::MAX), COMPILE_BYTES_MAX);
    }

    #[test]
    fn a_compiler_is_short_of_memory_only_where_another_machine_could_give_it_more() {
        let died = |words: &str| ChildError::Died {
            status: "signal: 6 (SIGABRT)".into(),
            last_words: words.into(),
        };
        let out = died("memory allocation of 67108864 bytes failed");
        let swollen = ChildError::Swollen { mib: 1_025, mib_max: 1_024 };
        for error in [&out, &swollen] {
            assert!(is_short(error, COMPILE_BYTES_MIN), "{error}");
            assert!(!is_short(error, COMPILE_BYTES_MAX), "no machine has more: {error}");
        }
        assert!(!is_short(&died("thread 'main' panicked"), COMPILE_BYTES_MIN));
        assert!(!is_short(&ChildError::Stopped, COMPILE_BYTES_MIN));
    }

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_first() {
        let name = format!("medusa-sandbox-room-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).await.expect("a folder");
        let file = |name: &str| folder.join(format!("{name}.cwasm"));
        for (age, name) in ["made now", "used today", "older", "oldest"].iter().enumerate() {
            keep(&file(name), &[0; 100]).expect("a file");
            let age = Duration::from_secs(3_600 * u64::try_from(age).expect("a number"));
            #[expect(clippy::disallowed_methods, reason = "files have real times")]
            let then = FileTimes::new().set_accessed(SystemTime::now() - age);
            File::open(file(name)).and_then(|file| file.set_times(then)).expect("a time");
        }
        mark_used(&file("oldest")).await;
        make_room(&folder, 250).await.expect("room");
        let is_there = |name: &str| file(name).exists();
        assert!(!is_there("older") && !is_there("used today"));
        assert!(is_there("oldest") && is_there("made now"));
        let modules = Modules::new(folder.clone(), "worker".into(), Vec::new());
        modules.limit(1 << 60).await.expect("room");
        assert!(is_there("made now"), "there is room enough");
        modules.limit(1).await.expect("room");
        assert!(!is_there("made now"), "a lower limit holds at once");
        assert!(is_there("oldest"), "the one that is needed now stays");
        fs::remove_dir_all(&folder).await.expect("the folder is ours");
    }
}
