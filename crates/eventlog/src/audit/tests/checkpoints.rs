//! Checkpoints: signed when the log goes on from the last one, and never otherwise.

use std::sync::atomic::Ordering;
use std::time::Duration;

use medusa_api::CheckpointQuery;
use medusa_tlog::{Cosigner, CosignerKey, UnixSeconds};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{SignedHead, start_checkpoints};

const STORED: &str = "select count(*) from checkpoint";

async fn is_refused(auditor: &Auditor) -> String {
    match auditor.head().await {
        Err(AuditError::Changed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_head_is_signed_once_for_each_size() {
    let w = world(0).await;
    for (grown, size) in [(0, 0), (5, 5), (0, 5), (300, 305)] {
        w.grow(grown).await;
        let head = w.auditor.head().await.unwrap();
        assert_eq!(w.auditor.head().await.unwrap(), head);
        let checkpoint = signer().verifier().open(&head.checkpoint).unwrap();
        assert_eq!((head.size, checkpoint.size, checkpoint.root), (size, count(size), head.root.0));
        assert_eq!(head.verifier_key, signer().verifier().to_string());
        assert_eq!(*w.auditor.newest_size().borrow(), size);
    }
    assert_eq!(w.count(STORED).await, 3);
    assert_eq!(w.restarted().head().await.unwrap().size, 305);
    assert_eq!(w.count(STORED).await, 3);
}

#[tokio::test]
async fn two_processes_that_sign_at_once_sign_the_same() {
    let w = world(40).await;
    let others: Vec<_> = (0..4).map(|_| w.restarted()).collect();
    let heads = futures_util::future::join_all(others.iter().map(Auditor::head)).await;
    let first = heads[0].as_ref().unwrap();
    assert!(heads.iter().all(|head| head.as_ref().unwrap() == first));
    assert_eq!(w.count(STORED).await, 1);
}

#[tokio::test]
async fn a_changed_history_is_never_signed() {
    let changes = [
        // An event is written anew, with its leaf, and the head made to fit.
        ("update event set body = 'x', leaf = sha256('\\x0078') where position = 3", true),
        // The log is cut short.
        ("delete from event where position > 290", true),
        // An event vanishes from the middle.
        ("delete from event where position = 100", true),
        // Only the head is changed.
        ("update log_head set root = leaf from event where event.position = 1", false),
        ("update log_head set position = 299", false),
    ];
    for (change, fit) in changes {
        let w = world(300).await;
        w.project().await;
        let before = w.auditor.head().await.unwrap();
        w.tamper(change).await;
        if fit {
            w.fit_head().await;
        }
        // The running server notices, and so does one that starts.
        let (running, started) = (is_refused(&w.auditor).await, is_refused(&w.restarted()).await);
        assert!(!running.is_empty() && running == started, "{change}: {running} / {started}");
        let short =
            change.contains("> 290").then_some("it has 290 events, and 300 were signed for");
        assert!(short.is_none_or(|why| running == why), "{running}");
        assert_eq!(w.count(STORED).await, 1, "{change}");
        let kept = w.auditor.newest().await.unwrap().unwrap();
        assert_eq!(kept.note, before.checkpoint);
    }
}

#[tokio::test]
async fn the_first_checkpoint_of_a_log_is_checked_against_its_events() {
    let w = world(20).await;
    w.tamper("update log_head set root = sha256('other')").await;
    assert_eq!(
        is_refused(&w.auditor).await,
        "tiles and events do not give the root of its 20 events"
    );
    assert_eq!(w.count(STORED).await, 0);
}

#[tokio::test]
async fn the_last_checkpoint_is_checked_again_at_a_start() {
    let w = world(300).await;
    w.project().await;
    w.auditor.head().await.unwrap();
    w.tamper("update event set leaf = sha256('other') where position = 290").await;
    // Nothing is to be signed, so a running server does not look; one that starts does.
    w.auditor.head().await.unwrap();
    is_refused(&w.restarted()).await;
}

#[tokio::test]
async fn a_rewritten_history_is_not_signed_when_it_grows() {
    let w = world(300).await;
    w.auditor.head().await.unwrap();
    w.tamper("update event set leaf = sha256('other') where position = 3").await;
    w.fit_head().await;
    let why = is_refused(&w.restarted()).await;
    assert_eq!(why, "its 300 events do not begin with the 300 that were signed for");
    // And more events follow.
    sqlx::query(
        "insert into event (position, batch, stream, version, type, at, body, leaf)
         select n, 1, 'more', n, 'more', 'epoch', '', sha256(n::text::bytea)
         from generate_series(301, 310) n",
    )
    .execute(&w.db.pool)
    .await
    .unwrap();
    w.fit_head().await;
    let why = is_refused(&w.auditor).await;
    assert_eq!(why, "its 310 events do not begin with the 300 that were signed for");
    // It stays so, also when the head is as it was: somebody has to look first.
    w.tamper("delete from event where position > 300").await;
    w.fit_head().await;
    assert_eq!(is_refused(&w.auditor).await, why);
}

#[tokio::test]
async fn checkpoints_follow_the_log_once_a_second_and_end_when_history_changes() {
    let w = world(3).await;
    let stop = CancellationToken::new();
    start_checkpoints(&w.auditor, &w.log, stop.clone());
    let mut newest = w.auditor.newest_size();
    newest.wait_for(|size| *size == 3).await.unwrap();
    let began = tokio::time::Instant::now();
    for _ in 0..5 {
        w.grow(1).await;
    }
    newest.wait_for(|size| *size == 8).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(500), "the five share a checkpoint");
    assert_eq!(w.count(STORED).await, 2);
    w.tamper("update checkpoint set root = sha256('other')").await;
    w.grow(1).await;
    while w.auditor.head().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(w.count(STORED).await, 2);
    stop.cancel();
}

fn witness(n: u8) -> Cosigner {
    Cosigner::new(format!("witness.test/w{n}"), &[n; 32])
}

/// What a witness answers about a checkpoint.
fn answer(by: &Cosigner, signed: &SignedHead, seconds: u64) -> String {
    let note = Note::parse(&signed.note).unwrap();
    format!("{}\n", by.cosign(&note, UnixSeconds::new(seconds).unwrap()).unwrap())
}

#[tokio::test]
async fn a_cosignature_is_kept_when_it_is_the_witnesss_own() {
    let w = world(5).await;
    let (one, two) = (witness(1), witness(2));
    w.auditor.head().await.unwrap();
    let five = w.auditor.newest().await.unwrap().unwrap();
    w.grow(1).await;
    w.auditor.head().await.unwrap();
    let six = w.auditor.newest().await.unwrap().unwrap();

    let good = answer(&one, &five, 77);
    for (what, text, key) in [
        ("nothing", String::new(), one.key()),
        ("no signature", "sorry\n".into(), one.key()),
        ("of another witness", good.clone(), two.key()),
        ("of another checkpoint", answer(&one, &six, 77), one.key()),
    ] {
        let refused = w.auditor.add_cosignature(&five, &key, &text).await;
        assert!(matches!(refused, Err(AuditError::Cosignature(_))), "{what}");
    }
    assert_eq!(w.auditor.cosigned_size(one.key().name()).await.unwrap(), 0);
    for _ in 0..2 {
        let kept = w.auditor.add_cosignature(&five, &one.key(), &good).await.unwrap();
        assert_eq!(kept.at.get(), 77);
    }
    assert_eq!(w.auditor.cosigned_size(one.key().name()).await.unwrap(), 5);
    assert_eq!(w.count("select count(*) from cosignature").await, 1);
}

fn cosigners(note: &str, keys: &[CosignerKey]) -> usize {
    Note::parse(note).unwrap().cosigned_by(keys).unwrap().len()
}

#[tokio::test]
async fn a_new_checkpoint_is_shown_when_its_witnesses_have_signed_or_take_too_long() {
    let w = world(5).await;
    let keys = [witness(1).key(), witness(2).key()];
    w.auditor.head().await.unwrap();
    let five = w.auditor.newest().await.unwrap().unwrap();
    let shown = async || {
        let shown = w.auditor.published().await.unwrap();
        (shown.size, cosigners(&shown.note, &keys))
    };
    assert_eq!(shown().await, (5, 0));
    for n in [1, 2] {
        let text = answer(&witness(n), &five, 10);
        w.auditor.add_cosignature(&five, &witness(n).key(), &text).await.unwrap();
    }
    assert_eq!(shown().await, (5, 2));
    w.hand.fetch_add(60_000_000, Ordering::SeqCst);
    w.grow(1).await;
    w.auditor.head().await.unwrap();
    let six = w.auditor.newest().await.unwrap().unwrap();
    assert_eq!(shown().await, (5, 2), "the witnesses have a moment");
    let text = answer(&witness(1), &six, 11);
    w.auditor.add_cosignature(&six, &witness(1).key(), &text).await.unwrap();
    assert_eq!(shown().await, (5, 2));
    w.hand.fetch_add(10_000_000, Ordering::SeqCst);
    assert_eq!(shown().await, (6, 1), "but not longer");
    let text = answer(&witness(2), &six, 12);
    w.auditor.add_cosignature(&six, &witness(2).key(), &text).await.unwrap();
    assert_eq!(shown().await, (6, 2));
    let note = w.auditor.published().await.unwrap().note;
    assert_eq!(signer().verifier().open(&note).unwrap().size, 6);
}

#[tokio::test]
async fn readers_never_see_the_log_shrink() {
    let w = world(5).await;
    w.auditor.head().await.unwrap();
    let five = w.auditor.newest().await.unwrap().unwrap();
    w.grow(1).await;
    w.auditor.head().await.unwrap();
    assert_eq!(w.auditor.published().await.unwrap().size, 6);
    // A late cosignature makes the one before the better one, but it was left behind.
    let text = answer(&witness(1), &five, 10);
    w.auditor.add_cosignature(&five, &witness(1).key(), &text).await.unwrap();
    assert_eq!(w.auditor.published().await.unwrap().size, 6);
}

#[tokio::test]
async fn pages_of_checkpoints_go_back_to_the_first() {
    let w = world(0).await;
    let auditor = w.restarted().with_witnesses(vec!["witness.test/w1".into()]);
    for _ in 0..5 {
        w.grow(1).await;
        auditor.head().await.unwrap();
    }
    let newest = auditor.newest().await.unwrap().unwrap();
    let text = answer(&witness(1), &newest, 3);
    auditor.add_cosignature(&newest, &witness(1).key(), &text).await.unwrap();
    let mut query = CheckpointQuery { after: None, limit: Some(2) };
    let mut sizes = Vec::new();
    loop {
        let page = auditor.checkpoints(&query).await.unwrap();
        assert_eq!(page.witnesses, ["witness.test/w1"]);
        for item in page.items {
            let cosigned = cosigners(&item.note, &[witness(1).key()]);
            assert_eq!(
                (item.cosigned.len(), cosigned),
                if item.size == 5 { (1, 1) } else { (0, 0) }
            );
            assert!(item.cosigned.iter().all(|c| c.at == Timestamp::from_micros(3_000_000)));
            sizes.push(item.size);
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [5, 4, 3, 2, 1]);
    let bad = CheckpointQuery { after: Some("x".into()), limit: None };
    assert!(matches!(auditor.checkpoints(&bad).await, Err(AuditError::Cursor)));
}
