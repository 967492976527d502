//! The read model of deleted files.

use std::sync::Arc;

use medusa_eventlog::StoredEvent;
use medusa_events::Fact;
use sqlx::PgConnection;

/// Notes whose files are deleted, and why.
pub(super) async fn write(
    db: &mut PgConnection,
    events: &[Arc<StoredEvent>],
) -> Result<(), sqlx::Error> {
    for event in events {
        let Fact::FilesDeleted { job, why, .. } = &event.envelope.fact else { continue };
        sqlx::query!(
            "insert into job_files (job_id, deleted_at, why, position) values ($1, $2, $3, $4)
             on conflict do nothing",
            job.0,
            event.envelope.at.to_utc(),
            why,
            event.envelope.position
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
