//! What is somebody else's is not there, and what needs a role needs it.

use medusa_client::{ClientError, no_progress, operation_id};
use medusa_types::{JobId, Sha256Hash, Uuid};

use crate::harness::{Folder, House, echo, range, request, submit};

fn status<T>(result: Result<T, ClientError>) -> (u16, String) {
    let error = result.err().expect("it was allowed");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    (problem.status, problem.detail.clone())
}

#[tokio::test]
async fn a_foreign_job_looks_like_one_that_is_not_there() {
    let house = House::open().await;
    let (consumer, other) = (house.person("carla").await, house.person("olaf").await);
    let request = request(&consumer, echo(), range(3, 1)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let input = consumer.client.upload_bytes("mine alone".into()).await.unwrap();
    let (folder, client) = (Folder::new(), &other.client);
    let nothing = JobId(Uuid::from_u128(7));
    for id in [job.id, nothing] {
        let file = medusa_api::ResultFile {
            name: "out.txt".into(),
            sha256: input.sha256,
            size: 4,
            media_type: String::new(),
        };
        let to = folder.path().join("out");
        let refused = [
            status(client.job(id).await),
            status(client.chunks(id, None, (10, None)).await),
            status(client.cancel_job(id, operation_id()).await),
            status(client.download_result(id, &file, &to, no_progress()).await),
        ];
        assert!(refused.iter().all(|(status, _)| *status == 404), "{refused:?}");
    }
    assert_eq!(status(client.job(job.id).await), status(client.job(nothing).await));
    assert!(client.jobs(10, None).await.unwrap().items.is_empty());
    let nowhere = Sha256Hash::of(b"nowhere");
    for blob in [input.sha256, nowhere] {
        assert_eq!(status(client.blob(blob).await).0, 404);
        assert_eq!(status(client.preview(blob).await).0, 404);
    }
    // Nor can somebody else's program or input be run.
    assert_eq!(status(client.quote(&request).await).0, 404);
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_so_and_who_is_no_admin_too() {
    let house = House::open().await;
    let (consumer, admin) = (house.person("carla").await, house.admin().await);
    let nobody = house.client();
    assert_eq!(status(nobody.me().await).0, 401);
    assert_eq!(status(nobody.wallet().await).0, 401);
    assert_eq!(status(nobody.verify().await).0, 401);
    for person in [&consumer.client, &nobody] {
        let expected = if person.me().await.is_ok() { 403 } else { 401 };
        assert_eq!(status(person.trial_balance().await).0, expected);
        assert_eq!(status(person.verify().await).0, expected);
        assert_eq!(status(person.audit_events(1, 10).await).0, expected);
    }
    assert!(admin.client.verify().await.unwrap().ok);
    let sums = admin.client.trial_balance().await.unwrap().sums;
    assert!(!sums.is_empty() && sums.iter().all(|of| of.sum == "0.00"), "{sums:?}");
}

#[tokio::test]
async fn a_token_that_was_altered_is_none() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (body, signature) = consumer.token.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    for token in [format!("{body}.{turned}"), format!("{body}."), "x".repeat(10_000)] {
        let request = house.http().get(format!("{}/v1/me", house.url)).bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 401);
    }
}
