//! Wallet, statement and prices.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use medusa_api::{Problem, StatementPage, Tariff, Wallet};
use medusa_platform::Principal;
use serde::Deserialize;

use super::{Answer, private};
use crate::Billing;

/// Lines of a page when nobody says how many.
const PAGE: i64 = 50;

#[derive(Deserialize, utoipa::IntoParams)]
pub(super) struct PageQuery {
    /// Lines, at most 200.
    limit: Option<i64>,
    /// The cursor of the page before.
    after: Option<String>,
}

/// Own balances.
#[utoipa::path(get, path = "/v1/wallet", tag = "billing", responses(
    (status = 200, description = "the balances", body = Wallet),
    (status = 401, description = "platform.unauthenticated", body = Problem),
))]
pub(super) async fn wallet(billing: Data<Billing>, who: Principal) -> Answer {
    Ok(private(StatusCode::OK, &billing.wallet(who.user).await?))
}

/// Own movements, newest first.
#[utoipa::path(get, path = "/v1/wallet/statement", tag = "billing", params(PageQuery), responses(
    (status = 200, description = "the lines", body = StatementPage),
    (status = 400, description = "platform.cursor_refused", body = Problem),
    (status = 401, description = "platform.unauthenticated", body = Problem),
))]
pub(super) async fn statement(
    billing: Data<Billing>,
    who: Principal,
    query: Query<PageQuery>,
) -> Answer {
    let limit = query.limit.unwrap_or(PAGE);
    Ok(private(StatusCode::OK, &billing.statement(who.user, limit, query.after.as_deref()).await?))
}

/// The prices that new quotes are made of. Public.
#[utoipa::path(get, path = "/v1/tariff", tag = "billing", responses(
    (status = 200, description = "the prices", body = Tariff),
))]
pub(super) async fn tariff(billing: Data<Billing>) -> HttpResponse {
    HttpResponse::Ok().json(billing.tariff())
}
