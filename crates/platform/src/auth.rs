//! Who is asking. Routes take [`Principal`] or [`AgentPrincipal`] as an argument; without one they
//! are public. The accounts service answers behind [`Authenticator`].
//!
//! A cookie alone never writes: unsafe methods need the login's CSRF token beside it, and an
//! `Origin` that is this site.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use medusa_types::{AgentId, Role, UserId};

use crate::ApiError;

/// The header that carries the CSRF token.
pub const CSRF_HEADER: &str = "X-CSRF-Token";
/// The cookie of a login, over plain HTTP.
pub const COOKIE: &str = "medusa";
/// The cookie of a login, over TLS.
pub const COOKIE_SECURE: &str = "__Host-medusa";

/// A future that borrows.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a person proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// An access token in the `Authorization` header.
    Bearer,
    /// A browser's cookie; writes must carry this CSRF token.
    Cookie {
        /// Bound to the login.
        csrf: String,
    },
}

/// A person who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user: UserId,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// How we know.
    pub via: Via,
}

impl Principal {
    /// Whether the person has this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Refuses everybody without this role.
    ///
    /// # Errors
    /// `platform.forbidden`, 403.
    pub fn require(&self, role: Role) -> Result<(), ApiError> {
        if self.has(role) {
            return Ok(());
        }
        let detail = format!("this needs the role {role}, which your account does not have");
        Err(ApiError::new(403, "platform.forbidden", "not allowed", detail))
    }
}

/// A lent machine that is connected with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPrincipal {
    /// The machine.
    pub agent: AgentId,
    /// Who lends it.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: String,
}

/// Knows people and machines by what they present. `None` means that it is not valid (any more).
pub trait Authenticator: Send + Sync {
    /// By access token.
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>>;
    /// By the value of a login cookie.
    fn cookie<'a>(&'a self, value: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>>;
    /// By an agent's key.
    fn agent<'a>(&'a self, key: &'a str)
    -> BoxFuture<'a, Result<Option<AgentPrincipal>, ApiError>>;
}

fn unauthenticated() -> ApiError {
    ApiError::new(
        401,
        "platform.unauthenticated",
        "not logged in",
        "log in, or send a valid access token in the Authorization header",
    )
}

fn authenticator(req: &HttpRequest) -> Result<Arc<dyn Authenticator>, ApiError> {
    req.app_data::<web::Data<dyn Authenticator>>()
        .map(|data| Arc::clone(data))
        .ok_or_else(unauthenticated)
}

fn bearer_token(req: &HttpRequest) -> Option<String> {
    let value = req.headers().get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

/// The value of the login cookie, if there is one.
#[must_use]
pub fn login_cookie(req: &HttpRequest) -> Option<String> {
    let cookie = req.cookie(COOKIE_SECURE).or_else(|| req.cookie(COOKIE))?;
    Some(cookie.value().to_owned())
}

/// Refuses a write that a foreign page could have made.
fn check_csrf(req: &HttpRequest, csrf: &str) -> Result<(), ApiError> {
    if matches!(*req.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let header = |name| req.headers().get(name).and_then(|v| v.to_str().ok());
    let sent = req.headers().get(CSRF_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let same_token = bool::from(subtle::ConstantTimeEq::ct_eq(sent.as_bytes(), csrf.as_bytes()));
    if same_token && same_origin(header(ORIGIN.as_str()), header(HOST.as_str())) {
        return Ok(());
    }
    let detail =
        "the request did not come from this site's own page; reload the page and try again";
    Err(ApiError::new(403, "platform.csrf", "request from another site", detail))
}

/// Whether an `Origin` header names the host that was asked. Browsers always send it with a write.
#[must_use]
pub fn same_origin(origin: Option<&str>, host: Option<&str>) -> bool {
    match (origin, host) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
        (Some(_), None) => false,
    }
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let known = authenticator(&req)?;
            if let Some(token) = bearer_token(&req) {
                return known.bearer(&token).await?.ok_or_else(unauthenticated);
            }
            let value = login_cookie(&req).ok_or_else(unauthenticated)?;
            let principal = known.cookie(&value).await?.ok_or_else(unauthenticated)?;
            if let Via::Cookie { csrf } = &principal.via {
                check_csrf(&req, csrf)?;
            }
            Ok(principal)
        })
    }
}

impl FromRequest for AgentPrincipal {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        // An agent is a program: a request that a browser page made is refused whatever it holds.
        if req.headers().contains_key(ORIGIN) {
            return Box::pin(ready(Err(unauthenticated())));
        }
        let req = req.clone();
        Box::pin(async move {
            let token = bearer_token(&req).ok_or_else(unauthenticated)?;
            authenticator(&req)?.agent(&token).await?.ok_or_else(unauthenticated)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::same_origin;

    #[test]
    fn only_the_own_origin_writes() {
        assert!(same_origin(Some("http://127.0.0.1:7700"), Some("127.0.0.1:7700")));
        assert!(same_origin(None, Some("a")));
        for origin in ["null", "http://evil.test", "http://127.0.0.1:7700.evil.test", ""] {
            assert!(!same_origin(Some(origin), Some("127.0.0.1:7700")), "{origin}");
        }
        assert!(!same_origin(Some("http://a"), None));
    }
}
