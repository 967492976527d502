//! Access and refresh tokens.

use medusa_api::Refresh;
use medusa_platform::{Authenticator as _, Via};
use medusa_types::Role;

use super::world::{World, code};

fn refresh(token: &str) -> Refresh {
    Refresh { refresh_token: token.to_owned() }
}

#[actix_web::test]
async fn an_access_token_opens_for_ten_minutes() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let tokens = world.accounts.issue(user).await.unwrap();
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("Bearer", 600));
    let known = world.accounts.bearer(&tokens.access_token).await.unwrap().unwrap();
    assert_eq!((known.user, known.via), (user, Via::Bearer));
    assert_eq!(known.roles, [Role::Consumer, Role::Lender]);
    assert_eq!(world.accounts.bearer(&tokens.refresh_token).await.unwrap(), None);
    world.wait(631);
    assert_eq!(world.accounts.bearer(&tokens.access_token).await.unwrap(), None);
}

#[actix_web::test]
async fn a_refresh_token_that_comes_twice_ends_all_of_them() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let bob = world.person("bob@example.org").await;
    let first = world.accounts.issue(user).await.unwrap();
    let other_device = world.accounts.issue(user).await.unwrap();
    let of_bob = world.accounts.issue(bob).await.unwrap();
    let second = world.accounts.refresh(&refresh(&first.refresh_token)).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);

    let reused = world.accounts.refresh(&refresh(&first.refresh_token)).await;
    assert_eq!(code(reused), "accounts.refresh_reused");
    for dead in [&first, &second, &other_device] {
        let refused = world.accounts.refresh(&refresh(&dead.refresh_token)).await;
        assert_eq!(code(refused), "accounts.refresh_refused");
    }
    world.accounts.refresh(&refresh(&of_bob.refresh_token)).await.unwrap();
}

#[actix_web::test]
async fn of_two_uses_at_the_same_time_one_is_refused_and_none_is_left() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let form = refresh(&world.accounts.issue(user).await.unwrap().refresh_token);
    let (one, two) = tokio::join!(world.accounts.refresh(&form), world.accounts.refresh(&form));
    let (right, wrong) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(code(wrong), "accounts.refresh_reused");
    let left = world.accounts.refresh(&refresh(&right.unwrap().refresh_token)).await;
    assert_eq!(code(left), "accounts.refresh_refused");
}

#[actix_web::test]
async fn refresh_tokens_end_by_logout_and_by_time() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let form = refresh(&world.accounts.issue(user).await.unwrap().refresh_token);
    world.accounts.logout(&form).await.unwrap();
    assert_eq!(code(world.accounts.refresh(&form).await), "accounts.refresh_refused");

    let form = refresh(&world.accounts.issue(user).await.unwrap().refresh_token);
    world.wait(30 * 24 * 3_600);
    assert_eq!(code(world.accounts.refresh(&form).await), "accounts.refresh_refused");
    assert_eq!(world.accounts.sweep().await.unwrap(), 1);
    assert_eq!(code(world.accounts.refresh(&refresh("x")).await), "accounts.refresh_refused");
}

#[actix_web::test]
async fn the_oldest_of_too_many_refresh_tokens_ends() {
    let world = World::new().await;
    let user = world.person("ada@example.org").await;
    let oldest = world.accounts.issue(user).await.unwrap();
    world.wait(1);
    let kept = world.accounts.issue(user).await.unwrap();
    for _ in 0..49 {
        world.wait(1);
        world.accounts.issue(user).await.unwrap();
    }
    let refused = world.accounts.refresh(&refresh(&oldest.refresh_token)).await;
    assert_eq!(code(refused), "accounts.refresh_refused");
    world.accounts.refresh(&refresh(&kept.refresh_token)).await.unwrap();
}
