//! The read model of sessions.

use std::sync::Arc;

use medusa_eventlog::{Projection, StoredEvent};
use medusa_events::{EndState, Fact};
use sqlx::PgConnection;

/// The projection.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionsProjection;

impl Projection for SessionsProjection {
    const NAME: &'static str = "sessions";
    const TABLES: &'static [&'static str] = &["session"];

    async fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> Result<(), sqlx::Error> {
        for event in events {
            apply(db, event).await?;
        }
        Ok(())
    }
}

async fn apply(db: &mut PgConnection, event: &StoredEvent) -> Result<(), sqlx::Error> {
    let at = event.envelope.at.to_utc();
    match &event.envelope.fact {
        Fact::SessionOpened {
            session, owner, shards, spares, hold, per_gfuel, per_start, ..
        } => {
            sqlx::query!(
                "insert into session (session_id, owner_id, state, shards, spares, rounds, held,
                     spent, fee, per_gfuel, per_start, opened_at)
                 values ($1, $2, 'open', $3, $4, 0, $5, 0, 0, $6, $7, $8)",
                session.0,
                owner.0,
                i32::try_from(*shards).unwrap_or(i32::MAX),
                i32::try_from(*spares).unwrap_or(i32::MAX),
                hold.micros(),
                per_gfuel.micros(),
                per_start.micros(),
                at
            )
            .execute(db)
            .await?;
        }
        Fact::RoundsSettled { session, round, price, fee, .. } => {
            sqlx::query!(
                "update session set rounds = $2, spent = spent + $3, fee = fee + $4
                 where session_id = $1",
                session.0,
                i64::try_from(*round).unwrap_or(i64::MAX),
                price.micros(),
                fee.micros()
            )
            .execute(db)
            .await?;
        }
        Fact::SessionEnded { session, state, code, rounds, .. } => {
            let state = if *state == EndState::Failed { "failed" } else { "done" };
            sqlx::query!(
                "update session set state = $2, code = $3, rounds = $4, ended_at = $5
                 where session_id = $1",
                session.0,
                state,
                code.as_deref(),
                i64::try_from(*rounds).unwrap_or(i64::MAX),
                at
            )
            .execute(db)
            .await?;
        }
        _ => {}
    }
    Ok(())
}
