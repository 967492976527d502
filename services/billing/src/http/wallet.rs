//! Wallet, statement, prices and books.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use medusa_api::{Problem, StatementPage, Tariff, TrialBalance, Wallet};
use medusa_platform::{ApiError, Principal};
use medusa_types::Role;
use serde::{Deserialize, Serialize};

use crate::Billing;

/// Lines of a page when nobody says how many.
const PAGE: i64 = 50;

type Answer = Result<HttpResponse, ApiError>;

#[derive(Deserialize, utoipa::IntoParams)]
pub(super) struct PageQuery {
    /// Lines, at most 200.
    limit: Option<i64>,
    /// The cursor of the page before.
    after: Option<String>,
}

/// An answer that nobody on the way may keep.
fn private<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body)
}

/// Own balances.
#[utoipa::path(get, path = "/v1/wallet", tag = "billing", responses(
    (status = 200, description = "the balances", body = Wallet),
    (status = 401, description = "platform.unauthenticated", body = Problem),
))]
pub(super) async fn wallet(billing: Data<Billing>, who: Principal) -> Answer {
    Ok(private(&billing.wallet(who.user).await?))
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
    Ok(private(&billing.statement(who.user, limit, query.after.as_deref()).await?))
}

/// The prices that new quotes are made of. Public.
#[utoipa::path(get, path = "/v1/tariff", tag = "billing", responses(
    (status = 200, description = "the prices", body = Tariff),
))]
pub(super) async fn tariff(billing: Data<Billing>) -> HttpResponse {
    HttpResponse::Ok().json(billing.tariff())
}

/// The books by class. Admins only.
#[utoipa::path(get, path = "/v1/admin/trial-balance", tag = "billing", responses(
    (status = 200, description = "the books", body = TrialBalance),
    (status = 401, description = "platform.unauthenticated", body = Problem),
    (status = 403, description = "platform.forbidden", body = Problem),
))]
pub(super) async fn trial_balance(billing: Data<Billing>, who: Principal) -> Answer {
    who.require(Role::Admin)?;
    Ok(private(&billing.trial_balance().await?))
}
