//! Flows 6 to 10, 19 and 20: books before and after.

use medusa_types::Fuel;

use super::*;
use crate::flows::{self, Clawback};
use crate::{Bucket, Change, settle_shares};

const WALLETS: &str = "
    consumer.promo:1 10
    consumer.ad:1 20
    consumer.paid:1 30
    lender.available:1 40
";

#[test]
fn a_gift_is_the_houses_expense_and_goes_back_when_it_expires() {
    check("", &flows::grant(user(1), micros(5)), "consumer.promo:1 5\nexpense.promo_grant -5");
    check(
        "consumer.promo:1 5\nexpense.promo_grant -5",
        &flows::expire_grant(user(1), micros(2)),
        "consumer.promo:1 3\nexpense.promo_grant -3",
    );
}

#[test]
fn a_hold_draws_on_the_buckets_in_order() {
    for (amount, after) in [
        (0, "consumer.promo:1 10\nconsumer.ad:1 20\nconsumer.paid:1 30\nlender.available:1 40"),
        (10, "escrow.promo:7 10\nconsumer.ad:1 20\nconsumer.paid:1 30\nlender.available:1 40"),
        (
            35,
            "escrow.promo:7 10\nescrow.ad:7 20\nescrow.paid:7 5
             consumer.paid:1 25\nlender.available:1 40",
        ),
        (100, "escrow.promo:7 10\nescrow.ad:7 20\nescrow.paid:7 30\nescrow.earned:7 40"),
    ] {
        check(WALLETS, &flows::hold(user(1), job(7), micros(amount)), after);
    }
    let short = Refusal::Short { currency: Currency::Crd, has: units(100), due: units(101) };
    let beyond = flows::hold(user(1), job(7), micros(101));
    assert_eq!(post(&mut book(WALLETS), &beyond, NOW), Err(short));
}

#[test]
fn a_top_up_adds_to_what_is_held() {
    check(
        "escrow.promo:7 4\nconsumer.promo:1 3\nconsumer.ad:1 9",
        &flows::top_up(user(1), job(7), micros(5)),
        "escrow.promo:7 7\nescrow.ad:7 2\nconsumer.ad:1 7",
    );
}

#[test]
fn a_chunk_is_paid_out_of_the_escrow_in_the_order_of_the_buckets() {
    let held = "escrow.promo:7 10\nescrow.ad:7 20\nescrow.paid:7 5";
    let delivered = [(user(3), Fuel(1)), (user(2), Fuel(2))];
    let paid = settle_shares(micros(26), 150, &delivered).unwrap();
    let after = "
        escrow.ad:7 4
        escrow.paid:7 5
        lender.pending:2 15
        lender.pending:3 8
        income.compute_fee 3
    ";
    check(held, &flows::settle(job(7), paid.shares.clone(), paid.fee), after);
    check(held, &flows::settle_window(job(7), paid.shares, paid.fee), after);
    let all = flows::settle(job(7), [(user(2), micros(36))], micros(0));
    let short = Refusal::Short { currency: Currency::Crd, has: units(35), due: units(36) };
    assert_eq!(post(&mut book(held), &all, NOW), Err(short));
}

#[test]
fn earnings_mature_as_far_as_the_caller_says() {
    let earned = "lender.pending:2 15\nlender.available:2 1";
    check(earned, &flows::mature(user(2), micros(6)), "lender.pending:2 9\nlender.available:2 7");
    assert!(post(&mut book(earned), &flows::mature(user(2), micros(16)), NOW).is_err());
}

#[test]
fn what_a_job_did_not_spend_goes_back_where_it_came_from_and_the_escrow_is_closed() {
    let closed = "
        escrow.promo:7 0 closed
        escrow.ad:7 0 closed
        escrow.paid:7 0 closed
        escrow.earned:7 0 closed
    ";
    check(
        "escrow.promo:7 1\nescrow.ad:7 2\nescrow.paid:7 3\nescrow.earned:7 4\nconsumer.ad:1 5",
        &flows::release(job(7), user(1)),
        &format!(
            "consumer.promo:1 1\nconsumer.ad:1 7\nconsumer.paid:1 3\nlender.available:1 4\n{closed}"
        ),
    );
    for amount in [0, 1, 10, 11, 59, 60, 99, 100] {
        let moves = [flows::hold(user(1), job(7), micros(amount)), flows::release(job(7), user(1))];
        check(WALLETS, &moves.concat(), &format!("{WALLETS}{closed}"));
    }
}

#[test]
fn a_released_job_moves_nothing_any_more() {
    let mut book = book(WALLETS);
    let hold = flows::hold(user(1), job(7), micros(5));
    post(&mut book, &hold, NOW).unwrap();
    post(&mut book, &flows::release(job(7), user(1)), NOW).unwrap();
    let again = post(&mut book, &flows::release(job(7), user(1)), NOW);
    assert_eq!(again, Ok(Effects::default()));
    let closed = |bucket| Err(Refusal::Closed(Account::escrow(bucket, job(7))));
    assert_eq!(post(&mut book, &hold, NOW), closed(Bucket::Promo));
    // A late settlement is refused for want of credits: nothing would leave the closed escrow.
    let late = flows::settle(job(7), [(user(2), micros(1))], micros(0));
    let short = Refusal::Short { currency: Currency::Crd, has: units(0), due: units(1) };
    assert_eq!(post(&mut book, &late, NOW), Err(short));
    let back = Clawback {
        lender: user(2),
        amount: micros(1),
        fee: micros(0),
        back_to: Account::escrow(Bucket::Ad, job(7)),
    };
    assert_eq!(post(&mut book, &flows::claw_back(&back), NOW), closed(Bucket::Ad));
}

#[test]
fn wrong_work_is_taken_back_from_earnings_and_then_as_a_debt() {
    let claw = |amount, back_to| {
        let back_to = account(back_to);
        flows::claw_back(&Clawback {
            lender: user(2),
            amount: micros(amount),
            fee: micros(3),
            back_to,
        })
    };
    let earned = "lender.pending:2 10 frozen\nlender.available:2 5 frozen\nincome.compute_fee 8";
    for (amount, after) in [
        (7, "lender.pending:2 3 frozen\nlender.available:2 5 frozen"),
        (12, "lender.pending:2 0 frozen\nlender.available:2 3 frozen"),
        (20, "lender.pending:2 0 frozen\nlender.available:2 0 frozen\nreceivable.lender:2 -5"),
    ] {
        for back_to in ["escrow.ad:7", "consumer.ad:1"] {
            let got = format!("{back_to} {}\nincome.compute_fee 5\n{after}", amount + 3);
            check(earned, &claw(amount, back_to), &got);
        }
    }
}

#[test]
fn a_frozen_person_keeps_everything_and_spends_nothing() {
    let mut frozen = book(WALLETS);
    let effects = post(&mut frozen, &flows::freeze(user(1)), NOW).unwrap();
    assert_eq!(effects.changes.len(), 6);
    assert_eq!(post(&mut frozen, &flows::freeze(user(1)), NOW), Ok(Effects::default()));
    let refused = |name| Err(Refusal::Frozen(account(name)));
    let hold = flows::hold(user(1), job(7), micros(1));
    assert_eq!(post(&mut frozen, &hold, NOW), refused("consumer.promo:1"));
    assert!(post(&mut frozen, &flows::grant(user(1), micros(1)), NOW).is_ok());
    let expired = flows::expire_ad_credits(user(1), micros(1));
    assert_eq!(post(&mut frozen, &expired, NOW), refused("consumer.ad:1"));
    let effects = post(&mut frozen, &flows::unfreeze(user(1)), NOW).unwrap();
    assert_eq!(effects.changes.len(), 6);
    for change in effects.changes {
        assert!(matches!(change, Change::State { state: AccountState::Open, .. }), "{change:?}");
    }
    assert!(post(&mut frozen, &hold, NOW).is_ok());
}
