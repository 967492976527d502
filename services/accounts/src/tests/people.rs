//! Signing up, logging in, roles.

use std::sync::atomic::Ordering;

use medusa_api::Me;
use medusa_platform::ApiError;
use medusa_types::{Role, Timestamp, UserId, Uuid};

use super::world::{PASSWORD, World, code, form};
use crate::domain::Email;
use crate::store::people::{self, NewPerson};

#[actix_web::test]
async fn who_signs_up_is_in_the_log_without_the_address_and_is_welcomed() {
    let world = World::new().await;
    let user = world.person(" Ada@Example.org ").await;
    let roles = vec![Role::Consumer, Role::Lender];
    let me = Me { user, email: "Ada@Example.org".into(), name: "Ada".into(), roles };
    assert_eq!(world.accounts.me(user).await.unwrap(), me);
    assert_eq!(world.events(&format!("account-{user}")).await, ["accounts.user_registered"]);
    let log: Vec<u8> = sqlx::query_scalar("select string_agg(body, '') from event")
        .fetch_one(&world.db.pool)
        .await
        .unwrap();
    assert!(!String::from_utf8(log).unwrap().to_lowercase().contains("ada"));
    assert_eq!(*world.greeter.greeted.lock().unwrap(), [user]);
}

#[actix_web::test]
async fn an_address_has_one_account_whatever_its_case() {
    let world = World::new().await;
    world.person("ada@example.org").await;
    assert_eq!(code(world.accounts.sign_up(form("ADA@example.ORG")).await), "accounts.email_taken");
    let (one, two) = tokio::join!(
        world.accounts.sign_up(form("bob@example.org")),
        world.accounts.sign_up(form("Bob@example.org")),
    );
    assert_eq!(one.is_ok(), two.is_err(), "one of two at the same time");
}

#[actix_web::test]
async fn bad_fields_are_named() {
    let world = World::new().await;
    let mut short = form("ada@example.org");
    short.password = "1234567".into();
    let mut hidden = form("ada@example.org");
    hidden.name = "a\u{202e}b".into();
    for (bad, code, pointer) in [
        (form("ada"), "accounts.email_invalid", "/email"),
        (short, "accounts.password_length", "/password"),
        (hidden, "accounts.name_invalid", "/name"),
    ] {
        let problem = ApiError::from(world.accounts.sign_up(bad).await.unwrap_err()).0;
        assert_eq!((problem.status, problem.code.as_str()), (422, code));
        assert_eq!(problem.errors[0].pointer, pointer);
    }
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    assert_eq!(world.login("ADA@example.org", PASSWORD).await.unwrap(), user);
    let wrong = ApiError::from(world.login("ada@example.org", "wrong password").await.unwrap_err());
    let unknown = ApiError::from(world.login("eve@example.org", PASSWORD).await.unwrap_err());
    let no_address = ApiError::from(world.login("no address", PASSWORD).await.unwrap_err());
    assert_eq!((wrong.0.status, wrong.0.code.as_str()), (401, "accounts.login_refused"));
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, no_address);
}

#[actix_web::test]
async fn guessing_is_paused_for_known_and_unknown_addresses_alike() {
    let world = World::new().await;
    world.person("ada@example.org").await;
    for email in ["ada@example.org", "eve@example.org"] {
        for _ in 0..5 {
            let refused = world.login(email, "wrong password").await;
            assert_eq!(code(refused), "accounts.login_refused");
        }
        let paused = ApiError::from(world.login(email, PASSWORD).await.unwrap_err()).0;
        assert_eq!((paused.status, paused.code.as_str()), (429, "accounts.too_many_tries"));
        assert_eq!(paused.retry_after, Some(30));
    }
    world.wait(30);
    world.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(code(world.login("ada@example.org", "wrong").await), "accounts.login_refused");
}

#[actix_web::test]
async fn a_sign_up_that_was_cut_off_is_finished_by_the_next_login() {
    let world = World::new().await;
    let user = UserId(Uuid::from_u128(7));
    let password_hash = world.accounts.0.passwords.hash(PASSWORD.into(), [1; 32]).await.unwrap();
    let person = NewPerson {
        user,
        email: Email::parse("ada@example.org").unwrap(),
        name: String::new(),
        password_hash,
        created_at: Timestamp::from_micros(0),
    };
    let mut db = world.db.pool.acquire().await.unwrap();
    assert!(people::insert(&mut db, &person).await.unwrap());
    let stream = format!("account-{user}");
    assert!(world.events(&stream).await.is_empty());

    for _ in 0..2 {
        assert_eq!(world.login("ada@example.org", PASSWORD).await.unwrap(), user);
        assert_eq!(world.events(&stream).await, ["accounts.user_registered"]);
    }

    world.greeter.fails.store(true, Ordering::SeqCst);
    assert_eq!(code(world.accounts.sign_up(form("bob@example.org")).await), "platform.busy");
    world.greeter.fails.store(false, Ordering::SeqCst);
    let bob = world.login("bob@example.org", PASSWORD).await.unwrap();
    assert_eq!(world.greeter.greeted.lock().unwrap().last(), Some(&bob));
    assert_eq!(world.events(&format!("account-{bob}")).await, ["accounts.user_registered"]);
}

#[actix_web::test]
async fn a_granted_role_is_in_the_log_once_and_is_seen_at_once() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let cookie = world.accounts.browser_login(user).await.unwrap().cookie_value;
    let (before, _) = world.accounts.session(&cookie).await.unwrap().unwrap();
    assert!(!before.has(Role::Admin));
    for _ in 0..2 {
        world.accounts.grant_role("Ada@example.org", Role::Admin).await.unwrap();
    }
    let (after, me) = world.accounts.session(&cookie).await.unwrap().unwrap();
    assert!(after.has(Role::Admin));
    assert_eq!(me.roles, [Role::Consumer, Role::Lender, Role::Admin]);
    let events = world.events(&format!("account-{user}")).await;
    assert_eq!(events, ["accounts.user_registered", "accounts.role_granted"]);
    let unknown = world.accounts.grant_role("eve@example.org", Role::Admin).await;
    assert_eq!(code(unknown), "accounts.user_unknown");
}
