//! A log asks a witness that answers in every way that a witness can.

use medusa_eventlog::{Append, EventLog, LogConfig, NewEvent};
use medusa_events::Fact;
use medusa_platform::Clock;
use medusa_testkit::TestDb;
use medusa_tlog::{Cosigner, Signer, UnixSeconds};
use medusa_types::{Credits, UserId, Uuid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const LONG: usize = ANSWER_BYTES_MAX + 1;

struct World {
    log: EventLog,
    auditor: Auditor,
    asker: Asker,
    listener: TcpListener,
    _db: TestDb,
}

fn witness() -> Cosigner {
    Cosigner::new("witness.test/w1", &[1; 32])
}

async fn world() -> World {
    medusa_client::install_crypto();
    let db = TestDb::new().await.unwrap();
    let config = LogConfig { pool: db.pool.clone(), clock: Clock::system() };
    let log = medusa_eventlog::start(config, CancellationToken::new()).await.unwrap();
    let signer = Signer::new("medusa.test/log", &[3; 32]);
    let auditor = Auditor::new(db.pool.clone(), signer, Clock::system());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = format!("{url}={}", witness().key()).parse().unwrap();
    let asker = Asker::new(auditor.clone(), address).unwrap();
    World { log, auditor, asker, listener, _db: db }
}

impl World {
    async fn grow(&self, events: u128) {
        let event = |n| {
            let user = UserId(Uuid::from_u128(n));
            let fact = Fact::CreditsGranted { user, amount: Credits::ZERO, why: "test".into() };
            NewEvent::new(format!("account-{user}"), fact)
        };
        let events = (0..events).map(event).collect();
        self.log.append(Append { operation: None, events }).await.unwrap();
        self.auditor.head().await.unwrap();
    }

    /// Answers this many requests; what was asked.
    async fn play(&self, answers: &[Scripted]) -> Vec<AddCheckpoint> {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut socket, _) = self.listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let body = loop {
                socket.read_buf(&mut bytes).await.unwrap();
                let text = str::from_utf8(&bytes).unwrap();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() == length.unwrap().parse::<usize>().unwrap() {
                    assert!(head.starts_with("POST /add-checkpoint HTTP/1.1\r\n"), "{head}");
                    break body.to_owned();
                }
            };
            let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
            if let Some((status, kind, body)) = answer.of(&request) {
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                // Whoever has read enough hangs up.
                socket.write_all(head.as_bytes()).await.ok();
                socket.write_all(body.as_bytes()).await.ok();
            }
            asked.push(request);
        }
        asked
    }

    /// What comes of asking a witness that answers so, and what it was asked.
    async fn ask(&self, answers: &[Scripted]) -> (Result<(), Trouble>, Vec<AddCheckpoint>) {
        tokio::join!(self.asker.ask(), self.play(answers))
    }
}

/// One answer of the witness.
enum Scripted {
    Signs(Box<Cosigner>),
    Knows(&'static str),
    Says(u16, &'static str, String),
    HangsUp,
}

use Scripted::{HangsUp, Knows, Says, Signs};

impl Scripted {
    fn of(&self, request: &AddCheckpoint) -> Option<(u16, &str, String)> {
        match self {
            Signs(by) => {
                let line = by.cosign(&request.note, UnixSeconds::new(9).unwrap()).unwrap();
                Some((200, "text/plain", format!("{line}\n")))
            }
            Knows(size) => Some((409, SIZE_TYPE, format!("{size}\n"))),
            Says(status, kind, body) => Some((*status, kind, body.clone())),
            HangsUp => None,
        }
    }
}

#[tokio::test]
async fn whatever_a_witness_answers_has_a_bound_and_a_word() {
    let w = world().await;
    w.grow(20).await;
    let says = |status, kind, text: &str| Says(status, kind, text.to_owned());
    let rows = [
        (vec![HangsUp], "does not answer"),
        (vec![says(500, "text/plain", "no\ndisk")], "refuses with 500: no disk"),
        (vec![says(422, "text/plain", "two histories")], "refuses with 422: two histories"),
        (vec![says(301, "text/plain", "")], "refuses with 301"),
        (vec![says(409, "text/plain", "3\n")], "refuses with 409"),
        (vec![Knows("x")], "refuses with 409: x"),
        (vec![Knows("-1")], "refuses with 409: -1"),
        (vec![Knows("21")], "has signed for 21 events, but this log has 20"),
        (vec![Knows("3"), Knows("4"), Knows("3")], "another size each time"),
        (vec![Says(200, "text/plain", "x".repeat(LONG))], "longer than"),
        (vec![Says(500, "text/plain", "x".repeat(LONG))], "longer than"),
        (vec![says(200, "text/plain", "thanks")], "not its cosignature"),
        (vec![says(200, "text/plain", "")], "not its cosignature"),
        (vec![Signs(Box::new(Cosigner::new("witness.test/w1", &[2; 32])))], "not its cosignature"),
        (vec![Signs(Box::new(Cosigner::new("witness.test/w2", &[1; 32])))], "not its cosignature"),
    ];
    for (answers, words) in rows {
        let (result, asked) = w.ask(&answers).await;
        let trouble = result.unwrap_err().to_string();
        assert!(trouble.contains(words) && trouble.len() < 400, "{words}: {trouble}");
        assert_eq!(asked.len(), answers.len());
        assert_eq!(w.auditor.cosigned_size("witness.test/w1").await.unwrap(), 0, "{words}");
    }
}

#[tokio::test]
async fn a_witness_is_asked_from_where_it_is() {
    let w = world().await;
    assert!(w.asker.ask().await.is_ok(), "of nothing, nobody is asked");
    w.grow(20).await;
    // It had signed for 3 in an earlier life of ours.
    let (result, asked) = w.ask(&[Knows("3"), Signs(Box::new(witness()))]).await;
    result.unwrap();
    let olds: Vec<_> = asked.iter().map(|request| (request.old, request.proof.len())).collect();
    assert!(matches!(olds[..], [(0, 0), (3, 1..)]), "{olds:?}");
    assert_eq!(w.auditor.cosigned_size("witness.test/w1").await.unwrap(), 20);
    assert!(w.asker.ask().await.is_ok(), "what is signed is not asked for again");
    w.grow(7).await;
    let (result, asked) = w.ask(&[Signs(Box::new(witness()))]).await;
    result.unwrap();
    assert_eq!((asked[0].old, asked[0].note.checkpoint().unwrap().size), (20, 27));
}
