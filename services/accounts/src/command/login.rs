//! Logging in by password, and logins on browsers.

use std::net::IpAddr;

use medusa_api::{Login, Me};
use medusa_platform::{Principal, Via, position};
use medusa_types::{Timestamp, UserId};

use crate::domain::{Email, Key};
use crate::store::logins::{self, Kind, NewLogin};
use crate::store::people;
use crate::{Accounts, AccountsError, hash_of};

/// A login on a browser.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserLogin {
    /// For the login cookie. Only its hash is stored.
    pub cookie_value: String,
    /// What writes must carry beside the cookie.
    pub csrf: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for BrowserLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserLogin").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Who has this address and password. An unknown address is refused as a wrong password is: in
    /// the same words and after the same work. `from` is the caller's network address.
    ///
    /// # Errors
    /// [`AccountsError::LoginRefused`], [`AccountsError::TooManyTries`], or busy.
    pub async fn login(&self, form: Login, from: IpAddr) -> Result<UserId, AccountsError> {
        let email_key = Email::parse(&form.email).map(|email| email.key);
        // What is no address is counted too, all of it as one.
        let key = Key::account(email_key.as_deref().unwrap_or_default());
        let keys = [key, Key::address(from)];
        self.admit(&keys)?;
        let found = match &email_key {
            Ok(key) => people::by_email(&mut *self.0.pool.acquire().await?, key).await?,
            Err(_) => None,
        };
        let (user, hash) = found.unzip();
        let right = self.0.passwords.check(form.password, hash).await?;
        let Some(user) = user.filter(|_| right) else {
            tracing::info!(?user, "refused a login");
            return Err(AccountsError::LoginRefused);
        };
        self.throttle().succeeded(&keys, self.0.clock.now());
        // A login is not in the log: nobody has to wait for what this repeats.
        let (registered, _unheard) = position::listen(self.register(user)).await;
        registered?;
        Ok(user)
    }

    /// Counts a try, or refuses it.
    pub(super) fn admit(&self, keys: &[Key]) -> Result<(), AccountsError> {
        let admitted = self.throttle().admit(keys, self.0.clock.now());
        admitted.map_err(|seconds| AccountsError::TooManyTries { seconds })
    }

    /// Logs a browser in. Every login has a new cookie, so that none can be planted before it.
    ///
    /// # Errors
    /// When the person is gone.
    pub async fn browser_login(&self, user: UserId) -> Result<BrowserLogin, AccountsError> {
        let limits = &self.0.limits;
        // Whoever sees what is everybody's is asked for the password more often.
        let sees_all = self.roles(user).await?.iter().any(|role| role.may_audit());
        let life_ms = if sees_all { limits.admin_login_ms } else { limits.login_ms };
        let created_at = self.0.clock.now();
        let login = BrowserLogin {
            cookie_value: self.0.random.token(),
            csrf: self.0.random.token(),
            expires_at: created_at.plus_ms(life_ms),
        };
        let row = NewLogin {
            hash: hash_of(&login.cookie_value),
            user,
            kind: Kind::Browser,
            csrf: login.csrf.clone(),
            created_at,
            expires_at: login.expires_at,
        };
        let mut db = self.0.pool.begin().await?;
        logins::insert(&mut db, &row, limits.logins_max).await?;
        db.commit().await?;
        Ok(login)
    }

    /// Ends the login of this cookie. What has ended already, ends again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn browser_logout(&self, cookie_value: &str) -> Result<(), AccountsError> {
        let hash = hash_of(cookie_value);
        let mut db = self.0.pool.acquire().await?;
        logins::end(&mut db, hash, Kind::Browser).await?;
        self.0.logins.remove(hash);
        Ok(())
    }

    /// Who holds this cookie, if its login is valid.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(
        &self,
        cookie_value: &str,
    ) -> Result<Option<(Principal, Me)>, AccountsError> {
        let (hash, now) = (hash_of(cookie_value), self.0.clock.now());
        if let Some(known) = self.0.logins.get(hash, now) {
            return Ok(Some(known));
        }
        let generation = self.0.logins.generation();
        let mut db = self.0.pool.acquire().await?;
        let Some(login) = logins::browser(&mut db, hash, now).await? else { return Ok(None) };
        let principal = Principal {
            user: login.me.user,
            roles: login.me.roles.clone(),
            via: Via::Cookie { csrf: login.csrf },
        };
        let known = (principal, login.me);
        self.0.logins.put(generation, hash, known.clone(), now, login.expires_at);
        Ok(Some(known))
    }
}
