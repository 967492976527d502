//! Every refusal alone, and its place in the order: where two apply, the earlier one is given.

use super::*;

/// Books in which everything can go wrong.
const BOOKS: &str = "
    consumer.paid:1 50
    consumer.paid:2 50 frozen
    consumer.paid:3 50 closed
    escrow.paid:3 0 closed
    receivable.consumer:1 -5
    consumer.ad:9 9223372036854775800
    expense.promo_grant -9223372036854775800
    bank -100
";

/// Reservations 1 to 4 of 10: open until later, posted, voided, and expired; 5 is over, but the
/// clock has not come to it; 6 and 7 wait on accounts that were frozen and closed since; 8 could
/// only be posted beyond the range.
fn books() -> Book {
    let mut book = book(BOOKS);
    let paid = account("consumer.paid:1");
    let steps = [
        open(1, paid, 10, Some(9)),
        open(2, paid, 10, None),
        open(3, paid, 10, None),
        open(4, paid, 10, Some(1)),
        open(5, paid, 5, Some(2)),
        open(6, account("consumer.paid:4"), 0, None),
        open(7, account("consumer.paid:5"), 0, None),
        toward(8, account("income.breakage"), account("consumer.ad:9"), 10, None),
        Move::Post { pending: pending(2), amount: None },
        Move::Void { pending: pending(3) },
        Move::SetState { account: account("consumer.paid:4"), state: AccountState::Frozen },
        Move::SetState { account: account("consumer.paid:5"), state: AccountState::Closed },
    ];
    post(&mut book, &steps, Timestamp::from_micros(0)).unwrap();
    let expire = Move::Expire { pending: pending(4) };
    post(&mut book, &[expire], Timestamp::from_micros(1)).unwrap();
    book
}

fn open(id: u128, from: Account, amount: i64, ends: Option<i64>) -> Move {
    toward(id, from, account("escrow.paid:1"), amount, ends)
}

fn toward(id: u128, from: Account, to: Account, amount: i64, ends: Option<i64>) -> Move {
    let expires_at = ends.map(Timestamp::from_micros);
    Move::Reserve { pending: pending(id), from, to, amount: units(amount), expires_at }
}

fn pay(from: &str, to: &str, amount: i64) -> Move {
    Move::pay(account(from), account(to), units(amount))
}

fn split(from: &[&str], to: &[(&str, i64)]) -> Move {
    Move::Split {
        from: from.iter().map(|name| account(name)).collect(),
        to: to.iter().map(|(name, amount)| (account(name), units(*amount))).collect(),
    }
}

fn waterfall(pairs: &[(&str, &str)], amount: i64) -> Move {
    let pairs = pairs.iter().map(|(from, to)| (account(from), account(to))).collect();
    Move::Waterfall { pairs, amount: units(amount) }
}

fn up_to(from: &str, to: &str, amount: i64) -> Move {
    Move::UpTo { from: account(from), to: account(to), amount: units(amount) }
}

fn rest(from: &str, to: &str) -> Move {
    Move::Rest { from: account(from), to: account(to) }
}

fn post_part(id: u128, amount: i64) -> Move {
    Move::Post { pending: pending(id), amount: Some(units(amount)) }
}

fn post_all(id: u128) -> Move {
    Move::Post { pending: pending(id), amount: None }
}

fn void(id: u128) -> Move {
    Move::Void { pending: pending(id) }
}

fn expire(id: u128) -> Move {
    Move::Expire { pending: pending(id) }
}

fn short(has: i64, due: i64) -> Refusal {
    Refusal::Short { currency: Currency::Crd, has: units(has), due: units(due) }
}

fn over(has: i64, due: i64) -> Refusal {
    let account = account("receivable.consumer:1");
    Refusal::Over { account, has: units(has), due: units(due) }
}

fn exceeded(reserved: i64, wanted: i64) -> Refusal {
    let (reserved, wanted) = (units(reserved), units(wanted));
    Refusal::PendingExceeded { currency: Currency::Crd, reserved, wanted }
}

/// Each row: moves of one event at time 2, and why they are refused.
fn refuse(rows: Vec<(Vec<Move>, Refusal)>) {
    let books = books();
    for (moves, refusal) in rows {
        let outcome = post(&mut books.clone(), &moves, Timestamp::from_micros(2));
        assert_eq!(outcome, Err(refusal), "{moves:?}");
    }
}

#[test]
fn every_refusal_has_its_situation() {
    let [paid, frozen, closed, ad] =
        ["consumer.paid:1", "consumer.paid:2", "consumer.paid:3", "consumer.ad:9"].map(account);
    let (usd, crd) = (account("bank"), account("consumer.promo:1"));
    refuse(vec![
        (vec![pay("consumer.paid:1", "consumer.promo:1", -1)], Refusal::Negative),
        (vec![waterfall(&[("consumer.paid:1", "consumer.promo:1")], -1)], Refusal::Negative),
        (vec![up_to("consumer.paid:1", "consumer.promo:1", -1)], Refusal::Negative),
        (vec![open(20, paid, -1, None)], Refusal::Negative),
        (vec![post_part(1, -1)], Refusal::Negative),
        (vec![pay("consumer.paid:1", "consumer.paid:1", 1)], Refusal::SameAccount(paid)),
        (vec![rest("consumer.paid:1", "consumer.paid:1")], Refusal::SameAccount(paid)),
        (vec![pay("bank", "consumer.promo:1", 1)], Refusal::Currency(usd, crd)),
        (vec![rest("bank", "consumer.promo:1")], Refusal::Currency(usd, crd)),
        (vec![toward(20, usd, crd, 1, None)], Refusal::Currency(usd, crd)),
        (vec![open(1, paid, 1, None)], Refusal::PendingExists(pending(1))),
        (vec![open(2, paid, 1, None)], Refusal::PendingExists(pending(2))),
        (vec![open(20, paid, 1, Some(2))], Refusal::ExpiryPast(pending(20))),
        (vec![post_all(20)], Refusal::PendingMissing(pending(20))),
        (vec![void(20)], Refusal::PendingMissing(pending(20))),
        (vec![expire(20)], Refusal::PendingMissing(pending(20))),
        (vec![post_all(2)], Refusal::PendingPosted(pending(2))),
        (vec![post_all(3)], Refusal::PendingVoided(pending(3))),
        (vec![post_all(4)], Refusal::PendingExpired(pending(4))),
        (vec![post_all(5)], Refusal::PendingExpired(pending(5))),
        (vec![expire(1)], Refusal::PendingNotDue(pending(1))),
        (vec![post_part(1, 11)], exceeded(10, 11)),
        (vec![pay("consumer.paid:3", "consumer.promo:1", 1)], Refusal::Closed(closed)),
        (vec![pay("consumer.paid:1", "consumer.paid:3", 1)], Refusal::Closed(closed)),
        (vec![up_to("consumer.paid:1", "consumer.paid:3", 1)], Refusal::Closed(closed)),
        (vec![rest("consumer.paid:3", "consumer.promo:1")], Refusal::Closed(closed)),
        (vec![open(20, closed, 0, None)], Refusal::Closed(closed)),
        (vec![post_all(7)], Refusal::Closed(account("consumer.paid:5"))),
        (vec![pay("consumer.paid:2", "consumer.promo:1", 1)], Refusal::Frozen(frozen)),
        (vec![rest("consumer.paid:2", "consumer.promo:1")], Refusal::Frozen(frozen)),
        (vec![open(20, frozen, 0, None)], Refusal::Frozen(frozen)),
        (vec![post_all(6)], Refusal::Frozen(account("consumer.paid:4"))),
        (vec![pay("consumer.paid:1", "consumer.promo:1", 36)], short(25, 36)),
        (vec![open(20, paid, 26, None)], short(25, 26)),
        (vec![pay("consumer.paid:1", "receivable.consumer:1", 6)], over(5, 6)),
        (vec![pay("expense.promo_grant", "consumer.ad:1", 100)], range("expense.promo_grant")),
        (vec![pay("income.breakage", "consumer.ad:9", 100)], Refusal::Range(ad)),
        (vec![post_all(8)], Refusal::Range(ad)),
    ]);
}

fn range(name: &str) -> Refusal {
    Refusal::Range(account(name))
}

#[test]
fn the_earlier_refusal_is_given_where_two_apply() {
    let [paid, frozen, closed] =
        ["consumer.paid:1", "consumer.paid:2", "consumer.paid:3"].map(account);
    let [shut, debt, usd] = ["escrow.paid:3", "receivable.consumer:1", "bank"].map(account);
    refuse(vec![
        // negative, same account
        (vec![pay("consumer.paid:1", "consumer.paid:1", -1)], Refusal::Negative),
        (
            vec![split(&["consumer.ad:1"], &[("consumer.ad:1", 1), ("consumer.promo:1", -1)])],
            Refusal::Negative,
        ),
        // same account, currency
        (
            vec![split(&["bank", "consumer.ad:1"], &[("consumer.ad:1", 1)])],
            Refusal::SameAccount(account("consumer.ad:1")),
        ),
        // currency, id exists
        (vec![toward(1, paid, usd, 1, None)], Refusal::Currency(paid, usd)),
        // id exists, expiry past
        (vec![open(1, paid, 1, Some(1))], Refusal::PendingExists(pending(1))),
        // expiry past, closed
        (vec![open(20, closed, 1, Some(1))], Refusal::ExpiryPast(pending(20))),
        // negative, each state of a reservation
        (vec![post_part(20, -1)], Refusal::Negative),
        (vec![post_part(2, -1)], Refusal::Negative),
        // posted, voided and expired, exceeded
        (vec![post_part(2, 11)], Refusal::PendingPosted(pending(2))),
        (vec![post_part(3, 11)], Refusal::PendingVoided(pending(3))),
        (vec![post_part(4, 11)], Refusal::PendingExpired(pending(4))),
        (vec![post_part(5, 11)], Refusal::PendingExpired(pending(5))),
        // exceeded, closed and frozen
        (vec![post_part(7, 1)], exceeded(0, 1)),
        (vec![post_part(6, 1)], exceeded(0, 1)),
        // closed, frozen
        (vec![toward(20, frozen, shut, 1, None)], Refusal::Closed(shut)),
        (
            vec![split(&["consumer.paid:2", "consumer.paid:3"], &[("consumer.promo:1", 60)])],
            Refusal::Closed(closed),
        ),
        (vec![pay("consumer.paid:2", "escrow.paid:3", 1)], Refusal::Closed(shut)),
        // closed, short
        (vec![pay("consumer.paid:1", "escrow.paid:3", 99)], Refusal::Closed(shut)),
        // frozen, short
        (vec![pay("consumer.paid:2", "consumer.promo:1", 99)], Refusal::Frozen(frozen)),
        (
            vec![waterfall(
                &[("consumer.paid:1", "escrow.ad:1"), ("consumer.paid:2", "escrow.paid:1")],
                999,
            )],
            Refusal::Frozen(frozen),
        ),
        (vec![open(20, frozen, 99, None)], Refusal::Frozen(frozen)),
        // short, over
        (vec![pay("consumer.paid:1", "receivable.consumer:1", 99)], short(25, 99)),
        (vec![toward(20, paid, debt, 99, None)], short(25, 99)),
        // short, range
        (vec![pay("consumer.paid:1", "consumer.ad:9", 99)], short(25, 99)),
        (
            vec![split(
                &["consumer.paid:1"],
                &[("consumer.ad:1", i64::MAX), ("consumer.ad:9", i64::MAX)],
            )],
            short(25, i64::MAX),
        ),
        // over, range
        (vec![pay("expense.promo_grant", "receivable.consumer:1", 99)], over(5, 99)),
        (vec![toward(20, account("expense.promo_grant"), debt, 99, None)], over(5, 99)),
    ]);
}

#[test]
fn the_range_comes_last_and_a_later_move_is_not_asked() {
    refuse(vec![
        // the sum of a split is as wide as it has to be
        (
            vec![split(
                &["income.breakage"],
                &[("consumer.ad:1", i64::MAX), ("escrow.paid:3", i64::MAX)],
            )],
            Refusal::Closed(account("escrow.paid:3")),
        ),
        (
            vec![split(
                &["income.breakage"],
                &[("consumer.ad:1", i64::MAX), ("consumer.ad:2", i64::MAX)],
            )],
            range("income.breakage"),
        ),
        (
            vec![split(
                &["receivable.lender:1"],
                &[("consumer.ad:1", i64::MAX), ("consumer.ad:2", 1)],
            )],
            range("receivable.lender:1"),
        ),
        // of several moves, the first that is refused
        (
            vec![pay("income.breakage", "consumer.ad:9", 99), pay("bank", "bank", -1)],
            range("consumer.ad:9"),
        ),
    ]);
}

#[test]
fn pairs_of_a_waterfall_are_of_one_currency() {
    let mixed = waterfall(&[("consumer.paid:1", "escrow.paid:1"), ("bank", "exchange.USD")], 1);
    refuse(vec![(vec![mixed], Refusal::Currency(account("consumer.paid:1"), account("bank")))]);
}

#[test]
fn room_is_used_up_within_one_move() {
    let twice = |a, b| {
        split(
            &["income.breakage"],
            &[("receivable.consumer:1", a), ("consumer.ad:1", 1), ("receivable.consumer:1", b)],
        )
    };
    refuse(vec![(vec![twice(3, 3)], over(2, 3))]);
    assert!(post(&mut books(), &[twice(3, 2)], NOW).is_ok());
}

#[test]
fn a_source_that_is_named_twice_gives_once() {
    let (paid, escrow, ad) = ("consumer.paid:1", "escrow.paid:1", "escrow.ad:1");
    refuse(vec![
        (vec![split(&[paid, paid], &[(escrow, 30)])], short(25, 30)),
        (vec![waterfall(&[(paid, escrow), (paid, ad)], 30)], short(25, 30)),
        (vec![waterfall(&[(paid, escrow), (escrow, ad), (paid, ad)], 61)], short(60, 61)),
    ]);
}

#[test]
fn what_moves_nothing_asks_nothing() {
    let book = books();
    let before = snapshot(&book);
    for wish in [
        pay("consumer.paid:3", "consumer.paid:2", 0),
        pay("consumer.paid:2", "receivable.consumer:7", 0),
        split(&[], &[]),
        split(&["consumer.paid:3"], &[]),
        split(&[], &[("consumer.paid:3", 0)]),
        waterfall(&[], 0),
        waterfall(&[("consumer.paid:3", "escrow.paid:3")], 0),
        up_to("consumer.ad:1", "escrow.paid:3", 9),
        up_to("consumer.paid:1", "receivable.consumer:7", 9),
        rest("receivable.consumer:1", "consumer.paid:3"),
        rest("expense.promo_grant", "consumer.paid:3"),
        Move::SetState { account: account("consumer.paid:3"), state: AccountState::Closed },
        Move::Forced(Vec::new()),
    ] {
        let mut book = book.clone();
        let effects = post(&mut book, std::slice::from_ref(&wish), NOW);
        assert_eq!(effects, Ok(Effects::default()), "{wish:?}");
        assert_eq!(snapshot(&book), before, "{wish:?}");
    }
}

#[test]
fn without_sources_there_is_nothing() {
    refuse(vec![
        (vec![split(&[], &[("consumer.ad:1", 1)])], short(0, 1)),
        (vec![waterfall(&[], 1)], short(0, 1)),
    ]);
}

#[test]
fn sources_and_targets_are_used_in_order_each_as_far_as_it_goes() {
    check(
        "consumer.promo:1 5\nconsumer.ad:1 0 frozen\nconsumer.paid:1 9 out 2\nlender.available:1 9",
        &[split(
            &["consumer.promo:1", "consumer.ad:1", "consumer.paid:1", "lender.available:1"],
            &[("lender.pending:2", 8), ("lender.pending:3", 0), ("income.compute_fee", 5)],
        )],
        "consumer.ad:1 0 frozen\nconsumer.paid:1 2 out 2\nlender.available:1 8
         lender.pending:2 8\nincome.compute_fee 5",
    );
    // What a pair brings, a later pair can carry on.
    check(
        "consumer.promo:1 5",
        &[waterfall(&[("consumer.promo:1", "consumer.ad:1"), ("consumer.ad:1", "escrow.ad:1")], 8)],
        "escrow.ad:1 3\nconsumer.ad:1 2",
    );
}

#[test]
fn the_house_takes_also_out_of_frozen_accounts_but_never_out_of_closed_ones() {
    let take = pay("consumer.paid:2", "consumer.promo:1", 1);
    let back = pay("consumer.paid:2", "consumer.promo:1", 2);
    let forced = |wish: &Move| Move::Forced(vec![Move::Forced(vec![wish.clone()])]);
    assert!(post(&mut books(), &[forced(&take), forced(&back)], NOW).is_ok());
    refuse(vec![
        (vec![forced(&take), back], Refusal::Frozen(account("consumer.paid:2"))),
        (
            vec![forced(&pay("consumer.paid:3", "consumer.promo:1", 1))],
            Refusal::Closed(account("consumer.paid:3")),
        ),
    ]);
}

#[test]
fn a_frozen_account_takes_in_and_a_closed_one_can_be_opened_again() {
    check(
        "consumer.paid:1 9\nconsumer.paid:2 5 frozen\nescrow.paid:3 0 closed",
        &[
            pay("consumer.paid:1", "consumer.paid:2", 4),
            Move::SetState { account: account("escrow.paid:3"), state: AccountState::Open },
            pay("consumer.paid:1", "escrow.paid:3", 5),
        ],
        "consumer.paid:2 9 frozen\nescrow.paid:3 5",
    );
}
