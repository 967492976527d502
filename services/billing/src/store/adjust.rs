//! Adjustments from their proposal on. What was approved is in the log as well, which decides.

use medusa_api::{Adjustment, AdjustmentQuery, AdjustmentReason, AdjustmentState, Currency};
use medusa_eventlog::LogError;
use medusa_events::{Envelope, Fact};
use medusa_ledger::{Account, Amount};
use medusa_types::{AdjustmentId, Timestamp, UserId};
use sqlx::PgConnection;
use sqlx::types::Uuid;
use sqlx::types::time::OffsetDateTime;

use crate::domain::{COUNTER, Proposal, text_digest};

/// An adjustment with its account and amount as the ledger knows them.
pub(crate) struct Stored {
    pub(crate) account: Account,
    pub(crate) amount: Amount,
    pub(crate) shown: Adjustment,
}

struct Row {
    adjustment_id: Uuid,
    account: String,
    amount: i64,
    reason: String,
    explanation: String,
    ticket: String,
    state: String,
    proposed_by: Uuid,
    proposed_at: OffsetDateTime,
    decided_by: Option<Uuid>,
    decided_at: Option<OffsetDateTime>,
    position: Option<i64>,
    /// The digest of its text, as the log has it.
    text: Option<String>,
}

impl Row {
    fn read(self) -> Result<Stored, LogError> {
        let id = AdjustmentId(self.adjustment_id);
        let corrupt = |what: &str| LogError::Corrupt(format!("the adjustment {id} has {what}"));
        let account: Account = self.account.parse().map_err(|_| corrupt("no account"))?;
        let amount = Amount::new(self.amount);
        let text = self
            .text
            .map(|digest| digest == text_digest(&self.explanation, &self.ticket).to_string());
        let reason = AdjustmentReason::ALL.into_iter().find(|r| r.as_str() == self.reason);
        let shown = Adjustment {
            id,
            account: self.account,
            counter_account: COUNTER.name().to_owned(),
            currency: Currency::Crd,
            amount: account.currency().show(amount),
            reason: reason.ok_or_else(|| corrupt("no reason"))?,
            explanation: self.explanation,
            ticket: self.ticket,
            proposed_by: UserId(self.proposed_by),
            proposed_at: Timestamp::from_utc(self.proposed_at),
            state: state(&self.state).ok_or_else(|| corrupt("no state"))?,
            decided_by: self.decided_by.map(UserId),
            decided_at: self.decided_at.map(Timestamp::from_utc),
            position: self.position,
            text_in_log: text,
        };
        Ok(Stored { account, amount, shown })
    }
}

fn state(name: &str) -> Option<AdjustmentState> {
    use AdjustmentState::{Approved, Proposed, Rejected, Withdrawn};
    [Proposed, Approved, Rejected, Withdrawn].into_iter().find(|state| state.as_str() == name)
}

/// Whether one of these accounts was ever touched.
pub(crate) async fn is_known(db: &mut PgConnection, accounts: &[Account]) -> sqlx::Result<bool> {
    let texts: Vec<String> = accounts.iter().map(Account::to_string).collect();
    sqlx::query_scalar!(
        r#"select exists (select from ledger_account where account = any($1)) as "known!""#,
        &texts
    )
    .fetch_one(db)
    .await
}

/// Writes a proposal; nothing when the id is there.
pub(crate) async fn insert(
    db: &mut PgConnection,
    id: AdjustmentId,
    proposal: &Proposal,
    by: UserId,
    at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into adjustment (adjustment_id, account, amount, reason, explanation, ticket, state,
             proposed_by, proposed_at)
         values ($1, $2, $3, $4, $5, $6, 'proposed', $7, $8)
         on conflict (adjustment_id) do nothing",
        id.0,
        proposal.account.to_string(),
        proposal.amount.units(),
        proposal.reason.as_str(),
        proposal.explanation,
        proposal.ticket,
        by.0,
        at.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One adjustment, locked until the transaction ends.
pub(crate) async fn lock(
    db: &mut PgConnection,
    id: AdjustmentId,
) -> Result<Option<Stored>, LogError> {
    let row = sqlx::query_as!(
        Row,
        r#"select adjustment_id, account, amount, reason, explanation, ticket, state, proposed_by,
                  proposed_at, decided_by, decided_at, position,
                  (select convert_from(e.body, 'UTF8')::jsonb #>> '{data,text_sha256}'
                   from event e
                   where e.position = a.position - 1
                     and e.type = 'billing.adjustment_explained') as text
           from adjustment a where adjustment_id = $1 for update"#,
        id.0
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::read).transpose()
}

/// Adjustments after one of them, newest first.
pub(crate) async fn list(
    db: &mut PgConnection,
    query: &AdjustmentQuery,
    after: Option<AdjustmentId>,
    limit: i64,
) -> Result<Vec<Adjustment>, LogError> {
    let rows = sqlx::query_as!(
        Row,
        "select adjustment_id, account, amount, reason, explanation, ticket, state, proposed_by,
                proposed_at, decided_by, decided_at, position,
                (select convert_from(e.body, 'UTF8')::jsonb #>> '{data,text_sha256}'
                 from event e
                 where e.position = a.position - 1
                   and e.type = 'billing.adjustment_explained') as text
         from adjustment a
         where ($1::text is null or state = $1)
           and ($2::uuid is null or exists (
               select from adjustment last where last.adjustment_id = $2
                 and (a.proposed_at < last.proposed_at
                      or a.proposed_at = last.proposed_at and a.adjustment_id > $2)))
         order by proposed_at desc, adjustment_id limit $3",
        query.state.map(AdjustmentState::as_str),
        after.map(|id| id.0),
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Ok(row.read()?.shown)).collect()
}

/// Writes down a decision that is not in the log.
pub(crate) async fn decide(
    db: &mut PgConnection,
    id: AdjustmentId,
    state: AdjustmentState,
    by: UserId,
    at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update adjustment set state = $2, decided_by = $3, decided_at = $4
         where adjustment_id = $1",
        id.0,
        state.as_str(),
        by.0,
        at.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down an approval that is in the log; other events change nothing.
pub(crate) async fn approved(db: &mut PgConnection, event: &Envelope) -> sqlx::Result<()> {
    let Fact::BooksAdjusted { adjustment, approved_by, .. } = &event.fact else { return Ok(()) };
    sqlx::query!(
        "update adjustment
         set state = 'approved', decided_by = $2, decided_at = $3, position = $4
         where adjustment_id = $1",
        adjustment.0,
        approved_by.0,
        event.at.to_utc(),
        event.position,
    )
    .execute(db)
    .await?;
    Ok(())
}
