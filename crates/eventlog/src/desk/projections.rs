//! How far each read model has read the log.

use medusa_api::{ProjectionStatus, Projections, Rebuilt};
use medusa_types::Timestamp;

use super::Desk;
use super::error::DeskError;

impl Desk {
    /// All read models that keep their position in the database.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn projections(&self) -> Result<Projections, DeskError> {
        let rows = sqlx::query!(
            r#"select p.name, p.position, h.position as head, p.rebuilt_at, p.rebuild_ms,
                      p.differences, e.at as "waits_since?"
               from projection p cross join log_head h
               left join event e on e.position = p.position + 1
               order by p.name"#
        )
        .fetch_all(self.log.pool())
        .await?;
        let now = self.clock.now();
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        let items = rows.into_iter().map(|row| ProjectionStatus {
            lag_events: count(row.head.saturating_sub(row.position)),
            lag_ms: row.waits_since.map(|at| count(now.ms_since(Timestamp::from_utc(at)))),
            rebuilt: row.rebuilt_at.map(|at| Rebuilt {
                at: Timestamp::from_utc(at),
                ms: count(row.rebuild_ms.unwrap_or_default()),
                differences: count(row.differences.unwrap_or_default()),
            }),
            name: row.name,
            position: row.position,
            head: row.head,
        });
        Ok(Projections { items: items.collect() })
    }
}
