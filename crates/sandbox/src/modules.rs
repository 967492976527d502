//! Compiled programs: made here, kept here, never taken from anyone.
//!
//! A module passes the [gate](crate::inspect), is compiled once in a worker process that may be
//! killed, and is kept as `<key>.cwasm` beside `<key>.sha256`. The key names module, engine,
//! settings and processor, so that a file is never loaded by an engine that it was not made for;
//! the digest is checked before each use. One module is compiled at a time, which bounds memory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use medusa_types::Sha256Hash;
use tokio::fs;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::spawn_blocking;

use crate::child::{ANSWER_MAX, Child, ChildError, Launch, TEXT_BYTES_MAX, absolute};
use crate::gate::{Refusal, inspect};
use crate::task::{Reply, Request};

/// How long a compilation may take. Real modules of the largest accepted size take 80 seconds; in a
/// build without optimisation the compiler is ten times slower.
const COMPILE_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3_000 } else { 300 });
/// The largest compiled file. The largest real one has 250 MB.
const COMPILED_BYTES_MAX: u64 = 512 << 20;
/// The most that all compiled files together may take; the oldest go first.
const CACHE_BYTES_MAX: u64 = 4 << 30;

/// The compiled programs of this machine, and how to start workers for them.
#[derive(Debug)]
pub struct Modules {
    folder: PathBuf,
    launch: Launch,
    /// By strictness.
    fingerprints: [OnceCell<String>; 2],
    compiling: Mutex<()>,
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
    /// The compiler does not take it.
    #[error("the module could not be compiled: {0}")]
    Failed(String),
    /// The compiler's process failed; too much memory is the usual reason.
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
        let launch =
            Launch { exe: absolute(&exe), args: worker_args, folder: folder.join("empty") };
        Self { folder, launch, fingerprints: Default::default(), compiling: Mutex::default() }
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
        Ok(is_intact(&compiled.path).await?.then_some(compiled))
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
        self.make_room().await?;
        let compiled = self.find(program, strict).await?;
        compiled.ok_or_else(|| io::Error::other("the file is not what was written").into())
    }

    async fn compile(&self, strict: bool, wasm: Bytes) -> Result<Vec<u8>, CompileError> {
        let mut child = self.start().await?;
        let request = Request::Compile(strict, wasm.to_vec());
        let answer = child.ask(&request, COMPILED_BYTES_MAX, COMPILE_MAX).await;
        child.kill().await;
        match answer {
            Ok(Reply::Compiled(code)) => Ok(code),
            Ok(Reply::Failed(why)) => Err(CompileError::Failed(why)),
            Ok(other) => Err(ChildError::unasked(&other).into()),
            Err(ChildError::Late { .. }) => Err(CompileError::TooLong),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn start(&self) -> Result<Child, CompileError> {
        fs::create_dir_all(&self.launch.folder).await?;
        Ok(Child::start(&self.launch)?)
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

    /// Forgets the oldest files until the rest fits.
    async fn make_room(&self) -> Result<(), CompileError> {
        let mut kept: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        let mut entries = fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let about = entry.metadata().await?;
            if about.is_file() && entry.path().extension().is_some_and(|e| e == "cwasm") {
                kept.push((about.modified()?, entry.path(), about.len()));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(.., bytes)| bytes).sum();
        // The newest is the one that was just made.
        kept.pop();
        for (_, path, bytes) in kept {
            if total <= CACHE_BYTES_MAX {
                break;
            }
            forget(&path).await;
            total = total.saturating_sub(bytes);
        }
        Ok(())
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
        let (code, digest) = (std::fs::read(&path), std::fs::read_to_string(digest_path(&path)));
        match (code, digest) {
            (Ok(code), Ok(digest)) => Ok(Sha256Hash::of(&code).to_string() == digest.trim()),
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
