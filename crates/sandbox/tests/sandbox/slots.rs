//! Slots: how many tasks compute, and tasks that must stand still for a while.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use medusa_sandbox::{Compiled, Modules, Purpose, Report, Slots, Task};
use medusa_types::{Outcome, Sha256Hash};
use tokio::time::sleep;

use crate::setup::{Folder, compiled, modules, program, task};

/// How soon a task must stand still, the best of some times: other work may delay one.
const SOON: Duration = Duration::from_millis(100);

/// After so long, a worker that was started has begun with its task, or waits for one.
const BEGUN: Duration = Duration::from_millis(300);

struct Shop {
    modules: Modules,
    program: Compiled,
    slots: Slots,
    _folder: Folder,
}

impl Shop {
    /// With a program that ends with its wall limit only.
    async fn spinning(slots: u32) -> Self {
        Self::of(r#"(func (export "_start") (loop (br 0)))"#, slots).await
    }

    async fn of(body: &str, slots: u32) -> Self {
        let folder = Folder::new();
        let modules = modules(&folder);
        let program = compiled(&modules, &program(body)).await;
        Self { modules, program, slots: Slots::new(slots), _folder: folder }
    }

    async fn run(&self, job: &str, wall: Duration) -> Report {
        let purpose = Purpose { job: job.into(), program: Sha256Hash::of(b""), strict: false };
        let mut slot = self.slots.take(&purpose).await.expect("a slot");
        let mut task: Task = task();
        task.limits.fuel = u64::MAX;
        task.limits.wall_ms = wall.as_millis().try_into().expect("a short time");
        slot.run(&self.modules, &self.program, purpose, task).await.expect("a report")
    }
}

/// The children of this process by number: their state, and the ticks that they computed.
fn children() -> Vec<(u32, char, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let Ok(id) = name.to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        // The name of the program comes first, in brackets.
        let (_, about) = stat.rsplit_once(") ").expect("a name");
        let fields: Vec<&str> = about.split(' ').collect();
        let field = |place: usize| *fields.get(place).expect("a field");
        let number = |place: usize| field(place).parse::<u64>().expect("a number");
        if number(1) == u64::from(std::process::id()) && field(0) != "Z" {
            let state = field(0).chars().next().expect("a state");
            found.push((id, state, number(11) + number(12)));
        }
    }
    found.sort_unstable();
    found
}

/// How long it takes until so many children stand still, and so many compute.
async fn until(still: usize, computing: usize) -> Duration {
    let since = Instant::now();
    loop {
        let children = children();
        let count = |wanted| children.iter().filter(|(_, state, _)| *state == wanted).count();
        if (count('T'), count('R')) == (still, computing) {
            return since.elapsed();
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{children:?}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// The children that loaded a program, and those that did not yet.
fn loaded_and_blank() -> (BTreeSet<u32>, BTreeSet<u32>) {
    let has_filter = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('2'))
    };
    children().into_iter().map(|(id, ..)| id).partition(has_filter)
}

/// Waits until so many children wait for a program.
async fn blank(count: usize) -> BTreeSet<u32> {
    let since = Instant::now();
    loop {
        let (_, blank) = loaded_and_blank();
        if blank.len() == count {
            sleep(BEGUN).await;
            return blank;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{blank:?}");
        sleep(Duration::from_millis(2)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pause_stops_all_tasks_and_their_clocks() {
    let shop = Shop::spinning(2).await;
    let wall = Duration::from_millis(1_500);
    let frozen = Duration::from_millis(2_000);
    let since = Instant::now();
    let watch = async {
        until(0, 2).await;
        sleep(BEGUN).await;
        let mut took = Vec::new();
        for _ in 0..4 {
            shop.slots.pause(true);
            took.push(until(2, 0).await);
            shop.slots.pause(false);
            took.push(until(0, 2).await);
        }
        assert!(took.iter().min().is_some_and(|best| *best < SOON), "{took:?}");
        shop.slots.pause(true);
        until(2, 0).await;
        let before = children();
        sleep(frozen).await;
        assert_eq!(children(), before, "nobody computed");
        shop.slots.pause(false);
    };
    let (a, b, ()) = tokio::join!(shop.run("a", wall), shop.run("b", wall), watch);
    assert_eq!((a.outcome, b.outcome), (Outcome::WallOut, Outcome::WallOut));
    assert!(since.elapsed() >= wall + frozen, "{:?}", since.elapsed());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_lower_limit_stops_the_last_until_another_ends() {
    let shop = Shop::spinning(2).await;
    let state_of = |id: u32| children().into_iter().find(|child| child.0 == id).map(|(_, s, _)| s);
    let watch = async {
        until(0, 1).await;
        // Until then, one that is only being started may have been seen.
        sleep(BEGUN).await;
        let first = children().into_iter().find(|(_, state, _)| *state == 'R').expect("it runs").0;
        let lower = async {
            until(0, 2).await;
            sleep(BEGUN).await;
            shop.slots.limit(1);
            until(1, 1).await;
            assert_eq!(state_of(first), Some('R'), "the one that began last stands still");
            shop.slots.limit(2);
            until(0, 2).await;
            shop.slots.limit(1);
            until(1, 1).await;
            // The first one ends, and its place is the second one's.
            until(0, 1).await;
            assert_eq!(state_of(first), None);
            assert!(shop.slots.take(&purpose()).await.is_some(), "after the second");
        };
        tokio::join!(shop.run("b", Duration::from_millis(2_500)), lower).0
    };
    let (a, b) = tokio::join!(shop.run("a", Duration::from_millis(1_500)), watch);
    assert_eq!((a.outcome, b.outcome), (Outcome::WallOut, Outcome::WallOut));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_new_job_begins_on_a_blank_worker_and_no_worker_sees_two_jobs() {
    let shop = Shop::of(r#"(func (export "_start"))"#, 2).await;
    let wall = Duration::from_secs(60);
    assert_eq!(children().len(), 0, "nothing is started before it is needed");
    shop.run("a", wall).await;
    let ready = blank(2).await;
    let (a, _) = loaded_and_blank();
    for round in 0..3 {
        shop.run("a", wall).await;
        assert_eq!(loaded_and_blank(), (a.clone(), ready.clone()), "round {round}");
    }
    shop.run("b", wall).await;
    let (both, _) = loaded_and_blank();
    let b: BTreeSet<u32> = both.difference(&a).copied().collect();
    assert!(b.len() == 1 && b.is_subset(&ready), "{b:?} was blank: {ready:?}");
    // There are two slots, so that a worker must go, and it is not handed on.
    blank(2).await;
    shop.run("c", wall).await;
    let (then, _) = loaded_and_blank();
    assert!(then.len() == 2 && then.is_disjoint(&a) && then.is_superset(&b), "{then:?}");
    blank(2).await;
    shop.slots.pause(true);
    assert_eq!(blank(0).await.len(), 0);
    shop.slots.pause(false);
    assert_eq!(shop.run("a", wall).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn the_number_of_slots_can_be_none_and_more_than_at_first() {
    let slots = Slots::new(1);
    slots.limit(0);
    let patience = Duration::from_millis(50);
    assert!(tokio::time::timeout(patience, slots.take(&purpose())).await.is_err());
    slots.limit(3);
    let mut three = Vec::new();
    for _ in 0..3 {
        three.push(slots.take(&purpose()).await);
    }
    assert!(tokio::time::timeout(patience, slots.take(&purpose())).await.is_err());
    // Lowered while all are in use: the first to come back are free for nobody.
    slots.limit(1);
    let mut three = three.into_iter();
    drop(three.next());
    drop(three.next());
    assert!(tokio::time::timeout(patience, slots.take(&purpose())).await.is_err());
    drop(three.next());
    assert!(tokio::time::timeout(patience, slots.take(&purpose())).await.is_ok());
}

fn purpose() -> Purpose {
    Purpose { job: "a".into(), program: Sha256Hash::of(b""), strict: false }
}
