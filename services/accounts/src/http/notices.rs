//! How a person is told outside the website.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use medusa_api::{MailChoice, NewWebhook, NewWebhookSecret, Notices, Problem};
use medusa_platform::{ApiError, Principal, idempotency_key};
use medusa_types::WebhookId;

use super::routes::private;
use crate::Accounts;

type Answer = Result<HttpResponse, ApiError>;

/// How one is told, and what was told lately.
#[utoipa::path(get, path = "/v1/notices", tag = "accounts", responses(
    (status = 200, description = "webhooks, mail and the last deliveries", body = Notices),
    (status = 401, description = "platform.unauthenticated", body = Problem),
))]
pub(super) async fn list(accounts: Data<Accounts>, who: Principal) -> Answer {
    Ok(private(StatusCode::OK, &accounts.notices(who.user).await?))
}

/// Chooses whether mail tells that a job has ended.
#[utoipa::path(put, path = "/v1/notices/mail", tag = "accounts", request_body = MailChoice,
    responses(
        (status = 204, description = "chosen"),
        (status = 401, description = "platform.unauthenticated", body = Problem),
    )
)]
pub(super) async fn mail(
    accounts: Data<Accounts>,
    who: Principal,
    choice: Json<MailChoice>,
) -> Answer {
    accounts.choose_mail(who.user, choice.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Adds an address that is told.
#[utoipa::path(post, path = "/v1/webhooks", tag = "accounts", request_body = NewWebhook,
    responses(
        (status = 201, description = "it is told from now on", body = NewWebhookSecret),
        (status = 400, description = "platform.key_missing, platform.key_refused", body = Problem),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 409, description = "accounts.too_many_webhooks", body = Problem),
        (status = 422, description = "accounts.webhook_refused, platform.key_reused",
            body = Problem),
    )
)]
pub(super) async fn add(
    accounts: Data<Accounts>,
    who: Principal,
    req: HttpRequest,
    wish: Json<NewWebhook>,
) -> Answer {
    let key = idempotency_key(&req)?;
    let added = accounts.add_webhook(who.user, &key, wish.into_inner()).await?;
    Ok(private(StatusCode::CREATED, &added))
}

/// Removes an address.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "accounts",
    params(("id" = String, Path, description = "the webhook")),
    responses(
        (status = 204, description = "it is told nothing any more"),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 404, description = "accounts.webhook_unknown", body = Problem),
    )
)]
pub(super) async fn remove(
    accounts: Data<Accounts>,
    who: Principal,
    id: Path<WebhookId>,
) -> Answer {
    accounts.remove_webhook(who.user, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sends a test to an address.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "accounts",
    params(("id" = String, Path, description = "the webhook")),
    responses(
        (status = 202, description = "on its way; see the last deliveries"),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 404, description = "accounts.webhook_unknown", body = Problem),
    )
)]
pub(super) async fn test(accounts: Data<Accounts>, who: Principal, id: Path<WebhookId>) -> Answer {
    accounts.test_webhook(who.user, *id).await?;
    Ok(HttpResponse::Accepted().finish())
}
