//! What a campaign has left for new views. Only the log writes it.

use medusa_ledger::Account;
use medusa_types::Credits;
use sqlx::PgConnection;

/// What can leave an account of the ledger: its balance without what is reserved. As new as the
/// books' read model, for which the caller waits.
pub(crate) async fn balance(db: &mut PgConnection, account: &Account) -> sqlx::Result<Credits> {
    let text = account.to_string();
    let micros = sqlx::query_scalar!(
        r#"select balance - debits_pending as "free!" from ledger_account where account = $1"#,
        text
    )
    .fetch_optional(db)
    .await?;
    Ok(Credits::from_micros(micros.unwrap_or_default()))
}
