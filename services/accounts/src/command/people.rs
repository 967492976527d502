//! Signing up, and what a person is and may do.

use medusa_api::{Me, SignUp};
use medusa_events::Fact;
use medusa_types::{Role, UserId};

use crate::domain::{Email, check_password, person_name};
use crate::store::people::{self, NewPerson};
use crate::{Accounts, AccountsError};

/// What everybody may do from the start.
const FIRST_ROLES: [Role; 2] = [Role::Consumer, Role::Lender];

impl Accounts {
    /// Makes an account.
    ///
    /// # Errors
    /// When a field is refused or the address has an account. When the log is busy, the account is
    /// there all the same, and the next login finishes what is missing.
    pub async fn sign_up(&self, form: SignUp) -> Result<UserId, AccountsError> {
        let email = Email::parse(&form.email)?;
        check_password(&form.password)?;
        let name = person_name(&form.name)?;
        let password_hash = self.0.passwords.hash(form.password, self.0.random.secret()).await?;
        let user = UserId(self.0.random.id());
        let created_at = self.0.clock.now();
        let person = NewPerson { user, email, name, password_hash, created_at };
        let mut db = self.0.pool.begin().await?;
        if !people::insert(&mut db, &person).await? {
            return Err(AccountsError::EmailTaken);
        }
        for role in FIRST_ROLES {
            people::add_role(&mut db, user, role).await?;
        }
        db.commit().await?;
        self.register(user).await?;
        tracing::info!(%user, "signed up");
        Ok(user)
    }

    /// The part of signing up that other services see. Done again at every login, because a crash
    /// may have cut it off after the vault was written; repeated, it changes nothing.
    pub(super) async fn register(&self, user: UserId) -> Result<(), AccountsError> {
        let fact = Fact::UserRegistered { user, roles: FIRST_ROLES.to_vec() };
        self.append_once(format!("signup:{user}"), stream(user), Some(user), fact).await?;
        Ok(self.0.welcome.grant(user).await?)
    }

    /// What a person may see of themselves.
    ///
    /// # Errors
    /// [`AccountsError::UserUnknown`] when the account was removed.
    pub async fn me(&self, user: UserId) -> Result<Me, AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        people::me(&mut db, user).await?.ok_or(AccountsError::UserUnknown)
    }

    /// What a person may do.
    ///
    /// # Errors
    /// As [`Accounts::me`].
    pub async fn roles(&self, user: UserId) -> Result<Vec<Role>, AccountsError> {
        Ok(self.me(user).await?.roles)
    }

    /// Lets the person with this address do more; repeated, it changes nothing. Only for the
    /// operator of the server: the caller checks that. Earlier access tokens lack the role.
    ///
    /// # Errors
    /// [`AccountsError::UserUnknown`] when nobody has this address.
    pub async fn grant_role(&self, email: &str, role: Role) -> Result<UserId, AccountsError> {
        let email = Email::parse(email)?;
        let found = people::by_email(&mut *self.0.pool.acquire().await?, &email.key).await?;
        let (user, _) = found.ok_or(AccountsError::UserUnknown)?;
        if !FIRST_ROLES.contains(&role) {
            // The log first: nobody has a right that the log does not know of.
            self.register(user).await?;
            let fact = Fact::RoleGranted { user, role };
            self.append_once(format!("grant:{user}:{role}"), stream(user), None, fact).await?;
            people::add_role(&mut *self.0.pool.acquire().await?, user, role).await?;
            self.0.logins.clear();
            tracing::info!(%user, %role, "granted a role");
        }
        Ok(user)
    }
}

/// The events about a person.
fn stream(user: UserId) -> String {
    format!("account-{user}")
}
