//! Events by filter, and the state of the read models.

use medusa_api::{EventFilter, EventOrder, EventSummary};
use medusa_ledger::{Account, Bucket};

use super::*;
use crate::desk::DeskError;

/// Whether an event meets a filter, told from the event alone.
fn meets(event: &Envelope, filter: &EventFilter) -> bool {
    let account = |text: &str| {
        let account: Account = text.parse().unwrap();
        event.postings.iter().any(|Posting(touched, _)| *touched == account)
    };
    filter.event.as_ref().is_none_or(|kind| event.kind().starts_with(kind.as_str()))
        && filter.stream.as_ref().is_none_or(|stream| event.stream == *stream)
        && filter.actor.is_none_or(|actor| event.actor == Some(actor))
        && filter.account.as_deref().is_none_or(account)
        && filter.causation.is_none_or(|causation| event.causation == Some(causation))
        && filter.from.is_none_or(|from| event.position >= from)
        && filter.to.is_none_or(|to| event.position <= to)
        && filter.since.is_none_or(|since| event.at >= since)
        && filter.until.is_none_or(|until| event.at <= until)
}

/// All pages together.
async fn found(world: &World, filter: &EventFilter) -> Vec<EventSummary> {
    let (mut items, mut filter) = (Vec::new(), filter.clone());
    loop {
        let page = world.desk.events(filter.clone()).await.unwrap();
        assert!(page.items.len() <= usize::try_from(filter.limit.unwrap()).unwrap());
        assert_eq!(page.head, world.log.head());
        items.extend(page.items);
        filter.after = page.next;
        if filter.after.is_none() {
            return items;
        }
    }
}

#[tokio::test]
async fn a_filter_finds_what_meets_it_and_nothing_else_in_pages_of_any_size() {
    let world = World::busy(600).await;
    for n in [3, 70, 599] {
        let caused = NewEvent { causation: Some(n), ..event(1, Vec::new()) };
        world.log.append_one(None, caused).await.unwrap();
    }
    let events = world.all().await;
    let wallet = Account::wallet(Bucket::Promo, user(3)).to_string();
    let none = EventFilter::default;
    let filters = [
        none(),
        EventFilter { event: Some("billing.".into()), ..none() },
        EventFilter { event: Some("jobs.merge_started".into()), ..none() },
        EventFilter { event: Some("gold%".into()), ..none() },
        EventFilter { stream: Some("stream-2".into()), ..none() },
        EventFilter { stream: Some("stream-".into()), ..none() },
        EventFilter { actor: Some(user(1)), ..none() },
        EventFilter { actor: Some(user(9)), ..none() },
        EventFilter { account: Some(wallet.clone()), ..none() },
        EventFilter { account: Some("income.breakage".into()), ..none() },
        EventFilter { causation: Some(70), ..none() },
        EventFilter { causation: Some(7), ..none() },
        EventFilter { from: Some(100), to: Some(120), ..none() },
        EventFilter { from: Some(590), to: Some(9_999), ..none() },
        EventFilter { from: Some(120), to: Some(100), ..none() },
        EventFilter { since: Some(events[80].at), until: Some(events[400].at), ..none() },
        EventFilter {
            event: Some("billing.".into()),
            stream: Some("stream-1".into()),
            actor: Some(user(1)),
            from: Some(50),
            ..none()
        },
        EventFilter {
            account: Some(wallet),
            stream: Some("stream-3".into()),
            event: Some("jobs.".into()),
            to: Some(580),
            ..none()
        },
    ];
    for filter in filters {
        for (order, limit) in [
            (EventOrder::Newest, 200),
            (EventOrder::Oldest, 200),
            (EventOrder::Newest, 13),
            (EventOrder::Oldest, 13),
        ] {
            let filter = EventFilter { order, limit: Some(limit), ..filter.clone() };
            let mut expected: Vec<i64> =
                events.iter().filter(|e| meets(e, &filter)).map(|e| e.position).collect();
            if order == EventOrder::Newest {
                expected.reverse();
            }
            let items = found(&world, &filter).await;
            let positions: Vec<i64> = items.iter().map(|item| item.position).collect();
            assert_eq!(positions, expected, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn an_event_in_a_list_says_what_it_moved() {
    let world = World::new().await;
    let many: Vec<Move> =
        (0..15).flat_map(|n| flows::grant(user(n), Credits::from_micros(5))).collect();
    world.log.append_one(None, event(5, many)).await.unwrap();
    let page = world.desk.events(EventFilter::default()).await.unwrap();
    let [item] = page.items.as_slice() else { panic!("{page:?}") };
    let stored = &world.all().await[0];
    assert_eq!((item.position, item.at, item.version), (1, stored.at, 1));
    assert_eq!((item.actor, item.causation), (Some(user(1)), None));
    assert_eq!(
        (item.moved.len(), usize::try_from(item.postings).unwrap()),
        (20, stored.postings.len())
    );
    assert!(item.postings > 20);
    let first = &stored.postings[0];
    assert_eq!(item.moved[0].account, first.0.to_string());
    assert_eq!(item.moved[0].amount, first.0.currency().show(first.1));
}

#[tokio::test]
async fn a_tail_goes_on_behind_the_head_of_the_page_before() {
    let world = World::busy(30).await;
    let tail = |from| EventFilter {
        from: Some(from),
        order: EventOrder::Oldest,
        ..EventFilter::default()
    };
    let page = world.desk.events(tail(31)).await.unwrap();
    assert_eq!((page.items.len(), page.next, page.head), (0, None, 30));
    for n in 0..3 {
        world.log.append_one(None, event(n, Vec::new())).await.unwrap();
    }
    let page = world.desk.events(tail(page.head + 1)).await.unwrap();
    let positions: Vec<i64> = page.items.iter().map(|item| item.position).collect();
    assert_eq!((positions, page.next, page.head), (vec![31, 32, 33], None, 33));
}

#[tokio::test]
async fn bad_filters_are_refused() {
    let world = World::busy(3).await;
    let cursor = EventFilter { after: Some("x".into()), ..EventFilter::default() };
    assert!(matches!(world.desk.events(cursor).await, Err(DeskError::Cursor)));
    let account = EventFilter { account: Some("gold".into()), ..EventFilter::default() };
    assert!(matches!(world.desk.events(account).await, Err(DeskError::Query(_))));
}

#[tokio::test]
async fn a_read_model_that_lags_says_by_how_much() {
    let world = World::busy(40).await;
    sqlx::query("insert into projection (name, position) values ('slow', 38)")
        .execute(&world.db.pool)
        .await
        .unwrap();
    world.wait_ms(250);
    let all = world.desk.projections().await.unwrap().items;
    let of = |name: &str| all.iter().find(|p| p.name == name).cloned().unwrap();
    let books = of("books");
    assert_eq!((books.position, books.head, books.lag_events, books.lag_ms), (40, 40, 0, None));
    let slow = of("slow");
    let since = world.all().await[38].at;
    let ms = u64::try_from(Timestamp::ms_since(world.desk.clock.now(), since)).unwrap();
    assert_eq!((slow.position, slow.lag_events, slow.lag_ms), (38, 2, Some(ms)));
    assert!(ms >= 250 && slow.rebuilt.is_none());
}
