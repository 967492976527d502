//! Input and results of a job are deleted when their owner asks for it or when their time is over,
//! and no blob goes that somebody else needs.

use std::time::Duration;

use bytes::Bytes;
use medusa_api::{DeletedWhy, EventPage, Job, JobState, QuoteRequest, Size, Split};
use medusa_client::{Client, ClientError, no_progress, operation_id};
use medusa_types::{ChunkIndex, JobId, Sha256Hash};

use crate::harness::{
    Browser, Folder, House, Person, add_program, echo, ended, range, run, submit, until,
};

/// A house that looks every second, and throws away what it set aside at the next look.
async fn quick(keep_s: &str) -> House {
    let mut house = House::open().await;
    house.kill9();
    house.settings = vec![
        ("MEDUSA_FILES_SWEEP_S", "1".into()),
        ("MEDUSA_FILES_ASIDE_S", "0".into()),
        ("MEDUSA_FILES_KEEP_S", keep_s.into()),
    ];
    house.restart().await;
    house
}

/// Lines of this text, ten to a chunk, through a program that repeats them.
async fn lines(who: &Person, text: &str) -> QuoteRequest {
    let program = add_program(who, echo()).await.unwrap();
    let input = who.client.upload_bytes(Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
    let mut spec = range(1, 1);
    spec.split = Split::Lines { lines: Size::Count(10) };
    QuoteRequest { program, input: Some(input.sha256), spec }
}

fn text(seed: u64) -> String {
    (0..40).map(|n| format!("line {n} of {seed}\n")).collect()
}

async fn get(house: &House, who: &Person, path: &str) -> (u16, String) {
    let answer = house.http().get(format!("{}{path}", house.url)).bearer_auth(&who.token).send();
    let answer = answer.await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn refused<T>(answer: Result<T, ClientError>) -> (Option<u16>, Option<String>) {
    let error = answer.err().expect("it is refused");
    (error.status(), error.code().map(str::to_owned))
}

fn gone() -> (Option<u16>, Option<String>) {
    (Some(410), Some("jobs.files_deleted".into()))
}

async fn readable(client: &Client, blob: Sha256Hash) -> bool {
    client.blob(blob).await.is_ok()
}

#[tokio::test]
async fn an_owner_deletes_the_files_of_a_job_and_what_others_need_stays() {
    let house = quick("1000000").await;
    let (carla, lena) = (house.person("carla").await, house.person("lena").await);
    let bob = house.person("bob").await;
    let (shared, own) = (text(1), text(2));
    let (first, second) = (lines(&carla, &shared).await, lines(&carla, &own).await);
    let bobs = bob.client.upload_bytes(Bytes::from(shared.clone())).await.unwrap();
    let waiting = submit(&carla, &first).await.unwrap();
    let early = carla.client.delete_files(waiting.id, operation_id()).await;
    assert_eq!(refused(early), (Some(409), Some("jobs.not_ended".into())));
    let agent = house.agent(&lena).await;
    let job = ended(&carla, waiting.id).await;
    assert_eq!(job.state, JobState::Done);
    let left = job.kept_until.unwrap().ms_since(job.finished_at.unwrap());
    assert_eq!(left, 1_000_000_000);
    let before = house.stored_files().len();
    let other = run(&carla, &second).await;

    assert_eq!(refused(bob.client.delete_files(job.id, operation_id()).await).0, Some(404));
    for id in [job.id, other.id] {
        let deleted = carla.client.delete_files(id, operation_id()).await.unwrap();
        assert_eq!(deleted.files_deleted.unwrap().why, DeletedWhy::Asked);
        assert_eq!(deleted.kept_until, None);
        // Again, it changes nothing.
        let again = carla.client.delete_files(id, operation_id()).await.unwrap();
        assert_eq!(again.files_deleted, deleted.files_deleted);
        all_say_so(&house, &carla, &again).await;
    }
    // What only the second job had goes, from the disk too, and so do results that nobody shares.
    let (shared, own) = (Sha256Hash::of(shared.as_bytes()), Sha256Hash::of(own.as_bytes()));
    until("blobs that are gone", async || (house.stored_files().len() < before - 1).then_some(()))
        .await;
    let files = house.stored_files().join(" ");
    assert!(!files.contains(&own.to_string()) && files.contains(&shared.to_string()), "{files}");
    assert!(!readable(&carla.client, own).await && !readable(&carla.client, shared).await);
    assert!(readable(&bob.client, bobs.sha256).await, "bob has it too");
    // The program stays: the same again, with the input brought again.
    assert_eq!(refused(carla.client.rerun_job(other.id).await), gone());
    let again = run(&carla, &lines(&carla, &text(2)).await).await;
    assert!(carla.client.rerun_job(other.id).await.is_ok(), "its input is there again");
    assert_eq!(again.results[0].sha256, other.results[0].sha256);
    drop(agent);
}

/// Every place that shows files of a job says that they are deleted.
async fn all_say_so(house: &House, carla: &Person, job: &Job) {
    let folder = Folder::new();
    let to = folder.path().join("out.txt");
    let file = &job.results[0];
    assert_eq!(
        refused(carla.client.download_result(job.id, file, &to, no_progress()).await),
        gone()
    );
    assert_eq!(refused(carla.client.chunk_run(job.id, ChunkIndex(0)).await), gone());
    for path in ["chunks.zip", "chunks/0/files", "chunks/0/stdout", "partial/out.txt"] {
        let (status, said) = get(house, carla, &format!("/v1/jobs/{}/{path}", job.id)).await;
        assert_eq!(status, 410, "{path}: {said}");
        assert!(said.contains("by its owner"), "{said}");
    }
    let (status, report) = get(house, carla, &format!("/v1/jobs/{}/report.html", job.id)).await;
    assert!(status == 200 && report.contains("by its owner"), "{status}");
    assert!(report.contains(&file.sha256.to_string()), "the digest stays");
    let told = deletions(house, carla, job.id).await;
    assert!(told.len() == 1 && told[0].contains("\"asked\""), "{told:?}");
}

/// What the log says of deleted files.
async fn deletions(house: &House, who: &Person, job: JobId) -> Vec<String> {
    let (_, events) = get(house, who, &format!("/v1/jobs/{job}/events?limit=1000")).await;
    let events: EventPage = serde_json::from_str(&events).unwrap();
    let told = events.items.into_iter().filter(|event| event.event == "jobs.files_deleted");
    told.map(|event| event.body).collect()
}

#[tokio::test]
async fn files_go_by_themselves_when_their_time_is_over_also_over_a_restart() {
    let mut house = quick("3").await;
    let (carla, lena) = (house.person("carla").await, house.person("lena").await);
    let agent = house.agent(&lena).await;
    let unused = carla.client.upload_bytes(Bytes::from_static(b"never used")).await.unwrap();
    let job = run(&carla, &lines(&carla, &text(3)).await).await;
    house.kill9();
    house.restart().await;
    let job = until("files that are deleted", async || {
        let job = carla.client.job(job.id).await.unwrap();
        job.files_deleted.is_some().then_some(job)
    })
    .await;
    assert_eq!(job.files_deleted.unwrap().why, DeletedWhy::Retention);
    let told = deletions(&house, &carla, job.id).await;
    assert!(told.len() == 1 && told[0].contains("\"retention\""), "{told:?}");
    until("an object store without the job's files", async || {
        let files = house.stored_files().join(" ");
        let of_job = [job.input.unwrap(), job.results[0].sha256, unused.sha256];
        of_job.iter().all(|blob| !files.contains(&blob.to_string())).then_some(())
    })
    .await;
    assert_eq!(refused(carla.client.blob(unused.sha256).await).0, Some(404));
    // Programs are not files of a job.
    assert!(readable(&carla.client, job.program).await);
    drop(agent);
}

#[tokio::test]
async fn whoever_brings_the_same_bytes_while_they_are_deleted_keeps_them() {
    let house = quick("1000000").await;
    let (carla, bob) = (house.person("carla").await, house.person("bob").await);
    let lena = house.person("lena").await;
    let agent = house.agent(&lena).await;
    let mut jobs = Vec::new();
    for n in 0..12 {
        let request = lines(&carla, &text(100 + n)).await;
        jobs.push((100 + n, run(&carla, &request).await));
    }
    // The looks come each second: between them lie all orders of upload, look and deletion.
    for (n, job) in &jobs {
        carla.client.delete_files(job.id, operation_id()).await.unwrap();
        tokio::time::sleep(Duration::from_millis((n * 137) % 700)).await;
        let blob = bob.client.upload_bytes(Bytes::from(text(*n))).await.unwrap();
        assert!(readable(&bob.client, blob.sha256).await, "{n}, at once");
    }
    // And a job whose results are the same bytes as those that are thrown away meanwhile.
    let again = run(&bob, &lines(&bob, &text(100)).await).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (n, _) in &jobs {
        let blob = Sha256Hash::of(text(*n).as_bytes());
        assert!(readable(&bob.client, blob).await, "{n}, later");
    }
    assert!(bob.client.result(&again, "out.txt").await.unwrap().is_some());
    drop(agent);
}

#[tokio::test]
async fn the_button_on_a_jobs_page_asks_first_and_the_page_says_what_became_of_the_files() {
    let house = quick("1000000").await;
    let Some(browser) = Browser::open(&house).await else { return };
    let (carla, lena) = (house.person("carla").await, house.person("lena").await);
    let agent = house.agent(&lena).await;
    let job = run(&carla, &lines(&carla, &text(7)).await).await;
    browser.log_in(&carla).await;
    browser.be_narrow(360).await;
    browser.goto(&format!("/app/jobs/{}", job.id)).await;
    let results = async || {
        let said = browser.js("return document.querySelector('#results').innerText").await;
        said.as_str().unwrap().to_owned()
    };
    assert!(results().await.contains("kept until"), "{}", results().await);
    let width = browser.js("return document.documentElement.scrollWidth").await;
    assert!(width.as_u64().unwrap() <= 360, "{width}");
    browser.js("document.querySelector('#forget').click()").await;
    browser.until("document.querySelector('#forever').open").await;
    browser.js("document.querySelector('#forever [value=no]').click()").await;
    assert!(carla.client.job(job.id).await.unwrap().files_deleted.is_none(), "nothing yet");
    browser.js("document.querySelector('#forget').click()").await;
    browser.js("document.querySelector('#forever [value=yes]').click()").await;
    browser.until("/by its owner/.test(document.querySelector('#results').innerText)").await;
    assert!(results().await.contains("out.txt"), "the digests stay");
    if let Some(place) = std::env::var_os("MEDUSA_PICTURES") {
        browser.js("document.querySelector('#results').scrollIntoView()").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::fs::write(place, browser.picture().await).unwrap();
    }
    assert!(browser.js("return document.querySelector('#forget')").await.is_null());
    assert_eq!(browser.errors().await, [""; 0]);
    drop(agent);
}
