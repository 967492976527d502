//! Adjustments: corrections of the books that one admin proposes and another decides.
//!
//! The counter account is always the same, so that what was adjusted stays visible there until it
//! is explained. Only an approved adjustment is in the log.

use medusa_types::{AdjustmentId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::audit_books::Currency;

/// Why the books are adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentReason {
    /// An earlier movement was wrong.
    Correction,
    /// Somebody is made whole without a duty to.
    Goodwill,
    /// The end of a dispute.
    Dispute,
    /// What fraud took or gave.
    Fraud,
    /// A trial of the procedure.
    Test,
}

impl AdjustmentReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Correction, Self::Goodwill, Self::Dispute, Self::Fraud, Self::Test];

    /// Its code, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Correction => "correction",
            Self::Goodwill => "goodwill",
            Self::Dispute => "dispute",
            Self::Fraud => "fraud",
            Self::Test => "test",
        }
    }
}

/// How far an adjustment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentState {
    /// It waits for a second admin.
    Proposed,
    /// A second admin agreed: it is in the log.
    Approved,
    /// A second admin refused.
    Rejected,
    /// Its proposer took it back.
    Withdrawn,
}

impl AdjustmentState {
    /// Its name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// `POST /v1/admin/adjustments`: what an admin proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdjustment {
    /// The account's text. Never one of the proposer's own.
    pub account: String,
    /// What it gains, as signed decimal text in its currency; negative when it loses. Not 0.
    pub amount: String,
    /// Why.
    pub reason: AdjustmentReason,
    /// Why in words, 10 to 1,000 characters.
    pub explanation: String,
    /// Where it is discussed, 1 to 100 characters: a number or an address.
    pub ticket: String,
}

/// An adjustment of the books. The answer of every route that changes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adjustment {
    /// Its id, `adj_…`.
    #[schema(value_type = String)]
    pub id: AdjustmentId,
    /// The account's text.
    pub account: String,
    /// The other side: always `suspense.adjustment`.
    pub counter_account: String,
    /// The currency of the amount.
    pub currency: Currency,
    /// What the account gains, as signed decimal text.
    pub amount: String,
    /// Why.
    pub reason: AdjustmentReason,
    /// Why in words.
    pub explanation: String,
    /// Where it is discussed.
    pub ticket: String,
    /// Who proposed it.
    pub proposed_by: UserId,
    /// When.
    pub proposed_at: Timestamp,
    /// How far it is.
    pub state: AdjustmentState,
    /// Who decided: somebody else, except for who took an own one back.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// The event that moved it, once approved.
    pub position: Option<i64>,
    /// Whether explanation and ticket are those whose digest is in the log, in the event before:
    /// what the second admin read. Nothing before it is approved, and for adjustments from before
    /// the log had such digests.
    #[serde(default)]
    pub text_in_log: Option<bool>,
}

/// Which adjustments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AdjustmentQuery {
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<AdjustmentState>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many: 50 when not named, 1 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /v1/admin/adjustments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdjustmentPage {
    /// Newest first.
    pub items: Vec<Adjustment>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json, to_value};

    use super::*;
    use crate::audit_books::AccountState;

    #[test]
    fn a_word_is_the_same_in_json_and_on_a_page() {
        let same = |json: Value, text: &str| assert_eq!(json, text);
        for reason in AdjustmentReason::ALL {
            same(to_value(reason).unwrap(), reason.as_str());
        }
        use AdjustmentState::{Approved, Proposed, Rejected, Withdrawn};
        for state in [Proposed, Approved, Rejected, Withdrawn] {
            same(to_value(state).unwrap(), state.as_str());
        }
        for state in [AccountState::Open, AccountState::Frozen, AccountState::Closed] {
            same(to_value(state).unwrap(), state.as_str());
        }
        for currency in [Currency::Crd, Currency::Usd] {
            same(to_value(currency).unwrap(), currency.as_str());
        }
    }

    #[test]
    fn a_proposal_with_a_field_that_nobody_knows_is_refused() {
        let mut body = json!({
            "account": "bank", "amount": "-1.50", "reason": "correction",
            "explanation": "counted twice by the import", "ticket": "T-7"
        });
        assert!(from_value::<NewAdjustment>(body.clone()).is_ok());
        body["approved"] = json!(true);
        assert!(from_value::<NewAdjustment>(body).is_err());
    }
}
