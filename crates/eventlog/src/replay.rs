//! The log from its first event, fast: rows as Postgres streams them, decoded no further than an
//! audit of the books needs.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes};
use futures_util::TryStreamExt as _;
use medusa_events::FORMAT;
use medusa_ledger::Change;
use medusa_tlog::{Hash, leaf_hash};
use medusa_types::Timestamp;
use serde::Deserialize;
use sqlx::PgConnection;
use tokio::sync::mpsc;

use crate::error::LogError;

/// Rows that go to the reader in one piece.
const PIECE: usize = 2_048;
/// Pieces that wait for the reader.
const WAITING: usize = 4;
/// What a binary copy begins with, before its flags.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// An event's row, undecoded.
pub(crate) struct Row {
    pub(crate) position: i64,
    pub(crate) stream: Bytes,
    pub(crate) version: i64,
    pub(crate) kind: Bytes,
    pub(crate) body: Bytes,
    pub(crate) leaf: Bytes,
}

/// As much of an event's bytes as the books need.
#[derive(Deserialize)]
pub(crate) struct Light<'a> {
    pub(crate) format: u8,
    pub(crate) position: i64,
    #[serde(borrow)]
    pub(crate) stream: Cow<'a, str>,
    pub(crate) version: i64,
    pub(crate) at: Timestamp,
    #[serde(borrow)]
    pub(crate) postings: Vec<(&'a str, i64)>,
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
    #[serde(rename = "type", borrow)]
    pub(crate) kind: &'a str,
}

impl<'a> Light<'a> {
    /// Reads canonical bytes; `None` when they are not an event of this format.
    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|light| light.format == FORMAT)
    }
}

impl Row {
    pub(crate) fn hash(&self) -> Hash {
        leaf_hash(&self.body)
    }

    /// A row of a binary copy: the number of fields, and each with its length before it.
    fn parse(mut bytes: Bytes) -> Option<Self> {
        fn field(bytes: &mut Bytes) -> Option<Bytes> {
            let length = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
            (bytes.len() >= length).then(|| bytes.split_to(length))
        }
        fn number(bytes: &mut Bytes) -> Option<i64> {
            field(bytes)?.try_get_i64().ok()
        }
        if bytes.try_get_i16().ok()? != 6 {
            return None;
        }
        Some(Self {
            position: number(&mut bytes)?,
            stream: field(&mut bytes)?,
            version: number(&mut bytes)?,
            kind: field(&mut bytes)?,
            body: field(&mut bytes)?,
            leaf: field(&mut bytes)?,
        })
    }
}

/// Hands all rows in order to `read`, which runs on a thread of its own while more are fetched.
///
/// # Errors
/// [`LogError::Database`], and [`LogError::Corrupt`] when the database answers in another shape.
pub(crate) async fn replay<T: Send + 'static>(
    db: &mut PgConnection,
    mut state: T,
    read: impl Fn(&mut T, Row) + Send + 'static,
) -> Result<T, LogError> {
    let (sender, mut pieces) = mpsc::channel::<Vec<Row>>(WAITING);
    let reader = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            piece.into_iter().for_each(|row| read(&mut state, row));
        }
        state
    });
    let fetched = fetch(db, &sender).await;
    drop(sender);
    let state = reader.await.map_err(|error| LogError::Corrupt(error.to_string()))?;
    fetched?;
    Ok(state)
}

async fn fetch(db: &mut PgConnection, sender: &mpsc::Sender<Vec<Row>>) -> Result<(), LogError> {
    let mut rows = db
        .copy_out_raw(
            "copy (select position, stream, version, type, body, leaf from event order by position)
             to stdout (format binary)",
        )
        .await?;
    let mut piece = Vec::with_capacity(PIECE);
    while let Some(mut bytes) = rows.try_next().await? {
        if bytes.starts_with(SIGNATURE) {
            // The flags and the length of an extension that does not exist follow.
            bytes.advance(SIGNATURE.len().saturating_add(8).min(bytes.len()));
        }
        // The last message says that no field follows.
        if bytes.is_empty() || bytes.as_ref() == [0xff, 0xff] {
            continue;
        }
        let row = Row::parse(bytes)
            .ok_or_else(|| LogError::Corrupt("the database sent a row of another shape".into()))?;
        piece.push(row);
        if piece.len() == PIECE {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
            // The reader ended only if it panicked, which its handle tells.
            let _ended = sender.send(full).await;
        }
    }
    let _ended = sender.send(piece).await;
    Ok(())
}
