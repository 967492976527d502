//! What `medusa session` says, and what it refuses before anything is held.

use medusa_api::{BlobInfo, Program, Session, SessionRequest, SessionState};
use medusa_types::{Credits, ProgramId, SessionId, Sha256Hash, Timestamp, Uuid};

use super::{Server, json, problem};

const SESSION: SessionId = SessionId(Uuid::from_u128(9));

fn session(state: SessionState) -> Session {
    Session {
        id: SESSION,
        name: "digits".into(),
        state,
        code: (state == SessionState::Failed).then(|| "sessions.guest".into()),
        shards: 2,
        spares: 1,
        rounds: 200,
        held: Credits::from_micros(5_000_000),
        spent: Credits::from_micros(1_500_000),
        per_gfuel: Credits::from_micros(1_000),
        per_start: Credits::from_micros(10_000),
        opened_at: Timestamp::from_micros(0),
        ended_at: None,
        home: None,
    }
}

#[test]
fn sessions_are_a_table_and_one_is_shown() {
    let failed = session(SessionState::Failed);
    let one = "GET /v1/sessions/ses_00000000000000000000000000000009";
    let list = vec![failed.clone(), session(SessionState::Open)];
    let server =
        Server::new(vec![(one, 200, json(&failed)), ("GET /v1/sessions", 200, json(&list))]);
    let (exit, stdout, stderr) = server.run("session ls");
    assert_eq!(exit, 0, "{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].starts_with("SESSION") && lines[0].ends_with("NAME"), "{stdout}");
    assert!(lines[1].contains("failed: sessions.guest  2       200     1.50"), "{stdout}");
    assert!(lines[2].contains("open"), "{stdout}");
    let (_, shown, _) = server.run(&format!("session show {SESSION}"));
    for part in ["1.50 spent of 5.00 held", "2, and 1 spare", "failed: sessions.guest"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let (_, shown, _) = server.run(&format!("task show {SESSION} --json"));
    assert_eq!(serde_json::from_str::<Session>(&shown).unwrap(), failed);
    assert_eq!(Server::new(Vec::new()).run("session ls").0, 6, "there is no such route");
}

#[test]
fn what_is_wrong_here_is_found_before_the_server_is_asked() {
    let server = Server::new(Vec::new());
    let fits = "session run a.wasm --budget 1 -i x --split by=bytes,bytes=8";
    for (line, words) in [
        ("session run a.wasm --split by=range,from=0,to=2,step=1", "--budget"),
        ("session run a.wasm --budget 1 -i x", "how to cut"),
        ("session run a.wasm --budget 1 --split by=bytes,bytes=8", "give --input"),
        ("session run a.wasm --budget 1 -i x --split by=range,from=0,to=2,step=1", "leave out"),
        (&format!("{fits} --reduce none"), "sum, mean, weighted-mean, min, max, concat"),
        (&format!("{fits} --number f16"), "f64, f32 or i64"),
        (&format!("{fits} --rounds 0"), "--rounds"),
        (&format!("{fits} --feedback -0.1 --carry"), "cannot be used with"),
        (&format!("{fits} --feedback -0.1 --number f32"), "adds f64"),
        (&format!("{fits} --feedback inf"), "is a number"),
        (&format!("{fits} --out - --json"), "standard output"),
        (&format!("{} --in -", fits.replace("-i x", "-i -")), "standard input"),
    ] {
        let (exit, stdout, stderr) = server.run(line);
        assert_eq!((exit, stdout.as_str()), (2, ""), "{line}: {stderr}");
        assert!(stderr.contains(words), "{line}: {stderr}");
    }
    let (exit, _, stderr) = server.run(&format!("{fits} --in missing"));
    assert_eq!(exit, 1);
    assert!(stderr.contains("could not read missing"), "{stderr}");
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[test]
fn a_hold_beyond_the_wallet_opens_no_session() {
    let blob = BlobInfo { sha256: Sha256Hash::of(b"the bytes"), size: 9 };
    let program = Program {
        id: ProgramId(Uuid::from_u128(3)),
        name: "a".into(),
        sha256: blob.sha256,
        size: blob.size,
        script: None,
        created_at: Timestamp::from_micros(0),
    };
    let server = Server::new(vec![
        ("POST /v1/blobs", 201, json(&blob)),
        ("POST /v1/programs", 201, json(&program)),
        ("POST /v1/sessions", 402, problem(402, "billing.credits_short")),
    ]);
    for name in ["a.wasm", "x"] {
        std::fs::write(server.config.join(name), "the bytes").unwrap();
    }
    let line = "session run a.wasm --budget 5 -i x --split by=bytes,bytes=3 --spares 1 --arg -v";
    let (exit, stdout, stderr) = server.run(line);
    assert_eq!((exit, stdout.as_str()), (7, ""), "{stderr}");
    let asked = server.asked().pop().unwrap();
    assert!(asked.contains("idempotency-key: op_"), "{asked}");
    let body = asked.split("\r\n\r\n").last().unwrap();
    let request: SessionRequest = serde_json::from_str(body).unwrap();
    assert_eq!((request.spares, request.spec.args), (1, vec!["-v".to_owned()]));
    assert_eq!((request.budget, request.input), ("5".parse().unwrap(), Some(blob.sha256)));
}
