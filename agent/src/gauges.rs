//! Once a second, and at once when the owner turns something: reads the machine, asks the rules,
//! and makes what they say true. What computes is stopped where it stands, and goes on there; what
//! stood still for [`FROZEN_MAX`] is given back, so that nobody waits for a sleeping machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::board::Board;
use crate::chance;
use crate::os::{self, Sensors};
use crate::pipe::Pipes;
use crate::rules::{self, Lent, Memory, Readings, Scope};
use crate::state::{ChunkView, Phase};
use crate::work::{Order, Workshop};

const EACH: Duration = Duration::from_secs(1);
/// How long a chunk may stand still.
const FROZEN_MAX: Duration = Duration::from_secs(60);
/// A lease that the server gave before it heard of the end arrives within this time.
const QUIET: Duration = Duration::from_secs(2);

/// What of disk and connection the limits are about.
pub(crate) struct Room {
    pub(crate) pipes: Arc<Pipes>,
    /// The most disk for downloads, whatever the limits say.
    pub(crate) blob_bytes: u64,
}

/// Keeps the machine within its limits.
pub(crate) struct Gauges {
    board: Arc<Board>,
    shop: Arc<Workshop>,
    orders: mpsc::Sender<Order>,
    sensors: Sensors,
    room: Room,
    lent: Lent,
    readings: Readings,
    memory: Memory,
    /// Since when nothing may compute.
    frozen: Option<Instant>,
    /// Since when a finishing machine has nothing left.
    empty: Option<Instant>,
}

impl Gauges {
    pub(crate) fn new(
        board: Arc<Board>,
        shop: Arc<Workshop>,
        orders: mpsc::Sender<Order>,
        sensors: Sensors,
        room: Room,
        lent: Lent,
    ) -> Self {
        let mut gauges = Self {
            board,
            shop,
            orders,
            sensors,
            room,
            lent,
            readings: Readings::default(),
            memory: Memory::default(),
            frozen: None,
            empty: None,
        };
        // Without rules there is no reading to wait for.
        if gauges.board.always {
            gauges.decide();
        }
        gauges
    }

    /// Works until the floor is gone.
    pub(crate) async fn run(mut self) {
        let mut second = interval(EACH);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let board = Arc::clone(&self.board);
            tokio::select! {
                _ = second.tick() => {
                    self.readings = self.sensors.read(&board.limits()).await;
                    self.count();
                }
                () = board.turned.notified() => {}
            }
            self.decide();
            self.make_room().await;
            if self.follow().await.is_err() {
                return;
            }
        }
    }

    /// Sets how much of disk and connection may be used.
    async fn make_room(&self) {
        let limits = self.board.limits();
        self.room.pipes.limit(limits.down_mb_s, limits.up_mb_s);
        let half = limits.half_of_disk();
        self.shop.blobs.limit(half.min(self.room.blob_bytes));
        if let Err(error) = self.shop.programs.modules().limit(half).await {
            tracing::warn!(%error, "compiled programs could not be removed");
        }
    }

    /// Counts a second of computing, if there was one.
    fn count(&self) {
        let view = self.board.view();
        let is_running = |chunk: &ChunkView| matches!(chunk.phase, Phase::Running(_));
        if view.scope() != Scope::Freeze && view.chunks.values().any(is_running) {
            self.board.worked.second(chance::unix_seconds(), self.readings.own_pct);
        }
    }

    /// Asks the rules, and sets what may compute.
    fn decide(&mut self) {
        let (limits, now) = (self.board.limits(), os::local(chance::unix_seconds()));
        let (verdict, memory) = rules::decide(&limits, &self.readings, self.lent, now, self.memory);
        self.memory = memory;
        let verdict = verdict.within(&self.board.remote());
        // What stands still keeps its slot: it goes on in it.
        if verdict.scope != Scope::Freeze {
            self.shop.slots.limit(verdict.slots);
            self.shop.memory.limit(verdict.memory_mib);
            let bytes = verdict.memory_mib.saturating_mul(1 << 20);
            self.shop.programs.modules().lend(bytes);
        }
        self.board.ruled(verdict, self.readings.clone());
        let is_frozen = self.board.view().scope() == Scope::Freeze;
        if is_frozen != self.frozen.is_some() {
            self.shop.slots.pause(is_frozen);
            self.shop.programs.modules().pause(is_frozen);
            self.frozen = is_frozen.then(Instant::now);
        }
    }

    /// What follows when a pause or an end lasts. The error says that the floor is gone.
    async fn follow(&mut self) -> Result<(), ()> {
        let view = self.board.view();
        let is_over = |since: Option<Instant>, most| since.is_some_and(|at| at.elapsed() >= most);
        let patience = if view.leaving || view.updating { Duration::ZERO } else { FROZEN_MAX };
        if is_over(self.frozen, patience) && !self.board.unfinished().is_empty() {
            self.orders.send(Order::HandBack).await.map_err(drop)?;
        }
        let is_done = view.finishing && view.chunks.is_empty();
        self.empty = is_done.then(|| self.empty.unwrap_or_else(Instant::now));
        if is_over(self.empty, QUIET) {
            self.board.set_paused(true);
        }
        Ok(())
    }
}
