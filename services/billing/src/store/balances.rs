//! Balances: of a person, and of the whole house. Each is one statement, so that all its figures
//! are of one moment.

use medusa_api::{TrialBalance, TrialLine, Wallet};
use medusa_eventlog::LogError;
use medusa_ledger::Account;
use medusa_types::{Credits, UserId};
use sqlx::PgConnection;

use crate::domain::{accounts_of, add, spendable};

fn texts(accounts: &[Account]) -> Vec<String> {
    accounts.iter().map(Account::to_string).collect()
}

/// A person's wallet. What is held stands on accounts of jobs: they are found by the events that
/// moved it there from the person's own.
pub(crate) async fn wallet(db: &mut PgConnection, user: UserId) -> Result<Wallet, LogError> {
    let rows = sqlx::query!(
        r#"with own as (
               select unnest($1::text[]) as account
               union
               select e.account from ledger_entry w
               join ledger_entry e on e.position = w.position and e.account like 'escrow.%'
               where w.account = any($2) and w.amount < 0
           )
           select a.account as "account!", a.balance as "balance!",
                  (select max(position) from ledger_entry e where e.account = a.account)
                      as "position!"
           from own join ledger_account a using (account)"#,
        &texts(&accounts_of(user)),
        &texts(&spendable(user))
    )
    .fetch_all(db)
    .await?;
    let mut wallet = Wallet::default();
    for row in rows {
        let account: Account =
            row.account.parse().map_err(|error| LogError::Corrupt(format!("{error}")))?;
        add(&mut wallet, account.class(), Credits::from_micros(row.balance));
        wallet.position = wallet.position.max(row.position);
    }
    Ok(wallet)
}

/// Whether an event moved credits of this person: on an account of its own, or on the escrow of a
/// job that the person paid for.
pub(crate) async fn touches(
    db: &mut PgConnection,
    user: UserId,
    position: i64,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from ledger_entry e where e.position = $1 and (
                   e.account = any($2)
                   or e.account like 'escrow.%' and exists (
                       select from ledger_entry held
                       join ledger_entry w on w.position = held.position
                       where held.account = e.account and held.amount > 0
                         and w.account = any($2) and w.amount < 0
                   )
               )
           ) as "touches!""#,
        position,
        &texts(&accounts_of(user))
    )
    .fetch_one(db)
    .await
}

/// The balances of all accounts by class.
pub(crate) async fn trial(db: &mut PgConnection) -> sqlx::Result<TrialBalance> {
    let rows = sqlx::query!(
        r#"select h.position, a.code as "code?", split_part(a.account, ':', 1) as "class",
                  count(a.account) as "accounts!", sum(a.balance)::bigint as "balance"
           from log_head h left join ledger_account a on true
           group by h.position, a.code, 3 order by a.code"#
    )
    .fetch_all(db)
    .await?;
    let position = rows.first().map_or(0, |row| row.position);
    let lines: Vec<TrialLine> = rows
        .into_iter()
        .filter_map(|row| {
            Some(TrialLine {
                code: u16::try_from(row.code?).ok()?,
                class: row.class?,
                accounts: u64::try_from(row.accounts).unwrap_or_default(),
                balance: Credits::from_micros(row.balance?),
            })
        })
        .collect();
    let sum = lines.iter().fold(Credits::ZERO, |sum, line| sum.saturating_add(line.balance));
    Ok(TrialBalance { lines, sum, position })
}
