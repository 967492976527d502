//! Who follows the log, and who is told what became of a chain.

use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// A reader is given every event once, whether memory still has it or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_every_event_once_from_wherever_it_starts() {
    const PART: i64 = 5_000;
    const EVENTS: i64 = 8 * PART;
    let w = world().await;
    let early = w.log.tail(0);
    let late = w.log.tail(EVENTS - 10);
    for _ in 0..8 {
        let appends = (0..PART).map(|n| Append {
            operation: None,
            events: vec![gift(u128::try_from(n % 50).unwrap(), 1)],
        });
        assert!(w.log.append_all(appends.collect()).await.unwrap().iter().all(Result::is_ok));
    }
    for (mut tail, first) in [(early, 1), (late, EVENTS - 9), (w.log.tail(7), 8)] {
        let mut seen = Vec::new();
        while tail.position() < EVENTS {
            let events = tail.next_many(3_000).await.unwrap();
            assert!((1..=3_000).contains(&events.len()));
            seen.extend(events.iter().map(|event| event.envelope.position));
        }
        assert_eq!(seen, (first..=EVENTS).collect::<Vec<_>>());
        let nothing = tokio::time::timeout(Duration::from_millis(50), tail.next()).await;
        assert!(nothing.is_err(), "there is nothing more");
    }
}

/// After a restart memory is empty. A repeated chain that expects a version from before is known
/// all the same, and one that goes on from the newest version is written.
#[tokio::test]
async fn a_repeated_chain_that_expects_a_version_is_the_same_chain() {
    let w = world().await;
    let step = |version: i64| {
        let event = gift(1, 1);
        Append {
            operation: operation(&format!("step:{version}"), 1),
            events: vec![NewEvent { expect: Expect::Version(version), ..event }],
        }
    };
    for version in 0..3 {
        assert!(!w.log.append(step(version)).await.unwrap().replayed);
    }
    w.stop.cancel();
    let log = start(config(&w.db), CancellationToken::new()).await.unwrap();
    for version in [1, 0, 2] {
        let again = log.append(step(version)).await.unwrap();
        assert_eq!((again.replayed, again.position), (true, version + 1));
    }
    assert!(!log.append(step(3)).await.unwrap().replayed);
    let behind = Append { operation: operation("other", 1), ..step(2) };
    let found = AppendError::Version { stream: format!("account-{}", user(1)), found: 4 };
    assert_eq!(log.append(behind).await, Err(found));
}

#[tokio::test]
async fn who_wants_to_be_told_is_told_in_any_case() {
    let w = world().await;
    let (told, heard) = mpsc::sync_channel(3);
    let tell = |event: NewEvent| {
        let told = told.clone();
        let append = Append { operation: None, events: vec![event] };
        w.log.enqueue_telling(append, move |answer| told.send(answer).unwrap());
    };
    tell(gift(1, 10));
    tell(payment(1, 2, 60));
    // Written when this is, and told by then.
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    assert_eq!(heard.try_recv().unwrap().unwrap().position, 1);
    assert!(matches!(heard.try_recv().unwrap(), Err(AppendError::Ledger(_))));
    w.stop.cancel();
    while !w.log.queue.is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tell(gift(1, 10));
    assert_eq!(heard.try_recv().unwrap(), Err(AppendError::Unknown));
}
