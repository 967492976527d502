//! The trial balance: all accounts by class, now or after any event of the log.

use std::collections::BTreeMap;

use medusa_api::{AsOf, CurrencySum, TrialBalance, TrialLine};
use medusa_ledger::{Amount, Class, Currency};
use sqlx::PgConnection;

use super::Desk;
use super::accounts::api_currency;
use super::error::DeskError;
use super::moment::{books, marks, position_at, snapshot};
use crate::error::LogError;

/// The accounts of a class together.
struct Sum {
    code: i16,
    accounts: i64,
    balance: i64,
}

impl Desk {
    /// The books by class, now or as of a moment. An account counts from its first line on.
    ///
    /// # Errors
    /// [`DeskError::Query`] for a position that the log does not have or for a position
    /// and a time at once, [`DeskError::Behind`].
    pub async fn trial_balance(&self, as_of: AsOf) -> Result<TrialBalance, DeskError> {
        let head = self.log.head();
        self.log.books_current().await;
        let mut db = snapshot(self.log.pool()).await?;
        let books = books(&mut db).await?;
        let asked = match as_of {
            AsOf { position: Some(_), at: Some(_) } => {
                return Err(DeskError::Query("name a position or a time, not both".into()));
            }
            AsOf { position: Some(position), .. } if !(0..=head.max(books)).contains(&position) => {
                let words = format!("the log has the positions 0 to {}", head.max(books));
                return Err(DeskError::Query(words));
            }
            AsOf { position: Some(position), .. } => Some(position),
            AsOf { at: Some(at), .. } => Some(position_at(&mut db, at).await?),
            AsOf { position: None, at: None } => None,
        };
        let (position, sums) = match asked {
            Some(position) if position > books => return Err(DeskError::Behind),
            Some(position) if position < books => (position, sums_at(&mut db, position).await?),
            _ => (books, sums_now(&mut db).await?),
        };
        let at = marks(&mut db, &[position]).await?.get(&position).map(|mark| mark.at);
        let lines = sums.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        Ok(TrialBalance { lines, sums: currency_sums(&sums)?, position, at })
    }
}

async fn sums_now(db: &mut PgConnection) -> sqlx::Result<Vec<Sum>> {
    sqlx::query_as!(
        Sum,
        r#"select code, count(*) as "accounts!", sum(balance)::bigint as "balance!"
           from ledger_account where lines > 0 group by code order by code"#
    )
    .fetch_all(db)
    .await
}

/// The sums after the event at a position: an account that moved since is read in its statement, at
/// the first page that goes beyond.
async fn sums_at(db: &mut PgConnection, position: i64) -> sqlx::Result<Vec<Sum>> {
    sqlx::query_as!(
        Sum,
        r#"select a.code, count(*) as "accounts!",
                  sum(case
                      when p.first_position is null then a.balance
                      when p.first_position > $1 then p.opening
                      else p.opening + (
                          select coalesce(sum(line.amount), 0)
                          from unnest(p.offsets, p.amounts) as line (step, amount)
                          where p.first_position + line.step <= $1)
                  end)::bigint as "balance!"
           from ledger_account a
           left join lateral (
               select first_position, opening, offsets, amounts from statement_page
               where account_id = a.id and last_position > $1 and a.position > $1
               order by last_position, first_position limit 1
           ) p on true
           where a.lines > 0 and (
               p.first_position is null or p.first_position <= $1
               or (select q.first_position from statement_page q where q.account_id = a.id
                   order by q.last_position, q.first_position limit 1) <= $1)
           group by a.code order by a.code"#,
        position
    )
    .fetch_all(db)
    .await
}

fn class(sum: &Sum) -> Result<Class, LogError> {
    let found = Class::ALL.iter().find(|class| i16::try_from(class.code()) == Ok(sum.code));
    found.copied().ok_or_else(|| LogError::Corrupt(format!("accounts of the class {}", sum.code)))
}

fn line(sum: &Sum) -> Result<TrialLine, LogError> {
    let class = class(sum)?;
    Ok(TrialLine {
        code: class.code(),
        class: class.name().to_owned(),
        currency: api_currency(class.currency()),
        accounts: u64::try_from(sum.accounts).unwrap_or_default(),
        balance: class.currency().show(Amount::new(sum.balance)),
    })
}

/// Debits, credits and both together, of each currency.
fn currency_sums(sums: &[Sum]) -> Result<Vec<CurrencySum>, LogError> {
    let mut all: BTreeMap<Currency, [i64; 2]> = BTreeMap::new();
    let beyond = || LogError::Corrupt("the sum of all balances is out of range".into());
    for sum in sums {
        let [debit, credit] = all.entry(class(sum)?.currency()).or_default();
        let side = if sum.balance < 0 { debit } else { credit };
        *side = side.checked_add(sum.balance).ok_or_else(beyond)?;
    }
    all.into_iter()
        .map(|(currency, [debit, credit])| {
            let show = |units: Option<i64>| {
                Ok::<_, LogError>(currency.show(Amount::new(units.ok_or_else(beyond)?)))
            };
            Ok(CurrencySum {
                currency: api_currency(currency),
                debit: show(debit.checked_neg())?,
                credit: show(Some(credit))?,
                sum: show(credit.checked_add(debit))?,
            })
        })
        .collect()
}
