//! Leases that are handed back or given up, and who may go on with what others have begun.

use medusa_events::Fact;
use medusa_types::{LeaseId, Outcome, UserId, Uuid};

use crate::domain::job::tests::{ANN, BOB, fleet, job, kinds, lease, own, report, worker};
use crate::domain::{Job, Refereed, TrustRules};

#[test]
fn a_few_leases_of_an_owner_that_were_handed_back_use_up_no_tries_and_bar_nobody() {
    let mut job = job(1, 2);
    let both = fleet(&[ANN, BOB]);
    let back = |job: &mut Job, who, n, why| {
        assert_eq!(lease(job, who, n, &both), Some(0), "try {n}");
        let facts = job.lose(&[LeaseId(Uuid::from_u128(n))], why, &both);
        assert_eq!(kinds(&facts), ["lease_ended"]);
    };
    for n in [1, 3, 5] {
        back(&mut job, ANN, n, "yielded");
        back(&mut job, BOB, n + 1, "revoked");
    }
    assert_eq!(job.chunk(0).map(|chunk| chunk.pardoned), Some(6));
    // What is too large for an agent is handed back too, and the fourth time others come first.
    back(&mut job, ANN, 10, "too_large");
    assert_eq!(lease(&mut job, ANN, 11, &both), None);
    assert_eq!(lease(&mut job, BOB, 12, &both), Some(0));
}

#[test]
fn a_lone_owner_who_hands_everything_back_uses_up_the_tries_of_a_chunk() {
    let (mut job, alone) = (job(1, 2), fleet(&[ANN]));
    let most = TrustRules::default().leases_max + 3;
    for n in 1..=u128::from(most) {
        assert_eq!(lease(&mut job, ANN, n, &alone), Some(0), "try {n}");
        job.lose(&[LeaseId(Uuid::from_u128(n))], "yielded", &alone);
    }
    assert_eq!(lease(&mut job, ANN, 99, &alone), None);
}

#[test]
fn a_job_says_which_workers_would_begin_a_chunk_and_when_some_are_begun() {
    let mut job = job(2, 2);
    let both = fleet(&[ANN, BOB]);
    assert!(job.begins(worker(ANN), &both) && !job.has_begun());
    assert_eq!(lease(&mut job, ANN, 1, &both), Some(0));
    assert!(job.has_begun());
    assert!(job.begins(worker(ANN), &both), "it has the first copy of the one that is begun");
    assert!(!job.begins(worker(BOB), &both));
    assert_eq!(lease(&mut job, BOB, 2, &both), Some(0));
    assert!(job.begins(worker(BOB), &both) && !job.has_begun());
}

/// The leases that the facts say were outdone.
fn outdone(facts: &[Fact]) -> Vec<u128> {
    let leases = facts.iter().find_map(|fact| match fact {
        Fact::CopiesOutdone { leases, .. } => Some(leases.clone()),
        _ => None,
    });
    leases.unwrap_or_default().iter().map(|lease| lease.0.as_u128()).collect()
}

#[test]
fn who_gives_up_what_others_finish_is_outdone() {
    const CIA: UserId = UserId(Uuid::from_u128(3));
    let three = fleet(&[ANN, BOB, CIA]);
    for gave_up in [Outcome::WallOut, Outcome::CompileOut, Outcome::StackOut] {
        let mut job = job(1, 2);
        lease(&mut job, ANN, 1, &three).unwrap();
        assert_eq!(kinds(&report(&mut job, 1, gave_up, 0, &three)), ["attempt_reported"]);
        lease(&mut job, BOB, 2, &three).unwrap();
        lease(&mut job, CIA, 3, &three).unwrap();
        report(&mut job, 2, Outcome::Done, 5, &three);
        let facts = report(&mut job, 3, Outcome::Done, 5, &three);
        let wanted = ["attempt_reported", "chunk_verified", "chunk_settled", "copies_outdone"];
        assert_eq!((kinds(&facts), outdone(&facts)), (wanted.to_vec(), vec![1]), "{gave_up:?}");
    }
}

#[test]
fn nobody_is_outdone_by_a_failure_after_a_fault_or_by_the_same_owner() {
    let both = fleet(&[ANN, BOB]);
    let ends = |first, then| {
        let mut job = job(1, 2);
        lease(&mut job, ANN, 1, &both).unwrap();
        report(&mut job, 1, first, 0, &both);
        lease(&mut job, BOB, 2, &both).unwrap();
        report(&mut job, 2, then, 5, &both);
        job.refereed(0, Refereed { outcome: then, ..own(5) })
    };
    assert_eq!(outdone(&ends(Outcome::WallOut, Outcome::Done)), [1]);
    for (first, then) in [(Outcome::WallOut, Outcome::Trap), (Outcome::AgentFault, Outcome::Done)] {
        let facts = ends(first, then);
        assert!(kinds(&facts).contains(&"chunk_verified"), "{first:?}, {then:?}");
        assert_eq!(outdone(&facts), [], "{first:?}, {then:?}");
    }

    let alone = fleet(&[ANN]);
    let mut job = job(1, 2);
    lease(&mut job, ANN, 1, &alone).unwrap();
    report(&mut job, 1, Outcome::WallOut, 0, &alone);
    lease(&mut job, ANN, 2, &alone).unwrap();
    report(&mut job, 2, Outcome::Done, 5, &alone);
    let facts = job.refereed(0, own(5));
    assert!(kinds(&facts).contains(&"chunk_verified"));
    assert_eq!(outdone(&facts), []);
}

/// Agents of the versions before have other words for some ends; what they computed is as good.
#[test]
fn an_older_word_for_the_same_end_agrees() {
    let both = fleet(&[ANN, BOB]);
    for (new, old, agree) in [
        (Outcome::TableOut, Outcome::Trap, true),
        (Outcome::FilesOut, Outcome::OutputOut, true),
        (Outcome::TableOut, Outcome::OutputOut, false),
        (Outcome::MemoryOut, Outcome::Trap, false),
    ] {
        let mut job = job(1, 2);
        lease(&mut job, ANN, 1, &both).unwrap();
        lease(&mut job, BOB, 2, &both).unwrap();
        report(&mut job, 1, new, 0, &both);
        let facts = report(&mut job, 2, old, 0, &both);
        let verified = facts.iter().find_map(|fact| match fact {
            Fact::ChunkVerified { right, wrong, .. } => Some((right.len(), wrong.len())),
            _ => None,
        });
        assert_eq!(verified, agree.then_some((2, 0)), "{new:?} and {old:?}");
    }
}
