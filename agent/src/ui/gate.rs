//! Who may see and do what on the local page.
//!
//! The printed link carries a code in its fragment, which browsers do not send on. The page hands
//! it in once, and gets a cookie that no other site can use and no script can read. Its name
//! holds the port, because cookies ignore ports. Plain forms cannot send a header of their own;
//! they carry a token instead, which only the page itself has. The next code is in
//! `<data>/page.url`, for the owner.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::{future, io};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use medusa_types::Sha256Hash;

use super::serve::Shown;
use crate::{chance, disk};

/// A header that a form of another site cannot send.
pub(super) const OWN_HEADER: HeaderName = HeaderName::from_static("x-medusa");
/// What plain forms send.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The secrets of one page.
#[derive(Debug)]
pub(crate) struct Gate {
    port: u16,
    session: String,
    /// In every form of the page.
    token: String,
    code: Mutex<String>,
    /// Where the owner finds the next link.
    file: PathBuf,
}

impl Gate {
    /// A gate with new secrets.
    pub(crate) fn new(port: u16, file: PathBuf) -> io::Result<Self> {
        let (session, token) = (chance::secret(), chance::secret());
        let code = Mutex::new(chance::secret());
        let gate = Self { port, session, token, code, file };
        disk::write(&gate.file, gate.link().as_bytes())?;
        Ok(gate)
    }

    /// The link that opens the page once.
    pub(crate) fn link(&self) -> String {
        let code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        format!("http://127.0.0.1:{}/#{code}", self.port)
    }

    /// The cookie for whoever knows the code, which then is used up.
    pub(crate) fn open(&self, code: &str) -> Option<Cookie<'static>> {
        {
            let mut expected = self.code.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_same(code, &expected) {
                return None;
            }
            *expected = chance::secret();
        }
        if let Err(error) = disk::write(&self.file, self.link().as_bytes()) {
            tracing::warn!(%error, "the next link to this page was not written");
        }
        let cookie = Cookie::build(self.cookie(), self.session.clone());
        Some(cookie.path("/").http_only(true).same_site(SameSite::Strict).finish())
    }

    /// What a form of this page carries.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    fn cookie(&self) -> String {
        format!("medusa-agent-{}", self.port)
    }

    fn is_owner(&self, request: &HttpRequest) -> bool {
        request.cookie(&self.cookie()).is_some_and(|c| is_same(c.value(), &self.session))
    }

    /// Why a request is refused, if it is.
    fn objection(&self, request: &HttpRequest) -> Option<(StatusCode, &'static str)> {
        let hosts = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let Some(host) = only(request.headers(), &HOST).filter(|h| hosts.iter().any(|o| o == h))
        else {
            return Some((StatusCode::MISDIRECTED_REQUEST, "this page has another address"));
        };
        if request.uri().authority().is_some_and(|authority| authority.as_str() != host) {
            return Some((StatusCode::MISDIRECTED_REQUEST, "this page has another address"));
        }
        let site = request.headers().get(FETCH_SITE).map(|site| site.as_bytes());
        let is_own_site = matches!(site, None | Some(b"same-origin" | b"none"));
        match *request.method() {
            // A link on another site may lead here, and finds the page locked.
            Method::GET | Method::HEAD if is_own_site || request.path() == "/" => None,
            Method::POST
                if is_own_site
                    && only(request.headers(), &ORIGIN) == Some(&format!("http://{host}"))
                    && (request.headers().contains_key(OWN_HEADER) || is_form(request)) =>
            {
                None
            }
            Method::GET | Method::HEAD | Method::POST => {
                Some((StatusCode::FORBIDDEN, "only this page itself may ask that"))
            }
            _ => Some((StatusCode::METHOD_NOT_ALLOWED, "this page has no such method")),
        }
    }
}

/// The middleware: answers a refused request itself.
pub(crate) async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let shown = request.app_data::<web::Data<Shown>>();
    let missing = (StatusCode::INTERNAL_SERVER_ERROR, "the page has no gate");
    let objection = shown.map_or(Some(missing), |s| s.gate.objection(request.request()));
    match objection {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some((status, why)) => {
            let answer = HttpResponse::build(status).body(why);
            Ok(request.into_response(answer).map_into_right_body())
        }
    }
}

/// Headers of every answer.
pub(crate) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Content-Security-Policy", POLICY))
        .add(("X-Frame-Options", "DENY"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "same-origin"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
        .add(("Cache-Control", "no-store"))
}

/// A browser that was opened with the secret. Without it the answer is 401.
pub(crate) struct Owner;

impl FromRequest for Owner {
    type Error = Error;
    type Future = future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shown = request.app_data::<web::Data<Shown>>();
        let is_owner = shown.is_some_and(|shown| shown.gate.is_owner(request));
        let refused = || actix_web::error::ErrorUnauthorized("open the link that the agent shows");
        future::ready(if is_owner { Ok(Self) } else { Err(refused()) })
    }
}

/// What a change carries, sent by the owner from the page itself: its script, or a form with the
/// token. Anything else is 401 or 403.
pub(crate) struct Change {
    /// The form's fields, encoded.
    pub(crate) fields: String,
    /// Whether the script sent it; a plain form is led back to the page.
    pub(crate) is_script: bool,
}

impl FromRequest for Change {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let owner = Owner::from_request(request, payload).into_inner();
        let shown = request.app_data::<web::Data<Shown>>().cloned();
        let is_script = request.headers().contains_key(OWN_HEADER);
        let body = String::from_request(request, payload);
        Box::pin(async move {
            owner?;
            let fields = body.await?;
            let is_ours = |shown: web::Data<Shown>| is_same(&token_in(&fields), &shown.gate.token);
            if !is_script && !shown.is_some_and(is_ours) {
                let why = "only this page itself may ask that";
                return Err(actix_web::error::ErrorForbidden(why));
            }
            Ok(Self { fields, is_script })
        })
    }
}

fn is_form(request: &HttpRequest) -> bool {
    only(request.headers(), &CONTENT_TYPE) == Some(FORM)
}

fn token_in(fields: &str) -> String {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(fields);
    let mut pairs = pairs.map_or_else(|_| Vec::new(), web::Query::into_inner).into_iter();
    pairs.find(|(name, _)| name == "token").map(|(_, token)| token).unwrap_or_default()
}

/// The value of a header that must come exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Compares digests, so that the time it takes tells nothing about the secret.
fn is_same(given: &str, secret: &str) -> bool {
    Sha256Hash::of(given.as_bytes()) == Sha256Hash::of(secret.as_bytes())
}
