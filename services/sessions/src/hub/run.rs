//! The task of one session: moves messages between its sockets and its table.
//!
//! Nothing on a round's path waits for a timer, a lock or another thread. The clock is looked at a
//! few times a second, for windows, idleness and those who are late.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use futures_util::stream::{self, LocalBoxStream, SelectAll, StreamExt as _};
use futures_util::{FutureExt as _, Stream as _};
use medusa_api::{ClientWord, SeatWord};
use medusa_types::LeaseId;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use super::door::Visitor;
use super::outlet::{Outlet, Socket};
use super::pace::Pace;
use super::{Beginning, Inlet, Outward};
use crate::config::SessionsConfig;
use crate::domain::code;
use crate::domain::{Out, Table};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Messages that are taken at a time before anything is sent.
const BATCH: usize = 64;
/// Answers that are kept for a client that is away.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Agents that may come too early at the same time.
const EARLY_MAX: usize = 256;
/// A session ends after so long: its agents' tickets do.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Last words are sent within this, and who comes too early waits so long.
const FAREWELL: Duration = Duration::from_secs(5);

/// Whose socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Client,
    Seat(LeaseId),
}

/// What a socket gave: nothing is its end. The number tells a connection from the one before it.
type Came = (Who, u64, Option<Message>);

enum Event {
    Came(Came),
    Visit(Box<(Visitor, Socket)>),
    Inlet(Inlet),
    Tick,
    /// No socket is open.
    Idle,
    Over,
}

pub(super) struct Run {
    table: Table,
    outs: Vec<Out>,
    visits: mpsc::UnboundedReceiver<(Visitor, Socket)>,
    inlets: mpsc::UnboundedReceiver<Inlet>,
    outward: mpsc::UnboundedSender<Outward>,
    incoming: SelectAll<LocalBoxStream<'static, Came>>,
    outlets: HashMap<Who, (u64, Outlet)>,
    /// Those with something to send.
    dirty: Vec<Who>,
    connections: u64,
    /// For a client that is away.
    kept: Vec<Message>,
    kept_bytes: usize,
    tick: Interval,
    config: SessionsConfig,
    /// When the last window was sent to be paid, and whether it is on its way still.
    window: (Instant, bool),
    pace: Pace,
    /// The last round that was answered when the clock was looked at, and when that was new.
    active: (u64, Instant),
    /// Since when agents are awaited that have a seat.
    awaited: HashMap<LeaseId, (Instant, Duration)>,
    /// Agents that came before it was known that they have a seat.
    early: HashMap<LeaseId, (Instant, Socket)>,
    began: Instant,
    /// Since when every shard had an agent last.
    whole: Instant,
    ended: bool,
}

impl Run {
    pub(super) fn new(
        beginning: Beginning,
        visits: mpsc::UnboundedReceiver<(Visitor, Socket)>,
        config: SessionsConfig,
    ) -> Self {
        let Beginning { table, inlets, outward, .. } = beginning;
        let now = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let round = table.answered();
        let awaited = table.seats().map(|lease| (lease, (now, config.arrive))).collect();
        Self {
            table,
            outs: Vec::new(),
            visits,
            inlets,
            outward,
            incoming: SelectAll::new(),
            outlets: HashMap::new(),
            dirty: Vec::new(),
            connections: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            tick,
            config,
            window: (now, false),
            pace: Pace::new(round, now),
            active: (round, now),
            awaited,
            early: HashMap::new(),
            began: now,
            whole: now,
            ended: false,
        }
    }

    /// Until the session is over and its last words are sent.
    pub(super) async fn run(mut self) {
        self.send_outs();
        loop {
            match poll_fn(|cx| self.poll(cx)).await {
                Event::Came(came) => {
                    self.came(came);
                    // What has come meanwhile goes out with it.
                    for _ in 1..BATCH {
                        let Some(Some(came)) = self.incoming.next().now_or_never() else { break };
                        self.came(came);
                    }
                }
                Event::Visit(visit) => self.visit(visit.0, visit.1),
                Event::Inlet(inlet) => self.inlet(inlet),
                Event::Tick => self.look(),
                Event::Idle => {}
                Event::Over => return,
            }
            self.send_outs();
            if self.ended {
                let all: Vec<Who> = self.outlets.keys().copied().collect();
                for who in all {
                    self.push(who, Message::Close(None));
                }
                let rest = poll_fn(|cx| self.pump(cx));
                let _late = tokio::time::timeout(FAREWELL, rest).await;
                return;
            }
        }
    }

    /// Sends what can be sent, and waits for whatever comes first.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let _rest = self.pump(cx);
        // However much comes, pay and clock come first: they are rare.
        match self.inlets.poll_recv(cx) {
            Poll::Ready(Some(inlet)) => return Poll::Ready(Event::Inlet(inlet)),
            Poll::Ready(None) => return Poll::Ready(Event::Over),
            Poll::Pending => {}
        }
        if self.tick.poll_tick(cx).is_ready() {
            return Poll::Ready(Event::Tick);
        }
        if let Poll::Ready(Some(visit)) = self.visits.poll_recv(cx) {
            return Poll::Ready(Event::Visit(Box::new(visit)));
        }
        if self.incoming.is_empty() {
            return Poll::Pending;
        }
        let came = Pin::new(&mut self.incoming).poll_next(cx);
        came.map(|came| came.map_or(Event::Idle, Event::Came))
    }

    /// Empties the queues of all sockets as far as they go. Ready when all are empty.
    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut broken = Vec::new();
        let outlets = &mut self.outlets;
        self.dirty.retain(|who| match outlets.get_mut(who).map(|(_, outlet)| outlet.pump(cx)) {
            Some(Poll::Pending) => true,
            Some(Poll::Ready(Err(()))) => {
                broken.push(*who);
                false
            }
            Some(Poll::Ready(Ok(()))) | None => false,
        });
        for who in broken {
            self.gone(who);
        }
        if self.dirty.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn push(&mut self, who: Who, message: Message) {
        if let Some((_, outlet)) = self.outlets.get_mut(&who) {
            if outlet.is_idle() {
                self.dirty.push(who);
            }
            outlet.push(message);
        } else if who == Who::Client {
            self.kept_bytes = self.kept_bytes.saturating_add(message.len());
            if self.kept_bytes <= KEPT_BYTES_MAX {
                self.kept.push(message);
            }
        }
    }

    fn send_outs(&mut self) {
        let mut outs = std::mem::take(&mut self.outs);
        self.table.take_outs(&mut outs);
        for out in outs.drain(..) {
            match out {
                Out::Client(message) => self.push(Who::Client, Message::Binary(message)),
                Out::Say(word) => self.push(Who::Client, text(&word)),
                Out::Seat(lease, message) => self.push(Who::Seat(lease), Message::Binary(message)),
                Out::Order(lease, order) => self.push(Who::Seat(lease), text(&order)),
                Out::Give(lease, agent, shard) => {
                    self.awaited.insert(lease, (Instant::now(), self.config.arrive));
                    self.tell(Outward::Give(lease, agent, shard));
                }
                Out::Want(seats) => self.tell(Outward::Want(seats)),
                Out::Dismiss(lease, failed) => {
                    self.awaited.remove(&lease);
                    self.outlets.remove(&Who::Seat(lease));
                    self.tell(Outward::Dismiss(lease, failed));
                }
                Out::End(code, detail) => {
                    self.ended = true;
                    self.pay();
                    let rounds = self.table.answered();
                    self.tell(Outward::End(rounds, code, detail));
                }
            }
        }
        self.outs = outs;
    }

    fn tell(&self, outward: Outward) {
        if self.outward.send(outward).is_err() {
            tracing::debug!("a session's keeper has ended");
        }
    }

    fn visit(&mut self, visitor: Visitor, socket: Socket) {
        let who = match visitor {
            Visitor::Client => Who::Client,
            Visitor::Seat(lease, _) if self.table.knows(lease) => Who::Seat(lease),
            // It may be faster than the word that it was given the seat.
            Visitor::Seat(lease, _) => {
                if self.early.len() < EARLY_MAX {
                    self.early.insert(lease, (Instant::now(), socket));
                }
                return;
            }
        };
        self.connections = self.connections.wrapping_add(1);
        let number = self.connections;
        let (sink, stream) = socket.split();
        let (open, closed) = oneshot::channel::<()>();
        let stream = stream.take_until(closed);
        let incoming = stream.map(move |message| (who, number, message.ok()));
        let end = stream::once(async move { (who, number, None) });
        self.incoming.push(incoming.chain(end).boxed_local());
        self.outlets.insert(who, (number, Outlet::new(sink, open)));
        self.dirty.retain(|other| *other != who);
        match who {
            Who::Client => {
                // What it missed, then how things stand.
                self.kept_bytes = 0;
                for message in std::mem::take(&mut self.kept) {
                    self.push(who, message);
                }
                self.table.client_gone();
                self.table.greet();
            }
            Who::Seat(lease) => {
                self.awaited.remove(&lease);
            }
        }
    }

    fn gone(&mut self, who: Who) {
        self.outlets.remove(&who);
        match who {
            Who::Client => self.table.client_gone(),
            Who::Seat(lease) => {
                self.table.cut(lease);
                self.awaited.insert(lease, (Instant::now(), self.config.cut));
            }
        }
    }

    fn came(&mut self, (who, number, message): Came) {
        if self.outlets.get(&who).is_none_or(|(current, _)| *current != number) {
            return;
        }
        match (who, message) {
            (Who::Client, Some(Message::Binary(bytes))) => self.table.client(bytes),
            (Who::Seat(lease), Some(Message::Binary(bytes))) => self.table.seat(lease, bytes),
            (Who::Client, Some(Message::Text(words))) => {
                match serde_json::from_str::<ClientWord>(&words) {
                    Ok(ClientWord::Finish) => self.table.finish(),
                    Err(error) => self.table.misunderstood(&error.to_string()),
                }
            }
            (Who::Seat(lease), Some(Message::Text(words))) => {
                match serde_json::from_str::<SeatWord>(&words) {
                    Ok(word) => {
                        if let SeatWord::Ready { .. } = word {
                            self.awaited.remove(&lease);
                        }
                        self.table.word(lease, word);
                    }
                    Err(error) => tracing::debug!(%lease, %error, "an agent's words were not read"),
                }
            }
            (who, Some(Message::Close(_)) | None) => self.gone(who),
            _ => {}
        }
    }

    fn inlet(&mut self, inlet: Inlet) {
        match inlet {
            Inlet::Taken(lease, agent, lender) => {
                self.awaited.insert(lease, (Instant::now(), self.config.arrive));
                self.table.taken(lease, agent, lender);
                if let Some((_, socket)) = self.early.remove(&lease) {
                    self.visit(Visitor::Seat(lease, agent), socket);
                }
            }
            Inlet::Left(lease) => {
                self.awaited.remove(&lease);
                self.outlets.remove(&Who::Seat(lease));
                self.table.left(lease);
            }
            Inlet::Shard(lease, shard, frame) => self.give(lease, shard, &frame),
            Inlet::Paid(window) => {
                self.window.1 = false;
                let leases = window.shares.iter().map(|share| share.lease);
                self.table.covered(window.round, leases);
            }
            Inlet::End(code, detail) => self.table.end(code, detail),
        }
    }

    fn give(&mut self, lease: LeaseId, shard: u32, frame: &Bytes) {
        use medusa_protocol::{SessionHead, SessionKind};
        if !self.table.sends(lease, shard) {
            return;
        }
        let total = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let head = SessionHead { shard, ..SessionHead::new(SessionKind::Take, 0, total) };
        for message in head.messages(frame) {
            self.push(Who::Seat(lease), Message::Binary(message.into()));
        }
    }

    /// Pays what was answered since the last window, unless that one is still on its way.
    fn pay(&mut self) {
        let round = self.table.answered();
        self.window.0 = Instant::now();
        match self.table.bill.window(round) {
            Some(window) => {
                self.window.1 = true;
                self.tell(Outward::Pay(window));
            }
            // Rounds that were refused cost nothing.
            None => self.table.covered(round, std::iter::empty()),
        }
    }

    /// Looks at the clock.
    fn look(&mut self) {
        let now = Instant::now();
        let since = now.duration_since(self.window.0);
        if self.window.1 && since >= self.config.lead {
            self.table.wait_for_log();
        } else if !self.window.1 && since >= self.config.window {
            self.pay();
        }
        let answered = self.table.answered();
        if now.duration_since(self.began) >= LONGEST {
            self.table.end(None, "a session lasts a day at most");
        }
        let missing = self.table.missing();
        if answered > self.active.0 || self.table.is_busy() || missing > 0 {
            self.active = (answered, now);
        } else if now.duration_since(self.active.1) >= self.config.idle && !self.window.1 {
            self.table.end(None, "nobody asked for a round for a while");
        }
        if missing == 0 {
            self.whole = now;
        } else if now.duration_since(self.whole) >= self.config.lonely {
            let why = "no agents could be found for all shards";
            self.table.end(Some(code::NO_AGENTS), why);
        }
        self.look_for_late(now);
        self.early.retain(|_, (since, _)| now.duration_since(*since) < FAREWELL);
        let late =
            self.awaited.iter().filter(|(_, (since, most))| now.duration_since(*since) >= *most);
        let late: Vec<LeaseId> = late.map(|(lease, _)| *lease).collect();
        for lease in late {
            self.awaited.remove(&lease);
            self.table.drop_seat(lease);
        }
    }

    fn look_for_late(&mut self, now: Instant) {
        let shards = self.table.waits_for();
        let waits = !shards.is_empty();
        let answered = self.table.answered();
        let is_late = self.pace.is_late(now, answered, waits, self.config.late);
        if is_late && self.table.replace_late(&shards) {
            self.pace.replaced(now);
        }
    }
}

/// Words as a message.
pub(super) fn text(words: &impl Serialize) -> Message {
    Message::Text(serde_json::to_string(words).unwrap_or_default().into())
}
