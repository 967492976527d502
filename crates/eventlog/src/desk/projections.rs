//! How far each read model has read the log: those in the database by their own word, live values
//! by the mark that Redis has.

use std::time::Duration;

use medusa_api::{ProjectionStatus, Projections, Rebuilt};
use medusa_platform::live::written_to;
use medusa_types::Timestamp;

use super::Desk;
use super::error::DeskError;

/// How long Redis may take to say where its values are.
const LIVE_LIMIT: Duration = Duration::from_secs(1);

impl Desk {
    /// All read models.
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
            away: false,
        });
        let mut items: Vec<_> = items.collect();
        if let Some((url, kinds)) = &self.live {
            for kind in kinds {
                items.push(self.live(url, kind).await?);
            }
        }
        items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Projections { items })
    }

    /// One kind of live values. Without its mark nothing of it is known to be there.
    async fn live(&self, url: &str, kind: &str) -> Result<ProjectionStatus, DeskError> {
        let found = tokio::time::timeout(LIVE_LIMIT, written_to(url, kind)).await;
        let position = found.ok().and_then(Result::ok);
        let away = position.is_none();
        let position = position.flatten().unwrap_or_default();
        let row = sqlx::query!(
            r#"select h.position as head, e.at as "waits_since?"
               from log_head h left join event e on e.position = $1::bigint + 1"#,
            position
        )
        .fetch_one(self.log.pool())
        .await?;
        let now = self.clock.now();
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(ProjectionStatus {
            name: format!("{kind}.live"),
            position,
            head: row.head,
            lag_events: count(row.head.saturating_sub(position)),
            lag_ms: row.waits_since.map(|at| count(now.ms_since(Timestamp::from_utc(at)))),
            rebuilt: None,
            away,
        })
    }
}
