//! Pauses, budgets, other chances and late copies, in steps.

use medusa_events::EndState;
use medusa_types::{AgentId, LeaseId, Outcome, Sha256Hash, UserId, Uuid};

use super::super::job::tests::*;
use super::super::trust::TrustRules;
use super::*;

/// A job whose program fails on chunks goes on with the others.
fn lenient(chunks: u32, hold: i64) -> Job {
    let mut job = Job::begin(&submitted(chunks, 2, hold).fact()).unwrap();
    job.decide_by(TrustRules::default(), 0, true);
    job
}

/// Both run the next chunk, and say the same about it.
fn both_run(job: &mut Job, n: u128, outcome: Outcome, fuel: Fuel, both: &Fleet) -> Vec<Fact> {
    for (n, who) in [(n, ANN), (n + 1, BOB)] {
        lease(job, who, n, both).unwrap();
    }
    let said = (outcome, Sha256Hash([5; 32]), 1, fuel);
    job.report(LeaseId(Uuid::from_u128(n)), said, both);
    job.report(LeaseId(Uuid::from_u128(n + 1)), said, both)
}

#[test]
fn a_paused_job_hands_out_nothing_and_what_is_under_way_is_paid() {
    let mut job = job(2, 2);
    let both = fleet(&[ANN, BOB]);
    lease(&mut job, ANN, 1, &both).unwrap();
    lease(&mut job, BOB, 2, &both).unwrap();
    assert_eq!(kinds(&job.pause(PauseWhy::Asked)), ["job_paused"]);
    assert!(job.pause(PauseWhy::Asked).is_empty() && !job.has_work());
    assert_eq!(lease(&mut job, ANN, 3, &both), None);
    report(&mut job, 1, Outcome::Done, 5, &both);
    assert_eq!(
        kinds(&report(&mut job, 2, Outcome::Done, 5, &both)),
        ["attempt_reported", "chunk_verified", "chunk_settled"]
    );
    assert_eq!(kinds(&job.resume()), ["job_resumed"]);
    assert!(job.resume().is_empty() && job.has_work());
    assert_eq!(lease(&mut job, ANN, 3, &both), Some(1));
}

#[test]
fn a_spent_hold_pauses_the_job_until_there_is_more() {
    let both = fleet(&[ANN, BOB]);
    // Two copies at the limit cost 220; nothing is left for the second chunk.
    let mut job = Job::begin(&submitted(2, 2, 220).fact()).unwrap();
    both_run(&mut job, 1, Outcome::Done, Fuel(1_000_000_000), &both);
    assert_eq!(lease(&mut job, ANN, 3, &both), None);
    assert_eq!(job.should_pause(&both), Some(PauseWhy::HoldSpent));
    job.pause(PauseWhy::HoldSpent);
    assert!(job.resume().is_empty(), "nothing has changed");
    assert_eq!(kinds(&job.raise(Credits::from_micros(10))), ["escrow_raised"]);
    let facts = job.raise(Credits::from_micros(210));
    assert_eq!(kinds(&facts), ["escrow_raised", "job_resumed"]);
    both_run(&mut job, 3, Outcome::Done, Fuel(1_000_000_000), &both);
    assert!(job.complete());
    assert!(job.raise(Credits::ZERO).is_empty());
    job.end(EndState::Cancelled, None);
    assert!(job.raise(Credits::from_micros(5)).is_empty());
}

#[test]
fn a_job_that_keeps_going_computes_the_rest_and_then_asks() {
    let mut job = lenient(3, 100_000);
    let both = fleet(&[ANN, BOB]);
    let facts = both_run(&mut job, 1, Outcome::FuelOut, Fuel(1_000_000_000), &both);
    assert_eq!(kinds(&facts), ["attempt_reported", "chunk_verified", "chunk_settled"]);
    assert_eq!(job.should_pause(&both), None, "there is more to do");
    both_run(&mut job, 3, Outcome::Done, Fuel(5), &both);
    both_run(&mut job, 5, Outcome::Done, Fuel(5), &both);
    assert_eq!((job.should_pause(&both), job.failures()), (Some(PauseWhy::ChunksFailed), 1));
    assert!(!job.complete() && job.start_merge().is_none());
    job.pause(PauseWhy::ChunksFailed);
    assert!(job.resume().is_empty(), "there is nothing to go on with");
    let facts = job.retry(Fuel(4_000_000_000));
    assert_eq!(kinds(&facts), ["chunks_retried", "job_resumed"]);
    assert_eq!((job.retries(), job.fuel_limit()), (1, Fuel(4_000_000_000)));
    both_run(&mut job, 7, Outcome::Done, Fuel(3_000_000_000), &both);
    assert!(job.complete() && job.retry(Fuel(0)).is_empty());
}

#[test]
fn a_chunk_that_nobody_could_finish_can_be_tried_again() {
    let mut job = lenient(1, 100_000);
    let alone = fleet(&[ANN]);
    let mut epochs = Vec::new();
    for n in 1..=9_u128 {
        if n == 9 {
            assert_eq!(job.should_pause(&alone), Some(PauseWhy::ChunksFailed));
            assert_eq!(kinds(&job.pause(PauseWhy::ChunksFailed)), ["job_paused"]);
            assert_eq!(job.retry(Fuel(0)).len(), 2);
        }
        let id = LeaseId(Uuid::from_u128(n));
        let facts = job.lease(worker(ANN), &alone, id, 0, NOW);
        let Some(Fact::ChunkLeased { epoch, .. }) = facts.first() else { panic!("{n}") };
        epochs.push(*epoch);
        report(&mut job, n, Outcome::AgentFault, 0, &alone);
    }
    assert_eq!(epochs, (1..=9).collect::<Vec<u64>>(), "an old lease is never the newer one");
}

#[test]
fn a_late_copy_gets_one_rival_and_the_first_right_pair_wins() {
    const CIA: UserId = UserId(Uuid::from_u128(3));
    let mut job = job(1, 2);
    let three = fleet(&[ANN, BOB, CIA]);
    lease(&mut job, ANN, 1, &three).unwrap();
    lease(&mut job, BOB, 2, &three).unwrap();
    assert!(job.is_in_tail());
    assert!(!job.mark_late(NOW), "they have just begun");
    assert_eq!(lease(&mut job, CIA, 3, &three), None);
    assert!(job.mark_late(NOW.plus_ms(5_000)) && !job.mark_late(NOW.plus_ms(5_000)));
    assert_eq!(lease(&mut job, CIA, 3, &three), Some(0));
    report(&mut job, 3, Outcome::Done, 5, &three);
    let facts = report(&mut job, 1, Outcome::Done, 5, &three);
    assert_eq!(verdict_of(&facts), "agreed");
    assert_eq!(job.take_freed(), [(AgentId(BOB.0), LeaseId(Uuid::from_u128(2)))]);
}
