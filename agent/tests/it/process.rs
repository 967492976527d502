//! The program as a launcher and a person start it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::support::Home;

fn start(home: &Home, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_medusa-agent"))
        .args(["run", "--port", "0", "--data"])
        .arg(home.path())
        .args(more)
        .env_remove("RUST_LOG")
        .env_remove("MEDUSA_SERVER")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn it_ends_when_its_launcher_does() {
    let home = Home::new();
    home.enrol("http://127.0.0.1:9");
    let mut agent = start(&home, &["--exit-with-stdin"]);
    let mut lines = BufReader::new(agent.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("local page: http://127.0.0.1:")));
    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
}

#[test]
fn two_agents_do_not_share_a_directory() {
    let home = Home::new();
    home.enrol("http://127.0.0.1:9");
    let mut first = start(&home, &["--exit-with-stdin"]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("local page")));
    let second = start(&home, &[]).wait_with_output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another agent runs with this data directory"), "{said}");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
}

#[test]
fn a_machine_that_knows_no_server_says_what_to_do() {
    let home = Home::new();
    let mut agent = start(&home, &[]);
    let mut said = String::new();
    agent.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("--server"), "{said}");
    assert!(!agent.wait().unwrap().success());
}
