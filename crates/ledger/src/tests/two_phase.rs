//! The life of reservations: one long scenario, then what each step may and may not do.

use super::*;
use crate::{Bucket, Change, PendingState, Resolution};

fn from() -> Account {
    account("expense.promo_grant")
}

fn to() -> Account {
    account("consumer.promo:1")
}

fn second(n: i64) -> Timestamp {
    NOW.plus_ms(n * 1_000)
}

fn reserve(id: u128, amount: i64, expires_at: Option<Timestamp>) -> Move {
    let (from, to) = (from(), to());
    Move::Reserve { pending: pending(id), from, to, amount: units(amount), expires_at }
}

fn post_part(id: u128, amount: impl Into<Option<i64>>) -> Move {
    Move::Post { pending: pending(id), amount: amount.into().map(units) }
}

fn void(id: u128) -> Move {
    Move::Void { pending: pending(id) }
}

fn expire(id: u128) -> Move {
    Move::Expire { pending: pending(id) }
}

/// Posted and pending on the receiving side; the giving side mirrors it.
fn stands(book: &Book) -> (i64, i64) {
    let (gives, gets) = (book.standing(&from()), book.standing(&to()));
    assert_eq!(gives.posted.checked_neg(), Some(gets.posted));
    assert_eq!(gives.debits_pending, gets.credits_pending);
    assert_eq!((gives.credits_pending, gets.debits_pending), (Amount::ZERO, Amount::ZERO));
    (gets.posted.units(), gets.credits_pending.units())
}

#[test]
fn six_reservations_are_posted_in_part_voided_expired_and_posted_whole() {
    let mut book = Book::default();
    let mut step = |moves: &[Move], now| post(&mut book, moves, now).map(|_| ());
    step(&[Move::pay(from(), to(), units(15))], NOW).unwrap();
    for (id, amount, expires_at) in
        [(1, 15, None), (2, 15, None), (3, 15, Some(second(1))), (4, 7, None), (5, 1, None)]
    {
        step(&[reserve(id, amount, expires_at)], NOW).unwrap();
    }
    step(&[reserve(6, 1, None)], NOW).unwrap();
    let exceeded =
        Refusal::PendingExceeded { currency: Currency::Crd, reserved: units(7), wanted: units(8) };
    assert_eq!(stands(&book), (15, 54));

    let later = second(1);
    assert_eq!(book.overdue(later), [pending(3)]);
    let mut step = |moves: &[Move]| post(&mut book, moves, later).map(|_| ());
    step(&[post_part(1, 13)]).unwrap();
    step(&[void(2)]).unwrap();
    // Its time is over, whether or not the clock has come to it.
    assert_eq!(step(&[post_part(3, 15)]), Err(Refusal::PendingExpired(pending(3))));
    assert_eq!(step(&[void(3)]), Err(Refusal::PendingExpired(pending(3))));
    step(&[expire(3)]).unwrap();
    assert_eq!(step(&[post_part(4, 8)]), Err(exceeded));
    step(&[post_part(4, None)]).unwrap();
    step(&[post_part(5, None)]).unwrap();
    step(&[post_part(6, 0)]).unwrap();

    for (id, refused) in [
        (1, Refusal::PendingPosted(pending(1))),
        (2, Refusal::PendingVoided(pending(2))),
        (3, Refusal::PendingExpired(pending(3))),
        (4, Refusal::PendingPosted(pending(4))),
        (6, Refusal::PendingPosted(pending(6))),
    ] {
        for again in [post_part(id, None), post_part(id, 0), void(id), expire(id)] {
            assert_eq!(step(&[again]), Err(refused.clone()));
        }
        assert_eq!(step(&[reserve(id, 1, None)]), Err(Refusal::PendingExists(pending(id))));
    }
    assert_eq!(stands(&book), (36, 0));
    assert_eq!(book.next_expiry(), None);
}

#[test]
fn what_is_set_aside_cannot_be_spent_and_what_is_to_come_neither() {
    let mut book = book("consumer.paid:1 100");
    let [paid, escrow, other] =
        ["consumer.paid:1", "escrow.paid:1", "consumer.paid:2"].map(account);
    let set = |id, from, to, amount| Move::Reserve {
        pending: pending(id),
        from,
        to,
        amount: units(amount),
        expires_at: None,
    };
    let short = |has, due| {
        Err(Refusal::Short { currency: Currency::Crd, has: units(has), due: units(due) })
    };
    let mut step = |wish: Move| post(&mut book, &[wish], NOW).map(|effects| effects.postings);
    assert_eq!(step(set(1, paid, escrow, 60)), Ok(Vec::new()));
    assert_eq!(step(Move::pay(paid, other, units(41))), short(40, 41));
    assert_eq!(step(set(2, paid, other, 41)), short(40, 41));
    assert_eq!(step(Move::pay(escrow, other, units(1))), short(0, 1));
    let all = |from, to| Move::Rest { from, to };
    let moved = |n: i64| Ok(vec![Posting(paid, units(-n)), Posting(other, units(n))]);
    assert_eq!(step(all(paid, other)), moved(40));
    assert_eq!(step(Move::Void { pending: pending(1) }), Ok(Vec::new()));
    assert_eq!(step(Move::UpTo { from: paid, to: other, amount: units(70) }), moved(60));
}

#[test]
fn a_reservation_of_what_is_owed_to_us_fills_the_room() {
    let mut book = book("receivable.consumer:1 -10\nconsumer.paid:1 50");
    let (from, to) = (account("consumer.paid:1"), account("receivable.consumer:1"));
    let set = |id, amount| Move::Reserve {
        pending: pending(id),
        from,
        to,
        amount: units(amount),
        expires_at: None,
    };
    let over = |has, due| Err(Refusal::Over { account: to, has: units(has), due: units(due) });
    let mut step = |wish: Move| post(&mut book, &[wish], NOW).map(|_| ());
    assert_eq!(step(set(1, 7)), Ok(()));
    assert_eq!(step(set(2, 4)), over(3, 4));
    assert_eq!(step(Move::pay(from, to, units(4))), over(3, 4));
    assert_eq!(step(Move::UpTo { from, to, amount: units(9) }), Ok(()));
    assert_eq!(step(Move::pay(from, to, units(1))), over(0, 1));
    assert_eq!(step(Move::Post { pending: pending(1), amount: None }), Ok(()));
    assert_eq!(lines(&book), ["consumer.paid:1 40"]);
}

#[test]
fn only_the_clock_frees_and_only_when_the_time_has_come() {
    let mut book = Book::default();
    let not_due = |id| Err(Refusal::PendingNotDue(pending(id)));
    let mut step = |wish: Move, now| post(&mut book, &[wish], now).map(|_| ());
    step(reserve(1, 5, Some(second(10))), NOW).unwrap();
    step(reserve(2, 5, None), NOW).unwrap();
    let just_before = Timestamp::from_micros(second(10).micros() - 1);
    assert_eq!(step(expire(1), just_before), not_due(1));
    assert_eq!(step(expire(2), Timestamp::from_micros(i64::MAX)), not_due(2));
    assert_eq!(step(reserve(3, 5, Some(NOW)), NOW), Err(Refusal::ExpiryPast(pending(3))));
    step(post_part(1, 1), just_before).unwrap();
    assert_eq!(stands(&book), (1, 5));
}

#[test]
fn the_log_keeps_how_much_of_a_reservation_was_moved() {
    let mut book = Book::default();
    let mut step = |wish: Move| post(&mut book, &[wish], NOW).unwrap();
    let amount = units(9);
    let (from, to, expires_at) = (from(), to(), Some(second(1)));
    let effects = step(reserve(1, 9, expires_at));
    let reserved = Change::Reserved { pending: pending(1), from, to, amount, expires_at };
    assert_eq!((effects.postings, effects.changes), (Vec::new(), vec![reserved]));
    let effects = step(post_part(1, 4));
    let (how, amount) = (Resolution::Posted, units(4));
    let resolved = Change::Resolved { pending: pending(1), how, amount };
    assert_eq!(effects.changes, [resolved]);
    assert_eq!(effects.postings, [Posting(from, units(-4)), Posting(to, units(4))]);
}

#[test]
fn a_reservation_of_nothing_lives_like_any_other() {
    let mut book = Book::default();
    let wallet = Account::wallet(Bucket::Paid, user(1));
    let none = Move::Reserve {
        pending: pending(1),
        from: wallet,
        to: to(),
        amount: Amount::ZERO,
        expires_at: None,
    };
    post(&mut book, &[none], NOW).unwrap();
    let effects = post(&mut book, &[post_part(1, None)], NOW).unwrap();
    assert_eq!(effects.postings, []);
    assert_eq!(book.pending(&pending(1)).unwrap().state, PendingState::Posted);
    assert_eq!(lines(&book), [""; 0]);
}

#[test]
fn in_a_frozen_or_closed_account_reservations_can_only_be_freed() {
    for state in [AccountState::Frozen, AccountState::Closed] {
        for (n, place) in ["consumer.paid:1", "escrow.paid:1"].into_iter().enumerate() {
            let mut book = book("consumer.paid:1 10");
            let [from, to] = ["consumer.paid:1", "escrow.paid:1"].map(account);
            let set = |id, expires_at| Move::Reserve {
                pending: pending(id),
                from,
                to,
                amount: units(2),
                expires_at,
            };
            let mut step = |moves: &[Move], now| post(&mut book, moves, now).map(|_| ());
            let ends = Some(second(1));
            step(&[set(1, None), set(2, ends), set(3, None)], NOW).unwrap();
            step(&[Move::SetState { account: account(place), state }], NOW).unwrap();
            let refused = match state {
                AccountState::Closed => Some(Refusal::Closed(account(place))),
                _ => (n == 0).then_some(Refusal::Frozen(from)),
            };
            let outcome = refused.clone().map_or(Ok(()), Err);
            assert_eq!(step(&[post_part(3, None)], NOW), outcome, "{place} {state:?}");
            assert_eq!(step(&[set(4, None)], NOW), outcome, "{place} {state:?}");
            step(&[void(1)], NOW).unwrap();
            step(&[expire(2)], second(1)).unwrap();
            let forced = Move::Forced(vec![set(5, None), post_part(5, None)]);
            let is_closed = state == AccountState::Closed;
            assert_eq!(step(&[forced], NOW).is_err(), is_closed, "{place} {state:?}");
        }
    }
}
