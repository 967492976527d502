//! Removes logins, refresh tokens and waiting machines that have ended. They open nothing any more;
//! this only gives their room back.

use std::time::Duration;

use medusa_platform::supervise::supervise;
use tokio_util::sync::CancellationToken;

use crate::store::{devices, logins};
use crate::{Accounts, AccountsError};

const PAUSE: Duration = Duration::from_secs(600);

/// Sweeps now and every ten minutes until `stop`.
pub fn sweep_regularly(accounts: &Accounts, stop: CancellationToken) {
    let accounts = accounts.clone();
    supervise("accounts.sweep", stop, move || sweep_for_ever(accounts.clone()));
}

async fn sweep_for_ever(accounts: Accounts) -> Result<(), AccountsError> {
    loop {
        accounts.sweep().await?;
        tokio::time::sleep(PAUSE).await;
    }
}

impl Accounts {
    /// Removes what has ended; answers how much that was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep(&self) -> Result<u64, AccountsError> {
        let now = self.0.clock.now();
        let mut db = self.0.pool.acquire().await?;
        let ended = logins::sweep(&mut db, now).await?;
        Ok(ended.saturating_add(devices::sweep(&mut db, now).await?))
    }
}
