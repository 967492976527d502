//! The books themselves: names of accounts, loading, taking back, and reading the log again.

use super::*;
use crate::{Bucket, Cents, Change, Pending, PendingState, Provider, Resolution};

#[test]
fn accounts_read_back_from_their_text() {
    for class in Class::ALL {
        let name = match class.owner() {
            Owner::House => class.name().to_owned(),
            Owner::Provider => format!("{}:card", class.name()),
            Owner::User | Owner::Job | Owner::Campaign => format!("{}:9", class.name()),
        };
        let account = account(&name);
        assert_eq!(account.to_string().parse(), Ok(account));
        assert_eq!((account.class(), account.currency()), (*class, class.currency()));
        assert_eq!(Account::house(*class).is_some(), class.owner() == Owner::House);
    }
    for (account, text) in [
        (Account::compute_fee(), "income.compute_fee".to_owned()),
        (Account::wallet(Bucket::Earned, user(9)), format!("lender.available:{}", user(9))),
        (Account::escrow(Bucket::Ad, job(3)), format!("escrow.ad:{}", job(3))),
        (Account::campaign_reserve(campaign(3)), format!("campaign.reserve:{}", campaign(3))),
        (Account::psp_clearing(Provider::new("card_2").unwrap()), "psp_clearing:card_2".into()),
    ] {
        assert_eq!(account.to_string(), text);
    }
    let (of_user, of_job) = (account("consumer.ad:9"), account("escrow.ad:3"));
    assert_eq!((of_user.user(), of_user.job()), (Some(user(9)), None));
    assert_eq!((of_job.user(), of_job.job()), (None, Some(job(3))));
}

#[test]
fn other_texts_are_no_accounts() {
    for text in [
        "",
        "nothing",
        "nothing:usr_00000000000000000000000000000001",
        "consumer.paid",
        "consumer.paid:",
        "consumer.paid:usr_1",
        "consumer.paid:job_00000000000000000000000000000001",
        "consumer.paid:usr_00000000000000000000000000000001:x",
        "escrow.paid:usr_00000000000000000000000000000001",
        "campaign.reserve",
        "income.compute_fee:x",
        "bank:",
        "psp_clearing",
        "psp_clearing:",
        "psp_clearing:Card",
        "psp_clearing:a name of 17 ch",
        "psp_clearing:abcdefghijklmnopq",
    ] {
        assert!(text.parse::<Account>().is_err(), "{text}");
    }
    assert_eq!(Provider::new("abcdefghijklmnop").unwrap().name(), "abcdefghijklmnop");
}

#[test]
fn amounts_are_shown_in_their_currency() {
    for (currency, units, text) in [
        (Currency::Crd, 12_500_000, "12.50"),
        (Currency::Crd, -111, "-0.000111"),
        (Currency::Usd, 1_205, "12.05"),
        (Currency::Usd, -5, "-0.05"),
        (Currency::Usd, 0, "0.00"),
        (Currency::Usd, i64::MIN, "-92233720368547758.08"),
    ] {
        assert_eq!(currency.show(Amount::new(units)), text);
    }
    assert_eq!(Amount::from(Cents::new(7)).units(), Cents::new(7).units());
}

fn reserve(id: u128, amount: i64, ends: Option<i64>) -> Move {
    Move::Reserve {
        pending: pending(id),
        from: account("consumer.paid:1"),
        to: account("escrow.paid:1"),
        amount: units(amount),
        expires_at: ends.map(Timestamp::from_micros),
    }
}

#[test]
fn a_book_that_is_stored_and_loaded_is_the_same() {
    let mut book = book("consumer.paid:1 50\nconsumer.ad:2 0 frozen");
    let steps =
        [reserve(1, 5, Some(9)), reserve(2, 6, None), reserve(3, 7, Some(8)), reserve(4, 1, None)];
    post(&mut book, &steps, Timestamp::from_micros(0)).unwrap();
    post(&mut book, &[Move::Void { pending: pending(4) }], NOW).unwrap();
    let again = Book::load(book.accounts(), book.pendings());
    assert_eq!(snapshot(&again), snapshot(&book));
    assert_eq!(again.next_expiry(), Some(Timestamp::from_micros(8)));
    assert_eq!(again.overdue(Timestamp::from_micros(8)), [pending(3)]);
    assert_eq!(again.overdue(Timestamp::from_micros(9)), [pending(3), pending(1)]);
    let balance = again.balance(&account("consumer.paid:1"));
    assert_eq!((balance, again.draft().balance(&account("consumer.paid:1"))), (units(50), balance));
}

#[test]
fn what_was_kept_since_a_mark_can_be_taken_back() {
    let mut book = book("consumer.paid:1 50");
    post(&mut book, &[reserve(1, 5, Some(2_000_000))], NOW).unwrap();
    let start = book.mark();
    book.commit(start);
    let before = snapshot(&book);
    post(&mut book, &[reserve(2, 6, Some(3_000_000))], NOW).unwrap();
    let (middle, between) = (book.mark(), snapshot(&book));
    let steps = [
        Move::Void { pending: pending(1) },
        Move::Post { pending: pending(2), amount: None },
        Move::pay(account("consumer.paid:1"), account("consumer.paid:2"), units(1)),
        Move::SetState { account: account("consumer.paid:9"), state: AccountState::Closed },
    ];
    post(&mut book, &steps, NOW).unwrap();
    post(&mut book, &[reserve(3, 1, None)], NOW).unwrap();
    book.roll_back(middle);
    assert_eq!(snapshot(&book), between);
    post(&mut book, &[reserve(3, 2, None)], NOW).unwrap();
    book.roll_back(start);
    assert_eq!(snapshot(&book), before);
    assert!(book.pending(&pending(2)).is_none());
}

#[test]
fn what_is_final_stays_and_what_came_after_can_still_be_taken_back() {
    let mut book = book("consumer.paid:1 50");
    let pay = |to, amount| Move::pay(account("consumer.paid:1"), account(to), units(amount));
    let mut marks = vec![(book.mark(), snapshot(&book))];
    for (to, amount) in [("consumer.paid:2", 1), ("consumer.ad:2", 2), ("consumer.paid:2", 3)] {
        post(&mut book, &[pay(to, amount)], NOW).unwrap();
        marks.push((book.mark(), snapshot(&book)));
    }
    book.commit(marks[1].0);
    book.roll_back(marks[3].0);
    assert_eq!(snapshot(&book), marks[3].1, "nothing came after");
    for (mark, then) in marks[1..3].iter().rev() {
        book.roll_back(*mark);
        assert_eq!(snapshot(&book), *then);
    }
    book.roll_back(marks[0].0);
    assert_eq!(snapshot(&book), marks[1].1, "final");
    post(&mut book, &[pay("consumer.ad:2", 9)], NOW).unwrap();
    assert!(book.mark() > marks[1].0);
    book.roll_back(marks[1].0);
    assert_eq!(snapshot(&book), marks[1].1);
}

#[test]
fn ended_reservations_can_be_forgotten_and_learned_again() {
    let mut book = book("consumer.paid:1 50");
    post(&mut book, &[reserve(1, 5, Some(2_000_000)), reserve(2, 5, None)], NOW).unwrap();
    post(&mut book, &[Move::Void { pending: pending(2) }], NOW).unwrap();
    let ended = *book.pending(&pending(2)).unwrap();
    for id in [1, 2, 3] {
        book.forget(&pending(id));
    }
    assert!(book.pending(&pending(1)).is_some(), "open ones stay");
    assert_eq!(book.pending(&pending(2)), None);
    book.learn(pending(2), ended);
    let again = post(&mut book, &[reserve(2, 1, None)], NOW);
    assert_eq!(again, Err(Refusal::PendingExists(pending(2))));
}

#[test]
fn a_chain_is_kept_whole_or_dropped_whole() {
    let mut book = book("consumer.paid:1 50");
    let [paid, other] = ["consumer.paid:1", "consumer.paid:2"].map(account);
    let pay = |from, to, amount| Move::pay(from, to, units(amount));
    let before = snapshot(&book);
    let mut draft = book.draft();
    draft.post(&[pay(paid, other, 30)], NOW).unwrap();
    assert_eq!(draft.standing(&paid).posted, units(20));
    assert_eq!(draft.balance(&other), units(30), "each event sees the ones before");
    assert!(draft.post(&[pay(paid, other, 21)], NOW).is_err());
    drop(draft);
    assert_eq!(snapshot(&book), before);
    let mut draft = book.draft();
    draft.post(&[pay(paid, other, 30)], NOW).unwrap();
    draft.post(&[pay(other, paid, 10)], NOW).unwrap();
    let changed = draft.into_changed();
    book.keep(changed);
    assert_eq!(lines(&book), ["consumer.paid:1 30", "consumer.paid:2 20"]);
}

#[test]
fn a_log_that_breaks_the_rules_is_not_read_as_if_it_kept_them() {
    let mut start = book("consumer.paid:1 10\nreceivable.consumer:1 -10");
    post(&mut start, &[reserve(1, 4, None), reserve(2, 1, None)], NOW).unwrap();
    post(&mut start, &[Move::Void { pending: pending(2) }], NOW).unwrap();
    let [paid, debt, escrow] =
        ["consumer.paid:1", "receivable.consumer:1", "escrow.paid:1"].map(account);
    let reserved = |id, amount| Change::Reserved {
        pending: pending(id),
        from: paid,
        to: escrow,
        amount: units(amount),
        expires_at: None,
    };
    let owed = |amount: i64| Change::Reserved {
        pending: pending(10 + u128::from(amount.unsigned_abs())),
        from: account("income.breakage"),
        to: debt,
        amount: units(amount),
        expires_at: None,
    };
    let resolved = |id, amount| Change::Resolved {
        pending: pending(id),
        how: Resolution::Posted,
        amount: units(amount),
    };
    let crd = Currency::Crd;
    let short = |has, due| Refusal::Short { currency: crd, has: units(has), due: units(due) };
    let (reserved_units, wanted) = (units(4), units(5));
    for (postings, changes, refusal) in [
        (vec![Posting(paid, units(-7))], vec![], short(6, 7)),
        (vec![Posting(paid, units(1)), Posting(paid, units(-9))], vec![], short(6, 8)),
        (vec![Posting(paid, units(i64::MIN))], vec![], short(6, i64::MAX)),
        (vec![], vec![reserved(3, 7)], short(6, 7)),
        (vec![Posting(paid, units(-3))], vec![reserved(3, 4)], short(6, 7)),
        (vec![], vec![reserved(1, 1)], Refusal::PendingExists(pending(1))),
        (vec![], vec![reserved(3, -1)], Refusal::Negative),
        (vec![], vec![resolved(3, 1)], Refusal::PendingMissing(pending(3))),
        (vec![], vec![resolved(2, 1)], Refusal::PendingVoided(pending(2))),
        (vec![], vec![resolved(1, -1)], Refusal::Negative),
        (
            vec![],
            vec![resolved(1, 5)],
            Refusal::PendingExceeded { currency: crd, reserved: reserved_units, wanted },
        ),
        (
            vec![Posting(debt, units(11))],
            vec![],
            Refusal::Over { account: debt, has: units(10), due: units(11) },
        ),
        (
            vec![],
            vec![owed(9), owed(2)],
            Refusal::Over { account: debt, has: units(10), due: units(11) },
        ),
        (vec![Posting(paid, units(i64::MAX))], vec![], Refusal::Range(paid)),
    ] {
        let outcome = start.draft().replay(&postings, &changes);
        assert_eq!(outcome, Err(refusal), "{postings:?} {changes:?}");
    }
    // What a reservation sets aside and what an event moves are judged together.
    let moved = [Posting(paid, units(-10)), Posting(escrow, units(10))];
    assert_eq!(start.draft().replay(&moved, &[resolved(1, 4)]), Ok(()));
}

#[test]
fn what_stands_beyond_the_range_is_nothing_and_not_without_end() {
    let beyond = |posted, debits_pending, credits_pending| Standing {
        posted: units(posted),
        debits_pending: units(debits_pending),
        credits_pending: units(credits_pending),
        state: AccountState::Open,
    };
    let (paid, debt) = (account("consumer.paid:1"), account("receivable.consumer:1"));
    let broken = beyond(i64::MIN, 1, 0);
    assert_eq!((broken.reach(&paid), broken.is_within(&paid)), (Some(Amount::ZERO), false));
    assert_eq!((broken.room(&debt), broken.is_within(&debt)), (Some(Amount::MAX), true));
    let broken = beyond(i64::MAX, 0, 1);
    assert_eq!((broken.room(&debt), broken.is_within(&debt)), (Some(Amount::ZERO), false));
    assert_eq!(broken.excess(&debt), Amount::MAX);
    assert_eq!((broken.reach(&paid), broken.room(&paid)), (Some(Amount::MAX), None));
    let free = account("rounding");
    assert_eq!(
        (broken.reach(&free), broken.room(&free), broken.is_within(&free)),
        (None, None, true)
    );
}

#[test]
fn states_and_classes_have_names() {
    for state in [AccountState::Open, AccountState::Frozen, AccountState::Closed] {
        assert_eq!(AccountState::of_name(state.name()), Some(state));
    }
    assert_eq!(AccountState::of_name("shut"), None);
    for class in Class::ALL {
        assert_eq!(Class::of_name(class.name()), Some(*class));
    }
    let pending = Pending {
        from: account("bank"),
        to: account("exchange.USD"),
        amount: units(1),
        expires_at: None,
        state: PendingState::Open,
    };
    assert!(!pending.is_over(Timestamp::from_micros(i64::MAX)));
}
