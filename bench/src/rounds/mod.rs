//! Rounds of sessions: two agents, real guests, a durable log that everything is paid in, and a
//! client over a WebSocket; against the floor in turns of the same minute.

mod floor;
mod many;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use medusa_api::{JobSpec, Priority, ProgramUpload, Session, SessionRequest, Split};
use medusa_client::{Rounds, operation_id};
use medusa_protocol::{Number, Reduce};
use medusa_types::Credits;

use self::floor::Floor;
use crate::agent::{median, run};
use crate::figure;
use crate::house::{House, Person};
use crate::process::{Folder, checkout};

pub(crate) use floor::part;

/// Name, bytes of a round, how many times the floor it may take, rounds of a turn.
const SIZES: [(&str, usize, f64, usize); 3] = [
    ("round_1k_over_floor", 1 << 10, 3.0, 1_000),
    ("round_64k_over_floor", 64 << 10, 2.5, 500),
    ("round_1m_over_floor", 1 << 20, 2.0, 100),
];
/// Turns of each, one after the other.
const TURNS: usize = 7;
/// Rounds before anything is measured.
const WARM: usize = 100;
const SHARDS: u64 = 2;

pub(crate) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    for lender in ["lena", "luis"] {
        house.agent(lender, Some(1)).await?;
    }
    let guest = guest()?;
    for (name, bytes, aim, count) in SIZES {
        let session = open(&consumer, &guest, (bytes, SHARDS)).await?;
        let home = session.home.context("the session is open")?;
        let turns = on_a_thread_of_its_own(move || turns(home.url, bytes, count)).await?;
        figure::aimed(name, median(turns.ratios), "ratio", aim);
        figure::say(&format!("{name}: {:.3} ms, the floor {:.3} ms", turns.ours, turns.floor));
        if bytes == 1 << 10 {
            figure::aimed("round_1k_p99_over_p50", median(turns.tails), "ratio", 5.0);
        }
    }
    drop(house);
    many::measure().await
}

/// What turns gave: of each, our p50 over the floor's and our p99 over our p50; and the p50 in ms.
struct Turns {
    ratios: Vec<f64>,
    tails: Vec<f64>,
    ours: f64,
    floor: f64,
}

/// As the floor's driver, the client has one thread, which nothing else runs on.
async fn on_a_thread_of_its_own<F, T>(task: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    F: Future<Output = Result<T>>,
    T: Send + 'static,
{
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(task())
    };
    tokio::task::spawn_blocking(run).await?
}

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
async fn turns(url: String, bytes: usize, count: usize) -> Result<Turns> {
    let mut rounds = Rounds::connect(&url).await?;
    let mut floor = Floor::start().await?;
    drop(ours(&mut rounds, bytes, WARM).await?);
    drop(floor.rounds(bytes, WARM).await?);
    let (mut ratios, mut tails) = (Vec::new(), Vec::new());
    let (mut our_medians, mut floor_medians) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (p50, p99) = percentiles(ours(&mut rounds, bytes, count).await?);
        let (floor, _) = percentiles(floor.rounds(bytes, count).await?);
        ratios.push(p50 / floor);
        tails.push(p99 / p50);
        our_medians.push(p50);
        floor_medians.push(floor);
    }
    rounds.finish().await?;
    let (ours, floor) = (median(our_medians), median(floor_medians));
    Ok(Turns { ratios, tails, ours, floor })
}

async fn ours(rounds: &mut Rounds, bytes: usize, count: usize) -> Result<Vec<Duration>> {
    let mut numbers = vec![0; bytes];
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        let mut answer = rounds.round(&numbers, (Reduce::Sum, Number::F64)).await?;
        took.push(began.elapsed());
        numbers = answer.payloads.pop().context("an answer")?;
        ensure!(numbers.len() == bytes, "the session gave something else back");
    }
    Ok(took)
}

/// The median and the 99th percentile in ms.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
fn percentiles(mut took: Vec<Duration>) -> (f64, f64) {
    took.sort_unstable();
    let at = |percent: usize| {
        let place = took.len().saturating_mul(percent).checked_div(100).unwrap_or_default();
        took.get(place).or(took.last()).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    };
    (at(50), at(99))
}

/// The guest's module.
fn guest() -> Result<Vec<u8>> {
    let folder = Folder::new()?;
    let (source, module) =
        (checkout()?.join("bench/guests/step.c"), folder.path().join("step.wasm"));
    let mut clang = Command::new("clang-14");
    run(clang.args(["--target=wasm32-wasi", "-O3", "-o"]).arg(&module).arg(source))?;
    Ok(std::fs::read(module)?)
}

/// A session of so many shards of so many bytes, all of them zero.
async fn open(consumer: &Person, guest: &[u8], (bytes, shards): (usize, u64)) -> Result<Session> {
    let client = &consumer.client;
    let blob = client.upload_bytes(guest.to_vec().into()).await?;
    let upload = ProgramUpload { sha256: blob.sha256, name: "step".into(), runtime: None };
    let program = client.add_program(&upload).await?.id;
    let each = u64::try_from(bytes)?;
    let input = vec![0; usize::try_from(each.saturating_mul(shards))?];
    let input = client.upload_bytes(input.into()).await?;
    let spec = JobSpec {
        name: "rounds".into(),
        args: Vec::new(),
        split: Split::Bytes { bytes: each },
        merge: Vec::new(),
        merge_by: None,
        copies: 1,
        memory_mib: 64,
        strict: false,
        keep_going: false,
        priority: Priority::default(),
        script: None,
    };
    let request = SessionRequest {
        program,
        input: Some(input.sha256),
        spec,
        spares: 0,
        budget: Credits::from_micros(20_000_000),
        keep_nan: false,
        remembers: false,
    };
    Ok(client.open_session(&request, operation_id()).await?)
}
