//! Adjustments by two persons, from the proposal to the books.

use medusa_api::{Adjustment, AdjustmentQuery, AdjustmentReason, AdjustmentState, NewAdjustment};
use medusa_eventlog::{Append, NewEvent, Operation, read_stream};
use medusa_events::Fact;
use medusa_ledger::{Account, AccountState, Bucket, Move};
use medusa_platform::{ApiError, Principal, Via};
use medusa_types::{AdjustmentId, Credits, Role, Sha256Hash, UserId, Uuid};
use sqlx::Executor as _;

use super::world::{World, job, user};
use crate::{BillingError, Decision, moves};

const EVE: u128 = 4;

fn admin(n: u128) -> Principal {
    Principal { user: user(n), roles: vec![Role::Admin], via: Via::Bearer }
}

fn new(account: impl std::fmt::Display, amount: &str) -> NewAdjustment {
    NewAdjustment {
        account: account.to_string(),
        amount: amount.into(),
        reason: AdjustmentReason::Correction,
        explanation: "the meter was wrong".into(),
        ticket: "T-17".into(),
    }
}

fn promo(n: u128) -> Account {
    Account::wallet(Bucket::Promo, user(n))
}

/// A world in which persons 1 to 4 have the welcome gift.
async fn world() -> World {
    let world = World::new().await;
    for n in 1..=EVE {
        world.billing.grant_welcome(user(n)).await.unwrap();
    }
    world
}

fn code<T: std::fmt::Debug>(answer: Result<T, BillingError>) -> String {
    ApiError::from(answer.unwrap_err()).0.code
}

impl World {
    async fn proposed(&self, account: impl std::fmt::Display, amount: &str) -> Adjustment {
        let key = format!("{account} {amount}");
        self.billing.propose(&admin(1), &key, new(account, amount)).await.unwrap()
    }

    async fn decide(
        &self,
        by: u128,
        id: AdjustmentId,
        decision: Decision,
    ) -> Result<Adjustment, BillingError> {
        self.billing.decide(&admin(by), id, decision).await
    }

    async fn available(&self, of: UserId) -> String {
        self.billing.wallet(of).await.unwrap().available.to_string()
    }

    async fn list(&self, state: Option<AdjustmentState>) -> Vec<Adjustment> {
        let query = AdjustmentQuery { state, ..AdjustmentQuery::default() };
        self.billing.adjustments(query).await.unwrap().items
    }
}

#[tokio::test]
async fn a_second_admin_makes_what_the_first_proposed() {
    let world = world().await;
    let before = world.log.head();
    let proposed = world.proposed(promo(EVE), "-12.5").await;
    assert_eq!((proposed.state, proposed.amount.as_str()), (AdjustmentState::Proposed, "-12.50"));
    assert_eq!(proposed.counter_account, "suspense.adjustment");
    assert_eq!((proposed.proposed_by, proposed.decided_by), (user(1), None));
    assert_eq!((world.log.head(), world.available(user(EVE)).await), (before, "100.00".into()));

    let approved = world.decide(2, proposed.id, Decision::Approve).await.unwrap();
    assert_eq!((approved.state, approved.decided_by), (AdjustmentState::Approved, Some(user(2))));
    assert_eq!(approved.position, Some(world.log.head()));
    assert_eq!(world.available(user(EVE)).await, "87.50");
    let events = read_stream(&world.db.pool, &format!("adjustment-{}", proposed.id), 0, 9).await;
    let events = events.unwrap();
    let digest = Sha256Hash::of(b"[\"the meter was wrong\",\"T-17\"]");
    let explained = Fact::AdjustmentExplained { adjustment: proposed.id, text_sha256: digest };
    assert_eq!(events[0].envelope.fact, explained);
    let envelope = &events[1].envelope;
    let Fact::BooksAdjusted { reason, proposed_by, approved_by, .. } = &envelope.fact else {
        panic!("{envelope:?}")
    };
    assert_eq!((reason.as_str(), *proposed_by, *approved_by), ("correction", user(1), user(2)));
    let operation = format!("adjust:{}", proposed.id);
    assert_eq!((envelope.actor, envelope.operation.as_ref()), (Some(user(2)), Some(&operation)));
    assert_eq!(approved.decided_at, Some(envelope.at));
    assert_eq!(approved.text_in_log, Some(true));
    assert_eq!(world.list(None).await, [approved]);
    // Words that were changed afterwards are not those that the log has the digest of.
    world.db.pool.execute("update adjustment set ticket = 'T-18'").await.unwrap();
    assert_eq!(world.list(None).await[0].text_in_log, Some(false));
}

#[tokio::test]
async fn whoever_decides_the_same_again_is_told_the_same() {
    let world = world().await;
    for (amount, decision, by) in
        [("1", Decision::Approve, 2), ("2", Decision::Reject, 2), ("3", Decision::Withdraw, 1)]
    {
        let id = world.proposed(promo(EVE), amount).await.id;
        let first = world.decide(by, id, decision).await.unwrap();
        assert_eq!(world.decide(by, id, decision).await.unwrap(), first);
        let other = code(world.decide(3, id, decision).await);
        assert_eq!(other, "billing.adjustment_decided", "another person did not decide so");
    }
    assert_eq!(world.available(user(EVE)).await, "101.00");
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let world = world().await;
    for limit in [0, 201, u32::MAX] {
        let query = AdjustmentQuery { limit: Some(limit), ..AdjustmentQuery::default() };
        let refused = world.billing.adjustments(query).await;
        assert_eq!(code(refused), "platform.query_refused", "{limit}");
    }
}

#[tokio::test]
async fn nobody_decides_alone_twice_or_on_what_is_not_there() {
    let world = world().await;
    let id = world.proposed(promo(EVE), "1").await.id;
    for decision in [Decision::Approve, Decision::Reject] {
        assert_eq!(code(world.decide(1, id, decision).await), "billing.second_person");
    }
    assert_eq!(code(world.decide(2, id, Decision::Withdraw).await), "platform.forbidden");
    let rejected = world.decide(2, id, Decision::Reject).await.unwrap();
    assert_eq!((rejected.state, rejected.position), (AdjustmentState::Rejected, None));
    let withdrawn = world.proposed(promo(EVE), "2").await.id;
    let withdrawn = world.decide(1, withdrawn, Decision::Withdraw).await.unwrap();
    assert_eq!(
        (withdrawn.state, withdrawn.decided_by),
        (AdjustmentState::Withdrawn, Some(user(1)))
    );
    for id in [rejected.id, withdrawn.id] {
        for decision in [Decision::Approve, Decision::Reject, Decision::Withdraw] {
            assert_eq!(code(world.decide(3, id, decision).await), "billing.adjustment_decided");
        }
    }
    let nothing = AdjustmentId(Uuid::from_u128(77));
    assert_eq!(code(world.decide(2, nothing, Decision::Approve).await), "platform.not_found");
    assert_eq!(world.available(user(EVE)).await, "100.00");
}

#[tokio::test]
async fn own_accounts_and_the_escrow_of_own_jobs_are_out_of_reach() {
    let world = world().await;
    world.hold(user(1), job(8), 1_000).await;
    let escrow = Account::escrow(Bucket::Promo, job(8));
    for account in [promo(1), Account::lender_pending(user(1)), escrow] {
        let refused = world.billing.propose(&admin(1), "k", new(account, "1")).await;
        assert_eq!(code(refused), "billing.own_account", "{account}");
    }
    // Nor does the owner decide on what another proposes.
    for account in [promo(1), escrow] {
        let (other, key) = (admin(2), account.to_string());
        let id = world.billing.propose(&other, &key, new(account, "1")).await.unwrap().id;
        for decision in [Decision::Approve, Decision::Reject] {
            assert_eq!(code(world.decide(1, id, decision).await), "billing.own_account");
        }
        world.decide(3, id, Decision::Approve).await.unwrap();
    }
}

#[tokio::test]
async fn only_admins_have_a_hand_in_it() {
    let world = world().await;
    let id = world.proposed(promo(EVE), "1").await.id;
    for role in [Role::Auditor, Role::Consumer] {
        let who = Principal { roles: vec![role], ..admin(2) };
        let proposed = world.billing.propose(&who, "k", new(promo(EVE), "1")).await;
        assert_eq!(code(proposed), "platform.forbidden");
        let decided = world.billing.decide(&who, id, Decision::Approve).await;
        assert_eq!(code(decided), "platform.forbidden");
    }
}

#[tokio::test]
async fn a_key_stands_for_one_proposal() {
    let world = world().await;
    let propose = |by, key, new| {
        let billing = world.billing.clone();
        async move { billing.propose(&admin(by), key, new).await }
    };
    let first = propose(1, "k", new(promo(EVE), "1")).await.unwrap();
    assert_eq!(propose(1, "k", new(promo(EVE), "1.000")).await.unwrap(), first);
    for other in [
        new(promo(EVE), "2"),
        new(promo(3), "1"),
        NewAdjustment { ticket: "T-18".into(), ..new(promo(EVE), "1") },
        NewAdjustment { reason: AdjustmentReason::Fraud, ..new(promo(EVE), "1") },
    ] {
        assert_eq!(code(propose(1, "k", other).await), "platform.key_reused");
    }
    // The keys of another person are others.
    let second = propose(2, "k", new(promo(EVE), "1")).await.unwrap();
    assert_ne!(second.id, first.id);
    // A repetition answers what has become of it.
    let rejected = world.decide(2, first.id, Decision::Reject).await.unwrap();
    assert_eq!(propose(1, "k", new(promo(EVE), "1")).await.unwrap(), rejected);
    assert_eq!(world.list(None).await.len(), 2);
}

#[tokio::test]
async fn a_bad_proposal_writes_nothing() {
    let world = world().await;
    let before = world.log.head();
    let strange = format!("consumer.paid:{}", user(999));
    for (account, amount, expected) in [
        (strange, "1", "billing.account_unknown"),
        ("gold".into(), "1", "billing.account_unknown"),
        (promo(EVE).to_string(), "-0", "billing.amount_zero"),
        (promo(EVE).to_string(), "0.0000001", "billing.amount_malformed"),
        (promo(EVE).to_string(), "9223372036854.775808", "billing.amount_out_of_range"),
    ] {
        let refused = world.billing.propose(&admin(1), "k", new(account, amount)).await;
        let problem = ApiError::from(refused.unwrap_err()).0;
        assert_eq!((problem.status, problem.code.as_str()), (422, expected));
        assert_eq!(problem.errors.len(), 1);
    }
    let bad = NewAdjustment { explanation: "no".into(), ticket: String::new(), ..new("x", "x") };
    let problem = ApiError::from(world.billing.propose(&admin(1), "k", bad).await.unwrap_err()).0;
    let pointers: Vec<&str> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(pointers, ["/account", "/amount", "/explanation", "/ticket"]);
    assert!(world.list(None).await.is_empty());
    assert_eq!(world.log.head(), before);
    // An account that was never used is known by whom it belongs to.
    world.proposed(Account::wallet(Bucket::Paid, user(EVE)), "1").await;
}

#[tokio::test]
async fn what_the_books_refuse_stays_proposed_and_can_be_made_later() {
    let world = world().await;
    let id = world.proposed(promo(EVE), "-100.000001").await.id;
    assert_eq!(code(world.decide(2, id, Decision::Approve).await), "billing.credits_short");
    assert_eq!(world.list(Some(AdjustmentState::Proposed)).await[0].id, id);
    // More than the account of suspense can have.
    let much = world.proposed(promo(3), "9223372036854.775807").await.id;
    let refused = code(world.decide(2, much, Decision::Approve).await);
    assert_eq!(refused, "billing.amount_out_of_range");
    let more = world.proposed(promo(EVE), "0.000001").await.id;
    world.decide(2, more, Decision::Approve).await.unwrap();
    let frozen = Move::SetState { account: promo(EVE), state: AccountState::Frozen };
    world.moving(vec![frozen]).await;
    world.decide(2, id, Decision::Approve).await.unwrap();
    assert_eq!(world.available(user(EVE)).await, "0.00");
    let closed = world.proposed(Account::wallet(Bucket::Paid, user(EVE)), "1").await.id;
    let close = Account::wallet(Bucket::Paid, user(EVE));
    world.moving(vec![Move::SetState { account: close, state: AccountState::Closed }]).await;
    let refused = code(world.decide(2, closed, Decision::Approve).await);
    assert_eq!(refused, "billing.account_closed");
}

#[tokio::test]
async fn an_approval_that_a_crash_cut_off_is_made_whole_from_the_log() {
    let world = world().await;
    let proposed = world.proposed(promo(EVE), "5").await;
    // As if the server had ended between the log and its own table.
    let fact = Fact::BooksAdjusted {
        adjustment: proposed.id,
        account: promo(EVE),
        amount: Credits::from_micros(5_000_000).into(),
        reason: "correction".into(),
        proposed_by: user(1),
        approved_by: user(2),
    };
    let key = format!("adjust:{}", proposed.id);
    let operation = Operation::house(key.clone(), Sha256Hash::of(key.as_bytes()));
    let event = NewEvent::new(format!("adjustment-{}", proposed.id), fact.clone());
    let events = vec![event.by(user(2)).moving(moves(&fact))];
    let append = Append { operation: Some(operation), events };
    let position = world.log.append(append).await.unwrap().position;
    assert_eq!(
        code(world.decide(3, proposed.id, Decision::Reject).await),
        "billing.adjustment_decided"
    );
    let now = &world.list(None).await[0];
    assert_eq!((now.state, now.decided_by), (AdjustmentState::Approved, Some(user(2))));
    assert_eq!(now.position, Some(position));
    // Even if the table still says that it waits, it is made once.
    world
        .db
        .pool
        .execute("update adjustment set state = 'proposed', decided_by = null")
        .await
        .unwrap();
    let again = world.decide(3, proposed.id, Decision::Approve).await.unwrap();
    assert_eq!((again.decided_by, again.position), (Some(user(2)), Some(position)));
    assert_eq!(world.available(user(EVE)).await, "105.00");
}

#[tokio::test]
async fn two_admins_who_approve_at_once_make_it_once() {
    let world = world().await;
    let id = world.proposed(promo(EVE), "5").await.id;
    let (two, three) = tokio::join!(
        world.decide(2, id, Decision::Approve),
        world.decide(3, id, Decision::Approve)
    );
    let made = [&two, &three].iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 1, "{two:?} {three:?}");
    assert_eq!(world.available(user(EVE)).await, "105.00");
}

#[tokio::test]
async fn the_queue_is_read_newest_first_in_pages() {
    let world = world().await;
    for n in 1..=7 {
        world.proposed(promo(EVE), &n.to_string()).await;
    }
    let whole = world.list(None).await;
    assert_eq!(whole.len(), 7);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let query = AdjustmentQuery { after, limit: Some(2), state: None };
        let page = world.billing.adjustments(query).await.unwrap();
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, whole);
    world.decide(2, whole[3].id, Decision::Reject).await.unwrap();
    assert_eq!(world.list(Some(AdjustmentState::Proposed)).await.len(), 6);
    assert_eq!(world.list(Some(AdjustmentState::Rejected)).await.len(), 1);
    let bad = AdjustmentQuery { after: Some("x".into()), ..AdjustmentQuery::default() };
    assert!(matches!(world.billing.adjustments(bad).await, Err(BillingError::Cursor)));
}
