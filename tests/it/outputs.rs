//! Outputs of leases in parts: the ticket opens them to one agent, they are what was announced, and
//! what no report names goes again.

use medusa_api::{NewUpload, Problem, Upload, UploadState};
use medusa_protocol::Lease;
use medusa_types::Sha256Hash;
use reqwest::{Method, RequestBuilder};

use crate::harness::{House, ScriptedAgent, range, request, slow_echo, submit, until};

/// An agent of a script with its key, and a lease of one chunk.
struct Scene {
    house: House,
    key: String,
    lease: Lease,
    _agent: ScriptedAgent,
}

impl Scene {
    /// In a house that looks every second, and throws away what it set aside at the next look.
    async fn open() -> Self {
        let mut house = House::open().await;
        house.kill9();
        let settings = [("MEDUSA_FILES_SWEEP_S", "1".into()), ("MEDUSA_FILES_ASIDE_S", "0".into())];
        house.settings = settings.into();
        house.restart().await;
        let (carla, lena) = (house.person("carla").await, house.person("lena").await);
        let token = house.enrol(&lena, "desk").await;
        let mut agent = ScriptedAgent::connect(&house, &token, 1).await;
        submit(&carla, &request(&carla, slow_echo(0), range(1, 2)).await).await.unwrap();
        let (lease, _) = agent.lease().await;
        Self { house, key: token.agent_key, lease, _agent: agent }
    }

    /// A call below the place of the lease's output, with its ticket.
    fn call(&self, method: Method, below: &str) -> RequestBuilder {
        let (path, ticket) = self.lease.upload_path.split_once('?').unwrap();
        let url = format!("{}{path}{below}?{ticket}", self.house.url);
        self.house.http().request(method, url).bearer_auth(&self.key)
    }

    fn begin(&self, wish: &NewUpload) -> RequestBuilder {
        self.call(Method::POST, "/parts").json(wish)
    }

    fn part(&self, first: usize, bytes: &[u8]) -> RequestBuilder {
        self.call(Method::PUT, &format!("/parts/{first}")).body(bytes.to_vec())
    }

    async fn ended(&self) -> Upload {
        until("an output that is joined", async || {
            let now: Upload = good(self.call(Method::GET, "/parts")).await;
            matches!(now.state, UploadState::Done | UploadState::Refused).then_some(now)
        })
        .await
    }

    fn has(&self, name: &str) -> bool {
        self.house.stored_files().iter().any(|file| file.contains(name))
    }

    async fn a_day_later(&self) {
        sqlx::query("update upload set touched_at = touched_at - interval '25 hours'")
            .execute(&self.house.db.pool)
            .await
            .unwrap();
    }
}

async fn good<T: serde::de::DeserializeOwned>(request: RequestBuilder) -> T {
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
    answer.json().await.unwrap()
}

async fn refusal(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json::<Problem>().await.unwrap().code)
}

fn output() -> Vec<u8> {
    (0_u32..300_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn wish(bytes: &[u8]) -> NewUpload {
    NewUpload { size: bytes.len().try_into().unwrap(), sha256: Some(Sha256Hash::of(bytes)) }
}

#[tokio::test]
async fn an_output_in_parts_is_its_agents_and_within_the_limit() {
    let scene = Scene::open().await;
    let output = output();
    let early = refusal(scene.call(Method::GET, "/parts")).await;
    assert_eq!(early, (404, "platform.not_found".into()));
    let large = NewUpload { size: 80 * 1024 * 1024 + 1, sha256: None };
    assert_eq!(refusal(scene.begin(&large)).await, (413, "blob.too_large".into()));
    let none = NewUpload { size: 0, sha256: None };
    assert_eq!(refusal(scene.begin(&none)).await, (422, "jobs.upload_empty".into()));
    let begun: Upload = good(scene.begin(&wish(&output))).await;
    assert_eq!((begun.received, begun.state), (0, UploadState::Open));
    assert_eq!(refusal(scene.begin(&wish(b"other"))).await, (422, "platform.key_reused".into()));

    // Another agent's ticket is no ticket, and neither is one for something else.
    let bob = scene.house.person("bob").await;
    let other = scene.house.enrol(&bob, "other").await;
    let refused = (403, "jobs.ticket_refused".to_owned());
    for (method, below) in [(Method::GET, "/parts"), (Method::PUT, "/parts/0"), (Method::PUT, "")] {
        let call = scene.call(method, below);
        let mut call = call.build().unwrap();
        let key = format!("Bearer {}", other.agent_key);
        call.headers_mut().insert("authorization", key.parse().unwrap());
        let call = RequestBuilder::from_parts(scene.house.http(), call);
        assert_eq!(refusal(call).await, refused, "{below}");
    }
    // To a person it is no upload at all.
    let url = format!("{}/v1/uploads/{}", scene.house.url, begun.id);
    assert_eq!(refusal(scene.house.http().get(url).bearer_auth(&bob.token)).await.0, 404);

    let now: Upload = good(scene.part(0, &output[..500_000])).await;
    assert_eq!(now.received, 500_000);
    let again: Upload = good(scene.begin(&wish(&output))).await;
    assert_eq!((again.id, again.received), (begun.id, 500_000));
    let over = scene.part(500_000, &[&output[500_000..], b"x"].concat());
    assert_eq!(refusal(over).await, (413, "blob.too_large".into()));
    let now: Upload = good(scene.part(500_000, &output[500_000..])).await;
    assert_eq!(now.received, now.size);
    let done = scene.ended().await;
    assert_eq!(done.blob.map(|blob| blob.sha256), Some(Sha256Hash::of(&output)));
    let owned: i64 = sqlx::query_scalar("select count(*) from blob_owner where sha256 = $1")
        .bind(Sha256Hash::of(&output).0.to_vec())
        .fetch_one(&scene.house.db.pool)
        .await
        .unwrap();
    assert_eq!(owned, 0, "nobody owns what was not reported");
}

#[tokio::test]
async fn other_bytes_than_announced_are_refused_and_dropped() {
    let scene = Scene::open().await;
    let (output, announced) = (output(), vec![7; 1_200_000]);
    let _now: Upload = good(scene.begin(&wish(&announced))).await;
    let _now: Upload = good(scene.part(0, &output)).await;
    let refused = scene.ended().await;
    assert_eq!((refused.state, refused.blob), (UploadState::Refused, None));
    until("a store without them", async || (!scene.has("/part/")).then_some(())).await;
    assert!(!scene.has(&Sha256Hash::of(&output).to_string()));
}

#[tokio::test]
async fn what_no_report_names_goes_after_a_day() {
    let scene = Scene::open().await;
    let (output, whole) = (output(), vec![9; 400_000]);
    let _now: Upload = good(scene.begin(&wish(&output))).await;
    let _now: Upload = good(scene.part(0, &output)).await;
    scene.ended().await;
    let stored = scene.call(Method::PUT, "").body(whole.clone()).send().await.unwrap();
    assert_eq!(stored.status(), 201);
    let names = [&output, &whole].map(|bytes| Sha256Hash::of(bytes).to_string());
    assert!(names.iter().all(|name| scene.has(name)));
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(names.iter().all(|name| scene.has(name)), "a report may come");
    scene.a_day_later().await;
    until("a store without them", async || names.iter().all(|name| !scene.has(name)).then_some(()))
        .await;
}
