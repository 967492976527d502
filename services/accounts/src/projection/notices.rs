//! Puts on the way what people are told. It follows the log like a read model, but what it writes
//! leaves the house, so it is never built anew: an event is told of once.

use std::sync::Arc;

use medusa_eventlog::{Projection, StoredEvent};
use medusa_platform::Clock;
use sqlx::PgConnection;

use crate::domain::news;
use crate::store::notices;

/// News that is older than this is not worth a mail.
const MAIL_MS_MAX: i64 = 3_600_000;

/// The projection.
pub(crate) struct Notices(pub(crate) Clock);

impl Projection for Notices {
    const NAME: &'static str = "notices";
    const TABLES: &'static [&'static str] = &[];

    async fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> Result<(), sqlx::Error> {
        let now = self.0.now();
        for event in events {
            let event = &event.envelope;
            if let Some(news) = news(event) {
                let fresh = now.ms_since(event.at) < MAIL_MS_MAX;
                notices::announce(db, &news, event.position, (event.at, now), fresh).await?;
            }
        }
        Ok(())
    }
}
