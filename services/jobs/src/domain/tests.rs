//! A job told in steps: who gets which chunk, what is believed, who is paid, what comes back.

use std::sync::Arc;

use medusa_types::{UserId, Uuid};

use super::*;
use crate::domain::kin::Tie;
use crate::domain::lease::Worker;
use crate::domain::price::Prices;
use crate::domain::submitted::MergeTree;
use crate::domain::trust::Standing;

pub(in crate::domain) const OWNER: UserId = UserId(Uuid::from_u128(100));
pub(in crate::domain) const ANN: UserId = UserId(Uuid::from_u128(1));
pub(in crate::domain) const BOB: UserId = UserId(Uuid::from_u128(2));
pub(in crate::domain) const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

pub(in crate::domain) fn submitted(chunks: u32, copies: u32, hold: i64) -> Submitted {
    Submitted {
        id: medusa_types::JobId(Uuid::from_u128(7)),
        owner: OWNER,
        program: Sha256Hash([1; 32]),
        input: None,
        spec: Sha256Hash([2; 32]),
        plan: Sha256Hash([3; 32]),
        chunks,
        copies,
        fuel_limit: Fuel(1_000_000_000),
        hold: Credits::from_micros(hold),
        prices: Prices {
            per_gfuel: Credits::from_micros(100),
            per_start: Credits::from_micros(10),
            fee_permille: 100,
            ..Prices::default()
        },
        merge: None,
    }
}

pub(in crate::domain) fn job(chunks: u32, copies: u32) -> Job {
    Job::begin(&submitted(chunks, copies, 100_000).fact()).unwrap()
}

pub(in crate::domain) fn fleet(owners: &[UserId]) -> Fleet {
    let owners = owners.iter().map(|owner| (*owner, u64::MAX)).collect();
    Fleet { owners, ..Fleet::default() }
}

pub(in crate::domain) fn worker(lender: UserId) -> Worker {
    let (standing, exposed) = (Standing::default(), Credits::ZERO);
    let agent = AgentId(lender.0);
    Worker { agent, lender, memory_bytes: u64::MAX, standing, exposed, stays: false }
}

/// A worker whose record allows a single copy of anything that these tests compute.
fn veteran(lender: UserId) -> Worker {
    let stake = Credits::from_micros(1_000_000);
    let standing = Standing { streak: 1_000, stake, ..Standing::default() };
    Worker { standing, ..worker(lender) }
}

/// A draw that asks for no check.
const UNCHECKED: u32 = 999_999;

pub(in crate::domain) fn own(output: u8) -> Refereed {
    let output = Sha256Hash([output; 32]);
    Refereed { outcome: Outcome::Done, output, output_bytes: 1, fuel: Fuel(500_000_000) }
}

pub(in crate::domain) fn verdict_of(facts: &[Fact]) -> &str {
    let verdict = |f: &'_ Fact| matches!(f, Fact::ChunkVerified { .. });
    match facts.iter().find(|f| verdict(f)) {
        Some(Fact::ChunkVerified { verdict, .. }) => verdict,
        _ => "none",
    }
}

/// Leases a chunk to the lender; the lease's id is `n`.
pub(in crate::domain) fn lease(
    job: &mut Job,
    lender: UserId,
    n: u128,
    fleet: &Fleet,
) -> Option<u32> {
    match job.lease(worker(lender), fleet, LeaseId(Uuid::from_u128(n)), 0, NOW).first() {
        Some(Fact::ChunkLeased { chunk, .. }) => Some(chunk.0),
        _ => None,
    }
}

pub(in crate::domain) fn report(
    job: &mut Job,
    n: u128,
    outcome: Outcome,
    output: u8,
    fleet: &Fleet,
) -> Vec<Fact> {
    let result = (outcome, Sha256Hash([output; 32]), 1, Fuel(500_000_000));
    job.report(LeaseId(Uuid::from_u128(n)), result, fleet)
}

pub(in crate::domain) fn kinds(facts: &[Fact]) -> Vec<&'static str> {
    facts.iter().map(|f| f.kind().split_once('.').unwrap().1).collect()
}

#[test]
fn two_owners_agree_and_both_are_paid() {
    let mut job = job(1, 2);
    let both = fleet(&[ANN, BOB]);
    assert_eq!(lease(&mut job, ANN, 1, &both), Some(0));
    assert_eq!(lease(&mut job, ANN, 9, &both), None, "the same owner gets no second copy");
    assert_eq!(lease(&mut job, BOB, 2, &both), Some(0));
    assert_eq!(kinds(&report(&mut job, 1, Outcome::Done, 5, &both)), ["attempt_reported"]);
    let facts = report(&mut job, 2, Outcome::Done, 5, &both);
    assert_eq!(kinds(&facts), ["attempt_reported", "chunk_verified", "chunk_settled"]);
    let Some(Fact::ChunkSettled { price, fee, shares, .. }) = facts.last() else { panic!() };
    assert_eq!((price.micros(), fee.micros()), (120, 12));
    assert_eq!(shares.iter().map(|s| s.amount.micros()).collect::<Vec<_>>(), [54, 54]);
    assert!(job.complete());
}

#[test]
fn the_consumers_own_agents_get_nothing() {
    let mut job = job(1, 1);
    assert_eq!(lease(&mut job, OWNER, 1, &fleet(&[OWNER])), None);
}

#[test]
fn what_one_owner_alone_says_is_run_here_before_it_is_paid() {
    for copies in [1, 2] {
        let mut job = job(1, copies);
        let alone = fleet(&[ANN]);
        lease(&mut job, ANN, 1, &alone);
        assert_eq!(kinds(&report(&mut job, 1, Outcome::Done, 5, &alone)), ["attempt_reported"]);
        assert!(job.needs_referee(0, &alone) && !job.waits_for_stranger(&alone));
        assert_eq!(verdict_of(&job.refereed(0, own(5))), "refereed");
    }
}

#[test]
fn what_is_too_large_to_be_run_here_waits_for_a_stranger() {
    let mut job = job(2, 1);
    job.decide_by(TrustRules { referee_fuel_max: 1, ..TrustRules::default() }, 0, false);
    let alone = fleet(&[ANN]);
    lease(&mut job, ANN, 1, &alone);
    assert_eq!(kinds(&report(&mut job, 1, Outcome::Done, 5, &alone)), ["attempt_reported"]);
    assert!(!job.needs_referee(0, &alone) && job.waits_for_stranger(&alone));
    let both = fleet(&[ANN, BOB]);
    assert!(!job.waits_for_stranger(&both));
    assert_eq!(lease(&mut job, BOB, 2, &both), Some(0));
    assert_eq!(verdict_of(&report(&mut job, 2, Outcome::Done, 5, &both)), "agreed");
}

#[test]
fn nobody_computes_ahead_what_nobody_can_confirm() {
    let mut job = job(5, 1);
    job.decide_by(TrustRules { unconfirmed_max: 2, ..TrustRules::default() }, 0, false);
    let alone = fleet(&[ANN]);
    for n in 1..=2 {
        lease(&mut job, ANN, n, &alone).unwrap();
        report(&mut job, n, Outcome::Done, 5, &alone);
    }
    assert_eq!(lease(&mut job, ANN, 3, &alone), None);
    assert_eq!(lease(&mut job, ANN, 3, &fleet(&[ANN, BOB])), Some(2));
}

#[test]
fn relatives_do_not_confirm_each_other() {
    let mut job = job(1, 2);
    let tie = || std::iter::once(Tie::Account("payout-7".into())).collect();
    let kin = Fleet { ties: Arc::new([(ANN, tie()), (BOB, tie())].into()), ..fleet(&[ANN, BOB]) };
    assert_eq!(lease(&mut job, ANN, 1, &kin), Some(0));
    assert_eq!(lease(&mut job, BOB, 2, &kin), None);
    report(&mut job, 1, Outcome::Done, 5, &kin);
    assert!(job.needs_referee(0, &kin), "a relative is nobody else");
    let of_consumer =
        Fleet { ties: Arc::new([(ANN, tie()), (OWNER, tie())].into()), ..fleet(&[ANN]) };
    assert_eq!(
        lease(&mut Job::begin(&submitted(1, 1, 100_000).fact()).unwrap(), ANN, 1, &of_consumer),
        None
    );
}

#[test]
fn a_veteran_is_believed_alone_unless_the_draw_says_otherwise() {
    let both = fleet(&[ANN, BOB]);
    let id = LeaseId(Uuid::from_u128(1));
    let begin = |draw| {
        let mut job = job(1, 1);
        let facts = job.lease(veteran(ANN), &both, id, draw, NOW);
        assert_eq!(kinds(&facts), ["chunk_leased", "copies_drawn"]);
        job
    };
    let mut single = begin(UNCHECKED);
    assert!(single.at_risk(id).is_positive());
    assert_eq!(lease(&mut single, BOB, 2, &both), None, "one copy is enough");
    assert_eq!(verdict_of(&report(&mut single, 1, Outcome::Done, 5, &both)), "trusted");
    // 1/1000 is less than the floor of 2 %, and the next 1 % are run again here.
    let mut rerun = begin(20_000);
    report(&mut rerun, 1, Outcome::Done, 6, &both);
    assert!(rerun.needs_referee(0, &both));
    let facts = rerun.refereed(0, own(5));
    assert_eq!(kinds(&facts), ["chunk_verified"], "the lie is not paid");
    let mut double = begin(19_999);
    assert_eq!(lease(&mut double, BOB, 2, &both), Some(0));
    let mut failing = begin(UNCHECKED);
    assert_eq!(kinds(&report(&mut failing, 1, Outcome::Trap, 0, &both)), ["attempt_reported"]);
    assert_eq!(lease(&mut failing, BOB, 2, &both), Some(0), "nobody alone fails a job");
}

#[test]
fn a_consumer_who_wants_two_copies_gets_two_of_veterans_too() {
    let mut job = job(1, 2);
    let both = fleet(&[ANN, BOB]);
    let facts = job.lease(veteran(ANN), &both, LeaseId(Uuid::from_u128(1)), UNCHECKED, NOW);
    assert_eq!(kinds(&facts), ["chunk_leased"]);
    assert_eq!(lease(&mut job, BOB, 2, &both), Some(0));
}

#[test]
fn what_was_drawn_for_an_agent_that_is_lost_does_not_count_for_the_next() {
    let mut job = job(1, 1);
    let both = fleet(&[ANN, BOB]);
    let id = LeaseId(Uuid::from_u128(1));
    job.lease(veteran(ANN), &both, id, UNCHECKED, NOW);
    job.lose(&[id], "lost", &both);
    assert_eq!(lease(&mut job, BOB, 2, &both), Some(0));
    report(&mut job, 2, Outcome::Done, 6, &both);
    assert_eq!(job.status(0), Some(ChunkStatus::Open), "a newcomer is not believed");
}

#[test]
fn the_most_decide_where_the_server_cannot() {
    let mut job = job(1, 2);
    job.decide_by(TrustRules { referee_fuel_max: 1, ..TrustRules::default() }, 0, false);
    const CIA: UserId = UserId(Uuid::from_u128(3));
    let three = fleet(&[ANN, BOB, CIA]);
    for (n, who, output) in [(1, ANN, 5), (2, BOB, 6)] {
        lease(&mut job, who, n, &three).unwrap();
        report(&mut job, n, Outcome::Done, output, &three);
    }
    assert!(!job.needs_referee(0, &three));
    assert_eq!(lease(&mut job, CIA, 3, &three), Some(0));
    let facts = report(&mut job, 3, Outcome::Done, 5, &three);
    let Some(Fact::ChunkVerified { right, wrong, .. }) = facts.get(1) else { panic!() };
    assert_eq!((right.len(), wrong.len()), (2, 1));
}

#[test]
fn a_result_waits_for_a_second_copy_while_agents_are_still_coming_back() {
    let mut job = job(1, 2);
    let gathering = Fleet { gathering: true, ..fleet(&[ANN]) };
    lease(&mut job, ANN, 1, &gathering);
    assert_eq!(kinds(&report(&mut job, 1, Outcome::Done, 5, &gathering)), ["attempt_reported"]);
    assert!(!job.needs_referee(0, &gathering));
    assert!(job.needs_referee(0, &fleet(&[ANN])), "nobody came");
}

#[test]
fn a_contradiction_goes_to_the_referee_and_the_liar_is_not_paid() {
    let mut job = job(1, 2);
    let both = fleet(&[ANN, BOB]);
    lease(&mut job, ANN, 1, &both);
    lease(&mut job, BOB, 2, &both);
    report(&mut job, 1, Outcome::Done, 5, &both);
    report(&mut job, 2, Outcome::Done, 6, &both);
    assert!(job.needs_referee(0, &both));
    let facts = job.refereed(0, own(5));
    let Fact::ChunkVerified { right, wrong, .. } = &facts[0] else { panic!() };
    assert_eq!((right[0].0.as_u128(), wrong[0].0.as_u128()), (1, 2));
    let Fact::ChunkSettled { shares, .. } = &facts[1] else { panic!() };
    assert_eq!(shares.len(), 1);
    assert!(job.refereed(0, own(5)).is_empty(), "a chunk is settled once");
}

#[test]
fn a_late_or_foreign_report_changes_nothing() {
    let mut job = job(2, 1);
    let alone = fleet(&[ANN]);
    lease(&mut job, ANN, 1, &alone);
    report(&mut job, 1, Outcome::Done, 5, &alone);
    assert!(report(&mut job, 1, Outcome::Done, 6, &alone).is_empty());
    assert!(report(&mut job, 77, Outcome::Done, 5, &alone).is_empty());
}

#[test]
fn a_lost_lease_is_given_out_again() {
    let mut job = job(1, 1);
    let alone = fleet(&[ANN]);
    lease(&mut job, ANN, 1, &alone);
    assert_eq!(lease(&mut job, ANN, 2, &alone), None);
    let facts = job.lose(&[LeaseId(Uuid::from_u128(1))], "lost", &alone);
    assert_eq!(kinds(&facts), ["lease_ended"]);
    assert_eq!(lease(&mut job, ANN, 3, &alone), Some(0));
}

#[test]
fn a_chunk_that_is_lost_again_and_again_fails_the_job() {
    let mut job = job(1, 1);
    let alone = fleet(&[ANN]);
    for n in 1..8 {
        lease(&mut job, ANN, n, &alone).unwrap();
        assert_eq!(report(&mut job, n, Outcome::AgentFault, 0, &alone).len(), 1);
    }
    lease(&mut job, ANN, 8, &alone).unwrap();
    let facts = report(&mut job, 8, Outcome::AgentFault, 0, &alone);
    assert_eq!(kinds(&facts), ["attempt_reported", "job_ended", "escrow_released"]);
}

#[test]
fn a_failing_program_ends_the_job_and_is_paid_for() {
    let mut job = job(2, 2);
    let both = fleet(&[ANN, BOB]);
    for (n, who) in [(1, ANN), (2, BOB), (3, ANN)] {
        lease(&mut job, who, n, &both).unwrap();
    }
    report(&mut job, 1, Outcome::Exit(3), 0, &both);
    let facts = report(&mut job, 2, Outcome::Exit(3), 0, &both);
    assert_eq!(
        kinds(&facts),
        [
            "attempt_reported",
            "chunk_verified",
            "chunk_settled",
            "lease_ended",
            "job_ended",
            "escrow_released"
        ]
    );
    assert_eq!(job.ended(), Some(EndState::Failed));
    assert_eq!(job.leases().count(), 0);
    assert_eq!(lease(&mut job, ANN, 4, &both), None);
}

#[test]
fn one_agent_alone_cannot_fail_a_job() {
    let mut job = job(1, 1);
    let alone = fleet(&[ANN]);
    lease(&mut job, ANN, 1, &alone);
    assert_eq!(kinds(&report(&mut job, 1, Outcome::Trap, 0, &alone)), ["attempt_reported"]);
    assert!(job.needs_referee(0, &alone));
    assert_eq!(kinds(&job.refereed(0, own(5))), ["chunk_verified"]);
    assert!(job.complete());
}

#[test]
fn an_agent_that_fails_leaves_the_chunk_to_others() {
    let mut job = job(1, 1);
    let both = fleet(&[ANN, BOB]);
    lease(&mut job, ANN, 1, &both).unwrap();
    report(&mut job, 1, Outcome::AgentFault, 0, &both);
    assert_eq!(lease(&mut job, ANN, 2, &both), None, "another owner is there");
    assert_eq!(lease(&mut job, BOB, 3, &both), Some(0));
    report(&mut job, 3, Outcome::AgentFault, 0, &both);
    assert_eq!(lease(&mut job, ANN, 4, &both), Some(0), "nobody is left who has not failed");
}

#[test]
fn a_lease_is_not_renewed_for_ever() {
    let mut job = job(1, 1);
    lease(&mut job, ANN, 1, &fleet(&[ANN])).unwrap();
    let id = LeaseId(Uuid::from_u128(1));
    for minutes in 0..120 {
        job.renew(AgentId(ANN.0), &[id], NOW.plus_ms(minutes * 60_000));
    }
    assert!(job.expired(NOW.plus_ms(59 * 60_000)).is_empty());
    assert_eq!(job.expired(NOW.plus_ms(62 * 60_000)), [id]);
}

#[test]
fn a_spent_hold_starves_the_job_and_blames_nobody() {
    // The hold pays one run at the limit (110) and nearly another. With a shorter limit its agent
    // would work for nothing.
    let mut job = Job::begin(&submitted(2, 1, 200).fact()).unwrap();
    let alone = fleet(&[ANN]);
    lease(&mut job, ANN, 1, &alone).unwrap();
    assert_eq!(lease(&mut job, ANN, 2, &alone), None);
    assert!(!job.is_starved(&alone), "what is under way may leave enough");
    job.lose(&[LeaseId(Uuid::from_u128(1))], "lost", &alone);
    assert_eq!(lease(&mut job, ANN, 3, &alone), Some(0));
    let poor = Job::begin(&submitted(1, 1, 50).fact()).unwrap();
    assert!(poor.is_starved(&alone));
}

#[test]
fn leases_never_promise_more_than_the_hold() {
    // One copy at the limit costs 110; a hold of 280 pays two of them and 60 more.
    let mut job = Job::begin(&submitted(5, 1, 280).fact()).unwrap();
    let alone = fleet(&[ANN]);
    assert!(lease(&mut job, ANN, 1, &alone).is_some());
    assert!(lease(&mut job, ANN, 2, &alone).is_some());
    assert_eq!(lease(&mut job, ANN, 3, &alone), None);
    report(&mut job, 1, Outcome::Done, 5, &alone);
    job.refereed(0, own(5));
    // It used half of its limit, so 60 of 110 are spent and the rest is free again.
    assert!(lease(&mut job, ANN, 4, &alone).is_some());
}

#[test]
fn nobody_is_paid_for_more_fuel_than_was_leased() {
    let mut job = job(1, 1);
    let alone = fleet(&[ANN]);
    lease(&mut job, ANN, 1, &alone);
    let id = LeaseId(Uuid::from_u128(1));
    let facts = job.report(id, (Outcome::Done, Sha256Hash([1; 32]), 1, Fuel(u64::MAX)), &alone);
    let Some(Fact::AttemptReported { fuel, .. }) = facts.last() else { panic!() };
    assert_eq!(*fuel, Fuel(1_000_000_000));
}

#[test]
fn folding_the_facts_gives_the_same_job() {
    let mut job = job(3, 1);
    let both = fleet(&[ANN, BOB]);
    let mut facts = vec![job.submitted().fact()];
    for (n, who) in [(1, ANN), (2, BOB), (3, ANN), (4, BOB)] {
        facts.extend(job.lease(veteran(who), &both, LeaseId(Uuid::from_u128(n)), 0, NOW));
    }
    facts.extend(report(&mut job, 1, Outcome::Done, 5, &both));
    facts.extend(report(&mut job, 2, Outcome::Done, 5, &both));
    facts.extend(job.lose(&[LeaseId(Uuid::from_u128(3))], "lost", &both));
    let mut again = Job::begin(&facts[0]).unwrap();
    facts[1..].iter().for_each(|fact| again.apply(fact));
    assert_eq!(job.take_freed(), [(AgentId(ANN.0), LeaseId(Uuid::from_u128(3)))]);
    assert_eq!(format!("{again:?}"), format!("{job:?}"));
}

#[test]
fn an_end_gives_the_rest_back_once() {
    let mut job = job(1, 1);
    let facts = job.end(EndState::Cancelled, None);
    assert_eq!(kinds(&facts), ["job_ended", "escrow_released"]);
    assert!(job.end(EndState::Cancelled, None).is_empty());
}

#[test]
fn a_merge_by_a_program_climbs_its_tree_as_results_come() {
    let merge = MergeTree { program: Sha256Hash([9; 32]), fan_in: 2, nodes: 3 };
    let submitted = Submitted { merge: Some(merge), ..submitted(6, 2, 100_000) };
    let mut job = Job::begin(&submitted.fact()).unwrap();
    job.apply(&submitted.merge_fact().unwrap());
    let both = fleet(&[ANN, BOB]);
    let mut n = 0;
    let mut run = |job: &mut Job, output: u8| {
        n += 2;
        let leased = [(n, ANN), (n + 1, BOB)].map(|(n, who)| lease(job, who, n, &both));
        assert_eq!(leased[0], leased[1]);
        report(job, n, Outcome::Done, output, &both);
        report(job, n + 1, Outcome::Done, output, &both);
        leased[0]
    };
    // Leaves 0 to 2; 3 over the first two, 4 over the third, 5 over both.
    assert_eq!([run(&mut job, 10), run(&mut job, 11)], [Some(0), Some(1)]);
    assert_eq!(run(&mut job, 13), Some(3), "its children are done");
    assert_eq!(job.below(3), [Sha256Hash([10; 32]), Sha256Hash([11; 32])]);
    assert_eq!(run(&mut job, 12), Some(2));
    assert!(!job.complete() && job.start_merge().is_none());
    assert_eq!([run(&mut job, 14), run(&mut job, 15)], [Some(4), Some(5)]);
    assert_eq!(job.below(5), [Sha256Hash([13; 32]), Sha256Hash([14; 32])]);
    assert!(job.complete() && job.start_merge().is_some());
    assert_eq!(job.outputs(), [Sha256Hash([15; 32])], "the root's");
}
