//! Programs of sessions that do what they should not: each is told in words, with a stable code,
//! and nothing is paid but the rounds before.

use std::time::Duration;

use medusa_api::{HomeWord, SessionState};
use medusa_client::RoundError;

use crate::harness::{
    House, Person, RealAgent, SUM, Said, Wire, answered, broken_invariants, cost, drive, guest,
    numbers, open_session, over, paid_right, read, step, until,
};

/// Does this when the first number of its answer is large.
fn when_large(habit: &str) -> Vec<u8> {
    step(&format!("(if (f64.gt (f64.load (local.get $at)) (f64.const 1000)) (then {habit}))"))
}

/// A house with a consumer and three machines, which is what a program is tried on.
async fn house_of_three() -> (House, Person, Vec<RealAgent>) {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let agents = house.agents_of(&["lena", "luis", "lars"]).await;
    (house, consumer, agents)
}

#[tokio::test]
async fn a_program_that_ends_in_mid_round_ends_the_session_in_words() {
    let (house, consumer, _agents) = house_of_three().await;
    let half_a_frame = "(call $write (i32.const 1) (i32.const 0x1ffffc) (i32.const 2))
        (call $exit (i32.const 0))";
    let cases = [
        ("(call $exit (i32.const 7))", "ended with exit status 7"),
        ("(call $exit (i32.const 0))", "finished"),
        (half_a_frame, "in the middle of a frame"),
        ("(drop (i32.load (i32.const -8)))", "crashed (trap)"),
    ];
    let mut sessions = Vec::new();
    for (habit, words) in cases {
        let session = open_session(&consumer, when_large(habit), (1, 8), |_| {}).await;
        let mut rounds = drive(&session).await;
        for _ in 0..3 {
            let good = rounds.round(&numbers([4.0; 8]), SUM).await.unwrap();
            assert_eq!(read(&good.payloads[0]), answered(&[4.0; 8], 0));
        }
        let bad = rounds.round(&numbers([9e9; 8]), SUM).await;
        let Err(RoundError::Ended { code, detail }) = bad else { panic!("{habit}: {bad:?}") };
        assert_eq!(code.as_deref(), Some("sessions.guest"));
        assert!(detail.contains("ended 3 times") && detail.contains(words), "{words}: {detail}");
        let ended = over(&consumer, &session).await;
        assert_eq!((ended.state, ended.rounds), (SessionState::Failed, 3));
        assert!(ended.spent.is_positive());
        sessions.push(session);
    }
    let sessions: Vec<_> = sessions.iter().collect();
    paid_right(&house, &consumer, &sessions).await;
}

#[tokio::test]
async fn a_program_that_speaks_before_it_is_asked_is_told_so() {
    let (house, consumer, _agents) = house_of_three().await;
    let early = guest(
        r#"(data (i32.const 2048) "\04\00\00\00abcd")
        (func (export "_start")
            (call $write (i32.const 1) (i32.const 2048) (i32.const 8))
            (loop $more (br_if $more (call $read))))"#,
    );
    let session = open_session(&consumer, early, (1, 8), |_| {}).await;
    let mut wire = Wire::connect(&session).await;
    let (code, detail) = loop {
        if let Said::Word(HomeWord::Ended { code, detail }) = wire.next().await {
            break (code, detail);
        }
    };
    assert_eq!(code.as_deref(), Some("sessions.guest"));
    assert!(detail.contains("said something that nobody had asked for"), "{detail}");
    let ended = over(&consumer, &session).await;
    assert_eq!((ended.state, ended.rounds), (SessionState::Failed, 0));
    paid_right(&house, &consumer, &[&session]).await;
}

#[tokio::test]
async fn a_program_that_answers_twice_loses_its_agent_and_not_the_session() {
    let (house, consumer, _agents) = house_of_three().await;
    let again = "(call $write (i32.const 1) (i32.const 0x1ffffc)
        (i32.add (i32.load (i32.const 0x1ffffc)) (i32.const 4)))";
    let session = open_session(&consumer, when_large(again), (1, 8), |_| {}).await;
    let mut wire = Wire::connect(&session).await;
    assert_eq!(wire.ready().await, 0);
    wire.round(1, &numbers([9e9; 8])).await;
    let Said::Answer(head, answer) = wire.next().await else { panic!("it answers") };
    assert_eq!((head.round, read(&answer)), (1, answered(&[9e9; 8], 0)));
    let Said::Word(HomeWord::Lost { shard: 0, detail, .. }) = wire.next().await else {
        panic!("it said more than it was asked")
    };
    assert!(detail.contains("said something that nobody had asked for"), "{detail}");
    assert_eq!(wire.ready().await, 1);
    wire.round(2, &numbers([4.0; 8])).await;
    let Said::Answer(head, answer) = wire.next().await else { panic!("another one answers") };
    assert_eq!((head.round, read(&answer)), (2, answered(&[4.0; 8], 0)));
    wire.finish().await;
    let ended = over(&consumer, &session).await;
    assert_eq!((ended.state, ended.rounds), (SessionState::Done, 2));
    paid_right(&house, &consumer, &[&session]).await;
}

#[tokio::test]
async fn a_program_that_never_answers_goes_from_one_agent_to_the_next() {
    let (house, consumer, agents) = house_of_three().await;
    let never = when_large("(loop $ever (br $ever))");
    let session = open_session(&consumer, never, (1, 8), |request| request.spares = 1).await;
    let mut wire = Wire::connect(&session).await;
    assert_eq!(wire.ready().await, 0);
    wire.round(1, &numbers([4.0; 8])).await;
    assert!(matches!(wire.next().await, Said::Answer(..)));
    wire.round(2, &numbers([9e9; 8])).await;
    // Once after two seconds, and once more after twice that.
    for _ in 0..2 {
        let lost = wire.next().await;
        assert_eq!(lost, Said::Word(HomeWord::Waiting { missing: 1 }));
        assert_eq!(wire.ready().await, 2);
    }
    let left = until("two agents that were sent away", async || {
        let left: i64 = sqlx::query_scalar(
            "select count(*) from audit.events where kind = 'sessions.seat_left'
                 and body -> 'data' ->> 'why' = 'given_up'",
        )
        .fetch_one(&house.db.pool)
        .await
        .unwrap();
        (left >= 2).then_some(left)
    })
    .await;
    assert_eq!(left, 2);
    let paid = cost(&house, &session).await;
    assert_eq!((paid.rounds, paid.windows_of.len()), (1, 1), "one agent answered one round");
    drop(agents);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(broken_invariants(&house).await, [""; 0]);
}
