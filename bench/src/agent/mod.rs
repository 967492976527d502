//! What a lender's machine pays for lending: how fast guests are against native code, what the
//! meter takes of that, how long a start takes, how soon a live
//! guest answers, and what an agent costs that has nothing to do.

mod compile;
pub(crate) mod frames;
mod idle;
mod kernels;
mod start;

pub(crate) use idle::used;

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::figure;
use crate::process::{Folder, sibling};

/// The agent's program without symbols should stay under this many megabytes.
const BINARY_AIM_MB: f64 = 30.0;

/// Every figure of the agent. One that fails does not hide the others.
pub(crate) async fn measure() -> Result<()> {
    let results = [
        ("kernels", tokio::task::spawn_blocking(kernels::measure).await?),
        ("compile", tokio::task::spawn_blocking(compile::measure).await?),
        ("start", Box::pin(start::measure()).await),
        ("frames", Box::pin(frames::measure()).await),
        ("binary", binary()),
        ("idle", Box::pin(idle::measure()).await),
    ];
    let mut failed = Vec::new();
    for (name, result) in results {
        if let Err(error) = result {
            figure::say(&format!("{name}: {error:#}"));
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// The size of the agent's program as it would be handed out.
fn binary() -> Result<()> {
    let folder = Folder::new()?;
    let stripped = folder.path().join("agent");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(sibling("medusa-agent")?))?;
    let bytes = std::fs::metadata(&stripped)?.len();
    figure::aimed("binary_mb", megabytes(bytes), "MB", BINARY_AIM_MB);
    Ok(())
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("could not start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(output.stdout)
}

/// Millions of bytes.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) * 1_024.0 / 1_000_000.0
}

/// The middle of some values: of an even number, the mean of the middle two.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() >> 1;
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    if values.len() & 1 == 1 { at(half) } else { (at(half.saturating_sub(1)) + at(half)) / 2.0 }
}
