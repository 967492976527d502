//! The routes, as a caller sees them.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use medusa_platform::auth::BoxFuture;
use medusa_platform::{AgentPrincipal, ApiError, Authenticator, Principal, Via};
use medusa_types::Role;
use serde_json::{Value, json};

use super::world::{World, user};
use crate::{configure, openapi};

/// Believes `ann` and `root`.
struct Names;

impl Authenticator for Names {
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        let person = |n, roles| Some(Principal { user: user(n), roles, via: Via::Bearer });
        Box::pin(async move {
            Ok(match token {
                "ann" => person(1, vec![Role::Consumer]),
                "root" => person(2, vec![Role::Admin]),
                _ => None,
            })
        })
    }

    fn cookie<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        Box::pin(async { Ok(None) })
    }

    fn agent<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<AgentPrincipal>, ApiError>> {
        Box::pin(async { Ok(None) })
    }
}

async fn get(world: &World, who: &str, path: &str) -> (u16, Value) {
    let names: Arc<dyn Authenticator> = Arc::new(Names);
    let app = App::new()
        .app_data(web::Data::new(world.billing.clone()))
        .app_data(web::Data::from(names))
        .configure(configure);
    let request = TestRequest::get().uri(path);
    let request = request.insert_header((AUTHORIZATION, format!("Bearer {who}")));
    let answer = call_service(&init_service(app).await, request.to_request()).await;
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read_body(answer).await).unwrap_or_default())
}

#[actix_web::test]
async fn a_person_reads_wallet_and_statement() {
    let world = World::new().await;
    world.billing.grant_welcome(user(1)).await.unwrap();
    let (status, wallet) = get(&world, "ann", "/v1/wallet").await;
    assert_eq!((status, &wallet["available"]), (200, &json!("100.00")));
    let (status, page) = get(&world, "ann", "/v1/wallet/statement?limit=1").await;
    assert_eq!((status, &page["items"][0]["in_words"]), (200, &json!("Welcome gift")));
    let (status, problem) = get(&world, "ann", "/v1/wallet/statement?after=never").await;
    assert_eq!((status, &problem["code"]), (400, &json!("platform.cursor_refused")));
}

#[actix_web::test]
async fn every_route_knows_who_may_call_it() {
    let world = World::new().await;
    let table = [
        ("/v1/wallet", [401, 200, 200]),
        ("/v1/wallet/statement", [401, 200, 200]),
        ("/v1/tariff", [200, 200, 200]),
        ("/v1/admin/trial-balance", [401, 403, 200]),
    ];
    for (path, expected) in table {
        for (who, status) in ["nobody", "ann", "root"].into_iter().zip(expected) {
            assert_eq!(get(&world, who, path).await.0, status, "{who} at {path}");
        }
        assert!(openapi().paths.paths.contains_key(path), "{path} is not described");
    }
}
