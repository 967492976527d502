//! Why billing refuses.

use medusa_api::{AdjustmentState, FieldProblem};
use medusa_eventlog::{AppendError, LogError};
use medusa_platform::ApiError;

use crate::domain::FieldRefusal;

/// A situation that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The cursor is not one that a page gave.
    #[error("the cursor is not one that a page gave")]
    Cursor,
    /// No page has so many items.
    #[error("`limit` is {asked}; give 1 to {most}")]
    Limit {
        /// What was asked for.
        asked: u32,
        /// Items of the largest page.
        most: u32,
    },
    /// Fields of a proposal are not as they must be; at least one.
    #[error("fields of the proposal are refused")]
    Fields(Vec<FieldRefusal>),
    /// Whoever proposed an adjustment cannot decide on it.
    #[error("an adjustment is decided by a second person; ask another admin")]
    SecondPerson,
    /// Only its proposer takes an adjustment back.
    #[error("only who proposed an adjustment can withdraw it; reject it instead")]
    OtherProposer,
    /// Nobody has a hand in the adjustment of an own account.
    #[error("the account is your own, or holds credits of a job of yours; ask other admins")]
    OwnAccount,
    /// The adjustment was decided before.
    #[error("this adjustment is already {}; propose a new one", .0.as_str())]
    AdjustmentDecided(AdjustmentState),
    /// There is no such adjustment.
    #[error("there is no such adjustment")]
    AdjustmentUnknown,
    /// The person is no admin.
    #[error("the person has not the role")]
    Role(#[source] ApiError),
    /// The log did not take it.
    #[error("the log did not take it")]
    Append(#[from] AppendError),
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] LogError),
    /// The balances could not be read.
    #[error("the balances could not be read")]
    Store(#[from] sqlx::Error),
}

impl From<BillingError> for ApiError {
    fn from(error: BillingError) -> Self {
        let text = error.to_string();
        match error {
            BillingError::Fields(fields) => refused(&fields),
            BillingError::Limit { .. } => {
                Self::new(400, "platform.query_refused", "bad query", text)
            }
            BillingError::SecondPerson => {
                Self::new(403, "billing.second_person", "a second person is needed", text)
            }
            BillingError::OtherProposer => {
                Self::new(403, "platform.forbidden", "not allowed", text)
            }
            BillingError::OwnAccount => {
                Self::new(403, "billing.own_account", "your own account", text)
            }
            BillingError::AdjustmentDecided(_) => {
                Self::new(409, "billing.adjustment_decided", "already decided", text)
            }
            BillingError::AdjustmentUnknown => Self::not_found("adjustment"),
            BillingError::Role(source) => source,
            BillingError::Cursor => Self::new(
                400,
                "platform.cursor_refused",
                "bad cursor",
                "give back the cursor `next` of the page before as it was",
            ),
            BillingError::Append(append) => append.into(),
            BillingError::Log(log) => log.into(),
            BillingError::Store(store) => store.into(),
        }
    }
}

/// All refused fields in one answer, under the code of the first.
fn refused(fields: &[FieldRefusal]) -> ApiError {
    let mut refusal = match fields.first() {
        Some(first) => ApiError::field(first.code, first.pointer, &first.words),
        None => ApiError::not_found("field"),
    };
    let others = fields
        .iter()
        .skip(1)
        .map(|field| FieldProblem { pointer: field.pointer.into(), message: field.words.clone() });
    refusal.0.errors.extend(others);
    refusal
}
