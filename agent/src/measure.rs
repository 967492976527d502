//! How fast guests run on this machine, measured by real ones: four kernels on one core, and on as
//! many as the rules allow. It is done once for each engine, while the machine may compute and has
//! nothing else to do, and stops at once when that ends.
//!
//! The figure is kept in `<data>/speed.json`. It sets estimates of time and nothing else: what is
//! paid is the fuel that a chunk took, which is the same on every machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use medusa_sandbox::{Compiled, Modules, Purpose, Report, Slots, Task};
use medusa_types::{Limits, Outcome, Sha256Hash};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::board::Board;
use crate::rules::Scope;
use crate::state::View;
use crate::work::{Fault, Workshop};
use crate::{chance, disk};

/// The kernels, as `agent/kernels/build.sh` builds them.
const KERNELS: [&[u8]; 4] = [
    include_bytes!("../kernels/matmul.wasm"),
    include_bytes!("../kernels/sha256.wasm"),
    include_bytes!("../kernels/blur.wasm"),
    include_bytes!("../kernels/nbody.wasm"),
];
/// The file, in the data directory.
const FILE: &str = "speed.json";
/// Fuel of the run that says how much is enough.
const FIRST_FUEL: u64 = 200_000_000;
/// How long one run takes, about.
const RUN_MS: u64 = 400;
/// However fast the machine is, a run uses no more.
const FUEL_MAX: u64 = 20_000_000_000;
/// However slow the machine is, a run takes no longer.
const WALL_MS: u64 = 10_000;
/// Between a try that failed and the next.
const AGAIN: Duration = Duration::from_secs(3_600);

/// What a machine does, in units of fuel each second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed {
    /// The engine that it was measured with; another one is measured anew.
    pub engine: String,
    /// On one core.
    pub one: u64,
    /// On all cores that were allowed, together.
    pub all: u64,
    /// How many those were.
    pub cores: u32,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl Speed {
    /// What was measured in this data directory, if anything was. A damaged file is like none.
    #[must_use]
    pub fn load(data: &Path) -> Option<Self> {
        let content = disk::read(&data.join(FILE)).ok().flatten()?;
        serde_json::from_slice(&content).ok()
    }

    /// Keeps it in this data directory.
    pub(crate) fn save(&self, data: &Path) -> std::io::Result<()> {
        disk::write(&data.join(FILE), &serde_json::to_vec(self)?)
    }

    /// The same for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let one = billions(self.one);
        if self.cores < 2 {
            return format!("{one} billion units of fuel a second on one core");
        }
        let (all, cores) = (billions(self.all), self.cores);
        format!("{one} billion units of fuel a second on one core, {all} on {cores}")
    }
}

/// Measures as soon as the machine was free for `quiet`, and again when it was interrupted. It
/// never ends, because nothing of an agent does.
pub(crate) async fn keep(board: Arc<Board>, shop: Arc<Workshop>, quiet: Option<Duration>) {
    if let Some(quiet) = quiet {
        let mut views = board.watch();
        while views.wait_for(is_free).await.is_ok() {
            let work = async {
                sleep(quiet).await;
                once(&board, &shop).await
            };
            let mut changes = board.watch();
            let other = async { changes.wait_for(|view| !is_free(view)).await.is_ok() };
            let done = tokio::select! {
                biased;
                // Dropping the work ends its processes.
                _ = other => continue,
                done = work => done,
            };
            let Err(error) = done else { break };
            tracing::warn!(%error, "this machine's speed could not be measured");
            sleep(AGAIN).await;
        }
    }
    std::future::pending().await
}

/// Whether the machine may compute and does not.
fn is_free(view: &View) -> bool {
    view.scope() == Scope::Run && view.chunks.is_empty()
}

/// Measures, unless this engine was measured before.
async fn once(board: &Board, shop: &Workshop) -> Result<(), Fault> {
    let modules = shop.programs.modules();
    let engine = modules.engine().await.map_err(|error| Fault::because("no engine", &error))?;
    let engine = engine.to_owned();
    if board.view().speed.is_some_and(|speed| speed.engine == engine) {
        return Ok(());
    }
    let cores = board.view().verdict.map_or(1, |verdict| verdict.slots).max(1);
    let speed = measure(&shop.slots, modules, engine, cores).await?;
    tracing::info!("this machine does {}", speed.in_words());
    board.measured(speed);
    Ok(())
}

/// Runs every kernel on one core and on so many: a few seconds.
async fn measure(
    slots: &Slots,
    modules: &Modules,
    engine: String,
    cores: u32,
) -> Result<Speed, Fault> {
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for wasm in KERNELS {
        let program = Sha256Hash::of(wasm);
        let made = modules.compiled(program, false, Bytes::from_static(wasm)).await;
        let made = made.map_err(|error| Fault::because("a kernel was not made ready", &error))?;
        let first = run(slots, modules, &made, 0, FIRST_FUEL).await?;
        let enough = first.fuel.saturating_mul(RUN_MS).checked_div(first.cpu_ms.max(1));
        let enough = enough.unwrap_or(FIRST_FUEL).clamp(FIRST_FUEL, FUEL_MAX);
        let alone = run(slots, modules, &made, 0, enough).await?;
        one.push(per_second(alone.fuel, alone.cpu_ms));
        // By the time of each core and not of the clock, so that other programs do not count.
        let runs = (0..cores).map(|number| run(slots, modules, &made, number, enough));
        let together = try_join_all(runs).await?;
        all.push(together.iter().map(|run| per_second(run.fuel, run.cpu_ms)).sum());
    }
    let (one, all) = (median(one), median(all));
    Ok(Speed { engine, one, all: all.max(one), cores, at: chance::unix_seconds() })
}

/// Runs a kernel until it ends, or until it has used so much.
async fn run(
    slots: &Slots,
    modules: &Modules,
    program: &Compiled,
    number: u32,
    fuel: u64,
) -> Result<Report, Fault> {
    let purpose =
        Purpose { job: format!("speed {number}"), program: program.program, strict: false };
    let slot = slots.take(&purpose).await;
    let mut slot = slot.ok_or_else(|| Fault::new("the slots are closed"))?;
    let report = slot.run(modules, program, purpose, task(fuel)).await;
    let report = report.map_err(|error| Fault::because("a kernel did not run", &error))?;
    match report.outcome {
        Outcome::Done | Outcome::FuelOut => Ok(report),
        other => Err(Fault::new(format!("a kernel ended by {other:?}: {}", report.stderr))),
    }
}

fn task(fuel: u64) -> Task {
    Task::empty(Limits {
        fuel,
        memory_bytes: 64 << 20,
        output_bytes: 1 << 16,
        stderr_bytes: 1 << 12,
        wall_ms: WALL_MS,
    })
}

fn per_second(fuel: u64, ms: u64) -> u64 {
    fuel.saturating_mul(1_000).checked_div(ms.max(1)).unwrap_or_default()
}

/// The mean of the middle two, because the kernels are four.
fn median(mut rates: Vec<u64>) -> u64 {
    rates.sort_unstable();
    let middle: Vec<u64> = rates.into_iter().skip(1).take(2).collect();
    let count = u64::try_from(middle.len()).unwrap_or_default();
    middle.iter().sum::<u64>().checked_div(count).unwrap_or_default()
}

/// With one digit behind the point.
fn billions(units: u64) -> String {
    let tenths = units.checked_div(100_000_000).unwrap_or_default();
    let (whole, tenth) = (tenths.checked_div(10), tenths.checked_rem(10));
    format!("{}.{}", whole.unwrap_or_default(), tenth.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_speed_is_kept_and_said() {
        let scratch = Scratch::new();
        assert_eq!(Speed::load(scratch.path()), None);
        let engine = "e".to_owned();
        let speed = Speed { engine, one: 2_340_000_000, all: 8_900_000_000, cores: 4, at: 1 };
        speed.save(scratch.path()).unwrap();
        assert_eq!(Speed::load(scratch.path()), Some(speed.clone()));
        assert_eq!(speed.in_words(), "2.3 billion units of fuel a second on one core, 8.9 on 4");
        std::fs::write(scratch.path().join(FILE), "{").unwrap();
        assert_eq!(Speed::load(scratch.path()), None);
    }

    #[test]
    fn one_slow_and_one_fast_kernel_do_not_decide() {
        assert_eq!(median(vec![900, 20, 30, 1]), 25);
        assert_eq!(per_second(500, 250), 2_000);
    }
}
