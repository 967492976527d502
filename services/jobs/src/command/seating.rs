//! Sessions, as far as jobs know them: a program and its shards, and agents that take seats. What
//! happens on the seats is the session's own.

use std::sync::Arc;

use bytes::Bytes;
use medusa_api::{BlobInfo, JobSpec};
use medusa_platform::ticket::TicketQuery;
use medusa_types::{
    AgentId, Credits, Fuel, JobId, LeaseId, ProgramId, Sha256Hash, Timestamp, UserId,
};

use super::Jobs;
use crate::actor::{Adopt, Close, GiveUp, SEAT_VERB, SeatEvents, SeatsActor, SeatsConfig, Want};
use crate::domain::Offer;
use crate::error::JobsError;
use crate::order::Orders;
use crate::split::{Inputs, Plan};
use crate::store;

/// What a session's agents compute with.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// The module.
    pub program: Sha256Hash,
    /// Shards that the splitter made.
    pub shards: u32,
    program_bytes: u64,
    spec: JobSpec,
    input: Option<Sha256Hash>,
    plan: Arc<Plan>,
}

/// Terms on which agents take seats.
#[derive(Clone, Debug)]
pub struct SeatTerms {
    /// The job whose escrow pays.
    pub job: JobId,
    /// Who pays.
    pub owner: UserId,
    /// Where the guests' clocks stand.
    pub opened_at: Timestamp,
    /// Where agents find the session: an address, or a path on the server.
    pub home: String,
    /// The most that one seat may use.
    pub fuel_limit: Fuel,
    /// What one agent could gain by lying.
    pub at_risk: Credits,
}

/// The seats of an open session. Dropping it ends them.
pub struct Seating {
    addr: actix::Addr<SeatsActor>,
    orders: Arc<Orders>,
    fuel_limit: Fuel,
    clock: medusa_platform::Clock,
}

impl Jobs {
    /// Splits the input of a session into shards.
    ///
    /// # Errors
    /// What is wrong with spec, input or program, in words.
    pub async fn plan_session(
        &self,
        user: UserId,
        program: ProgramId,
        input: Option<Sha256Hash>,
        mut spec: JobSpec,
    ) -> Result<SessionPlan, JobsError> {
        spec.check().map_err(JobsError::Spec)?;
        let mut db = self.parts.log.pool().acquire().await?;
        let program = store::program::usable(&mut db, program, user)
            .await?
            .ok_or(JobsError::Missing("program"))?;
        spec.script.clone_from(&program.script);
        if let Some(input) = input {
            self.check_input(&mut db, user, input).await?;
        }
        drop(db);
        let planned = self.planned(&spec, input).await?;
        Ok(SessionPlan {
            program: program.sha256,
            shards: u32::try_from(planned.plan.count()).unwrap_or(u32::MAX),
            program_bytes: program.size,
            spec,
            input,
            plan: planned.plan,
        })
    }

    /// Looks for agents for the seats of a session. What becomes of them is told to `events`.
    #[must_use]
    pub fn seat(&self, plan: &SessionPlan, terms: SeatTerms, events: SeatEvents) -> Seating {
        let parts = &self.parts;
        let blobs = parts.blobs.clone();
        let orders = Arc::new(Orders {
            job: terms.job,
            spec: plan.spec.clone(),
            chunks: plan.shards,
            program: BlobInfo { sha256: plan.program, size: plan.program_bytes },
            submitted_at: terms.opened_at,
            inputs: Inputs::new(blobs.clone(), Arc::clone(&plan.plan), plan.input),
            blobs,
            tickets: Arc::clone(&parts.tickets),
        });
        let config = SeatsConfig {
            offer: Offer {
                job: terms.job,
                consumer: terms.owner,
                weight: plan.spec.priority.weight(),
                program: plan.program,
                program_bytes: plan.program_bytes,
                strict: plan.spec.strict,
                memory_bytes: plan.spec.memory_bytes(),
                stays: true,
            },
            orders: Arc::clone(&orders),
            home: terms.home,
            fuel_limit: terms.fuel_limit,
            at_risk: terms.at_risk,
            events,
            scheduler: self.scheduler.clone(),
            tickets: Arc::clone(&parts.tickets),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
        };
        let addr = actix::Actor::start_in_arbiter(&self.arbiter(), |_| SeatsActor::new(config));
        let clock = parts.clock.clone();
        Seating { addr, orders, fuel_limit: terms.fuel_limit, clock }
    }

    /// Whether a ticket lets this agent sit down now.
    #[must_use]
    pub fn may_sit(&self, lease: LeaseId, agent: AgentId, ticket: &TicketQuery) -> bool {
        let now = self.parts.clock.now();
        self.parts.tickets.check(SEAT_VERB, &lease.to_string(), agent, ticket, now)
    }
}

impl Seating {
    /// Asks for so many more agents.
    pub fn want(&self, seats: u32) {
        self.order(Want(seats));
    }

    /// An agent of before a restart has its seat still.
    pub fn adopt(&self, lease: LeaseId, agent: AgentId) {
        self.order(Adopt(lease, agent));
    }

    /// A seat is not needed any more. An agent that `failed` gets none of this session again.
    pub fn give_up(&self, lease: LeaseId, failed: bool) {
        self.order(GiveUp { lease, failed });
    }

    fn order<M>(&self, order: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        SeatsActor: actix::Handler<M>,
    {
        // A session gives a few orders for each of its seats.
        if self.addr.try_send(order).is_err() {
            tracing::error!("the seats of a session did not take an order");
        }
    }

    /// The frame that gives a shard to the agent of a seat.
    ///
    /// # Errors
    /// When the shard cannot be read.
    pub async fn shard(
        &self,
        lease: LeaseId,
        agent: AgentId,
        shard: u32,
    ) -> Result<Bytes, JobsError> {
        let (fuel, now) = (self.fuel_limit, self.clock.now());
        let frame = self.orders.lease(lease, (shard, &[]), (fuel, fuel), agent, now).await?;
        Ok(frame.encode())
    }
}

impl Drop for Seating {
    fn drop(&mut self) {
        self.order(Close);
    }
}
