//! What the website needs of the services. The server implements [`Data`] over their handles, so
//! that pages know shapes and no service.
//!
//! Every method that takes a [`Principal`] answers only what that person may see, and refuses the
//! rest; pages do not check twice.

use std::net::IpAddr;

use medusa_api::{
    AccountPage, AccountQuery, AccountStatement, AccountStatementQuery, AccountSummary, Adjustment,
    AdjustmentPage, AdjustmentQuery, Agent, AgentChange, AsOf, AuditHead, CheckpointPage,
    CheckpointQuery, ChunkPage, ChunkState, Comparison, DeviceApproval, DeviceWaiting, Earnings,
    EventEntry, EventFilter, EventPage, EventSummaryPage, Example, InclusionProof, Invariants, Job,
    JobPage, Lent, Login, MailChoice, Moved, NewAdjustment, NewWebhook, NewWebhookSecret, Notices,
    Program, Projections, Quote, SignUp, StatementPage, Tariff, TaskPage, Timeline, TrialBalance,
    Wallet,
};
use medusa_platform::auth::BoxFuture;
use medusa_platform::{ApiError, Principal};
use medusa_types::{AdjustmentId, AgentId, Credits, JobId, UserId, WebhookId};

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
    /// What the person may do at the audit desk.
    pub desk: DeskAccess,
}

/// What somebody may do at the audit desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeskAccess {
    /// Nothing.
    None,
    /// See everything: an auditor.
    Read,
    /// Also start checks, and propose and decide adjustments: an admin.
    Act,
}

/// What becomes of a proposed adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A second admin agrees: it is written to the log.
    Approve,
    /// A second admin refuses.
    Reject,
    /// Its proposer takes it back.
    Withdraw,
}

/// What a consumer does to a job that was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOrder {
    /// Hands out nothing more for now.
    Pause,
    /// Goes on.
    Resume,
    /// Holds so much more.
    Raise(Credits),
    /// Gives failed chunks another chance, with so many times the fuel.
    Retry(u32),
    /// Stops it for good.
    Cancel,
}

/// A new login.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The value for the login cookie.
    pub cookie: String,
    /// Seconds that the cookie lives.
    pub seconds: i64,
}

/// An event with what its document says, and the proof that it is in the log.
#[derive(Clone, Debug)]
pub struct EventDetail {
    /// The event.
    pub entry: EventEntry,
    /// Who caused it; none for the house.
    pub actor: Option<UserId>,
    /// The caller's own id for the command.
    pub operation: Option<String>,
    /// The position of the event that led to it.
    pub causation: Option<i64>,
    /// All that it moved.
    pub moved: Vec<Moved>,
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

/// The audit desk. Everything is for auditors and admins; what changes something, for admins.
pub trait Desk: Send + Sync {
    /// The books by class, as of a moment.
    fn trial_balance<'a>(&'a self, who: &'a Principal, when: AsOf) -> Answer<'a, TrialBalance>;
    /// Accounts by code and text.
    fn accounts<'a>(&'a self, who: &'a Principal, wish: AccountQuery) -> Answer<'a, AccountPage>;
    /// One account as it is now.
    fn account<'a>(&'a self, who: &'a Principal, account: &'a str) -> Answer<'a, AccountSummary>;
    /// Its movements, oldest first.
    fn account_statement<'a>(
        &'a self,
        who: &'a Principal,
        account: &'a str,
        wish: AccountStatementQuery,
    ) -> Answer<'a, AccountStatement>;
    /// Events by filter.
    fn events<'a>(&'a self, who: &'a Principal, wish: EventFilter) -> Answer<'a, EventSummaryPage>;
    /// What the continuous check found last.
    fn invariants<'a>(&'a self, who: &'a Principal) -> Answer<'a, Invariants>;
    /// Begins a check of everything up to the present head.
    fn check_invariants<'a>(&'a self, who: &'a Principal) -> Answer<'a, Invariants>;
    /// Signed heads, largest first.
    fn checkpoints<'a>(
        &'a self,
        who: &'a Principal,
        wish: CheckpointQuery,
    ) -> Answer<'a, CheckpointPage>;
    /// How far each read model is.
    fn projections<'a>(&'a self, who: &'a Principal) -> Answer<'a, Projections>;
    /// Adjustments, newest first.
    fn adjustments<'a>(
        &'a self,
        who: &'a Principal,
        wish: AdjustmentQuery,
    ) -> Answer<'a, AdjustmentPage>;
    /// Proposes an adjustment; once, however often it comes under the same key.
    fn propose<'a>(
        &'a self,
        who: &'a Principal,
        key: String,
        wish: NewAdjustment,
    ) -> Answer<'a, Adjustment>;
    /// Decides a proposed adjustment.
    fn decide<'a>(
        &'a self,
        who: &'a Principal,
        id: AdjustmentId,
        decision: Decision,
    ) -> Answer<'a, Adjustment>;
}

/// How a person is told outside the website.
pub trait Told: Send + Sync {
    /// Webhooks, mail and the last deliveries.
    fn notices<'a>(&'a self, who: &'a Principal) -> Answer<'a, Notices>;
    /// Chooses whether mail is sent.
    fn choose_mail<'a>(&'a self, who: &'a Principal, choice: MailChoice) -> Answer<'a, ()>;
    /// Adds an address; the same key is the same wish.
    fn add_webhook<'a>(
        &'a self,
        who: &'a Principal,
        key: String,
        wish: NewWebhook,
    ) -> Answer<'a, NewWebhookSecret>;
    /// Removes an address.
    fn remove_webhook<'a>(&'a self, who: &'a Principal, id: WebhookId) -> Answer<'a, ()>;
    /// Sends a test to an address.
    fn test_webhook<'a>(&'a self, who: &'a Principal, id: WebhookId) -> Answer<'a, ()>;
}

/// Own jobs, at the wheel.
pub trait Steer: Send + Sync {
    /// Does it; the same key is the same wish.
    fn steer<'a>(
        &'a self,
        who: &'a Principal,
        id: JobId,
        key: String,
        order: JobOrder,
    ) -> Answer<'a, Job>;
    /// What the same job would cost once more.
    fn rerun<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Quote>;
    /// The quote that a job was made of.
    fn quoted<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Option<Quote>>;
    /// Makes a job of a quote; the same quote makes one job.
    fn accept<'a>(&'a self, who: &'a Principal, key: String, quote: String) -> Answer<'a, Job>;
}

/// The services, as pages see them.
pub trait Data: Desk + Told + Steer {
    /// Who holds this login cookie, if it is valid.
    fn visitor<'a>(&'a self, cookie: &'a str) -> Answer<'a, Option<Visitor>>;
    /// Makes an account and a login.
    fn sign_up(&self, form: SignUp) -> Answer<'_, LoggedIn>;
    /// Makes a login, for a visitor from this network address.
    fn log_in(&self, form: Login, from: IpAddr) -> Answer<'_, LoggedIn>;
    /// Ends the login of this cookie.
    fn log_out<'a>(&'a self, cookie: &'a str) -> Answer<'a, ()>;
    /// The machine that shows this code, before it is confirmed.
    fn waiting_device<'a>(&'a self, who: &'a Principal, code: &'a str)
    -> Answer<'a, DeviceWaiting>;
    /// Enrols the machine that shows this code.
    fn approve_device<'a>(&'a self, who: &'a Principal, form: DeviceApproval) -> Answer<'a, Agent>;
    /// Renames a machine, pauses it, or lowers what it may use.
    fn change_agent<'a>(
        &'a self,
        who: &'a Principal,
        agent: AgentId,
        change: AgentChange,
    ) -> Answer<'a, Agent>;
    /// Removes a machine.
    fn remove_agent<'a>(&'a self, who: &'a Principal, agent: AgentId) -> Answer<'a, ()>;

    /// Own jobs, newest first.
    fn jobs<'a>(&'a self, who: &'a Principal, page: Paging) -> Answer<'a, JobPage>;
    /// One job.
    fn job<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Job>;
    /// Its chunks, or those in one state.
    fn chunks<'a>(
        &'a self,
        who: &'a Principal,
        id: JobId,
        state: Option<ChunkState>,
        page: Paging,
    ) -> Answer<'a, ChunkPage>;
    /// Which agent worked on it when.
    fn timeline<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Timeline>;
    /// What happened to it, oldest first.
    fn job_events<'a>(
        &'a self,
        who: &'a Principal,
        id: JobId,
        page: Paging,
    ) -> Answer<'a, EventPage>;
    /// Two jobs side by side.
    fn compare<'a>(
        &'a self,
        who: &'a Principal,
        left: JobId,
        right: JobId,
    ) -> Answer<'a, Comparison>;
    /// The gallery.
    fn examples(&self) -> Answer<'_, Vec<Example>>;
    /// Own programs, newest first.
    fn programs<'a>(&'a self, who: &'a Principal) -> Answer<'a, Vec<Program>>;
    /// Own machines.
    fn agents<'a>(&'a self, who: &'a Principal) -> Answer<'a, Vec<Agent>>;
    /// What all machines of a person earned, removed ones too.
    fn lent<'a>(&'a self, who: &'a Principal) -> Answer<'a, Lent>;
    /// What one of the own machines earned on the last 30 days in UTC, and its latest tasks.
    fn agent_earnings<'a>(
        &'a self,
        who: &'a Principal,
        agent: AgentId,
    ) -> Answer<'a, (Earnings, TaskPage)>;

    /// Own balances.
    fn wallet<'a>(&'a self, who: &'a Principal) -> Answer<'a, Wallet>;
    /// Own movements, newest first.
    fn statement<'a>(&'a self, who: &'a Principal, page: Paging) -> Answer<'a, StatementPage>;
    /// Prices. Public.
    fn tariff(&self) -> Answer<'_, Tariff>;

    /// The head of the log. Public.
    fn head(&self) -> Answer<'_, AuditHead>;
    /// One event: for auditors and admins, and for whose credits it moved.
    fn event<'a>(&'a self, who: &'a Principal, position: i64) -> Answer<'a, EventDetail>;
    /// The place in figures. Public.
    fn totals(&self) -> Answer<'_, Totals>;
}
