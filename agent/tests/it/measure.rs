//! The first measurement, by real workers: only while the machine may compute, and never for pay.

use std::time::Duration;

use crate::support::{FakeServer, Home, lease, soon, until};
use medusa_agent::{Agent, Logs, Speed};

/// What `build.sh` ends with when there is no compiler.
const NO_COMPILER: i32 = 3;
/// Ends after a few thousand steps.
const COUNT: &str = r#"(module (func (export "_start") (local i32)
    (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                             (i32.const 5000))))))"#;

#[tokio::test]
async fn a_free_machine_is_measured_once() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    home.enrol(&server.url);
    let mut config = home.config();
    config.measure_after = Some(Duration::ZERO);
    config.start = false;
    let agent = Agent::start(config.clone(), Logs::default()).unwrap();
    let _link = server.link().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!home.path().join("code").join("empty").exists(), "a paused machine starts no worker");
    agent.set_paused(false);
    let view = until(&agent, "speed", |view| view.speed.is_some()).await;
    let speed = view.speed.unwrap();
    assert!(speed.one > 1_000_000 && speed.all >= speed.one && speed.cores == 2, "{speed:?}");
    assert_eq!(Speed::load(home.path()), Some(speed.clone()));
    agent.stop().await;

    let again = Agent::start(config, Logs::default()).unwrap();
    assert_eq!(until(&again, "speed", |view| view.speed.is_some()).await.speed, Some(speed));
    again.stop().await;
}

/// The processes that this one has started and that live.
fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")));
    lists
        .flatten()
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pause_ends_a_measurement_under_way() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    home.enrol(&server.url);
    let mut config = home.config();
    config.measure_after = Some(Duration::ZERO);
    let agent = Agent::start(config, Logs::default()).unwrap();
    let _link = server.link().await;
    let began = async {
        while children().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("worker", began).await;
    agent.set_paused(true);
    let over = async {
        while !children().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("end of the workers", over).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(children().is_empty() && agent.watch().borrow().speed.is_none());
    agent.stop().await;
}

#[tokio::test]
async fn what_a_chunk_took_is_told_whatever_the_speed_says() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    home.enrol(&server.url);
    let program = server.blob(&wat::parse_str(COUNT).unwrap());
    let mut fuels = Vec::new();
    for speed in ["1", "18446744073709551615"] {
        let kept = format!(r#"{{"engine":"e","one":{speed},"all":{speed},"cores":2,"at":1}}"#);
        std::fs::write(home.path().join("speed.json"), kept).unwrap();
        let agent = Agent::start(home.config(), Logs::default()).unwrap();
        assert_eq!(until(&agent, "speed", |view| view.speed.is_some()).await.chunks.len(), 0);
        let mut link = server.link().await;
        link.lease(&lease("lse_1", &program), Vec::new()).await;
        fuels.push(soon("report", link.report()).await.0.fuel);
        agent.stop().await;
    }
    assert!(fuels[0] > 5_000 && fuels[0] == fuels[1], "{fuels:?}");
}

#[test]
fn the_kernels_are_what_their_sources_compile_to() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = std::process::Command::new(root.join("kernels/build.sh")).arg("--check").status();
    match done.unwrap().code() {
        Some(NO_COMPILER) => eprintln!("there is no compiler for guests here"),
        code => assert_eq!(code, Some(0), "run agent/kernels/build.sh"),
    }
}
