//! Password hashes: Argon2id with 19 MiB, two passes, one lane. Hashing takes a core for tens of
//! milliseconds, so two run at once on the blocking pool, some wait, and the rest is refused.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::AccountsError;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes computed at once.
const RUNNING_MAX: usize = 2;

/// A hash of no password, with the parameters above: checking against it takes as long as checking
/// against a real one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bWVkdXNhIG1lZHVzYSBtZQ\
                      $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes passwords and checks them.
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new(waiting_max: usize) -> Self {
        let places = waiting_max.saturating_add(RUNNING_MAX);
        let (running, places) = (Semaphore::new(RUNNING_MAX), Semaphore::new(places));
        Self { running: Arc::new(running), places: Arc::new(places) }
    }

    /// The text to store.
    pub(crate) async fn hash(
        &self,
        password: String,
        salt: [u8; 32],
    ) -> Result<String, AccountsError> {
        let hash = move || {
            let hash = argon2()?.hash_password_with_salt(password.as_bytes(), &salt)?;
            Ok(hash.to_string())
        };
        self.run(hash).await
    }

    /// Whether this is the password of the stored hash. Without one it is refused as slowly.
    pub(crate) async fn check(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, AccountsError> {
        let known = stored.is_some();
        let check = move || {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(NOBODY))?;
            match argon2()?.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(known),
                Err(Error::PasswordInvalid) => Ok(false),
                Err(broken) => Err(broken),
            }
        };
        self.run(check).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_full| AccountsError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_closed| AccountsError::Busy)?;
        // The permits go with the work: it goes on when the caller has hung up.
        let permits: [OwnedSemaphorePermit; 2] = [place, running];
        let work = move || {
            let done = work();
            drop(permits);
            done
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(AccountsError::HashEnded)?;
        done.map_err(AccountsError::Hash)
    }
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_bad| Error::ParamsInvalid)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_opens() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash("correct horse".into(), [7; 32]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.check("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("correct horsf".into(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_no_password_and_costs_the_same_work() {
        let passwords = Passwords::new(1);
        assert!(!passwords.check(String::new(), None).await.unwrap());
        let nobody = PasswordHash::new(NOBODY).unwrap();
        assert_eq!(Params::try_from(&nobody).unwrap().m_cost(), MEMORY_KIB);
        assert_eq!(Params::try_from(&nobody).unwrap().t_cost(), PASSES);
    }

    #[tokio::test]
    async fn more_hashes_than_may_wait_are_refused() {
        let passwords = Arc::new(Passwords::new(0));
        let held = Arc::clone(&passwords.places).acquire_many_owned(2).await.unwrap();
        let refused = passwords.check("x".into(), None).await;
        assert!(matches!(refused, Err(AccountsError::Busy)));
        drop(held);
        assert!(!passwords.check("x".into(), None).await.unwrap());
    }
}
