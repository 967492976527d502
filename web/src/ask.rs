//! One visit of one page: who looks, in which theme, and how the answer leaves: as a page with its
//! security headers, as a redirect, or as a refusal in words.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use actix_web::body::BoxBody;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, HOST, HeaderName, LOCATION, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use askama::Template;
use medusa_api::Problem;
use medusa_platform::auth::{COOKIE, COOKIE_SECURE, Via, login_cookie, same_origin};
use medusa_platform::{ApiError, Principal};

use crate::Site;
use crate::link::encode;
use crate::port::{Data, DeskAccess, Visitor};
use crate::show;

/// Nothing from elsewhere, nothing inline. Trusted types refuse every way from text to markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The cookie that keeps the chosen theme. Scripts may read it.
const THEME_COOKIE: &str = "theme";
const YEAR: Duration = Duration::days(365);

/// What a page handler knows of its request.
pub(crate) struct Ask {
    site: web::Data<Site>,
    /// Who looks, if logged in.
    pub(crate) visitor: Option<Visitor>,
    cookie: Option<String>,
    theme: Option<&'static str>,
    /// Path and query, to come back to.
    pub(crate) here: String,
    /// Scheme and host, as the visitor typed them.
    pub(crate) origin: String,
    same_site: bool,
    /// The network address that the request came from.
    pub(crate) from: IpAddr,
}

/// Why there is no page.
pub(crate) enum Refusal {
    /// The visitor has to log in first.
    Login,
    /// Anything else.
    Problem(Box<Problem>),
}

impl From<ApiError> for Refusal {
    fn from(ApiError(problem): ApiError) -> Self {
        if problem.status == 401 { Self::Login } else { Self::Problem(problem) }
    }
}

/// What becomes of a visit.
pub(crate) type Shown = Result<HttpResponse, Refusal>;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    ask: &'a Ask,
    problem: &'a Problem,
}

impl FromRequest for Ask {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Some(site) = req.app_data::<web::Data<Site>>().cloned() else {
                return Err(actix_web::error::ErrorInternalServerError("no site"));
            };
            let cookie = login_cookie(&req);
            let visitor = match &cookie {
                // A page for everybody must still come when accounts do not answer.
                Some(value) => site.data.visitor(value).await.ok().flatten(),
                None => None,
            };
            Ok(Self::new(&req, site, cookie, visitor))
        })
    }
}

impl Ask {
    fn new(
        req: &HttpRequest,
        site: web::Data<Site>,
        cookie: Option<String>,
        visitor: Option<Visitor>,
    ) -> Self {
        let theme = match req.cookie(THEME_COOKIE).as_ref().map(Cookie::value) {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        let header = |name| req.headers().get(name).and_then(|v| v.to_str().ok());
        let scheme = if site.secure { "https" } else { "http" };
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            from: req.peer_addr().map_or(unknown, |peer| peer.ip()),
            visitor,
            cookie,
            theme,
            here: req.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            origin: format!("{scheme}://{}", header(HOST.as_str()).unwrap_or("localhost")),
            same_site: same_origin(header(ORIGIN.as_str()), header(HOST.as_str())),
            site,
        }
    }

    /// The services.
    pub(crate) fn data(&self) -> &dyn Data {
        &*self.site.data
    }

    /// The person who is logged in.
    pub(crate) fn who(&self) -> Result<&Principal, Refusal> {
        self.visitor.as_ref().map(|v| &v.principal).ok_or(Refusal::Login)
    }

    /// The person who is logged in, if the audit desk is open to them so far.
    pub(crate) fn desk(&self, wanted: DeskAccess) -> Result<&Principal, Refusal> {
        let who = self.who()?;
        if self.desk_access() >= wanted {
            return Ok(who);
        }
        let role = if wanted == DeskAccess::Act { "admin" } else { "admin or auditor" };
        let detail = format!("this needs the role {role}, which your account does not have");
        Err(ApiError::new(403, "platform.forbidden", "not allowed", detail).into())
    }

    fn desk_access(&self) -> DeskAccess {
        self.visitor.as_ref().map_or(DeskAccess::None, |visitor| visitor.desk)
    }

    /// The value of the login cookie.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Refuses a form that another site sent. Enough where there is no login yet to misuse.
    pub(crate) fn own_origin(&self) -> Result<(), Refusal> {
        self.own_form(self.csrf())
    }

    /// Refuses a form that was not on this site's own page for this login.
    pub(crate) fn own_form(&self, csrf: &str) -> Result<(), Refusal> {
        if self.same_site && same_token(csrf, self.csrf()) {
            return Ok(());
        }
        let detail = "the form did not come from this site's own page; reload it and try again";
        Err(ApiError::new(403, "platform.csrf", "request from another site", detail).into())
    }

    /// Waits for a page, and puts a refusal in its place if there is one.
    pub(crate) async fn show(&self, page: impl Future<Output = Shown>) -> HttpResponse {
        match page.await {
            Ok(answer) => answer,
            Err(Refusal::Login) => self.go(&format!("/login?next={}", encode(&self.here))),
            Err(Refusal::Problem(problem)) => self.problem(&problem),
        }
    }

    /// A page.
    pub(crate) fn page(&self, template: &impl Template) -> Shown {
        Ok(self.html(StatusCode::OK, template))
    }

    /// A page with another status than 200.
    pub(crate) fn html(&self, status: StatusCode, template: &impl Template) -> HttpResponse {
        let body = match template.render() {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "a page could not be written");
                return HttpResponse::InternalServerError().finish();
            }
        };
        let mut answer = HttpResponse::build(status);
        answer
            .insert_header(ContentType::html())
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            // Not `no-referrer`: with it, browsers send `Origin: null` with our own forms.
            .insert_header((REFERRER_POLICY, "same-origin"))
            .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
            .insert_header((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
            .insert_header((
                HeaderName::from_static("permissions-policy"),
                "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            ))
            // Every page names its visitor in the header.
            .insert_header((CACHE_CONTROL, "no-store"));
        if self.site.secure {
            let value = "max-age=31536000; includeSubDomains";
            answer.insert_header((HeaderName::from_static("strict-transport-security"), value));
        }
        answer.body(body)
    }

    /// A refusal in words.
    pub(crate) fn problem(&self, problem: &Problem) -> HttpResponse {
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.html(status, &ProblemPage { ask: self, problem })
    }

    /// Sends the visitor to another page of this site.
    pub(crate) fn go(&self, path: &str) -> HttpResponse {
        HttpResponse::SeeOther()
            .insert_header((LOCATION, path))
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish()
    }

    /// Adds the login cookie to an answer; an empty value takes it away.
    pub(crate) fn set_login(&self, answer: &mut HttpResponse<BoxBody>, value: &str, seconds: i64) {
        let name = if self.site.secure { COOKIE_SECURE } else { COOKIE };
        let cookie = Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .secure(self.site.secure)
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(seconds))
            .finish();
        add_cookie(answer, &cookie);
    }

    /// Remembers a theme; the system's own when it is neither light nor dark.
    pub(crate) fn set_theme(&self, answer: &mut HttpResponse<BoxBody>, theme: &str) {
        let known = matches!(theme, "light" | "dark");
        let cookie = Cookie::build(THEME_COOKIE, if known { theme } else { "" })
            .path("/")
            .same_site(SameSite::Lax)
            .max_age(if known { YEAR } else { Duration::ZERO })
            .finish();
        add_cookie(answer, &cookie);
    }

    // What templates ask.

    pub(crate) fn asset(&self, name: &str) -> String {
        self.site.assets.address(name)
    }

    pub(crate) fn csrf(&self) -> &str {
        match self.visitor.as_ref().map(|v| &v.principal.via) {
            Some(Via::Cookie { csrf }) => csrf,
            _ => "",
        }
    }

    pub(crate) fn theme(&self) -> &'static str {
        self.theme.unwrap_or("system")
    }

    pub(crate) fn reads_desk(&self) -> bool {
        self.desk_access() >= DeskAccess::Read
    }

    pub(crate) fn acts_at_desk(&self) -> bool {
        self.desk_access() == DeskAccess::Act
    }

    /// `page` for the link to where the visitor is, else `false`.
    pub(crate) fn current(&self, path: &str) -> &'static str {
        if self.path() == path { "page" } else { "false" }
    }

    /// The same for the link to a part of the site: `true` on the pages under it.
    pub(crate) fn within(&self, path: &str) -> &'static str {
        match self.path().strip_prefix(path) {
            Some("") => "page",
            Some(rest) if rest.starts_with('/') => "true",
            _ => "false",
        }
    }

    fn path(&self) -> &str {
        self.here.split('?').next().unwrap_or_default()
    }
}

fn add_cookie(answer: &mut HttpResponse<BoxBody>, cookie: &Cookie<'_>) {
    if let Err(error) = answer.add_cookie(cookie) {
        tracing::error!(%error, "a cookie could not be set");
    }
}

/// Compares without telling by its time where two tokens differ.
fn same_token(a: &str, b: &str) -> bool {
    let differ = a.bytes().zip(b.bytes()).fold(0, |acc, (x, y)| acc | (x ^ y));
    a.len() == b.len() && differ == 0
}

/// Whether a path leads to a page of this site and nowhere else.
pub(crate) fn local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(['\\', '\r', '\n', '\t'])
        && path.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_own_paths_are_come_back_to() {
        assert!(local("/app/jobs?after=x"));
        for path in ["", "app", "//evil.test", "/\\evil.test", "https://evil.test", "/a\r\nb"] {
            assert!(!local(path), "{path:?}");
        }
    }
}
