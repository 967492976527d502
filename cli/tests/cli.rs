//! The program itself against a server that answers from a table: what it prints where, and the
//! exit status of every kind of ending.
#![cfg(test)]

#[path = "cli/agents.rs"]
mod agents;
#[path = "cli/orders.rs"]
mod orders;
#[path = "cli/session.rs"]
mod session;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use medusa_api::{
    Breakdown, Cost, Counts, Job, JobLive, JobPage, JobSpec, JobState, LiveEvent, MergePreview,
    PauseWhy, Quote, ResultFile, Size, Split, SplitPreview, TimeRange,
};
use medusa_client::operation_id;
use medusa_types::{Credits, Fuel, JobId, ProgramId, Sha256Hash, Timestamp, UserId, Uuid};
use serde::Serialize;

const JOB: JobId = JobId(Uuid::from_u128(7));

/// Answers each request with the first row whose start fits `METHOD /path?query`.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    config: PathBuf,
}

type Row = (&'static str, u16, String);

impl Server {
    fn new(rows: Vec<Row>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                answer(socket.unwrap(), &rows, &log);
            }
        });
        let config = std::env::temp_dir().join(format!("medusa-cli-{}", operation_id()));
        std::fs::create_dir_all(&config).unwrap();
        Self { url, asked, config }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medusa"));
        command
            .args(line.split_whitespace())
            .env("MEDUSA_URL", &self.url)
            .env("MEDUSA_TOKEN", "token")
            .env("MEDUSA_CONFIG", &self.config)
            .env_remove("MEDUSA_VERIFIER_KEY")
            .current_dir(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Exit status, standard output and standard error of one command.
    fn run(&self, line: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.config).unwrap();
    }
}

fn answer(mut socket: TcpStream, rows: &[Row], asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head).unwrap() > 2 {
        let last = head.lines().last().unwrap().to_lowercase();
        if let Some(n) = last.strip_prefix("content-length: ") {
            length = n.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.lock().unwrap().push(format!("{head}{}", String::from_utf8_lossy(&body)));
    let (status, body) = rows
        .iter()
        .find(|(start, _, _)| head.starts_with(start))
        .map_or((404, problem(404, "http.no_route")), |(_, status, body)| (*status, body.clone()));
    let live = head.starts_with("GET /v1/streams");
    let length = if live { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{length}\r\n");
    // A client that has hung up is part of some tests.
    drop(socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes())));
    if live && !body.contains(r#""state":"done""#) && !body.contains(r#""state":"failed""#) {
        // A running job's stream stays open until the client goes.
        drop(socket.read(&mut [0]));
    }
}

fn problem(status: u16, code: &str) -> String {
    json(&medusa_api::Problem::new(status, code, "title", "it cannot be done"))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

fn job(state: JobState) -> Job {
    let content = "a,b\n1,2\n";
    let result = ResultFile {
        name: "out.csv".into(),
        sha256: Sha256Hash::of(content.as_bytes()),
        size: 8,
        media_type: "text/csv".into(),
    };
    Job {
        id: JOB,
        owner: UserId(Uuid::from_u128(1)),
        program_name: "cells".into(),
        program: Sha256Hash::of(b"program"),
        input: None,
        spec: JobSpec {
            name: "Cells".into(),
            args: Vec::new(),
            split: Split::Range { from: 0, to: 4, step: Size::Count(1) },
            merge: Vec::new(),
            copies: 2,
            memory_mib: 0,
            strict: false,
            keep_going: false,
            priority: medusa_api::Priority::Standard,
            merge_by: None,
            script: None,
        },
        state,
        paused: (state == JobState::Paused).then_some(PauseWhy::HoldSpent),
        reason: (state == JobState::Failed).then(|| "chunk 3 crashed".into()),
        waiting: None,
        counts: Counts { total: 4, verified: 4, ..Counts::default() },
        cost: Cost { held: credits("2"), spent: credits("1.5"), ..Cost::default() },
        created_at: Timestamp::from_micros(0),
        finished_at: None,
        results: if state == JobState::Done { vec![result] } else { Vec::new() },
        kept_until: None,
        files_deleted: None,
        position: 9,
    }
}

fn live(state: JobState) -> String {
    let job = job(state);
    let live = JobLive {
        job: JOB,
        position: 9,
        at: Timestamp::from_micros(0),
        state,
        paused: job.paused,
        counts: job.counts,
        cost: job.cost,
        cells: "2222".into(),
        note: None,
    };
    format!("id: 9\nevent: snapshot\ndata: {}\n\n", json(&LiveEvent::Snapshot(live)))
}

fn job_rows(state: JobState) -> Vec<Row> {
    vec![
        ("GET /v1/jobs/job_00000000000000000000000000000007/results/", 200, "a,b\n1,2\n".into()),
        ("GET /v1/jobs/job_00000000000000000000000000000007", 200, json(&job(state))),
        ("GET /v1/streams", 200, live(state)),
    ]
}

fn submit_rows() -> Vec<Row> {
    let quote = Quote {
        id: "q1".into(),
        split: SplitPreview {
            chunks: 4,
            bytes: 8_000,
            largest: 3_000,
            in_words: "4 ranges".into(),
        },
        low: credits("1"),
        likely: credits("1.5"),
        hold: credits("2"),
        verification: credits("0.7"),
        fee: credits("0.1"),
        tariff: medusa_api::Tariff::usual(),
        sample_fuel: Fuel(5),
        sample_output: 7,
        sample_stderr: String::new(),
        breakdown: Breakdown {
            compute: credits("0.5"),
            memory: credits("0.07"),
            transfer: credits("0.03"),
            start: credits("0.1"),
            verification: credits("0.7"),
            fee: credits("0.1"),
        },
        twice_ppm: 34_000,
        merging: Some(MergePreview { nodes: 7, sample_fuel: Fuel(1), sample_bytes: 2 }),
        time: Some(TimeRange { low: 70, high: 280 }),
        agents: 2,
        expires_at: Timestamp::from_micros(0),
    };
    let example = medusa_api::Example {
        id: "pi".into(),
        about: "Counts.".into(),
        program: ProgramId(Uuid::from_u128(3)),
        input: None,
        spec: job(JobState::Running).spec,
    };
    let mut rows = vec![
        ("GET /v1/examples", 200, json(&[example])),
        ("POST /v1/quotes", 201, json(&quote)),
        ("POST /v1/jobs", 201, json(&job(JobState::Running))),
    ];
    rows.extend(job_rows(JobState::Done));
    rows
}

#[test]
fn each_refusal_has_its_exit_status_and_says_why() {
    for (status, code, exit) in [
        (401, "accounts.token_invalid", 5),
        (403, "http.forbidden", 5),
        (404, "jobs.not_found", 6),
        (500, "internal", 1),
    ] {
        let server = Server::new(vec![("GET /v1/wallet", status, problem(status, code))]);
        let (found, stdout, stderr) = server.run("wallet");
        assert_eq!((found, stdout.as_str()), (exit, ""), "{stderr}");
        assert!(stderr.starts_with(&format!("error: it cannot be done ({code})\n")), "{stderr}");
        let (_, _, stderr) = server.run("wallet --json");
        let value: serde_json::Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!((&value["code"], &value["exit"]), (&code.into(), &exit.into()));
    }
}

#[test]
fn nobody_there_a_usage_error_and_a_timeout_have_theirs() {
    let server = Server::new(Vec::new());
    assert_eq!(server.run("--server http://127.0.0.1:1 me").0, 9);
    assert_eq!(server.run("--server nowhere me").0, 2);
    assert_eq!(server.run("").0, 2);
    assert_eq!(server.run("submit x.wasm").0, 2, "no split");
    assert_eq!(server.run("login --email a@example.com").0, 2, "no terminal to ask on");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = silent.local_addr().unwrap();
    assert_eq!(server.run(&format!("--server http://{url} me --timeout 1s")).0, 124);
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn submit_prints_the_id_alone_and_the_quote_beside_it() {
    let server = Server::new(submit_rows());
    let (exit, stdout, stderr) = server.run("submit --example pi");
    assert_eq!((exit, stdout), (0, format!("{JOB}\n")), "{stderr}");
    assert!(stderr.contains("never more than 2.00"), "{stderr}");
    let runs = "a chunk reads 2.0 kB on average, 3.0 kB at most; 7 more runs put the results";
    assert!(stderr.contains(runs), "{stderr}");
    assert!(stderr.contains("1 min 10 s to 4 min 40 s on 2 machines"), "{stderr}");
    let submit = server.asked().into_iter().find(|asked| asked.starts_with("POST /v1/jobs"));
    let submit = submit.unwrap();
    assert!(submit.contains("idempotency-key: op_"), "{submit}");
    assert!(submit.ends_with(r#"{"quote":"q1"}"#), "{submit}");
}

#[test]
fn a_budget_below_the_hold_is_what_is_held() {
    let server = Server::new(submit_rows());
    let (exit, _, stderr) = server.run("submit --example pi --yes --budget 1.99");
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("at most 1.99 credits are held"), "{stderr}");
    let asked = server.asked();
    let submit = asked.iter().find(|asked| asked.starts_with("POST /v1/jobs")).unwrap();
    assert!(submit.ends_with(r#"{"quote":"q1","budget":"1.99"}"#), "{submit}");
}

#[test]
fn a_job_over_the_budget_is_not_submitted() {
    let server = Server::new(submit_rows());
    let (exit, stdout, stderr) = server.run("submit --example pi --budget 1.49");
    assert_eq!((exit, stdout.as_str()), (4, ""), "{stderr}");
    let (exit, stdout, _) = server.run("submit --example pi --dry-run --json");
    assert_eq!(exit, 0);
    assert_eq!(serde_json::from_str::<Quote>(&stdout).unwrap().hold, credits("2"));
    let (exit, _, stderr) = server.run("submit --example nonsense");
    assert_eq!(exit, 6);
    assert!(stderr.contains("there are: pi"), "{stderr}");
    assert!(!server.asked().iter().any(|asked| asked.starts_with("POST /v1/jobs")));
}

#[test]
fn a_hold_beyond_the_wallet_is_an_exit_status_of_its_own() {
    let mut rows = submit_rows();
    rows.insert(0, ("POST /v1/jobs", 402, problem(402, "billing.credits_short")));
    let server = Server::new(rows);
    assert_eq!(server.run("submit --example pi").0, 7);
}

#[test]
fn waiting_ends_with_the_outcome() {
    let server = Server::new(submit_rows());
    let (exit, stdout, stderr) = server.run("submit --example pi --wait");
    assert_eq!((exit, stdout), (0, format!("{JOB}\n")), "{stderr}");
    assert!(stderr.contains("done: 4 chunks, all verified"), "{stderr}");
}

#[test]
fn watch_gives_events_as_lines_and_the_outcome_as_exit_status() {
    for (state, exit) in [(JobState::Done, 0), (JobState::Failed, 3)] {
        let server = Server::new(job_rows(state));
        let (found, stdout, stderr) = server.run(&format!("watch {JOB}"));
        assert_eq!(found, exit, "{stderr}");
        let lines: Vec<LiveEvent> =
            stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(matches!(&lines[..], [LiveEvent::Snapshot(live)] if live.state == state));
        assert_eq!(stderr.contains("chunk 3 crashed"), state == JobState::Failed, "{stderr}");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_only_ends_the_watching() {
    let server = Server::new(job_rows(JobState::Running));
    let mut child = server.command(&format!("watch {JOB}")).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("snapshot"), "{line}");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&format!("`medusa watch {JOB}`")), "{stderr}");
    assert!(!server.asked().iter().any(|asked| asked.contains("cancel")));
}

#[test]
fn fetch_puts_checked_files_into_the_folder() {
    let server = Server::new(job_rows(JobState::Done));
    let (exit, stdout, stderr) = server.run(&format!("fetch {JOB} -o there"));
    assert_eq!((exit, stdout.as_str()), (0, "there/out.csv\n"), "{stderr}");
    let path = server.config.join("there/out.csv");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n");
    assert_eq!(server.run(&format!("fetch {JOB} -o there")).0, 0, "the very file is no conflict");
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(server.run(&format!("fetch {JOB} -o there")).0, 8);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(server.run(&format!("fetch {JOB} -o there --force")).0, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n");
    assert_eq!(server.run(&format!("fetch {JOB} -o -")).1, "a,b\n1,2\n");
    assert_eq!(server.run(&format!("fetch {JOB} --file other")).0, 6);
}

#[test]
fn fetch_refuses_altered_bytes_and_unfinished_jobs() {
    let mut rows = job_rows(JobState::Done);
    rows[0].2 = "a,b\n1,3\n".into();
    let server = Server::new(rows);
    assert_eq!(server.run(&format!("fetch {JOB}")).0, 10);
    assert!(!server.config.join("out.csv").exists());
    for (state, exit) in [(JobState::Running, 1), (JobState::Failed, 3), (JobState::Cancelled, 4)] {
        assert_eq!(Server::new(job_rows(state)).run(&format!("fetch {JOB}")).0, exit);
    }
}

#[test]
fn jobs_are_a_table_or_json() {
    let page = JobPage { items: vec![job(JobState::Done)], next: None };
    let server = Server::new(vec![("GET /v1/jobs?limit=20", 200, json(&page))]);
    let (_, stdout, _) = server.run("jobs");
    assert!(stdout.starts_with("JOB "), "{stdout}");
    assert!(stdout.contains("4/4") && !stdout.contains('\u{1b}'), "{stdout}");
    assert!(server.run("jobs --color always").1.contains("\u{1b}[32mdone"));
    let (_, stdout, _) = server.run("jobs --json");
    assert_eq!(serde_json::from_str::<Vec<Job>>(&stdout).unwrap(), page.items);
}

#[test]
fn a_login_is_kept_until_the_logout() {
    let tokens = r#"{"access_token":"mine","token_type":"Bearer","expires_in":600,
        "refresh_token":"r"}"#;
    let me = r#"{"user":"usr_00000000000000000000000000000001","email":"a@example.com",
        "name":"","roles":["consumer"]}"#;
    let server =
        Server::new(vec![("POST /v1/login", 200, tokens.into()), ("GET /v1/me", 200, me.into())]);
    std::fs::write(server.config.join("password"), "secret\n").unwrap();
    let login = "login --email a@example.com --password-file password";
    let (exit, stdout, stderr) = server.run(login);
    assert_eq!((exit, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("as a@example.com") && !stderr.contains("secret"), "{stderr}");
    let mut stored = server.command("me");
    let stored = stored.env_remove("MEDUSA_TOKEN").output().unwrap();
    assert!(stored.status.success());
    let last = server.asked().pop().unwrap();
    assert!(last.contains("authorization: Bearer mine\r\n"), "{last}");
    assert_eq!(server.run("logout").0, 0);
    let last = server.asked().pop().unwrap();
    assert!(last.ends_with(r#"{"refresh_token":"r"}"#), "{last}");
    server.command("me").env_remove("MEDUSA_TOKEN").output().unwrap();
    let last = server.asked().pop().unwrap();
    assert!(!last.contains("authorization"), "{last}");
}

#[test]
fn what_is_no_export_is_not_verified() {
    let server = Server::new(vec![("GET /v1/audit/head", 403, problem(403, "platform.forbidden"))]);
    let (exit, stdout, stderr) = server.run("audit verify nowhere");
    assert_eq!((exit, stdout.as_str()), (6, ""), "{stderr}");
    assert!(stderr.contains("nowhere is not what `medusa audit export` writes"), "{stderr}");
    assert!(server.asked().is_empty(), "a folder is checked without the server");
    assert_eq!(server.run("audit export there").0, 5);
    assert_eq!(server.run("audit verify").0, 5, "without a folder it exports first");
    assert_eq!(server.run("audit verify nowhere --key nonsense").0, 2);
}
