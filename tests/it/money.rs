//! Submitting and cancelling: nothing is paid twice, nothing without cover, and the rest comes
//! back.

use medusa_api::{Job, JobState, JobSubmit, Login, ProgramUpload};
use medusa_client::operation_id;
use medusa_types::{Credits, JobId};

use crate::harness::{
    House, add_up, echo, ended, range, request, settlements, slow_echo, submit, until,
};

/// Holds of this job in the log.
async fn holds(house: &House, job: JobId) -> i64 {
    sqlx::query_scalar(
        "select count(*) from audit.events
         where kind = 'billing.escrow_held' and body -> 'data' ->> 'job' = $1",
    )
    .bind(job.to_string())
    .fetch_one(&house.db.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_job_that_the_wallet_does_not_cover_is_refused_and_holds_nothing() {
    let house = House::open_with_welcome("0.0001").await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(100, 2)).await;
    let error = submit(&consumer, &request).await.expect_err("a job");
    assert_eq!((error.status(), error.code()), (Some(402), Some("billing.credits_short")));
    assert!(error.to_string().contains("0.0001 are available"), "{error}");
    assert!(consumer.client.jobs(10, None).await.unwrap().items.is_empty());
    let wallet = consumer.client.wallet().await.unwrap();
    assert_eq!((wallet.available, wallet.held), (Credits::from_micros(100), Credits::ZERO));
}

#[tokio::test]
async fn the_same_submit_sent_twice_is_one_job_with_one_hold() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(5, 1)).await;
    let quote = consumer.client.quote(&request).await.unwrap();
    let accept = JobSubmit::of(quote.id.clone());
    let key = operation_id();
    let (one, two) = tokio::join!(
        consumer.client.submit_job(&accept, key),
        consumer.client.submit_job(&accept, key)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let three = consumer.client.submit_job(&accept, operation_id()).await.unwrap();
    assert_eq!((one.id, one.id), (two.id, three.id));
    assert_eq!(consumer.client.jobs(10, None).await.unwrap().items.len(), 1);
    assert_eq!(holds(&house, one.id).await, 1);
    let wallet = consumer.client.wallet().await.unwrap();
    assert_eq!((wallet.held, one.cost.held), (quote.hold, quote.hold));
}

#[tokio::test]
async fn a_key_that_was_used_for_another_request_is_refused() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(5, 1)).await;
    let mut quotes = Vec::new();
    for _ in 0..2 {
        quotes.push(consumer.client.quote(&request).await.unwrap().id);
    }
    let key = operation_id();
    let accept = |quote: &str| JobSubmit::of(quote.to_owned());
    consumer.client.submit_job(&accept(&quotes[0]), key).await.unwrap();
    let error = consumer.client.submit_job(&accept(&quotes[1]), key).await.expect_err("a job");
    assert_eq!((error.status(), error.code()), (Some(422), Some("platform.key_reused")));
    assert_eq!(consumer.client.jobs(10, None).await.unwrap().items.len(), 1);

    let (one, two) = (consumer.client.upload_bytes(echo().into()).await.unwrap(), slow_echo(1));
    let two = consumer.client.upload_bytes(two.into()).await.unwrap();
    let add = async |sha256| {
        let body = ProgramUpload { sha256, name: "mine".into(), runtime: None };
        let request = house.http().post(format!("{}/v1/programs", house.url));
        let request = request.bearer_auth(&consumer.token).header("Idempotency-Key", "mine");
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!([add(one.sha256).await, add(one.sha256).await], [201, 201]);
    assert_eq!(add(two.sha256).await, 422);
    assert_eq!(consumer.client.programs().await.unwrap().len(), 2, "the first request's and one");
}

#[tokio::test]
async fn a_job_cancelled_while_chunks_run_gives_back_what_was_not_spent() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let agent = house.agent(&lena).await;
    let request = request(&consumer, slow_echo(200), range(200, 1)).await;
    let job = submit(&consumer, &request).await.unwrap();
    until("some chunks", async || {
        let counts = consumer.client.job(job.id).await.unwrap().counts;
        (counts.done() > 1 && counts.leased > 0).then_some(())
    })
    .await;
    let cancelled = consumer.client.cancel_job(job.id, operation_id()).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert!(cancelled.counts.done() < 200 && cancelled.counts.leased == 0);
    let again = consumer.client.cancel_job(job.id, operation_id()).await.unwrap();
    assert_eq!(again.state, JobState::Cancelled, "asked twice, it is as it was wished");
    // The agent hears of it, and works for the next job.
    let short = crate::harness::request(&consumer, echo(), range(2, 1)).await;
    let next = submit(&consumer, &short).await.unwrap();
    let next = ended(&consumer, next.id).await;
    assert_eq!(next.state, JobState::Done, "{:?}", next.reason);
    let late = consumer.client.cancel_job(next.id, operation_id()).await.expect_err("an end");
    assert_eq!((late.status(), late.code()), (Some(409), Some("jobs.ended")));
    let settled = settlements(&house, job.id).await;
    assert!(settled.iter().all(|times| *times == 1) && settled.len() < 200);
    add_up(&house, &consumer, &[&lena], &[job.id, next.id]).await;
    drop(agent);
}

#[tokio::test]
async fn a_repeated_submit_tells_where_the_first_one_is_and_a_login_tells_nothing() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(5, 1)).await;
    let quote = consumer.client.quote(&request).await.unwrap().id;
    let submit = async || {
        let body = JobSubmit::of(quote.clone());
        let request = house.http().post(format!("{}/v1/jobs", house.url)).json(&body);
        let request = request.bearer_auth(&consumer.token).header("Idempotency-Key", "mine");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 201);
        let position = answer.headers()["x-medusa-pos"].to_str().unwrap().parse::<i64>().unwrap();
        (position, answer.json::<Job>().await.unwrap().id)
    };
    let first = submit().await;
    consumer.client.cancel_job(first.1, operation_id()).await.unwrap();
    assert_eq!(submit().await, first);
    let event = consumer.client.audit_event(first.0).await.unwrap();
    assert_eq!(event.event, "billing.escrow_held");

    let login = Login { email: consumer.email.clone(), password: consumer.password.clone() };
    let answer = house.http().post(format!("{}/v1/login", house.url)).json(&login).send().await;
    let answer = answer.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("x-medusa-pos")), (200, None));
}
