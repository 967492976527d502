//! The routes, as a caller sees them.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use medusa_platform::auth::BoxFuture;
use medusa_platform::{AgentPrincipal, ApiError, Authenticator, Principal, Via};
use medusa_types::Role;
use serde_json::{Value, json};

use super::world::{World, user};
use crate::{configure, openapi};

/// Believes `ann`.
struct Names;

impl Authenticator for Names {
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        let ann = Principal { user: user(1), roles: vec![Role::Consumer], via: Via::Bearer };
        Box::pin(async move { Ok((token == "ann").then_some(ann)) })
    }

    fn cookie<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        Box::pin(async { Ok(None) })
    }

    fn agent<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<AgentPrincipal>, ApiError>> {
        Box::pin(async { Ok(None) })
    }
}

/// Status, `Retry-After` and body of the answer.
async fn post(world: &World, who: &str, path: &str) -> (u16, Option<String>, Value) {
    let names: Arc<dyn Authenticator> = Arc::new(Names);
    let app = App::new()
        .app_data(web::Data::new(world.ads.clone()))
        .app_data(web::Data::from(names))
        .configure(configure);
    let request = TestRequest::post().uri(path).set_json(json!({}));
    let request = request.insert_header((AUTHORIZATION, format!("Bearer {who}")));
    let answer = call_service(&init_service(app).await, request.to_request()).await;
    let status = answer.status().as_u16();
    let after = answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    (status, after, serde_json::from_slice(&read_body(answer).await).unwrap_or_default())
}

#[actix_web::test]
async fn a_person_watches_and_is_paid() {
    let world = World::new().await;
    let (status, _, offer) = post(&world, "ann", "/v1/ads/offers").await;
    assert_eq!(status, 201, "{offer}");
    assert_eq!((&offer["reward"], &offer["left_today"]), (&json!("1.00"), &json!(5)));
    assert_eq!((&offer["title"], &offer["link"]), (&json!("Medusa itself"), &json!("/app/lend")));
    let claim = format!("/v1/ads/offers/{}/claim", offer["offer"].as_str().unwrap());
    let (status, after, problem) = post(&world, "ann", &claim).await;
    assert_eq!((status, after.as_deref()), (409, Some("15")));
    assert_eq!((&problem["code"], &problem["retry_after"]), (&json!("ads.too_early"), &json!(15)));
    world.wait(15);
    let (status, _, paid) = post(&world, "ann", &claim).await;
    assert_eq!((status, paid), (200, json!({"reward": "1.00", "position": 2})));
}

#[actix_web::test]
async fn only_who_is_logged_in_may_call_and_every_route_is_described() {
    let world = World::new().await;
    let unknown = "/v1/ads/offers/wat_00000000000000000000000000000007/claim";
    for (path, who, expected) in [
        ("/v1/ads/offers", "nobody", 401),
        (unknown, "nobody", 401),
        (unknown, "ann", 404),
        ("/v1/ads/offers/wat_7/claim", "ann", 404),
    ] {
        assert_eq!(post(&world, who, path).await.0, expected, "{who} at {path}");
    }
    let described = openapi().paths.paths;
    assert_eq!(described.len(), 2);
    assert!(described.contains_key("/v1/ads/offers/{id}/claim"));
}
