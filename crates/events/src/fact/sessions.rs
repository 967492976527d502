//! What can happen to sessions and the agents that sit in them.
//!
//! A listing, which the next one goes on with: one enum of all of them stands at the end.

macro_rules! sessions {
    ({ $($before:tt)* } $next:ident $($rest:ident)*) => { $next! { { $($before)*
    /// A session was opened: rounds of one program on agents that stay.
    SessionOpened "sessions.session_opened" {
        /// The session. Its escrow is that of the job with the same number.
        session: SessionId,
        /// Who pays.
        owner: UserId,
        /// The module.
        program: Sha256Hash,
        /// The input.
        input: Option<Sha256Hash>,
        /// SHA-256 of the spec as JSON.
        spec: Sha256Hash,
        /// Shards, each in the memory of one agent.
        shards: u32,
        /// Agents beside those, which take over where one is lost.
        spares: u32,
        /// What is held.
        hold: Credits,
        /// For 1,000,000,000 units of fuel, to the end.
        per_gfuel: Credits,
        /// For each agent that takes a seat.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
        /// The meter.
        meter: String,
    }
    /// An agent took a seat of a session.
    SeatTaken "sessions.seat_taken" {
        /// The session.
        session: SessionId,
        /// The seat's lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
        /// The most fuel that it may use and be paid for.
        fuel_limit: Fuel,
    }
    /// An agent left its seat.
    SeatLeft "sessions.seat_left" {
        /// The session.
        session: SessionId,
        /// The seat's lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Fuel that it used there, as far as it is paid for.
        fuel: Fuel,
        /// Why: a fixed word.
        why: String,
    }
    /// A session ended.
    SessionEnded "sessions.session_ended" {
        /// The session.
        session: SessionId,
        /// Who had opened it.
        owner: UserId,
        /// How.
        state: EndState,
        /// Why it failed: a stable code.
        code: Option<String>,
        /// Rounds that were answered.
        rounds: u64,
    }
    } $($rest)* } };
}
