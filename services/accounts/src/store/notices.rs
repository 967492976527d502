//! What people are told, and where: webhooks, who refuses mail, and every delivery.

use medusa_api::{Notice, NoticeState, Webhook};
use medusa_types::{NoticeId, Timestamp, UserId, WebhookId};
use sqlx::PgConnection;

use crate::domain::News;

/// Deliveries that a person is shown.
const SHOWN_MAX: i64 = 50;

/// A delivery that is due.
pub(crate) struct Due {
    pub(crate) id: NoticeId,
    pub(crate) owner: UserId,
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) tries: u32,
    /// None for mail.
    pub(crate) target: Option<Target>,
}

/// Where a delivery goes.
pub(crate) struct Target {
    pub(crate) webhook: WebhookId,
    pub(crate) url: String,
    pub(crate) secret: Vec<u8>,
}

/// Writes a webhook; one that is there already stays as it is.
pub(crate) async fn insert_webhook(
    db: &mut PgConnection,
    owner: UserId,
    id: WebhookId,
    (url, secret): (&str, [u8; 32]),
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into webhook (webhook_id, owner_id, url, secret, created_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        id.0,
        owner.0,
        url,
        secret.as_slice(),
        now.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The webhooks of a person with their secrets, oldest first; one of them when it is named.
pub(crate) async fn webhooks(
    db: &mut PgConnection,
    owner: UserId,
    one: Option<WebhookId>,
) -> sqlx::Result<Vec<(Webhook, Vec<u8>)>> {
    let rows = sqlx::query!(
        "select webhook_id, url, secret, created_at, failing_since, stopped_at from webhook
         where owner_id = $1 and ($2::uuid is null or webhook_id = $2)
         order by created_at, webhook_id",
        owner.0,
        one.map(|id| id.0),
    )
    .fetch_all(db)
    .await?;
    let webhook = rows.into_iter().map(|row| {
        let webhook = Webhook {
            id: WebhookId(row.webhook_id),
            url: row.url,
            created_at: Timestamp::from_utc(row.created_at),
            failing_since: row.failing_since.map(Timestamp::from_utc),
            stopped_at: row.stopped_at.map(Timestamp::from_utc),
        };
        (webhook, row.secret)
    });
    Ok(webhook.collect())
}

/// Removes a webhook and what waits for it; `false` when it is not this person's.
pub(crate) async fn remove_webhook(
    db: &mut PgConnection,
    owner: UserId,
    id: WebhookId,
) -> sqlx::Result<bool> {
    let done =
        sqlx::query!("delete from webhook where webhook_id = $1 and owner_id = $2", id.0, owner.0)
            .execute(db)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes how a webhook is after a try.
pub(crate) async fn tried(
    db: &mut PgConnection,
    id: WebhookId,
    arrived: bool,
    (now, stop): (Timestamp, bool),
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook set
             failing_since = case when $2 then null else coalesce(failing_since, $3::timestamptz) end,
             stopped_at = case when $2 then null when $4 then coalesce(stopped_at, $3)
                 else stopped_at end
         where webhook_id = $1",
        id.0,
        arrived,
        now.to_utc(),
        stop,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether a person wants mail.
pub(crate) async fn wants_mail(db: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    let refused = sqlx::query_scalar!(
        r#"select exists (select from mail_refused where user_id = $1) as "refused!""#,
        user.0
    )
    .fetch_one(db)
    .await?;
    Ok(!refused)
}

/// Notes whether a person wants mail.
pub(crate) async fn choose_mail(
    db: &mut PgConnection,
    user: UserId,
    mail: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with back as (delete from mail_refused where $2 and user_id = $1)
         insert into mail_refused (user_id) select $1 where not $2 on conflict do nothing",
        user.0,
        mail
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts news on the way: to the webhooks that were there when it happened, and by mail to whoever
/// wants it, when it is not too old for that. What is on its way already is not sent again.
pub(crate) async fn announce(
    db: &mut PgConnection,
    news: &News,
    position: i64,
    (happened, now): (Timestamp, Timestamp),
    mail: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into notice (notice_id, owner_id, webhook_id, kind, position, body, created_at,
             state, due_at)
         select gen_random_uuid(), $1, way.webhook_id, $2, $3, $4, $5, 'waiting', $5
         from (
             select webhook_id from webhook
             where owner_id = $1 and created_at <= $6 and stopped_at is null
             union all
             select null where $7 and not exists (select from mail_refused where user_id = $1)
         ) as way
         on conflict do nothing",
        news.owner.0,
        news.kind,
        position,
        news.body,
        now.to_utc(),
        happened.to_utc(),
        mail,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts one delivery on the way that somebody asked for.
pub(crate) async fn insert_test(
    db: &mut PgConnection,
    id: NoticeId,
    webhook: WebhookId,
    news: &News,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into notice (notice_id, owner_id, webhook_id, kind, body, created_at, state, due_at)
         values ($1, $2, $3, $4, $5, $6, 'waiting', $6)",
        id.0,
        news.owner.0,
        webhook.0,
        news.kind,
        news.body,
        now.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes deliveries that are due. Whoever took them has until `again`; then they are due again.
pub(crate) async fn take_due(
    db: &mut PgConnection,
    count: i64,
    (now, again): (Timestamp, Timestamp),
) -> sqlx::Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"update notice n set tries = n.tries + 1, due_at = $3
         from (
             select notice_id as id from notice where state = 'waiting' and due_at <= $2
             order by due_at limit $1 for update skip locked
         ) as due
             join notice same on same.notice_id = due.id
             left join webhook w on w.webhook_id = same.webhook_id
         where n.notice_id = due.id
         returning n.notice_id, n.owner_id, n.kind, n.body, n.tries, n.webhook_id,
             w.url as "url?", w.secret as "secret?""#,
        count,
        now.to_utc(),
        again.to_utc(),
    )
    .fetch_all(db)
    .await?;
    let due = rows.into_iter().map(|row| {
        let place = row.webhook_id.zip(row.url.zip(row.secret));
        let target = place.map(|(webhook, (url, secret))| {
            let webhook = WebhookId(webhook);
            Target { webhook, url, secret }
        });
        let (id, owner) = (NoticeId(row.notice_id), UserId(row.owner_id));
        let tries = u32::try_from(row.tries).unwrap_or(u32::MAX);
        Due { id, owner, kind: row.kind, body: row.body, tries, target }
    });
    Ok(due.collect())
}

/// Notes what became of a try: `due` is the next one, if there is to be one.
pub(crate) async fn note(
    db: &mut PgConnection,
    id: NoticeId,
    (arrived, answer): (bool, &str),
    (now, due): (Timestamp, Option<Timestamp>),
) -> sqlx::Result<()> {
    sqlx::query!(
        "update notice set answer = $3, due_at = coalesce($5::timestamptz, due_at),
             state = case when $2 then 'delivered' when $5::timestamptz is null then 'given_up'
                 else 'waiting' end,
             done_at = case when $2 or $5 is null then $4::timestamptz end
         where notice_id = $1",
        id.0,
        arrived,
        answer,
        now.to_utc(),
        due.map(Timestamp::to_utc),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a person was told lately, newest first.
pub(crate) async fn recent(db: &mut PgConnection, owner: UserId) -> sqlx::Result<Vec<Notice>> {
    let rows = sqlx::query!(
        "select notice_id, webhook_id, kind, position, state, tries, answer, created_at, due_at
         from notice where owner_id = $1 order by created_at desc, notice_id limit $2",
        owner.0,
        SHOWN_MAX,
    )
    .fetch_all(db)
    .await?;
    let notice = rows.into_iter().map(|row| {
        let state = match row.state.as_str() {
            "delivered" => NoticeState::Delivered,
            "given_up" => NoticeState::GivenUp,
            _ => NoticeState::Waiting,
        };
        let due_at = (state == NoticeState::Waiting).then(|| Timestamp::from_utc(row.due_at));
        Notice {
            id: NoticeId(row.notice_id),
            webhook: row.webhook_id.map(WebhookId),
            kind: row.kind,
            position: row.position,
            state,
            tries: u32::try_from(row.tries).unwrap_or_default(),
            answer: row.answer,
            created_at: Timestamp::from_utc(row.created_at),
            due_at,
        }
    });
    Ok(notice.collect())
}

/// Forgets what was done before this time.
pub(crate) async fn sweep(db: &mut PgConnection, before: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from notice where state <> 'waiting' and done_at < $1",
        before.to_utc()
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Where a person's mail goes.
pub(crate) async fn mail_address(
    db: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("select email from person_vault where user_id = $1", user.0)
        .fetch_optional(db)
        .await
}
