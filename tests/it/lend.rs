//! Machines from afar: peers of other versions, leases that are handed back, owners who steer and
//! remove their machines, and results that are signed.

use std::time::Duration;

use medusa_api::{
    AgentCaps, AgentChange, AgentKey, AgentState, Attempt, ChunkRun, DeviceToken, JobState,
};
use medusa_protocol::{
    Features, Frame, Hello, Lease, Message, Pen, Phase, Pulse, Report, Settings, Speed, Yield,
    signed_bytes, verify,
};
use medusa_types::{Bundle, Fuel, JobId, LeaseId, Outcome, Sha256Hash, Uuid};

use crate::harness::{
    House, Person, ScriptedAgent, broken_invariants, chunks, echo, ended, hello, range, request,
    submit, until,
};

/// A greeting of somebody who knows everything.
fn knowing() -> Hello {
    Hello { features: Features::own(), ..hello() }
}

async fn machine(owner: &Person, token: &DeviceToken) -> medusa_api::Agent {
    let agents = owner.client.agents().await.unwrap();
    agents.into_iter().find(|agent| agent.id == token.agent).unwrap()
}

/// The next settings that the agent is sent.
async fn settings(agent: &mut ScriptedAgent) -> Settings {
    loop {
        if let Message::Settings(settings) = agent.frame().await.message {
            return settings;
        }
    }
}

fn paused(paused: bool) -> AgentChange {
    AgentChange { paused: Some(paused), ..AgentChange::default() }
}

#[tokio::test]
async fn peers_of_other_versions_are_told_only_what_they_can_read() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let (old_key, new_key) = (house.enrol(&lena, "old").await, house.enrol(&luis, "new").await);
    // One of the first version says nothing of features, and knows six kinds.
    let mut old = ScriptedAgent::greet(&house, &old_key, hello()).await;
    // One of a later version names what nobody here knows.
    let features = [Features::own(), vec!["x-rays".into()]].concat();
    let speed = Some(Speed { one: 1_900_000_000, all: 7_000_000_000 });
    let engine = Some("engine\u{1b}[31m".into());
    let later = Hello { features, speed, engine, slots: 3, ..hello() };
    let mut new = ScriptedAgent::greet(&house, &new_key, later).await;
    new.raw(vec![1, 99, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0]).await;
    assert_eq!(settings(&mut new).await.name.as_deref(), Some("new"));

    let change = AgentChange {
        name: Some("loft".into()),
        limits: Some(AgentCaps { slots: Some(2), memory_bytes: Some(64 << 20) }),
        ..AgentChange::default()
    };
    for (owner, key) in [(&lena, &old_key), (&luis, &new_key)] {
        owner.client.change_agent(key.agent, &change).await.unwrap();
    }
    let told = settings(&mut new).await;
    assert_eq!((told.name.as_deref(), told.slots), (Some("loft"), Some(2)));
    assert_eq!((told.paused, told.memory_bytes), (false, Some(64 << 20)));
    let now = machine(&luis, &new_key).await.now.expect("it is connected");
    assert_eq!((now.slots, now.memory_bytes), (2, 64 << 20), "the least of both counts");
    assert_eq!((now.fuel_per_s, now.engine.as_deref()), (Some(1_900_000_000), Some("engine[31m")));

    // The link of both goes on: each gets a copy, and nothing else came to the old one.
    let asked = request(&consumer, echo(), range(1, 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    let first = old.frame().await.message;
    let Message::Lease(lease) = first else { panic!("{first:?}") };
    assert!(lease.fuel_estimate.is_some_and(|fuel| fuel < lease.limits.fuel));
    let (other, _) = new.lease().await;
    let output = Bundle::of_stdout(b"0 1\n".to_vec()).encode();
    old.report(&lease, output.clone(), 5_000).await;
    new.report(&other, output, 5_000).await;
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
}

#[tokio::test]
async fn a_lease_that_is_handed_back_costs_nobody_anything() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lena = house.person("lena").await;
    let key = house.enrol(&lena, "laptop").await;
    let mut laptop = ScriptedAgent::greet(&house, &key, knowing()).await;
    let asked = request(&consumer, echo(), range(1, 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    let (lease, _) = laptop.lease().await;
    let compiles = Pulse {
        running: vec![lease.lease.clone()],
        phases: vec![Phase::Compiling.number()],
        ..Pulse::default()
    };
    laptop.send(Frame::of(Message::Pulse(compiles))).await;
    until("words about compiling", async || {
        let waiting = chunks(&consumer, job.id).await[0].waiting.clone();
        (waiting.as_deref() == Some("an agent compiles the program")).then_some(())
    })
    .await;

    let why = Some("on battery\n".repeat(30));
    let away = Pulse { paused: true, why, ..Pulse::default() };
    laptop
        .send(Frame::of(Message::Yield(Yield { lease: lease.lease.clone(), too_large: false })))
        .await;
    laptop.send(Frame::of(Message::Pulse(away))).await;
    let seen = until("a paused machine", async || {
        Some(machine(&lena, &key).await).filter(|machine| machine.state == AgentState::Paused)
    })
    .await;
    let why = seen.now.unwrap().why.unwrap();
    assert!(why.starts_with("on batteryon") && why.chars().count() == 200, "{why}");

    let others = [house.person("luis").await, house.person("lotte").await];
    let _agents = [house.agent(&others[0]).await, house.agent(&others[1]).await];
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
    let after = machine(&lena, &key).await;
    assert_eq!((after.score, after.marks.len()), (0, 0), "{after:?}");
    let events = events(&house, &consumer, job.id).await;
    assert!(events.contains("yielded"), "{events}");
    assert!(broken_invariants(&house).await.is_empty());
}

#[tokio::test]
async fn who_hands_a_lease_back_gets_no_other_for_words_about_leases_that_are_not_its() {
    let house = House::open().await;
    let (carla, lena) = (house.person("carla").await, house.person("lena").await);
    let key = house.enrol(&lena, "laptop").await;
    let mut laptop = ScriptedAgent::greet(&house, &key, knowing()).await;
    laptop.send(Frame::of(Message::Pulse(Pulse::default()))).await;
    let job = submit(&carla, &request(&carla, echo(), range(1, 2)).await).await.unwrap();
    let (lease, _) = laptop.lease().await;
    laptop
        .send(Frame::of(Message::Yield(Yield { lease: lease.lease.clone(), too_large: false })))
        .await;
    let made_up = LeaseId(Uuid::from_u128(9)).to_string();
    for other in [lease.lease.clone(), made_up] {
        laptop
            .send(Frame::of(Message::Yield(Yield { lease: other.clone(), too_large: false })))
            .await;
        let other = Lease { lease: other, ..lease.clone() };
        laptop.say(&other, Outcome::WallOut, b"made up".to_vec(), 1).await;
        laptop.say(&other, Outcome::Done, b"made up".to_vec(), 1).await;
    }
    // It still hears of what its owner asks for, but of no lease.
    let other = tokio::time::timeout(Duration::from_secs(3), laptop.lease()).await;
    assert!(other.is_err(), "it has not rested");
    let events = events(&house, &carla, job.id).await;
    assert_eq!(events.matches("yielded").count(), 1, "{events}");
    assert!(!events.contains("attempt_reported"), "{events}");
}

/// A job's events as text.
async fn events(house: &House, who: &Person, job: JobId) -> String {
    let url = format!("{}/v1/jobs/{job}/events", house.url);
    house.http().get(url).bearer_auth(&who.token).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn an_owner_pauses_a_machine_from_afar_and_nobody_else_does() {
    let house = House::open().await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agent = house.agent(&lena).await;
    let id = lena.client.agents().await.unwrap()[0].id;
    let is = async |state, why: Option<&str>| {
        until("the machine's state", async || {
            let machine = lena.client.agents().await.unwrap().remove(0);
            let now = machine.now.as_ref()?;
            (machine.state == state && now.why.as_deref() == why).then_some(())
        })
        .await;
    };
    is(AgentState::Idle, None).await;
    lena.client.change_agent(id, &paused(true)).await.unwrap();
    is(AgentState::Paused, Some("stopped from the website")).await;
    assert!(lena.client.agents().await.unwrap()[0].remote.paused);
    lena.client.change_agent(id, &paused(false)).await.unwrap();
    is(AgentState::Idle, None).await;

    for refused in [
        luis.client.change_agent(id, &paused(true)).await.map(drop),
        luis.client.remove_agent(id).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), Some("platform.not_found"));
    }
    for (change, code) in [
        (AgentChange { name: Some(" ".into()), ..AgentChange::default() }, "accounts.name_invalid"),
        (caps(Some(0), None), "accounts.agent_limits"),
        (caps(Some(300), None), "accounts.agent_limits"),
        (caps(None, Some(1)), "accounts.agent_limits"),
    ] {
        let refused = lena.client.change_agent(id, &change).await.unwrap_err();
        assert_eq!(refused.code(), Some(code));
    }
    is(AgentState::Idle, None).await;
}

#[tokio::test]
async fn a_wish_that_comes_while_a_link_is_opened_is_not_lost() {
    let house = House::open().await;
    let lena = house.person("lena").await;
    let key = house.enrol(&lena, "desk").await;
    let mut desk = ScriptedAgent::open(&house, &key).await;
    lena.client.change_agent(key.agent, &paused(true)).await.unwrap();
    desk.send(Frame::of(Message::Hello(knowing()))).await;
    until("a paused machine", async || {
        (machine(&lena, &key).await.state == AgentState::Paused).then_some(())
    })
    .await;
    while !settings(&mut desk).await.paused {}
}

#[tokio::test]
async fn nothing_counts_unsigned_once_a_machine_has_a_key() {
    let house = House::open().await;
    let lena = house.person("lena").await;
    let key = house.enrol(&lena, "desk").await;
    let public = Sha256Hash(Pen::of(&[7; 32]).public_key()).to_string();
    let mut greeted = ScriptedAgent::greet(&house, &key, knowing()).await;
    assert_eq!(set_key(&house, &key, "00".repeat(32)).await, 422, "everybody can sign for it");
    assert!(machine(&lena, &key).await.now.is_some(), "nothing was set, so the link goes on");
    let late = house.enrol(&lena, "laptop").await;
    let mut opened = ScriptedAgent::open(&house, &late).await;
    for token in [&key, &late] {
        assert_eq!(set_key(&house, token, public.clone()).await, 204);
    }
    greeted.closed().await;
    opened.send(Frame::of(Message::Hello(knowing()))).await;
    opened.closed().await;
    let _knows = ScriptedAgent::greet(&house, &key, knowing()).await;
    assert_eq!(set_key(&house, &key, public).await, 204, "the same again");
    until("a link that stays", async || machine(&lena, &key).await.now).await;
}

fn caps(slots: Option<u32>, memory_bytes: Option<u64>) -> AgentChange {
    let limits = Some(AgentCaps { slots, memory_bytes });
    AgentChange { limits, ..AgentChange::default() }
}

#[tokio::test]
async fn a_removed_machine_is_cut_off_at_once_and_without_a_mark() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lena = house.person("lena").await;
    let key = house.enrol(&lena, "old tower").await;
    let mut tower = ScriptedAgent::greet(&house, &key, knowing()).await;
    let asked = request(&consumer, echo(), range(1, 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    let (_lease, _) = tower.lease().await;
    lena.client.remove_agent(key.agent).await.unwrap();
    lena.client.remove_agent(key.agent).await.unwrap();
    assert_eq!(tower.closed().await, Some(4_001));
    assert!(lena.client.agents().await.unwrap().is_empty());
    let own = format!("{}/v1/agent/self", house.url);
    let answer = house.http().get(own).bearer_auth(&key.agent_key).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401, "the key was in use a moment ago");

    let others = [house.person("luis").await, house.person("lotte").await];
    let _agents = [house.agent(&others[0]).await, house.agent(&others[1]).await];
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
    let events = events(&house, &consumer, job.id).await;
    assert!(events.contains("revoked") && !events.contains("lost"), "{events}");
    assert!(broken_invariants(&house).await.is_empty());
}

#[tokio::test]
async fn what_a_removed_machine_earned_stays_in_the_sum() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let asked = request(&consumer, echo(), range(2, 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
    let paid = until("pay", async || {
        let machine = lena.client.agents().await.unwrap().remove(0);
        (machine.chunks == 2).then_some(machine)
    })
    .await;
    let stays = reqwest::redirect::Policy::none();
    let stays = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(stays);
    let form = format!("email={}&password={}", lena.email, lena.password.replace(' ', "+"));
    let request = stays.build().unwrap().post(format!("{}/login", house.url)).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let page = async |path: String| {
        let url = format!("{}{path}", house.url);
        let answer = house.http().get(url).header("cookie", cookie).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, html) = page(format!("/app/lend/{}", paid.id)).await;
    assert!(status == 200 && html.matches("/app/events/").count() == 2, "{html}");
    lena.client.remove_agent(paid.id).await.unwrap();
    let (_, html) = page("/app/lend".to_owned()).await;
    let earned = format!("<b id=\"earned\">{}</b>", paid.earned);
    assert!(html.contains(&earned) && html.contains("1 removed"), "{html}");
}

#[tokio::test]
async fn a_removed_agent_says_so_and_stops() {
    let house = House::open().await;
    let lena = house.person("lena").await;
    let mut agent = house.agent(&lena).await;
    let id = lena.client.agents().await.unwrap()[0].id;
    lena.client.remove_agent(id).await.unwrap();
    until("words about it", async || {
        let log = agent.process().last_words();
        log.contains("its owner removed this machine on the website").then_some(())
    })
    .await;
    agent.process().must_live();
}

/// Says how a lease ended, signed or not.
async fn say(agent: &mut ScriptedAgent, lease: &Lease, pen: Option<&Pen>) {
    let output = Bundle::of_stdout(format!("{} 1\n", lease.chunk).into_bytes()).encode();
    let (id, hash) = (lease.lease.parse().unwrap(), Sha256Hash::of(&output));
    let bytes = signed_bytes(id, Outcome::Done, Fuel(5_000), hash);
    let report = Report {
        lease: lease.lease.clone(),
        outcome: Outcome::Done,
        fuel: 5_000,
        output: hash.0,
        output_bytes: output.len().try_into().unwrap(),
        uploaded: false,
        stderr: String::new(),
        cpu_ms: 1,
        signature: pen.map(|pen| pen.sign(&bytes).into()),
    };
    agent.send(Frame { message: Message::Report(report), payload: output.into() }).await;
}

/// Registers a key with the agent's own; the status of the answer.
async fn set_key(house: &House, token: &DeviceToken, public_key: String) -> u16 {
    let url = format!("{}/v1/agent/key", house.url);
    let request = house.http().put(url).bearer_auth(&token.agent_key);
    request.json(&AgentKey { public_key }).send().await.unwrap().status().as_u16()
}

async fn attempts(house: &House, who: &Person, job: JobId, chunk: u32) -> Vec<Attempt> {
    let url = format!("{}/v1/jobs/{job}/chunks/{chunk}/run", house.url);
    let answer = house.http().get(url).bearer_auth(&who.token).send().await.unwrap();
    answer.json::<ChunkRun>().await.unwrap().attempts
}

/// Whether the attempt's signature is over what the log says of it.
fn is_well_signed(attempt: &Attempt) -> bool {
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes =
        |hex: &str| -> Vec<u8> { hex.as_bytes().as_chunks::<2>().0.iter().map(byte).collect() };
    let (Some(key), Some(signature)) = (&attempt.public_key, &attempt.signature) else {
        return false;
    };
    let said = (attempt.outcome.unwrap(), attempt.fuel.unwrap(), attempt.output.unwrap());
    let signed = signed_bytes(attempt.lease, said.0, said.1, said.2);
    let (key, signature) = (bytes(key), bytes(signature));
    verify(&key.try_into().unwrap(), &signed, &signature.try_into().unwrap())
}

#[tokio::test]
async fn a_machine_with_a_key_is_believed_only_with_its_signature() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lena = house.person("lena").await;
    let key = house.enrol(&lena, "desk").await;
    let (pen, other) = (Pen::of(&[7; 32]), Pen::of(&[8; 32]));
    let public = Sha256Hash(pen.public_key()).to_string();
    assert_eq!(set_key(&house, &key, "short".into()).await, 422);
    assert_eq!(set_key(&house, &key, public.clone()).await, 204);
    assert_eq!(set_key(&house, &key, public.clone()).await, 204, "the same again");
    let second = Sha256Hash(other.public_key()).to_string();
    assert_eq!(set_key(&house, &key, second).await, 409, "it is never replaced");
    assert_eq!(machine(&lena, &key).await.public_key, Some(public.clone()));

    let mut desk = ScriptedAgent::greet(&house, &key, Hello { slots: 4, ..knowing() }).await;
    let asked = request(&consumer, echo(), range(3, 1)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(desk.lease().await.0);
    }
    say(&mut desk, &leases[0], Some(&pen)).await;
    say(&mut desk, &leases[1], Some(&other)).await;
    say(&mut desk, &leases[2], None).await;
    let luis = house.person("luis").await;
    let _agent = house.agent(&luis).await;
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
    let of = async |lease: &Lease| {
        let id: LeaseId = lease.lease.parse().unwrap();
        let found = attempts(&house, &consumer, job.id, lease.chunk).await;
        found.into_iter().find(|attempt| attempt.lease == id).unwrap()
    };
    let good = until("a signature", async || {
        Some(of(&leases[0]).await).filter(|attempt| attempt.signature.is_some())
    })
    .await;
    assert_eq!((good.outcome, good.public_key.as_ref()), (Some(Outcome::Done), Some(&public)));
    assert!(is_well_signed(&good));
    for lease in &leases[1..] {
        let bad = of(lease).await;
        assert_eq!((bad.outcome, bad.signature), (Some(Outcome::AgentFault), None));
    }
    let marks = machine(&lena, &key).await.marks;
    assert_eq!(marks.iter().filter(|mark| mark.word == "crashed").count(), 2, "{marks:?}");
}

#[tokio::test]
async fn agents_sign_by_themselves_also_those_that_were_enrolled_before() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    // The harness enrols without a key, as an older agent did.
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let asked = request(&consumer, echo(), range(1, 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
    let key = lena.client.agents().await.unwrap().remove(0).public_key;
    assert!(key.is_some_and(|key| key.len() == 64));
    let signed = until("signatures", async || {
        let attempts = attempts(&house, &consumer, job.id, 0).await;
        attempts.iter().all(|attempt| attempt.signature.is_some()).then_some(attempts)
    })
    .await;
    assert_eq!(signed.len(), 2);
    assert!(signed.iter().all(is_well_signed), "{signed:?}");
}
