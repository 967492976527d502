//! The books as the audit desk shows them: the trial balance, accounts and their statements.
//!
//! Amounts are decimal text in the currency of their account: credits with two to six places,
//! dollars with two. Signs are the ledger's: positive on the credit side, so that what we owe is
//! positive and what we own or spent is negative. Each shape names the log position it reflects.

use medusa_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A currency of the books.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = BooksCurrency)]
pub enum Currency {
    /// Credits.
    #[default]
    Crd,
    /// US dollars.
    Usd,
}

impl Currency {
    /// `CRD` or `USD`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crd => "CRD",
            Self::Usd => "USD",
        }
    }
}

/// A moment of the log: a position, or a time, or now. Of both, the position counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// After the event at this position; 0 is before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// After the last event that is not later than this: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// One class of accounts in the trial balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialLine {
    /// Number in the chart of accounts.
    pub code: u16,
    /// The class of accounts, like `consumer.promo`.
    pub class: String,
    /// The currency of its accounts, and of the balance.
    pub currency: Currency,
    /// How many accounts of the class had been used by then.
    pub accounts: u64,
    /// Their balances together, as decimal text. Negative belongs into the debit column.
    pub balance: String,
}

/// What the balances of one currency come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CurrencySum {
    /// The currency.
    pub currency: Currency,
    /// All debit balances together, as decimal text without a sign.
    pub debit: String,
    /// All credit balances together, as decimal text.
    pub credit: String,
    /// Credit minus debit as decimal text: `0.00` when the books are right.
    pub sum: String,
}

/// `GET /v1/admin/trial-balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialBalance {
    /// By code.
    pub lines: Vec<TrialLine>,
    /// One for each currency that has lines, credits first.
    pub sums: Vec<CurrencySum>,
    /// Log position of the balances; 0 before the first event.
    pub position: i64,
    /// Time of the event at that position; none before the first.
    pub at: Option<Timestamp>,
}

/// Whether amounts may move on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BooksAccountState)]
pub enum AccountState {
    /// They may.
    Open,
    /// Nothing leaves but by the hand of the house.
    Frozen,
    /// Nothing moves.
    Closed,
}

impl AccountState {
    /// `open`, `frozen` or `closed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Closed => "closed",
        }
    }
}

/// `GET /v1/admin/accounts/{account}`: one account as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountSummary {
    /// Its text, like `consumer.paid:usr_…`.
    pub account: String,
    /// Number of its class in the chart.
    pub code: u16,
    /// Its class, the part before the colon.
    pub class: String,
    /// Its currency, and that of the amounts below.
    pub currency: Currency,
    /// Its balance as decimal text; debit balances are negative.
    pub balance: String,
    /// Reserved to leave it, as decimal text.
    pub debits_pending: String,
    /// Reserved to come in, as decimal text.
    pub credits_pending: String,
    /// Whether amounts may move.
    pub state: AccountState,
    /// How many lines its statement has.
    pub lines: u64,
    /// The last event that touched it.
    pub position: i64,
}

/// Which accounts to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    /// The beginning of an account's text, or a whole id inside of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only accounts of this class, like `consumer.paid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many: 50 when not named, 1 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /v1/admin/accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountPage {
    /// By code, then by text.
    pub items: Vec<AccountSummary>,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// Log position of the balances.
    pub position: i64,
}

/// One line of an account's statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountLine {
    /// The event that moved it.
    pub position: i64,
    /// Which of the event's postings it is, from 0.
    pub entry: u16,
    /// When.
    pub at: Timestamp,
    /// The event's type, like `billing.escrow_held`.
    pub event: String,
    /// The event's stream, like `job-job_…`.
    pub stream: String,
    /// What moved, as signed decimal text.
    pub amount: String,
    /// The account's balance after it, as signed decimal text.
    pub balance: String,
}

/// Which part of a statement. Without `from`, `since`, `after` and `before` it is the newest page;
/// with a start and no cursor, the first page from there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountStatementQuery {
    /// Only events from this position on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Only events up to this position: the statement as of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// Only events that are not earlier: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only events that are not later: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The cursor `next` of another page: the lines after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The cursor `previous` of another page: the lines before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// At most so many lines: 50 when not named, 1 to 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /v1/admin/accounts/{account}/statement`. Every page is a statement of its own: `opening`
/// and the amounts of its lines sum to `closing`, and the next page opens where this one closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountStatement {
    /// The account's text.
    pub account: String,
    /// Its currency, and that of all amounts here.
    pub currency: Currency,
    /// The first position that the page covers.
    pub from: i64,
    /// The last position that the page covers: the closing balance is as of then.
    pub to: i64,
    /// Time of the first event that the page covers; none where the log has none.
    pub since: Option<Timestamp>,
    /// Time of the event at `to`; none where the log has none.
    pub until: Option<Timestamp>,
    /// The balance before the first line, as signed decimal text.
    pub opening: String,
    /// Oldest first.
    pub lines: Vec<AccountLine>,
    /// The balance after the last line, as signed decimal text.
    pub closing: String,
    /// Cursor for `after`: the page with later lines.
    pub next: Option<String>,
    /// Cursor for `before`: the page with earlier lines.
    pub previous: Option<String>,
}
