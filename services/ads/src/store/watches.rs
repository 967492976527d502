//! Views, from their offer to their proof.

use medusa_types::{CampaignId, Credits, Timestamp, UserId, WatchId};
use sqlx::PgConnection;

/// A view that somebody was offered.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) id: WatchId,
    pub(crate) user: UserId,
    pub(crate) campaign: CampaignId,
    pub(crate) price: Credits,
    pub(crate) reward: Credits,
    pub(crate) offered_at: Timestamp,
    pub(crate) proven_at: Option<Timestamp>,
}

/// When the latest views of a person were proven, newest first.
pub(crate) async fn proven_times(
    db: &mut PgConnection,
    user: UserId,
    since: Timestamp,
    limit: u32,
) -> sqlx::Result<Vec<Timestamp>> {
    let times = sqlx::query_scalar!(
        r#"select proven_at as "proven_at!" from watch
           where user_id = $1 and proven_at > $2 order by proven_at desc limit $3"#,
        user.0,
        since.to_utc(),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(times.into_iter().map(Timestamp::from_utc).collect())
}

/// Writes an offer. A person who has an open one keeps it, and its time begins anew: answers the
/// one that stands, its id and its reward.
pub(crate) async fn open(db: &mut PgConnection, new: &Watch) -> sqlx::Result<(WatchId, Credits)> {
    let row = sqlx::query!(
        "insert into watch (watch_id, user_id, campaign_id, price, reward, offered_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (user_id) where proven_at is null
             do update set offered_at = excluded.offered_at
         returning watch_id, reward",
        new.id.0,
        new.user.0,
        new.campaign.0,
        new.price.micros(),
        new.reward.micros(),
        new.offered_at.to_utc(),
    )
    .fetch_one(db)
    .await?;
    Ok((WatchId(row.watch_id), Credits::from_micros(row.reward)))
}

/// A view of this person, locked until the transaction ends.
pub(crate) async fn lock(
    db: &mut PgConnection,
    id: WatchId,
    user: UserId,
) -> sqlx::Result<Option<Watch>> {
    let row = sqlx::query!(
        "select campaign_id, price, reward, offered_at, proven_at from watch
         where watch_id = $1 and user_id = $2 for update",
        id.0,
        user.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Watch {
        id,
        user,
        campaign: CampaignId(row.campaign_id),
        price: Credits::from_micros(row.price),
        reward: Credits::from_micros(row.reward),
        offered_at: Timestamp::from_utc(row.offered_at),
        proven_at: row.proven_at.map(Timestamp::from_utc),
    }))
}

/// Writes that a view was proven.
pub(crate) async fn prove(db: &mut PgConnection, id: WatchId, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("update watch set proven_at = $2 where watch_id = $1", id.0, at.to_utc())
        .execute(db)
        .await?;
    Ok(())
}
