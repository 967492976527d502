//! The vault: what is known of a person, and nowhere else.

use medusa_api::Me;
use medusa_types::{Role, Timestamp, UserId};
use sqlx::PgConnection;

use crate::domain::Email;

/// Somebody who signs up.
pub(crate) struct NewPerson {
    pub(crate) user: UserId,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) created_at: Timestamp,
}

/// Writes a person; false when the address has an account already.
pub(crate) async fn insert(db: &mut PgConnection, person: &NewPerson) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into person_vault (user_id, email, email_key, name, password_hash, created_at)
         values ($1, $2, $3, $4, $5, $6) on conflict (email_key) do nothing",
        person.user.0,
        person.email.shown,
        person.email.key,
        person.name,
        person.password_hash,
        person.created_at.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes a role; the second time changes nothing.
pub(crate) async fn add_role(db: &mut PgConnection, user: UserId, role: Role) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into person_role (user_id, role) values ($1, $2) on conflict do nothing",
        user.0,
        role.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whose address this is, and the stored hash of the password.
pub(crate) async fn by_email(
    db: &mut PgConnection,
    email_key: &str,
) -> sqlx::Result<Option<(UserId, String)>> {
    let row = sqlx::query!(
        "select user_id, password_hash from person_vault where email_key = $1",
        email_key,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (UserId(row.user_id), row.password_hash)))
}

/// What a person may see of themselves.
pub(crate) async fn me(db: &mut PgConnection, user: UserId) -> sqlx::Result<Option<Me>> {
    let row = sqlx::query!(
        r#"select email, name, array(
               select role from person_role where user_id = $1
           ) as "roles!" from person_vault where user_id = $1"#,
        user.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Me { user, email: row.email, name: row.name, roles: roles_of(&row.roles) }))
}

/// Roles by their names, in their order. A name of a later version gives no rights here.
pub(crate) fn roles_of(names: &[String]) -> Vec<Role> {
    let mut roles: Vec<Role> = names.iter().filter_map(|name| name.parse().ok()).collect();
    roles.sort_unstable();
    roles
}
