//! What a lender's machine is told about its own work: days, tasks, pay, and where each payment
//! stands in the log.

use medusa_api::{Earnings, TaskPage, TaskState};
use medusa_types::{Credits, Outcome};
use serde::de::DeserializeOwned;

use crate::harness::{Folder, House, echo, range, request, run, until};

async fn get<T: DeserializeOwned>(house: &House, key: &str, path: &str) -> T {
    let request = house.http().get(format!("{}{path}", house.url)).bearer_auth(key);
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// The key that the agent of this folder was enrolled with.
fn key_in(folder: &std::path::Path) -> String {
    let identity = std::fs::read(folder.join("identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    identity["agent_key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_machine_sees_its_own_days_and_tasks_with_their_proofs() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let folder = Folder::new();
    let home = folder.path().to_owned();
    let _agents = [house.agent_in(&lena, folder).await, house.agent(&luis).await];
    let key = key_in(&home);
    let before: Earnings = get(&house, &key, "/v1/agent/earnings?days=2").await;
    assert_eq!(before.days.len(), 2);
    assert!(before.days.iter().all(|day| day.earned == Credits::ZERO) && before.since.is_none());

    let job = run(&consumer, &request(&consumer, echo(), range(3, 2)).await).await;
    let machine = until("pay", async || {
        let machine = lena.client.agents().await.unwrap().remove(0);
        (machine.chunks == 3).then_some(machine)
    })
    .await;
    let path = "/v1/agent/earnings?days=30&offset_min=345&since=0";
    let earnings: Earnings = get(&house, &key, path).await;
    let sum = |earnings: &Earnings| {
        let days = earnings.days.iter();
        days.fold(Credits::ZERO, |sum, day| sum.saturating_add(day.earned))
    };
    assert_eq!((earnings.days.len(), sum(&earnings)), (30, machine.earned));
    let since = earnings.since.unwrap();
    assert_eq!((since.chunks, since.earned), (3, machine.earned));
    let wallet = lena.client.wallet().await.unwrap();
    assert_eq!(earnings.pending, wallet.earned_pending);
    assert_eq!(earnings.available, wallet.earned);
    assert!(earnings.pending.is_positive());

    let all: TaskPage = get(&house, &key, "/v1/agent/tasks").await;
    assert_eq!((all.items.len(), &all.next), (3, &None), "all were looked through");
    let paid = all.items.iter().filter_map(|task| task.paid);
    assert_eq!(paid.fold(Credits::ZERO, Credits::saturating_add), machine.earned);
    for task in &all.items {
        assert_eq!((task.state, task.outcome), (TaskState::Paid, Some(Outcome::Done)));
        assert_eq!((task.job, task.job_name.as_str()), (job.id, job.spec.name.as_str()));
        assert!(task.leased_at <= task.ended_at && task.chunk.0 < 3 && task.chunks == 3);
        // The owner may see the event, which has the payment in it.
        let position = task.paid_position.unwrap();
        assert!(position > task.verified_position.unwrap());
        let event = lena.client.audit_event(position).await.unwrap();
        assert!(event.body.contains("billing.chunk_settled"), "{}", event.body);
    }

    // Page by page it is the same.
    let first: TaskPage = get(&house, &key, "/v1/agent/tasks?limit=2").await;
    let next = first.next.unwrap();
    let path = format!("/v1/agent/tasks?limit=2&before={next}");
    let second: TaskPage = get(&house, &key, &path).await;
    assert_eq!([first.items, second.items].concat(), all.items);
    assert_eq!(second.next, None);
    let wrong = format!("{}/v1/agent/tasks?before=nonsense", house.url);
    let wrong = house.http().get(wrong).bearer_auth(&key).send().await.unwrap();
    assert_eq!(wrong.status().as_u16(), 400);
}
