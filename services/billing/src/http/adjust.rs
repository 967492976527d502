//! Proposing adjustments and deciding on them. Deciding twice is refused, so that a repetition
//! needs no key of its own.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{Error, HttpRequest, HttpResponse};
use medusa_api::{Adjustment, NewAdjustment, Problem};
use medusa_platform::{ApiError, Principal, idempotency_key};
use medusa_types::{AdjustmentId, Role};

use super::{Answer, private};
use crate::{Billing, Decision};

/// Proposes an adjustment of the books, which a second admin decides. Admins only.
#[utoipa::path(post, path = "/v1/admin/adjustments", tag = "desk", request_body = NewAdjustment,
    responses(
        (status = 201, description = "it waits for a second admin", body = Adjustment),
        (status = 400, description = "platform.key_missing, platform.key_refused", body = Problem),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 403, description = "platform.forbidden, billing.own_account", body = Problem),
        (status = 422, description = "billing.account_unknown, billing.same_account, \
            billing.currency_mismatch, billing.amount_malformed, billing.amount_zero, \
            billing.amount_out_of_range, billing.text_length, platform.key_reused, each field \
            with its pointer", body = Problem),
    )
)]
pub(super) async fn propose(
    billing: Data<Billing>,
    who: Principal,
    req: HttpRequest,
    body: Result<Json<NewAdjustment>, Error>,
) -> Result<HttpResponse, Error> {
    // Who may not propose is told so, whatever the body is.
    who.require(Role::Admin)?;
    let key = idempotency_key(&req)?;
    let proposed = billing.propose(&who, &key, body?.into_inner()).await;
    let proposed = proposed.map_err(ApiError::from)?;
    Ok(private(StatusCode::CREATED, &proposed))
}

/// Makes an adjustment that another admin proposed. Admins only.
#[utoipa::path(post, path = "/v1/admin/adjustments/{id}/approve", tag = "desk",
    params(("id" = String, Path, description = "the adjustment")),
    responses(
        (status = 200, description = "it is in the log", body = Adjustment),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 402, description = "billing.credits_short: it stays proposed", body = Problem),
        (status = 403, description = "platform.forbidden, billing.second_person, \
            billing.own_account", body = Problem),
        (status = 404, description = "platform.not_found", body = Problem),
        (status = 409, description = "billing.adjustment_decided; billing.account_closed: it \
            stays proposed", body = Problem),
    )
)]
pub(super) async fn approve(
    billing: Data<Billing>,
    who: Principal,
    id: Path<AdjustmentId>,
) -> Answer {
    decide(&billing, &who, *id, Decision::Approve).await
}

/// Refuses an adjustment that another admin proposed. Admins only.
#[utoipa::path(post, path = "/v1/admin/adjustments/{id}/reject", tag = "desk",
    params(("id" = String, Path, description = "the adjustment")),
    responses(
        (status = 200, description = "it will not be made", body = Adjustment),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 403, description = "platform.forbidden, billing.second_person, \
            billing.own_account", body = Problem),
        (status = 404, description = "platform.not_found", body = Problem),
        (status = 409, description = "billing.adjustment_decided", body = Problem),
    )
)]
pub(super) async fn reject(
    billing: Data<Billing>,
    who: Principal,
    id: Path<AdjustmentId>,
) -> Answer {
    decide(&billing, &who, *id, Decision::Reject).await
}

/// Takes an own proposal back. Admins only.
#[utoipa::path(post, path = "/v1/admin/adjustments/{id}/withdraw", tag = "desk",
    params(("id" = String, Path, description = "the adjustment")),
    responses(
        (status = 200, description = "it will not be made", body = Adjustment),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 403, description = "platform.forbidden: also for the proposal of another",
            body = Problem),
        (status = 404, description = "platform.not_found", body = Problem),
        (status = 409, description = "billing.adjustment_decided", body = Problem),
    )
)]
pub(super) async fn withdraw(
    billing: Data<Billing>,
    who: Principal,
    id: Path<AdjustmentId>,
) -> Answer {
    decide(&billing, &who, *id, Decision::Withdraw).await
}

async fn decide(
    billing: &Billing,
    who: &Principal,
    id: AdjustmentId,
    decision: Decision,
) -> Answer {
    Ok(private(StatusCode::OK, &billing.decide(who, id, decision).await?))
}
