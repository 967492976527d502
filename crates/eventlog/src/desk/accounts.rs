//! Accounts as they are now: one, or those that are looked for.

use medusa_api::{AccountPage, AccountQuery, AccountState, AccountSummary};
use medusa_ledger::{Account, Amount, Class, Currency, Owner, Provider};
use medusa_types::{CampaignId, JobId, UserId};

use super::error::DeskError;
use super::moment::{books, snapshot};
use super::{Desk, limit};
use crate::error::LogError;

/// No account's text has a character below this one, nor one above the other.
const BELOW: char = '\u{1}';
const ABOVE: char = '\u{10ffff}';

/// A currency as the interface names it.
pub(super) const fn api_currency(currency: Currency) -> medusa_api::Currency {
    match currency {
        Currency::Crd => medusa_api::Currency::Crd,
        Currency::Usd => medusa_api::Currency::Usd,
    }
}

/// An account as it is stored.
struct Row {
    account: String,
    balance: i64,
    debits_pending: i64,
    credits_pending: i64,
    state: String,
    lines: i64,
    position: i64,
}

impl Row {
    fn summary(self) -> Result<AccountSummary, LogError> {
        let account: Account =
            self.account.parse().map_err(|error| LogError::Corrupt(format!("{error}")))?;
        let currency = account.currency();
        let show = |units| currency.show(Amount::new(units));
        let state = match self.state.as_str() {
            "open" => AccountState::Open,
            "frozen" => AccountState::Frozen,
            "closed" => AccountState::Closed,
            other => return Err(LogError::Corrupt(format!("{account} is {other}"))),
        };
        Ok(AccountSummary {
            code: account.class().code(),
            class: account.class().name().to_owned(),
            currency: api_currency(currency),
            balance: show(self.balance),
            debits_pending: show(self.debits_pending),
            credits_pending: show(self.credits_pending),
            state,
            lines: u64::try_from(self.lines).unwrap_or_default(),
            position: self.position,
            account: self.account,
        })
    }
}

impl Desk {
    /// One account by its text, as of the last event that the books have read.
    ///
    /// # Errors
    /// [`DeskError::Missing`] for one that was never touched.
    pub async fn account(&self, account: &str) -> Result<AccountSummary, DeskError> {
        self.log.books_current().await;
        let row = sqlx::query_as!(
            Row,
            "select account, balance, debits_pending, credits_pending, state, lines, position
             from ledger_account where account = $1",
            account
        )
        .fetch_optional(self.log.pool())
        .await?;
        Ok(row.ok_or(DeskError::Missing("account"))?.summary()?)
    }

    /// Accounts by code, then by text.
    ///
    /// # Errors
    /// [`DeskError::Cursor`]; [`DeskError::Query`] for a class that the chart does not have, or a
    /// limit that no page has.
    pub async fn accounts(&self, query: AccountQuery) -> Result<AccountPage, DeskError> {
        let limit = limit(query.limit, 200)?;
        let spans = spans(&query)?;
        let (lows, highs): (Vec<String>, Vec<String>) =
            spans.into_iter().map(|span| (span.low, span.high)).unzip();
        self.log.books_current().await;
        let mut db = snapshot(self.log.pool()).await?;
        let position = books(&mut db).await?;
        // One more than asked for tells whether there are more.
        let rows = sqlx::query_as!(
            Row,
            r#"select a.account as "account!", a.balance as "balance!",
                      a.debits_pending as "debits_pending!",
                      a.credits_pending as "credits_pending!", a.state as "state!",
                      a.lines as "lines!", a.position as "position!"
               from unnest($1::text[], $2::text[]) with ordinality as span (low, high, n)
               cross join lateral (
                   select * from ledger_account l
                   where l.account >= span.low and l.account < span.high
                   order by l.account limit $3
               ) a
               order by span.n, a.account limit $3"#,
            &lows,
            &highs,
            i64::try_from(limit).unwrap_or_default().saturating_add(1)
        )
        .fetch_all(&mut *db)
        .await?;
        let more = rows.len() > limit;
        let items =
            rows.into_iter().take(limit).map(Row::summary).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| more).map(|last| last.account.clone());
        Ok(AccountPage { items, next, position })
    }
}

/// Texts from one on, and before another.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    low: String,
    high: String,
}

impl Span {
    /// Every text that begins so.
    fn beginning(text: &str) -> Self {
        Self { low: text.to_owned(), high: format!("{text}{ABOVE}") }
    }

    /// This text only.
    fn only(text: &str) -> Self {
        Self { low: text.to_owned(), high: format!("{text}{BELOW}") }
    }

    fn of_class(class: Class) -> Self {
        match class.owner() {
            Owner::House => Self::only(class.name()),
            Owner::User | Owner::Job | Owner::Campaign | Owner::Provider => {
                Self::beginning(&format!("{}:", class.name()))
            }
        }
    }

    fn and(self, other: &Self) -> Option<Self> {
        let (low, high) = (self.low.max(other.low.clone()), self.high.min(other.high.clone()));
        (low < high).then_some(Self { low, high })
    }
}

/// Where to look for accounts, in the order of their codes.
fn spans(query: &AccountQuery) -> Result<Vec<Span>, DeskError> {
    let only = query.class.as_deref().map(|name| {
        let words = || DeskError::Query(format!("the chart of accounts has no class {name:?}"));
        Class::of_name(name).ok_or_else(words)
    });
    let only = only.transpose()?;
    let after = query.after.as_deref().map(str::parse::<Account>).transpose();
    let after = after.map_err(|_| DeskError::Cursor)?;
    let search = query.search.as_deref().unwrap_or_default();
    let spans = Class::ALL
        .iter()
        .copied()
        .filter(|class| only.is_none_or(|only| only == *class))
        .filter(|class| after.is_none_or(|after| *class >= after.class()))
        .filter_map(|class| {
            let found = search_in(class, search)?;
            match after.filter(|after| after.class() == class) {
                Some(after) => {
                    found.and(&Span { low: format!("{after}{BELOW}"), high: ABOVE.into() })
                }
                None => Some(found),
            }
        });
    Ok(spans.collect())
}

/// The accounts of a class whose text begins so, or that belong to the thing of this id.
fn search_in(class: Class, search: &str) -> Option<Span> {
    if is_id_for(class.owner(), search) {
        return Some(Span::only(&format!("{}:{search}", class.name())));
    }
    Span::of_class(class).and(&Span::beginning(search))
}

fn is_id_for(owner: Owner, text: &str) -> bool {
    match owner {
        Owner::House => false,
        Owner::User => text.parse::<UserId>().is_ok(),
        Owner::Job => text.parse::<JobId>().is_ok(),
        Owner::Campaign => text.parse::<CampaignId>().is_ok(),
        // A name may also be the beginning of the class's.
        Owner::Provider => Provider::new(text).is_some() && !"psp_clearing".starts_with(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(search: &str, class: Option<&str>, after: Option<&str>) -> AccountQuery {
        AccountQuery {
            search: Some(search.into()),
            class: class.map(Into::into),
            after: after.map(Into::into),
            limit: None,
        }
    }

    /// Which of some accounts are found, in the order in which they are.
    fn found(query: &AccountQuery) -> Vec<&'static str> {
        let mut all = [
            "bank",
            "psp_clearing:acme",
            "consumer.paid:usr_00000000000000000000000000000001",
            "consumer.paid:usr_00000000000000000000000000000002",
            "lender.pending:usr_00000000000000000000000000000001",
            "escrow.paid:job_00000000000000000000000000000001",
            "income.ad_margin",
        ];
        all.sort_unstable();
        let spans = spans(query).unwrap();
        let hits = |span: &Span| {
            let within = |text: &&str| *text >= span.low.as_str() && *text < span.high.as_str();
            all.iter().copied().filter(within).collect::<Vec<_>>()
        };
        spans.iter().flat_map(hits).collect()
    }

    #[test]
    fn accounts_are_found_by_their_beginning_by_an_id_and_by_class_in_the_order_of_codes() {
        const ONE: &str = "usr_00000000000000000000000000000001";
        let paid = "consumer.paid:usr_00000000000000000000000000000001";
        let two = "consumer.paid:usr_00000000000000000000000000000002";
        let pending = "lender.pending:usr_00000000000000000000000000000001";
        let (escrow, margin) =
            ("escrow.paid:job_00000000000000000000000000000001", "income.ad_margin");
        for (search, class, after, expected) in [
            ("", None, None, vec!["bank", "psp_clearing:acme", paid, two, pending, escrow, margin]),
            ("", None, Some(paid), vec![two, pending, escrow, margin]),
            ("", None, Some(margin), vec![]),
            ("", Some("consumer.paid"), None, vec![paid, two]),
            ("", Some("consumer.paid"), Some(paid), vec![two]),
            ("consumer.", None, None, vec![paid, two]),
            (paid, None, None, vec![paid]),
            ("income", None, None, vec![margin]),
            ("ban", None, None, vec!["bank"]),
            (ONE, None, None, vec![paid, pending]),
            (ONE, None, Some(paid), vec![pending]),
            (ONE, Some("lender.pending"), None, vec![pending]),
            ("job_00000000000000000000000000000001", None, None, vec![escrow]),
            ("acme", None, None, vec!["psp_clearing:acme"]),
            ("psp", None, None, vec!["psp_clearing:acme"]),
            ("usr_", None, None, vec![]),
            ("%", None, None, vec![]),
        ] {
            assert_eq!(
                found(&query(search, class, after)),
                expected,
                "{search} {class:?} {after:?}"
            );
        }
    }

    #[test]
    fn a_class_or_a_cursor_that_does_not_exist_is_refused() {
        assert!(matches!(spans(&query("", Some("gold"), None)), Err(DeskError::Query(_))));
        assert!(matches!(spans(&query("", None, Some("gold"))), Err(DeskError::Cursor)));
    }
}
