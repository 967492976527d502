//! Steps with their outcomes, and properties that hold after every step.

use medusa_types::{Credits, JobId, UserId};
use proptest::prelude::*;

use super::*;
use crate::{Bucket, split_shares};

fn user(n: u128) -> UserId {
    UserId(uuid(n))
}

fn uuid(n: u128) -> medusa_types::Uuid {
    medusa_types::Uuid::from_u128(n)
}

fn micros(n: i64) -> Credits {
    Credits::from_micros(n)
}

fn grant(n: u128, amount: i64) -> Move {
    Move::Split {
        from: vec![Account::promo_grant()],
        to: vec![(Account::wallet(Bucket::Promo, user(n)), micros(amount))],
    }
}

fn hold(n: u128, job: u128, amount: i64) -> Move {
    let pair = |b| (Account::wallet(b, user(n)), Account::escrow(b, JobId(uuid(job))));
    Move::Waterfall { pairs: Bucket::ALL.map(pair).to_vec(), amount: micros(amount) }
}

fn settle(job: u128, lender: u128, pay: i64, fee: i64) -> Move {
    Move::Split {
        from: Bucket::ALL.map(|b| Account::escrow(b, JobId(uuid(job)))).to_vec(),
        to: vec![
            (Account::lender_pending(user(lender)), micros(pay)),
            (Account::compute_fee(), micros(fee)),
        ],
    }
}

fn release(n: u128, job: u128) -> Vec<Move> {
    let rest = |b| Move::Rest {
        from: Account::escrow(b, JobId(uuid(job))),
        to: Account::wallet(b, user(n)),
    };
    Bucket::ALL.map(rest).to_vec()
}

fn run(book: &mut Book, moves: &[Move]) -> Result<Vec<Posting>, Refusal> {
    let mut draft = book.draft();
    let postings = draft.post(moves)?;
    let changed = draft.into_changed();
    book.keep(changed);
    let sum: i64 = postings.iter().map(|p| p.1.micros()).sum();
    assert_eq!(sum, 0, "postings sum to zero");
    for (account, balance) in book.iter() {
        assert!(balance >= Credits::ZERO || account.class().may_go_negative(), "{account}");
    }
    Ok(postings)
}

#[test]
fn a_job_is_held_settled_and_released() {
    let mut book = Book::default();
    run(&mut book, &[grant(1, 100)]).unwrap();
    run(&mut book, &[hold(1, 7, 60)]).unwrap();
    let short = Refusal::Short { has: micros(60), due: micros(61) };
    assert_eq!(run(&mut book, &[settle(7, 2, 60, 1)]), Err(short));
    run(&mut book, &[settle(7, 2, 40, 5)]).unwrap();
    run(&mut book, &release(1, 7)).unwrap();
    assert_eq!(book.balance(&Account::wallet(Bucket::Promo, user(1))), micros(55));
    assert_eq!(book.balance(&Account::lender_pending(user(2))), micros(40));
    assert_eq!(book.balance(&Account::compute_fee()), micros(5));
    assert_eq!(book.balance(&Account::promo_grant()), micros(-100));
}

#[test]
fn a_hold_beyond_the_wallet_is_refused_and_changes_nothing() {
    let mut book = Book::default();
    run(&mut book, &[grant(1, 100)]).unwrap();
    let before = book.clone();
    let refused = run(&mut book, &[hold(1, 7, 101)]);
    assert_eq!(refused, Err(Refusal::Short { has: micros(100), due: micros(101) }));
    assert!(before.iter().eq(book.iter()));
}

#[test]
fn negative_amounts_are_refused() {
    assert_eq!(run(&mut Book::default(), &[grant(1, -5)]), Err(Refusal::Negative));
    assert_eq!(run(&mut Book::default(), &[hold(1, 1, -5)]), Err(Refusal::Negative));
}

#[test]
fn overflow_is_refused() {
    let mut book = Book::default();
    run(&mut book, &[grant(1, i64::MAX)]).unwrap();
    assert!(matches!(run(&mut book, &[grant(1, 1)]), Err(Refusal::Range(_))));
}

#[test]
fn accounts_read_back_from_their_text() {
    for account in [
        Account::compute_fee(),
        Account::wallet(Bucket::Earned, user(9)),
        Account::escrow(Bucket::Ad, JobId(uuid(3))),
    ] {
        assert_eq!(account.to_string().parse(), Ok(account));
    }
    for text in ["", "consumer.paid", "income.compute_fee:x", "nothing:usr_1"] {
        assert!(text.parse::<Account>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn parts_sum_to_the_whole(whole in 0_i64..1_000_000_000, weights in proptest::collection::vec(0_u64..1000, 1..9)) {
        let parts = split_shares(micros(whole), &weights);
        prop_assert_eq!(parts.iter().map(|p| p.micros()).sum::<i64>(), whole);
    }

    #[test]
    fn any_sequence_keeps_the_invariants(steps in proptest::collection::vec((0_u8..4, 1_u128..4, 1_u128..4, 0_i64..50), 1..60)) {
        let mut book = Book::default();
        for (kind, a, b, amount) in steps {
            let moves = match kind {
                0 => vec![grant(a, amount)],
                1 => vec![hold(a, b, amount)],
                2 => vec![settle(b, a, amount, 1)],
                _ => release(a, b),
            };
            // A refusal is fine; `run` asserts the invariants after every accepted step.
            let _refused = run(&mut book, &moves).is_err();
            prop_assert_eq!(book.iter().map(|(_, b)| b.micros()).sum::<i64>(), 0);
        }
    }
}
