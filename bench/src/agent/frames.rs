//! Round trips of frames: a live guest against a native program that does the same over pipes,
//! from one source, in turn, seen from the process that asks. What disturbs the machine disturbs a
//! batch, so each batch is compared for itself, and the middle one is told.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use medusa_sandbox::{Live, Modules, Task, Word, Worker};
use medusa_types::{Limits, Sha256Hash};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::{median, run};
use crate::figure;
use crate::process::{Folder, checkout, sibling};

/// Bytes of a frame, and how much longer than natively it may take.
const SIZES: [(&str, usize, f64); 3] = [
    ("frame_1k_over_pipe", 1 << 10, 1.2),
    ("frame_64k_over_pipe", 64 << 10, 1.0),
    ("frame_1m_over_pipe", 1 << 20, 1.0),
];
const BATCHES: u32 = 25;
/// Round trips of a batch, by each of the two.
const ROUNDS: u32 = 200;

pub(crate) async fn measure() -> Result<()> {
    let folder = Folder::new()?;
    let (native, guest) = built(folder.path())?;
    let mut native = Native::start(&native)?;
    let mut guest = open(folder.path(), &guest).await?;
    for (name, bytes, aim) in SIZES {
        let frame: Vec<u8> = (0..=u8::MAX).cycle().take(bytes).collect();
        let mut ratios = Vec::new();
        for batch in 0..=BATCHES {
            let natively = natively(&mut native, &frame).await?;
            let ours = ours(&mut guest, &frame).await?;
            // The first one finds everything cold.
            if batch > 0 {
                ratios.push(ratio(ours, natively));
            }
        }
        figure::aimed(name, median(ratios), "ratio", aim);
    }
    Ok(())
}

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
fn ratio(ours: Duration, natively: Duration) -> f64 {
    ours.as_secs_f64() / natively.as_secs_f64()
}

/// The time of a batch.
async fn natively(native: &mut Native, frame: &[u8]) -> Result<Duration> {
    let mut back = Vec::new();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        native.echo(frame, &mut back).await?;
    }
    let took = began.elapsed();
    ensure!(back == frame, "the native program gave something else back");
    Ok(took)
}

async fn ours(guest: &mut Live<'_>, frame: &[u8]) -> Result<Duration> {
    let mut back = Vec::new();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        guest.send(frame).await?;
        let word = guest.receive(&mut back).await?;
        ensure!(matches!(word, Word::Frame { .. }), "the guest ended: {word:?}");
    }
    let took = began.elapsed();
    ensure!(back == frame, "the guest gave something else back");
    Ok(took)
}

/// The program, compiled for this machine and for guests.
fn built(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let source = checkout()?.join("bench/guests/echo.c");
    let (native, guest) = (folder.join("echo"), folder.join("echo.wasm"));
    run(Command::new("gcc").args(["-O3", "-o"]).arg(&native).arg(&source))?;
    let mut clang = Command::new("clang-14");
    run(clang.args(["--target=wasm32-wasi", "-O3", "-o"]).arg(&guest).arg(&source))?;
    Ok((native, guest))
}

async fn open(folder: &Path, guest: &Path) -> Result<Live<'static>> {
    let modules = Modules::new(folder.join("code"), sibling("medusa-sandbox-worker")?, Vec::new());
    let wasm = std::fs::read(guest)?;
    let compiled = modules.compiled(Sha256Hash::of(&wasm), false, wasm.into()).await?;
    let limits = Limits {
        fuel: u64::MAX,
        memory_bytes: 64 << 20,
        output_bytes: 16 << 20,
        stderr_bytes: 1 << 12,
        wall_ms: 600_000,
    };
    let task = Task::empty(limits);
    Ok(Worker::open(&modules, &compiled, task).await?)
}

/// The native program, and what its parent keeps for it: the same as for a guest.
struct Native {
    stdin: ChildStdin,
    stdout: ChildStdout,
    going: Vec<u8>,
    came: Vec<u8>,
    /// Killed when this is dropped.
    _process: Child,
}

impl Native {
    fn start(program: &Path) -> Result<Self> {
        let mut command = tokio::process::Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let stdin = process.stdin.take().context("it has a standard input")?;
        let stdout = process.stdout.take().context("it has a standard output")?;
        let (going, came) = (Vec::new(), Vec::new());
        Ok(Self { stdin, stdout, going, came, _process: process })
    }

    async fn echo(&mut self, frame: &[u8], back: &mut Vec<u8>) -> Result<()> {
        self.going.clear();
        self.going.extend_from_slice(&u32::try_from(frame.len())?.to_le_bytes());
        self.going.extend_from_slice(frame);
        self.stdin.write_all(&self.going).await?;
        loop {
            let length = self.came.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            let length = length.map(usize::try_from).transpose()?;
            let content = length.and_then(|length| self.came.get(4..)?.get(..length));
            if let Some(content) = content {
                back.clear();
                back.extend_from_slice(content);
                self.came.drain(..back.len().saturating_add(4));
                return Ok(());
            }
            self.came.reserve(64 << 10);
            ensure!(self.stdout.read_buf(&mut self.came).await? > 0, "the native program ended");
        }
    }
}
