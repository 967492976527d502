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

/// Believes `ann`, the admins `root` and `rita`, and the auditor `audrey`.
struct Names;

impl Authenticator for Names {
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        let person = |n, roles| Some(Principal { user: user(n), roles, via: Via::Bearer });
        Box::pin(async move {
            Ok(match token {
                "ann" => person(1, vec![Role::Consumer]),
                "root" => person(2, vec![Role::Admin]),
                "rita" => person(3, vec![Role::Admin]),
                "audrey" => person(4, vec![Role::Auditor]),
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

async fn call(world: &World, who: &str, request: TestRequest) -> (u16, Value) {
    let names: Arc<dyn Authenticator> = Arc::new(Names);
    let app = App::new()
        .app_data(web::Data::new(world.billing.clone()))
        .app_data(web::Data::from(names))
        .configure(configure);
    let request = request.insert_header((AUTHORIZATION, format!("Bearer {who}")));
    let answer = call_service(&init_service(app).await, request.to_request()).await;
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read_body(answer).await).unwrap_or_default())
}

async fn get(world: &World, who: &str, path: &str) -> (u16, Value) {
    call(world, who, TestRequest::get().uri(path)).await
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
    ];
    for (path, expected) in table {
        for (who, status) in ["nobody", "ann", "root"].into_iter().zip(expected) {
            assert_eq!(get(&world, who, path).await.0, status, "{who} at {path}");
        }
        assert!(openapi().paths.paths.contains_key(path), "{path} is not described");
    }
    for path in ["", "/{id}/approve", "/{id}/reject", "/{id}/withdraw"] {
        let path = format!("/v1/admin/adjustments{path}");
        assert!(openapi().paths.paths.contains_key(&path), "{path} is not described");
        let path = path.replace("{id}", "adj_00000000000000000000000000000001");
        let callers = [("nobody", 401), ("ann", 403), ("audrey", 403)];
        for (who, status) in callers {
            let request = TestRequest::post().uri(&path).insert_header(("Idempotency-Key", "k"));
            let found = call(&world, who, request.set_json(proposal("1"))).await.0;
            assert_eq!(found, status, "{who} at {path}");
        }
    }
}

fn proposal(amount: &str) -> Value {
    json!({
        "account": format!("consumer.promo:{}", user(1)),
        "amount": amount,
        "reason": "goodwill",
        "explanation": "it took us a week",
        "ticket": "https://tickets.test/17",
    })
}

#[actix_web::test]
async fn an_adjustment_is_proposed_and_made_over_http() {
    let world = World::new().await;
    world.billing.grant_welcome(user(1)).await.unwrap();
    let path = "/v1/admin/adjustments";
    let post = |who, path: String, key: Option<&str>, body: Value| {
        let mut request = TestRequest::post().uri(&path).set_json(body);
        if let Some(key) = key {
            request = request.insert_header(("Idempotency-Key", key));
        }
        call(&world, who, request)
    };
    let (status, problem) = post("root", path.into(), None, proposal("5")).await;
    assert_eq!((status, &problem["code"]), (400, &json!("platform.key_missing")));
    let (status, made) = post("root", path.into(), Some("k"), proposal("5")).await;
    assert_eq!(
        (status, &made["state"], &made["amount"]),
        (201, &json!("proposed"), &json!("5.00"))
    );
    let (status, again) = post("root", path.into(), Some("k"), proposal("5")).await;
    assert_eq!((status, &again), (201, &made));
    let (status, problem) = post("root", path.into(), Some("k"), proposal("6")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("platform.key_reused")));
    let (status, problem) = post("root", path.into(), Some("l"), proposal("0")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("billing.amount_zero")));
    assert_eq!(problem["errors"][0]["pointer"], "/amount");

    let approve = format!("{path}/{}/approve", made["id"].as_str().unwrap());
    let (status, problem) = post("root", approve.clone(), None, Value::Null).await;
    assert_eq!((status, &problem["code"]), (403, &json!("billing.second_person")));
    let (status, made) = post("rita", approve.clone(), None, Value::Null).await;
    assert_eq!((status, &made["state"]), (200, &json!("approved")));
    assert_eq!(made["position"], json!(world.log.head()));
    let (status, again) = post("rita", approve.clone(), None, Value::Null).await;
    assert_eq!((status, &again), (200, &made), "the answer was perhaps lost");
    let (status, problem) = post("root", approve, None, Value::Null).await;
    assert_eq!((status, &problem["code"]), (409, &json!("billing.adjustment_decided")));
    let (_, wallet) = get(&world, "ann", "/v1/wallet").await;
    assert_eq!(wallet["available"], "105.00");
}
