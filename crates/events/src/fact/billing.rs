//! What can happen to credits: each of these moves them, or says what they will cost.
//!
//! A listing, which the next one goes on with: one enum of all of them stands at the end.

macro_rules! billing {
    ({ $($before:tt)* } $next:ident $($rest:ident)*) => { $next! { { $($before)*
    /// A gift of the house.
    CreditsGranted "billing.credits_granted" {
        /// Who got it.
        user: UserId,
        /// How much.
        amount: Credits,
        /// Why: `welcome`.
        why: String,
    }
    /// The prices that new quotes are made of.
    TariffSet "billing.tariff_set" {
        /// The meter that the fuel price is for.
        meter: String,
        /// For 1,000,000,000 units of fuel.
        per_gfuel: Credits,
        /// For starting one copy of one chunk.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
    }
    /// The prices that new quotes are made of, every one of them. In their stream the last event
    /// holds, of whatever kind; after `billing.tariff_set` memory and transfer cost nothing.
    PricesListed "billing.prices_listed" {
        /// The meter that the fuel prices are for.
        meter: String,
        /// For 1,000,000,000 units of fuel.
        per_gfuel: Credits,
        /// For each GiB of memory beyond what is free, in addition to `per_gfuel`.
        per_gfuel_gib: Credits,
        /// Memory that is free, in bytes.
        memory_free: u64,
        /// For 1 GiB of input and output of a copy beyond what is free.
        per_gib: Credits,
        /// Bytes of input and output of each copy that are free.
        transfer_free: u64,
        /// For starting one copy of one chunk.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
    }
    /// The upper bound of a job's price moved from the wallet to its escrow.
    EscrowHeld "billing.escrow_held" {
        /// The job.
        job: JobId,
        /// Who pays.
        owner: UserId,
        /// How much.
        amount: Credits,
    }
    /// The consumer put more into the escrow of a job that has not ended.
    EscrowRaised "billing.escrow_raised" {
        /// The job.
        job: JobId,
        /// Who pays.
        owner: UserId,
        /// How much more.
        amount: Credits,
    }
    /// One chunk was paid out of the escrow.
    ChunkSettled "billing.chunk_settled" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// Agreed fuel of one copy.
        fuel: Fuel,
        /// What the consumer paid, fee included.
        price: Credits,
        /// The platform's part of it.
        fee: Credits,
        /// Who got the rest.
        shares: Vec<AttemptShare>,
    }
    /// A window of a session's rounds was paid out of its escrow.
    RoundsSettled "billing.rounds_settled" {
        /// The session.
        session: SessionId,
        /// The window's number, from 1.
        window: u64,
        /// The last round that was answered before its end.
        round: u64,
        /// What the consumer paid, fee included.
        price: Credits,
        /// The platform's part of it.
        fee: Credits,
        /// Who got the rest.
        shares: Vec<SeatShare>,
    }
    /// What a job did not spend went back to where it came from.
    EscrowReleased "billing.escrow_released" {
        /// The job.
        job: JobId,
        /// Who had paid.
        owner: UserId,
    }
    /// A lender lost what an agent had earned and could still lose: it was quarantined for wrong
    /// results.
    EarningsForfeited "billing.earnings_forfeited" {
        /// The agent.
        agent: AgentId,
        /// Its owner, who was paid.
        lender: UserId,
        /// How much.
        amount: Credits,
    }
    /// A reservation was freed because its time was over.
    ReservationExpired "billing.reservation_expired" {
        /// The reservation.
        pending: PendingId,
    }
    /// Two admins moved credits between an account and the suspense account.
    BooksAdjusted "billing.books_adjusted" {
        /// The adjustment.
        adjustment: AdjustmentId,
        /// The account.
        account: Account,
        /// What it gained, in units of its currency; negative when it lost.
        amount: Amount,
        /// Why: `correction`, `goodwill`, `test` and so on.
        reason: String,
        /// Who asked for it.
        proposed_by: UserId,
        /// Who agreed: somebody else.
        approved_by: UserId,
    }
    /// What two admins read before an adjustment, in one chain with it: the words are no event.
    AdjustmentExplained "billing.adjustment_explained" {
        /// The adjustment.
        adjustment: AdjustmentId,
        /// The digest of the JSON text `["explanation","ticket"]`, written as canonical bytes are.
        text_sha256: Sha256Hash,
    }
    } $($rest)* } };
}
