//! From a program to a result, the way a consumer's program goes.

use bytes::Bytes;
use medusa_api::{
    Chunk, Job, JobSpec, JobState, JobSubmit, MergeHow, MergeRule, Priority, ProgramUpload,
    QuoteRequest, Size, Split,
};
use medusa_client::{ClientError, operation_id};
use medusa_types::{JobId, ProgramId, Sha256Hash};

use super::house::House;
use super::people::Person;
use super::until;

/// A job of so many chunks over a range; chunk `i` reads `i 1` and a line feed, and what the chunks
/// write comes one after the other into `out.txt`.
pub(crate) fn range(chunks: u64, copies: u32) -> JobSpec {
    let out =
        MergeRule { file: String::new(), how: MergeHow::Concat, sort: 0, to: "out.txt".into() };
    JobSpec {
        name: "a range".into(),
        args: Vec::new(),
        split: Split::Range { from: 0, to: chunks, step: Size::Count(1) },
        merge: vec![out],
        copies,
        memory_mib: 64,
        strict: false,
        keep_going: false,
        priority: Priority::Standard,
        merge_by: None,
        script: None,
    }
}

/// Uploads a module and makes it a program of this person.
pub(crate) async fn add_program(person: &Person, wasm: Vec<u8>) -> Result<ProgramId, ClientError> {
    let blob = person.client.upload_bytes(Bytes::from(wasm)).await?;
    let upload = ProgramUpload { sha256: blob.sha256, name: "guest".into(), runtime: None };
    Ok(person.client.add_program(&upload).await?.id)
}

/// A request for this program without input.
pub(crate) async fn request(person: &Person, wasm: Vec<u8>, spec: JobSpec) -> QuoteRequest {
    let program = add_program(person, wasm).await.unwrap();
    QuoteRequest { program, input: None::<Sha256Hash>, spec }
}

/// Asks for a quote and accepts it.
pub(crate) async fn submit(person: &Person, request: &QuoteRequest) -> Result<Job, ClientError> {
    let quote = person.client.quote(request).await?;
    person.client.submit_job(&JobSubmit::of(quote.id), operation_id()).await
}

/// The job once it has ended, however.
pub(crate) async fn ended(person: &Person, job: JobId) -> Job {
    until("the end of the job", async || {
        let job = person.client.job(job).await.unwrap();
        job.state.is_final().then_some(job)
    })
    .await
}

/// Submits, waits, and insists on a good end.
pub(crate) async fn run(person: &Person, request: &QuoteRequest) -> Job {
    let job = submit(person, request).await.unwrap();
    let job = ended(person, job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    job
}

/// All chunks of a job.
pub(crate) async fn chunks(person: &Person, job: JobId) -> Vec<Chunk> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = person.client.chunks(job, None, (200, after.as_deref())).await.unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// The plan of a job as bytes, and whether the log has their digest.
pub(crate) async fn plan(house: &House, person: &Person, job: JobId) -> (Vec<u8>, bool) {
    let url = format!("{}/v1/jobs/{job}/plan", house.url);
    let answer = house.http().get(url).bearer_auth(&person.token).send().await.unwrap();
    let bytes = answer.error_for_status().unwrap().bytes().await.unwrap().to_vec();
    let digest = "select convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'plan' from event
                  where type = 'jobs.job_submitted' and stream = $1";
    let digest: String = sqlx::query_scalar(digest)
        .bind(format!("job-{job}"))
        .fetch_one(&house.db.pool)
        .await
        .unwrap();
    let same = Sha256Hash::of(&bytes).to_string() == digest;
    (bytes, same)
}
