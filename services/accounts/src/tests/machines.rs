//! What owners do with their machines from afar, and the keys that machines sign with.

use medusa_api::{AgentCaps, AgentChange, AgentLimits, DeviceApproval, DevicePoll, DeviceRequest};
use medusa_platform::{Authenticator as _, Principal};
use medusa_types::{AgentId, UserId};

use super::world::{HOME, World, code};

const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const OTHER_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

async fn enrolled(world: &World, owner: &Principal, key: Option<&str>) -> (AgentId, String) {
    let form =
        DeviceRequest { name: "study".into(), public_key: key.map(str::to_owned), about: None };
    let shown = world.accounts.device_request(form, HOME).await.unwrap();
    let typed = DeviceApproval { user_code: shown.user_code, name: String::new() };
    world.accounts.device_approve(owner, &typed).await.unwrap();
    let poll = DevicePoll { device_code: shown.device_code };
    let token = world.accounts.device_poll(&poll).await.unwrap();
    (token.agent, token.agent_key)
}

fn renamed(name: &str) -> AgentChange {
    AgentChange { name: Some(name.into()), ..AgentChange::default() }
}

fn capped(slots: Option<u32>, memory_bytes: Option<u64>) -> AgentChange {
    let limits = Some(AgentCaps { slots, memory_bytes });
    AgentChange { limits, ..AgentChange::default() }
}

#[actix_web::test]
async fn a_machine_is_changed_by_its_owner_and_the_log_says_what_without_the_name() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let (agent, key) = enrolled(&world, &owner, None).await;
    assert_eq!(world.accounts.agent(&key).await.unwrap().unwrap().name, "study");
    let change = AgentChange { paused: Some(true), ..renamed(" loft ") };
    let (row, at) =
        world.accounts.change_machine(owner.user, agent, &change).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.limits.paused), ("loft", true));
    assert!(at > 0);
    let known = world.accounts.agent(&key).await.unwrap().unwrap();
    assert_eq!(known.name, "loft", "what is kept of the key knows it at once");
    let (_, at) = world.accounts.change_machine(owner.user, agent, &change).await.unwrap().unwrap();
    assert_eq!(at, 0, "the same again");
    let (row, _) = world
        .accounts
        .change_machine(owner.user, agent, &capped(Some(2), Some(1 << 30)))
        .await
        .unwrap()
        .unwrap();
    let limits = AgentLimits { paused: true, slots: Some(2), memory_bytes: Some(1 << 30) };
    assert_eq!(row.limits, limits);
    assert_eq!(world.accounts.machine(agent).await.unwrap(), Some(row));
    let events = world.events(&format!("agent-{agent}")).await;
    let expected = ["enrolled", "renamed", "limited", "limited"];
    assert_eq!(events, expected.map(|word| format!("accounts.agent_{word}")));

    for (change, refusal) in [
        (renamed(""), "accounts.name_invalid"),
        (capped(Some(0), None), "accounts.agent_limits"),
        (capped(Some(257), None), "accounts.agent_limits"),
        (capped(None, Some(1)), "accounts.agent_limits"),
        (capped(None, Some(u64::MAX)), "accounts.agent_limits"),
    ] {
        let refused = world.accounts.change_machine(owner.user, agent, &change).await;
        assert_eq!(code(refused), refusal, "{change:?}");
    }
    let eve = world.principal("eve@example.org").await;
    let nothing = world.accounts.change_machine(eve.user, agent, &renamed("mine")).await.unwrap();
    assert_eq!(nothing, None);
}

#[actix_web::test]
async fn of_two_changes_at_once_neither_is_lost() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let (agent, _) = enrolled(&world, &owner, None).await;
    for round in 0..20 {
        let is_paused = round % 2 == 0;
        let pause = AgentChange { paused: Some(is_paused), ..AgentChange::default() };
        let (name, slots) = (renamed(&format!("loft {round}")), capped(Some(round + 1), None));
        let change = |change| world.accounts.change_machine(owner.user, agent, change);
        let (one, two, three) = tokio::join!(change(&pause), change(&name), change(&slots));
        assert!([one, two, three].iter().all(|done| matches!(done, Ok(Some(_)))));
        let row = world.accounts.machine(agent).await.unwrap().unwrap();
        let asked = (row.limits.paused, row.name, row.limits.slots);
        assert_eq!(asked, (is_paused, format!("loft {round}"), Some(round + 1)));
    }
}

#[actix_web::test]
async fn a_removed_machine_is_unknown_at_once() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let (agent, key) = enrolled(&world, &owner, None).await;
    assert!(world.accounts.agent(&key).await.unwrap().is_some());
    let eve = UserId(agent.0);
    assert!(!world.accounts.remove_machine(eve, agent).await.unwrap());
    assert!(world.accounts.agent(&key).await.unwrap().is_some());
    for _ in 0..2 {
        assert!(world.accounts.remove_machine(owner.user, agent).await.unwrap());
    }
    assert_eq!(world.accounts.agent(&key).await.unwrap(), None);
    assert_eq!(world.accounts.machine(agent).await.unwrap(), None);
    assert!(world.accounts.agents_of(owner.user).await.unwrap().is_empty());
    let change = world.accounts.change_machine(owner.user, agent, &renamed("ghost")).await;
    assert_eq!(change.unwrap(), None);
    let events = world.events(&format!("agent-{agent}")).await;
    assert_eq!(events, ["accounts.agent_enrolled", "accounts.agent_revoked"], "once");
}

#[actix_web::test]
async fn a_machine_has_one_key_for_ever() {
    let world = World::new().await;
    let owner = world.principal("ada@example.org").await;
    let (with, _) = enrolled(&world, &owner, Some(KEY)).await;
    let (without, _) = enrolled(&world, &owner, None).await;
    let bytes = world.accounts.machine(with).await.unwrap().unwrap().public_key.unwrap();
    assert_eq!((bytes[0], bytes[31]), (0xd7, 0x1a));
    assert_eq!(world.accounts.machine(without).await.unwrap().unwrap().public_key, None);
    for agent in [with, without, without] {
        world.accounts.set_machine_key(agent, KEY).await.unwrap();
        let events = world.events(&format!("agent-{agent}")).await;
        assert_eq!(events, ["accounts.agent_enrolled", "accounts.agent_key_set"]);
    }
    let refused = world.accounts.set_machine_key(with, OTHER_KEY).await;
    assert_eq!(code(refused), "accounts.agent_key_set");
    let weak = "00".repeat(32);
    let neutral = format!("01{}", "00".repeat(31));
    // 2 is no point's coordinate; p + 3 is the number 3 in another writing.
    let (no_point, twofold) =
        (format!("02{}", "00".repeat(31)), format!("f0{}7f", "ff".repeat(30)));
    let unusable = ["", "d75a", &KEY.to_uppercase(), &weak, &neutral, &no_point, &twofold];
    for bad in unusable {
        let refused = world.accounts.set_machine_key(without, bad).await;
        assert_eq!(code(refused), "accounts.agent_key_refused");
        let form =
            DeviceRequest { name: "study".into(), public_key: Some(bad.to_owned()), about: None };
        let refused = world.accounts.device_request(form, HOME).await;
        assert_eq!(code(refused), "accounts.agent_key_refused");
    }
}
