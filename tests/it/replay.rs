//! What a consumer can see and do again: chunks replayed on the own machine, their files, results
//! as far as they go, who worked when, the report, two runs beside each other.

use std::io::Read as _;
use std::path::Path;

use medusa_api::{AttemptEnd, ChunkState, JobState};
use medusa_client::{ClientError, no_progress};
use medusa_protocol::{Pen, signed_bytes};
use medusa_types::{Bundle, ChunkIndex, JobId, Outcome};
use serde_json::Value;

use crate::harness::{
    Folder, House, Person, ScriptedAgent, chunks, echo, ended, in_first_chunk, medusa, range,
    request, run, submit, until,
};

fn file(folder: &Folder, path: &str) -> Vec<u8> {
    std::fs::read(folder.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a zip archive, by name.
fn unzipped(bytes: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.push((entry.name().unwrap().into_owned(), content));
    }
    files
}

fn refused<T>(result: Result<T, ClientError>) -> (u16, String) {
    let error = result.err().expect("it was allowed");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    (problem.status, problem.code.clone())
}

#[tokio::test]
async fn a_chunk_gives_the_same_bits_on_the_consumers_own_machine() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let _agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    let job = run(&consumer, &request(&consumer, echo(), range(3, 2)).await).await;
    let folder = Folder::new();
    let line = format!("replay {} 1 --out again", job.id);
    let (status, told) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!((status, &told["same"]), (0, &Value::Bool(true)), "{told}");
    assert_eq!(told["here"], told["accepted"]);
    assert!(told["position"].as_i64().unwrap() > 0, "the verdict is read from the log: {told}");
    assert_eq!(file(&folder, "again/stdout"), b"1 1\n");
    // What was accepted is what was downloaded.
    let line = format!("fetch {} --chunk 1 --out there", job.id);
    assert_eq!(medusa(&house, &consumer, &folder, &line).await.0, 0);
    assert_eq!(file(&folder, "there/stdout"), b"1 1\n");
    let missing = format!("replay {} 3", job.id);
    let mut command = missing;
    command.push_str(" --quiet");
    let (status, _) = medusa(&house, &consumer, &folder, &command).await;
    assert_eq!(status, 6, "there are chunks 0 to 2");

    // A failure is the same everywhere too.
    let exit =
        "(call $write (i32.const 2) (i32.const 4096) (local.get $n)) (call $exit (i32.const 3))";
    let spec = range(2, 2);
    let failing = submit(&consumer, &request(&consumer, in_first_chunk(exit), spec).await).await;
    let failing = ended(&consumer, failing.unwrap().id).await;
    assert_eq!(failing.state, JobState::Failed);
    let described = consumer.client.chunk_run(failing.id, ChunkIndex(0)).await.unwrap();
    assert_eq!(described.accepted.unwrap().outcome, Outcome::Exit(3));
    let line = format!("replay {} 0", failing.id);
    let (status, told) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!((status, &told["same"], told["stderr"].as_str()), (0, &true.into(), Some("0 1\n")));
}

#[tokio::test]
async fn a_lie_that_two_agents_agreed_on_shows_when_its_chunk_is_replayed() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let keys = [house.enrol(&lenders[0], "a").await, house.enrol(&lenders[1], "b").await];
    let mut liars = [
        ScriptedAgent::connect(&house, &keys[0], 1).await,
        ScriptedAgent::connect(&house, &keys[1], 1).await,
    ];
    let job = submit(&consumer, &request(&consumer, echo(), range(1, 2)).await).await.unwrap();
    for liar in &mut liars {
        let (lease, _) = liar.lease().await;
        liar.report(&lease, Bundle::of_stdout(b"0 2\n".to_vec()).encode(), 5_000).await;
    }
    assert_eq!(ended(&consumer, job.id).await.state, JobState::Done);
    let folder = Folder::new();
    let line = format!("replay {} 0", job.id);
    let (status, told) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!((status, &told["same"]), (10, &Value::Bool(false)), "{told}");
    assert_eq!(told["differs"], serde_json::json!(["output", "fuel"]));
}

#[tokio::test]
async fn a_key_that_is_not_the_machines_in_the_log_fails_the_replay() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let _agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    let job = run(&consumer, &request(&consumer, echo(), range(1, 2)).await).await;
    let attempts = until("signatures", async || {
        let found = consumer.client.chunk_run(job.id, ChunkIndex(0)).await.unwrap().attempts;
        found.iter().all(|attempt| attempt.signature.is_some()).then_some(found)
    })
    .await;
    let (folder, line) = (Folder::new(), format!("replay {} 0", job.id));
    let (status, told) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!((status, &told["signed"]), (0, &2.into()), "{told}");

    // Whoever the machines did not compute for does not find their keys, nor anything beside them.
    let key = attempts[0].key_position.unwrap();
    assert!(consumer.client.audit_proof(key).await.is_ok());
    assert_eq!(refused(lenders[1].client.audit_event(key).await).0, 404);
    let enrolled = "select min(position) from event where type = 'accounts.agent_enrolled'";
    let enrolled: i64 = sqlx::query_scalar(enrolled).fetch_one(&house.db.pool).await.unwrap();
    assert_eq!(refused(consumer.client.audit_event(enrolled).await).0, 404);

    // The server names another key, and signs with it what the machine might have said.
    let (pen, one) = (Pen::of(&[9; 32]), &attempts[0]);
    let said = (one.outcome.unwrap(), one.fuel.unwrap(), one.output.unwrap());
    let signature = pen.sign(&signed_bytes(one.lease, said.0, said.1, said.2));
    let forge = "update attempt_signature set public_key = $2, signature = $3 where lease_id = $1";
    let forged = sqlx::query(forge)
        .bind(one.lease.0)
        .bind(pen.public_key().to_vec())
        .bind(signature.to_vec())
        .execute(&house.db.pool);
    assert_eq!(forged.await.unwrap().rows_affected(), 1);
    let (status, told) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!((status, &told["same"]), (10, &Value::Bool(true)), "{told}");
    assert_eq!((&told["signed"], &told["signed_by_others"]), (&1.into(), &1.into()));

    let removed =
        sqlx::query("delete from attempt_signature where lease_id = $1").bind(one.lease.0);
    removed.execute(&house.db.pool).await.unwrap();
    let (status, told) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!((status, &told["unsigned_despite_key"]), (0, &1.into()), "{told}");
}

#[tokio::test]
async fn what_is_done_can_be_taken_while_the_rest_is_computed() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let keys = [house.enrol(&lenders[0], "a").await, house.enrol(&lenders[1], "b").await];
    let mut agents = [
        ScriptedAgent::connect(&house, &keys[0], 2).await,
        ScriptedAgent::connect(&house, &keys[1], 2).await,
    ];
    let job = submit(&consumer, &request(&consumer, echo(), range(3, 2)).await).await.unwrap();
    let (client, folder) = (&consumer.client, Folder::new());
    let at = |path: &str| folder.path().join(path);
    let nothing = refused(client.download_chunks(job.id, &at("none"), no_progress()).await);
    assert_eq!(nothing, (409, "jobs.not_yet".to_owned()));
    let nothing = refused(client.download_partial(job.id, "out.txt", &at("none")).await);
    assert_eq!(nothing, (409, "jobs.not_yet".to_owned()));
    for agent in &mut agents {
        let lease = loop {
            let (lease, _) = agent.lease().await;
            if lease.chunk == 1 {
                break lease;
            }
        };
        agent.report(&lease, Bundle::of_stdout(b"1 1\n".to_vec()).encode(), 5_000).await;
    }
    until("the verdict on chunk 1", async || {
        let chunk = chunks(&consumer, job.id).await.remove(1);
        (chunk.state == ChunkState::Verified).then_some(())
    })
    .await;
    let all = chunks(&consumer, job.id).await;
    assert_eq!((all[1].waiting.as_deref(), all[0].state), (None, ChunkState::Leased));
    assert_eq!(all[0].waiting.as_deref(), Some("2 copies are being computed"));

    client.download_chunks(job.id, &at("chunks.zip"), no_progress()).await.unwrap();
    assert_eq!(unzipped(file(&folder, "chunks.zip")), [("1/stdout".to_owned(), b"1 1\n".to_vec())]);
    let of = client.download_partial(job.id, "out.txt", &at("partial")).await.unwrap();
    assert_eq!((of.as_str(), file(&folder, "partial")), ("1/3", b"1 1\n".to_vec()));
    let missing = refused(client.download_partial(job.id, "other.txt", &at("none")).await);
    assert_eq!(missing.0, 404);
    let undone = refused(client.chunk_bundle(job.id, ChunkIndex(0)).await);
    assert_eq!(undone, (409, "jobs.not_yet".to_owned()));
    assert_eq!(refused(client.chunk_files(job.id, ChunkIndex(9)).await).0, 404);
    let files = client.chunk_files(job.id, ChunkIndex(1)).await.unwrap().files;
    assert_eq!((files.len(), files[0].name.as_str(), files[0].size), (1, "", 4));
    let timeline = client.timeline(job.id).await.unwrap();
    let ends: Vec<_> =
        timeline.rows.iter().flat_map(|row| row.bars.iter().map(|bar| bar.end)).collect();
    assert!(ends.contains(&AttemptEnd::Accepted) && ends.contains(&AttemptEnd::Computing));
    assert_eq!(timeline.rows.len(), 2, "a row for each agent");
}

#[tokio::test]
async fn two_runs_compare_and_a_report_names_where_the_log_has_them() {
    let house = House::open().await;
    let (consumer, other) = (house.person("carla").await, house.person("olaf").await);
    let lenders = [house.person("lena").await, house.person("luis").await];
    let _agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    let mut wish = request(&consumer, echo(), range(4, 2)).await;
    let first = run(&consumer, &wish).await;
    let same = run(&consumer, &wish).await;
    wish.spec = range(4, 1);
    wish.program = crate::harness::add_program(
        &consumer,
        in_first_chunk("(i32.store8 (i32.const 4096) (i32.const 120))"),
    )
    .await
    .unwrap();
    let unlike = run(&consumer, &wish).await;
    let client = &consumer.client;

    let equal = client.compare_jobs(first.id, same.id).await.unwrap();
    assert!(equal.asked_differently.is_empty() && equal.results[0].is_equal(), "{equal:?}");
    assert_eq!((equal.chunks_equal, equal.chunks_different, equal.first_different), (4, 0, None));
    assert_eq!(equal.left.fuel, equal.right.fuel);
    assert_eq!(equal.left.spent, equal.right.spent);
    let differ = client.compare_jobs(first.id, unlike.id).await.unwrap();
    assert_eq!(differ.asked_differently, ["program", "copies"]);
    assert_eq!((differ.chunks_different, differ.first_different), (1, Some(ChunkIndex(0))));
    assert!(!differ.results[0].is_equal());

    let events = client.job_events(first.id, 0, 1_000).await.unwrap().items;
    assert_eq!(events[0].event, "jobs.job_submitted");
    for event in &events {
        let proof = client.audit_proof(event.position).await.unwrap();
        assert_eq!((proof.position, proof.leaf), (event.position, event.leaf));
    }
    let second = client.job_events(first.id, 1, 2).await.unwrap();
    assert_eq!((second.items[0].version, second.next), (2, Some(3)));

    let folder = Folder::new();
    let to = folder.path().join("report.html");
    client.download_report(first.id, &to).await.unwrap();
    let html = String::from_utf8(file(&folder, "report.html")).unwrap();
    let head = client.audit_head().await.unwrap();
    assert!(html.contains(&head.verifier_key), "the key to check it by");
    let decided = client.chunk_run(first.id, ChunkIndex(2)).await.unwrap().accepted.unwrap();
    for part in [
        first.results[0].sha256.to_string(),
        first.cost.spent.to_string(),
        decided.output.to_string(),
        format!("<td class=\"n\">{}</td>", decided.position.unwrap()),
        events[0].leaf.to_string(),
        "Made of: transfer".to_owned(),
        "0.10 for a GiB of input and result beyond 1048576 bytes of a copy".to_owned(),
    ] {
        assert!(html.contains(&part), "the report lacks {part}");
    }
    for outside in ["http://", "https://", "<script", "url(", "src="] {
        assert!(!html.contains(outside), "the report needs {outside}");
    }
    let timeline = client.timeline(first.id).await.unwrap();
    let accepted = |row: &medusa_api::TimelineRow| {
        row.bars.iter().all(|bar| bar.end == AttemptEnd::Accepted && bar.width > 0)
    };
    assert!(timeline.rows.iter().all(accepted) && timeline.attempts == 8, "{timeline:?}");
    hidden_from_others(&house, &other, first.id, (events[2].position, &to)).await;
}

/// Somebody else sees nothing of a job, an admin does.
async fn hidden_from_others(
    house: &House,
    other: &Person,
    own: JobId,
    (position, to): (i64, &Path),
) {
    let (admin, theirs) = (house.admin().await, &other.client);
    let chunk = ChunkIndex(0);
    for job in [own, JobId(medusa_types::Uuid::from_u128(7))] {
        let statuses = [
            refused(theirs.chunk_run(job, chunk).await),
            refused(theirs.chunk_files(job, chunk).await),
            refused(theirs.download_chunks(job, to, no_progress()).await),
            refused(theirs.download_partial(job, "out.txt", to).await),
            refused(theirs.download_report(job, to).await),
            refused(theirs.job_events(job, 0, 10).await),
            refused(theirs.timeline(job).await),
            refused(theirs.compare_jobs(job, job).await),
        ];
        assert!(statuses.iter().all(|(status, _)| *status == 404), "{statuses:?}");
    }
    assert_eq!(refused(theirs.audit_proof(position).await).0, 404);
    admin.client.chunk_run(own, chunk).await.unwrap();
    admin.client.download_report(own, to).await.unwrap();
}
