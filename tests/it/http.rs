//! The HTTP surface: who may call each route, and what the live stream promises.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use medusa_api::{JobState, LiveEvent};
use medusa_client::Topic;
use serde_json::Value;

use crate::harness::{House, PATIENCE, checkout, ended, range, request, slow_echo, submit, until};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anybody,
    /// Whoever is logged in; what is somebody else's is not there.
    Person,
    /// Admins too.
    Auditor,
    Admin,
    /// A lent machine with its key.
    Agent,
}

use Who::{Admin, Agent, Anybody, Auditor, Person};

/// Every route of the API. A new one has to be put here.
const ROUTES: &[(&str, &str, Who)] = &[
    ("get", "/healthz", Anybody),
    ("get", "/readyz", Anybody),
    ("get", "/v1/openapi.json", Anybody),
    ("post", "/v1/signup", Anybody),
    ("post", "/v1/login", Anybody),
    ("post", "/v1/tokens/refresh", Anybody),
    ("post", "/v1/logout", Anybody),
    ("post", "/v1/device", Anybody),
    ("post", "/v1/device/token", Anybody),
    ("get", "/v1/examples", Anybody),
    ("get", "/v1/runtimes", Anybody),
    ("get", "/v1/tariff", Anybody),
    ("get", "/v1/audit/head", Anybody),
    ("get", "/v1/audit/consistency", Anybody),
    ("get", "/log/checkpoint", Anybody),
    ("get", "/log/tile/{level}/{index}", Anybody),
    ("get", "/v1/me", Person),
    ("post", "/v1/device/approve", Person),
    ("post", "/v1/blobs", Person),
    ("get", "/v1/blobs/{sha256}", Person),
    ("get", "/v1/blobs/{sha256}/preview", Person),
    ("post", "/v1/uploads", Person),
    ("delete", "/v1/jobs/{id}/files", Person),
    ("get", "/v1/uploads/{id}", Person),
    ("put", "/v1/uploads/{id}/parts/{first}", Person),
    ("post", "/v1/programs", Person),
    ("get", "/v1/programs", Person),
    ("post", "/v1/quotes", Person),
    ("post", "/v1/jobs", Person),
    ("get", "/v1/jobs", Person),
    ("get", "/v1/jobs/{id}", Person),
    ("post", "/v1/jobs/{id}/pause", Person),
    ("post", "/v1/jobs/{id}/resume", Person),
    ("post", "/v1/jobs/{id}/budget", Person),
    ("post", "/v1/jobs/{id}/retry", Person),
    ("post", "/v1/jobs/{id}/cancel", Person),
    ("post", "/v1/jobs/{id}/rerun", Person),
    ("get", "/v1/jobs/{id}/chunks", Person),
    ("get", "/v1/jobs/{id}/results/{name}", Person),
    ("get", "/v1/notices", Person),
    ("put", "/v1/notices/mail", Person),
    ("post", "/v1/webhooks", Person),
    ("delete", "/v1/webhooks/{id}", Person),
    ("post", "/v1/webhooks/{id}/test", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/run", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/inputs/{place}", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/files", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/files/{name}", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/stdout", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/bundle", Person),
    ("get", "/v1/jobs/{id}/chunks/{index}/program", Person),
    ("get", "/v1/jobs/{id}/chunks.zip", Person),
    ("get", "/v1/jobs/{id}/program", Person),
    ("get", "/v1/jobs/{id}/plan", Person),
    ("get", "/v1/jobs/{id}/events", Person),
    ("get", "/v1/jobs/{id}/timeline", Person),
    ("get", "/v1/jobs/{id}/compare/{other}", Person),
    ("get", "/v1/jobs/{id}/partial/{name}", Person),
    ("get", "/v1/jobs/{id}/report.html", Person),
    ("get", "/v1/wallet", Person),
    ("get", "/v1/wallet/statement", Person),
    ("get", "/v1/agents", Person),
    ("patch", "/v1/agents/{agent}", Person),
    ("delete", "/v1/agents/{agent}", Person),
    ("get", "/v1/streams", Person),
    ("get", "/v1/audit/events/{position}", Person),
    ("get", "/v1/audit/proof/{position}", Person),
    ("get", "/v1/audit/receipt/{position}", Person),
    ("post", "/v1/sessions", Person),
    ("get", "/v1/sessions", Person),
    ("get", "/v1/sessions/{id}", Person),
    ("post", "/v1/ads/offers", Person),
    ("post", "/v1/ads/offers/{id}/claim", Person),
    ("get", "/v1/audit/events", Auditor),
    ("get", "/log/tile/entries/{index}", Auditor),
    ("get", "/v1/admin/trial-balance", Auditor),
    ("get", "/v1/admin/accounts", Auditor),
    ("get", "/v1/admin/accounts/{account}", Auditor),
    ("get", "/v1/admin/accounts/{account}/statement", Auditor),
    ("get", "/v1/admin/events", Auditor),
    ("get", "/v1/admin/invariants", Auditor),
    ("get", "/v1/admin/checkpoints", Auditor),
    ("get", "/v1/admin/projections", Auditor),
    ("get", "/v1/admin/adjustments", Auditor),
    ("post", "/v1/admin/invariants/check", Admin),
    ("post", "/v1/admin/adjustments", Admin),
    ("post", "/v1/admin/adjustments/{id}/approve", Admin),
    ("post", "/v1/admin/adjustments/{id}/reject", Admin),
    ("post", "/v1/admin/adjustments/{id}/withdraw", Admin),
    ("post", "/v1/admin/verify", Admin),
    ("post", "/v1/admin/agents/{agent}/reinstate", Admin),
    ("get", "/v1/agent/self", Agent),
    ("get", "/v1/agent/earnings", Agent),
    ("get", "/v1/agent/tasks", Agent),
    ("put", "/v1/agent/key", Agent),
    ("get", "/v1/agent/link", Agent),
    ("get", "/v1/agent/blobs/{sha256}", Agent),
    ("put", "/v1/agent/outputs/{lease}", Agent),
    ("post", "/v1/agent/outputs/{lease}/parts", Agent),
    ("get", "/v1/agent/outputs/{lease}/parts", Agent),
    ("put", "/v1/agent/outputs/{lease}/parts/{first}", Agent),
];

/// A path with something plausible in place of its parameters.
fn filled(path: &str) -> String {
    let ticket = if path.starts_with("/v1/agent/") { "?until=0&sig=none" } else { "" };
    let filled = path
        .replace("{sha256}", &"0".repeat(64))
        .replace("/jobs/{id}", &format!("/jobs/job_{}", "0".repeat(32)))
        .replace("/adjustments/{id}", &format!("/adjustments/adj_{}", "0".repeat(32)))
        .replace("/sessions/{id}", &format!("/sessions/ses_{}", "0".repeat(32)))
        .replace("{first}", "0")
        .replace("{id}", &"0".repeat(32))
        .replace("{account}", "expense.promo_grant")
        .replace("{agent}", &format!("agt_{}", "0".repeat(32)))
        .replace("{lease}", &format!("lse_{}", "0".repeat(32)))
        .replace("{name}", "out.txt")
        .replace("{position}", "1")
        .replace("/chunks/{index}/inputs/{place}", "/chunks/0/inputs/0")
        .replace("/chunks/{index}/", "/chunks/0/")
        .replace("{other}", &format!("job_{}", "0".repeat(32)))
        .replace("{level}/{index}", "0/000.p/1")
        .replace("{index}", "000.p/1")
        .replace("/v1/audit/consistency", "/v1/audit/consistency?from=1")
        .replace("/v1/streams", "/v1/streams?topics=wallet");
    format!("{filled}{ticket}")
}

async fn status(house: &House, method: &str, path: &str, token: Option<&str>) -> u16 {
    let method = method.to_uppercase().parse().unwrap();
    let mut request = house.http().request(method, format!("{}{}", house.url, filled(path)));
    request = request.header("Idempotency-Key", "k").header("Content-Type", "application/json");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.body("{}").send().await.unwrap().status().as_u16()
}

async fn document(house: &House) -> Value {
    let answer = house.http().get(format!("{}/v1/openapi.json", house.url)).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let house = House::open().await;
    let committed = std::fs::read(checkout().join("docs/openapi.json")).unwrap();
    let committed: Value = serde_json::from_slice(&committed).unwrap();
    let same = document(&house).await == committed;
    assert!(same, "docs/openapi.json is old: `medusa-server openapi` prints it");
}

#[tokio::test]
async fn every_route_is_known_and_open_only_to_those_who_may_call_it() {
    let house = House::open().await;
    let (consumer, admin) = (house.person("carla").await, house.admin().await);
    let auditor = house.person_with_role("audrey", "auditor").await;
    let agent = house.enrol(&consumer, "desk").await;
    let document = document(&house).await;
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        told.extend(methods.as_object().unwrap().keys().map(|m| (m.clone(), path.clone())));
    }
    let known: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
    assert_eq!(told, known, "the table of who may call which route has all of them");

    let callers = [
        (None, "nobody"),
        (Some(consumer.token.as_str()), "a consumer"),
        (Some(auditor.token.as_str()), "an auditor"),
        (Some(admin.token.as_str()), "an admin"),
        (Some(agent.agent_key.as_str()), "an agent"),
        (Some("nonsense"), "nonsense"),
    ];
    for (method, path, who) in ROUTES {
        for (token, name) in callers {
            let status = status(&house, method, path, token).await;
            let is = |names: &[&str]| names.contains(&name);
            let expected = match who {
                Anybody => None,
                Person if is(&["a consumer", "an auditor", "an admin"]) => None,
                Auditor if is(&["an auditor", "an admin"]) => None,
                Auditor if is(&["a consumer"]) => Some(403),
                Admin if is(&["an admin"]) => None,
                Admin if is(&["a consumer", "an auditor"]) => Some(403),
                Agent if is(&["an agent"]) => None,
                Person | Auditor | Admin | Agent => Some(401),
            };
            let call = format!("{method} {path} by {name}");
            match expected {
                Some(expected) => assert_eq!(status, expected, "{call}"),
                None => assert!(status < 500 && status != 401, "{call}: {status}"),
            }
        }
    }
    // The operator's door is in no document and shows itself to nobody.
    for (token, name) in callers {
        let status = status(&house, "post", "/v1/operator/roles", token).await;
        assert!(matches!(status, 404 | 422), "by {name}: {status}");
    }
}

#[tokio::test]
async fn refusals_are_problem_documents_whatever_is_sent() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    for (method, path, body) in [
        ("GET", "/v1/jobs/nonsense", ""),
        ("GET", "/v1/jobs?limit=-1&after=nonsense", ""),
        ("GET", "/v1/nowhere", ""),
        ("POST", "/v1/quotes", "{"),
        ("POST", "/v1/quotes", r#"{"program":"prg_1"}"#),
        ("POST", "/v1/jobs", r#"{"quote":"quo_1","price":"0"}"#),
        ("GET", "/v1/streams?topics=", ""),
        ("GET", "/v1/streams?topics=job:nonsense", ""),
        ("GET", "/v1/wallet/statement?after=nonsense", ""),
    ] {
        let request = house.http().request(method.parse().unwrap(), format!("{}{path}", house.url));
        let request = request.bearer_auth(&consumer.token).header("Idempotency-Key", "k");
        let request = request.header("Content-Type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        assert!((400..500).contains(&status), "{method} {path}: {status}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let text = answer.text().await.unwrap();
        assert_eq!(kind, "application/problem+json", "{method} {path}: {text}");
        let problem: medusa_api::Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(problem.status, status);
        assert!(problem.code.contains('.') && !problem.detail.is_empty(), "{text}");
    }
}

/// One server-sent event: its name, its id, its data.
type Sent = (String, String, Value);

/// Reads events of a raw stream until one is the last wanted.
async fn read(
    house: &House,
    token: &str,
    (topic, last_id): (&str, Option<&str>),
    wanted: impl Fn(&Sent) -> bool,
) -> Vec<Sent> {
    let mut request = house.http().get(format!("{}/v1/streams?topics={topic}", house.url));
    request = request.bearer_auth(token);
    if let Some(id) = last_id {
        request = request.header("Last-Event-ID", id);
    }
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut text, mut events) = (String::new(), Vec::new());
    loop {
        let part = tokio::time::timeout(PATIENCE, answer.chunk()).await.expect("an event");
        text.push_str(std::str::from_utf8(&part.unwrap().expect("an open stream")).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                let mut lines = event.lines().filter_map(|line| line.split_once(": "));
                lines.find(|(key, _)| *key == name).map(|(_, v)| v.to_owned()).unwrap_or_default()
            };
            let data = field("data");
            if !data.is_empty() {
                events.push((field("event"), field("id"), serde_json::from_str(&data).unwrap()));
            }
            text = rest.to_owned();
            if events.last().is_some_and(&wanted) {
                return events;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_goes_on_where_it_was_cut() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let _agent = house.agent(&lena).await;
    let request = request(&consumer, slow_echo(60), range(20, 1)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let topic = format!("job:{}", job.id);
    let third = |_: &Sent| true;
    let first = read(&house, &consumer.token, (&topic, None), third).await;
    let (name, id, data) = &first[0];
    assert_eq!((name.as_str(), data["type"].as_str()), ("snapshot", Some("snapshot")));
    assert_eq!(data["cells"].as_str().unwrap().len(), 20);
    assert_eq!(*id, data["position"].to_string(), "an id is a log position");

    let last = |sent: &Sent| sent.2["state"] == "done";
    let rest = read(&house, &consumer.token, (&topic, Some(id)), last).await;
    let mut position = data["position"].as_i64().unwrap();
    for (name, id, data) in &rest {
        let next = data["position"].as_i64().unwrap();
        assert!(next >= position, "{next} comes after {position}");
        assert_eq!(*id, next.to_string());
        assert!(matches!(name.as_str(), "snapshot" | "delta"), "{name}");
        position = next;
    }
    // An id that nobody gave out is no harm.
    let anew = read(&house, &consumer.token, (&topic, Some("nonsense")), third).await;
    assert_eq!(anew[0].0, "snapshot");
}

#[tokio::test]
async fn snapshot_and_deltas_together_are_the_job() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let _agent = house.agent(&lena).await;
    let request = request(&consumer, slow_echo(60), range(12, 1)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let topics = [Topic::Job(job.id), Topic::Wallet];
    let mut events = Box::pin(consumer.client.stream(&topics));
    let (mut cells, mut wallet, mut moves) = (Vec::new(), None, 0);
    let last = loop {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("an event");
        let live = match event.unwrap().unwrap() {
            LiveEvent::Snapshot(live) => {
                cells = live.cells.bytes().collect();
                live
            }
            LiveEvent::Delta(live) => {
                for pair in live.cells.split(',').filter(|pair| !pair.is_empty()) {
                    let (index, digit) = pair.split_once(':').unwrap();
                    cells[index.parse::<usize>().unwrap()] = digit.as_bytes()[0];
                    moves += 1;
                }
                live
            }
            LiveEvent::Wallet(now) => {
                wallet = Some(now);
                continue;
            }
            LiveEvent::Agents { .. } => continue,
        };
        if live.state.is_final() {
            break live;
        }
    };
    assert_eq!((last.state, last.counts.verified), (JobState::Done, 12));
    assert_eq!(String::from_utf8(cells).unwrap(), "2".repeat(12));
    assert!(moves >= 12, "{moves} cells moved");
    let job = ended(&consumer, job.id).await;
    assert_eq!((last.cost.spent, last.counts), (job.cost.spent, job.counts));
    // The wallet follows the money.
    let now = until("the wallet as it is", async || {
        let now = consumer.client.wallet().await.unwrap();
        (now.held.micros() == 0).then_some(now)
    })
    .await;
    while wallet.as_ref() != Some(&now) {
        let event = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
        if let LiveEvent::Wallet(now) = event.expect("news of the wallet").unwrap().unwrap() {
            wallet = Some(now);
        }
    }
}

#[tokio::test]
async fn a_foreign_topic_is_refused() {
    let house = House::open().await;
    let (consumer, other) = (house.person("carla").await, house.person("olaf").await);
    let request = request(&consumer, slow_echo(1), range(2, 1)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let url = format!("{}/v1/streams?topics=job:{}", house.url, job.id);
    let answer = house.http().get(url).bearer_auth(&other.token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
}

#[tokio::test]
async fn streams_that_were_left_do_not_keep_new_ones_out() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    // Somebody who clicks through the pages, each with its own stream.
    for page in 0..15 {
        let url = format!("{}/v1/streams?topics=wallet", house.url);
        let mut answer = house.http().get(url).bearer_auth(&consumer.token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "page {page}");
        answer.chunk().await.unwrap().expect("the first words of the stream");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let house = House::open().await;
    for path in ["/", "/login", "/healthz", "/v1/tariff"] {
        let answer = house.http().head(format!("{}{path}", house.url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_told_apart() {
    let house = House::open().await;
    let url = format!("{}/v1/login", house.url);
    let large = format!("{{\"email\":\"{}\"}}", "a".repeat(300 * 1024));
    for (media_type, body, status, code) in [
        ("text/plain", "{}".to_owned(), 415, "platform.media_type"),
        ("application/json", large, 413, "platform.body_too_large"),
        ("application/json", "{".to_owned(), 422, "platform.json_refused"),
    ] {
        let request = house.http().post(&url).header("content-type", media_type).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], code);
    }
}
