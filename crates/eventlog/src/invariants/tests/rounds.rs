//! What was changed long after it was checked is noticed by the round, and by nothing else that
//! runs of itself.

use medusa_api::Invariants;

use super::super::watch::{look, look_again};
use super::super::{check, status};
use super::world::{OWNER, World, promo};
use crate::projector::Projection as _;
use crate::{Tiles, read_events};

/// What is broken: the rule, the first position, the words.
fn broken(all: &Invariants) -> Vec<(&str, Option<i64>, &str)> {
    let broken = all.items.iter().filter(|item| item.bad > 0);
    broken.map(|item| (item.id.as_str(), item.first_bad, item.detail.as_str())).collect()
}

/// Changes something as whoever owns the database, and leaves everything else as it was.
async fn change(w: &World, statement: &str) {
    let change = format!(
        "alter table event disable trigger user; {statement};
         alter table event enable always trigger event_append_only;
         alter table event enable always trigger event_no_truncate"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&w.db.pool).await.unwrap();
}

#[tokio::test]
async fn an_old_event_that_is_changed_is_found_by_the_next_round() {
    for (statement, rule, words) in [
        (
            "update event set body = substr(body, 2) where position = 2",
            "I02",
            "its bytes are not an event",
        ),
        (
            "update event set body = convert_to(
                 replace(convert_from(body, 'UTF8'), '\"why\":\"', '\"why\":\"x'), 'UTF8')
             where position = 2",
            "I02",
            "its bytes do not have the stored hash",
        ),
        ("delete from event where position = 2", "I01", "the event is missing"),
    ] {
        let w = World::new().await;
        look(&w.db.pool).await.unwrap();
        look_again(&w.db.pool, true).await.unwrap();
        assert_eq!(broken(&status(&w.db.pool).await.unwrap()), []);
        change(&w, statement).await;
        look(&w.db.pool).await.unwrap();
        assert_eq!(broken(&status(&w.db.pool).await.unwrap()), [], "it looks at what is new");
        look_again(&w.db.pool, false).await.unwrap();
        let found = status(&w.db.pool).await.unwrap();
        assert!(broken(&found).contains(&(rule, Some(2), words)), "{statement}: {found:?}");
    }
}

#[tokio::test]
async fn an_event_that_was_sealed_anew_differs_from_the_stored_tile() {
    let w = World::new().await;
    w.grow(600).await;
    let events = read_events(&w.db.pool, 0, i64::MAX).await.unwrap();
    let mut tx = w.db.pool.begin().await.unwrap();
    Tiles.apply(&mut tx, &events).await.unwrap();
    tx.commit().await.unwrap();
    look_again(&w.db.pool, true).await.unwrap();
    assert_eq!(broken(&status(&w.db.pool).await.unwrap()), []);
    let seal = "update event set leaf = sha256(body) where position = 200;
        update event set body = body || ' ', leaf = sha256('\\x00' || body || ' ')
        where position = 400";
    change(&w, seal).await;
    look_again(&w.db.pool, false).await.unwrap();
    let found = status(&w.db.pool).await.unwrap();
    let of = |id: &str| broken(&found).into_iter().find(|one| one.0 == id).unwrap();
    assert_eq!(of("I02").1, Some(200));
    assert_eq!(of("L21").1, Some(200));
    assert_eq!(of("L21").2, "the stored tile has another hash than the event");
}

#[tokio::test]
async fn a_balance_that_nobody_touches_is_compared_with_its_statement() {
    let w = World::new().await;
    look(&w.db.pool).await.unwrap();
    look_again(&w.db.pool, true).await.unwrap();
    let before = status(&w.db.pool).await.unwrap().round;
    assert_eq!((before.position, before.events), (0, w.log.head()), "a whole round");
    assert!(before.events_at.is_some() && before.accounts_at.is_some() && before.accounts > 5);

    let account = promo(OWNER).to_string();
    change(
        &w,
        &format!("update ledger_account set balance = balance + 7 where account = '{account}'"),
    )
    .await;
    change(
        &w,
        "update ledger_account set debits_pending = 1 where account = 'expense.promo_grant'",
    )
    .await;
    look(&w.db.pool).await.unwrap();
    look_again(&w.db.pool, false).await.unwrap();
    let found = status(&w.db.pool).await.unwrap();
    let of = |id: &str| broken(&found).into_iter().find(|one| one.0 == id).unwrap();
    assert!(of("I05").1.is_some() && of("I05").2.starts_with(&account), "{found:?}");
    assert!(of("L06").2.starts_with("expense.promo_grant says"), "{found:?}");
    assert!(found.round.accounts_at > before.accounts_at);

    // Mended, it stays noted until everything is checked.
    change(
        &w,
        &format!("update ledger_account set balance = balance - 7 where account = '{account}'"),
    )
    .await;
    change(
        &w,
        "update ledger_account set debits_pending = 0 where account = 'expense.promo_grant'",
    )
    .await;
    assert_eq!(broken(&check(&w.db.pool, 0..i64::MAX).await.unwrap()), []);
}

#[tokio::test]
async fn a_round_goes_on_where_it_was() {
    let w = World::new().await;
    let place = "update invariant_round set position = 256 * 80, account = 3, accounts = 3";
    change(&w, place).await;
    look_again(&w.db.pool, false).await.unwrap();
    let round = status(&w.db.pool).await.unwrap().round;
    let accounts: i64 = sqlx::query_scalar("select count(*) from ledger_account")
        .fetch_one(&w.db.pool)
        .await
        .unwrap();
    // The log is shorter than that: it begins anew. Accounts are numbered from 1.
    assert_eq!((round.position, round.events), (0, w.log.head()));
    assert_eq!(round.accounts, accounts);
}
