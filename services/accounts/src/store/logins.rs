//! Logins on browsers and refresh tokens, by the hash of their secret.

use medusa_api::Me;
use medusa_types::{Sha256Hash, Timestamp, UserId};
use sqlx::PgConnection;

use super::people::roles_of;

/// What a row of the table opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pages, by cookie.
    Browser,
    /// Access tokens.
    Refresh,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Refresh => "refresh",
        }
    }
}

/// A new way in.
pub(crate) struct NewLogin {
    pub(crate) hash: Sha256Hash,
    pub(crate) user: UserId,
    pub(crate) kind: Kind,
    pub(crate) csrf: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Lets one transaction at a time change the logins or webhooks of a person, so that none is
/// written while all of them are ended or counted, and two cannot deadlock.
pub(crate) async fn lock(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("select user_id from person_vault where user_id = $1 for no key update", user.0)
        .fetch_optional(db)
        .await?;
    Ok(())
}

/// Writes a login and ends the person's oldest ones above `keep`. Used refresh tokens do not count:
/// they open nothing.
pub(crate) async fn insert(db: &mut PgConnection, login: &NewLogin, keep: i64) -> sqlx::Result<()> {
    lock(db, login.user).await?;
    sqlx::query!(
        "insert into login (token_hash, user_id, kind, csrf, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
        login.hash.as_bytes(),
        login.user.0,
        login.kind.as_str(),
        login.csrf,
        login.created_at.to_utc(),
        login.expires_at.to_utc(),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "delete from login where token_hash in (
             select token_hash from login where user_id = $1 and kind = $2 and used_at is null
             order by created_at desc offset $3)",
        login.user.0,
        login.kind.as_str(),
        keep,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A login on a browser.
pub(crate) struct Browser {
    pub(crate) me: Me,
    pub(crate) csrf: String,
    pub(crate) expires_at: Timestamp,
}

/// Whose cookie this is, if it is valid.
pub(crate) async fn browser(
    db: &mut PgConnection,
    hash: Sha256Hash,
    now: Timestamp,
) -> sqlx::Result<Option<Browser>> {
    let row = sqlx::query!(
        r#"select l.user_id, l.csrf, l.expires_at, p.email, p.name, array(
               select r.role from person_role r where r.user_id = l.user_id
           ) as "roles!"
           from login l join person_vault p on p.user_id = l.user_id
           where l.token_hash = $1 and l.kind = 'browser' and l.expires_at > $2"#,
        hash.as_bytes(),
        now.to_utc(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Browser {
        me: Me {
            user: UserId(row.user_id),
            email: row.email,
            name: row.name,
            roles: roles_of(&row.roles),
        },
        csrf: row.csrf,
        expires_at: Timestamp::from_utc(row.expires_at),
    }))
}

/// A refresh token.
pub(crate) struct Refresh {
    pub(crate) expires_at: Timestamp,
    pub(crate) used: bool,
}

/// Whose refresh token this is.
pub(crate) async fn refresh_owner(
    db: &mut PgConnection,
    hash: Sha256Hash,
) -> sqlx::Result<Option<UserId>> {
    let user = sqlx::query_scalar!(
        "select user_id from login where token_hash = $1 and kind = 'refresh'",
        hash.as_bytes(),
    )
    .fetch_optional(db)
    .await?;
    Ok(user.map(UserId))
}

/// Reads a refresh token. Its owner's logins are locked by the caller.
pub(crate) async fn refresh(
    db: &mut PgConnection,
    hash: Sha256Hash,
) -> sqlx::Result<Option<Refresh>> {
    let row = sqlx::query!(
        "select expires_at, used_at from login where token_hash = $1 and kind = 'refresh'",
        hash.as_bytes(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Refresh {
        expires_at: Timestamp::from_utc(row.expires_at),
        used: row.used_at.is_some(),
    }))
}

/// Uses a refresh token up, and remembers it until then.
pub(crate) async fn mark_used(
    db: &mut PgConnection,
    hash: Sha256Hash,
    now: Timestamp,
    until: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update login set used_at = $2, expires_at = $3 where token_hash = $1",
        hash.as_bytes(),
        now.to_utc(),
        until.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends one login or refresh token.
pub(crate) async fn end(db: &mut PgConnection, hash: Sha256Hash, kind: Kind) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from login where token_hash = $1 and kind = $2",
        hash.as_bytes(),
        kind.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends all refresh tokens of a person.
pub(crate) async fn end_refresh_of(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from login where user_id = $1 and kind = 'refresh'", user.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Removes what has ended.
pub(crate) async fn sweep(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<u64> {
    let done =
        sqlx::query!("delete from login where expires_at <= $1", now.to_utc()).execute(db).await?;
    Ok(done.rows_affected())
}
