//! Gifts, wallets, statements, books and prices.

use medusa_api::{Tariff, Wallet};
use medusa_eventlog::{NewEvent, read_stream};
use medusa_events::Fact;
use medusa_types::{Credits, METER};

use super::world::{World, job, micros, user};
use crate::{Billing, BillingConfig, BillingError};

const WELCOME: i64 = 100_000_000;

#[tokio::test]
async fn the_welcome_gift_is_given_once() {
    let world = World::new().await;
    for _ in 0..3 {
        world.billing.grant_welcome(user(1)).await.unwrap();
    }
    // A gift of another size is still the same gift.
    let config = BillingConfig { welcome: micros(7), ..BillingConfig::default() };
    let later = Billing::start(config, world.log.clone(), world.clock.clone()).await.unwrap();
    later.grant_welcome(user(1)).await.unwrap();
    let wallet = world.billing.wallet(user(1)).await.unwrap();
    assert_eq!((wallet.available, wallet.promo), (micros(WELCOME), micros(WELCOME)));
    assert_eq!(world.billing.wallet(user(2)).await.unwrap(), Wallet::default());
}

#[tokio::test]
async fn a_wallet_follows_a_job_from_hold_to_release() {
    let world = World::new().await;
    let (ann, bob, job) = (user(1), user(2), job(9));
    world.billing.grant_welcome(ann).await.unwrap();
    let held = world.hold(ann, job, 1_000).await;
    let wallet = world.billing.wallet(ann).await.unwrap();
    assert_eq!((wallet.available, wallet.held), (micros(WELCOME - 1_000), micros(1_000)));
    assert_eq!(wallet.position, held);

    let settled = world.settle(job, &[(bob, 170)], 30).await;
    let wallet = world.billing.wallet(ann).await.unwrap();
    assert_eq!((wallet.held, wallet.position), (micros(800), settled));
    let lender = world.billing.wallet(bob).await.unwrap();
    assert_eq!((lender.earned_pending, lender.available), (micros(170), Credits::ZERO));

    let released = world.release(ann, job).await;
    let wallet = world.billing.wallet(ann).await.unwrap();
    assert_eq!((wallet.held, wallet.available), (Credits::ZERO, micros(WELCOME - 200)));
    assert_eq!(wallet.position, released);
}

#[tokio::test]
async fn what_is_held_for_others_is_not_mine() {
    let world = World::new().await;
    let (ann, bob) = (user(1), user(2));
    world.billing.grant_welcome(ann).await.unwrap();
    world.billing.grant_welcome(bob).await.unwrap();
    world.hold(ann, job(8), 10).await;
    world.hold(bob, job(9), 500).await;
    // Bob is paid out of Ann's job, which does not make its escrow his.
    world.settle(job(8), &[(bob, 4)], 0).await;
    assert_eq!(world.billing.wallet(ann).await.unwrap().held, micros(6));
    assert_eq!(world.billing.wallet(bob).await.unwrap().held, micros(500));
}

#[tokio::test]
async fn a_statement_tells_every_movement_newest_first() {
    let world = World::new().await;
    let (ann, bob, job) = (user(1), user(2), job(0xabcd_ef01));
    world.billing.grant_welcome(ann).await.unwrap();
    world.hold(ann, job, 1_000).await;
    let settled = world.settle(job, &[(bob, 170)], 30).await;
    world.release(ann, job).await;

    let page = world.billing.statement(ann, 50, None).await.unwrap();
    let words: Vec<&str> = page.items.iter().map(|line| line.in_words.as_str()).collect();
    let expected = ["Returned from job …abcdef01", "Held for job …abcdef01", "Welcome gift"];
    assert_eq!((words.as_slice(), page.next), (expected.as_slice(), None));
    let amounts: Vec<i64> = page.items.iter().map(|line| line.amount.micros()).collect();
    assert_eq!(amounts, [800, -1_000, WELCOME]);
    let balances: Vec<i64> = page.items.iter().map(|line| line.balance.micros()).collect();
    assert_eq!(balances, [WELCOME - 200, WELCOME - 1_000, WELCOME]);

    let page = world.billing.statement(bob, 50, None).await.unwrap();
    let line = page.items.first().unwrap();
    assert_eq!(line.in_words, "Earned for chunk 12 of job …abcdef01");
    assert_eq!((line.position, line.event.as_str()), (settled, "billing.chunk_settled"));
    assert_eq!(line.account, format!("lender.pending:{bob}"));
    assert_eq!(line.stream, format!("job-{job}"));
}

#[tokio::test]
async fn the_pages_of_a_statement_give_every_line_once() {
    let world = World::new().await;
    let ann = user(1);
    world.billing.grant_welcome(ann).await.unwrap();
    for n in 0..10 {
        world.hold(ann, job(n), 10).await;
    }
    let whole = world.billing.statement(ann, 50, None).await.unwrap().items;
    assert_eq!(whole.len(), 11);
    for limit in [1, 3, 11] {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let page = world.billing.statement(ann, limit, after.as_deref()).await.unwrap();
            lines.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(lines, whole, "in pages of {limit}");
    }
    let bad = world.billing.statement(ann, 5, Some("x")).await;
    assert!(matches!(bad, Err(BillingError::Cursor)));
}

#[tokio::test]
async fn only_whose_credits_an_event_moved_may_see_it() {
    let world = World::new().await;
    let (ann, bob, eve) = (user(1), user(2), user(3));
    for person in [ann, bob, eve] {
        world.billing.grant_welcome(person).await.unwrap();
    }
    let held = world.hold(ann, job(8), 1_000).await;
    let own = world.hold(bob, job(9), 1_000).await;
    let settled = world.settle(job(8), &[(bob, 170)], 30).await;
    let table = [
        (held, [true, false, false]),
        (own, [false, true, false]),
        (settled, [true, true, false]),
        (0, [false, false, false]),
        (9_999, [false, false, false]),
    ];
    for (position, expected) in table {
        for (person, may) in [ann, bob, eve].into_iter().zip(expected) {
            let found = world.billing.touches(person, position).await.unwrap();
            assert_eq!(found, may, "event {position}, {person}");
        }
    }
}

#[tokio::test]
async fn a_tariff_is_put_into_the_log_when_it_changes() {
    let world = World::new().await;
    let usual = BillingConfig::default();
    let mut dear = usual.clone();
    dear.tariff.per_gib = micros(99);
    for config in [&usual, &dear, &dear, &usual, &usual] {
        let started = Billing::start(config.clone(), world.log.clone(), world.clock.clone());
        started.await.unwrap();
    }
    let usual_price = usual.tariff.per_gib.micros();
    assert_eq!(listed(&world).await, [Some(usual_price), Some(99), Some(usual_price)]);
    assert_eq!(world.billing.tariff(), usual.tariff);
}

/// The prices of a GiB that the log tells of, in order; nothing where it is of before there was
/// one.
async fn listed(world: &World) -> Vec<Option<i64>> {
    let stream = format!("tariff-{METER}");
    let events = read_stream(&world.db.pool, &stream, 0, 100).await.unwrap();
    let price = |event: &medusa_eventlog::StoredEvent| match &event.envelope.fact {
        Fact::PricesListed { per_gib, .. } => Some(per_gib.micros()),
        Fact::TariffSet { .. } => None,
        other => panic!("{other:?}"),
    };
    events.iter().map(|event| price(event)).collect()
}

#[tokio::test]
async fn a_tariff_of_before_memory_and_transfer_had_a_price_stands_until_they_get_one() {
    let world = World::new().await;
    let meter = "wt1-1".to_owned();
    let (per_gfuel, per_start) = (micros(28), micros(3));
    let old = Fact::TariffSet { meter: meter.clone(), per_gfuel, per_start, fee_permille: 150 };
    let event = NewEvent::new(format!("tariff-{meter}"), old);
    world.log.append_one(None, event).await.unwrap();
    let free = "per_gfuel_gib=0,memory_free=0,per_gib=0,transfer_free=0";
    let free = Tariff { meter: meter.clone(), ..BillingConfig::tariff_with(free).unwrap() };
    let dear = Tariff { meter: meter.clone(), ..BillingConfig::default().tariff };
    for (tariff, events) in [(&free, 1), (&dear, 2), (&dear, 2), (&free, 3)] {
        let config = BillingConfig { tariff: tariff.clone(), ..BillingConfig::default() };
        Billing::start(config, world.log.clone(), world.clock.clone()).await.unwrap();
        let found = read_stream(&world.db.pool, &format!("tariff-{meter}"), 0, 100).await.unwrap();
        assert_eq!(found.len(), events, "{tariff:?}");
    }
}

#[tokio::test]
async fn a_wallet_does_not_look_at_jobs_that_are_over() {
    let world = World::new().await;
    world.billing.grant_welcome(user(1)).await.unwrap();
    for n in 1..=3 {
        world.hold(user(1), job(n), 5_000_000).await;
    }
    world.settle(job(1), &[(user(2), 900_000)], 100_000).await;
    world.release(user(1), job(1)).await;
    world.release(user(1), job(2)).await;
    let wallet = world.billing.wallet(user(1)).await.unwrap();
    assert_eq!(
        (wallet.held.to_string(), wallet.available.to_string()),
        ("5.00".into(), "94.00".into())
    );
    let open: i64 = sqlx::query_scalar(
        "select count(*) from escrow_owner
         where owner_id = $1 and coalesce(released_position, 9223372036854775807) > $2",
    )
    .bind(user(1).0)
    .bind(world.log.head())
    .fetch_one(&world.db.pool)
    .await
    .unwrap();
    assert_eq!(open, 1, "the others are not looked at");
}
