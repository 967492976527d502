//! Sign-up, login, tokens, and who one is.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use medusa_api::{Login, Me, Problem, Refresh, SignUp, Tokens};
use medusa_platform::{ApiError, Principal};

use super::routes::private;
use crate::Accounts;

type Answer = Result<HttpResponse, ApiError>;

/// The address that the connection comes from. Headers that name another one are not believed.
pub(super) fn address(req: &HttpRequest) -> IpAddr {
    req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

/// Makes an account.
#[utoipa::path(post, path = "/v1/signup", tag = "accounts", request_body = SignUp, responses(
    (status = 201, description = "the account is there and logged in", body = Tokens),
    (status = 409, description = "accounts.email_taken", body = Problem),
    (status = 422, description = "accounts.email_invalid, accounts.password_length, \
        accounts.name_invalid", body = Problem),
))]
pub(super) async fn sign_up(accounts: Data<Accounts>, form: Json<SignUp>) -> Answer {
    let user = accounts.sign_up(form.into_inner()).await?;
    Ok(private(StatusCode::CREATED, &accounts.issue(user).await?))
}

/// Logs in by password.
#[utoipa::path(post, path = "/v1/login", tag = "accounts", request_body = Login, responses(
    (status = 200, description = "logged in", body = Tokens),
    (status = 401, description = "accounts.login_refused", body = Problem),
    (status = 429, description = "accounts.too_many_tries", body = Problem),
))]
pub(super) async fn login(accounts: Data<Accounts>, req: HttpRequest, form: Json<Login>) -> Answer {
    let user = accounts.login(form.into_inner(), address(&req)).await?;
    Ok(private(StatusCode::OK, &accounts.issue(user).await?))
}

/// New tokens for a refresh token, which is used up.
#[utoipa::path(post, path = "/v1/tokens/refresh", tag = "accounts", request_body = Refresh,
    responses(
        (status = 200, description = "new tokens", body = Tokens),
        (status = 401, description = "accounts.refresh_refused, accounts.refresh_reused",
            body = Problem),
    )
)]
pub(super) async fn refresh(accounts: Data<Accounts>, form: Json<Refresh>) -> Answer {
    Ok(private(StatusCode::OK, &accounts.refresh(&form).await?))
}

/// Ends a refresh token; the access token ends by itself within minutes.
#[utoipa::path(post, path = "/v1/logout", tag = "accounts", request_body = Refresh, responses(
    (status = 204, description = "the token has ended"),
))]
pub(super) async fn logout(accounts: Data<Accounts>, form: Json<Refresh>) -> Answer {
    accounts.logout(&form).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who one is.
#[utoipa::path(get, path = "/v1/me", tag = "accounts", responses(
    (status = 200, description = "the person", body = Me),
    (status = 401, description = "platform.unauthenticated", body = Problem),
))]
pub(super) async fn me(accounts: Data<Accounts>, who: Principal) -> Answer {
    Ok(private(StatusCode::OK, &accounts.me(who.user).await?))
}
