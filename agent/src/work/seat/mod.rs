//! A seat of a session: the program stays, takes a shard, and answers the rounds that its home
//! sends over a WebSocket of its own.
//!
//! One task does all of it. A round goes from the home's message into the guest, and its answer
//! from the guest into a message, without a task, a timer or a text in between. A broken line is
//! made again while the guest waits, and what the home asks twice is computed once. Whatever
//! happens, the lease ends with a report or is handed back.

mod book;
mod guard;
mod line;

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use medusa_api::{SeatOrder, SeatWord};
use medusa_protocol::{
    Frame, Lease, MARK_LOAD, MARK_SAVE, Message, PAYLOAD_BYTES_MAX, SessionHead, SessionKind,
};
use medusa_sandbox::{Live, Purpose, Slot, Word, WorkerError};
use medusa_types::{Outcome, Sha256Hash};
use tokio::time::{Instant, sleep, timeout};

use self::book::{Asking, Book, Taken, marked};
use self::guard::Guard;
use self::line::{Broken, Ears, Heard, Mouth, address, connect};
use super::run::{Ended, Fault, Workshop};
use crate::chance;
use crate::server::Server;
use crate::state::Phase;

/// How long a seat waits for memory and a slot: a session does not wait for chunks to end.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// How long a home may be away.
const AWAY_MAX: Duration = Duration::from_secs(60);
/// The longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// Of a guest's standard error, what its home is told.
const DETAIL_BYTES_MAX: usize = 2_000;

/// Why a seat is left.
#[derive(Debug)]
enum Stop {
    /// The session is over.
    Finished,
    /// The guest, or what is around it, can do no more.
    Failed { outcome: Outcome, detail: String, unfinished: bool },
    /// Another machine may have it: nobody's fault.
    HandBack(String),
}

impl Stop {
    const fn failed(outcome: Outcome, detail: String) -> Self {
        Self::Failed { outcome, detail, unfinished: false }
    }

    fn malformed(why: impl std::fmt::Display) -> Self {
        let detail = format!("the session's home sent what cannot be understood: {why}");
        Self::failed(Outcome::AgentFault, detail)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::failed(fault.outcome, fault.to_string())
    }
}

/// What is heard and looked at while something else is done.
struct Hall<'a> {
    ears: Ears,
    guard: Guard<'a>,
}

/// A seat that is taken.
struct Seat<'a> {
    shop: &'a Workshop,
    server: &'a Server,
    lease: &'a Lease,
    address: String,
    hall: Hall<'a>,
    mouth: Option<Mouth>,
    /// Something was said that has not left.
    has_said: bool,
    /// While there is no guest.
    slot: Option<Slot<'a>>,
    guest: Option<Live<'a>>,
    /// Why the guest takes nothing more.
    deaf: Option<WorkerError>,
    book: Book,
    /// What the guest said last, if it is no answer.
    frame: Vec<u8>,
    stderr: String,
    cpu_ms: u64,
}

impl Workshop {
    /// Takes a seat, until it is left. Nothing when it is handed back.
    pub(super) async fn sit(
        &self,
        server: &Server,
        lease: &Lease,
        home: &str,
    ) -> Result<Option<Ended>, Fault> {
        let address = address(server.base(), home).map_err(Fault::new)?;
        let needed = self.memory_needed(lease)?;
        self.programs.get(server, &self.blobs, &lease.program, lease.strict).await?;
        self.board.phase(&lease.lease, Phase::Waiting);
        let purpose = Purpose {
            job: lease.job.clone(),
            program: Sha256Hash(lease.program.sha256),
            strict: lease.strict,
        };
        let room = async {
            let memory = self.memory.take(needed).await.ok()?;
            Some((memory, self.slots.take(&purpose).await?))
        };
        let Ok(Some((_memory, slot))) = timeout(ROOM_WAIT, room).await else {
            tracing::info!(lease = lease.lease, "a seat is handed back: all slots are in use");
            return Ok(None);
        };
        self.board.phase(&lease.lease, Phase::Running(Instant::now()));
        let guard = Guard::new(&self.board, &lease.lease, slot.stillness(), self.unpaid_max);
        let mut seat = Seat {
            shop: self,
            server,
            lease,
            address,
            hall: Hall { ears: Ears::default(), guard },
            mouth: None,
            has_said: false,
            slot: Some(slot),
            guest: None,
            deaf: None,
            book: Book::default(),
            frame: Vec::new(),
            stderr: String::new(),
            cpu_ms: 0,
        };
        let stop = seat.stay().await;
        Ok(seat.leave(stop).await)
    }

    /// A guest with this shard, and the first frame that it gets.
    async fn guest<'a>(
        &self,
        server: &Server,
        slot: Slot<'a>,
        shard: &Lease,
        payload: Bytes,
    ) -> Result<(Live<'a>, Vec<u8>), Fault> {
        self.memory_needed(shard)?;
        let program = self.programs.get(server, &self.blobs, &shard.program, shard.strict);
        let task = self.task(server, shard, payload);
        let (program, mut task) = tokio::try_join!(program, task)?;
        let first = std::mem::take(&mut task.stdin);
        let opened = slot.open(self.programs.modules(), &program, task).await;
        let guest = opened.map_err(|error| self.worker_failed(&program, &error))?;
        Ok((guest, first))
    }
}

impl Seat<'_> {
    /// Answers rounds until something ends it.
    async fn stay(&mut self) -> Stop {
        loop {
            let served = async {
                self.join().await?;
                self.serve().await
            };
            match served.await {
                Ok(why) => tracing::info!(lease = self.lease.lease, "a session was cut: {why}"),
                Err(stop) => return stop,
            }
        }
    }

    /// Makes a line to the home, in as many tries as it takes.
    async fn join(&mut self) -> Result<(), Stop> {
        (self.mouth, self.has_said, self.hall.ears) = (None, false, Ears::default());
        let until = Instant::now() + AWAY_MAX;
        loop {
            let connecting = async {
                let (mut mouth, ears) = Box::pin(connect(&self.address, self.server)).await?;
                let Book { shard, answered: round, fuel, .. } = self.book;
                mouth.word(&SeatWord::Here { shard, round, fuel }).await?;
                Ok((mouth, ears))
            };
            match self.hall.during(connecting).await? {
                Ok((mouth, ears)) => {
                    (self.mouth, self.hall.ears) = (Some(mouth), ears);
                    return Ok(());
                }
                Err(Broken::Refused(why)) => {
                    return Err(Stop::HandBack(format!("the session's home refuses it: {why}")));
                }
                Err(Broken::Cut(why) | Broken::Malformed(why)) if Instant::now() >= until => {
                    return Err(Stop::HandBack(format!("the session's home is away: {why}")));
                }
                Err(Broken::Cut(why) | Broken::Malformed(why)) => {
                    tracing::debug!("a session's home is away: {why}");
                }
            }
            self.hall.during(sleep(chance::up_to(RETRY_MAX))).await?;
        }
    }

    /// Answers rounds until the line breaks, and says why it did.
    async fn serve(&mut self) -> Result<String, Stop> {
        loop {
            self.send_off().await?;
            let book = &self.book;
            if let Some(heard) = self.hall.ears.take(|heard| may_go(book, heard)) {
                self.obey(heard).await?;
                continue;
            }
            // A home that has said goodbye is missed no more: its session is over.
            let broken = &mut self.hall.ears.broken;
            match broken.take_if(|_| !self.hall.guard.is_finishing()) {
                Some(Broken::Malformed(why)) => return Err(Stop::malformed(why)),
                Some(Broken::Cut(why) | Broken::Refused(why)) => return Ok(why),
                None => {}
            }
            let Self { guest, frame, hall, .. } = self;
            tokio::select! {
                // The guest comes last: one that never stops talking must not be all that is heard.
                biased;
                _ = hall.guard.tick.tick() => hall.guard.look()?,
                order = hall.ears.hear() => hall.heard(order),
                word = next_word(guest, frame) => self.said(word).await?,
            }
        }
    }

    /// What was said leaves, together with what the guest has said by now.
    async fn send_off(&mut self) -> Result<(), Stop> {
        while self.has_said {
            if self.book.is_busy()
                && let Some(word) = next_word(&mut self.guest, &mut self.frame).now_or_never()
            {
                self.said(word).await?;
                continue;
            }
            self.has_said = false;
            let Some(mouth) = &mut self.mouth else { return Ok(()) };
            let sent = self.hall.during(mouth.flush()).await?;
            self.went(sent);
        }
        Ok(())
    }

    /// Does what the home asks.
    async fn obey(&mut self, heard: Heard) -> Result<(), Stop> {
        let (head, payload) = match heard {
            Heard::Order(SeatOrder::Finish) => return self.finish().await,
            Heard::Order(SeatOrder::Paid { .. }) => return Ok(()),
            Heard::Payload(head, payload) => (head, payload),
        };
        match head.kind {
            SessionKind::Take => self.take(&payload).await,
            SessionKind::Round | SessionKind::Call => self.ask(&head, &payload).await,
            SessionKind::Save => self.ask(&head, &marked(MARK_SAVE, &Bytes::new())).await,
            SessionKind::Load => {
                self.book.go_back();
                self.tell(&marked(MARK_LOAD, &payload)).await
            }
            SessionKind::Answer | SessionKind::Metrics | SessionKind::State => {
                Err(Stop::malformed("it is what only an agent sends"))
            }
        }
    }

    /// Takes a shard, with a guest of its own.
    async fn take(&mut self, payload: &Bytes) -> Result<(), Stop> {
        let frame = Frame::decode(payload).map_err(Stop::malformed)?;
        let Message::Lease(mut shard) = frame.message else {
            return Err(Stop::malformed("what is to be taken is no lease"));
        };
        let limits = self.lease.limits;
        if shard.limits.memory_bytes > limits.memory_bytes {
            return Err(Stop::malformed("a shard needs more memory than its seat"));
        }
        shard.limits.wall_ms = limits.wall_ms;
        if let Some(guest) = self.guest.take() {
            self.slot = guest.into_slot();
        }
        self.book.begin(shard.chunk);
        self.hall.guard.begin(shard.chunk);
        self.deaf = None;
        let slot = self.slot.take().ok_or_else(|| Fault::new("a guest did not leave its slot"))?;
        let opening = self.shop.guest(self.server, slot, &shard, frame.payload);
        let (guest, first) = self.hall.during(opening).await??;
        self.guest = Some(guest);
        self.tell(&first).await?;
        let Some(mouth) = &mut self.mouth else { return Ok(()) };
        let ready = SeatWord::Ready { shard: shard.chunk };
        let sent = self.hall.during(mouth.word(&ready)).await?;
        self.went(sent);
        Ok(())
    }

    /// Asks the guest for an answer or its state, unless it is known.
    async fn ask(&mut self, head: &SessionHead, frame: &[u8]) -> Result<(), Stop> {
        if self.book.shard.is_none() {
            return Err(Stop::malformed("it asks a seat that has no shard"));
        }
        match self.book.asking(head) {
            Asking::Ask => {
                self.book.ask(head, frame.len());
                self.hall.guard.asked();
                self.tell(frame).await
            }
            Asking::Repeat => self.answer().await,
            Asking::Known => Ok(()),
        }
    }

    /// Sends the guest a frame. When it takes none, what it still says is heard.
    async fn tell(&mut self, frame: &[u8]) -> Result<(), Stop> {
        let Some(guest) = &mut self.guest else { return Ok(()) };
        let pipes = self.server.pipes();
        let telling = async {
            pipes.down.pass(frame.len()).await;
            guest.send(frame).await
        };
        if let Err(error) = self.hall.during(telling).await? {
            self.deaf.get_or_insert(error);
        }
        Ok(())
    }

    /// The session is over: the guest may end by itself.
    async fn finish(&mut self) -> Result<(), Stop> {
        let guest = self.guest.as_mut().ok_or(Stop::Finished)?;
        self.hall.guard.finishes();
        if let Err(error) = self.hall.during(guest.finish()).await? {
            self.deaf.get_or_insert(error);
        }
        Ok(())
    }

    /// The guest said this.
    async fn said(&mut self, word: Result<Word, WorkerError>) -> Result<(), Stop> {
        let is_finishing = self.hall.guard.is_finishing();
        let fuel = match word {
            Ok(Word::Frame { fuel }) => fuel,
            Ok(Word::Ended { report, unfinished }) => {
                self.book.fuel = self.book.fuel.max(report.fuel);
                (self.stderr, self.cpu_ms) = (report.stderr, report.cpu_ms);
                if is_finishing {
                    return Err(Stop::Finished);
                }
                let outcome = report.outcome;
                return Err(Stop::Failed { outcome, detail: end(&self.stderr), unfinished });
            }
            Err(error) => {
                let error = self.deaf.take().unwrap_or(error);
                return Err(Fault::because("the worker failed", &error).into());
            }
        };
        let taken = self.book.take(&mut self.frame, fuel);
        if matches!(taken, Taken::Answer | Taken::State(_)) {
            self.hall.guard.said(self.book.is_busy());
        }
        match taken {
            Taken::Answer => {
                self.hall.guard.answered(self.book.answered);
                self.answer().await
            }
            Taken::State(head) => self.state(head).await,
            Taken::Unasked if !is_finishing => {
                let detail = "the program said something that nobody had asked for".to_owned();
                Err(Stop::failed(Outcome::Trap, detail))
            }
            Taken::Nothing | Taken::Unasked => Ok(()),
        }
    }

    /// Sends the last answer, after its metrics.
    async fn answer(&mut self) -> Result<(), Stop> {
        let (Some((head, metrics, payload)), Some(mouth)) = (self.book.last(), &mut self.mouth)
        else {
            return Ok(());
        };
        fits(&head)?;
        let pipes = self.server.pipes();
        let saying = async {
            pipes.up.pass(payload.len()).await;
            if !metrics.is_empty() {
                let total = u32::try_from(metrics.len()).unwrap_or(u32::MAX);
                let kind = SessionKind::Metrics;
                mouth.feed(SessionHead { kind, total, ..head }, metrics).await?;
            }
            mouth.feed(head, payload).await
        };
        let sent = self.hall.during(saying).await?;
        self.has_said = true;
        self.went(sent);
        Ok(())
    }

    /// Sends the guest's state.
    async fn state(&mut self, head: SessionHead) -> Result<(), Stop> {
        fits(&head)?;
        let (frame, pipes) = (&self.frame, self.server.pipes());
        let Some(mouth) = &mut self.mouth else { return Ok(()) };
        let saying = async {
            pipes.up.pass(frame.len()).await;
            mouth.feed(head, frame).await
        };
        let sent = self.hall.during(saying).await?;
        self.has_said = true;
        self.went(sent);
        Ok(())
    }

    /// A line that does not take what is said is broken.
    fn went(&mut self, sent: Result<(), Broken>) {
        if let Err(broken) = sent {
            self.hall.ears.broken.get_or_insert(broken);
        }
    }

    /// Says goodbye. Nothing when the seat is handed back.
    async fn leave(self, stop: Stop) -> Option<Ended> {
        let lease = &self.lease.lease;
        let (round, fuel) = (self.book.under_way(), self.book.total());
        // The slot is free before anybody is told.
        drop((self.guest, self.slot));
        let (outcome, stderr, word) = match stop {
            Stop::Finished => (Outcome::Done, self.stderr, None),
            Stop::HandBack(why) => {
                tracing::info!(lease, "a seat is handed back: {why}");
                if let Some(mouth) = self.mouth {
                    mouth.close(None).await;
                }
                return None;
            }
            Stop::Failed { outcome, detail, unfinished } => {
                tracing::warn!(lease, round, "a seat's guest failed: {detail}");
                let stderr = if self.stderr.is_empty() { detail.clone() } else { self.stderr };
                (
                    outcome,
                    stderr,
                    Some(SeatWord::Failed {
                        outcome,
                        detail,
                        unfinished,
                        round,
                        fuel: self.book.fuel,
                    }),
                )
            }
        };
        if let Some(mouth) = self.mouth {
            mouth.close(word.as_ref()).await;
        }
        Some(Ended { outcome, output: Bytes::new(), fuel, stderr, cpu_ms: self.cpu_ms })
    }
}

/// Whether it is the turn of this: the guest's pipe may hold only so much.
fn may_go(book: &Book, heard: &Heard) -> bool {
    match heard {
        Heard::Payload(head, payload) => {
            let is_for_guest = head.kind != SessionKind::Take;
            !is_for_guest || book.has_room(payload.len())
        }
        Heard::Order(_) => true,
    }
}

/// The guest's next word; never ends without a guest.
async fn next_word(guest: &mut Option<Live<'_>>, frame: &mut Vec<u8>) -> Result<Word, WorkerError> {
    match guest {
        Some(guest) => guest.receive(frame).await,
        None => pending().await,
    }
}

/// A payload may be so long.
fn fits(head: &SessionHead) -> Result<(), Stop> {
    if head.total <= PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("an answer of {} bytes; it has at most {PAYLOAD_BYTES_MAX}", head.total);
    Err(Stop::failed(Outcome::OutputOut, detail))
}

/// The end of what a guest wrote, for its home.
fn end(stderr: &str) -> String {
    let from = stderr.ceil_char_boundary(stderr.len().saturating_sub(DETAIL_BYTES_MAX));
    stderr.get(from..).unwrap_or_default().to_owned()
}
