//! Flows 1, 1b, 2, 11 to 18 and 22 to 24: books before and after.

use super::*;
use crate::flows::{self, Chargeback, Debtor, Payout, PayoutIds, Purchase};
use crate::{Cents, PendingState, Provider};

const IDS: PayoutIds =
    PayoutIds { amount: PendingId(Uuid::from_u128(1)), fee: PendingId(Uuid::from_u128(2)) };

fn bought(user_n: u128, cents: i64, credits: i64) -> Purchase {
    Purchase {
        provider: Provider::new("card").unwrap(),
        user: user(user_n),
        cents: Cents::new(cents),
        credits: micros(credits),
    }
}

#[test]
fn a_purchase_is_dollars_for_credits_and_a_refund_is_the_way_back() {
    let sold = "
        psp_clearing:card -500
        exchange.USD 500
        exchange.CRD -700
        consumer.paid:1 700
    ";
    check("", &flows::purchase(&bought(1, 500, 700)), sold);
    check(sold, &flows::refund(&bought(1, 500, 700)), "");
    check(
        sold,
        &flows::refund(&bought(1, 100, 140)),
        "psp_clearing:card -400\nexchange.USD 400\nexchange.CRD -560\nconsumer.paid:1 560",
    );
    let spent = flows::refund(&bought(1, 501, 701));
    let short = Refusal::Short { currency: Currency::Crd, has: units(700), due: units(701) };
    assert_eq!(post(&mut book(sold), &spent, NOW), Err(short));
    check(
        "",
        &flows::fund_advertiser(&bought(8, 500, 700)),
        "psp_clearing:card -500\nexchange.USD 500\nexchange.CRD -700\nadvertiser.balance:8 700",
    );
}

#[test]
fn the_provider_sends_on_what_it_took_less_its_fee() {
    let card = Provider::new("card").unwrap();
    check(
        "psp_clearing:card -500",
        &flows::receive_settlement(card, Cents::new(485), Cents::new(15)),
        "bank -485\nexpense.psp_fee -15",
    );
}

/// Books after a payout of 100 with a fee of 4 was requested.
fn requested() -> Book {
    let mut book = book("lender.available:2 110\nbank -900");
    let (amount, fee) = (micros(100), micros(4));
    let payout = Payout { lender: user(2), amount, fee, ids: IDS };
    post(&mut book, &flows::request_payout(&payout), NOW).unwrap();
    assert_eq!(
        lines(&book),
        [
            "bank -900",
            "lender.available:2 110 out 104",
            "payout.pending 0 in 100",
            "income.payout_fee 0 in 4"
        ]
    );
    book
}

#[test]
fn a_payout_waits_for_the_bank_however_long_that_takes() {
    let book = requested();
    assert_eq!(book.next_expiry(), None);
    assert_eq!(book.overdue(Timestamp::from_micros(i64::MAX)), []);
    let payout = Payout { lender: user(2), amount: micros(6), fee: micros(1), ids: IDS };
    let mut short = requested();
    assert!(post(&mut short, &flows::request_payout(&payout), NOW).is_err(), "used ids");
    let ids = PayoutIds { amount: pending(3), fee: pending(4) };
    let refused = post(&mut short, &flows::request_payout(&Payout { ids, ..payout }), NOW);
    let short = Refusal::Short { currency: Currency::Crd, has: units(0), due: units(1) };
    assert_eq!(refused, Err(short), "the fee is besides");
}

#[test]
fn a_completed_payout_turns_credits_into_dollars() {
    let mut book = requested();
    // A lender who is frozen between request and answer has been paid all the same.
    post(&mut book, &flows::freeze(user(2)), NOW).unwrap();
    let paid = flows::complete_payout(IDS, micros(100), Cents::new(1));
    post(&mut book, &paid, NOW).unwrap();
    post(&mut book, &flows::unfreeze(user(2)), NOW).unwrap();
    assert_eq!(
        lines(&book),
        [
            "bank -899",
            "lender.available:2 6",
            "income.payout_fee 4",
            "exchange.USD -1",
            "exchange.CRD 100"
        ]
    );
    assert_eq!(post(&mut book, &paid, NOW), Err(Refusal::PendingPosted(IDS.amount)));
    let failed = post(&mut book, &flows::fail_payout(IDS), NOW);
    assert_eq!(failed, Err(Refusal::PendingPosted(IDS.amount)));

    let returned = flows::return_payout(user(2), micros(100), Cents::new(1));
    post(&mut book, &returned, NOW).unwrap();
    assert_eq!(lines(&book), ["bank -900", "lender.available:2 106", "income.payout_fee 4"]);
}

#[test]
fn a_payout_beyond_what_was_requested_or_is_at_the_bank_is_refused() {
    let beyond = flows::complete_payout(IDS, micros(101), Cents::new(1));
    let outcome = post(&mut requested(), &beyond, NOW);
    assert!(matches!(outcome, Err(Refusal::PendingExceeded { .. })), "{outcome:?}");
    let empty = flows::complete_payout(IDS, micros(100), Cents::new(901));
    let over = Refusal::Over { account: account("bank"), has: units(900), due: units(901) };
    assert_eq!(post(&mut requested(), &empty, NOW), Err(over));
}

#[test]
fn a_failed_payout_leaves_everything_as_it_was() {
    let mut book = requested();
    post(&mut book, &flows::fail_payout(IDS), NOW).unwrap();
    assert_eq!(lines(&book), ["bank -900", "lender.available:2 110"]);
    for id in [IDS.amount, IDS.fee] {
        assert_eq!(book.pending(&id).unwrap().state, PendingState::Voided);
    }
}

#[test]
fn tax_is_kept_back_out_of_what_is_available() {
    check(
        "lender.available:2 110",
        &flows::withhold_tax(user(2), micros(11)),
        "lender.available:2 99\ntax.withheld 11",
    );
}

#[test]
fn a_chargeback_takes_wallet_then_escrow_then_becomes_a_debt_and_freezes() {
    let dollars = "psp_clearing:card 515\nexpense.chargeback_fee -15\nexchange.USD -500";
    let frozen = "
        consumer.ad:1 0 frozen
        consumer.promo:1 0 frozen
        lender.pending:1 0 frozen
        lender.available:1 0 frozen
        advertiser.balance:1 0 frozen
    ";
    let back = Chargeback { bought: bought(1, 500, 700), fee: Cents::new(15) };
    for (there, after) in [
        ("consumer.paid:1 900", "consumer.paid:1 200 frozen"),
        ("consumer.paid:1 900 frozen", "consumer.paid:1 200 frozen"),
        (
            "consumer.paid:1 400\nescrow.paid:7 250\nescrow.paid:8 250\nescrow.paid:9 250",
            "consumer.paid:1 0 frozen\nescrow.paid:8 200\nescrow.paid:9 250",
        ),
        (
            "consumer.paid:1 400\nescrow.paid:7 250\nescrow.paid:8 0 closed",
            "consumer.paid:1 0 frozen\nescrow.paid:8 0 closed\nreceivable.consumer:1 -50",
        ),
        ("", "consumer.paid:1 0 frozen\nreceivable.consumer:1 -700"),
    ] {
        let moves = flows::charge_back(&back, &[job(7), job(8)]);
        check(there, &moves, &format!("{after}\n{dollars}\nexchange.CRD 700\n{frozen}"));
    }
}

#[test]
fn a_chargeback_that_is_won_pays_the_debt_first() {
    let back = Chargeback { bought: bought(1, 500, 700), fee: Cents::new(15) };
    let lost = "psp_clearing:card 515\nexpense.chargeback_fee -15\nexchange.USD -500";
    for (there, after) in [
        ("consumer.paid:1 0 frozen", "consumer.paid:1 700 frozen"),
        ("consumer.paid:1 0 frozen\nreceivable.consumer:1 -50", "consumer.paid:1 650 frozen"),
        (
            "consumer.paid:1 0 frozen\nreceivable.consumer:1 -900",
            "consumer.paid:1 0 frozen\nreceivable.consumer:1 -200",
        ),
    ] {
        let before = format!("{there}\n{lost}\nexchange.CRD 700");
        check(&before, &flows::win_chargeback(&back), after);
    }
}

#[test]
fn a_debt_is_repaid_as_far_as_credits_and_debt_go() {
    let repay = |amount| flows::repay_debt(Debtor::Consumer(user(1)), micros(amount));
    for (before, amount, after) in [
        ("consumer.paid:1 90", 50, "consumer.paid:1 40\nreceivable.consumer:1 -30"),
        ("consumer.paid:1 90", 500, "consumer.paid:1 10"),
        ("consumer.paid:1 60 frozen", 500, "consumer.paid:1 0 frozen\nreceivable.consumer:1 -20"),
        ("", 500, "receivable.consumer:1 -80"),
    ] {
        check(&format!("{before}\nreceivable.consumer:1 -80"), &repay(amount), after);
    }
    check(
        "lender.available:2 9\nreceivable.lender:2 -4",
        &flows::repay_debt(Debtor::Lender(user(2)), micros(9)),
        "lender.available:2 5",
    );
}

#[test]
fn a_debt_is_given_up_and_no_more_than_it_is() {
    let owed = "receivable.consumer:1 -80\nreceivable.lender:1 -9";
    check(
        owed,
        &flows::write_off_debt(Debtor::Consumer(user(1)), micros(80)),
        "expense.bad_debt -80\nreceivable.lender:1 -9",
    );
    check(
        owed,
        &flows::write_off_debt(Debtor::Lender(user(1)), micros(2)),
        "expense.bad_debt -2\nreceivable.lender:1 -7\nreceivable.consumer:1 -80",
    );
    let beyond = flows::write_off_debt(Debtor::Lender(user(1)), micros(10));
    let account = account("receivable.lender:1");
    let over = Refusal::Over { account, has: units(9), due: units(10) };
    assert_eq!(post(&mut book(owed), &beyond, NOW), Err(over));
}

#[test]
fn an_adjustment_waits_in_suspense_until_it_is_explained() {
    let paid = account("consumer.paid:1");
    let goodwill = Account::house(Class::ExpenseGoodwill).unwrap();
    for (amount, adjusted, explained) in [
        (
            5,
            "consumer.paid:1 15\nsuspense.adjustment -5",
            "consumer.paid:1 15\nexpense.goodwill -5",
        ),
        (-4, "consumer.paid:1 6\nsuspense.adjustment 4", "consumer.paid:1 6\nexpense.goodwill 4"),
        (0, "consumer.paid:1 10", "consumer.paid:1 10"),
    ] {
        check("consumer.paid:1 10", &flows::adjust(paid, units(amount)), adjusted);
        check(adjusted, &flows::explain_adjustment(goodwill, units(amount)), explained);
    }
    check(
        "consumer.paid:1 10 frozen",
        &flows::adjust(paid, units(-10)),
        "consumer.paid:1 0 frozen\nsuspense.adjustment 10",
    );
    for (account, amount, expected) in [
        (paid, -11, Refusal::Short { currency: Currency::Crd, has: units(10), due: units(11) }),
        (paid, i64::MIN, Refusal::Negative),
        (account("bank"), 1, Refusal::Currency(account("suspense.adjustment"), account("bank"))),
    ] {
        let moves = flows::adjust(account, units(amount));
        assert_eq!(post(&mut book("consumer.paid:1 10"), &moves, NOW), Err(expected));
    }
}

#[test]
fn a_correction_undoes_exactly_what_was_posted() {
    let before = "consumer.promo:1 10\nconsumer.ad:1 20\nconsumer.paid:1 30\nbank -7";
    let mut book = book(before);
    let mut wrong = flows::hold(user(1), job(7), micros(35));
    wrong.extend(flows::purchase(&bought(1, 3, 4)));
    wrong.push(Move::pay(account("escrow.ad:7"), account("consumer.ad:1"), units(2)));
    let postings = post(&mut book, &wrong, NOW).unwrap().postings;
    // The right event may follow in the same chain; and a frozen account is no obstacle.
    let mut moves = flows::freeze(user(1));
    moves.extend(flows::correct(&postings).unwrap());
    moves.extend(flows::unfreeze(user(1)));
    let corrected = post(&mut book, &moves, NOW).unwrap().postings;
    let net = |postings: &[Posting]| {
        let mut net: BTreeMap<Account, i64> = BTreeMap::new();
        for Posting(account, amount) in postings {
            *net.entry(*account).or_default() += amount.units();
        }
        net.retain(|_, amount| *amount != 0);
        net
    };
    let undone: BTreeMap<_, _> = net(&postings).into_iter().map(|(a, n)| (a, -n)).collect();
    assert_eq!(net(&corrected), undone);
    assert_eq!(lines(&book).join("\n"), {
        let mut lines: Vec<_> = before.lines().collect();
        lines.sort_by_key(|line| account(line.split(' ').next().unwrap()));
        lines.join("\n")
    });
    assert_eq!(flows::correct(&[]), Some(vec![Move::Forced(Vec::new())]));
}

#[test]
fn what_does_not_sum_to_zero_is_no_event_and_is_not_corrected() {
    let posting = |name, amount| Posting(account(name), units(amount));
    for postings in [
        vec![posting("bank", 1)],
        vec![posting("bank", 1), posting("consumer.ad:1", -1)],
        vec![posting("consumer.ad:1", 2), posting("consumer.ad:2", -1)],
    ] {
        assert_eq!(flows::correct(&postings), None, "{postings:?}");
    }
    // The largest amounts that an event can have go back in parts.
    let wide = [
        posting("rounding", i64::MIN),
        posting("consumer.ad:1", i64::MAX),
        posting("consumer.ad:2", 1),
    ];
    let mut book = Book::default();
    let moves = flows::correct(&wide).unwrap();
    book.keep({
        let mut draft = book.draft();
        draft.replay(&wide, &[]).unwrap();
        draft.into_changed()
    });
    post(&mut book, &moves, NOW).unwrap();
    assert_eq!(lines(&book), [""; 0]);
}
