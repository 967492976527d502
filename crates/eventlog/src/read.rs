//! Reading events back. What was stored is what is given: bytes, and their decoded form.

use std::sync::Arc;

use bytes::Bytes;
use medusa_events::Envelope;
use medusa_tlog::leaf_hash;
use medusa_types::Sha256Hash;
use sqlx::PgExecutor;

use crate::error::LogError;

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its decoded form.
    pub envelope: Envelope,
    /// The stored bytes.
    pub body: Bytes,
    /// Their leaf hash.
    pub leaf: Sha256Hash,
}

fn decode(position: i64, body: Vec<u8>, leaf: &[u8]) -> Result<Arc<StoredEvent>, LogError> {
    let corrupt = |what: &str| LogError::Corrupt(format!("event {position}: {what}"));
    let envelope =
        Envelope::decode(&body).map_err(|error| corrupt(&medusa_platform::error::chain(&error)))?;
    let leaf = Sha256Hash::try_from(leaf).map_err(|_| corrupt("its leaf hash is cut"))?;
    Ok(Arc::new(StoredEvent { envelope, body: body.into(), leaf }))
}

/// Refuses bytes that do not have the hash that was sealed.
pub(crate) fn check_leaf(position: i64, body: &[u8], leaf: &[u8]) -> Result<(), LogError> {
    if leaf_hash(body) == leaf { Ok(()) } else { Err(LogError::Changed(position)) }
}

/// At most `limit` events after a position, in order.
///
/// # Errors
/// [`LogError::Corrupt`] when an event does not decode.
pub async fn read_events(
    db: impl PgExecutor<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<Arc<StoredEvent>>, LogError> {
    let rows = sqlx::query!(
        "select position, body, leaf from event where position > $1 order by position limit $2",
        after,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| decode(row.position, row.body, &row.leaf)).collect()
}

/// At most `limit` events of one stream after a version, in order.
///
/// # Errors
/// [`LogError::Corrupt`] when an event does not decode.
pub async fn read_stream(
    db: impl PgExecutor<'_>,
    stream: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Arc<StoredEvent>>, LogError> {
    let rows = sqlx::query!(
        "select position, body, leaf from event
         where hashtextextended(stream, 0) = hashtextextended($1, 0) and stream = $1
             and version > $2
         order by version limit $3",
        stream,
        after,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| decode(row.position, row.body, &row.leaf)).collect()
}

/// Where the first event of a kind stands in each of these streams, by stream; those without one
/// are left out.
///
/// # Errors
/// [`LogError::Database`].
pub async fn first_of_kind(
    db: impl PgExecutor<'_>,
    streams: &[String],
    kind: &str,
) -> Result<Vec<(String, i64)>, LogError> {
    let rows = sqlx::query!(
        r#"select s.stream as "stream!", e.position as "position!"
           from unnest($1::text[]) s(stream)
           cross join lateral (
               select position from event
               where hashtextextended(event.stream, 0) = hashtextextended(s.stream, 0)
                   and event.stream = s.stream and type = $2
               order by version limit 1
           ) e"#,
        streams,
        kind
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.stream, row.position)).collect())
}

/// The position of the last event in the database: shows that it answers.
///
/// # Errors
/// [`LogError::Database`].
pub async fn stored_head(db: impl PgExecutor<'_>) -> Result<i64, LogError> {
    Ok(sqlx::query_scalar!("select position from log_head").fetch_one(db).await?)
}
