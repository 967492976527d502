//! The access token: sent with each call, refreshed shortly before it ends.
//!
//! A refresh token works once, and using it twice looks like theft to the server. Programs that
//! share one store therefore take turns, and look into it again when their turn comes: another
//! program may have been faster.

use std::sync::Arc;

use medusa_api::Tokens;
use medusa_types::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// An access token is refreshed when it has less than this left.
const REFRESH_MS_BEFORE: i64 = 30_000;

/// Tokens, and when the access token ends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// For the `Authorization: Bearer` header.
    pub access_token: String,
    /// For the next refresh; a token from elsewhere has none.
    pub refresh_token: Option<String>,
    /// When the access token ends, by this machine's clock.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Session {
    /// A session that begins now.
    #[must_use]
    pub fn begin(tokens: Tokens) -> Self {
        let ms = i64::try_from(tokens.expires_in).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self {
            access_token: tokens.access_token,
            refresh_token: Some(tokens.refresh_token),
            expires_at: Some(now().plus_ms(ms)),
        }
    }

    fn is_ending(&self) -> bool {
        self.expires_at.is_some_and(|end| end.ms_since(now()) < REFRESH_MS_BEFORE)
    }
}

/// Where a session lives between runs of a program.
pub trait TokenStore: Send + Sync {
    /// The session as it is stored now.
    fn load(&self) -> Option<Session>;
    /// Keeps a session in place of the one before.
    fn save(&self, session: &Session);
    /// Waits for the turn to refresh; it ends when the answer is dropped. A store that no other
    /// program shares needs none. Called where blocking is allowed.
    fn turn(&self) -> Box<dyn Send> {
        Box::new(())
    }
}

/// The time by this machine's clock, which is what stored tokens are judged by.
#[must_use]
pub fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokens outlive the process, so it reads a clock"
    )]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.unwrap_or_default().as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[derive(Clone, Default)]
pub(crate) struct Auth {
    pub(crate) session: Arc<Mutex<Option<Session>>>,
    pub(crate) store: Option<Arc<dyn TokenStore>>,
}

/// What to do about the access token before a call.
pub(crate) enum Need {
    /// Send this one, or none.
    Ready(Option<String>),
    /// Get a new one with this refresh token.
    Refresh(String),
}

impl Auth {
    pub(crate) fn of(session: Option<Session>, store: Option<Arc<dyn TokenStore>>) -> Self {
        Self { session: Arc::new(Mutex::new(session)), store }
    }

    /// What `session` needs. `refused` is an access token that the server did not take.
    pub(crate) fn need(&self, session: &mut Option<Session>, refused: Option<&str>) -> Need {
        let stale = |s: &Session| s.is_ending() || refused == Some(s.access_token.as_str());
        if session.as_ref().is_some_and(stale) {
            self.look_again(session);
        }
        match session {
            Some(s) if stale(s) => match &s.refresh_token {
                Some(token) => Need::Refresh(token.clone()),
                None => Need::Ready(Some(s.access_token.clone())),
            },
            Some(s) => Need::Ready(Some(s.access_token.clone())),
            None => Need::Ready(None),
        }
    }

    /// Takes over what another program may have stored.
    fn look_again(&self, session: &mut Option<Session>) {
        if let Some(stored) = self.store.as_ref().and_then(|store| store.load()) {
            *session = Some(stored);
        }
    }

    pub(crate) async fn turn(&self) -> Option<Box<dyn Send>> {
        let store = Arc::clone(self.store.as_ref()?);
        tokio::task::spawn_blocking(move || store.turn()).await.ok()
    }

    pub(crate) fn keep(&self, session: &mut Option<Session>, tokens: Tokens) -> String {
        let fresh = Session::begin(tokens);
        let access = fresh.access_token.clone();
        if let Some(store) = &self.store {
            store.save(&fresh);
        }
        *session = Some(fresh);
        access
    }
}
