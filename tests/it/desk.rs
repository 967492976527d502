//! The audit desk over HTTP: who may what, adjustments by two persons, books as of any position,
//! statements that add up, tables for spreadsheets, and writes that say where they are in the log.

use std::collections::BTreeMap;

use medusa_api::{
    AccountPage, AccountStatement, Adjustment, EventPage, EventSummaryPage, Projections,
    TrialBalance,
};
use medusa_client::operation_id;
use medusa_types::Credits;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{House, Person, echo, range, request, run, submit};

/// Status, headers and body of an answer.
type Told = (u16, HeaderMap, String);

async fn get(house: &House, who: &Person, path: &str) -> Told {
    let request = house.http().get(format!("{}{path}", house.url)).bearer_auth(&who.token);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
}

async fn read<T: DeserializeOwned>(house: &House, who: &Person, path: &str) -> T {
    let (status, _, text) = get(house, who, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

async fn post(house: &House, who: &Person, path: &str, body: &Value) -> Told {
    let request = house.http().post(format!("{}{path}", house.url)).bearer_auth(&who.token);
    let request = request.header("Idempotency-Key", operation_id().to_string());
    let answer = request.json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
}

/// Where a write says that it is.
fn position(told: &Told) -> Option<i64> {
    Some(told.1.get("x-medusa-pos")?.to_str().unwrap().parse().unwrap())
}

fn code(told: &Told) -> String {
    let problem: Value = serde_json::from_str(&told.2).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

async fn promo(who: &Person) -> String {
    format!("consumer.promo:{}", who.client.me().await.unwrap().user)
}

fn proposal(account: &str, amount: &str, explanation: &str) -> Value {
    json!({
        "account": account,
        "amount": amount,
        "reason": "correction",
        "explanation": explanation,
        "ticket": "T-17",
    })
}

/// Everything that the desk reads.
const READS: [&str; 11] = [
    "/v1/admin/trial-balance",
    "/v1/admin/accounts",
    "/v1/admin/accounts/expense.promo_grant",
    "/v1/admin/accounts/expense.promo_grant/statement",
    "/v1/admin/events",
    "/v1/admin/invariants",
    "/v1/admin/checkpoints",
    "/v1/admin/projections",
    "/v1/admin/adjustments",
    "/v1/audit/events",
    "/v1/audit/events/1",
];

#[tokio::test]
async fn an_auditor_reads_everything_and_writes_nothing() {
    let house = House::open().await;
    let auditor = house.person_with_role("audrey", "auditor").await;
    let (admin, carla) = (house.admin().await, house.person("carla").await);
    let account = promo(&carla).await;
    let body = proposal(&account, "1", "a wrong price");
    let told = post(&house, &admin, "/v1/admin/adjustments", &body).await;
    let made: Adjustment = serde_json::from_str(&told.2).unwrap();
    for path in READS {
        let (status, headers, text) = get(&house, &auditor, path).await;
        assert_eq!(status, 200, "{path}: {text}");
        let private = headers.get("cache-control").is_some_and(|value| value == "no-store");
        assert!(private || path.starts_with("/v1/audit/"), "{path}");
        assert_eq!(headers.get("x-medusa-pos"), None, "{path}");
        if !path.ends_with('1') {
            assert_eq!(get(&house, &carla, path).await.0, 403, "{path}");
        }
    }
    let before: EventSummaryPage = read(&house, &auditor, "/v1/admin/events?limit=1").await;
    let decide = |how: &str| format!("/v1/admin/adjustments/{}/{how}", made.id);
    for path in [
        "/v1/admin/adjustments".to_owned(),
        decide("approve"),
        decide("reject"),
        decide("withdraw"),
        "/v1/admin/invariants/check".to_owned(),
        "/v1/admin/verify".to_owned(),
    ] {
        let told = post(&house, &auditor, &path, &proposal(&account, "1", "by an auditor")).await;
        assert_eq!((told.0, code(&told).as_str()), (403, "platform.forbidden"), "{path}");
        assert_eq!(position(&told), None);
    }
    let after: EventSummaryPage = read(&house, &auditor, "/v1/admin/events?limit=1").await;
    assert_eq!(after.head, before.head);
}

#[tokio::test]
async fn two_admins_adjust_the_books_and_the_log_says_who() {
    let house = House::open().await;
    let (ada, carla) = (house.admin().await, house.person("carla").await);
    let rita = house.person_with_role("rita", "admin").await;
    let account = promo(&carla).await;
    let path = "/v1/admin/adjustments";
    let told = post(&house, &ada, path, &proposal(&account, "-40.5", "a wrong price")).await;
    assert_eq!((told.0, position(&told)), (201, None), "a proposal is not in the log");
    let made: Adjustment = serde_json::from_str(&told.2).unwrap();
    let decide = format!("{path}/{}/approve", made.id);
    let alone = post(&house, &ada, &decide, &json!({})).await;
    assert_eq!((alone.0, code(&alone).as_str()), (403, "billing.second_person"));
    let told = post(&house, &rita, &decide, &json!({})).await;
    assert_eq!(told.0, 200, "{}", told.2);
    let made: Adjustment = serde_json::from_str(&told.2).unwrap();
    assert_eq!(
        (position(&told), made.decided_by),
        (made.position, Some(rita.client.me().await.unwrap().user))
    );
    assert_eq!(carla.client.wallet().await.unwrap().available.to_string(), "59.50");

    let found = format!("/v1/admin/events?event=billing.books_adjusted&account={account}");
    let found: EventSummaryPage = read(&house, &ada, &found).await;
    let [event] = found.items.as_slice() else { panic!("{found:?}") };
    assert_eq!((Some(event.position), event.actor), (made.position, made.decided_by));
    let moved: Vec<_> =
        event.moved.iter().map(|m| (m.account.as_str(), m.amount.as_str())).collect();
    assert!(moved.contains(&(account.as_str(), "-40.50")), "{moved:?}");
    assert!(moved.contains(&("suspense.adjustment", "40.50")), "{moved:?}");
    let again = post(&house, &rita, &decide, &json!({})).await;
    assert_eq!((again.0, position(&again)), (200, made.position), "as the first time");
    assert_eq!(serde_json::from_str::<Adjustment>(&again.2).unwrap(), made);
    assert_eq!(made.text_in_log, Some(true));
    let other = post(&house, &ada, &decide, &json!({})).await;
    assert_eq!((other.0, code(&other).as_str()), (409, "billing.adjustment_decided"));
    for path in ["/v1/admin/events", "/v1/admin/accounts", path, "/v1/admin/checkpoints"] {
        let told = get(&house, &ada, &format!("{path}?limit=100000")).await;
        assert_eq!((told.0, code(&told).as_str()), (400, "platform.query_refused"), "{path}");
    }

    let own = promo(&ada).await;
    let own = post(&house, &ada, path, &proposal(&own, "1000", "for my own good")).await;
    assert_eq!((own.0, code(&own).as_str()), (403, "billing.own_account"));
    let bad =
        post(&house, &ada, path, &proposal(&account, "0.0000001", "too fine an amount")).await;
    assert_eq!((bad.0, code(&bad).as_str()), (422, "billing.amount_malformed"));
    assert!(ada.client.verify().await.unwrap().ok);
}

/// The postings of each event, in order, out of the stored bytes.
async fn postings(house: &House, who: &Person) -> Vec<Vec<(String, i64)>> {
    let page: EventPage = read(house, who, "/v1/audit/events?limit=1000").await;
    assert_eq!(page.next, None, "a small log");
    let of = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        let read = |p: &Value| (p[0].as_str().unwrap().to_owned(), p[1].as_i64().unwrap());
        body["postings"].as_array().unwrap().iter().map(read).collect()
    };
    page.items.iter().map(|event| of(&event.body)).collect()
}

/// Somebody with a job that ran to its end, and somebody with one that was cancelled.
async fn live(house: &House) -> Vec<Person> {
    let (carla, lena) = (house.person("carla").await, house.person("lena").await);
    let agent = house.agent(&lena).await;
    run(&carla, &request(&carla, echo(), range(4, 2)).await).await;
    drop(agent);
    let job = submit(&carla, &request(&carla, echo(), range(3, 1)).await).await.unwrap();
    carla.client.cancel_job(job.id, operation_id()).await.unwrap();
    vec![carla, lena]
}

#[tokio::test]
async fn the_books_at_each_position_are_a_fold_of_the_log_and_sum_to_nothing() {
    let house = House::open().await;
    let _people = live(&house).await;
    let auditor = house.person_with_role("audrey", "auditor").await;
    let all = postings(&house, &auditor).await;
    assert!(all.len() > 20, "{} events", all.len());
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    for (position, postings) in (0..).zip([Vec::new()].into_iter().chain(all)) {
        for (account, amount) in postings {
            *balances.entry(account).or_default() += amount;
        }
        let mut classes: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        for (account, balance) in &balances {
            let class = classes.entry(account.split(':').next().unwrap()).or_default();
            *class = (class.0 + 1, class.1 + balance);
        }
        let path = format!("/v1/admin/trial-balance?position={position}");
        let trial: TrialBalance = read(&house, &auditor, &path).await;
        assert_eq!((trial.position, trial.lines.len()), (position, classes.len()));
        for line in &trial.lines {
            let balance = line.balance.parse::<Credits>().unwrap().micros();
            let expected = classes.get(line.class.as_str()).copied();
            assert_eq!(Some((line.accounts, balance)), expected, "{} at {position}", line.class);
        }
        assert!(trial.sums.iter().all(|sum| sum.sum == "0.00"), "{:?}", trial.sums);
    }
    for refused in ["position=-1", "position=100000", "position=x"] {
        let path = format!("/v1/admin/trial-balance?{refused}");
        let told = get(&house, &auditor, &path).await;
        assert_eq!((told.0, code(&told).as_str()), (400, "platform.query_refused"), "{path}");
    }
}

#[tokio::test]
async fn every_part_of_every_statement_adds_up() {
    let house = House::open().await;
    let _people = live(&house).await;
    let auditor = house.person_with_role("audrey", "auditor").await;
    let all = postings(&house, &auditor).await;
    let head = i64::try_from(all.len()).unwrap();
    let accounts: AccountPage = read(&house, &auditor, "/v1/admin/accounts?limit=200").await;
    let used: Vec<_> = accounts.items.iter().filter(|account| account.lines > 0).collect();
    assert!(used.len() >= 7, "{used:?}");
    for (seed, account) in (1_i64..).zip(used) {
        let told: Vec<(i64, i64)> = (1..)
            .zip(&all)
            .flat_map(|(position, moved)| moved.iter().map(move |(a, n)| (position, a, *n)))
            .filter(|(_, touched, _)| **touched == account.account)
            .map(|(position, _, amount)| (position, amount))
            .collect();
        assert_eq!(u64::try_from(told.len()).unwrap(), account.lines, "{}", account.account);
        for n in 1..4_i64 {
            let (one, other) = ((seed * n * 7919) % head + 1, (seed * n * 104_729) % head + 1);
            let (from, to) = (one.min(other), one.max(other));
            let path = format!(
                "/v1/admin/accounts/{}/statement?from={from}&to={to}&limit=500",
                account.account
            );
            let page: AccountStatement = read(&house, &auditor, &path).await;
            let micros = |text: &str| text.parse::<Credits>().unwrap().micros();
            let lines: Vec<_> =
                page.lines.iter().map(|line| (line.position, micros(&line.amount))).collect();
            let within: Vec<_> =
                told.iter().copied().filter(|(p, _)| (from..=to).contains(p)).collect();
            assert_eq!(lines, within, "{path}");
            let before: i64 = told.iter().filter(|(p, _)| *p < from).map(|(_, n)| n).sum();
            let sum: i64 = lines.iter().map(|(_, amount)| amount).sum();
            assert_eq!(micros(&page.opening), before, "{path}");
            assert_eq!(micros(&page.closing), before + sum, "{path}");
        }
    }
}

#[tokio::test]
async fn lists_leave_as_tables_that_no_spreadsheet_runs() {
    let house = House::open().await;
    let (ada, carla) = (house.admin().await, house.person("carla").await);
    let account = promo(&carla).await;
    for explanation in ["=HYPERLINK(\"http://evil.test\")", "one, \"two\",\nthree"] {
        let body = proposal(&account, "-5", explanation);
        let told = post(&house, &ada, "/v1/admin/adjustments", &body).await;
        assert_eq!(told.0, 201, "{}", told.2);
    }
    let (status, headers, text) = get(&house, &ada, "/v1/admin/adjustments?format=csv").await;
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((status, header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(header("content-disposition"), "attachment; filename=\"adjustments.csv\"");
    assert_eq!((header("cache-control"), header("link")), ("no-store", ""));
    assert!(text.starts_with("id,account,counter_account,currency,amount,reason,"), "{text}");
    assert!(
        text.contains(",CRD,-5.00,correction,\"'=HYPERLINK(\"\"http://evil.test\"\")\","),
        "{text}"
    );
    assert!(text.contains(",\"one, \"\"two\"\",\nthree\",T-17,"), "{text}");

    // Pages lead on, in both formats.
    let (mut path, mut rows) = ("/v1/admin/events?format=csv&limit=3&order=oldest".to_owned(), 0);
    let head = loop {
        let (status, headers, text) = get(&house, &ada, &path).await;
        assert_eq!(status, 200);
        rows += text.lines().count() - 1;
        let Some(link) = headers.get("link") else { break text };
        let link = link.to_str().unwrap().strip_prefix('<').unwrap();
        path = link.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    };
    let page: EventSummaryPage = read(&house, &ada, "/v1/admin/events?limit=200").await;
    assert_eq!((rows, page.items.len()), (page.items.len(), usize::try_from(page.head).unwrap()));
    assert!(
        head.starts_with("position,at,event,stream,version,actor,causation,moved,postings\r\n")
    );
    for path in READS {
        let path = format!("{path}?format=csv");
        let (status, headers, _) = get(&house, &ada, &path).await;
        let list = !path.contains("expense.promo_grant?") && !path.starts_with("/v1/audit/");
        assert_eq!(status, 200, "{path}");
        let table = headers.get("content-type").unwrap().to_str().unwrap().starts_with("text/csv");
        assert_eq!(table, list, "{path}");
    }
    let bad = get(&house, &ada, "/v1/admin/events?format=xls").await;
    assert_eq!((bad.0, code(&bad).as_str()), (400, "platform.query_refused"));
}

#[tokio::test]
async fn answers_to_writes_say_where_they_are_in_the_log() {
    let house = House::open().await;
    let ada = house.admin().await;
    let event_at = async |position: i64| -> String {
        let path = format!("/v1/admin/events?from={position}&to={position}");
        let page: EventSummaryPage = read(&house, &ada, &path).await;
        page.items.first().map(|event| event.event.clone()).unwrap_or_default()
    };
    let form =
        json!({"email": "carla@example.org", "password": "carla has a secret", "name": "carla"});
    let told = post(&house, &ada, "/v1/signup", &form).await;
    assert_eq!(event_at(position(&told).expect("a position")).await, "billing.credits_granted");
    let carla = house.person("carla2").await;

    let program = carla.client.upload_bytes(echo().into()).await.unwrap();
    let add = json!({"sha256": program.sha256, "name": "guest"});
    let told = post(&house, &carla, "/v1/programs", &add).await;
    assert_eq!(
        (told.0, event_at(position(&told).expect("a position")).await.as_str()),
        (201, "jobs.program_added")
    );

    let ask = request(&carla, echo(), range(3, 1)).await;
    let quote = carla.client.quote(&ask).await.unwrap();
    let told = post(&house, &carla, "/v1/jobs", &json!({"quote": quote.id})).await;
    let job: medusa_api::Job = serde_json::from_str(&told.2).unwrap();
    assert_eq!(
        (told.0, event_at(position(&told).expect("a position")).await.as_str()),
        (201, "billing.escrow_held")
    );
    let told = post(&house, &carla, &format!("/v1/jobs/{}/cancel", job.id), &json!({})).await;
    let at = position(&told).expect("a position");
    assert!(event_at(at).await.starts_with("jobs.") || event_at(at).await.starts_with("billing."));
    let view = carla.client.job(job.id).await.unwrap();
    assert!(at >= view.position, "{at} is before {}", view.position);

    // What changed nothing in the log has no place in it.
    let told = post(&house, &carla, "/v1/ads/offers", &json!({})).await;
    assert_eq!((told.0, position(&told)), (201, None));
    let told = post(&house, &carla, "/v1/quotes", &json!({"nonsense": true})).await;
    assert_eq!(position(&told), None);
    let projections: Projections = read(&house, &ada, "/v1/admin/projections").await;
    let names: Vec<&str> = projections.items.iter().map(|item| item.name.as_str()).collect();
    for name in ["billing", "books", "job.live", "jobs", "wallet.live"] {
        assert!(names.contains(&name), "{names:?}");
    }
}
