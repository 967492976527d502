//! Sessions: a consumer's rounds on agents that stay, with agents that are lost, programs that
//! fail, and money that is right in every case.

use std::time::Duration;

use medusa_api::{HomeWord, SessionState};
use medusa_client::RoundError;
use medusa_protocol::{Number, PART_BYTES, Reduce, SessionHead, SessionKind};
use medusa_types::Credits;

use crate::harness::{
    House, SUM, Said, Wire, answered, broken_invariants, drive, expected, numbers, open_session,
    over, paid_right, read, step,
};

#[tokio::test]
async fn rounds_are_answered_and_paid() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let session = open_session(&consumer, step(""), (2, 128), |_| {}).await;
    let mut rounds = drive(&session).await;
    assert_eq!(rounds.shards(), 2);
    let mut values: Vec<f64> = (0..128).map(f64::from).collect();
    for number in 1..=300 {
        let answer = rounds.round(&numbers(values.iter().copied()), SUM).await.unwrap();
        assert_eq!(answer.round, number);
        assert!(answer.fuel > 0);
        let wanted = expected(&values, 2);
        values = read(&answer.payloads[0]);
        assert_eq!(values, wanted);
    }
    rounds.finish().await.unwrap();
    let ended = over(&consumer, &session).await;
    assert_eq!((ended.state, ended.rounds, ended.code), (SessionState::Done, 300, None));
    assert!(ended.spent.is_positive() && ended.spent < ended.held);
    assert_eq!(broken_invariants(&house).await, Vec::<&str>::new());
    let wallet = consumer.client.wallet().await.unwrap();
    let wanted = Credits::from_micros(100_000_000).saturating_sub(ended.spent);
    assert_eq!(wallet.available, wanted, "the rest came back");
}

#[tokio::test]
async fn an_agent_that_is_killed_is_replaced_and_nothing_changes() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let mut agents = house.agents_of(&["lena", "luis", "lars"]).await;
    let session = open_session(&consumer, step(""), (2, 64), |request| request.spares = 1).await;
    let mut rounds = drive(&session).await;
    let mut values: Vec<f64> = (0..64).map(f64::from).collect();
    for number in 0..200 {
        if number == 100 {
            agents.remove(0).kill9();
        }
        let answer = rounds.round(&numbers(values.iter().copied()), SUM).await.unwrap();
        let wanted = expected(&values, 2);
        values = read(&answer.payloads[0]);
        assert_eq!(values, wanted, "round {number}");
    }
    rounds.finish().await.unwrap();
    assert_eq!(over(&consumer, &session).await.rounds, 200);
    assert_eq!(broken_invariants(&house).await, Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_wrong_with_a_round_is_named_and_the_session_goes_on() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let session = open_session(&consumer, step(""), (2, 16), |_| {}).await;
    let mut rounds = drive(&session).await;
    let code = |answer: Result<_, RoundError>| match answer {
        Err(RoundError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    let nan = numbers([f64::NAN; 16]);
    assert_eq!(code(rounds.round(&nan, SUM).await.map(drop)), "sessions.nan");
    let ragged = rounds.round(&[0; 12], SUM).await.map(drop);
    assert_eq!(code(ragged), "sessions.shapes");
    let mean = (Reduce::Mean, Number::I64);
    assert_eq!(code(rounds.round(&numbers([1.0; 16]), mean).await.map(drop)), "sessions.reduce");
    let good = rounds.round(&numbers([2.0; 16]), SUM).await;
    assert_eq!(read(&good.unwrap().payloads[0]), expected(&[2.0; 16], 2));
    rounds.finish().await.unwrap();
    over(&consumer, &session).await;
    assert_eq!(broken_invariants(&house).await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_program_that_ends_ends_the_session_with_its_words() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let _agents = house.agents_of(&["lena", "luis", "lars", "lola"]).await;
    let habit = "(if (f64.gt (f64.load (local.get $at)) (f64.const 1000)) (then unreachable))";
    let session = open_session(&consumer, step(habit), (1, 8), |_| {}).await;
    let mut rounds = drive(&session).await;
    rounds.round(&numbers([1.0; 8]), SUM).await.unwrap();
    // Three agents try it, and no fourth.
    let Err(RoundError::Ended { code, detail }) = rounds.round(&numbers([9e9; 8]), SUM).await
    else {
        panic!("nobody can answer this")
    };
    assert_eq!(code.as_deref(), Some("sessions.guest"));
    assert!(detail.contains("shard 0 ended 3 times") && detail.contains("unreachable"), "{detail}");
    let ended = over(&consumer, &session).await;
    assert_eq!(
        (ended.state, ended.code.as_deref()),
        (SessionState::Failed, Some("sessions.guest"))
    );
    assert_eq!(ended.rounds, 1);
    drop(rounds);
    assert_eq!(broken_invariants(&house).await, Vec::<&str>::new());
}

#[tokio::test]
async fn answers_come_one_by_one_or_joined_and_calls_are_asked_of_one_shard() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    // More than one part in each direction.
    let each = 125_000;
    let session = open_session(&consumer, step(""), (2, each), |_| {}).await;
    let mut rounds = drive(&session).await;
    let values: Vec<f64> = (0..each).map(|n| f64::from(u32::try_from(n).unwrap()) * 0.3).collect();
    let asked = numbers(values.iter().copied());
    assert!(asked.len() > 7 * PART_BYTES);
    let of = [0, 1].map(|shard| numbers(answered(&values, shard)));
    let none = rounds.round(&asked, (Reduce::None, Number::F64)).await.unwrap();
    assert!(none.payloads == of);
    let concat = rounds.round(&asked, (Reduce::Concat, Number::F64)).await.unwrap();
    assert!(concat.payloads == [of.concat()]);
    let sum = rounds.round(&asked, SUM).await.unwrap();
    assert!(sum.payloads == [numbers(expected(&values, 2))]);
    for shard in [1, 0] {
        let number = rounds.submit_call(shard, &asked).await.unwrap();
        let answer = rounds.answer().await.unwrap();
        assert_eq!(answer.round, number);
        assert!(answer.payloads == [of[usize::try_from(shard).unwrap()].clone()]);
    }
    let empty = rounds.round(b"", (Reduce::None, Number::F64)).await.unwrap();
    assert_eq!(empty.payloads, [b"", b""]);
    rounds.submit_call(2, b"x").await.unwrap();
    let Err(RoundError::Refused { code, .. }) = rounds.answer().await else {
        panic!("there is no such shard")
    };
    assert_eq!(code, "sessions.shard");
    rounds.finish().await.unwrap();
    paid_right(&house, &consumer, &[&session]).await;
}

#[tokio::test]
async fn eight_rounds_under_way_are_answered_in_order() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let session = open_session(&consumer, step(""), (2, 1_000), |_| {}).await;
    let mut rounds = drive(&session).await;
    let values = |round: u64| vec![f64::from(u32::try_from(round).unwrap()); 1_000];
    for round in 1..=200_u64 {
        rounds.submit(&numbers(values(round)), SUM).await.unwrap();
        if round > 8 {
            let answer = rounds.answer().await.unwrap();
            assert_eq!(answer.round, round - 8);
            assert_eq!(read(&answer.payloads[0]), expected(&values(round - 8), 2));
        }
    }
    for round in 193..=200 {
        assert_eq!(rounds.answer().await.unwrap().round, round);
    }
    rounds.finish().await.unwrap();
    paid_right(&house, &consumer, &[&session]).await;
}

#[tokio::test]
async fn a_hold_that_is_spent_ends_rounds_and_nothing_is_negative() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let session = open_session(&consumer, step(""), (2, 100_000), |request| {
        request.budget = Credits::from_micros(10);
    })
    .await;
    let mut rounds = drive(&session).await;
    let asked = numbers(vec![1.0; 100_000]);
    let (mut answered, refused) = loop {
        match rounds.round(&asked, SUM).await {
            Ok(answer) => assert!(answer.round < 5_000, "it is never spent"),
            Err(error) => break (0, error),
        }
    };
    let RoundError::Refused { code, detail, round, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(code, "sessions.hold_spent", "{detail}");
    assert!(round > 2 && detail.contains("open another"), "{round}: {detail}");
    answered += round;
    // Whoever asks again hears it again.
    let again = rounds.round(&asked, SUM).await;
    assert!(matches!(again, Err(RoundError::Refused { round, .. }) if round == answered + 1));
    rounds.finish().await.unwrap();
    let ended = over(&consumer, &session).await;
    assert_eq!((ended.state, ended.spent), (SessionState::Done, ended.held));
    paid_right(&house, &consumer, &[&session]).await;
}

#[tokio::test]
async fn a_client_that_goes_in_mid_round_comes_again_and_goes_on() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    // It takes long enough to go in its middle.
    let session = open_session(&consumer, step(SPIN), (2, 40_000), |_| {}).await;
    let values = vec![3.0; 40_000];
    let asked = numbers(values.iter().copied());
    let wanted = numbers(expected(&values, 2));
    let mut next = 1;
    for turn in 0..10 {
        let mut wire = Wire::connect(&session).await;
        assert_eq!(wire.ready().await, next - 1);
        wire.round(next, &asked).await;
        if turn % 2 == 1 {
            // Of the round after it only a part is sent.
            let head = SessionHead::new(SessionKind::Round, next + 1, 320_000);
            let half = head.messages(&asked).next().unwrap();
            wire.send(half).await;
            next += 1;
        }
        drop(wire);
        next += 1;
        // The answer waits for whoever comes.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut wire = Wire::connect(&session).await;
        let mut answer = Vec::new();
        let round = loop {
            match wire.next().await {
                Said::Answer(_, part) => answer.extend(part),
                Said::Word(HomeWord::Ready { round, .. }) => break round,
                Said::Word(HomeWord::Refused { code, round, .. }) => {
                    assert_eq!((code.as_str(), round), ("sessions.message", next - 1));
                }
                Said::Word(word) => panic!("{word:?}"),
            }
        };
        assert!(answer == wanted, "turn {turn}: {} bytes", answer.len());
        assert_eq!(round, next - 1);
    }
    let mut rounds = drive(&session).await;
    assert!(rounds.round(&asked, SUM).await.unwrap().payloads == [wanted]);
    rounds.finish().await.unwrap();
    paid_right(&house, &consumer, &[&session]).await;
}

/// Counts for some milliseconds.
const SPIN: &str = "(local.set $i (i32.const 20000000)) (loop $spin
    (br_if $spin (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
