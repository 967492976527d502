//! Whose credits a job's escrow holds, as its accounts are named after the job; and the approvals
//! of adjustments, of which a crash may have cut off the second half.

use std::sync::Arc;

use medusa_eventlog::{Projection, StoredEvent};
use medusa_events::Fact;
use sqlx::PgConnection;

use crate::store::adjust;

/// The projection.
#[derive(Clone, Copy, Debug, Default)]
pub struct BillingProjection;

impl Projection for BillingProjection {
    const NAME: &'static str = "billing";
    const TABLES: &'static [&'static str] = &["escrow_owner"];

    async fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> Result<(), sqlx::Error> {
        for event in events {
            adjust::approved(db, &event.envelope).await?;
        }
        let (jobs, owners): (Vec<_>, Vec<_>) = events
            .iter()
            .filter_map(|event| match &event.envelope.fact {
                Fact::EscrowHeld { job, owner, .. } => Some((job.0, owner.0)),
                _ => None,
            })
            .unzip();
        if !jobs.is_empty() {
            // A job that holds more later has the same owner.
            sqlx::query!(
                "insert into escrow_owner (job_id, owner_id)
                 select * from unnest($1::uuid[], $2::uuid[]) on conflict (job_id) do nothing",
                &jobs,
                &owners
            )
            .execute(&mut *db)
            .await?;
        }
        let (released, positions): (Vec<_>, Vec<_>) = events
            .iter()
            .filter_map(|event| match &event.envelope.fact {
                Fact::EscrowReleased { job, .. } => Some((job.0, event.envelope.position)),
                _ => None,
            })
            .unzip();
        if !released.is_empty() {
            sqlx::query!(
                "update escrow_owner o set released_position = r.position
                 from unnest($1::uuid[], $2::bigint[]) as r (job_id, position)
                 where o.job_id = r.job_id",
                &released,
                &positions
            )
            .execute(db)
            .await?;
        }
        Ok(())
    }
}
