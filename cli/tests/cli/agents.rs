//! What is done to a lent machine from afar.

use medusa_api::{Agent, AgentLimits, AgentState};
use medusa_types::{AgentId, Credits, Timestamp, Uuid};

use super::{Server, json};

fn agent(n: u128, name: &str) -> Agent {
    Agent {
        id: AgentId(Uuid::from_u128(n)),
        name: name.into(),
        state: AgentState::Idle,
        enrolled_at: Timestamp::from_micros(0),
        chunks: 3,
        earned: Credits::ZERO,
        streak: 2,
        score: 2,
        stake: Credits::ZERO,
        check_ppm: 1,
        quarantined_until: None,
        marks: Vec::new(),
        remote: AgentLimits { paused: true, slots: Some(2), memory_bytes: Some(1 << 30) },
        now: None,
        public_key: None,
    }
}

fn server() -> Server {
    let agents = [agent(1, "attic"), agent(2, "twin"), agent(3, "twin")];
    Server::new(vec![
        ("PATCH /v1/agents/agt_00000000000000000000000000000001", 200, json(&agents[0])),
        ("DELETE /v1/agents/agt_00000000000000000000000000000001", 204, String::new()),
        ("GET /v1/agents", 200, json(&agents)),
    ])
}

#[test]
fn each_order_to_a_machine_asks_for_what_it_says() {
    let server = server();
    for (line, body) in [
        ("rename attic loft", r#"{"name":"loft"}"#),
        ("pause attic", r#"{"paused":true}"#),
        ("resume agt_00000000000000000000000000000001", r#"{"paused":false}"#),
        ("limit attic --slots 2", r#"{"limits":{"slots":2,"memory_bytes":null}}"#),
        ("limit attic --memory-mib 64", r#"{"limits":{"slots":null,"memory_bytes":67108864}}"#),
        ("limit attic", r#"{"limits":{"slots":null,"memory_bytes":null}}"#),
    ] {
        let (exit, stdout, stderr) = server.run(&format!("agents {line}"));
        assert_eq!((exit, stdout.as_str()), (0, ""), "{line}: {stderr}");
        let said = "attic: paused from afar, at most 2 chunks at a time and 1024 MiB";
        assert!(stderr.contains(said), "{stderr}");
        let asked = server.asked().pop().unwrap();
        assert!(asked.starts_with("PATCH ") && asked.ends_with(body), "{line}: {asked}");
    }
    let (exit, _, stderr) = server.run("agents revoke attic --yes");
    assert!(exit == 0 && stderr.contains("attic was removed"), "{stderr}");
    assert!(server.asked().pop().unwrap().starts_with("DELETE "));
}

#[test]
fn a_machine_is_named_well_or_not_at_all() {
    let server = server();
    for (line, exit, said) in [
        ("pause cellar", 6, "you have no machine cellar"),
        ("pause twin", 2, "more than one machine is called twin"),
        ("limit attic --slots 0", 2, "0 is not in 1..=256"),
    ] {
        let (found, _, stderr) = server.run(&format!("agents {line}"));
        assert!(found == exit && stderr.contains(said), "{line}: {found} {stderr}");
    }
    let (exit, stdout, _) = server.run("agents");
    assert!(exit == 0 && stdout.contains("attic"), "{stdout}");
}
