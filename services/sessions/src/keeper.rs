//! The keeper of one session: everything that its rounds never wait for. It writes seats, windows
//! and the end to the log, asks for agents, and fetches shards; one thing after the other, so that
//! facts stand in the order in which things happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use medusa_eventlog::{Append, AppendError, EventLog, NewEvent, Operation};
use medusa_events::{EndState, Fact};
use medusa_types::{AgentId, Fuel, JobId, LeaseId, SessionId, Sha256Hash, UserId};
use tokio::sync::mpsc;

use crate::domain::Window;
use crate::domain::code;
use crate::hub::{Inlet, Outward};
use crate::port::{Escrows, SeatEvent, Seating};

/// Between two tries to write what the log did not take.
const AGAIN: Duration = Duration::from_millis(200);

pub(crate) struct Keeper {
    pub(crate) session: SessionId,
    pub(crate) owner: UserId,
    pub(crate) log: EventLog,
    pub(crate) escrows: Arc<dyn Escrows>,
    pub(crate) seating: Box<dyn Seating>,
    pub(crate) seats: mpsc::UnboundedReceiver<SeatEvent>,
    pub(crate) outward: mpsc::UnboundedReceiver<Outward>,
    pub(crate) inlets: mpsc::UnboundedSender<Inlet>,
    pub(crate) fuel_limit: Fuel,
    /// Seats that were taken and not left, with what windows have paid of each.
    pub(crate) taken: BTreeMap<LeaseId, (AgentId, Fuel)>,
}

impl Keeper {
    /// Until the session has ended in the log.
    pub(crate) async fn keep(mut self) {
        loop {
            tokio::select! {
                biased;
                outward = self.outward.recv() => match outward {
                    Some(Outward::End(rounds, code, detail)) => {
                        tracing::info!(session = %self.session, code, detail, "a session ended");
                        return self.end(rounds, code).await;
                    }
                    Some(outward) => self.outward(outward).await,
                    // The task died: what is in the log is enough to begin again.
                    None => return,
                },
                seat = self.seats.recv() => match seat {
                    Some(event) => self.seat(event).await,
                    None => return,
                },
            }
        }
    }

    async fn outward(&mut self, outward: Outward) {
        match outward {
            Outward::Pay(window) => self.pay(window).await,
            Outward::Want(seats) => self.seating.want(seats),
            Outward::Dismiss(lease, failed) => self.seating.give_up(lease, failed),
            Outward::Give(lease, agent, shard) => {
                match self.seating.shard(lease, agent, shard).await {
                    Ok(frame) => self.tell(Inlet::Shard(lease, shard, frame)),
                    Err(error) => {
                        tracing::error!(session = %self.session, ?error, "a shard cannot be read");
                        self.tell(Inlet::End(
                            Some(code::SHARD_UNREADABLE),
                            format!("shard {shard} cannot be read"),
                        ));
                    }
                }
            }
            Outward::End(..) => {}
        }
    }

    fn tell(&self, inlet: Inlet) {
        if self.inlets.send(inlet).is_err() {
            tracing::debug!(session = %self.session, "a session's task has ended");
        }
    }

    async fn seat(&mut self, event: SeatEvent) {
        match event {
            SeatEvent::Taken { lease, agent, lender } => {
                self.taken.insert(lease, (agent, Fuel(0)));
                let (session, fuel_limit) = (self.session, self.fuel_limit);
                let fact = Fact::SeatTaken { session, lease, agent, lender, fuel_limit };
                self.tell(Inlet::Taken(lease, agent, lender));
                self.write(format!("seat:{lease}"), vec![fact]).await;
            }
            SeatEvent::Left { lease, why, report } => {
                if let Some((outcome, _, words)) = &report {
                    tracing::debug!(%lease, ?outcome, words, "a seat was reported");
                }
                self.left(lease, why).await;
                self.tell(Inlet::Left(lease));
            }
        }
    }

    async fn left(&mut self, lease: LeaseId, why: &str) {
        let Some((agent, fuel)) = self.taken.remove(&lease) else { return };
        let (session, why) = (self.session, why.to_owned());
        let fact = Fact::SeatLeft { session, lease, agent, fuel, why };
        self.write(format!("left:{lease}"), vec![fact]).await;
    }

    async fn pay(&mut self, window: Window) {
        let fact = Fact::RoundsSettled {
            session: self.session,
            window: window.number,
            round: window.round,
            price: window.price,
            fee: window.fee,
            shares: window.shares.clone(),
        };
        for share in &window.shares {
            if let Some((_, fuel)) = self.taken.get_mut(&share.lease) {
                *fuel = share.fuel;
            }
        }
        let key = format!("rounds:{}:{}", self.session, window.number);
        let inlet = if self.write(key, vec![fact]).await {
            Inlet::Paid(window)
        } else {
            let why = "the log refused what was to be paid".to_owned();
            Inlet::End(Some(code::NOT_PAID), why)
        };
        self.tell(inlet);
    }

    async fn end(&mut self, rounds: u64, code: Option<&'static str>) {
        let leases: Vec<LeaseId> = self.taken.keys().copied().collect();
        for lease in leases {
            self.left(lease, "ended").await;
        }
        let (session, owner) = (self.session, self.owner);
        let state = if code.is_some() { EndState::Failed } else { EndState::Done };
        let code = code.map(str::to_owned);
        let ended = Fact::SessionEnded { session, owner, state, code, rounds };
        let released = Fact::EscrowReleased { job: JobId(session.0), owner };
        self.write(format!("end:{session}"), vec![ended, released]).await;
    }

    /// Writes facts as one, for as long as it takes; whether they stand. What is refused is a
    /// mistake of ours, and is told.
    async fn write(&self, key: String, facts: Vec<Fact>) -> bool {
        let request = Sha256Hash::of(key.as_bytes());
        loop {
            let stream = stream(self.session);
            let event = |fact: &Fact| {
                NewEvent::new(stream.clone(), fact.clone()).moving(self.escrows.moves(fact))
            };
            let events = facts.iter().map(event).collect();
            let operation = Some(Operation::house(key.clone(), request));
            match self.log.append(Append { operation, events }).await {
                Ok(_) => return true,
                Err(AppendError::Unknown | AppendError::Busy) => tokio::time::sleep(AGAIN).await,
                Err(error) => {
                    tracing::error!(session = %self.session, %error, key, "the log refused");
                    return false;
                }
            }
        }
    }
}

/// The name of a session's stream.
pub(crate) fn stream(session: SessionId) -> String {
    format!("session-{session}")
}
