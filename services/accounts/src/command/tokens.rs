//! Tokens of the API: a short access token that nobody has to look up, and a refresh token that
//! works once. A refresh token that comes twice is in two hands, and nobody knows which are the
//! right ones: all refresh tokens of the person end.

use medusa_api::{Refresh, Tokens};
use medusa_types::{Role, Timestamp, UserId};
use sqlx::PgConnection;

use crate::store::logins::{self, Kind, NewLogin};
use crate::store::people;
use crate::{Accounts, AccountsError, hash_of};

impl Accounts {
    /// Tokens for somebody who has logged in.
    ///
    /// # Errors
    /// When the person is gone.
    pub async fn issue(&self, user: UserId) -> Result<Tokens, AccountsError> {
        let mut db = self.0.pool.begin().await?;
        let tokens = self.issue_in(&mut db, user, self.0.clock.now()).await?;
        db.commit().await?;
        Ok(tokens)
    }

    /// New tokens for a refresh token, which is used up.
    ///
    /// # Errors
    /// [`AccountsError::RefreshRefused`] and [`AccountsError::RefreshReused`].
    pub async fn refresh(&self, form: &Refresh) -> Result<Tokens, AccountsError> {
        let (hash, now) = (hash_of(&form.refresh_token), self.0.clock.now());
        let mut db = self.0.pool.begin().await?;
        let user = logins::refresh_owner(&mut db, hash).await?;
        let user = user.ok_or(AccountsError::RefreshRefused)?;
        logins::lock(&mut db, user).await?;
        let found = logins::refresh(&mut db, hash).await?;
        let found = found.ok_or(AccountsError::RefreshRefused)?;
        if found.used {
            logins::end_refresh_of(&mut db, user).await?;
            db.commit().await?;
            tracing::warn!(%user, "a refresh token came twice");
            return Err(AccountsError::RefreshReused);
        }
        if found.expires_at <= now {
            return Err(AccountsError::RefreshRefused);
        }
        let until = now.plus_ms(self.0.limits.refresh_used_ms);
        logins::mark_used(&mut db, hash, now, until).await?;
        let tokens = self.issue_in(&mut db, user, now).await?;
        db.commit().await?;
        Ok(tokens)
    }

    /// Ends a refresh token. What has ended already, ends again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self, form: &Refresh) -> Result<(), AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        logins::end(&mut db, hash_of(&form.refresh_token), Kind::Refresh).await?;
        Ok(())
    }

    /// Who holds this access token and what they may do, if it is valid.
    pub(crate) fn read_access(&self, token: &str) -> Option<(UserId, Vec<Role>)> {
        self.0.jwt.read(token, self.0.clock.now())
    }

    async fn issue_in(
        &self,
        db: &mut PgConnection,
        user: UserId,
        now: Timestamp,
    ) -> Result<Tokens, AccountsError> {
        let me = people::me(db, user).await?.ok_or(AccountsError::UserUnknown)?;
        let access_token = self.0.jwt.issue(user, &me.roles, now).map_err(AccountsError::Sign)?;
        let limits = &self.0.limits;
        let refresh_token = self.0.random.token();
        let row = NewLogin {
            hash: hash_of(&refresh_token),
            user,
            kind: Kind::Refresh,
            csrf: String::new(),
            created_at: now,
            expires_at: now.plus_ms(limits.refresh_ms),
        };
        logins::insert(db, &row, limits.logins_max).await?;
        Ok(Tokens {
            access_token,
            token_type: "Bearer".to_owned(),
            expires_in: u64::from(limits.access_seconds),
            refresh_token,
        })
    }
}
