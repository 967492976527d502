//! What only the operator may do, with the key file of the server's own machine.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse, post};
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

    fn check(&self, req: &HttpRequest) -> Result<(), ApiError> {
        let sent = req.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let sent = sent.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
        // Compared as hashes, so that the time it takes says nothing about the key.
        let hash = |text: &str| medusa_types::Sha256Hash::of(text.as_bytes());
        if hash(sent) == hash(&self.token) { Ok(()) } else { Err(ApiError::not_found("page")) }
    }
}

/// The request comes from the operator. As the first argument of a handler it is looked at before
/// anything of the body: without the key nobody learns even that there is such a route.
pub(crate) struct ByOperator;

impl FromRequest for ByOperator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let operator = req.app_data::<Data<Operator>>();
        let refused = || Err(ApiError::not_found("page"));
        ready(operator.map_or_else(refused, |operator| operator.check(req)).map(|()| Self))
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
    _: ByOperator,
    accounts: Data<Accounts>,
    body: Json<Grant>,
) -> Result<HttpResponse, ApiError> {
    accounts.grant_role(&body.email, body.role).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, http::StatusCode};

    use super::*;
    use crate::http::runtimes;

    #[actix_web::test]
    async fn the_key_is_looked_at_before_the_body() {
        let key = Operator::new(&[7; 32]);
        let token = key.token.clone();
        let app = App::new().app_data(Data::new(key)).configure(configure);
        let app = init_service(app.configure(runtimes::configure)).await;
        for uri in ["/v1/operator/roles", "/v1/operator/runtimes", "/v1/operator/runtimes/x/retire"]
        {
            for wrong in [None, Some("Bearer x"), Some(token.as_str())] {
                let ask = TestRequest::post().uri(uri).set_payload("no JSON");
                let ask = match wrong {
                    None => ask,
                    Some(wrong) => ask.insert_header((AUTHORIZATION, wrong)),
                };
                let answer = call_service(&app, ask.to_request()).await;
                assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{uri} {wrong:?}");
            }
        }
        let right = (AUTHORIZATION, format!("Bearer {token}"));
        let ask = TestRequest::post().uri("/v1/operator/roles").insert_header(right);
        let answer = call_service(&app, ask.set_payload("no JSON").to_request()).await;
        assert_ne!(answer.status(), StatusCode::NOT_FOUND, "the key opens");
    }
}
