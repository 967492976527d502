//! The routes, as a caller sees them.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, ORIGIN};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use medusa_platform::Authenticator;
use medusa_platform::auth::CSRF_HEADER;
use serde_json::{Value, json};

use super::world::{PASSWORD, World};
use crate::{configure, openapi};

/// Status, headers and body of the answer; an empty body is null.
async fn send(world: &World, request: TestRequest) -> (u16, HeaderMap, Value) {
    let authenticator: Arc<dyn Authenticator> = Arc::new(world.accounts.clone());
    let app = App::new()
        .app_data(web::Data::new(world.accounts.clone()))
        .app_data(web::Data::from(authenticator))
        .configure(configure);
    let answer = call_service(&init_service(app).await, request.to_request()).await;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = read_body(answer).await;
    (status, headers, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(world: &World, path: &str, body: Value) -> (u16, HeaderMap, Value) {
    send(world, TestRequest::post().uri(path).set_json(body)).await
}

fn bearer(tokens: &Value) -> (&'static str, String) {
    (AUTHORIZATION.as_str(), format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
}

#[actix_web::test]
async fn a_person_signs_up_logs_in_refreshes_and_logs_out() {
    let world = World::new().await;
    let form = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada"});
    let (status, headers, tokens) = post(&world, "/v1/signup", form.clone()).await;
    assert_eq!(status, 201, "{tokens}");
    assert_eq!(headers.get("cache-control").unwrap(), "no-store");
    let who = TestRequest::get().uri("/v1/me").insert_header(bearer(&tokens));
    let (status, _, me) = send(&world, who).await;
    assert_eq!((status, &me["email"]), (200, &json!("ada@example.org")));
    assert_eq!(me["roles"], json!(["consumer", "lender"]));

    let (status, headers, problem) = post(&world, "/v1/signup", form).await;
    assert_eq!((status, &problem["code"]), (409, &json!("accounts.email_taken")));
    assert_eq!(headers.get("content-type").unwrap(), "application/problem+json");

    let login = json!({"email": "ada@example.org", "password": PASSWORD});
    let (status, _, tokens) = post(&world, "/v1/login", login).await;
    assert_eq!(status, 200);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let (status, _, fresh) = post(&world, "/v1/tokens/refresh", refresh).await;
    assert_eq!(status, 200);
    let fresh = json!({"refresh_token": fresh["refresh_token"]});
    assert_eq!(post(&world, "/v1/logout", fresh.clone()).await.0, 204);
    let (status, _, problem) = post(&world, "/v1/tokens/refresh", fresh).await;
    assert_eq!((status, &problem["code"]), (401, &json!("accounts.refresh_refused")));
}

#[actix_web::test]
async fn a_paused_caller_is_told_when_to_come_back() {
    let world = World::new().await;
    let login = json!({"email": "ada@example.org", "password": "wrong password"});
    for _ in 0..5 {
        assert_eq!(post(&world, "/v1/login", login.clone()).await.0, 401);
    }
    let (status, headers, _) = post(&world, "/v1/login", login).await;
    assert_eq!(status, 429);
    assert_eq!(headers.get("retry-after").unwrap(), "30");
}

#[actix_web::test]
async fn nobody_is_known_without_a_valid_token() {
    let world = World::new().await;
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    for header in ["", "Bearer ", "Bearer x", "Basic eDp5", &format!("Bearer {unsigned}")] {
        let request = TestRequest::get().uri("/v1/me").insert_header((AUTHORIZATION, header));
        let (status, _, problem) = send(&world, request).await;
        assert_eq!((status, &problem["code"]), (401, &json!("platform.unauthenticated")));
    }
}

#[actix_web::test]
async fn a_cookie_reads_alone_and_writes_only_with_its_token_from_this_site() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let login = world.accounts.browser_login(user).await.unwrap();
    let cookie = (COOKIE, format!("medusa={}", login.cookie_value));
    let read = TestRequest::get().uri("/v1/me").insert_header(cookie.clone());
    assert_eq!(send(&world, read).await.0, 200);

    let write = |csrf: &str, origin: &str| {
        TestRequest::post()
            .uri("/v1/device/approve")
            .insert_header(cookie.clone())
            .insert_header((HOST, "medusa.test"))
            .insert_header((ORIGIN, origin))
            .insert_header((CSRF_HEADER, csrf))
            .set_json(json!({"user_code": "WDJB-MJHT"}))
    };
    let home = "https://medusa.test";
    for (csrf, origin) in [("", home), ("x", home), (&login.csrf, "https://evil.test")] {
        let (status, _, problem) = send(&world, write(csrf, origin)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("platform.csrf")));
    }
    let (status, _, problem) = send(&world, write(&login.csrf, home)).await;
    assert_eq!((status, &problem["code"]), (404, &json!("accounts.device_code_unknown")));
}

#[actix_web::test]
async fn a_machine_is_enrolled_over_http() {
    let world = World::new().await;
    let form = json!({"email": "ada@example.org", "password": PASSWORD});
    let (_, _, tokens) = post(&world, "/v1/signup", form).await;
    let (status, _, code) = post(&world, "/v1/device", json!({"name": "study"})).await;
    assert_eq!(status, 200);
    let poll = json!({"device_code": code["device_code"]});
    let (status, _, problem) = post(&world, "/v1/device/token", poll.clone()).await;
    assert_eq!((status, &problem["code"]), (400, &json!("accounts.device_pending")));
    let approve = TestRequest::post()
        .uri("/v1/device/approve")
        .insert_header(bearer(&tokens))
        .set_json(json!({"user_code": code["user_code"], "name": "attic"}));
    let (status, _, agent) = send(&world, approve).await;
    assert_eq!((status, &agent["name"]), (200, &json!("attic")));
    let (status, _, token) = post(&world, "/v1/device/token", poll).await;
    assert_eq!((status, &token["agent"]), (200, &agent["id"]));
}

#[actix_web::test]
async fn every_documented_route_is_there_and_every_route_is_documented() {
    let world = World::new().await;
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 13);
    for (path, methods) in paths {
        let method = methods.as_object().unwrap().keys().next().unwrap();
        let method = method.to_uppercase().parse().unwrap();
        let request = TestRequest::with_uri(path).method(method);
        assert_ne!(send(&world, request).await.0, 404, "{path}");
    }
}
