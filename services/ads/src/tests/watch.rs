//! Offers, claims, caps and the budget.

use medusa_ledger::Account;
use medusa_platform::Random;
use medusa_types::Credits;

use super::world::{World, code, user};
use crate::store::watches;
use crate::{Ads, AdsConfig};

/// A campaign that can pay for so many micro-credits.
fn budget(micros: i64) -> AdsConfig {
    let mut config = AdsConfig::default();
    config.house.budget = Credits::from_micros(micros);
    config
}

#[actix_web::test]
async fn the_campaign_is_funded_once_whatever_its_budget_says_later() {
    let world = World::new().await;
    for config in [AdsConfig::default(), budget(5_000_000)] {
        Ads::start(config, world.log.clone(), world.clock.clone(), Random::system()).await.unwrap();
    }
    assert_eq!(world.money(user(1)).await, ["1000.00", "0.00", "0.00"]);
    assert_eq!(world.balance(Account::promo_grant()).await, "-1000.00");
    assert_eq!(world.events().await, ["ads.campaign_funded"]);
}

#[actix_web::test]
async fn a_view_that_is_claimed_many_times_is_paid_once() {
    let world = World::new().await;
    let offer = world.ads.offer(user(1)).await.unwrap();
    assert_eq!((offer.seconds, offer.reward.to_string(), offer.left_today), (15, "1.00".into(), 5));
    world.wait(15);
    let claim = || world.ads.claim(user(1), offer.offer);
    let (one, two, three) = tokio::join!(claim(), claim(), claim());
    let one = one.unwrap();
    assert_eq!(one.reward.to_string(), "1.00");
    assert_eq!((&one, &one), (&two.unwrap(), &three.unwrap()));
    // A paid view is answered the same when its offer has long ended.
    world.wait(3_600);
    assert_eq!(claim().await.unwrap(), one);
    assert_eq!(world.money(user(1)).await, ["998.75", "0.25", "1.00"]);
    assert_eq!(world.events().await, ["ads.campaign_funded", "ads.watch_rewarded"]);
}

#[actix_web::test]
async fn a_view_that_was_proven_before_a_crash_is_paid_by_the_next_claim() {
    let world = World::new().await;
    let offer = world.ads.offer(user(1)).await.unwrap().offer;
    let mut db = world.db.pool.acquire().await.unwrap();
    watches::prove(&mut db, offer, world.clock.now()).await.unwrap();
    world.wait(3_600);
    world.ads.claim(user(1), offer).await.unwrap();
    assert_eq!(world.money(user(1)).await, ["998.75", "0.25", "1.00"]);
    assert_eq!(world.ads.offer(user(1)).await.unwrap().left_today, 4);
}

#[actix_web::test]
async fn a_view_pays_neither_too_early_nor_too_late() {
    let world = World::new().await;
    let offer = world.ads.offer(user(1)).await.unwrap().offer;
    for (wait, expected) in [
        (0, ("ads.too_early", Some(15))),
        (14, ("ads.too_early", Some(1))),
        (587, ("ads.offer_ended", None)),
    ] {
        world.wait(wait);
        let (code, after) = code(world.ads.claim(user(1), offer).await);
        assert_eq!((code.as_str(), after), expected);
    }
    assert_eq!(world.money(user(1)).await, ["1000.00", "0.00", "0.00"]);
    assert_eq!(world.ads.offer(user(1)).await.unwrap().left_today, 5, "it does not count");
}

#[actix_web::test]
async fn an_offer_of_somebody_else_is_unknown() {
    let world = World::new().await;
    let offer = world.ads.offer(user(1)).await.unwrap().offer;
    world.wait(15);
    let stolen = world.ads.claim(user(2), offer).await;
    assert_eq!(code(stolen).0, "platform.not_found");
    world.ads.claim(user(1), offer).await.unwrap();
    let stolen = world.ads.claim(user(2), offer).await;
    assert_eq!(code(stolen).0, "platform.not_found");
    assert_eq!(world.money(user(2)).await, ["998.75", "0.25", "0.00"]);
}

#[actix_web::test]
async fn a_person_has_one_open_offer_whose_time_begins_anew_when_it_is_asked_for() {
    let world = World::new().await;
    let ask = || world.ads.offer(user(1));
    let (one, two) = tokio::join!(ask(), ask());
    let one = one.unwrap();
    assert_eq!(one, two.unwrap());
    assert_ne!(world.ads.offer(user(2)).await.unwrap().offer, one.offer);
    world.wait(14);
    assert_eq!(ask().await.unwrap(), one);
    world.wait(14);
    let early = code(world.ads.claim(user(1), one.offer).await);
    assert_eq!(early, ("ads.too_early".into(), Some(1)), "the first fourteen seconds are void");
    world.wait(1);
    world.ads.claim(user(1), one.offer).await.unwrap();
    assert_ne!(ask().await.unwrap().offer, one.offer);
}

#[actix_web::test]
async fn five_views_are_paid_within_24_hours() {
    let world = World::new().await;
    for _ in 0..5 {
        world.watch(user(1)).await.unwrap();
    }
    // The first of them was proven a minute ago.
    let refused = code(world.ads.offer(user(1)).await);
    assert_eq!(refused, ("ads.cap_reached".into(), Some(86_340)));
    world.watch(user(2)).await.unwrap();
    world.wait(86_340 - 15);
    world.watch(user(1)).await.unwrap();
    assert_eq!(world.money(user(1)).await, ["991.25", "1.75", "6.00"]);
}

#[actix_web::test]
async fn an_offer_that_slipped_past_the_cap_is_not_paid() {
    let world = World::new().await;
    for _ in 0..4 {
        world.watch(user(1)).await.unwrap();
    }
    let offer = world.ads.offer(user(1)).await.unwrap().offer;
    // As if the fifth had been claimed just before this offer was written.
    sqlx::query(
        "insert into watch (watch_id, user_id, campaign_id, price, reward, offered_at, proven_at)
         select gen_random_uuid(), user_id, campaign_id, price, reward, offered_at, offered_at
         from watch where watch_id = $1",
    )
    .bind(offer.0)
    .execute(&world.db.pool)
    .await
    .unwrap();
    world.wait(15);
    assert_eq!(code(world.ads.claim(user(1), offer).await).0, "ads.cap_reached");
    assert_eq!(world.money(user(1)).await, ["995.00", "1.00", "4.00"]);
}

#[actix_web::test]
async fn the_budget_is_never_overspent() {
    let world = World::with(budget(3_000_000)).await;
    world.watch(user(1)).await.unwrap();
    // Both were offered when there was enough for one of them.
    let (two, three) = (world.ads.offer(user(2)).await, world.ads.offer(user(3)).await);
    let (two, three) = (two.unwrap().offer, three.unwrap().offer);
    world.wait(15);
    world.ads.claim(user(2), two).await.unwrap();
    for _ in 0..2 {
        assert_eq!(code(world.ads.claim(user(3), three).await).0, "ads.none_left");
    }
    assert_eq!(code(world.ads.offer(user(1)).await).0, "ads.none_left");
    assert_eq!(world.money(user(3)).await, ["0.50", "0.50", "0.00"]);
}
