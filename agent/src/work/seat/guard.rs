//! What ends a seat from this side: the machine takes no work, nobody pays, a round takes too
//! long, the guest does not end. It is looked at a few times a second, never for a round, and then
//! the page is told how the seat does.

use std::time::Duration;

use medusa_api::SeatOrder;
use medusa_types::Outcome;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::{Hall, Stop};
use crate::board::Board;
use crate::rules::Scope;
use crate::state::{SeatView, View};

/// How often it is looked.
const EACH: Duration = Duration::from_millis(250);
/// How often the page is told.
const SHOWN_EACH: Duration = Duration::from_secs(1);
/// How long a guest may stand still before another machine takes its place.
const STILL_MAX: Duration = Duration::from_secs(2);
/// How long a round may take.
const ROUND_MAX: Duration = Duration::from_secs(30 * 60);
/// How long a guest may go on when its session is finished.
const END_MAX: Duration = Duration::from_secs(5);

/// The guard of one seat.
pub(super) struct Guard<'a> {
    board: &'a Board,
    lease: &'a str,
    pub(super) tick: Interval,
    view: watch::Receiver<View>,
    stillness: Option<watch::Receiver<bool>>,
    unpaid_max: Duration,
    /// Since when it stands still.
    still: Option<Instant>,
    /// Since when something was answered that is not paid.
    owed: Option<Instant>,
    /// Since when the guest computes what it owes.
    busy: Option<Instant>,
    /// When the guest must have ended.
    finish_by: Option<Instant>,
    answered: u64,
    shard: Option<u32>,
    /// Answers since the page was told.
    answers: u64,
    shown: Instant,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        board: &'a Board,
        lease: &'a str,
        stillness: Option<watch::Receiver<bool>>,
        unpaid_max: Duration,
    ) -> Self {
        let mut tick = interval(EACH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            board,
            lease,
            tick,
            view: board.watch(),
            stillness,
            unpaid_max,
            still: None,
            owed: None,
            busy: None,
            finish_by: None,
            answered: 0,
            shard: None,
            answers: 0,
            shown: Instant::now(),
        }
    }

    /// Another guest begins.
    pub(super) fn begin(&mut self, shard: u32) {
        (self.shard, self.busy) = (Some(shard), None);
    }

    /// The guest was asked something.
    pub(super) fn asked(&mut self) {
        self.busy.get_or_insert_with(Instant::now);
    }

    /// It said something that it owed, and may owe more.
    pub(super) fn said(&mut self, is_busy: bool) {
        self.busy = is_busy.then(Instant::now);
    }

    /// What it said was the answer of this round.
    pub(super) fn answered(&mut self, round: u64) {
        self.answered = round;
        self.answers = self.answers.saturating_add(1);
        self.owed.get_or_insert_with(Instant::now);
    }

    /// The home said this.
    pub(super) fn heard(&mut self, order: SeatOrder) {
        if let SeatOrder::Paid { round } = order {
            self.owed = (round < self.answered).then(Instant::now);
        }
    }

    /// The guest was told that it is over.
    pub(super) fn finishes(&mut self) {
        self.finish_by = Some(Instant::now() + END_MAX);
    }

    pub(super) const fn is_finishing(&self) -> bool {
        self.finish_by.is_some()
    }

    /// Looks whether the seat can go on.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn look(&mut self) -> Result<(), Stop> {
        self.look_at(Instant::now())
    }

    fn look_at(&mut self, now: Instant) -> Result<(), Stop> {
        let is_over = |since: Option<Instant>, most| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= most)
        };
        if self.finish_by.is_some_and(|by| now >= by) {
            return Err(Stop::Finished);
        }
        let is_still = self.stillness.as_ref().is_some_and(|still| *still.borrow());
        self.still = is_still.then(|| self.still.unwrap_or(now));
        if is_over(self.still, STILL_MAX) {
            return Err(Stop::HandBack("nothing may compute here for now".into()));
        }
        if self.view.borrow().scope() == Scope::Hold {
            return Err(Stop::HandBack("this machine takes no new work".into()));
        }
        if is_over(self.owed, self.unpaid_max) {
            let seconds = self.unpaid_max.as_secs();
            let why = format!("answers were given, and for {seconds} s nothing was paid");
            return Err(Stop::HandBack(why));
        }
        if !is_still && is_over(self.busy, ROUND_MAX) {
            let detail = format!("the round took more than {} s", ROUND_MAX.as_secs());
            return Err(Stop::failed(Outcome::WallOut, detail));
        }
        if is_over(Some(self.shown), SHOWN_EACH) {
            self.show(now);
        }
        Ok(())
    }

    fn show(&mut self, now: Instant) {
        let ms = now.saturating_duration_since(self.shown).as_millis();
        let per_s = u128::from(self.answers).saturating_mul(1_000).checked_div(ms);
        let per_s = u64::try_from(per_s.unwrap_or_default()).unwrap_or(u64::MAX);
        (self.answers, self.shown) = (0, now);
        let seat = SeatView { shard: self.shard, round: self.answered, per_s };
        self.board.seat(self.lease, seat);
    }
}

impl Hall<'_> {
    /// Does this, and hears and looks meanwhile. What it gives comes before all else.
    pub(super) async fn during<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Stop> {
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                biased;
                done = &mut what => return Ok(done),
                order = self.ears.hear() => self.heard(order),
                _ = self.guard.tick.tick() => self.guard.look()?,
            }
        }
    }

    pub(super) fn heard(&mut self, order: Option<SeatOrder>) {
        if let Some(order) = order {
            self.guard.heard(order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Readings, Verdict};
    use crate::scratch::Scratch;

    /// What is found after so many seconds, when this happened before.
    fn found(happened: impl FnOnce(&mut Guard<'_>), seconds: u64) -> Option<Stop> {
        let scratch = Scratch::new();
        let board = Board::open(scratch.path(), (true, false), "desk", 2);
        let (scope, why, unknown) = (Scope::Run, Vec::new(), Vec::new());
        let verdict = Verdict { scope, slots: 2, memory_mib: 512, why, unknown, next: None };
        board.ruled(verdict, Readings::default());
        let mut guard = Guard::new(&board, "lse_1", None, Duration::from_secs(60));
        guard.begin(0);
        happened(&mut guard);
        guard.look_at(Instant::now() + Duration::from_secs(seconds)).err()
    }

    #[tokio::test]
    async fn only_what_is_due_ends_a_seat() {
        let answer = |guard: &mut Guard<'_>| {
            guard.asked();
            guard.said(false);
            guard.answered(3);
        };
        assert!(found(|_| {}, 1_000_000).is_none(), "nobody asks it anything");
        assert!(found(answer, 59).is_none());
        assert!(matches!(found(answer, 61), Some(Stop::HandBack(_))), "nobody pays");
        let paid = |round| {
            move |guard: &mut Guard<'_>| {
                answer(guard);
                guard.heard(SeatOrder::Paid { round });
            }
        };
        assert!(found(paid(3), 1_000_000).is_none(), "all is paid");
        assert!(found(paid(2), 59).is_none(), "some of it");
        assert!(matches!(found(paid(2), 61), Some(Stop::HandBack(_))));
    }

    #[tokio::test]
    async fn a_round_has_half_an_hour_and_an_end_five_seconds() {
        let ask = |guard: &mut Guard<'_>| guard.asked();
        assert!(found(ask, 1_799).is_none());
        let late = found(ask, 1_801);
        assert!(matches!(late, Some(Stop::Failed { outcome: Outcome::WallOut, .. })), "{late:?}");
        let pipelined = |guard: &mut Guard<'_>| {
            guard.asked();
            guard.said(true);
        };
        assert!(matches!(found(pipelined, 1_801), Some(Stop::Failed { .. })), "the next one");
        let finish = |guard: &mut Guard<'_>| guard.finishes();
        assert!(found(finish, 4).is_none());
        assert!(matches!(found(finish, 6), Some(Stop::Finished)));
    }

    #[tokio::test]
    async fn standing_still_for_a_moment_is_no_end() {
        let (lever, still) = watch::channel(true);
        let scratch = Scratch::new();
        let board = Board::open(scratch.path(), (true, false), "desk", 2);
        let (scope, why, unknown) = (Scope::Freeze, Vec::new(), Vec::new());
        let verdict = Verdict { scope, slots: 2, memory_mib: 512, why, unknown, next: None };
        board.ruled(verdict, Readings::default());
        let mut guard = Guard::new(&board, "lse_1", Some(still), Duration::from_secs(60));
        let now = Instant::now();
        let mut look = |ms| guard.look_at(now + Duration::from_millis(ms));
        assert!(look(0).is_ok() && look(1_900).is_ok());
        lever.send_replace(false);
        assert!(look(2_000).is_ok());
        lever.send_replace(true);
        assert!(look(2_100).is_ok() && look(4_000).is_ok());
        assert!(matches!(look(4_200), Err(Stop::HandBack(_))));
    }
}
