//! Several servers over one database: one writes the log, the others forward to it and take over.
//! And a server that cannot write now refuses instead of piling up.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use medusa_types::AdjustmentId;
use nix::sys::signal::Signal;
use sqlx::Connection as _;

use crate::harness::{
    Cast, Cluster, Desk, Dice, Entry, House, Journal, Load, Order, Outcome, Twin, outage, until,
    within,
};

/// A standby writes at most so long after the writer died or fell silent.
const TAKE_OVER_MAX: Duration = Duration::from_secs(3);
const CLIENTS: u64 = 6;
const CONSUMERS: usize = 6;
/// Requests at the same time while nothing can be written, and for how long that is.
const FLOOD: usize = 300;
const JAM: Duration = Duration::from_secs(7);
/// So much may such a flood cost in memory.
const GROWN_KIB_MAX: u64 = 64 * 1024;

/// An order at the new writer takes at most so long, also when the old one fell silent inside of a
/// transaction, whose locks are kept for some seconds.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A house whose server has ended, with people who know it.
async fn house_and_cast() -> (House, Cast) {
    let mut house = House::open().await;
    let cast = house.cast(CONSUMERS).await;
    house.kill9();
    (house, cast)
}

async fn writer(house: &House, name: &str) -> Twin {
    let server = house.twin(name);
    until("a writer", || server.writes()).await;
    server
}

pub(crate) async fn standby(house: &House, name: &str) -> Twin {
    let server = house.twin(name);
    until("a standby that forwards", || server.forwards()).await;
    server
}

/// People at work at two servers, of which the first one writes.
async fn at_work(cast: &Cast, first: &Twin, second: &Twin) -> Load {
    let desks = [cast.desk(&first.url), cast.desk(&second.url)];
    let load = Load::start(&desks, &cast.accounts, CLIENTS, Dice::any_seed());
    more(&load).await;
    load
}

async fn more(load: &Load) {
    let wanted = load.done() + 30;
    until("acknowledged orders", async || (load.done() >= wanted).then_some(())).await;
}

/// Carries one order out at a server that is about to become the writer, and answers how long it
/// took.
async fn taken_over(desk: &Desk, order: &Order) -> (Entry, Duration) {
    let began = Instant::now();
    let entry = within(TAKE_OVER_MAX, "an order at the new writer", async || {
        desk.carry_out(order).await.filter(|entry| entry.outcome != Outcome::Unknown)
    });
    (entry.await, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_serves_within_three_seconds_after_the_writer_is_killed() {
    let (house, cast) = house_and_cast().await;
    let (first, second) = (writer(&house, "first").await, standby(&house, "second").await);
    let mut journal = Journal::begin(&house).await;
    let load = at_work(&cast, &first, &second).await;
    let order = cast.adjustments(1).remove(0);
    first.kill9();
    let (entry, after) = taken_over(&cast.desk(&second.url), &order).await;
    more(&load).await;
    let mut entries = load.end().await;
    eprintln!("acknowledged {after:?} after the kill; {:?} without one", outage(&entries));
    entries.push(entry);
    journal.compare(&house, &cast.desk(&second.url), entries).await;
}

/// Stops the writer in the middle of its work, sees the other one take over and work while the
/// first one sleeps, and wakes it. Answers what people were told.
async fn replaced(house: &House, cast: &Cast, mut first: Twin, second: &Twin) -> Vec<Entry> {
    let load = at_work(cast, &first, second).await;
    let (old, new) = (cast.desk(&first.url), cast.desk(&second.url));
    let orders = cast.adjustments(4);
    let proposed = join_all(orders.iter().map(|order| old.propose(order))).await;
    let ids: Vec<_> = proposed.into_iter().map(|adjustment| adjustment.unwrap().id).collect();

    first.process.signal(Signal::SIGSTOP);
    let mut others = cast.adjustments(20).into_iter();
    let (entry, after) = taken_over(&new, &others.next().unwrap()).await;
    let mut entries = vec![entry];
    for order in others {
        let began = Instant::now();
        let entry = new.carry_out(&order).await.expect("a server");
        assert_ne!(entry.outcome, Outcome::Unknown);
        assert!(began.elapsed() < ANSWER_MAX, "an order took {:?}", began.elapsed());
        entries.push(entry);
    }
    // These reach the first one asleep; it reads them when it wakes.
    let late = join_all(ids.iter().map(|id| old.approve(*id)));
    let wake = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.process.signal(Signal::SIGCONT);
        within(TAKE_OVER_MAX, "its end", async || first.process.ended()).await
    };
    let (late, ended) = tokio::join!(late, wake);
    assert_eq!(late, [Outcome::Unknown; 4], "a writer that was replaced has answered");
    assert!(ended.code().is_some_and(|code| code != 0), "it ended with {ended:?}");
    let words = first.process.last_words();
    assert!(words.contains("can no longer write the log"), "{words}");
    let streams: Vec<_> = ids.iter().map(|id| format!("adjustment-{id}")).collect();
    let written: i64 = sqlx::query_scalar("select count(*) from event where stream = any($1)")
        .bind(&streams)
        .fetch_one(&house.db.pool)
        .await
        .unwrap();
    assert_eq!(written, 0, "a writer that was replaced has written");
    more(&load).await;
    // Whoever asks again is answered by the new writer.
    let again = join_all(orders.iter().map(|order| new.carry_out(order))).await;
    assert!(again.iter().flatten().all(|entry| entry.outcome != Outcome::Unknown), "{again:?}");
    entries.extend(again.into_iter().flatten());
    eprintln!("acknowledged {after:?} after the stop");
    entries.extend(load.end().await);
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_was_stopped_is_replaced_and_ends_without_a_word_when_it_wakes() {
    let (house, cast) = house_and_cast().await;
    let mut journal = Journal::begin(&house).await;
    let mut first = writer(&house, "server0").await;
    for round in 1..=2 {
        let second = standby(&house, &format!("server{round}")).await;
        let entries = replaced(&house, &cast, first, &second).await;
        journal.compare(&house, &cast.desk(&second.url), entries).await;
        first = second;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_outlives_a_kill_of_postgres_and_takes_over_afterwards() {
    let mut cluster = Cluster::start();
    let mut house = House::open_on(&cluster).await;
    let cast = house.cast(CONSUMERS).await;
    let mut second = standby(&house, "second").await;
    let mut journal = Journal::begin(&house).await;
    let (old, new) = (cast.desk(&house.url), cast.desk(&second.url));
    let load = Load::start(&[old, new.clone()], &cast.accounts, CLIENTS, Dice::any_seed());
    more(&load).await;
    cluster.kill9();
    cluster.restart();
    more(&load).await;
    second.process.must_live();
    // Whichever of the two writes now: the other one is not needed.
    house.kill9();
    let (entry, after) = taken_over(&new, &cast.adjustments(1)[0]).await;
    eprintln!("acknowledged {after:?} after the kill of the first");
    let mut entries = load.end().await;
    entries.push(entry);
    journal.compare(&house, &new, entries).await;
}

#[tokio::test]
async fn of_two_servers_that_start_at_the_same_moment_one_writes() {
    let mut house = House::open().await;
    house.kill9();
    for round in 1..=2 {
        let epoch = house.epoch().await;
        let twins = ["left", "right"].map(|side| house.twin(&format!("{side}{round}")));
        let (writer, standby) = until("a writer and a standby", async || {
            let (left, right) = tokio::join!(twins[0].writes(), twins[1].writes());
            match (left, right) {
                (None, None) => None,
                (Some(()), None) => Some((0, 1)),
                (None, Some(())) => Some((1, 0)),
                (Some(()), Some(())) => panic!("both write"),
            }
        })
        .await;
        until("a standby", || twins[standby].stands_by()).await;
        // Longer than a silence of the writer may be.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            assert!(twins[writer].writes().await.is_some());
            assert!(twins[standby].stands_by().await.is_some());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(house.epoch().await, epoch + 1, "somebody took over from a living writer");
    }
}

/// What a plain request for an approval is answered: its status and `Retry-After`.
async fn approval(house: &House, token: &str, id: AdjustmentId) -> (u16, Option<String>) {
    let url = format!("{}/v1/admin/adjustments/{id}/approve", house.url);
    let answer = house.http().post(url).bearer_auth(token).send().await.unwrap();
    let after = answer.headers().get("retry-after");
    (answer.status().as_u16(), after.map(|value| value.to_str().unwrap().to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_write_refuses_a_flood_and_works_on_when_it_can() {
    let mut house = House::open().await;
    let cast = house.cast(CONSUMERS).await;
    let desk = cast.desk(&house.url);
    let orders = cast.adjustments(FLOOD);
    let proposed = join_all(orders.iter().map(|order| desk.propose(order))).await;
    let ids = proposed.into_iter().map(|adjustment| adjustment.unwrap().id);

    let mut db = sqlx::PgConnection::connect(&house.db.url).await.unwrap();
    let mut in_the_way = db.begin().await.unwrap();
    sqlx::query("select from log_head for update").execute(&mut *in_the_way).await.unwrap();
    let before = house.server().peak_kib();
    let flood = join_all(ids.map(|id| approval(&house, cast.approver(), id)));
    let end = async {
        tokio::time::sleep(JAM).await;
        in_the_way.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(flood, end);
    let busy = |(status, after): &&(u16, Option<String>)| *status == 503 && after.is_some();
    let refused = answers.iter().filter(busy).count();
    let others: Vec<_> = answers.iter().filter(|answer| !busy(answer)).collect();
    assert!(others.iter().all(|(status, _)| [200, 402].contains(status)), "{others:?}");
    assert!(refused * 2 > answers.len(), "{refused} of {FLOOD} were refused");
    let grown = house.server().peak_kib().saturating_sub(before);
    assert!(grown < GROWN_KIB_MAX, "it grew by {grown} KiB");
    eprintln!("{refused} of {FLOOD} refused, {grown} KiB more");

    let again = join_all(orders.iter().take(50).map(|order| desk.carry_out(order))).await;
    let is_known = |entry: &Entry| entry.outcome != Outcome::Unknown;
    let unknown = again.iter().filter(|entry| !entry.as_ref().is_some_and(is_known)).count();
    assert_eq!(unknown, 0, "it does not work again");
}
