//! What a campaign has left. Only the log writes it.

use medusa_ledger::Account;
use medusa_types::Credits;
use sqlx::PgConnection;

/// The balance of an account of the ledger.
pub(crate) async fn balance(db: &mut PgConnection, account: &Account) -> sqlx::Result<Credits> {
    let text = account.to_string();
    let micros = sqlx::query_scalar!("select balance from ledger_account where account = $1", text)
        .fetch_optional(db)
        .await?;
    Ok(Credits::from_micros(micros.unwrap_or_default()))
}
