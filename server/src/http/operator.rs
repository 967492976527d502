//! What only the operator may do, with the key file of the server's own machine.

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, post};
use medusa_accounts::Accounts;
use medusa_platform::ApiError;
use medusa_types::Role;
use serde::Deserialize;

use crate::admin::operator_token;

/// Knows the operator's key.
pub(crate) struct Operator {
    token: String,
}

impl Operator {
    /// With this key.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { token: operator_token(key) }
    }

    pub(crate) fn check(&self, req: &HttpRequest) -> Result<(), ApiError> {
        let sent = req.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let sent = sent.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
        // Compared as hashes, so that the time it takes says nothing about the key.
        let hash = |text: &str| medusa_types::Sha256Hash::of(text.as_bytes());
        if hash(sent) == hash(&self.token) { Ok(()) } else { Err(ApiError::not_found("page")) }
    }
}

/// Registers the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(grant_role);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    email: String,
    role: Role,
}

#[post("/v1/operator/roles")]
async fn grant_role(
    operator: Data<Operator>,
    accounts: Data<Accounts>,
    req: HttpRequest,
    body: Json<Grant>,
) -> Result<HttpResponse, ApiError> {
    operator.check(&req)?;
    accounts.grant_role(&body.email, body.role).await?;
    Ok(HttpResponse::NoContent().finish())
}
