//! Leases that are handed back, and who may go on with what others have begun.

use medusa_types::{LeaseId, Uuid};

use crate::domain::job::tests::{ANN, BOB, fleet, job, kinds, lease, worker};
use crate::domain::{Job, TrustRules};

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
    // The fourth time others come first.
    back(&mut job, ANN, 10, "yielded");
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
