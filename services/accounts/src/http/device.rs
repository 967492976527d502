//! The device flow that enrols agents.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use medusa_api::{
    Agent, DeviceApproval, DeviceCode, DevicePoll, DeviceRequest, DeviceToken, Problem,
};
use medusa_platform::{ApiError, Principal};

use super::people::address;
use super::routes::private;
use crate::Accounts;

type Answer = Result<HttpResponse, ApiError>;

/// A machine asks to be enrolled.
#[utoipa::path(post, path = "/v1/device", tag = "accounts", request_body = DeviceRequest,
    responses(
        (status = 200, description = "the code to show", body = DeviceCode),
        (status = 422, description = "accounts.name_invalid", body = Problem),
        (status = 503, description = "platform.busy: too many machines wait", body = Problem),
    )
)]
pub(super) async fn request(
    accounts: Data<Accounts>,
    req: HttpRequest,
    form: Json<DeviceRequest>,
) -> Answer {
    let code = accounts.device_request(form.into_inner(), address(&req)).await?;
    Ok(private(StatusCode::OK, &code))
}

/// The owner confirms a machine.
#[utoipa::path(post, path = "/v1/device/approve", tag = "accounts", request_body = DeviceApproval,
    responses(
        (status = 200, description = "the machine is enrolled", body = Agent),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 403, description = "platform.forbidden", body = Problem),
        (status = 404, description = "accounts.device_code_unknown", body = Problem),
        (status = 422, description = "accounts.name_invalid", body = Problem),
        (status = 429, description = "accounts.too_many_tries", body = Problem),
    )
)]
pub(super) async fn approve(
    accounts: Data<Accounts>,
    who: Principal,
    form: Json<DeviceApproval>,
) -> Answer {
    Ok(private(StatusCode::OK, &accounts.device_approve(&who, &form).await?))
}

/// The machine asks whether it was confirmed.
#[utoipa::path(post, path = "/v1/device/token", tag = "accounts", request_body = DevicePoll,
    responses(
        (status = 200, description = "its key, given out once", body = DeviceToken),
        (status = 400, description = "accounts.device_pending, accounts.device_expired",
            body = Problem),
    )
)]
pub(super) async fn poll(accounts: Data<Accounts>, form: Json<DevicePoll>) -> Answer {
    Ok(private(StatusCode::OK, &accounts.device_poll(&form).await?))
}
