//! Events by their positions, decoded.

use std::collections::BTreeMap;

use medusa_events::Envelope;
use medusa_platform::error::chain;
use sqlx::PgConnection;

use crate::error::LogError;

/// The events at these positions; those that the log does not have are left out.
///
/// # Errors
/// [`LogError::Corrupt`] when an event does not decode.
pub async fn events_at(
    db: &mut PgConnection,
    positions: &[i64],
) -> Result<BTreeMap<i64, Envelope>, LogError> {
    let rows = sqlx::query!("select position, body from event where position = any($1)", positions)
        .fetch_all(db)
        .await?;
    rows.into_iter().map(|row| Ok((row.position, decode(row.position, &row.body)?))).collect()
}

/// Stored bytes as an event.
pub(super) fn decode(position: i64, body: &[u8]) -> Result<Envelope, LogError> {
    Envelope::decode(body)
        .map_err(|error| LogError::Corrupt(format!("event {position}: {}", chain(&error))))
}
