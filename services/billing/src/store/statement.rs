//! Lines of a person's statement: those of all own accounts, as one.

use std::collections::BTreeMap;

use medusa_api::StatementLine;
use medusa_eventlog::LogError;
use medusa_eventlog::desk::{Place, events_at, lines_before};
use medusa_types::UserId;
use sqlx::PgConnection;

use crate::domain::{accounts_of, in_words};

/// Lines before a place, newest first, each with its place.
pub(crate) async fn lines(
    db: &mut PgConnection,
    user: UserId,
    before: Place,
    limit: usize,
) -> Result<Vec<(Place, StatementLine)>, LogError> {
    let mut lines = BTreeMap::new();
    // A posting is a line of one account only, so that no two lines have the same place.
    for account in accounts_of(user) {
        let own = lines_before(&mut *db, &account, before, limit).await?;
        lines.extend(own.into_iter().map(|line| (line.place, (account, line))));
    }
    let newest: Vec<_> = lines.into_iter().rev().take(limit).collect();
    let positions: Vec<i64> = newest.iter().map(|(place, _)| place.position).collect();
    let events = events_at(db, &positions).await?;
    newest
        .into_iter()
        .map(|(place, (account, line))| {
            let event = events.get(&place.position).ok_or_else(|| {
                LogError::Corrupt(format!("event {}: is missing", place.position))
            })?;
            let line = StatementLine {
                position: place.position,
                at: event.at,
                event: event.kind().to_owned(),
                in_words: in_words(&event.fact),
                account: account.to_string(),
                amount: line.amount.credits(),
                balance: line.balance.credits(),
                stream: event.stream.clone(),
            };
            Ok((place, line))
        })
        .collect()
}
