//! Guests that want to do harm, run as an agent runs them: each ends as it may end, the process
//! that runs them answers others all the while, no file changes, and no worker has more memory than
//! its guest may be the reason of. `MEDUSA_HOSTILE=10000 cargo test
//! -p medusa-sandbox --test hostile` runs so many; without it, some hundreds.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "the shorthands that tests share are no tests by name")]
#![expect(
    clippy::indexing_slicing,
    reason = "the shorthands that tests share are no tests by name"
)]

mod computing;
mod corpus;
mod files;
mod hosts;
mod house;
mod modules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use medusa_sandbox::{CompileError, Modules, Worker, WorkerError};
use medusa_types::{Outcome, Sha256Hash};
use tokio::task::JoinSet;

use corpus::{Dice, Family, Guest, families};
use house::{House, Page, peak_kib};

const RUNS: usize = 600;
const LANES: usize = 2;
/// What the page may take, beyond what the machine itself is late.
const PAGE: Duration = Duration::from_millis(200);
/// What an engine needs for a guest beside the guest's own memory, in KiB; a hundred tables of
/// 30,000 elements are 24,000 of it.
const ENGINE_KIB: u64 = 32 << 10;

/// What was seen of a lane.
#[derive(Default)]
struct Seen {
    runs: usize,
    /// How often each end came.
    ends: BTreeMap<&'static str, usize>,
    /// What went wrong, by family and seed.
    wrong: Vec<String>,
    /// The most memory of a worker beyond its start and its guest's limit, in KiB, and whose.
    most: (i64, String),
}

/// A worker that stays for one program, as for the chunks of a job.
struct Staying {
    program: Sha256Hash,
    worker: Worker,
    /// Its memory before any guest ran.
    start_kib: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_guests_end_as_they_may_and_harm_nobody() {
    let wanted = std::env::var_os("MEDUSA_HOSTILE").and_then(|count| count.to_str()?.parse().ok());
    let house = Arc::new(House::new());
    let before = house.tree();
    let families = Arc::new(families());
    assert!(families.len() >= 60, "{}", families.len());
    let seeds = wanted.unwrap_or(RUNS).div_ceil(families.len());
    let (page, since) = (Page::open(), Instant::now());
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (house, families) = (Arc::clone(&house), Arc::clone(&families));
        lanes.spawn(async move {
            let modules = house.modules();
            let mut seen = Seen::default();
            for (number, family) in families.iter().enumerate().skip(lane).step_by(LANES) {
                run_family(&modules, (number, family), seeds, &mut seen).await;
            }
            seen
        });
    }
    let mut all = Seen::default();
    for seen in lanes.join_all().await {
        all.runs += seen.runs;
        all.wrong.extend(seen.wrong);
        all.most = all.most.max(seen.most);
        for (end, count) in seen.ends {
            *all.ends.entry(end).or_default() += count;
        }
    }
    let (answered, late) = page.close();
    println!(
        "{} runs of {} families in {:?}: {:?}; the page took {answered:?} at most, the machine was \
         {late:?} late; the most memory beyond a guest's own: {} KiB ({})",
        all.runs,
        families.len(),
        since.elapsed(),
        all.ends,
        all.most.0,
        all.most.1
    );
    assert!(all.wrong.is_empty(), "{} wrong:\n{}", all.wrong.len(), all.wrong.join("\n"));
    assert!(answered < PAGE + late, "{answered:?}, where the machine was {late:?} late");
    assert_eq!(house.tree(), before, "no file came, went or changed");
}

async fn run_family(
    modules: &Modules,
    (number, family): (usize, &Family),
    seeds: usize,
    seen: &mut Seen,
) {
    let mut staying = None;
    for seed in 0..seeds {
        let mixed = Sha256Hash::of(format!("{number} {seed}").as_bytes());
        let first = mixed.0.first_chunk().expect("enough bytes");
        let guest = (family.make)(&mut Dice(u64::from_le_bytes(*first)));
        let limits = guest.task.limits;
        let given: usize = guest.task.files.iter().map(|(_, content)| content.len()).sum();
        let given = u64::try_from(given).expect("a size");
        let end = run(modules, &mut staying, guest).await;
        seen.runs += 1;
        let end = end.unwrap_or_else(|error| {
            seen.wrong.push(format!("{} {seed}: {error}", family.name));
            "wrong"
        });
        *seen.ends.entry(end).or_default() += 1;
        if end != "wrong" && !family.ends.contains(&end) {
            seen.wrong.push(format!("{} {seed}: {end}, not {:?}", family.name, family.ends));
        }
        let weighed = staying.as_ref().and_then(|s: &Staying| Some((s, peak_kib(s.worker.id()?)?)));
        let Some((staying, peak)) = weighed else { continue };
        let tenth = limits.memory_bytes.div_ceil(10);
        let cap = (limits.memory_bytes + tenth) >> 10;
        let moved = 6 * (limits.output_bytes + limits.stderr_bytes) + 3 * given;
        let allowed = staying.start_kib + cap + (moved >> 10) + ENGINE_KIB;
        if peak > allowed {
            seen.wrong.push(format!("{} {seed}: {peak} KiB, not {allowed}", family.name));
        }
        let beyond = peak.cast_signed() - (staying.start_kib + cap).cast_signed();
        seen.most = seen.most.clone().max((beyond, family.name.to_owned()));
    }
}

/// Runs a guest on the worker that stayed for its program, or on a new one. Gives how it ended; an
/// error is what may never be.
async fn run(
    modules: &Modules,
    staying: &mut Option<Staying>,
    guest: Guest,
) -> Result<&'static str, String> {
    let program = Sha256Hash::of(&guest.module);
    let fits = |s: &Staying| s.program == program && s.worker.is_alive();
    if !staying.as_ref().is_some_and(fits) {
        *staying = None;
        let compiled = match modules.compiled(program, false, Bytes::from(guest.module)).await {
            Ok(compiled) => compiled,
            Err(CompileError::Refused(_) | CompileError::Failed(_)) => return Ok("refused"),
            Err(error) => return Err(format!("{error:?}")),
        };
        let worker = Worker::start(modules, &compiled).await.map_err(|error| error.to_string())?;
        let start_kib = worker.id().and_then(peak_kib).unwrap_or_default();
        *staying = Some(Staying { program, worker, start_kib });
    }
    let Some(staying) = staying else { return Err("no worker".into()) };
    match staying.worker.run(guest.task).await {
        Ok(report) => Ok(name(report.outcome)),
        Err(WorkerError::Task(_)) => Ok("refused"),
        Err(error) => Err(format!("the worker: {error}")),
    }
}

/// An outcome's name; the lender's fault is none that a guest may bring about.
const fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Exit(_) => "exit",
        Outcome::Trap => "trap",
        Outcome::FuelOut => "fuel_out",
        Outcome::MemoryOut => "memory_out",
        Outcome::OutputOut => "output_out",
        Outcome::WallOut => "wall_out",
        Outcome::StackOut => "stack_out",
        Outcome::CompileOut => "compile_out",
        Outcome::TableOut => "table_out",
        Outcome::FilesOut => "files_out",
        Outcome::AgentFault => "agent_fault",
    }
}
