//! How long it takes until a guest runs, in a worker that stays and in a new one, as the agent does
//! it: from taking a slot to the report of a guest that ends at once. The first instruction comes
//! earlier than that.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use medusa_sandbox::{Compiled, Modules, Purpose, Slots, Task};
use medusa_types::{Limits, Sha256Hash};

use crate::figure;
use crate::process::{Folder, checkout, sibling};

const WARM_AIM: Duration = Duration::from_millis(5);
const COLD_AIM: Duration = Duration::from_millis(50);
const WARM_ROUNDS: u32 = 201;
const COLD_ROUNDS: u32 = 41;

/// A lender's sandbox with one slot.
struct Bench {
    modules: Modules,
    slots: Slots,
    program: Sha256Hash,
}

pub(super) async fn measure() -> Result<()> {
    let folder = Folder::new()?;
    let modules = folder.path().join("code");
    let modules = Modules::new(modules, sibling("medusa-agent")?, vec!["worker".into()]);
    let wasm = std::fs::read(checkout()?.join("examples/cells/cells.wasm"))?;
    let program = Sha256Hash::of(&wasm);
    modules.compiled(program, false, wasm.into()).await?;
    let bench = Bench { modules, slots: Slots::new(1), program };
    let mut cold = Vec::new();
    for round in 0..COLD_ROUNDS {
        // A worker is never used for another job than its first.
        cold.push(bench.run(&format!("job {round}")).await?);
    }
    bench.run("staying").await?;
    let mut warm = Vec::new();
    for _ in 0..WARM_ROUNDS {
        warm.push(bench.run("staying").await?);
    }
    figure::millis("warm_start_ms", figure::median(warm), WARM_AIM);
    figure::millis("cold_start_ms", figure::median(cold), COLD_AIM);
    Ok(())
}

impl Bench {
    /// Runs the program for this job: the time from nothing to the report.
    async fn run(&self, job: &str) -> Result<Duration> {
        let purpose = Purpose { job: job.to_owned(), program: self.program, strict: false };
        let began = Instant::now();
        let mut slot = self.slots.take(&purpose).await.context("the slots are closed")?;
        let compiled: Option<Compiled> = self.modules.find(self.program, false).await?;
        let compiled = compiled.context("the compiled program is gone")?;
        let report = slot.run(&self.modules, &compiled, purpose, task()).await?;
        let took = began.elapsed();
        ensure!(report.fuel > 0, "nothing ran: {:?}", report.outcome);
        Ok(took)
    }
}

/// Without input, the program says so and ends.
fn task() -> Task {
    Task::empty(Limits {
        fuel: 1_000_000_000,
        memory_bytes: 64 << 20,
        output_bytes: 1 << 20,
        stderr_bytes: 1 << 12,
        wall_ms: 10_000,
    })
}
