//! The log can be checked from outside, and a change of it does not stay hidden.

use medusa_api::VerifyReport;

use crate::harness::{
    House, add_up, broken_invariants, echo, ended, range, request, run, slow_echo, submit,
};

/// Words that belong to people and must never reach the log.
const CANARIES: [&str; 3] = ["zebulon-canary", "example.org", "secret-job-name"];

/// What `medusa-server verify` says, and whether it is content.
fn verify(house: &House) -> (Option<i32>, VerifyReport) {
    let output = house.command().arg("verify").output().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

async fn count(house: &House, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&house.db.pool).await.unwrap()
}

#[tokio::test]
async fn after_jobs_of_every_kind_of_end_the_log_is_right_and_every_rule_holds() {
    let house = House::open().await;
    let (consumer, admin) = (house.person("zebulon-canary").await, house.admin().await);
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    let mut named = range(4, 2);
    named.name = "secret-job-name".into();
    let done = run(&consumer, &request(&consumer, echo(), named).await).await.id;
    let fails = crate::harness::in_first_chunk("unreachable");
    let failed = submit(&consumer, &request(&consumer, fails, range(4, 2)).await).await.unwrap().id;
    ended(&consumer, failed).await;
    let slow = request(&consumer, slow_echo(100), range(50, 2)).await;
    let cancelled = submit(&consumer, &slow).await.unwrap().id;
    consumer.client.cancel_job(cancelled, medusa_client::operation_id()).await.unwrap();

    let report = admin.client.verify().await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let head = admin.client.audit_head().await.unwrap();
    let (code, outside) = verify(&house);
    assert_eq!((code, outside.ok, outside.root), (Some(0), true, head.root));
    assert!(outside.events >= report.events && outside.accounts > 5);
    add_up(&house, &consumer, &[&lena, &luis], &[done, failed, cancelled]).await;

    // Rules that hold because there is nothing to break them would mean little.
    for view in [
        "select count(*) from audit.payments",
        "select count(*) from audit.attempts",
        "select count(*) from audit.leases where ended_pos is not null",
        "select count(*) from audit.idem",
        "select count(*) from audit.jobs where state = 'done'",
        "select count(*) from audit.jobs where state = 'failed'",
        "select count(*) from audit.jobs where state = 'cancelled'",
        "select count(*) from audit.jobs j
             join audit.accounts a on a.owner = split_part(j.escrow_account, ':', 2)",
    ] {
        assert!(count(&house, view).await > 0, "{view}");
    }
    let bodies: Vec<String> = sqlx::query_scalar("select body::text from audit.events")
        .fetch_all(&house.db.pool)
        .await
        .unwrap();
    for canary in CANARIES {
        assert!(!bodies.iter().any(|body| body.contains(canary)), "{canary} is in the log");
    }
    drop(agents);
}

#[tokio::test]
async fn every_event_can_be_proven_to_stand_in_the_signed_tree() {
    let house = House::open().await;
    let admin = house.admin().await;
    let head = admin.client.audit_head().await.unwrap();
    let verifier: medusa_tlog::Verifier = head.verifier_key.parse().unwrap();
    let signed = verifier.open(&head.checkpoint).expect("it is signed by that key");
    let size = u64::try_from(head.size).unwrap();
    assert_eq!((signed.size, signed.root), (size, head.root.0));
    let page = admin.client.audit_events(1, 1_000).await.unwrap();
    assert_eq!(i64::try_from(page.items.len()).unwrap(), head.size);
    for event in &page.items {
        assert_eq!(medusa_tlog::leaf_hash(event.body.as_bytes()), event.leaf.0);
        let proof = admin.client.audit_proof(event.position).await.unwrap();
        assert_eq!((proof.leaf, proof.size, proof.root), (event.leaf, head.size, head.root));
        let path: Vec<_> = proof.path.iter().map(|hash| hash.0).collect();
        let index = u64::try_from(event.position - 1).unwrap();
        let (leaf, root) = (proof.leaf.0, &head.root.0);
        assert!(medusa_tlog::verify_inclusion(leaf, index, size, &path, root), "{proof:?}");
    }
}

#[tokio::test]
async fn a_changed_event_is_named_by_its_position() {
    let house = House::open().await;
    let admin = house.admin().await;
    let refused = sqlx::query("update event set body = body || 'x' where position = 3")
        .execute(&house.db.pool)
        .await;
    assert!(refused.unwrap_err().to_string().contains("append-only"), "the table keeps watch");
    // Whoever owns the database can switch that off.
    let mut db = house.db.pool.acquire().await.unwrap();
    sqlx::query("alter table event disable trigger user").execute(&mut *db).await.unwrap();
    let changed = sqlx::query(
        "update event set body = convert_to(replace(convert_from(body, 'UTF8'), '100.00',
             '999.00'), 'UTF8')
         where position = (select min(position) from event where type = 'billing.credits_granted')
         returning position",
    )
    .fetch_one(&mut *db)
    .await
    .unwrap();
    let position: i64 = sqlx::Row::get(&changed, 0);
    let (code, report) = verify(&house);
    assert_eq!((code, report.ok), (Some(10), false));
    let named = format!("event {position}: ");
    assert!(report.problems[0].starts_with(&named), "{:?}", report.problems);
    let inside = admin.client.verify().await.unwrap();
    assert!(!inside.ok && inside.problems[0].starts_with(&named), "{:?}", inside.problems);
}

#[tokio::test]
async fn the_rules_notice_a_ledger_that_was_changed() {
    let house = House::open().await;
    house.person("carla").await;
    assert_eq!(broken_invariants(&house).await, [""; 0]);
    let pool = &house.db.pool;
    let mut db = pool.acquire().await.unwrap();
    // A superuser can switch the triggers off.
    for order in [
        "alter table event disable trigger user",
        r#"update event set body = convert_to(regexp_replace(convert_from(body, 'UTF8'),
               '(consumer.promo:usr_[0-9a-f]+",)([0-9]+)', '\11\2'), 'UTF8')"#,
    ] {
        sqlx::query(order).execute(&mut *db).await.unwrap();
    }
    let broken = broken_invariants(&house).await;
    for rule in ["I03", "I04", "I05"] {
        assert!(broken.iter().any(|name| name.starts_with(rule)), "{rule}: {broken:?}");
    }
}
