//! The device flow.

use medusa_api::{AgentState, DeviceAbout, DeviceApproval, DevicePoll, DeviceRequest};
use medusa_platform::{AgentPrincipal, Authenticator as _};
use medusa_types::AgentId;

use super::world::{HOME, World, code};

fn request(name: &str) -> DeviceRequest {
    DeviceRequest { name: name.into(), public_key: None, about: None }
}

fn approval(user_code: &str, name: &str) -> DeviceApproval {
    DeviceApproval { user_code: user_code.into(), name: name.into() }
}

fn poll(device_code: &str) -> DevicePoll {
    DevicePoll { device_code: device_code.into() }
}

#[actix_web::test]
async fn a_confirmed_machine_gets_its_key_once() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let shown = world.accounts.device_request(request("study"), HOME).await.unwrap();
    assert_eq!(shown.verification_uri, "https://medusa.test/device");
    let complete = format!("https://medusa.test/device?code={}", shown.user_code);
    assert_eq!(shown.verification_uri_complete, complete);
    assert_eq!(shown.expires_in, 900);
    let poll = poll(&shown.device_code);
    assert_eq!(code(world.accounts.device_poll(&poll).await), "accounts.device_pending");

    let typed = approval(&shown.user_code.to_lowercase().replace('-', ""), "");
    let agent = world.accounts.device_approve(&owner, &typed).await.unwrap();
    assert_eq!((agent.name.as_str(), agent.state), ("study", AgentState::Offline));
    assert_eq!(world.accounts.device_approve(&owner, &typed).await.unwrap(), agent);
    assert_eq!(world.events(&format!("agent-{}", agent.id)).await, ["accounts.agent_enrolled"]);

    let token = world.accounts.device_poll(&poll).await.unwrap();
    assert_eq!((token.agent, token.name.as_str()), (agent.id, "study"));
    assert_eq!(code(world.accounts.device_poll(&poll).await), "accounts.device_expired");
    let known = AgentPrincipal { agent: agent.id, owner: owner.user, name: "study".into() };
    for _ in 0..2 {
        let found = world.accounts.agent(&token.agent_key).await.unwrap();
        assert_eq!(found, Some(known.clone()));
    }
    assert_eq!(world.accounts.agent(&shown.device_code).await.unwrap(), None);
    assert_eq!(world.accounts.bearer(&token.agent_key).await.unwrap(), None);

    let machines = world.accounts.agents_of(owner.user).await.unwrap();
    assert_eq!(machines.iter().map(|m| m.agent).collect::<Vec<_>>(), [agent.id]);
    let stranger = AgentId(owner.user.0);
    let names = world.accounts.agent_names(&[agent.id, stranger]).await.unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [(agent.id, "study".to_owned())]);
}

#[actix_web::test]
async fn what_asks_is_known_before_it_is_confirmed() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let about = DeviceAbout {
        cores: Some(8),
        memory_bytes: Some(0),
        system: Some(format!("linux\n{}", "x".repeat(80))),
    };
    let form = DeviceRequest { about: Some(about), ..request("study") };
    let shown = world.accounts.device_request(form, HOME).await.unwrap();
    let waiting = world.accounts.device_waiting(&owner, &shown.user_code).await.unwrap();
    assert_eq!((waiting.name.as_str(), waiting.about.cores), ("study", Some(8)));
    assert_eq!((waiting.about.memory_bytes, waiting.address.as_deref()), (None, Some("127.0.0.1")));
    let system = waiting.about.system.unwrap();
    assert!(system.starts_with("linuxx") && system.len() == 60, "{system}");

    let silent = world.accounts.device_request(request("attic"), HOME).await.unwrap();
    let waiting = world.accounts.device_waiting(&owner, &silent.user_code).await.unwrap();
    assert_eq!(waiting.about, DeviceAbout::default());

    // One that was confirmed asks no more, and looking does not confirm.
    let typed = approval(&shown.user_code, "");
    world.accounts.device_approve(&owner, &typed).await.unwrap();
    let known = world.accounts.device_waiting(&owner, &shown.user_code).await;
    assert_eq!(code(known), "accounts.device_code_unknown");
    let mut refusals = Vec::new();
    for _ in 0..40 {
        refusals.push(code(world.accounts.device_waiting(&owner, "BBBB-BBBB").await));
    }
    assert_eq!(refusals.last().unwrap(), "accounts.too_many_tries", "codes cannot be guessed here");
}

#[actix_web::test]
async fn of_two_polls_at_the_same_time_one_gets_a_key_that_works() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let shown = world.accounts.device_request(request("study"), HOME).await.unwrap();
    world.accounts.device_approve(&owner, &approval(&shown.user_code, "attic")).await.unwrap();
    let poll = poll(&shown.device_code);
    let (one, two) =
        tokio::join!(world.accounts.device_poll(&poll), world.accounts.device_poll(&poll));
    let (token, late) = if one.is_ok() { (one.unwrap(), two) } else { (two.unwrap(), one) };
    assert_eq!(code(late), "accounts.device_expired");
    let known = world.accounts.agent(&token.agent_key).await.unwrap().unwrap();
    assert_eq!(known.name, "attic");
}

#[actix_web::test]
async fn codes_end_and_are_forgotten() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let shown = world.accounts.device_request(request("study"), HOME).await.unwrap();
    world.wait(900);
    let poll = poll(&shown.device_code);
    assert_eq!(code(world.accounts.device_poll(&poll).await), "accounts.device_expired");
    let late = world.accounts.device_approve(&owner, &approval(&shown.user_code, "")).await;
    assert_eq!(code(late), "accounts.device_code_unknown");
    assert_eq!(world.accounts.sweep().await.unwrap(), 1);
}

#[actix_web::test]
async fn a_code_belongs_to_who_confirmed_it_first_and_guessing_is_paused() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let eve = world.principal("eve@example.org").await;
    let shown = world.accounts.device_request(request("study"), HOME).await.unwrap();
    let approval = approval(&shown.user_code, "");
    world.accounts.device_approve(&owner, &approval).await.unwrap();
    for _ in 0..5 {
        let refused = world.accounts.device_approve(&eve, &approval).await;
        assert_eq!(code(refused), "accounts.device_code_unknown");
    }
    let paused = world.accounts.device_approve(&eve, &approval).await;
    assert_eq!(code(paused), "accounts.too_many_tries");
    assert!(world.accounts.agents_of(eve.user).await.unwrap().is_empty());
}

#[actix_web::test]
async fn who_does_not_lend_confirms_nothing_and_names_are_checked() {
    let world = World::new().await;
    let mut owner = world.principal("ada@example.org").await;
    let bad = world.accounts.device_request(request("a\nb"), HOME).await;
    assert_eq!(code(bad), "accounts.name_invalid");
    let shown = world.accounts.device_request(request("study"), HOME).await.unwrap();
    let long = approval(&shown.user_code, &"x".repeat(61));
    assert_eq!(code(world.accounts.device_approve(&owner, &long).await), "accounts.name_invalid");
    owner.roles.clear();
    let refused = world.accounts.device_approve(&owner, &approval(&shown.user_code, "")).await;
    assert_eq!(code(refused), "platform.forbidden");
}
