//! The orders that this service accepts, behind one cheap handle.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use medusa_api::{Session, SessionHome, SessionRequest, SessionState};
use medusa_eventlog::{Append, EventLog, Expect, NewEvent, Operation, Progress, read_stream};
use medusa_events::Fact;
use medusa_platform::Clock;
use medusa_platform::ticket::{TicketQuery, Tickets};
use medusa_types::{
    AgentId, Credits, Fuel, JobId, LeaseId, METER, SessionId, Sha256Hash, Timestamp, UserId, Uuid,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::SessionsConfig;
use crate::domain::code;
use crate::domain::{Bill, Nan, Rules, Table, Terms};
use crate::error::SessionsError;
use crate::hub::{Beginning, Hub, Porter};
use crate::keeper::{Keeper, stream};
use crate::port::{Escrows, Floor, Planned, SeatTerms};
use crate::store;

/// What a ticket to drive a session is for.
const DRIVE: &str = "drive";
/// Whom it is for.
const CLIENT: &str = "client";
/// How long one is good.
const DRIVE_MS: i64 = 24 * 60 * 60 * 1000;
/// Sessions that a list has.
const LISTED: i64 = 100;
/// Events of one read.
const PAGE: i64 = 2_000;
/// Bytes of a GiB.
const GIB: i128 = 1 << 30;

/// What the service is made of.
pub struct SessionsParts {
    /// Settings.
    pub config: SessionsConfig,
    /// The log.
    pub log: EventLog,
    /// Billing.
    pub escrows: Arc<dyn Escrows>,
    /// Jobs: programs and agents.
    pub floor: Arc<dyn Floor>,
    /// Tickets for clients.
    pub tickets: Arc<Tickets>,
    /// Time.
    pub clock: Clock,
    /// How far the read model is.
    pub progress: Progress,
}

/// The sessions service. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    parts: Arc<SessionsParts>,
    hub: Hub,
    /// Those whose task runs.
    running: Arc<Mutex<BTreeSet<SessionId>>>,
}

struct TicketPorter {
    parts: Arc<SessionsParts>,
}

impl Porter for TicketPorter {
    fn may_drive(&self, session: SessionId, ticket: &TicketQuery) -> bool {
        let now = self.parts.clock.now();
        self.parts.tickets.check(DRIVE, &session.to_string(), CLIENT, ticket, now)
    }

    fn may_sit(&self, lease: LeaseId, agent: AgentId, ticket: &TicketQuery) -> bool {
        self.parts.floor.may_sit(lease, agent, ticket)
    }
}

/// A session that begins, or begins again.
struct Start {
    session: SessionId,
    owner: UserId,
    request: SessionRequest,
    shards: u32,
    terms: Terms,
    opened_at: Timestamp,
    bill: Bill,
    round: u64,
    /// Seats that were not left.
    taken: BTreeMap<LeaseId, (AgentId, UserId)>,
}

impl Sessions {
    /// Starts the data path on `listener`, and the sessions that have not ended.
    ///
    /// # Errors
    /// When there is no thread, or the log cannot be read.
    pub async fn start(
        parts: SessionsParts,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<Self, SessionsError> {
        let parts = Arc::new(parts);
        let porter = Arc::new(TicketPorter { parts: Arc::clone(&parts) });
        let hub = Hub::start(listener, porter, parts.config.clone(), stop)?;
        let sessions = Self { parts, hub, running: Arc::default() };
        sessions.parts.progress.reached(sessions.parts.log.head()).await;
        let mut db = sessions.parts.log.pool().acquire().await?;
        let open = store::open(&mut db).await?;
        drop(db);
        for session in open {
            if let Err(error) = sessions.revive(session).await {
                tracing::error!(%session, %error, "a session cannot go on");
            }
        }
        sessions.hub.open();
        Ok(sessions)
    }

    /// Opens a session: splits the input, holds the budget, and looks for agents.
    ///
    /// # Errors
    /// What is wrong with the request; `billing.credits_short` when the wallet does not cover it.
    pub async fn open(
        &self,
        user: UserId,
        key: &str,
        request: SessionRequest,
    ) -> Result<Session, SessionsError> {
        let parts = &self.parts;
        let planned = parts.floor.plan(user, &request).await?;
        let shards = planned.shards();
        let most = parts.config.shards_max;
        if shards > most || shards == 0 {
            return Err(SessionsError::Shards { found: shards, most });
        }
        if request.spares > shards {
            return Err(SessionsError::Spares(shards));
        }
        let terms = self.terms(&request);
        let seats = i64::from(shards.saturating_add(request.spares));
        let least = terms.per_start.checked_mul(seats).unwrap_or(terms.hold);
        if terms.hold <= least {
            return Err(SessionsError::Budget(least));
        }
        let hash = Sha256Hash::of(&serde_json::to_vec(&request)?);
        // The same key gives the same session.
        let session = SessionId(keyed(user, key));
        let now = parts.clock.now();
        let mut db = parts.log.pool().acquire().await?;
        store::keep(&mut db, (session, user), &request, shards, now).await?;
        drop(db);
        let opened = Fact::SessionOpened {
            session,
            owner: user,
            program: planned.program(),
            input: request.input,
            spec: Sha256Hash::of(&serde_json::to_vec(&request.spec)?),
            shards,
            spares: request.spares,
            hold: terms.hold,
            per_gfuel: terms.per_gfuel,
            per_start: terms.per_start,
            fee_permille: terms.fee_permille,
            meter: METER.to_owned(),
        };
        let held = Fact::EscrowHeld { job: JobId(session.0), owner: user, amount: terms.hold };
        let moves = parts.escrows.moves(&held);
        let events = vec![
            NewEvent {
                expect: Expect::Version(0),
                ..NewEvent::new(stream(session), opened).by(user)
            },
            NewEvent::new(stream(session), held).by(user).moving(moves),
        ];
        let operation = Some(Operation::client(user, key, hash));
        let appended = parts.log.append(Append { operation, events }).await?;
        if appended.replayed {
            // It may be in the log already, and not run: the answer before this one got lost.
            parts.progress.reached(appended.position).await;
            self.revive(session).await?;
        } else {
            let start = Start {
                session,
                owner: user,
                request,
                shards,
                terms,
                opened_at: now,
                bill: Bill::new(terms),
                round: 0,
                taken: BTreeMap::new(),
            };
            self.begin(start, &*planned);
        }
        parts.progress.reached(appended.position).await;
        self.session(user, session).await
    }

    fn terms(&self, request: &SessionRequest) -> Terms {
        let tariff = self.parts.escrows.tariff().times(request.spec.priority.price_permille());
        let beyond = request.spec.memory_bytes().saturating_sub(tariff.memory_free);
        let memory = i128::from(tariff.per_gfuel_gib.micros()).saturating_mul(beyond.into());
        let memory = memory.saturating_add(GIB - 1).checked_div(GIB).unwrap_or_default();
        let memory = Credits::from_micros(i64::try_from(memory).unwrap_or(i64::MAX));
        Terms {
            hold: request.budget,
            per_gfuel: tariff.per_gfuel.saturating_add(memory),
            per_start: tariff.per_start,
            fee_permille: tariff.fee_permille,
        }
    }

    fn begin(&self, start: Start, planned: &dyn Planned) {
        let parts = &self.parts;
        let (session, owner) = (start.session, start.owner);
        if !self.lock_running().insert(session) {
            return;
        }
        let fuel_limit = limit(&start);
        let (seat_events, seats) = mpsc::unbounded_channel();
        let terms = SeatTerms {
            job: JobId(session.0),
            owner,
            opened_at: start.opened_at,
            home: format!("{}/v1/sessions/{session}/seat", self.url()),
            fuel_limit,
            at_risk: Credits::ZERO,
        };
        let seating = planned.seat(terms, seat_events);
        let rules = Rules {
            shards: start.shards,
            spares: start.request.spares,
            nan: if start.request.keep_nan { Nan::Keep } else { Nan::Refuse },
            remembers: start.request.remembers,
        };
        let mut table = Table::new(rules, start.bill, start.round);
        let mut taken = BTreeMap::new();
        for (lease, (agent, lender)) in start.taken {
            seating.adopt(lease, agent);
            let paid: Fuel = table.bill.fuel_of(lease);
            table.adopt(lease, agent, lender);
            taken.insert(lease, (agent, paid));
        }
        if start.request.remembers && start.round > 0 {
            let why = "the server was started again, and does not know the rounds that answers \
                       depend on: open another session";
            table.end(Some(code::MEMORY), why);
        }
        let (inlets, inlets_in) = mpsc::unbounded_channel();
        let (outward, outward_in) = mpsc::unbounded_channel();
        let keeper = Keeper {
            session,
            owner,
            log: parts.log.clone(),
            escrows: Arc::clone(&parts.escrows),
            seating,
            seats,
            outward: outward_in,
            inlets,
            fuel_limit,
            taken,
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the session")]
        drop(tokio::spawn({
            let sessions = self.clone();
            async move {
                keeper.keep().await;
                sessions.lock_running().remove(&session);
            }
        }));
        self.hub.begin(Beginning { session, table, inlets: inlets_in, outward });
    }

    fn lock_running(&self) -> std::sync::MutexGuard<'_, BTreeSet<SessionId>> {
        // A set of ids is whole even when a holder panicked.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings a session back after a start, unless it runs.
    async fn revive(&self, session: SessionId) -> Result<(), SessionsError> {
        if self.lock_running().contains(&session) {
            return Ok(());
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let Some(row) = store::find(&mut db, session).await? else { return Ok(()) };
        drop(db);
        let planned = self.parts.floor.plan(row.owner, &row.request).await?;
        let mut start = None;
        let mut version = 0;
        loop {
            let page = read_stream(self.parts.log.pool(), &stream(session), version, PAGE).await?;
            for event in &page {
                version = event.envelope.version;
                fold(&mut start, &row, &event.envelope.fact, event.envelope.at);
            }
            if i64::try_from(page.len()).unwrap_or_default() < PAGE {
                break;
            }
        }
        if let Some(start) = start {
            tracing::info!(%session, round = start.round, "a session goes on");
            self.begin(start, &*planned);
        }
        Ok(())
    }

    /// One session of a person.
    ///
    /// # Errors
    /// [`SessionsError::Missing`].
    pub async fn session(&self, user: UserId, id: SessionId) -> Result<Session, SessionsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let row = store::find(&mut db, id).await?.filter(|row| row.owner == user);
        Ok(self.view(row.ok_or(SessionsError::Missing)?.session))
    }

    /// The latest sessions of a person.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>, SessionsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let rows = store::of_owner(&mut db, user, LISTED).await?;
        Ok(rows.into_iter().map(|row| self.view(row.session)).collect())
    }

    fn view(&self, mut session: Session) -> Session {
        if session.state == SessionState::Open {
            let until = self.parts.clock.now().plus_ms(DRIVE_MS);
            let id = session.id.to_string();
            let ticket = self.parts.tickets.issue(DRIVE, &id, CLIENT, until);
            let url = format!("{}/v1/sessions/{id}/drive?{ticket}", self.url());
            session.home = Some(SessionHome { url });
        }
        session
    }

    /// Where the data path is reached; the port that it got, where none was named.
    fn url(&self) -> String {
        match self.parts.config.url.strip_suffix(":0") {
            Some(host) => format!("{host}:{}", self.hub.address.port()),
            None => self.parts.config.url.clone(),
        }
    }
}

/// What one fact makes of a session that is brought back; nothing is left of one that ended.
fn fold(start: &mut Option<Start>, row: &store::Row, fact: &Fact, at: Timestamp) {
    match fact {
        Fact::SessionOpened {
            session,
            owner,
            shards,
            hold,
            per_gfuel,
            per_start,
            fee_permille,
            ..
        } => {
            let terms = Terms {
                hold: *hold,
                per_gfuel: *per_gfuel,
                per_start: *per_start,
                fee_permille: *fee_permille,
            };
            *start = Some(Start {
                session: *session,
                owner: *owner,
                request: row.request.clone(),
                shards: *shards,
                terms,
                opened_at: at,
                bill: Bill::new(terms),
                round: 0,
                taken: BTreeMap::new(),
            });
        }
        Fact::SessionEnded { .. } => *start = None,
        fact => {
            let Some(start) = start else { return };
            match fact {
                Fact::SeatTaken { lease, agent, lender, .. } => {
                    start.taken.insert(*lease, (*agent, *lender));
                }
                Fact::SeatLeft { lease, .. } => {
                    start.taken.remove(lease);
                }
                Fact::RoundsSettled { window, round, price, shares, .. } => {
                    start.bill.paid(*window, shares, *price);
                    start.round = start.round.max(*round);
                }
                _ => {}
            }
        }
    }
}

/// The most that one seat may use: twice its part of what the hold pays for, as shards differ.
fn limit(start: &Start) -> Fuel {
    let all = start.terms.affords(start.terms.hold);
    let part = all.0.checked_div(u64::from(start.shards)).unwrap_or_default();
    Fuel(part.saturating_mul(2)).min(all)
}

/// An id that the same person's same key always gives.
fn keyed(user: UserId, key: &str) -> Uuid {
    let digest = Sha256Hash::of(format!("session\n{user}\n{key}").as_bytes());
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = digest.0;
    uuid::Builder::from_custom_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]).into_uuid()
}
