//! Results that a program of the consumer's own puts together, as a tree on agents.

use medusa_api::{JobState, MergeBy, MergeHow, MergeRule};
use medusa_client::operation_id;
use medusa_types::ChunkIndex;

use crate::harness::{
    Folder, House, add_program, add_up, ended, guest, joiner, medusa, range, request, settlements,
    slow_echo,
};

#[tokio::test]
async fn a_tree_of_merges_runs_on_agents_is_checked_paid_and_can_be_done_again() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let merger = add_program(&consumer, joiner()).await.unwrap();
    let mut spec = range(20, 2);
    spec.merge_by = Some(MergeBy { program: merger, args: Vec::new(), fan_in: 3, module: None });
    let request = request(&consumer, slow_echo(0), spec).await;
    let quote = consumer.client.quote(&request).await.unwrap();
    // Seven runs over the chunks, three over these, and one on top.
    let merging = quote.merging.unwrap();
    assert_eq!((quote.split.chunks, merging.nodes), (20, 11));
    assert!(merging.sample_fuel.0 > 0);
    let submit = medusa_api::JobSubmit::of(quote.id);
    let job = consumer.client.submit_job(&submit, operation_id()).await.unwrap();
    assert_eq!(job.counts.total, 31);
    let job = ended(&consumer, job.id).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 31), "{:?}", job.reason);
    let lines: String = (0..20).map(|n| format!("{n} 1\n")).collect();
    let out = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&out), lines);
    assert_eq!(settlements(&house, job.id).await, [1; 31]);
    // What the first run of the second level read, for who wants to do it again.
    let run = consumer.client.chunk_run(job.id, ChunkIndex(27)).await.unwrap();
    assert_ne!(run.program.sha256, job.program);
    let read: Vec<(&str, u64)> =
        run.inputs.iter().map(|input| (input.path.as_str(), input.size)).collect();
    assert_eq!(
        read,
        [("", 18), ("in/0/stdout", 12), ("in/1/stdout", 12), ("in/2/stdout", 12)],
        "three results of three lines"
    );
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
    // Chunks have the job's program, merge runs the one that merges; each replays with its own.
    let folder = Folder::new();
    for chunk in [19, 20, 27, 30] {
        let line = format!("replay {} {chunk}", job.id);
        let (status, told) = medusa(&house, &consumer, &folder, &line).await;
        assert_eq!((status, &told["same"]), (0, &true.into()), "chunk {chunk}: {told}");
    }
    let olaf = house.person("olaf").await;
    let hidden = olaf.client.chunk_program(&run).await.unwrap_err();
    assert_eq!(hidden.status(), Some(404));
}

#[tokio::test]
async fn a_merger_that_cannot_read_what_chunks_write_is_refused_before_anything_is_paid() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let failing =
        add_program(&consumer, guest(r#"(func (export "_start") (call $exit (i32.const 3)))"#));
    let mut spec = range(4, 2);
    let program = failing.await.unwrap();
    spec.merge_by = Some(MergeBy { program, args: Vec::new(), fan_in: 2, module: None });
    let mut request = request(&consumer, slow_echo(0), spec).await;
    let refused = consumer.client.quote(&request).await.unwrap_err();
    assert_eq!(refused.code(), Some("jobs.sample_failed"));
    assert!(refused.to_string().contains("putting results together"), "{refused}");
    request.spec.merge_by.as_mut().unwrap().program =
        add_program(&consumer, joiner()).await.unwrap();
    request.spec.merge = vec![rule("", MergeHow::Sum)];
    let refused = consumer.client.quote(&request).await.unwrap_err();
    assert_eq!(refused.code(), Some("jobs.merge_failed"), "{refused}");
    request.spec.merge_by.as_mut().unwrap().fan_in = 1;
    let refused = consumer.client.quote(&request).await.unwrap_err();
    assert_eq!(refused.code(), Some("jobs.spec_refused"));
}

fn rule(file: &str, how: MergeHow) -> MergeRule {
    MergeRule { file: file.into(), how, sort: 0, to: "all".into() }
}

#[tokio::test]
async fn a_rule_that_does_not_fit_what_the_sample_wrote_is_refused_before_anything_is_paid() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let program = guest(
        r#"(data (i32.const 4096) "red\nblue\n")
        (func (export "_start") (call $write (i32.const 1) (i32.const 4096) (i32.const 9)))"#,
    );
    let mut request = request(&consumer, program, range(4, 1)).await;
    for (file, how, code, words) in [
        ("", MergeHow::Sum, "jobs.merge_failed", "begins \"red\\nblue\\n\""),
        ("", MergeHow::Csv, "", ""),
        ("found.csv", MergeHow::Csv, "jobs.merge_file_missing", "no sample chunk wrote"),
    ] {
        request.spec.merge = vec![rule(file, how)];
        let quoted = consumer.client.quote(&request).await;
        if code.is_empty() {
            quoted.unwrap();
            continue;
        }
        let refused = quoted.unwrap_err();
        assert_eq!(refused.code(), Some(code));
        assert!(refused.to_string().contains(words), "{refused}");
    }
}
