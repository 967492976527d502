//! A house for one test, and everybody who comes and goes in it.

mod agents;
mod books;
mod browser;
mod cli;
mod cluster;
mod dice;
mod house;
mod jobs;
mod journal;
mod load;
mod orders;
mod people;
mod process;
mod programs;
mod rounds;
mod scripted;
mod twin;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use agents::RealAgent;
pub(crate) use books::{add_up, broken_invariants, projected, settlements};
pub(crate) use browser::{Browser, ENTER, TAB};
pub(crate) use cli::medusa;
pub(crate) use cluster::Cluster;
pub(crate) use dice::Dice;
pub(crate) use house::House;
pub(crate) use jobs::{add_program, chunks, ended, plan, range, request, run, submit};
pub(crate) use journal::Journal;
pub(crate) use load::{Load, outage};
pub(crate) use orders::{Cast, Desk, Entry, Order, Outcome};
pub(crate) use people::Person;
pub(crate) use process::{Folder, Process, program};
pub(crate) use programs::{echo, guest, in_first_chunk, joiner, slow_echo, step};
pub(crate) use rounds::{
    SUM, Said, Wire, answered, cost, drive, expected, numbers, open_session, over, paid_right, read,
};
pub(crate) use scripted::{ScriptedAgent, hello};
pub(crate) use twin::Twin;

/// Nothing takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(25);

/// Asks again and again until there is an answer, and fails the test instead of hanging.
pub(crate) async fn until<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe).await
}

/// The same with another limit, where the limit is what is tested.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(began.elapsed() < limit, "{what} did not happen within {limit:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The root of the checkout.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of `examples/`.
pub(crate) fn example_file(path: &str) -> Vec<u8> {
    let path = checkout().join("examples").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
