//! Outsiders check the log: tiles, proofs and receipts over HTTP, and witnesses that remember what
//! the house signed, so that not even who owns its database can show another history.

use std::process::Command;

use medusa_api::{ConsistencyProof, InclusionProof, Problem};
use medusa_tlog::{
    AddCheckpoint, Checkpoint, CosignerKey, Frontier, Hash, Note, Receipt, TileEdge, TreeHead,
    Trust, Verifier, decode_bundle, leaf_hash, verify_consistency, verify_inclusion,
};

use crate::harness::{Folder, House, Person, Process, program, until};

/// A running `medusa-server witness`.
struct Witness {
    process: Process,
    key: CosignerKey,
    url: String,
    listen: String,
    log: Verifier,
    folder: Folder,
}

impl Witness {
    /// One that signs for this log.
    async fn start(log: Verifier) -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = socket.local_addr().unwrap().to_string();
        drop(socket);
        let folder = Folder::new();
        let (process, key) = Self::run(&listen, &log, &folder).await;
        Self { process, key, url: format!("http://{listen}"), listen, log, folder }
    }

    async fn run(listen: &str, log: &Verifier, folder: &Folder) -> (Process, CosignerKey) {
        let mut command = Command::new(program("medusa-server"));
        command
            .args(["witness", "--name", "witness.test/w1", "--exit-with-stdin"])
            .args(["--listen", listen, "--log", &log.to_string()])
            .arg("--data")
            .arg(folder.path())
            .env_remove("DATABASE_URL")
            .env_remove("RUST_LOG");
        let output = folder.path().join("witness.log");
        std::fs::write(&output, "").unwrap();
        let mut process = Process::start("a witness", &mut command, &output);
        let key = until("the key of the witness", async || {
            process.must_live();
            let text = std::fs::read_to_string(&output).unwrap();
            text.lines().find_map(|line| line.parse().ok())
        })
        .await;
        (process, key)
    }

    /// Ends it with SIGKILL and starts it again with the same folder.
    async fn restart(&mut self) {
        self.process.kill9();
        let (process, key) = Self::run(&self.listen, &self.log, &self.folder).await;
        assert_eq!(key, self.key, "it keeps its key");
        self.process = process;
    }

    /// How a server is told of it.
    fn setting(&self) -> String {
        format!("{}={}", self.url, self.key)
    }

    /// Status, media type and body of its answer.
    async fn post(&self, house: &House, body: String) -> (u16, String, String) {
        let request = house.http().post(format!("{}/add-checkpoint", self.url)).body(body);
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    }
}

async fn key_of(house: &House) -> Verifier {
    house.client().audit_head().await.unwrap().verifier_key.parse().unwrap()
}

/// The house, started again with this witness.
async fn witnessed(house: &mut House) -> Witness {
    let witness = Witness::start(key_of(house).await).await;
    house.kill9();
    house.settings.push(("MEDUSA_WITNESSES", witness.setting()));
    house.restart().await;
    witness
}

async fn get(house: &House, path: &str, token: Option<&str>) -> reqwest::Response {
    let mut request = house.http().get(format!("{}{path}", house.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

async fn text(house: &House, path: &str, token: Option<&str>) -> String {
    let answer = get(house, path, token).await;
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.text().await.unwrap()
}

async fn bytes(house: &House, path: &str, token: Option<&str>) -> Vec<u8> {
    let answer = get(house, path, token).await;
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.bytes().await.unwrap().to_vec()
}

async fn json<T: serde::de::DeserializeOwned>(house: &House, path: &str, token: &str) -> T {
    serde_json::from_slice(&bytes(house, path, Some(token)).await).unwrap()
}

async fn problem(house: &House, path: &str, token: Option<&str>) -> Problem {
    serde_json::from_slice(&get(house, path, token).await.bytes().await.unwrap()).unwrap()
}

async fn shown(house: &House) -> Note {
    Note::parse(&text(house, "/log/checkpoint", None).await).unwrap()
}

/// The published checkpoint once the witness has signed one of at least this size.
async fn cosigned(house: &House, trust: &Trust, size: i64) -> Checkpoint {
    until("a cosigned checkpoint", async || {
        let opened = trust.open(&shown(house).await).ok()?;
        (i64::try_from(opened.checkpoint.size).unwrap() >= size).then_some(opened.checkpoint)
    })
    .await
}

fn plain(hashes: &[medusa_types::Sha256Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

async fn consistency(house: &House, from: i64, to: i64) -> ConsistencyProof {
    let path = format!("/v1/audit/consistency?from={from}&to={to}");
    serde_json::from_str(&text(house, &path, None).await).unwrap()
}

fn head(size: i64, root: Hash) -> TreeHead {
    TreeHead { size: size.try_into().unwrap(), root }
}

/// The stored bytes of all events.
async fn bodies(house: &House) -> Vec<Vec<u8>> {
    sqlx::query_scalar("select body from event order by position")
        .fetch_all(&house.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_witness_signs_what_the_log_signs_and_forgets_nothing() {
    let mut house = House::open().await;
    house.person("carla").await;
    let mut witness = witnessed(&mut house).await;
    let log = key_of(&house).await;
    let trust = Trust::new(vec![log], vec![witness.key.clone()], 1).unwrap();
    let size = house.client().audit_head().await.unwrap().size;
    let first = cosigned(&house, &trust, size).await;

    // The log grows; the witness is told by itself, with a proof.
    house.person("olaf").await;
    let size = house.client().audit_head().await.unwrap().size;
    let second = cosigned(&house, &trust, size).await;
    let (from, to) = (first.size.cast_signed(), second.size.cast_signed());
    let proof = consistency(&house, from, to).await;
    assert!(to > from && verify_consistency(&first.head(), &second.head(), &plain(&proof.path)));

    // While it is away the house goes on, and so does its checkpoint after a while.
    witness.process.kill9();
    let person = house.person("paula").await;
    person.client.wallet().await.unwrap();
    let size = house.client().audit_head().await.unwrap().size;
    until("a checkpoint without the witness", async || {
        let checkpoint = shown(&house).await.checkpoint().unwrap();
        (checkpoint.size.cast_signed() >= size).then_some(())
    })
    .await;
    assert!(trust.open(&shown(&house).await).is_err());
    witness.restart().await;
    let third = cosigned(&house, &trust, size).await;

    // It knows where it was, whoever asks.
    let note = shown(&house).await;
    let again = AddCheckpoint { old: 0, proof: Vec::new(), note: note.clone() };
    let known = third.size;
    let (status, kind, body) = witness.post(&house, again.to_string()).await;
    assert_eq!((status, kind.as_str(), body), (409, "text/x.tlog.size", format!("{known}\n")));
    let same = AddCheckpoint { old: known, proof: Vec::new(), note };
    let (status, kind, body) = witness.post(&house, same.to_string()).await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    assert!(body.starts_with("\u{2014} witness.test/w1 ") && body.ends_with('\n'), "{body}");
    for (body, status) in [("", 400), ("old x\n\nnonsense", 400)] {
        assert_eq!(witness.post(&house, body.into()).await.0, status, "{body}");
    }
    let foreign = medusa_tlog::Signer::new("else.test/log", &[1; 32]).sign(1, [0; 32]);
    let foreign = format!("old 0\n\n{foreign}");
    assert_eq!(witness.post(&house, foreign).await.0, 404);
}

/// Rewrites an event and all that follows from it, as who owns the database can.
async fn rewrite_history(house: &House) {
    let mut db = house.db.pool.acquire().await.unwrap();
    for statement in [
        "alter table event disable trigger user",
        "update event set body = convert_to(replace(convert_from(body, 'UTF8'), 'welcome',
             'Welcome'), 'UTF8') where position = (
             select min(position) from event where type = 'billing.credits_granted')",
        "update event set leaf = sha256('\\x00' || body)",
        "delete from cosignature",
        "delete from checkpoint",
        "delete from merkle_tile",
    ] {
        sqlx::query(statement).execute(&mut *db).await.unwrap();
    }
    let mut frontier = Frontier::default();
    bodies(house).await.iter().for_each(|body| frontier.push(leaf_hash(body)));
    let peaks: Vec<Vec<u8>> = frontier.peaks().iter().map(|peak| peak.to_vec()).collect();
    sqlx::query("update log_head set root = $1, frontier = $2")
        .bind(frontier.root().as_slice())
        .bind(peaks)
        .execute(&mut *db)
        .await
        .unwrap();
    for name in ["event_append_only", "event_no_truncate"] {
        let on = format!("alter table event enable always trigger {name}");
        sqlx::query(sqlx::AssertSqlSafe(on)).execute(&mut *db).await.unwrap();
    }
}

#[tokio::test]
async fn a_witness_refuses_a_history_that_its_owner_rewrote() {
    let mut house = House::open().await;
    house.person("carla").await;
    let witness = witnessed(&mut house).await;
    let log = key_of(&house).await;
    let trust = Trust::new(vec![log.clone()], vec![witness.key.clone()], 1).unwrap();
    let size = house.client().audit_head().await.unwrap().size;
    let before = cosigned(&house, &trust, size).await;
    house.kill9();
    rewrite_history(&house).await;
    house.restart().await;
    house.person("olaf").await;

    // The new history is signed, and right in itself; but nobody can show that it goes on from
    // what the witness signed.
    let now = house.client().audit_head().await.unwrap();
    let signed = log.open(&now.checkpoint).unwrap();
    assert!(signed.size > before.size);
    let proof = consistency(&house, before.size.cast_signed(), now.size).await;
    assert_ne!(proof.from_root.0, before.root);
    assert!(!verify_consistency(&before.head(), &signed.head(), &plain(&proof.path)));
    let note = Note::parse(&now.checkpoint).unwrap();
    let request = AddCheckpoint { old: before.size, proof: plain(&proof.path), note };
    let (status, _, body) = witness.post(&house, request.to_string()).await;
    assert_eq!(status, 422, "{body}");
    let earlier = AddCheckpoint { old: 0, proof: Vec::new(), note: request.note };
    assert_eq!(witness.post(&house, earlier.to_string()).await.0, 409);
    until("the refusal in the log of the server", async || {
        house.log().contains("the witness refuses with 422").then_some(())
    })
    .await;
    assert!(trust.open(&shown(&house).await).is_err());
}

#[tokio::test]
async fn a_house_does_not_sign_a_history_that_is_not_its_own() {
    let mut house = House::open().await;
    let carla = house.person("carla").await;
    house.client().audit_head().await.unwrap();
    house.kill9();
    // Somebody rewrites the events, but what was signed stays.
    sqlx::query("create table kept as table checkpoint").execute(&house.db.pool).await.unwrap();
    rewrite_history(&house).await;
    sqlx::query("insert into checkpoint table kept").execute(&house.db.pool).await.unwrap();
    house.restart().await;
    for path in ["/v1/audit/head", "/v1/audit/head"] {
        let problem = problem(&house, path, None).await;
        assert_eq!((problem.status, problem.code.as_str()), (500, "log.history_changed"));
    }
    assert!(house.log().contains("THE LOG IS NOT THE ONE THAT WAS SIGNED BEFORE"));
    // Nothing else waits for it, and what was signed is still shown.
    carla.client.wallet().await.unwrap();
    let checkpoint = shown(&house).await.checkpoint().unwrap();
    let stored: i64 = sqlx::query_scalar("select max(size) from checkpoint")
        .fetch_one(&house.db.pool)
        .await
        .unwrap();
    assert_eq!(checkpoint.size.cast_signed(), stored);
}

/// Lets the log grow to so many events: one for each machine.
async fn grow(house: &House, owner: &Person, events: i64) {
    while house.client().audit_head().await.unwrap().size < events {
        house.enrol(owner, "desk").await;
    }
}

#[tokio::test]
async fn everybody_can_check_the_tree_and_auditors_the_entries() {
    let house = House::open().await;
    let (carla, admin) = (house.person("carla").await, house.admin().await);
    let auditor = house.person_with_role("aude", "auditor").await;
    grow(&house, &carla, 300).await;
    let head = house.client().audit_head().await.unwrap();
    let log = key_of(&house).await;
    let entries = bodies(&house).await;
    let leaves: Vec<Hash> = entries.iter().map(|body| leaf_hash(body)).collect();
    let mut edge = TileEdge::default();
    let size = usize::try_from(head.size).unwrap();
    let mut tiles: Vec<_> = leaves[..size].iter().flat_map(|leaf| edge.push(*leaf)).collect();
    tiles.extend(edge.partials());
    assert_eq!(tiles.len(), 3);
    for tile in &tiles {
        let path = format!("/log/{}", tile.id());
        let answer = get(&house, &path, None).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/octet-stream");
        assert_eq!(header("cache-control").contains("immutable"), tile.id().is_full(), "{path}");
        assert_eq!(header("access-control-allow-origin"), "*");
        assert_eq!(answer.bytes().await.unwrap(), tile.encode(), "{path}");
    }
    let answer = get(&house, "/log/checkpoint", None).await;
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    log.open(&answer.text().await.unwrap()).unwrap();

    // One spelling for each, and nothing beyond the head.
    for path in [
        "tile/0/002",
        "tile/0/001",
        "tile/0/001.p/255",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/%30%300",
        "tile/0/000/",
        "tile//000",
        "tile/8/000.p/1",
        "tile/x/000",
        "tile/",
        "tile/0/000.p/01",
        "tile/0/-01",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ] {
        let problem = problem(&house, &format!("/log/{path}"), None).await;
        assert_eq!((problem.status, problem.code.as_str()), (404, "platform.not_found"), "{path}");
        assert!(problem.detail.len() > 20, "{path}: {}", problem.detail);
    }
    let beyond = problem(&house, "/log/tile/0/001", None).await;
    assert!(beyond.detail.contains("events"), "{}", beyond.detail);

    // Entries hold ids and amounts.
    let path = "/log/tile/entries/000";
    for (token, status) in [
        (None, 401),
        (Some(carla.token.as_str()), 403),
        (Some(admin.token.as_str()), 200),
        (Some(auditor.token.as_str()), 200),
    ] {
        assert_eq!(get(&house, path, token).await.status().as_u16(), status);
    }
    let bundle = bytes(&house, path, Some(&auditor.token)).await;
    let found: Vec<_> = decode_bundle(&bundle).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    assert_eq!(found, entries[..256]);
    let part = bytes(&house, "/log/tile/entries/001.p/9", Some(&admin.token)).await;
    assert_eq!(decode_bundle(&part).unwrap(), entries[256..265]);
    let beyond = problem(&house, "/log/tile/entries/009", Some(&admin.token)).await;
    assert_eq!(beyond.status, 404);
}

#[tokio::test]
async fn proofs_and_receipts_hold_without_the_house() {
    let house = House::open().await;
    let (carla, olaf) = (house.person("carla").await, house.person("olaf").await);
    let (admin, log) = (house.admin().await, key_of(&house).await);
    let now = house.client().audit_head().await.unwrap();
    let leaves: Vec<Hash> = bodies(&house).await.iter().map(|body| leaf_hash(body)).collect();
    let root = |size: usize| {
        let mut frontier = Frontier::default();
        leaves[..size].iter().for_each(|leaf| frontier.push(*leaf));
        frontier.root()
    };
    for size in 1..=now.size {
        let path = format!("/v1/audit/proof/1?size={size}");
        let proof: InclusionProof = json(&house, &path, &admin.token).await;
        let (tree, path) = (head(size, root(size.try_into().unwrap())), plain(&proof.path));
        assert_eq!((proof.size, proof.root.0), (size, tree.root));
        assert!(verify_inclusion(leaves[0], 0, tree.size, &path, &tree.root), "{size}");
        let proof = consistency(&house, size, now.size).await;
        let path = plain(&proof.path);
        assert!(verify_consistency(&tree, &head(now.size, now.root.0), &path), "{size}");
    }
    for (query, detail) in [("from=0&to=1", "between 1"), ("from=3&to=2", "between 3")] {
        let path = format!("/v1/audit/consistency?{query}");
        let problem = problem(&house, &path, None).await;
        assert_eq!((problem.status, problem.code.as_str()), (400, "platform.query_refused"));
        assert!(problem.detail.contains(detail), "{}", problem.detail);
    }

    // The gift to Carla: she has its receipt, Olaf has not.
    let line = &carla.client.statement(1, None).await.unwrap().items[0];
    let path = format!("/v1/audit/receipt/{}", line.position);
    let receipt = text(&house, &path, Some(&carla.token)).await;
    let trust = Trust::new(vec![log], Vec::new(), 0).unwrap();
    let leaf = leaves[usize::try_from(line.position).unwrap() - 1];
    let opened = Receipt::parse(&receipt).unwrap().verify(leaf, &trust).unwrap();
    assert!(opened.checkpoint.size.cast_signed() >= line.position);
    assert!(Receipt::parse(&receipt).unwrap().verify(leaves[0], &trust).is_err());
    assert_eq!(get(&house, &path, Some(&olaf.token)).await.status().as_u16(), 404);
    assert_eq!(get(&house, &path, None).await.status().as_u16(), 401);
}
