//! Jobs' programs, splitters and agents, as sessions ask for them.

use bytes::Bytes;
use medusa_api::{SessionRequest, Tariff};
use medusa_billing::Billing;
use medusa_events::Fact;
use medusa_jobs::Jobs;
use medusa_ledger::Move;
use medusa_platform::ApiError;
use medusa_platform::auth::BoxFuture;
use medusa_platform::ticket::TicketQuery;
use medusa_sessions::port::{Escrows, Floor, Planned, SeatEvent, SeatTerms, Seating};
use medusa_types::{AgentId, LeaseId, Sha256Hash, UserId};
use tokio::sync::mpsc;

/// Billing's rules.
pub(crate) struct SessionEscrows(pub(crate) Billing);

impl Escrows for SessionEscrows {
    fn tariff(&self) -> Tariff {
        self.0.tariff()
    }

    fn moves(&self, fact: &Fact) -> Vec<Move> {
        medusa_billing::moves(fact)
    }
}

/// Jobs, as sessions know them.
pub(crate) struct JobFloor(pub(crate) Jobs);

struct Plan {
    jobs: Jobs,
    plan: medusa_jobs::SessionPlan,
}

struct Seats(medusa_jobs::Seating);

impl Floor for JobFloor {
    fn plan<'a>(
        &'a self,
        user: UserId,
        request: &'a SessionRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Planned>, ApiError>> {
        Box::pin(async move {
            let SessionRequest { program, input, spec, .. } = request;
            let plan = self.0.plan_session(user, *program, *input, spec.clone()).await?;
            let planned: Box<dyn Planned> = Box::new(Plan { jobs: self.0.clone(), plan });
            Ok(planned)
        })
    }

    fn may_sit(&self, lease: LeaseId, agent: AgentId, ticket: &TicketQuery) -> bool {
        self.0.may_sit(lease, agent, ticket)
    }
}

impl Planned for Plan {
    fn program(&self) -> Sha256Hash {
        self.plan.program
    }

    fn shards(&self) -> u32 {
        self.plan.shards
    }

    fn seat(&self, terms: SeatTerms, events: mpsc::UnboundedSender<SeatEvent>) -> Box<dyn Seating> {
        let terms = medusa_jobs::SeatTerms {
            job: terms.job,
            owner: terms.owner,
            opened_at: terms.opened_at,
            home: terms.home,
            fuel_limit: terms.fuel_limit,
            at_risk: terms.at_risk,
        };
        let tell = move |event| {
            let event = match event {
                medusa_jobs::SeatEvent::Taken { lease, agent, lender } => {
                    SeatEvent::Taken { lease, agent, lender }
                }
                medusa_jobs::SeatEvent::Left { lease, why, report } => {
                    SeatEvent::Left { lease, why, report }
                }
            };
            if events.send(event).is_err() {
                tracing::debug!("a session is over already");
            }
        };
        Box::new(Seats(self.jobs.seat(&self.plan, terms, Box::new(tell))))
    }
}

impl Seating for Seats {
    fn want(&self, seats: u32) {
        self.0.want(seats);
    }

    fn adopt(&self, lease: LeaseId, agent: AgentId) {
        self.0.adopt(lease, agent);
    }

    fn give_up(&self, lease: LeaseId, failed: bool) {
        self.0.give_up(lease, failed);
    }

    fn shard(
        &self,
        lease: LeaseId,
        agent: AgentId,
        shard: u32,
    ) -> BoxFuture<'_, Result<Bytes, ApiError>> {
        Box::pin(async move { Ok(self.0.shard(lease, agent, shard).await?) })
    }
}
