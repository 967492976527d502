//! The limit: raw binary COPY of event rows, 8,000 a transaction, into a table of the same shape.

use std::time::Instant;

use anyhow::Result;
use medusa_events::{Envelope, FORMAT};
use medusa_ledger::{Move, Posting};
use medusa_tlog::leaf_hash;
use medusa_types::Timestamp;

use super::ground::Ledger;
use super::load::Load;
use crate::figure::per_second_of;

/// Rows of one transaction.
const BATCH: usize = 8_000;
/// Microseconds from 1970 to 2000, where Postgres counts from.
const EPOCH_US: i64 = 946_684_800_000_000;

pub(super) async fn prepare(ledger: &Ledger) -> Result<()> {
    for order in [
        "create table copied (like event including all) partition by range (position)",
        "create table copied_p0 (like event including all)",
        "alter table copied attach partition copied_p0 for values from (0) to (10000001)",
    ] {
        sqlx::query(order).execute(&ledger.pool).await?;
    }
    Ok(())
}

/// Copies so many rows; answers how many a second. Making the rows is not counted.
pub(super) async fn window(ledger: &Ledger, load: &mut Load, count: usize) -> Result<f64> {
    let last: (i64,) = sqlx::query_as("select coalesce(max(position), 0) from copied")
        .fetch_one(&ledger.pool)
        .await?;
    let mut position = last.0;
    let mut version = 0;
    let mut buffers = Vec::new();
    let mut made = 0;
    while made < count {
        let mut buffer = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        for _ in 0..BATCH.min(count - made) {
            position += 1;
            version += 1;
            row(&mut buffer, position, version, load);
        }
        made += BATCH.min(count - made);
        buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        buffers.push(buffer);
    }
    let mut db = ledger.pool.acquire().await?;
    let began = Instant::now();
    for buffer in buffers {
        let mut copy = db.copy_in_raw("copy copied from stdin (format binary)").await?;
        copy.send(buffer).await?;
        copy.finish().await?;
    }
    Ok(per_second_of(count, began.elapsed()))
}

/// The row that the log would have of this transfer.
fn row(buffer: &mut Vec<u8>, position: i64, version: i64, load: &mut Load) {
    let append = load.transfer(false);
    let Some(event) = append.events.into_iter().next() else { return };
    let postings = event.moves.first().map(|wish| match wish {
        Move::Split { from, to } => {
            let debit = |amount: &medusa_ledger::Amount| amount.checked_neg().unwrap_or_default();
            let paid = to.iter().map(|(account, amount)| Posting(*account, *amount));
            let drawn = from.iter().zip(to).map(|(account, (_, n))| Posting(*account, debit(n)));
            drawn.chain(paid).collect()
        }
        _ => Vec::new(),
    });
    let at = Timestamp::from_micros(1_800_000_000_000_000 + position);
    let envelope = Envelope {
        format: FORMAT,
        position,
        stream: event.stream,
        version,
        at,
        actor: event.actor,
        operation: append.operation.map(|operation| operation.key),
        causation: None,
        postings: postings.unwrap_or_default(),
        changes: Vec::new(),
        fact: event.fact,
    };
    let body = envelope.encode();
    buffer.extend_from_slice(&8_i16.to_be_bytes());
    field(buffer, &position.to_be_bytes());
    field(buffer, &1_i64.to_be_bytes());
    field(buffer, envelope.stream.as_bytes());
    field(buffer, &version.to_be_bytes());
    field(buffer, envelope.kind().as_bytes());
    field(buffer, &(at.micros() - EPOCH_US).to_be_bytes());
    field(buffer, &body);
    field(buffer, &leaf_hash(&body));
}

fn field(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}
