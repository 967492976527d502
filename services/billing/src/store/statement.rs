//! Lines of a person's statement.

use medusa_api::StatementLine;
use medusa_eventlog::LogError;
use medusa_events::Envelope;
use medusa_ledger::Account;
use medusa_platform::error::chain;
use medusa_types::{Credits, UserId};
use sqlx::PgConnection;

use crate::domain::{Cursor, accounts_of, in_words};

/// Lines before a cursor, newest first, each with its place.
pub(crate) async fn lines(
    db: &mut PgConnection,
    user: UserId,
    before: Cursor,
    limit: i64,
) -> Result<Vec<(Cursor, StatementLine)>, LogError> {
    let accounts: Vec<String> = accounts_of(user).iter().map(Account::to_string).collect();
    // By account first: each has its lines in order in the index, so that a page reads no more
    // than its own length of each.
    let rows = sqlx::query!(
        r#"select e.account, e.position, e.entry, e.amount, e.balance, v.body
           from unnest($1::text[]) as own (account)
           cross join lateral (
               select * from ledger_entry l
               where l.account = own.account and (l.position, l.entry) < ($2, $3)
               order by l.position desc, l.entry desc limit $4
           ) e
           join event v on v.position = e.position
           order by e.position desc, e.entry desc limit $4"#,
        &accounts,
        before.position,
        before.entry,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let envelope = Envelope::decode(&row.body).map_err(|error| {
                LogError::Corrupt(format!("event {}: {}", row.position, chain(&error)))
            })?;
            let line = StatementLine {
                position: row.position,
                at: envelope.at,
                event: envelope.kind().to_owned(),
                in_words: in_words(&envelope.fact),
                account: row.account,
                amount: Credits::from_micros(row.amount),
                balance: Credits::from_micros(row.balance),
                stream: envelope.stream,
            };
            Ok((Cursor { position: row.position, entry: row.entry }, line))
        })
        .collect()
}
