//! The comfort rules with real workers, on a machine made of files: what the rules say is true
//! within two seconds.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{FakeServer, Home, Link, lease, soon, until};
use medusa_agent::{Agent, Logs, Phase, Scope};
use medusa_types::Outcome;

const SPIN: &str = r#"(module (func (export "_start") (loop br 0)))"#;
const NOOP: &str = r#"(module (func (export "_start")))"#;

/// What the rules promise.
const WITHIN: Duration = Duration::from_secs(2);

struct Desk {
    server: FakeServer,
    agent: Agent,
    link: Link,
    root: PathBuf,
    _home: Home,
}

impl Desk {
    /// A laptop on mains, whose rules hold.
    async fn new() -> Self {
        let home = Home::new();
        let root = home.path().join("root");
        put(&root, "sys/class/power_supply/BAT0/type", "Battery\n");
        put(&root, "sys/class/power_supply/BAT0/status", "Full\n");
        let mut server = FakeServer::start().await;
        home.enrol(&server.url);
        let mut config = home.config();
        (config.always, config.root) = (false, root.clone());
        let agent = Agent::start(config, Logs::default()).unwrap();
        let link = server.link().await;
        until(&agent, "the rules", |view| view.scope() == Scope::Run).await;
        Self { server, agent, link, root, _home: home }
    }

    fn unplug(&self, is_unplugged: bool) {
        let status = if is_unplugged { "Discharging\n" } else { "Charging\n" };
        put(&self.root, "sys/class/power_supply/BAT0/status", status);
    }

    /// Starts a chunk that never ends, and waits until it computes.
    async fn spin(&mut self) {
        let spin = self.server.blob(&wat::parse_str(SPIN).unwrap());
        self.link.lease(&lease("lse_1", &spin), "").await;
        soon("a worker that computes", async {
            while self.busy(Duration::from_millis(200)).await < Duration::from_millis(20) {}
        })
        .await;
    }

    /// How much processor time the workers take meanwhile.
    async fn busy(&self, meanwhile: Duration) -> Duration {
        let before = worker_time();
        tokio::time::sleep(meanwhile).await;
        worker_time().saturating_sub(before)
    }
}

fn put(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Processor time of the living children of this process, by its own clock of ten milliseconds.
fn worker_time() -> Duration {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let Some((_, after)) = stat.rsplit_once(')') else { continue };
            let times = after.split_whitespace().skip(11).take(2);
            ticks += times.map(|n| n.parse::<u64>().unwrap()).sum::<u64>();
        }
    }
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn on_battery_everything_stands_still_within_two_seconds_and_goes_on_after_it() {
    let mut desk = Desk::new().await;
    desk.spin().await;
    desk.unplug(true);
    let began = Instant::now();
    let view = until(&desk.agent, "a pause", |view| view.scope() == Scope::Freeze).await;
    assert!(began.elapsed() < WITHIN, "{:?}", began.elapsed());
    let words = view.in_words(tokio::time::Instant::now());
    assert_eq!(words, "paused: on battery; 1 chunk stands still");
    soon("a word to the server", async { while !desk.link.pulse().await.0 {} }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(desk.busy(Duration::from_secs(1)).await, Duration::ZERO);
    desk.unplug(false);
    until(&desk.agent, "the end of it", |view| view.scope() == Scope::Run).await;
    soon("a worker that goes on", async {
        while desk.busy(Duration::from_millis(200)).await < Duration::from_millis(20) {}
    })
    .await;
}

/// A program that takes seconds to compile, and none to run.
fn slow_to_compile() -> Vec<u8> {
    let line = "local.get 0 i64.const 7 i64.mul local.get 0 i64.xor local.set 0 ".repeat(200);
    let each = format!("(func (param i64) (result i64) {line} local.get 0)");
    wat::parse_str(format!("(module {} (func (export \"_start\")))", each.repeat(150))).unwrap()
}

#[tokio::test]
async fn a_pause_stops_the_compiler_too() {
    let mut desk = Desk::new().await;
    let slow = desk.server.blob(&slow_to_compile());
    desk.link.lease(&lease("lse_1", &slow), "").await;
    soon("a compiler that works", async {
        while desk.busy(Duration::from_millis(200)).await < Duration::from_millis(100) {}
    })
    .await;
    desk.unplug(true);
    let began = Instant::now();
    until(&desk.agent, "a pause", |view| view.scope() == Scope::Freeze).await;
    assert!(began.elapsed() < WITHIN, "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(desk.busy(Duration::from_secs(1)).await, Duration::ZERO);
    let view = desk.agent.watch().borrow().clone();
    assert!(view.chunks.values().all(|chunk| chunk.phase == Phase::Compiling), "it is not over");
    desk.unplug(false);
    assert_eq!(desk.link.report().await.0.outcome, Outcome::Done, "it went on where it stood");
}

#[tokio::test]
async fn the_switch_stops_what_computes_at_once() {
    let mut desk = Desk::new().await;
    desk.spin().await;
    desk.agent.set_paused(true);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(desk.busy(Duration::from_secs(1)).await, Duration::ZERO);
    let view = until(&desk.agent, "the switch", |view| view.paused).await;
    assert_eq!(view.chunks.len(), 1, "it can go on");
    // A program that ends does not wait for what stands still.
    soon("the end", desk.agent.farewell().finished()).await;
}

#[tokio::test]
async fn a_finished_machine_is_off_by_itself() {
    let mut desk = Desk::new().await;
    let noop = desk.server.blob(&wat::parse_str(NOOP).unwrap());
    desk.agent.finish();
    let view = until(&desk.agent, "the finish", |view| view.finishing).await;
    assert_eq!((view.scope(), view.paused), (Scope::Hold, false));
    // The server gave this before it heard of it.
    desk.link.lease(&lease("lse_1", &noop), "").await;
    assert_eq!(desk.link.report().await.0.outcome, Outcome::Done);
    let view = until(&desk.agent, "the end", |view| view.paused).await;
    assert!(!view.finishing);
}
