//! Logins on browsers.

use medusa_platform::{Authenticator as _, Via};
use medusa_types::Role;

use super::world::World;

#[actix_web::test]
async fn a_cookie_opens_until_its_login_ends() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let login = world.accounts.browser_login(user).await.unwrap();
    let known = world.accounts.cookie(&login.cookie_value).await.unwrap().unwrap();
    assert_eq!((known.user, known.via), (user, Via::Cookie { csrf: login.csrf.clone() }));
    assert_eq!(world.accounts.cookie("x").await.unwrap(), None);
    assert_eq!(world.accounts.cookie(&login.csrf).await.unwrap(), None);

    let other = world.accounts.browser_login(user).await.unwrap();
    assert_ne!(other.cookie_value, login.cookie_value);
    world.accounts.browser_logout(&login.cookie_value).await.unwrap();
    assert_eq!(world.accounts.cookie(&login.cookie_value).await.unwrap(), None);
    assert!(world.accounts.cookie(&other.cookie_value).await.unwrap().is_some());
    world.wait(14 * 24 * 3_600);
    assert_eq!(world.accounts.cookie(&other.cookie_value).await.unwrap(), None);
}

#[actix_web::test]
async fn only_the_hash_of_a_cookie_is_stored() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let login = world.accounts.browser_login(user).await.unwrap();
    let hash = crate::hash_of(&login.cookie_value);
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select token_hash from login").fetch_all(&world.db.pool).await.unwrap();
    assert_eq!(stored, [hash.as_bytes().to_vec()]);
}

#[actix_web::test]
async fn an_admin_is_logged_out_after_half_a_day() {
    let world = World::new().await;
    world.person("ada@example.org").await;
    let user = world.accounts.grant_role("ada@example.org", Role::Admin).await.unwrap();
    let login = world.accounts.browser_login(user).await.unwrap();
    world.wait(12 * 3_600 - 1);
    assert!(world.accounts.cookie(&login.cookie_value).await.unwrap().is_some());
    world.wait(1);
    assert_eq!(world.accounts.cookie(&login.cookie_value).await.unwrap(), None);
}
