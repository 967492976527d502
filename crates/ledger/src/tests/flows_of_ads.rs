//! Flows 3 to 5 and 21: books before and after.

use super::*;
use crate::flows::{self, View, ViewIds};

const IDS: ViewIds =
    ViewIds { reward: PendingId(Uuid::from_u128(1)), margin: PendingId(Uuid::from_u128(2)) };

fn view(price: i64, reward: i64) -> View {
    View { user: user(1), campaign: campaign(5), price: micros(price), reward: micros(reward) }
}

fn later(ms: i64) -> Timestamp {
    NOW.plus_ms(ms)
}

#[test]
fn a_campaign_gets_a_budget_and_gives_back_what_it_has_left() {
    let funded = "advertiser.balance:8 30\ncampaign.reserve:5 70 out 20";
    check(
        "advertiser.balance:8 100",
        &flows::fund_campaign(user(8), campaign(5), micros(70)),
        "advertiser.balance:8 30\ncampaign.reserve:5 70",
    );
    check(
        "",
        &flows::fund_house_campaign(campaign(5), micros(70)),
        "expense.promo_grant -70\ncampaign.reserve:5 70",
    );
    check(
        funded,
        &flows::release_campaign(campaign(5), user(8), Some(micros(50))),
        "advertiser.balance:8 80\ncampaign.reserve:5 20 out 20",
    );
    check(
        funded,
        &flows::release_campaign(campaign(5), user(8), None),
        "advertiser.balance:8 80\ncampaign.reserve:5 20 out 20",
    );
    let beyond = flows::release_campaign(campaign(5), user(8), Some(micros(51)));
    let short = Refusal::Short { currency: Currency::Crd, has: units(50), due: units(51) };
    assert_eq!(post(&mut book(funded), &beyond, NOW), Err(short));
    let beyond = flows::fund_campaign(user(8), campaign(5), micros(31));
    assert!(post(&mut book(funded), &beyond, NOW).is_err());
}

/// Books after a view of 10, of which 7 are the viewer's, was started on a budget of 100.
fn started() -> Book {
    let mut book = book("campaign.reserve:5 100");
    post(&mut book, &flows::start_view(&view(10, 7), IDS, later(30_000)), NOW).unwrap();
    assert_eq!(
        lines(&book),
        ["consumer.ad:1 0 in 7", "campaign.reserve:5 100 out 10", "income.ad_margin 0 in 3"]
    );
    book
}

#[test]
fn a_view_that_is_proven_pays_viewer_and_platform() {
    let mut book = started();
    post(&mut book, &flows::prove_view(IDS), later(29_999)).unwrap();
    assert_eq!(lines(&book), ["consumer.ad:1 7", "campaign.reserve:5 90", "income.ad_margin 3"]);
    let again = post(&mut book, &flows::prove_view(IDS), later(29_999));
    assert_eq!(again, Err(Refusal::PendingPosted(IDS.reward)));
}

#[test]
fn a_view_that_is_broken_off_costs_nothing() {
    let mut book = started();
    post(&mut book, &flows::void_view(IDS), later(1)).unwrap();
    assert_eq!(lines(&book), ["campaign.reserve:5 100"]);
}

#[test]
fn a_view_that_is_forgotten_costs_nothing_either() {
    let mut book = started();
    assert_eq!(book.overdue(later(29_999)), []);
    let overdue = book.overdue(later(30_000));
    assert_eq!(overdue, [IDS.reward, IDS.margin]);
    let late = post(&mut book, &flows::prove_view(IDS), later(30_000));
    assert_eq!(late, Err(Refusal::PendingExpired(IDS.reward)));
    let moves: Vec<_> = overdue.into_iter().map(|pending| Move::Expire { pending }).collect();
    post(&mut book, &moves, later(30_000)).unwrap();
    assert_eq!(lines(&book), ["campaign.reserve:5 100"]);
}

#[test]
fn a_view_costs_its_whole_price_and_no_campaign_spends_more_than_it_has() {
    let reserve = "campaign.reserve:5 125";
    let short =
        |due| Err(Refusal::Short { currency: Currency::Crd, has: units(125), due: units(due) });
    check(reserve, &flows::reward_view(&view(125, 100)), "consumer.ad:1 100\nincome.ad_margin 25");
    check(
        reserve,
        &flows::reward_view(&view(100, 100)),
        "campaign.reserve:5 25\nconsumer.ad:1 100",
    );
    for (price, reward, expected) in [
        (126, 100, short(126)),
        (125, 126, Err(Refusal::Negative)),
        (0, i64::MAX, Err(Refusal::Negative)),
        (-3, i64::MAX, Err(Refusal::Negative)),
    ] {
        let moves = flows::reward_view(&view(price, reward));
        assert_eq!(post(&mut book(reserve), &moves, NOW), expected, "{price} {reward}");
    }
    // Set aside one after the other: the reward still fits, the margin does not.
    let start = flows::start_view(&view(126, 100), IDS, later(1));
    let short = Refusal::Short { currency: Currency::Crd, has: units(25), due: units(26) };
    assert_eq!(post(&mut book(reserve), &start, NOW), Err(short));
}

#[test]
fn a_faked_view_is_made_good_by_the_viewer_and_else_by_the_house() {
    for (left, after) in [
        ("consumer.ad:1 9", "consumer.ad:1 2"),
        ("consumer.ad:1 5", "expense.fraud_loss -2"),
        ("consumer.ad:1 0", "expense.fraud_loss -7"),
        ("consumer.ad:1 9 frozen", "consumer.ad:1 2 frozen"),
    ] {
        check(
            &format!("{left}\ncampaign.reserve:5 90\nincome.ad_margin 3"),
            &flows::reverse_view(&view(10, 7)),
            &format!("{after}\ncampaign.reserve:5 100"),
        );
    }
}

#[test]
fn ad_credits_expire_into_breakage() {
    let lots = "consumer.ad:1 9";
    check(
        lots,
        &flows::expire_ad_credits(user(1), micros(4)),
        "consumer.ad:1 5\nincome.breakage 4",
    );
    assert!(post(&mut book(lots), &flows::expire_ad_credits(user(1), micros(10)), NOW).is_err());
}
