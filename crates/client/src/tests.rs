//! The client against a server that answers from a script, over real sockets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use medusa_api::{JobSubmit, LiveEvent, Login, ResultFile};
use medusa_types::{JobId, Sha256Hash, Timestamp, Uuid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{Client, ClientError, Session, TokenStore, Topic, no_progress, now, operation_id};

/// A server that gives each connection the next answer, closes it, and keeps what it was asked.
struct Script {
    client: Client,
    served: JoinSet<Vec<String>>,
}

impl Script {
    async fn new(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = answers.to_vec();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                asked.push(request(&mut socket).await);
                socket.write_all(answer.as_bytes()).await.unwrap();
                socket.shutdown().await.unwrap();
            }
            asked
        });
        let client = Client::new(&format!("http://{address}"), Some("old".into())).unwrap();
        Self { client, served }
    }

    /// The requests, once every answer has been given.
    async fn asked(mut self) -> Vec<String> {
        self.served.join_next().await.unwrap().unwrap()
    }
}

async fn request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1);
            let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let mut part = [0; 4096];
        let n = socket.read(&mut part).await.unwrap();
        assert!(n > 0, "the client hung up in {text:?}");
        bytes.extend_from_slice(&part[..n]);
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn busy() -> String {
    answer("503 Service Unavailable", "retry-after: 0\r\n", "")
}

fn problem(status: u16, code: &str) -> String {
    let body = format!(
        r#"{{"type":"/docs/errors/{code}","title":"t","status":{status},"detail":"d","code":"{code}"}}"#
    );
    answer(&format!("{status} No"), "content-type: application/problem+json\r\n", &body)
}

const WALLET: &str = r#"{"available":"5.00","held":"0.00","paid":"0.00","ad":"0.00",
    "promo":"5.00","earned_pending":"0.00","earned":"0.00","position":3}"#;

const TOKENS: &str =
    r#"{"access_token":"new","token_type":"Bearer","expires_in":600,"refresh_token":"r2"}"#;

/// A folder of its own for a test, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("medusa-client-{}", operation_id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn file(&self) -> PathBuf {
        self.0.join("out.csv")
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[tokio::test]
async fn a_read_is_repeated_after_a_busy_answer_and_a_cut() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".to_owned();
    let script = Script::new(&[busy(), cut, String::new(), ok(WALLET)]).await;
    assert_eq!(script.client.wallet().await.unwrap().position, 3);
    assert_eq!(script.asked().await.len(), 4);
}

#[tokio::test]
async fn a_write_without_a_key_is_sent_once() {
    let script = Script::new(&[busy()]).await;
    let login = Login { email: "a@example.com".into(), password: "secret".into() };
    let error = script.client.login(&login).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    let asked = script.asked().await;
    assert!(!asked[0].contains("authorization"), "{}", asked[0]);
}

#[tokio::test]
async fn a_repeated_submit_keeps_its_key() {
    let script = Script::new(&[String::new(), problem(402, "billing.credits_short")]).await;
    let key = operation_id();
    let error = script.client.submit_job(&JobSubmit::of("q".into()), key).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(402), Some("billing.credits_short")));
    for request in script.asked().await {
        assert!(request.contains(&format!("idempotency-key: {key}\r\n")), "{request}");
        assert!(request.contains("authorization: bearer old\r\n"), "{request}");
    }
}

#[tokio::test]
async fn the_operator_is_told_of_a_refusal() {
    let script = Script::new(&[answer("204 No Content", "", ""), problem(404, "x.y")]).await;
    let url = script.client.base_url().to_owned();
    let post = || crate::post_as_operator(&url, "/v1/operator/roles", "key", &"body");
    assert_eq!(post().await.unwrap(), None);
    assert_eq!(post().await.unwrap().map(|problem| problem.status), Some(404));
    let asked = script.asked().await;
    assert!(asked[0].starts_with("post /v1/operator/roles http"), "{}", asked[0]);
    assert!(asked[0].contains("authorization: bearer key\r\n"), "{}", asked[0]);
}

#[tokio::test]
async fn a_long_retry_after_is_left_to_the_caller() {
    let later = answer("429 Too Many", "retry-after: 3600\r\n", "");
    let script = Script::new(&[later]).await;
    let error = script.client.tariff().await.unwrap_err();
    assert_eq!(error.problem().unwrap().retry_after, Some(3600));
    assert_eq!(error.code(), Some("client.foreign_answer"));
}

#[tokio::test]
async fn a_silent_server_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&url, None).unwrap().with_deadline(Duration::from_millis(50));
    assert!(matches!(client.healthy().await, Err(ClientError::Deadline(_))));
}

#[tokio::test]
async fn nobody_there_is_said_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, None).unwrap().with_retries(0);
    let error = client.healthy().await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not reach {url}"));
    for bad in ["", "medusa", "ftp://x", "file:///x"] {
        assert!(matches!(Client::new(bad, None), Err(ClientError::Address { .. })), "{bad}");
    }
}

#[tokio::test]
async fn an_upload_carries_its_digest_and_checks_the_servers() {
    let good = Sha256Hash::of(b"abc");
    let right = format!(r#"{{"sha256":"{good}","size":3}}"#);
    let wrong = format!(r#"{{"sha256":"{}","size":3}}"#, Sha256Hash::of(b"abd"));
    let script = Script::new(&[busy(), ok(&right), ok(&wrong)]).await;
    let scratch = Scratch::new();
    let path = scratch.file();
    std::fs::write(&path, "abc").unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let seen = Arc::clone(&seen);
        Arc::new(move |done, total| seen.lock().unwrap().push((done, total)))
    };
    let info = script.client.upload_file(&path, progress).await.unwrap();
    assert_eq!((info.sha256, info.size), (good, 3));
    assert_eq!(*seen.lock().unwrap(), [(3, 3), (3, 3)]);
    let error = script.client.upload_bytes("abc".into()).await.unwrap_err();
    assert!(matches!(error, ClientError::Digest { expected, .. } if expected == good));
    for request in script.asked().await {
        assert!(request.contains("content-length: 3\r\n"), "{request}");
        // The digest in base64, in lower case as the script keeps it.
        let digest = "content-digest: sha-256=:ungwv48bz+pbqudexa4ii7adyaowf3qctbd/yfiafa0=:\r\n";
        assert!(request.contains(digest), "{request}");
        assert!(!request.contains("transfer-encoding"), "{request}");
        assert!(request.ends_with("abc"), "{request}");
    }
}

fn result_file(content: &str) -> ResultFile {
    ResultFile {
        name: "out.csv".into(),
        sha256: Sha256Hash::of(content.as_bytes()),
        size: u64::try_from(content.len()).unwrap(),
        media_type: "text/csv".into(),
    }
}

const JOB: JobId = JobId(Uuid::from_u128(7));

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke_off() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123".to_owned();
    let rest = answer("206 Partial Content", "content-range: bytes 4-9/10\r\n", "456789");
    let script = Script::new(&[cut, rest]).await;
    let scratch = Scratch::new();
    let to = scratch.file();
    let file = result_file("0123456789");
    script.client.download_result(JOB, &file, &to, no_progress()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "0123456789");
    assert_eq!(scratch.files(), 1, "the part is gone");
    let asked = script.asked().await;
    assert!(asked[0].starts_with(&format!("get /v1/jobs/{JOB}/results/out.csv http")));
    assert!(asked[1].contains("range: bytes=4-\r\n"), "{}", asked[1]);
    assert!(asked[1].contains(&format!("if-range: \"{}\"\r\n", file.sha256)), "{}", asked[1]);
}

#[tokio::test]
async fn a_server_without_ranges_sends_everything_again() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123".to_owned();
    let script = Script::new(&[cut, ok("0123456789")]).await;
    let scratch = Scratch::new();
    let to = scratch.file();
    let file = result_file("0123456789");
    script.client.download_result(JOB, &file, &to, no_progress()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "0123456789");
}

#[tokio::test]
async fn wrong_bytes_never_become_the_file() {
    let script = Script::new(&[ok("0123456780")]).await;
    let scratch = Scratch::new();
    let to = scratch.file();
    let file = result_file("0123456789");
    let error = script.client.download_result(JOB, &file, &to, no_progress()).await.unwrap_err();
    assert!(matches!(error, ClientError::Digest { .. }), "{error}");
    assert_eq!(scratch.files(), 0);
}

#[tokio::test]
async fn a_bad_part_of_an_earlier_run_is_dropped() {
    let rest = answer("206 Partial Content", "content-range: bytes 4-9/10\r\n", "456789");
    let script = Script::new(&[rest, ok("0123456789")]).await;
    let scratch = Scratch::new();
    let to = scratch.file();
    let file = result_file("0123456789");
    let digest: String = file.sha256.to_string().chars().take(12).collect();
    let part = to.with_file_name(format!("out.csv.{digest}.part"));
    std::fs::write(part, "xxxx").unwrap();
    script.client.download_result(JOB, &file, &to, no_progress()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "0123456789");
}

#[tokio::test]
async fn a_cut_stream_resumes_after_its_last_event() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let wallet = WALLET.replace('\n', "").replacen('{', r#"{"type":"wallet","#, 1);
    let first = format!("{head}: beat\n\nid: 41\nevent: wallet\ndata: {wallet}\n\nevent: wal");
    let second =
        format!("{head}event: newer\ndata: ?\n\nid: 42\nevent: wallet\ndata: {wallet}\n\n");
    let script = Script::new(&[first, busy(), second]).await;
    let events = script.client.stream(&[Topic::Job(JOB), Topic::Wallet]).take(2);
    let events: Vec<_> = events.map(Result::unwrap).collect().await;
    assert!(events.iter().all(|e| matches!(e, LiveEvent::Wallet(w) if w.position == 3)));
    assert_eq!(events.len(), 2);
    let asked = script.asked().await;
    let topics = format!("get /v1/streams?topics=job%3a{JOB}%2cwallet http");
    assert!(asked[0].starts_with(&topics), "{}", asked[0]);
    assert!(!asked[0].contains("last-event-id"), "{}", asked[0]);
    assert!(asked[2].contains("last-event-id: 41\r\n"), "{}", asked[2]);
}

#[tokio::test]
async fn a_refused_stream_ends_with_the_refusal() {
    let script = Script::new(&[problem(404, "jobs.not_found")]).await;
    let events: Vec<_> = script.client.stream(&[Topic::Job(JOB)]).collect().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].as_ref().unwrap_err().code(), Some("jobs.not_found"));
}

#[derive(Default)]
struct Memory(Mutex<Option<Session>>);

impl TokenStore for Memory {
    fn load(&self) -> Option<Session> {
        self.0.lock().unwrap().clone()
    }

    fn save(&self, session: &Session) {
        *self.0.lock().unwrap() = Some(session.clone());
    }
}

fn session(access: &str, seconds: i64) -> Session {
    Session {
        access_token: access.into(),
        refresh_token: Some("r1".into()),
        expires_at: Some(now().plus_ms(seconds * 1_000)),
    }
}

#[tokio::test]
async fn an_ending_token_is_refreshed_and_stored() {
    let script = Script::new(&[ok(TOKENS), ok(WALLET)]).await;
    let store = Arc::new(Memory(Mutex::new(Some(session("old", 5)))));
    let client = script.client.clone().with_store(store.clone());
    client.wallet().await.unwrap();
    let stored = store.load().unwrap();
    assert_eq!(
        (stored.access_token.as_str(), stored.refresh_token.as_deref()),
        ("new", Some("r2"))
    );
    assert!(stored.expires_at.is_some_and(|end| end > Timestamp::plus_ms(now(), 500_000)));
    let asked = script.asked().await;
    assert!(asked[0].contains(r#"{"refresh_token":"r1"}"#), "{}", asked[0]);
    assert!(asked[1].contains("authorization: bearer new\r\n"), "{}", asked[1]);
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once() {
    let refused = problem(401, "accounts.token_invalid");
    let script = Script::new(&[refused.clone(), ok(TOKENS), refused]).await;
    let store = Arc::new(Memory(Mutex::new(Some(session("old", 600)))));
    let client = script.client.clone().with_store(store);
    assert_eq!(client.wallet().await.unwrap_err().status(), Some(401));
    assert_eq!(script.asked().await.len(), 3);
}

#[tokio::test]
async fn a_refresh_by_another_program_is_taken_over() {
    let script = Script::new(&[ok(WALLET)]).await;
    let store = Arc::new(Memory(Mutex::new(Some(session("old", 5)))));
    let client = script.client.clone().with_store(store.clone());
    store.save(&session("other", 600));
    client.wallet().await.unwrap();
    assert!(script.asked().await[0].contains("authorization: bearer other\r\n"));
}

/// A store whose turn comes only after another program has refreshed.
struct Raced(Memory);

impl TokenStore for Raced {
    fn load(&self) -> Option<Session> {
        self.0.load()
    }

    fn save(&self, session: &Session) {
        self.0.save(session);
    }

    fn turn(&self) -> Box<dyn Send> {
        self.save(&session("other", 600));
        Box::new(())
    }
}

#[tokio::test]
async fn a_refresh_token_is_not_used_after_another_program_has_used_it() {
    let script = Script::new(&[ok(WALLET)]).await;
    let store = Arc::new(Raced(Memory(Mutex::new(Some(session("old", 5))))));
    let client = script.client.clone().with_store(store);
    client.wallet().await.unwrap();
    assert!(script.asked().await[0].contains("authorization: bearer other\r\n"));
}

#[tokio::test]
async fn routes_of_the_audit_ask_for_what_they_are_told() {
    let missing = || problem(404, "platform.not_found");
    let script = Script::new(&vec![missing(); 6]).await;
    let client = &script.client;
    let id: medusa_types::AdjustmentId = "adj_00000000000000000000000000000007".parse().unwrap();
    let as_of = medusa_api::AsOf { position: Some(7), at: None };
    let filter = medusa_api::EventFilter {
        stream: Some("job-job_1 &x".into()),
        from: Some(3),
        order: medusa_api::EventOrder::Oldest,
        ..medusa_api::EventFilter::default()
    };
    let missed = [
        client.log_tile("tile/0/x001/x234/067.p/5").await.is_err(),
        client.audit_consistency(3, None).await.is_err(),
        client.trial_balance_at(&as_of).await.is_err(),
        client.account("bank:a/b").await.is_err(),
        client.events(&filter).await.is_err(),
        client.approve_adjustment(id, operation_id()).await.is_err(),
    ];
    assert!(missed.iter().all(|missed| *missed));
    let asked = script.asked().await;
    let lines: Vec<&str> = asked.iter().map(|asked| asked.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "get /log/tile/0/x001/x234/067.p/5 http/1.1",
            "get /v1/audit/consistency?from=3 http/1.1",
            "get /v1/admin/trial-balance?position=7 http/1.1",
            "get /v1/admin/accounts/bank:a%2fb http/1.1",
            "get /v1/admin/events?from=3&order=oldest&stream=job-job_1+%26x http/1.1",
            "post /v1/admin/adjustments/adj_00000000000000000000000000000007/approve http/1.1",
        ]
    );
    assert!(asked[5].contains("idempotency-key: "), "{}", asked[5]);
}
