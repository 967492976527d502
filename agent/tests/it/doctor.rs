//! `doctor`, as a person and a script read it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{FakeServer, Home, agent_id, linked};

/// What it found, by name, and its exit code.
async fn examined(home: &Home) -> (BTreeMap<String, Value>, i32) {
    let done = Command::new(env!("CARGO_BIN_EXE_medusa-agent"))
        .args(["doctor", "--json", "--port", "0", "--data"])
        .arg(home.path())
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("MEDUSA_SERVER")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let by_name = lines.map(|line| (line["what"].as_str().unwrap().to_owned(), line)).collect();
    (by_name, done.status.code().unwrap())
}

fn account() -> String {
    let id = agent_id();
    format!(
        r#"{{"id":"{id}","name":"desk","state":"idle","enrolled_at":0,"chunks":3,
        "earned":"1.25","streak":0}}"#
    )
}

#[tokio::test]
async fn a_machine_that_can_lend_is_told_so() {
    let home = Home::new();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let server = FakeServer::start().await;
    home.enrol(&server.url);
    server.answer("/healthz", 200, "{}");
    server.answer("/v1/agent/self", 200, account());
    let (checks, code) = examined(&home).await;
    for what in ["data", "limits", "disk", "server", "identity", "page", "worker", "updates"] {
        assert_eq!(checks[what]["mark"], "ok", "{}", checks[what]);
    }
    assert_ne!(checks["walls"]["mark"], "fail", "{}", checks["walls"]);
    assert_eq!(checks["lending"]["remedy"], "start it, and switch it on: medusa-agent run --start");
    assert_eq!((checks.len(), code), (12, 0), "{checks:?}");
}

#[tokio::test]
async fn what_keeps_it_from_lending_has_a_remedy() {
    let home = Home::new();
    std::fs::remove_dir(home.path()).unwrap();
    let (checks, code) = examined(&home).await;
    assert_eq!((checks["server"]["mark"].as_str(), code), (Some("fail"), 1));
    assert!(checks["server"]["remedy"].as_str().unwrap().contains("run --server"));
    assert_eq!(checks["worker"]["mark"], "ok");
    assert!(!home.path().exists(), "it leaves nothing");
    std::fs::create_dir(home.path()).unwrap();

    let server = FakeServer::start().await;
    home.enrol(&server.url);
    server.answer("/healthz", 200, "{}");
    server.answer("/v1/agent/self", 401, "");
    std::fs::write(home.path().join("settings.json"), "{").unwrap();
    let (checks, code) = examined(&home).await;
    assert_eq!((checks["identity"]["mark"].as_str(), code), (Some("fail"), 1));
    assert!(checks["identity"]["remedy"].as_str().unwrap().contains("run --enrol"));
    assert_eq!(checks["limits"]["mark"], "warn");

    home.enrol("http://127.0.0.1:9");
    let (checks, code) = examined(&home).await;
    assert_eq!((checks["server"]["mark"].as_str(), code), (Some("fail"), 1));
    assert!(checks["server"]["words"].as_str().unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn an_agent_that_runs_can_be_examined() {
    let home = Home::new();
    let (_server, agent, _link) = linked(&home).await;
    let (checks, _) = examined(&home).await;
    assert_eq!(checks["page"]["words"], "an agent runs, and its page answers");
    assert_eq!(checks["lending"]["mark"], "warn", "{}", checks["lending"]);
    agent.stop().await;
}
