//! What a server may say beside work, what the agent says of itself, and servers that know less.

use std::time::Duration;

use medusa_agent::{Agent, Connection, Logs, Scope};
use medusa_api::{AgentKey, DeviceRequest, Problem};
use medusa_protocol::{
    Ahead, Blob, Cancel, FEATURES, Frame, Message, Phase, Pulse, Settings, signed_bytes, verify,
};
use medusa_types::{Fuel, LeaseId, Outcome, Sha256Hash, Uuid};

use crate::support::{FakeServer, Home, Link, lease, linked, soon, until};
use crate::work::{NOOP, SPIN, wasm};

/// The next pulse that is so.
async fn pulse(link: &mut Link, is_so: impl Fn(&Pulse) -> bool) -> Pulse {
    soon("pulse", async {
        loop {
            if let Message::Pulse(pulse) = link.frame().await.message
                && is_so(&pulse)
            {
                return pulse;
            }
        }
    })
    .await
}

async fn ask(link: &mut Link, settings: Settings) {
    link.send(Message::Settings(settings), "").await;
}

fn words(agent: &Agent) -> String {
    agent.watch().borrow().in_words(tokio::time::Instant::now())
}

#[tokio::test]
async fn the_website_pauses_and_lowers_and_the_page_says_so() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    assert_eq!(link.hello.features, FEATURES);
    pulse(&mut link, |pulse| pulse.slots == Some(2) && pulse.why.is_none()).await;
    ask(&mut link, Settings { slots: Some(1), name: Some("loft".into()), ..Settings::default() })
        .await;
    let told = pulse(&mut link, |pulse| pulse.slots == Some(1)).await;
    assert_eq!(told.why.as_deref(), Some("the website allows 1 at a time"));
    assert_eq!(until(&agent, "a name", |view| view.name == "loft").await.scope(), Scope::Run);

    link.lease(&lease("lse_1", &server.blob(&wasm(SPIN))), "").await;
    let computing = vec![Phase::Computing.number()];
    pulse(&mut link, |pulse| pulse.phases == computing).await;
    ask(&mut link, Settings { paused: true, ..Settings::default() }).await;
    until(&agent, "a pause", |view| view.scope() == Scope::Freeze).await;
    assert_eq!(words(&agent), "paused: stopped from the website; 1 chunk stands still");
    let told = pulse(&mut link, |pulse| pulse.paused).await;
    assert_eq!(told.why.as_deref(), Some("stopped from the website"));
    // Limits of the machine itself are not raised.
    ask(&mut link, Settings { slots: Some(200), ..Settings::default() }).await;
    let told = pulse(&mut link, |pulse| !pulse.paused).await;
    assert_eq!((told.slots, told.why), (Some(2), None));
}

/// Hands back what stands still: a program that ends does not wait for it.
async fn yields(agent: &Agent, link: &mut Link) -> Vec<Frame> {
    ask(link, Settings { paused: true, ..Settings::default() }).await;
    until(agent, "a pause", |view| view.scope() == Scope::Freeze).await;
    let farewell = agent.farewell();
    let mut frames = Vec::new();
    let told = async {
        loop {
            frames.push(link.frame().await);
            if matches!(&frames.last().unwrap().message, Message::Pulse(p) if p.running.is_empty())
            {
                return;
            }
        }
    };
    soon("end", async { tokio::join!(farewell.finished(), told) }).await;
    frames
}

#[tokio::test]
async fn what_stands_still_is_handed_back_by_name_before_it_is_missed() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    link.lease(&lease("lse_1", &server.blob(&wasm(SPIN))), "").await;
    pulse(&mut link, |pulse| pulse.phases == [Phase::Computing.number()]).await;
    let frames = yields(&agent, &mut link).await;
    let told = frames.iter().position(|frame| match &frame.message {
        Message::Yield(back) => back.lease == "lse_1",
        _ => false,
    });
    assert_eq!(told, Some(frames.len() - 2), "just before the pulse without it: {frames:?}");
}

#[tokio::test]
async fn a_server_of_the_first_version_hears_nothing_that_it_cannot_read() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    server.be_old();
    home.enrol(&server.url);
    let agent = Agent::start(home.config(), Logs::default()).unwrap();
    let mut link = server.link().await;
    link.lease(&lease("lse_1", &server.blob(&wasm(SPIN))), "").await;
    pulse(&mut link, |pulse| pulse.phases == [Phase::Computing.number()]).await;
    let frames = yields(&agent, &mut link).await;
    assert!(frames.iter().all(|frame| matches!(frame.message, Message::Pulse(_))), "{frames:?}");
}

#[tokio::test]
async fn an_agent_that_its_owner_removed_stops_asking_and_computing() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    link.lease(&lease("lse_1", &server.blob(&wasm(SPIN))), "").await;
    pulse(&mut link, |pulse| !pulse.running.is_empty()).await;
    link.close(4_001).await;
    let view = until(&agent, "the end", |view| {
        view.connection == Connection::Revoked && view.chunks.is_empty()
    })
    .await;
    assert!(view.in_words(tokio::time::Instant::now()).ends_with("enrol again"));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(view.connection, Connection::Revoked);
}

#[tokio::test]
async fn results_are_signed_with_a_key_that_the_server_was_told_once() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    home.enrol(&server.url);
    server.answer("/v1/agent/key", 204, "");
    let agent = Agent::start(home.config(), Logs::default()).unwrap();
    let mut link = server.link().await;
    let told: AgentKey = serde_json::from_slice(&server.body("/v1/agent/key").unwrap()).unwrap();
    let public: Sha256Hash = told.public_key.parse().unwrap();
    let id = LeaseId(Uuid::from_u128(5));
    link.lease(&lease(&id.to_string(), &server.blob(&wasm(NOOP))), "").await;
    let (report, _) = link.report().await;
    let output = Sha256Hash(report.output);
    let bytes = signed_bytes(id, Outcome::Done, Fuel(report.fuel), output);
    assert!(verify(&public.0, &bytes, &report.signature.unwrap()));
    // Neither the next link nor the next start says it again.
    drop(link);
    drop(server.link().await);
    agent.stop().await;
    let agent = Agent::start(home.config(), Logs::default()).unwrap();
    let _link = server.link().await;
    assert_eq!(server.asked("/v1/agent/key"), 1);
    agent.stop().await;
}

#[tokio::test]
async fn compiled_programs_are_told_at_once_and_again_after_a_restart() {
    let home = Home::new();
    let (mut server, agent, mut link) = linked(&home).await;
    assert!(link.hello.cached.is_empty());
    let program = server.blob(&wasm(NOOP));
    link.lease(&lease("lse_1", &program), "").await;
    let told = pulse(&mut link, |pulse| pulse.cached.is_some()).await.cached.unwrap();
    assert_eq!(told.iter().map(|digest| **digest).collect::<Vec<_>>(), [program.sha256]);
    drop(link);
    let link = server.link().await;
    assert_eq!(link.hello.cached, told);
    drop(link);
    agent.stop().await;
    let _agent = Agent::start(home.config(), Logs::default()).unwrap();
    assert_eq!(server.link().await.hello.cached, told);
}

#[tokio::test]
async fn programs_of_waiting_jobs_are_compiled_while_there_is_nothing_else_to_do() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    let (spin, noop) = (server.blob(&wasm(SPIN)), server.blob(&wasm(NOOP)));
    let ahead = |program: &Blob| Ahead { program: program.clone(), strict: false };
    let named = vec![ahead(&spin), ahead(&noop)];
    ask(&mut link, Settings { ahead: named.clone(), ..Settings::default() }).await;
    let both = |pulse: &Pulse| pulse.cached.as_ref().is_some_and(|cached| cached.len() == 2);
    pulse(&mut link, both).await;
    assert_eq!((server.asked(&spin.path), server.asked(&noop.path)), (1, 1));

    // Not beside work: there is a chunk, and it goes first.
    link.lease(&lease("lse_1", &spin), "").await;
    pulse(&mut link, |pulse| pulse.phases == [Phase::Computing.number()]).await;
    let other = server.blob(&wasm("(module (func (export \"_start\") (drop (i32.const 7))))"));
    ask(&mut link, Settings { ahead: vec![ahead(&other)], ..Settings::default() }).await;
    pulse(&mut link, |pulse| !pulse.running.is_empty()).await;
    assert_eq!(server.asked(&other.path), 0);
    link.send(Message::Cancel(Cancel { lease: "lse_1".into() }), "").await;
    let three = |pulse: &Pulse| pulse.cached.as_ref().is_some_and(|cached| cached.len() == 3);
    pulse(&mut link, three).await;
}

#[tokio::test]
async fn a_server_of_before_there_were_keys_enrols_machines_too() {
    let home = Home::new();
    let server = FakeServer::start().await;
    let refused = Problem::new(400, "platform.json_refused", "body refused", "unknown field");
    for _ in 0..2 {
        server.answer("/v1/device", 400, serde_json::to_vec(&refused).unwrap());
    }
    let code = r#"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"http://a",
        "verification_uri_complete":"http://a","expires_in":900,"interval":60}"#;
    server.answer("/v1/device", 200, code);
    let mut config = home.config();
    config.server = Some(server.url.clone());
    let agent = Agent::start(config, Logs::default()).unwrap();
    until(&agent, "a code", |view| matches!(view.connection, Connection::Code { .. })).await;
    let asked: DeviceRequest = serde_json::from_slice(&server.body("/v1/device").unwrap()).unwrap();
    assert_eq!((asked.public_key, asked.about, server.asked("/v1/device")), (None, None, 3));
}
