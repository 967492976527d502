//! What the website needs of the services. The server implements [`Data`] over their handles, so
//! that pages know shapes and no service.
//!
//! Every method that takes a [`Principal`] answers only what that person may see, and refuses the
//! rest; pages do not check twice.

use std::net::IpAddr;

use medusa_api::{
    Agent, AuditHead, ChunkPage, DeviceApproval, EventEntry, EventPage, Example, InclusionProof,
    Job, JobPage, Login, Program, SignUp, StatementPage, Tariff, TrialBalance, Wallet,
};
use medusa_platform::auth::BoxFuture;
use medusa_platform::{ApiError, Principal};
use medusa_types::{Credits, JobId};

/// An answer that may be a refusal.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ApiError>>;

/// Who looks at a page.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The person, known by cookie.
    pub principal: Principal,
    /// What to call the person: the name, else the address.
    pub name: String,
    /// What the person can spend, for the header.
    pub available: Credits,
}

/// A new login.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The value for the login cookie.
    pub cookie: String,
    /// Seconds that the cookie lives.
    pub seconds: i64,
}

/// An event with the proof that it is in the log.
#[derive(Clone, Debug)]
pub struct EventDetail {
    /// The event.
    pub entry: EventEntry,
    /// That it is in the tree.
    pub proof: InclusionProof,
}

/// The place in figures. Public: nothing here is about one person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Agents that are connected now.
    pub agents_online: u64,
    /// Agents that were ever enrolled.
    pub agents: u64,
    /// Jobs that run now.
    pub jobs_running: u64,
    /// Jobs that were ever submitted.
    pub jobs: u64,
    /// Chunks that were verified.
    pub chunks_verified: u64,
}

/// A piece of a list.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    /// At most so many.
    pub limit: u32,
    /// The cursor that the page before named.
    pub after: Option<String>,
}

/// The services, as pages see them.
pub trait Data: Send + Sync {
    /// Who holds this login cookie, if it is valid.
    fn visitor<'a>(&'a self, cookie: &'a str) -> Answer<'a, Option<Visitor>>;
    /// Makes an account and a login.
    fn sign_up(&self, form: SignUp) -> Answer<'_, LoggedIn>;
    /// Makes a login, for a visitor from this network address.
    fn log_in(&self, form: Login, from: IpAddr) -> Answer<'_, LoggedIn>;
    /// Ends the login of this cookie.
    fn log_out<'a>(&'a self, cookie: &'a str) -> Answer<'a, ()>;
    /// Enrols the machine that shows this code.
    fn approve_device<'a>(&'a self, who: &'a Principal, form: DeviceApproval) -> Answer<'a, Agent>;

    /// Own jobs, newest first.
    fn jobs<'a>(&'a self, who: &'a Principal, page: Paging) -> Answer<'a, JobPage>;
    /// One job.
    fn job<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Job>;
    /// Its chunks.
    fn chunks<'a>(&'a self, who: &'a Principal, id: JobId, page: Paging) -> Answer<'a, ChunkPage>;
    /// The gallery.
    fn examples(&self) -> Answer<'_, Vec<Example>>;
    /// Own programs, newest first.
    fn programs<'a>(&'a self, who: &'a Principal) -> Answer<'a, Vec<Program>>;
    /// Own machines.
    fn agents<'a>(&'a self, who: &'a Principal) -> Answer<'a, Vec<Agent>>;

    /// Own balances.
    fn wallet<'a>(&'a self, who: &'a Principal) -> Answer<'a, Wallet>;
    /// Own movements, newest first.
    fn statement<'a>(&'a self, who: &'a Principal, page: Paging) -> Answer<'a, StatementPage>;
    /// Prices. Public.
    fn tariff(&self) -> Answer<'_, Tariff>;
    /// The books. Admins only.
    fn trial_balance<'a>(&'a self, who: &'a Principal) -> Answer<'a, TrialBalance>;

    /// The head of the log. Public.
    fn head(&self) -> Answer<'_, AuditHead>;
    /// Events from a position on. Admins only.
    fn events<'a>(&'a self, who: &'a Principal, from: i64, limit: u32) -> Answer<'a, EventPage>;
    /// One event: for admins, and for whose credits it moved.
    fn event<'a>(&'a self, who: &'a Principal, position: i64) -> Answer<'a, EventDetail>;
    /// The place in figures. Public.
    fn totals(&self) -> Answer<'_, Totals>;
}
