//! What people ask of the log: checks that run beside their request, and pages that cannot be.

use std::time::Duration;

use medusa_api::{AccountQuery, CheckpointQuery, EventFilter};

use super::*;
use crate::desk::Desk;

#[tokio::test]
async fn a_check_that_is_asked_for_runs_beside_the_request_and_is_seen_to_end() {
    let w = world().await;
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    assert!(w.log.books_current().await);
    assert!(!invariants::shown(&w.log).await.unwrap().checking);
    for _ in 0..3 {
        invariants::begin(&w.log);
    }
    let ended = async {
        loop {
            let found = invariants::shown(&w.log).await.unwrap();
            if !found.checking {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    assert!(found.items.iter().all(|item| item.bad == 0 && item.checked_at.is_some()), "{found:?}");
    assert!(found.items.iter().any(|item| item.id == "I01" && item.position == 1 && !item.idle));
    let idle = |id: &str| found.items.iter().find(|item| item.id == id).unwrap().idle;
    assert!(idle("L09") && idle("I07") && !idle("L04"), "there was no job and no payment");
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused_and_not_cut() {
    let w = world().await;
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    let desk = Desk::new(w.log.clone(), Clock::system());
    let signer = medusa_tlog::Signer::new("log.test", &[7; 32]);
    let auditor = Auditor::new(w.db.pool.clone(), signer, Clock::system());
    for limit in [0, 1_001, u32::MAX] {
        let limit = Some(limit);
        let events = desk.events(EventFilter { limit, ..EventFilter::default() }).await;
        let accounts = desk.accounts(AccountQuery { limit, ..AccountQuery::default() }).await;
        let checkpoints = auditor.checkpoints(&CheckpointQuery { after: None, limit }).await;
        for refused in [
            medusa_platform::ApiError::from(events.unwrap_err()),
            medusa_platform::ApiError::from(accounts.unwrap_err()),
            medusa_platform::ApiError::from(checkpoints.unwrap_err()),
        ] {
            assert_eq!(
                (refused.0.status, refused.0.code.as_str()),
                (400, "platform.query_refused")
            );
            assert!(refused.0.detail.contains("`limit` is"), "{refused}");
        }
    }
    for limit in [0, -1, i64::MAX] {
        assert!(matches!(auditor.events(1, limit).await, Err(AuditError::Limit { .. })));
    }
}

#[tokio::test]
async fn live_values_are_among_the_read_models_also_when_redis_is_away() {
    const KIND: &str = "kind-of-the-desk";
    let w = world().await;
    for _ in 0..3 {
        w.log.append_one(None, gift(1, 1)).await.unwrap();
    }
    let client = redis::Client::open(w.db.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("live:pos:{KIND}");
    redis::cmd("SET").arg(&key).arg(2).exec_async(&mut redis).await.unwrap();
    let looked = |url: String| {
        let desk = Desk::new(w.log.clone(), Clock::system()).with_live(url, &[KIND]);
        async move {
            let items = desk.projections().await.unwrap().items;
            items.into_iter().find(|item| item.name == format!("{KIND}.live")).unwrap()
        }
    };
    let there = looked(w.db.redis_url.clone()).await;
    assert_eq!((there.position, there.head, there.lag_events, there.away), (2, 3, 1, false));
    assert!(there.lag_ms.is_some());
    redis::cmd("DEL").arg(&key).exec_async(&mut redis).await.unwrap();
    let lost = looked(w.db.redis_url.clone()).await;
    assert_eq!((lost.position, lost.lag_events, lost.away), (0, 3, false), "it lost its values");
    let away = looked("redis://127.0.0.1:1".into()).await;
    assert_eq!((away.position, away.away), (0, true));
}

#[tokio::test]
async fn a_text_with_nul_is_refused_as_the_callers_mistake() {
    let w = world().await;
    let text = "select $1::text";
    let refused = sqlx::query_scalar::<_, String>(text).bind("a\0b").fetch_one(&w.db.pool).await;
    let told = medusa_platform::ApiError::from(refused.unwrap_err());
    assert_eq!((told.0.status, told.0.code.as_str()), (400, "platform.query_refused"));
    assert!(told.0.detail.contains("NUL"), "{told}");
    // Other refusals of the database are faults of the house.
    let fault = sqlx::query("select 1 / 0").execute(&w.db.pool).await;
    assert_eq!(medusa_platform::ApiError::from(fault.unwrap_err()).0.status, 500);
    let desk = Desk::new(w.log.clone(), Clock::system());
    let stream = Some("job-\0".to_owned());
    let refused = desk.events(EventFilter { stream, ..EventFilter::default() }).await;
    let told = medusa_platform::ApiError::from(refused.unwrap_err());
    assert_eq!((told.0.status, told.0.code.as_str()), (400, "platform.query_refused"));
}
