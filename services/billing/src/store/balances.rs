//! Balances of a person, and which events moved them.

use medusa_api::Wallet;
use medusa_eventlog::LogError;
use medusa_ledger::{Account, Amount};
use medusa_types::{JobId, UserId};
use sqlx::PgConnection;

use crate::domain::{accounts_of, add};

/// A wallet as it was read.
pub(crate) struct Read {
    pub(crate) wallet: Wallet,
    /// How far the books were at that moment.
    pub(crate) books: i64,
    /// How far the owners of escrows were.
    pub(crate) owners: i64,
}

/// A person's wallet, all of one moment: what stands on the own accounts, and on those of the jobs
/// that the person pays for and that the books do not show as over: nothing is left on the others.
pub(crate) async fn wallet(db: &mut PgConnection, user: UserId) -> Result<Read, LogError> {
    let own: Vec<String> = accounts_of(user).iter().map(Account::to_string).collect();
    let rows = sqlx::query!(
        r#"with at as (
               select coalesce(max(position) filter (where name = 'books'), 0) as books,
                      coalesce(max(position) filter (where name = 'billing'), 0) as owners
               from projection
           ), own as (
               select unnest($1::text[]) as account
               union all
               select 'escrow.' || bucket || ':job_' || replace(job_id::text, '-', '')
               from escrow_owner cross join unnest(array['promo', 'ad', 'paid', 'earned']) bucket
               where owner_id = $2
                 and coalesce(released_position, 9223372036854775807) > (select books from at)
           )
           select at.books as "books!", at.owners as "owners!", (
                      select coalesce(released_position, 9223372036854775807) from escrow_owner
                      where owner_id = $2
                        and coalesce(released_position, 9223372036854775807) <= at.books
                      order by coalesce(released_position, 9223372036854775807) desc limit 1
                  ) as released, a.account as "account?",
                  a.balance as "balance?", a.balance - a.debits_pending as "free?",
                  a.position as "position?"
           from at left join (own join ledger_account a using (account)) on true"#,
        &own,
        user.0
    )
    .fetch_all(db)
    .await?;
    let mut read = Read { wallet: Wallet::default(), books: 0, owners: 0 };
    for row in rows {
        (read.books, read.owners) = (row.books, row.owners);
        // The end of a job is the last that its escrow shows.
        let released = row.released.unwrap_or_default();
        read.wallet.position = read.wallet.position.max(released);
        let (Some(account), Some(balance), Some(free)) = (row.account, row.balance, row.free)
        else {
            continue;
        };
        let account: Account =
            account.parse().map_err(|error| LogError::Corrupt(format!("{error}")))?;
        add(&mut read.wallet, account.class(), Amount::new(balance), Amount::new(free));
        read.wallet.position = read.wallet.position.max(row.position.unwrap_or_default());
    }
    Ok(read)
}

/// Whether one of these jobs is paid by this person.
pub(crate) async fn pays(
    db: &mut PgConnection,
    user: UserId,
    jobs: &[JobId],
) -> sqlx::Result<bool> {
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    sqlx::query_scalar!(
        r#"select exists (
               select from escrow_owner where job_id = any($1) and owner_id = $2
           ) as "pays!""#,
        &jobs,
        user.0
    )
    .fetch_one(db)
    .await
}
