//! Adjustments of the books: proposed by one admin, decided by another. Who holds an account never
//! has a hand in its adjustment.

use medusa_api::{Adjustment, AdjustmentPage, AdjustmentQuery, AdjustmentState, NewAdjustment};
use medusa_eventlog::desk::events_at;
use medusa_eventlog::{Append, AppendError, NewEvent, Operation};
use medusa_events::Fact;
use medusa_ledger::Account;
use medusa_platform::{Principal, position};
use medusa_types::{AdjustmentId, Role, Sha256Hash, UserId};
use sqlx::PgConnection;

use super::Billing;
use crate::domain::{
    Decision, Proposal, accounts_beside, check, check_decision, moves, text_digest, unknown_account,
};
use crate::error::BillingError;
use crate::store::adjust::{self, Stored};
use crate::store::balances;

/// Adjustments of one page, and how many when nobody says.
const PAGE_MAX: u32 = 200;
const PAGE: u32 = 50;

impl Billing {
    /// Proposes an adjustment. The same key and body answer the same adjustment again, as it is by
    /// then.
    ///
    /// # Errors
    /// [`BillingError::Fields`], [`BillingError::OwnAccount`], [`BillingError::Role`]; a key that
    /// was used for another body.
    pub async fn propose(
        &self,
        who: &Principal,
        key: &str,
        new: NewAdjustment,
    ) -> Result<Adjustment, BillingError> {
        who.require(Role::Admin).map_err(BillingError::Role)?;
        let proposal = check(&new).map_err(BillingError::Fields)?;
        self.current().await;
        let mut db = self.log.pool().begin().await?;
        if !adjust::is_known(&mut db, &accounts_beside(&proposal.account)).await? {
            return Err(BillingError::Fields(vec![unknown_account()]));
        }
        self.check_foreign(&mut db, who.user, &proposal.account).await?;
        // The id is made of the key, so that a repetition finds what it made before.
        let text = format!("propose:{key}");
        let request = Sha256Hash::of(text.as_bytes());
        let id = AdjustmentId(Operation::client(who.user, &text, request).id());
        adjust::insert(&mut db, id, &proposal, who.user, self.clock.now()).await?;
        let stored = adjust::lock(&mut db, id).await?.ok_or(BillingError::AdjustmentUnknown)?;
        if !is_same(&stored, &proposal, who.user) {
            return Err(AppendError::OperationReused.into());
        }
        db.commit().await?;
        Ok(stored.shown)
    }

    /// Decides on an adjustment. An approved one is in the log when this answers; when the books
    /// refuse it, it stays proposed. Who decides the same once more gets the same answer.
    ///
    /// # Errors
    /// [`BillingError::AdjustmentUnknown`], [`BillingError::AdjustmentDecided`],
    /// [`BillingError::SecondPerson`], [`BillingError::OtherProposer`],
    /// [`BillingError::OwnAccount`], [`BillingError::Role`]; the refusals of the books.
    pub async fn decide(
        &self,
        who: &Principal,
        id: AdjustmentId,
        decision: Decision,
    ) -> Result<Adjustment, BillingError> {
        who.require(Role::Admin).map_err(BillingError::Role)?;
        // What a crash cut off after it was in the log is decided.
        self.current().await;
        let mut db = self.log.pool().begin().await?;
        let stored = adjust::lock(&mut db, id).await?.ok_or(BillingError::AdjustmentUnknown)?;
        if is_repeated(decision, who.user, &stored.shown) {
            if let Some(position) = stored.shown.position {
                position::written(position);
            }
            return Ok(stored.shown);
        }
        check_decision(decision, who.user, stored.shown.proposed_by, stored.shown.state)?;
        if decision != Decision::Withdraw {
            self.check_foreign(&mut db, who.user, &stored.account).await?;
        }
        let ended = match decision {
            Decision::Approve => None,
            Decision::Reject => Some(AdjustmentState::Rejected),
            Decision::Withdraw => Some(AdjustmentState::Withdrawn),
        };
        if let Some(state) = ended {
            adjust::decide(&mut db, id, state, who.user, self.clock.now()).await?;
        } else {
            let position = self.adjust(&stored, who.user).await?;
            for event in events_at(&mut db, &[position]).await?.values() {
                adjust::approved(&mut db, event).await?;
            }
        }
        let stored = adjust::lock(&mut db, id).await?.ok_or(BillingError::AdjustmentUnknown)?;
        db.commit().await?;
        Ok(stored.shown)
    }

    /// Adjustments, newest first.
    ///
    /// # Errors
    /// [`BillingError::Cursor`], [`BillingError::Limit`].
    pub async fn adjustments(
        &self,
        query: AdjustmentQuery,
    ) -> Result<AdjustmentPage, BillingError> {
        let after = query.after.as_deref().map(str::parse::<AdjustmentId>).transpose();
        let after = after.map_err(|_| BillingError::Cursor)?;
        let limit = query.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(BillingError::Limit { asked: limit, most: PAGE_MAX });
        }
        self.current().await;
        let mut db = self.log.pool().acquire().await?;
        // One more than asked for tells whether there are more.
        let more = i64::from(limit).saturating_add(1);
        let mut items = adjust::list(&mut db, &query, after, more).await?;
        let limit = usize::try_from(limit).unwrap_or(1);
        let full = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| full).map(|last| last.id.to_string());
        Ok(AdjustmentPage { items, next })
    }

    /// Puts an approved adjustment into the log, once; answers where it is.
    async fn adjust(&self, stored: &Stored, by: UserId) -> Result<i64, BillingError> {
        let Adjustment { id, reason, proposed_by, .. } = stored.shown;
        let fact = Fact::BooksAdjusted {
            adjustment: id,
            account: stored.account,
            amount: stored.amount,
            reason: reason.as_str().to_owned(),
            proposed_by,
            approved_by: by,
        };
        let key = format!("adjust:{id}");
        let operation = Operation::house(key.clone(), Sha256Hash::of(key.as_bytes()));
        let moves = moves(&fact);
        let text_sha256 = text_digest(&stored.shown.explanation, &stored.shown.ticket);
        let explained = Fact::AdjustmentExplained { adjustment: id, text_sha256 };
        let event = |fact| NewEvent::new(format!("adjustment-{id}"), fact).by(by);
        // The movement is the last of the chain: its position is the adjustment's.
        let events = vec![event(explained), event(fact).moving(moves)];
        let appended = self.log.append(Append { operation: Some(operation), events }).await?;
        Ok(appended.position)
    }

    /// Refuses an account that is the person's own, or the escrow of an own job.
    async fn check_foreign(
        &self,
        db: &mut PgConnection,
        who: UserId,
        account: &Account,
    ) -> Result<(), BillingError> {
        let own = match account.job() {
            Some(job) => balances::pays(db, who, &[job]).await?,
            None => account.user() == Some(who),
        };
        if own { Err(BillingError::OwnAccount) } else { Ok(()) }
    }
}

/// Whether this person has decided so before: the answer of the first time was perhaps lost.
fn is_repeated(decision: Decision, who: UserId, now: &Adjustment) -> bool {
    let decided = match decision {
        Decision::Approve => AdjustmentState::Approved,
        Decision::Reject => AdjustmentState::Rejected,
        Decision::Withdraw => AdjustmentState::Withdrawn,
    };
    now.state == decided && now.decided_by == Some(who)
}

fn is_same(stored: &Stored, proposal: &Proposal, by: UserId) -> bool {
    let Adjustment { reason, explanation, ticket, proposed_by, .. } = &stored.shown;
    let found = (stored.account, stored.amount, *reason, explanation, ticket, *proposed_by);
    let asked = (
        proposal.account,
        proposal.amount,
        proposal.reason,
        &proposal.explanation,
        &proposal.ticket,
        by,
    );
    found == asked
}
