//! A whole log of a real run, from before reservations were part of an event. It must replay for
//! ever: the same tree, dense places, books that balance.

use std::collections::{BTreeMap, BTreeSet};

use medusa_ledger::{Account, Currency, Limit};
use medusa_tlog::{Frontier, leaf_hash};
use medusa_types::Sha256Hash;

use super::{GOLDEN, decode};
use crate::{Envelope, Fact};

/// Root and size that its server signed.
const ROOT: &str = "15fcb7199b0149f103044effe23554ce9c31a43f0640a5bd0928f8db5d8fee02";
const SIZE: i64 = 68;

fn events() -> impl Iterator<Item = Envelope> {
    GOLDEN.lines().map(|line| decode(line.as_bytes()))
}

#[test]
fn its_root_is_the_one_that_was_signed() {
    let mut frontier = Frontier::default();
    GOLDEN.lines().for_each(|line| frontier.push(leaf_hash(line.as_bytes())));
    assert_eq!(Sha256Hash(frontier.root()).to_string(), ROOT);
}

#[test]
fn its_places_are_dense_and_time_goes_forward() {
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    let mut before: Option<Envelope> = None;
    for event in events() {
        let (last, time) = before.map_or((0, event.at), |event| (event.position, event.at));
        assert_eq!(event.position, last + 1);
        assert!(event.at >= time);
        let version = versions.entry(event.stream.clone()).or_default();
        assert_eq!(event.version, *version + 1);
        *version = event.version;
        before = Some(event);
    }
    assert_eq!(before.unwrap().position, SIZE);
}

#[test]
fn its_books_balance_and_nobody_is_overdrawn() {
    let mut balances: BTreeMap<Account, i64> = BTreeMap::new();
    for event in events() {
        for currency in Currency::ALL {
            let legs = event.postings.iter().filter(|leg| leg.0.currency() == currency);
            assert_eq!(legs.map(|leg| leg.1.units()).sum::<i64>(), 0, "{}", event.position);
        }
        for leg in &event.postings {
            *balances.entry(leg.0).or_default() += leg.1.units();
        }
        for leg in event.postings.iter().filter(|leg| leg.0.class().limit() == Limit::Debits) {
            assert!(balances[&leg.0] >= 0, "{} at {}", leg.0, event.position);
        }
    }
    // What the server said at the end.
    let sum = |class: &str| -> i64 {
        balances.iter().filter(|(a, _)| a.class().name() == class).map(|(_, n)| n).sum()
    };
    assert_eq!(sum("expense.promo_grant"), -1_400_000_000);
    assert_eq!(sum("campaign.reserve"), 998_750_000);
    assert_eq!((sum("consumer.ad"), sum("income.ad_margin")), (1_000_000, 250_000));
    assert_eq!(sum("escrow.promo"), 0);
    assert_eq!((sum("lender.pending"), sum("income.compute_fee")), (42, 6));
    assert_eq!(sum("consumer.promo"), 400_000_000 - 48);
}

#[test]
fn it_has_nearly_everything_that_can_happen() {
    let seen: BTreeSet<_> = events().map(|event| event.kind()).collect();
    let newer = [
        "billing.reservation_expired",
        "billing.adjustment_explained",
        "billing.books_adjusted",
        "billing.earnings_forfeited",
        "billing.escrow_raised",
        "billing.prices_listed",
        "jobs.copies_drawn",
        "jobs.copies_outdone",
        "jobs.merge_ordered",
        "jobs.resources_priced",
        "jobs.transfer_counted",
        "jobs.job_paused",
        "jobs.job_resumed",
        "jobs.chunks_retried",
        "jobs.files_deleted",
        "jobs.agent_reinstated",
        "jobs.runtime_added",
        "jobs.runtime_retired",
        "accounts.agent_key_set",
        "accounts.agent_renamed",
        "accounts.agent_limited",
        "accounts.agent_revoked",
        "billing.rounds_settled",
        "sessions.session_opened",
        "sessions.seat_taken",
        "sessions.seat_left",
        "sessions.session_ended",
    ];
    for kind in Fact::KINDS.iter().filter(|kind| !newer.contains(kind)) {
        assert!(seen.contains(kind), "{kind}");
    }
}
