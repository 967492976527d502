//! What is done to a submitted job: each order asks the server for what it says, and says what it
//! means for the money.

use std::io::{BufRead as _, BufReader};

use medusa_api::{Job, JobPage, JobState};

use super::{JOB, Server, job, job_rows, json, problem, submit_rows};

/// The answers to every order, and a live stream, of a job in this state.
fn steered(state: JobState, status: u16) -> Server {
    let mut answer = json(&job(state));
    if status >= 400 {
        answer = problem(status, "jobs.ended");
    }
    let mut rows = vec![("POST /v1/jobs/job_00000000000000000000000000000007/", status, answer)];
    rows.extend(job_rows(state));
    Server::new(rows)
}

#[test]
fn each_order_asks_for_what_it_says() {
    let server = steered(JobState::Running, 200);
    for (line, path, body) in [
        (format!("pause {JOB}"), "/pause ", ""),
        (format!("resume {JOB}"), "/resume ", ""),
        (format!("budget {JOB} +2.5"), "/budget ", r#"{"add":"2.50"}"#),
        (format!("retry {JOB}"), "/retry ", r#"{"fuel_times":1}"#),
        (format!("retry {JOB} --fuel-times 4"), "/retry ", r#"{"fuel_times":4}"#),
        (format!("cancel {JOB}"), "/cancel ", ""),
    ] {
        let (exit, stdout, stderr) = server.run(&line);
        assert_eq!((exit, stdout.as_str()), (0, ""), "{line}: {stderr}");
        let asked = server.asked().pop().unwrap();
        assert!(asked.contains(path) && asked.ends_with(body), "{line}: {asked}");
        assert!(asked.contains("idempotency-key: op_"), "{asked}");
        let (_, stdout, _) = server.run(&format!("{line} --json"));
        assert_eq!(serde_json::from_str::<Job>(&stdout).unwrap().id, JOB);
    }
    let (_, _, said) = server.run(&format!("cancel {JOB} --yes"));
    assert!(said.contains("1.50 credits are paid") && said.contains("0.50 come back"), "{said}");
    for (status, exit) in [(409, 8), (402, 7), (404, 6)] {
        let server = steered(JobState::Running, status);
        for line in ["pause", "resume", "retry", "cancel", "rerun"] {
            assert_eq!(server.run(&format!("{line} {JOB}")).0, exit, "{line} {status}");
        }
        assert_eq!(server.run(&format!("budget {JOB} +1")).0, exit, "{status}");
    }
}

#[test]
fn a_job_is_run_again_only_when_its_price_is_agreed_to() {
    let mut rows = submit_rows();
    let quote = rows.iter().find(|row| row.0 == "POST /v1/quotes").unwrap().2.clone();
    rows.insert(0, ("POST /v1/jobs/job_00000000000000000000000000000007/rerun", 201, quote));
    let server = Server::new(rows);
    let (exit, stdout, stderr) = server.run(&format!("rerun {JOB}"));
    assert_eq!((exit, stdout.as_str()), (1, ""), "there is nobody to agree");
    assert!(stderr.contains("likely 1.50") && stderr.contains("--yes"), "{stderr}");
    assert!(stderr.contains("memory          0.07\n  transfer        0.03\n"), "{stderr}");
    assert!(stderr.contains("checking        0.70 (about 4 % of the chunks twice)"), "{stderr}");
    assert_eq!(server.run(&format!("rerun {JOB} --yes --budget 1")).0, 4);
    assert!(!server.asked().iter().any(|asked| asked.starts_with("POST /v1/jobs ")));
    let (exit, stdout, stderr) = server.run(&format!("rerun {JOB} --yes"));
    assert_eq!((exit, stdout), (0, format!("{JOB}\n")), "{stderr}");
    assert!(server.asked().pop().unwrap().ends_with(r#"{"quote":"q1"}"#));
}

#[test]
fn a_paused_job_says_why_and_what_to_do() {
    let server = steered(JobState::Paused, 200);
    let (_, stdout, _) = server.run(&format!("job {JOB}"));
    assert!(stdout.contains("state      paused: budget spent"), "{stdout}");
    assert!(stdout.contains(&format!("`medusa budget {JOB} +")), "{stdout}");
    let page = JobPage { items: vec![job(JobState::Paused)], next: None };
    let list = Server::new(vec![("GET /v1/jobs?limit=20", 200, json(&page))]);
    assert!(list.run("jobs --color always").1.contains("\u{1b}[33mpaused: budget spent"));
    let mut child = server.command(&format!("watch {JOB}")).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut lines = String::new();
    said.read_line(&mut lines).unwrap();
    said.read_line(&mut lines).unwrap();
    assert!(lines.starts_with("paused: raise the budget to go on"), "{lines}");
    assert!(lines.contains(&format!("`medusa cancel {JOB}` stops it")), "{lines}");
    child.kill().unwrap();
    child.wait().unwrap();
}
