//! Wallets as they change, over a Redis that is emptied and taken away.

use futures_util::FutureExt as _;
use std::time::Duration;

use medusa_api::{LiveEvent, Wallet};
use medusa_eventlog::read_events;
use medusa_ledger::flows::{self, Payout, PayoutIds};
use medusa_platform::live::{Heard, Hub, Listener};
use medusa_platform::supervise::supervise;
use medusa_testkit::OwnRedis;
use medusa_types::{PendingId, Uuid};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::world::{World, job, micros, user};
use crate::projection::live::{KIND, Wallets, run};

/// How long anything may take that is to come by itself.
const LIMIT: Duration = Duration::from_secs(10);

/// A world whose wallets are live.
struct Live {
    world: World,
    redis: OwnRedis,
    hub: Hub,
    _stop: DropGuard,
}

impl Live {
    async fn new() -> Self {
        let (world, redis) = (World::new().await, OwnRedis::start().unwrap());
        let stop = CancellationToken::new();
        let hub = Hub::start(&redis.url(), stop.clone()).await.unwrap();
        let (log, url) = (world.log.clone(), redis.url());
        supervise("test.live", stop.clone(), move || run(log.clone(), url.clone()));
        Self { world, redis, hub, _stop: stop.drop_guard() }
    }

    /// The wallet that Redis has, if it answers.
    async fn kept(&self, n: u128) -> Option<Wallet> {
        match self.hub.read(KIND, user(n)).await {
            Ok(Some(LiveEvent::Wallet(wallet))) => Some(wallet),
            _ => None,
        }
    }

    async fn flush_all(&self) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut redis = client.get_connection_manager().await.unwrap();
        redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    }
}

/// The first wallet that is told from this position on.
async fn told(listener: &mut Listener, position: i64) -> Wallet {
    let wait = async {
        loop {
            if let Heard::Event(event) = listener.next().await
                && let LiveEvent::Wallet(wallet) = &*event
                && wallet.position >= position
            {
                return wallet.clone();
            }
        }
    };
    timeout(LIMIT, wait).await.expect("the wallet is told")
}

#[tokio::test]
async fn folded_wallets_are_those_of_the_ledger_after_every_event() {
    let world = World::new().await;
    let (ann, bob, cat) = (user(1), user(2), user(3));
    let mut folded = Wallets::default();
    let mut seen = 0;
    let payout = Payout {
        lender: cat,
        amount: micros(100),
        fee: micros(20),
        ids: PayoutIds {
            amount: PendingId(Uuid::from_u128(1)),
            fee: PendingId(Uuid::from_u128(2)),
        },
    };
    for step in 0..13 {
        match step {
            0 => world.billing.grant_welcome(ann).await.unwrap(),
            1 => world.billing.grant_welcome(bob).await.unwrap(),
            2 => drop(world.hold(ann, job(8), 1_000).await),
            3 => drop(world.hold(bob, job(9), 500).await),
            4 => drop(world.settle(job(8), &[(bob, 170), (cat, 170)], 60).await),
            5 => drop(world.settle(job(9), &[(ann, 500)], 0).await),
            6 => drop(world.release(ann, job(8)).await),
            // Nothing is left to go back: only the escrow is closed.
            7 => drop(world.release(bob, job(9)).await),
            8 => drop(world.moving(flows::mature(cat, micros(170))).await),
            9 => drop(world.moving(flows::request_payout(&payout)).await),
            10 => drop(world.moving(flows::freeze(ann)).await),
            11 => drop(world.moving(flows::fail_payout(payout.ids)).await),
            _ => drop(world.moving(flows::unfreeze(ann)).await),
        }
        for event in read_events(&world.db.pool, seen, 100).await.unwrap() {
            folded.fold(&event.envelope);
            seen = event.envelope.position;
        }
        for person in [ann, bob, cat] {
            let stored = world.billing.wallet(person).await.unwrap();
            assert_eq!(folded.wallet(person), stored, "{person} after step {step}");
        }
        let free = world.billing.wallet(cat).await.unwrap().available;
        let reserved = if matches!(step, 9 | 10) { 120 } else { 0 };
        assert_eq!(free, micros(if step < 8 { 0 } else { 170 - reserved }), "after step {step}");
    }
}

#[tokio::test]
async fn a_wallet_is_told_when_it_changes_and_kept_for_who_comes_later() {
    let live = Live::new().await;
    let mut listener = live.hub.listen(KIND, user(1));
    live.world.billing.grant_welcome(user(1)).await.unwrap();
    let held = live.world.hold(user(1), job(9), 1_000).await;
    let wallet = told(&mut listener, held).await;
    assert_eq!((wallet.held, wallet.position), (micros(1_000), held));
    assert_eq!(live.kept(1).await, Some(wallet));
    assert_eq!(live.kept(2).await, None);
}

#[tokio::test]
async fn an_emptied_redis_is_filled_again_without_a_new_event() {
    let live = Live::new().await;
    let mut listener = live.hub.listen(KIND, user(1));
    live.world.billing.grant_welcome(user(1)).await.unwrap();
    let before = told(&mut listener, 1).await;
    live.flush_all().await;
    assert_eq!(told(&mut listener, 1).await, before);
    assert_eq!(live.kept(1).await, Some(before));
}

#[tokio::test]
async fn events_go_on_while_redis_is_away_and_are_told_when_it_is_back() {
    let mut live = Live::new().await;
    let mut listener = live.hub.listen(KIND, user(1));
    live.world.billing.grant_welcome(user(1)).await.unwrap();
    told(&mut listener, 1).await;
    live.redis.stop().unwrap();
    let mut last = 0;
    for n in 0..20 {
        last = live.world.hold(user(1), job(n), 10).await;
    }
    live.redis.restart().unwrap();
    let lost = async { while !matches!(listener.next().await, Heard::Lost) {} };
    timeout(LIMIT, lost).await.expect("the listener is told that it missed something");
    let written = async {
        // The line for messages can be back before the one for questions.
        while live.kept(1).await.is_none_or(|wallet| wallet.position < last) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, written).await.expect("the wallet is written anew");
    assert_eq!(live.kept(1).await, live.world.billing.wallet(user(1)).await.ok());
    // And the line is whole again.
    let held = live.world.hold(user(1), job(99), 10).await;
    assert_eq!(told(&mut listener, held).await.held, micros(210));
}

#[tokio::test]
async fn a_listener_that_falls_behind_is_told_so() {
    let live = Live::new().await;
    let mut slow = live.hub.listen(KIND, user(1));
    let mut quick = live.hub.listen(KIND, user(1));
    live.world.billing.grant_welcome(user(1)).await.unwrap();
    for n in 0..70 {
        let held = live.world.hold(user(1), job(n), 10).await;
        told(&mut quick, held).await;
    }
    assert!(matches!(slow.next().await, Heard::Lost));
    let wallet = told(&mut slow, 1).await;
    assert!(wallet.held > micros(10), "old messages are gone");
}

#[tokio::test]
async fn a_wallet_is_told_at_most_every_40_ms() {
    let live = Live::new().await;
    live.world.billing.grant_welcome(user(1)).await.unwrap();
    let mut listener = live.hub.listen(KIND, user(1));
    let began = Instant::now();
    let mut last = 0;
    for n in 0..200 {
        last = live.world.hold(user(1), job(n), 1).await;
    }
    let mut messages = 0;
    let wait = async {
        loop {
            if let Heard::Event(event) = listener.next().await {
                messages += 1;
                if matches!(&*event, LiveEvent::Wallet(wallet) if wallet.position >= last) {
                    return;
                }
            }
        }
    };
    timeout(LIMIT, wait).await.expect("the last change is told");
    // One at once, one for each 40 ms, and the gift may have come late.
    let most = began.elapsed().as_millis().div_ceil(40) + 2;
    assert!(messages <= most, "{messages} messages where {most} are allowed");
}

#[tokio::test]
async fn a_person_has_only_so_many_seats() {
    let live = Live::new().await;
    let mut taken: Vec<_> = (0..3).map(|_| live.hub.seat(user(1), 3)).collect();
    let _other = live.hub.seat(user(2), 3);
    taken.remove(1);
    let _third = live.hub.seat(user(1), 3);
    assert!(taken[0].lost().now_or_never().is_none(), "a place was given back");
    let _fourth = live.hub.seat(user(1), 3);
    assert!(taken[0].lost().now_or_never().is_some(), "the oldest has to go");
    assert!(taken[1].lost().now_or_never().is_none());
}
