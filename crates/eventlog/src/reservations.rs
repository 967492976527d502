//! Reservations as a table: the ones that some events touch, and how they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use medusa_ledger::{Account, Amount, Change, Resolution};
use medusa_types::{PendingId, Timestamp};
use sqlx::PgConnection;

use crate::books::broken;
use crate::commit;
use crate::read::StoredEvent;

/// A reservation and where it stands.
pub(crate) struct Reservation {
    pub(crate) from: Account,
    pub(crate) to: Account,
    pub(crate) amount: Amount,
    expires_at: Option<Timestamp>,
    state: &'static str,
    posted: Amount,
    reserved_position: i64,
    resolved_position: Option<i64>,
}

/// The reservations that some events touch.
pub(crate) type Held = BTreeMap<PendingId, Reservation>;

/// Those that are stored, and those that the events make.
pub(crate) async fn load(
    db: &mut PgConnection,
    events: &[Arc<StoredEvent>],
) -> Result<Held, sqlx::Error> {
    let mut held = Held::new();
    let mut ended = Vec::new();
    for event in events {
        for change in &event.envelope.changes {
            match change {
                Change::Reserved { pending, from, to, amount, expires_at } => {
                    let reservation = Reservation {
                        from: *from,
                        to: *to,
                        amount: *amount,
                        expires_at: *expires_at,
                        state: "open",
                        posted: Amount::ZERO,
                        reserved_position: event.envelope.position,
                        resolved_position: None,
                    };
                    held.insert(*pending, reservation);
                }
                Change::Resolved { pending, .. } => ended.push(pending.0),
                Change::State { .. } => {}
            }
        }
    }
    if ended.is_empty() {
        return Ok(held);
    }
    let rows = sqlx::query!(
        "select pending_id, from_account, to_account, amount, expires_at, reserved_position
         from reservation where pending_id = any($1)",
        &ended
    )
    .fetch_all(db)
    .await?;
    for row in rows {
        let reservation = Reservation {
            from: commit::account(&row.from_account).map_err(broken)?,
            to: commit::account(&row.to_account).map_err(broken)?,
            amount: Amount::new(row.amount),
            expires_at: row.expires_at.map(Timestamp::from_utc),
            state: "open",
            posted: Amount::ZERO,
            reserved_position: row.reserved_position,
            resolved_position: None,
        };
        held.insert(PendingId(row.pending_id), reservation);
    }
    Ok(held)
}

/// Applies the end of a reservation.
pub(crate) fn change(held: &mut Held, change: &Change, position: i64) {
    if let Change::Resolved { pending, how, amount } = change
        && let Some(reservation) = held.get_mut(pending)
    {
        reservation.state = match how {
            Resolution::Posted => "posted",
            Resolution::Voided => "voided",
            Resolution::Expired => "expired",
        };
        reservation.posted = *amount;
        reservation.resolved_position = Some(position);
    }
}

/// Stores them.
pub(crate) async fn write(db: &mut PgConnection, held: &Held) -> Result<(), sqlx::Error> {
    for (id, r) in held {
        sqlx::query!(
            "insert into reservation (pending_id, from_account, to_account, amount, expires_at,
                 state, posted, reserved_position, resolved_position)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             on conflict (pending_id) do update
             set state = excluded.state, posted = excluded.posted,
                 resolved_position = excluded.resolved_position",
            id.0,
            r.from.to_string(),
            r.to.to_string(),
            r.amount.units(),
            r.expires_at.map(Timestamp::to_utc),
            r.state,
            r.posted.units(),
            r.reserved_position,
            r.resolved_position,
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
