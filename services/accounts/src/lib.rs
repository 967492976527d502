//! People, their ways in, and their machines: sign-up, login, tokens, roles, the device flow that
//! enrols agents, and what people are told by mail and webhook.
//!
//! Addresses, names and password hashes stand in this service's own tables and never in the log.
//! Secrets that are handed out (cookies, refresh tokens, agent keys) are kept as SHA-256 only.
//! That somebody exists, got a role or lends a machine is a fact in the log; each is appended
//! under an operation of its own, so that a step which a crash cut off is repeated harmlessly.

mod authenticator;
mod cache;
mod command;
mod config;
mod domain;
mod error;
pub mod http;
mod mail;
mod password;
mod port;
mod projection;
mod reconcile;
mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use medusa_api::Me;
use medusa_eventlog::{EventLog, NewEvent, Operation};
use medusa_events::Fact;
use medusa_platform::{AgentPrincipal, Clock, Principal, Random};
use medusa_types::{Sha256Hash, UserId};
use sqlx::PgPool;

pub use command::{AgentRow, BrowserLogin};
pub use config::{AccountsConfig, AccountsLimits};
pub use error::AccountsError;
pub use http::{configure, openapi};
pub use mail::MailConfig;
pub use port::Welcome;
pub use reconcile::{deliver_regularly, sweep_regularly};

use cache::Cache;
use domain::{Jwt, Throttle};
use mail::Mailer;
use password::Passwords;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    limits: AccountsLimits,
    public_url: String,
    private_targets: bool,
    mailer: Mailer,
    jwt: Jwt,
    pool: PgPool,
    log: EventLog,
    clock: Clock,
    random: Random,
    welcome: Arc<dyn Welcome>,
    passwords: Passwords,
    throttle: Mutex<Throttle>,
    logins: Cache<(Principal, Me)>,
    agents: Cache<AgentPrincipal>,
}

impl Accounts {
    /// The service over these parts.
    ///
    /// # Errors
    /// [`AccountsError::Mail`] when the configuration of mail is not one.
    pub fn new(
        config: AccountsConfig,
        pool: PgPool,
        log: EventLog,
        clock: Clock,
        random: Random,
        welcome: Arc<dyn Welcome>,
    ) -> Result<Self, AccountsError> {
        let limits = config.limits;
        Ok(Self(Arc::new(Inner {
            mailer: Mailer::new(&config.mail, &config.mail_from)?,
            private_targets: config.private_targets,
            jwt: Jwt::new(config.issuer, &config.jwt_key, limits.access_seconds),
            public_url: config.public_url.trim_end_matches('/').to_owned(),
            passwords: Passwords::new(limits.hashes_waiting_max),
            throttle: Mutex::new(Throttle::new(limits.failures_max, limits.address_failures_max)),
            logins: Cache::new(limits.cache_ms),
            agents: Cache::new(limits.cache_ms),
            limits,
            pool,
            log,
            clock,
            random,
            welcome,
        })))
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        // Every state of the counters is a sound one, also after a panic.
        self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a fact once, however often it is called with this key, which says all about it.
    async fn append_once(
        &self,
        key: String,
        stream: String,
        actor: Option<UserId>,
        fact: Fact,
    ) -> Result<(), AccountsError> {
        let request = Sha256Hash::of(key.as_bytes());
        let mut event = NewEvent::new(stream, fact);
        event.actor = actor;
        let operation = Operation::house(key, request);
        self.0.log.append_one(Some(operation), event).await?;
        Ok(())
    }
}

/// What is kept of a secret that was handed out.
fn hash_of(secret: &str) -> Sha256Hash {
    Sha256Hash::of(secret.as_bytes())
}
