//! Each rule of the table in a few messages.

use medusa_protocol::{MARK, PART_BYTES, PAYLOAD_BYTES_MAX};

use super::super::client::AHEAD_MAX;
use super::*;

#[test]
fn every_refusal_has_its_code_and_the_session_goes_on() {
    let mut desk = Desk::of_one();
    let refused = |code: &str, round| (round, None, code.to_owned());
    desk.table.client(Bytes::from_static(b"hello"));
    assert_eq!(desk.refusal(), refused("sessions.message", 0));
    desk.table.misunderstood("nonsense");
    assert_eq!(desk.refusal(), refused("sessions.message", 0));
    desk.round(2, &one(1));
    assert_eq!(desk.refusal(), refused("sessions.round_number", 2));
    desk.ask(SessionHead::new(SessionKind::Save, 1, 0), b"");
    assert_eq!(desk.refusal(), refused("sessions.message", 1));
    desk.call(2, 1, b"x");
    assert_eq!(desk.refusal(), refused("sessions.shard", 2));
    desk.round(3, &[MARK, &b"m"[..]].concat());
    assert_eq!(desk.refusal(), refused("sessions.message", 3));
    desk.ask(SessionHead { reduce: Reduce::Mean, ..sum(4, 8) }, &one(1));
    assert_eq!(desk.refusal(), refused("sessions.reduce", 4));
    let late_part = SessionHead { offset: 4, ..sum(5, 8) };
    desk.table.client(Bytes::from([&late_part.encode()[..], b"1234"].concat()));
    assert_eq!(desk.refusal(), refused("sessions.message", 5));
    desk.round(5, &one(1));
    desk.answer(1, 5, &one(9), 1);
    assert_eq!(desk.answers(), [(5, 0, 1, one(9))]);
    assert_eq!(desk.table.answered(), 5);
}

#[test]
fn the_rest_of_a_refused_round_is_passed_over() {
    let mut desk = Desk::of_one();
    let long = vec![1; 2 * PART_BYTES];
    desk.round(7, &long);
    assert_eq!(desk.refusal().2, "sessions.round_number");
    desk.ask(SessionHead { reduce: Reduce::Mean, ..sum(1, long.len()) }, &long);
    assert_eq!(desk.refusal().2, "sessions.reduce");
    desk.round(2, &one(1));
    assert_eq!(desk.sent_to(1), [(2, one(1))]);
}

#[test]
fn rounds_under_way_are_bounded_by_number_and_by_size() {
    let mut desk = Desk::of_one();
    for round in 1..=64 {
        desk.round(round, &one(1));
    }
    desk.outs();
    desk.round(65, &one(1));
    assert_eq!(desk.refusal(), (65, None, "sessions.rounds_many".into()));
    desk.answer(1, 1, &one(1), 1);
    desk.round(66, &one(1));
    assert_eq!(desk.sent_to(1), [(66, one(1))]);
    let mut desk = Desk::of_one();
    let long = vec![0; usize::try_from(PAYLOAD_BYTES_MAX).unwrap()];
    for round in 1..=2 {
        desk.round(round, &long);
    }
    desk.outs();
    desk.round(3, &[0; 8]);
    assert_eq!(desk.refusal().2, "sessions.rounds_many");
}

#[test]
fn answers_that_do_not_fit_are_refused_once_a_round() {
    let mut desk = Desk::new(3, 0);
    for n in 1..=3 {
        desk.sit(n);
    }
    desk.outs();
    desk.round(1, &one(1));
    for n in 1..=3 {
        desk.answer(n, 1, &[0; 9], 1);
    }
    assert_eq!(desk.refusal(), (1, Some(0), "sessions.shapes".into()));
    desk.round(2, &one(1));
    for (n, len) in [(1, 8), (2, 16), (3, 24)] {
        desk.answer(n, 2, &vec![0; len], 1);
    }
    assert_eq!(desk.refusal(), (2, Some(1), "sessions.shapes".into()));
    let nan = f64::NAN.to_le_bytes();
    desk.ask(SessionHead { number: Number::F64, ..sum(3, 8) }, &nan);
    for n in [2, 1, 3] {
        desk.answer(n, 3, &nan, 1);
    }
    assert_eq!(desk.refusal(), (3, Some(1), "sessions.nan".into()));
    desk.round(4, &one(1));
    for n in 1..=3 {
        desk.answer(n, 4, &one(2), 2);
    }
    assert_eq!(desk.answers(), [(4, 0, 3, one(6))]);
}

#[test]
fn an_agent_that_takes_over_with_another_answer_is_told_from_the_one_before() {
    let mut desk = Desk::new(1, 1);
    desk.sit(1);
    desk.sit(2);
    desk.ask(SessionHead::new(SessionKind::Round, 1, 1), b"x");
    let long = vec![1; PART_BYTES + 8];
    let head = SessionHead::new(SessionKind::Answer, 1, u32::try_from(long.len()).unwrap());
    desk.table.seat(lease(1), first_message(head, &long));
    desk.table.left(lease(1));
    desk.load();
    desk.outs();
    desk.answer(2, 1, &one(1), 1);
    assert_eq!(desk.refusal(), (1, Some(0), "sessions.not_repeatable".into()));
    assert_eq!(desk.table.answered(), 1);
}

#[test]
fn the_rest_of_an_answer_comes_from_whoever_takes_over() {
    let mut desk = Desk::new(1, 1);
    desk.sit(1);
    desk.sit(2);
    desk.ask(SessionHead::new(SessionKind::Round, 1, 1), b"x");
    let long: Vec<u8> = (0..2 * PART_BYTES + 5).map(|n| n.to_le_bytes()[0]).collect();
    let head = SessionHead::new(SessionKind::Answer, 1, u32::try_from(long.len()).unwrap());
    desk.table.seat(lease(1), first_message(head, &long));
    desk.table.left(lease(1));
    desk.load();
    desk.answer(2, 1, &long, 5);
    let found: Vec<u8> = desk.answers().into_iter().flat_map(|(.., part)| part).collect();
    assert!(found == long, "the first part is not sent twice");
}

#[test]
fn calls_are_asked_of_one_shard_and_carry_its_number() {
    let mut desk = Desk::new(2, 0);
    desk.sit(1);
    desk.sit(2);
    desk.outs();
    desk.call(1, 1, b"you");
    let sent = desk.outs();
    assert_eq!(sent.len(), 1);
    assert!(matches!(&sent[0], Out::Seat(to, _) if *to == lease(2)), "{sent:?}");
    desk.answer(1, 1, b"I was not asked", 1);
    assert_eq!(desk.answers(), []);
    desk.answer(2, 1, b"me", 4);
    assert_eq!(desk.answers(), [(1, 1, 4, b"me".to_vec())]);
}

#[test]
fn metrics_pass_while_their_round_waits_for_them() {
    let mut desk = Desk::new(2, 0);
    desk.sit(1);
    desk.sit(2);
    desk.round(1, &one(1));
    desk.outs();
    let metrics = SessionHead::new(SessionKind::Metrics, 1, 6);
    let say = |desk: &mut Desk| desk.table.seat(lease(2), first_message(metrics, b"loss 1"));
    say(&mut desk);
    assert_eq!(desk.answers(), [(1, 1, 0, b"loss 1".to_vec())]);
    desk.answer(2, 1, &one(1), 1);
    say(&mut desk);
    assert_eq!(desk.answers(), [], "it has answered");
}

#[test]
fn a_hold_that_is_spent_ends_rounds_and_nothing_else() {
    let mut desk = Desk::of_one();
    desk.round(1, &one(1));
    desk.answer(1, 1, &one(1), 999_990);
    desk.round(2, &one(1));
    desk.round(3, &one(1));
    desk.answer(1, 2, &one(2), 2_000_000);
    desk.answer(1, 3, &one(3), 3_000_000);
    assert_eq!(desk.answers().len(), 3, "what was begun is answered");
    desk.round(4, &one(1));
    assert_eq!(desk.refusal(), (4, None, "sessions.hold_spent".into()));
    assert_eq!(desk.table.bill.owed(), TERMS.hold);
    let window = desk.table.bill.window(4).unwrap();
    assert_eq!(window.price, TERMS.hold, "and not more");
    desk.table.finish();
    assert_eq!(desk.ended(), Some(None));
}

#[test]
fn whoever_takes_over_computes_all_rounds_where_answers_depend_on_them() {
    let rules = Rules { shards: 2, spares: 1, nan: Nan::Refuse, remembers: true };
    let mut desk = Desk::with(rules);
    for n in 1..=3 {
        desk.sit(n);
    }
    desk.round(1, &one(1));
    desk.call(2, 0, b"for the first");
    desk.call(3, 1, b"for the second");
    desk.round(4, &one(4));
    for n in [1, 2] {
        desk.answer(n, 1, &one(1), 1);
    }
    desk.answer(1, 2, b"a", 2);
    desk.answer(2, 3, b"b", 2);
    desk.outs();
    // A cut agent has what it had.
    desk.table.cut(lease(2));
    desk.come(2, (Some(1), 1), 1);
    assert_eq!(desk.sent_to(2), [(3, b"for the second".to_vec()), (4, one(4))]);
    desk.table.left(lease(2));
    desk.load();
    let wanted = [(1, one(1)), (3, b"for the second".to_vec()), (4, one(4))];
    assert_eq!(desk.sent_to(3), wanted);
    desk.answer(3, 1, &one(1), 1);
    desk.answer(3, 3, b"b", 2);
    assert_eq!(desk.answers(), [], "they are answered already");
    desk.answer(3, 4, &one(1), 3);
    desk.answer(1, 4, &one(1), 3);
    assert_eq!(desk.answers()[0].0, 4);
}

#[test]
fn what_is_kept_for_those_who_take_over_is_bounded() {
    let rules = Rules { shards: 1, spares: 0, nan: Nan::Refuse, remembers: true };
    let mut desk = Desk::with(rules);
    desk.sit(1);
    let long = vec![0; usize::try_from(PAYLOAD_BYTES_MAX).unwrap() - PART_BYTES];
    for round in 1..=3 {
        desk.round(round, &long);
        desk.answer(1, round, &one(1), round);
    }
    desk.outs();
    desk.round(4, &long);
    assert_eq!(desk.refusal(), (4, None, "sessions.memory".into()));
    desk.round(5, &one(1));
    assert_eq!(desk.sent_to(1), [(5, one(1))]);
}

#[test]
fn a_session_that_finishes_answers_what_it_was_asked() {
    let mut desk = Desk::of_one();
    desk.round(1, &one(1));
    desk.table.client(first_message(sum(2, PART_BYTES + 8), &vec![0; PART_BYTES + 8]));
    desk.outs();
    desk.table.finish();
    assert_eq!(desk.refusal(), (2, None, "sessions.message".into()));
    desk.round(3, &one(1));
    assert_eq!(desk.refusal(), (3, None, "sessions.finished".into()));
    assert_eq!(desk.ended(), None);
    desk.answer(1, 1, &one(1), 1);
    assert_eq!(desk.ended(), Some(None));
    desk.round(4, &one(1));
    desk.answer(1, 1, &one(1), 2);
    desk.table.left(lease(1));
    assert_eq!(desk.outs(), [], "nothing is done after the end");
}

#[test]
fn rounds_wait_for_a_log_that_is_far_behind() {
    let mut desk = Desk::of_one();
    for round in 1..=AHEAD_MAX {
        desk.round(round, &one(1));
        desk.answer(1, round, &one(1), round);
    }
    desk.outs();
    let long = vec![7; PART_BYTES + 8];
    let (next, last) = (AHEAD_MAX + 1, AHEAD_MAX + 2);
    desk.round(next, &long);
    desk.round(last, &one(2));
    assert_eq!(desk.outs().len(), 0);
    desk.table.finish();
    assert_eq!(desk.ended(), None, "what waits is not forgotten");
    desk.pay();
    let sent = desk.sent_to(1);
    let rounds: Vec<u64> = sent.iter().map(|(round, _)| *round).collect();
    assert_eq!(rounds, [next, next, last]);
    desk.answer(1, next, &one(1), last);
    desk.answer(1, last, &one(1), last);
    assert_eq!(desk.ended(), Some(None));
}

#[test]
fn refused_rounds_do_not_wait_for_the_log_for_ever() {
    let mut desk = Desk::of_one();
    let mean = |round| SessionHead { reduce: Reduce::Mean, ..sum(round, 8) };
    let last = AHEAD_MAX + 50;
    for round in 1..=last {
        desk.ask(mean(round), &one(1));
        if round == AHEAD_MAX + 20 {
            // There is nothing to be paid.
            assert_eq!(desk.table.bill.window(AHEAD_MAX), None);
            desk.table.covered(desk.table.answered(), std::iter::empty());
        }
    }
    let refused = desk.outs().iter().filter(|out| matches!(out, Out::Say(_))).count();
    assert_eq!((u64::try_from(refused).unwrap(), desk.table.answered()), (last, last));
}

#[test]
fn half_a_round_is_none_when_its_client_goes() {
    let mut desk = Desk::of_one();
    let long = vec![7; PART_BYTES + 8];
    desk.round(1, &one(1));
    desk.table.client(first_message(sum(2, long.len()), &long));
    desk.outs();
    desk.table.client_gone();
    assert_eq!(desk.refusal(), (2, None, "sessions.message".into()));
    desk.table.greet();
    assert_eq!(desk.outs(), [Out::Say(HomeWord::Ready { shards: 1, round: 2 })]);
    desk.round(3, &one(3));
    desk.answer(1, 1, &one(1), 1);
    desk.answer(1, 3, &one(3), 2);
    assert_eq!(desk.answers().len(), 2);
    // A client that begins another round before the end of one has left that one too.
    desk.table.client(first_message(sum(4, long.len()), &long));
    desk.outs();
    desk.round(5, &one(5));
    assert_eq!(desk.refusal(), (4, None, "sessions.message".into()));
    desk.answer(1, 5, &one(5), 3);
    assert_eq!((desk.answers().len(), desk.table.answered()), (1, 5));
    assert!(!desk.table.is_busy());
}

#[test]
fn what_an_agent_should_not_say_ends_its_seat_once() {
    let long = vec![0; PART_BYTES + 8];
    let head = SessionHead::new(SessionKind::Answer, 1, u32::try_from(long.len()).unwrap());
    let uneven = Bytes::from([&head.encode()[..], &long[..8]].concat());
    let bad = [
        Bytes::from_static(b"hello"),
        uneven,
        first_message(SessionHead::new(SessionKind::Round, 1, 1), b"x"),
    ];
    for bad in bad {
        let mut desk = Desk::new(1, 1);
        desk.sit(1);
        desk.sit(2);
        desk.round(1, &one(1));
        desk.outs();
        for _ in 0..3 {
            desk.table.seat(lease(1), bad.clone());
        }
        desk.fail(1, Outcome::Trap);
        let outs = desk.outs();
        let wanted = outs.iter().filter(|out| matches!(out, Out::Want(1))).count();
        assert_eq!(wanted, 1, "{outs:?}");
        assert_eq!(outs[0], Out::Dismiss(lease(1), true));
        desk.answer(1, 1, &one(6), 1);
        desk.answer(2, 1, &one(5), 1);
        assert_eq!(desk.answers(), [(1, 0, 1, one(5))]);
    }
}

#[test]
fn spares_and_strangers_are_not_heard() {
    let mut desk = Desk::new(1, 1);
    desk.sit(1);
    desk.sit(2);
    desk.round(1, &one(1));
    assert_eq!(desk.sent_to(2), []);
    desk.answer(2, 1, &one(1), 1);
    desk.answer(3, 1, &one(1), 1);
    desk.table.word(lease(3), SeatWord::Ready { shard: 0 });
    desk.table.word(lease(2), SeatWord::Ready { shard: 0 });
    desk.fail(3, Outcome::Trap);
    desk.table.left(lease(3));
    assert_eq!(desk.outs(), []);
}

#[test]
fn a_program_that_ends_three_times_in_a_row_is_believed() {
    for (outcome, code) in
        [(Outcome::Trap, "sessions.guest"), (Outcome::FuelOut, "sessions.hold_spent")]
    {
        let mut desk = Desk::of_one();
        desk.round(1, &one(1));
        desk.fail(1, outcome);
        desk.sit(2);
        desk.fail(2, outcome);
        desk.sit(3);
        desk.answer(3, 1, &one(1), 1);
        for n in 3..6 {
            assert_eq!(desk.ended(), None, "an answer in between counts");
            desk.fail(n, outcome);
            desk.sit(n + 1);
        }
        assert_eq!(desk.ended(), Some(Some(code)));
    }
}

#[test]
fn who_is_late_is_replaced_by_a_spare_and_six_are_enough() {
    let mut desk = Desk::new(2, 1);
    for n in 1..=2 {
        desk.sit(n);
    }
    assert_eq!(desk.table.waits_for(), [0_u32; 0]);
    desk.table.client(first_message(sum(1, 16), &[0; 8]));
    assert_eq!(desk.table.waits_for(), [0_u32; 0], "nobody can answer half a round");
    let rest = SessionHead { offset: 8, ..sum(1, 16) };
    desk.table.client(Bytes::from([&rest.encode()[..], &[0; 8]].concat()));
    desk.answer(2, 1, &[0; 16], 1);
    assert_eq!(desk.table.waits_for(), [0]);
    assert!(!desk.table.replace_late(&[0]), "there is no other");
    for n in 3..8 {
        desk.sit(n);
        desk.outs();
        assert!(desk.table.replace_late(&[0]));
        assert_eq!(desk.table.waits_for(), [0_u32; 0], "the other has not got its shard yet");
        let outs = desk.outs();
        let last = if n == 3 { 1 } else { n - 1 };
        assert_eq!(outs[..2], [Out::Dismiss(lease(last), true), Out::Want(1)]);
        desk.outs = outs;
        desk.load();
        assert_eq!(desk.table.waits_for(), [0]);
    }
    desk.sit(8);
    assert!(desk.table.replace_late(&[0]));
    assert_eq!(desk.ended(), Some(Some("sessions.guest")));
}

#[test]
fn after_any_number_of_restarts_a_seat_is_paid_for_all_that_windows_named() {
    let rules = Rules { shards: 1, spares: 0, nan: Nan::Refuse, remembers: false };
    let mut desk = Desk::of_one();
    let mut windows = Vec::new();
    let mut round = 0;
    for life in 1..=4_u64 {
        round += 1;
        desk.round(round, &one(1));
        desk.answer(1, round, &one(1), 100);
        windows.push(desk.table.bill.window(round).unwrap());
        assert_eq!(desk.table.bill.fuel_of(lease(1)).0, life * 100);
        let mut bill = Bill::new(TERMS);
        for window in &windows {
            bill.paid(window.number, &window.shares, window.price);
        }
        desk.table = Table::new(rules, bill, round);
        desk.table.adopt(lease(1), agent_of(lease(1)), lender_of(lease(1)));
        desk.come(1, (Some(0), round), 100);
    }
    assert_eq!(desk.table.bill.owed(), Credits::from_micros(403));
}

#[test]
fn a_window_names_each_answer_once() {
    let mut desk = Desk::of_one();
    desk.round(1, &one(1));
    for _ in 0..3 {
        desk.answer(1, 1, &one(1), 10);
    }
    desk.answer(1, 77, &one(1), 10);
    let window = desk.table.bill.window(1).unwrap();
    assert_eq!((window.shares[0].answers, window.price), (1, Credits::from_micros(13)));
    desk.answer(1, 1, &one(1), 10);
    assert_eq!(desk.table.bill.window(1), None);
}

#[test]
fn what_is_claimed_without_work_is_not_paid_and_work_that_failed_is() {
    let mut desk = Desk::new(1, 1);
    desk.sit(1);
    // A spare that never had a shard, and an answer that nobody asked for.
    desk.table.taken(lease(2), agent_of(lease(2)), lender_of(lease(2)));
    desk.come(2, (None, 0), 900_000);
    desk.answer(1, 7, &[0; 8], 900_000);
    assert_eq!(desk.table.bill.window(0), None);
    // A program that computes, and ends with words instead of an answer.
    desk.round(1, &[0; 8]);
    let (detail, outcome) = ("the result".to_owned(), Outcome::Exit(1));
    let word = SeatWord::Failed { outcome, detail, unfinished: false, round: 1, fuel: 40 };
    desk.table.word(lease(1), word);
    let window = desk.table.bill.window(0).unwrap();
    assert_eq!((window.shares.len(), window.shares[0].lease), (1, lease(1)));
    assert_eq!(window.price, Credits::from_micros(40 + 3));
}
