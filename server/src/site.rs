//! The website's port over the services' handles.

use std::net::IpAddr;

use medusa_accounts::Accounts;
use medusa_api::{
    AccountPage, AccountQuery, AccountStatement, AccountStatementQuery, AccountSummary, Adjustment,
    AdjustmentPage, AdjustmentQuery, Agent, AgentChange, AsOf, AuditHead, CheckpointPage,
    CheckpointQuery, ChunkPage, ChunkState, Comparison, Currency, DeviceApproval, DeviceWaiting,
    Earnings, EventFilter, EventPage, EventSummaryPage, Example, Invariants, Job, JobPage,
    JobSubmit, Lent, Login, MailChoice, Moved, NewAdjustment, NewWebhook, NewWebhookSecret,
    Notices, Program, Projections, Quote, SignUp, StatementPage, Tariff, TaskPage, Timeline,
    TrialBalance, Wallet,
};
use medusa_billing::Billing;
use medusa_eventlog::desk::Desk as Books;
use medusa_eventlog::{Auditor, EventLog, LogError, invariants};
use medusa_events::Envelope;
use medusa_jobs::Jobs;
use medusa_ledger::Posting;
use medusa_platform::{ApiError, Clock, Principal};
use medusa_sessions::Sessions;
use medusa_types::{AdjustmentId, AgentId, ChunkIndex, JobId, Role, UserId, WebhookId};
use medusa_web::{
    Answer, Data, Decision, Desk, DeskAccess, EventDetail, JobOrder, LoggedIn, Paging, Steer, Told,
    Totals, Visitor,
};

use crate::http::audit::{event_for, require_auditor};

/// All services.
#[derive(Clone)]
pub(crate) struct House {
    /// People and machines.
    pub(crate) accounts: Accounts,
    /// Jobs.
    pub(crate) jobs: Jobs,
    /// Sessions.
    pub(crate) sessions: Sessions,
    /// Money.
    pub(crate) billing: Billing,
    /// The log.
    pub(crate) auditor: Auditor,
    /// The books and the log as the desk reads them.
    pub(crate) books: Books,
    /// The log's own handle.
    pub(crate) log: EventLog,
    /// Time.
    pub(crate) clock: Clock,
}

impl House {
    async fn log_in_as(&self, user: UserId) -> Result<LoggedIn, ApiError> {
        let login = self.accounts.browser_login(user).await?;
        let seconds = login.expires_at.ms_since(self.clock.now()).div_euclid(1000);
        Ok(LoggedIn { cookie: login.cookie_value, seconds })
    }
}

fn bad_cursor() -> ApiError {
    ApiError::not_found("page")
}

/// What a person may do at the audit desk.
fn access(who: &Principal) -> DeskAccess {
    if who.has(Role::Admin) {
        DeskAccess::Act
    } else if require_auditor(who).is_ok() {
        DeskAccess::Read
    } else {
        DeskAccess::None
    }
}

fn moved(Posting(account, amount): &Posting) -> Moved {
    let currency = match account.currency() {
        medusa_ledger::Currency::Crd => Currency::Crd,
        medusa_ledger::Currency::Usd => Currency::Usd,
    };
    Moved { account: account.to_string(), currency, amount: account.currency().show(*amount) }
}

impl Desk for House {
    fn trial_balance<'a>(&'a self, who: &'a Principal, when: AsOf) -> Answer<'a, TrialBalance> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.books.trial_balance(when).await?)
        })
    }

    fn accounts<'a>(&'a self, who: &'a Principal, wish: AccountQuery) -> Answer<'a, AccountPage> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.books.accounts(wish).await?)
        })
    }

    fn account<'a>(&'a self, who: &'a Principal, account: &'a str) -> Answer<'a, AccountSummary> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.books.account(account).await?)
        })
    }

    fn account_statement<'a>(
        &'a self,
        who: &'a Principal,
        account: &'a str,
        wish: AccountStatementQuery,
    ) -> Answer<'a, AccountStatement> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.books.account_statement(account, wish).await?)
        })
    }

    fn events<'a>(&'a self, who: &'a Principal, wish: EventFilter) -> Answer<'a, EventSummaryPage> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.books.events(wish).await?)
        })
    }

    fn invariants<'a>(&'a self, who: &'a Principal) -> Answer<'a, Invariants> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(invariants::shown(&self.log).await?)
        })
    }

    fn check_invariants<'a>(&'a self, who: &'a Principal) -> Answer<'a, Invariants> {
        Box::pin(async move {
            who.require(Role::Admin)?;
            invariants::begin(&self.log);
            Ok(invariants::shown(&self.log).await?)
        })
    }

    fn checkpoints<'a>(
        &'a self,
        who: &'a Principal,
        wish: CheckpointQuery,
    ) -> Answer<'a, CheckpointPage> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.auditor.checkpoints(&wish).await?)
        })
    }

    fn projections<'a>(&'a self, who: &'a Principal) -> Answer<'a, Projections> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.books.projections().await?)
        })
    }

    fn adjustments<'a>(
        &'a self,
        who: &'a Principal,
        wish: AdjustmentQuery,
    ) -> Answer<'a, AdjustmentPage> {
        Box::pin(async move {
            require_auditor(who)?;
            Ok(self.billing.adjustments(wish).await?)
        })
    }

    fn propose<'a>(
        &'a self,
        who: &'a Principal,
        key: String,
        wish: NewAdjustment,
    ) -> Answer<'a, Adjustment> {
        Box::pin(async move { Ok(self.billing.propose(who, &key, wish).await?) })
    }

    fn decide<'a>(
        &'a self,
        who: &'a Principal,
        id: AdjustmentId,
        decision: Decision,
    ) -> Answer<'a, Adjustment> {
        let decision = match decision {
            Decision::Approve => medusa_billing::Decision::Approve,
            Decision::Reject => medusa_billing::Decision::Reject,
            Decision::Withdraw => medusa_billing::Decision::Withdraw,
        };
        Box::pin(async move { Ok(self.billing.decide(who, id, decision).await?) })
    }
}

impl Told for House {
    fn notices<'a>(&'a self, who: &'a Principal) -> Answer<'a, Notices> {
        Box::pin(async move { Ok(self.accounts.notices(who.user).await?) })
    }

    fn choose_mail<'a>(&'a self, who: &'a Principal, choice: MailChoice) -> Answer<'a, ()> {
        Box::pin(async move { Ok(self.accounts.choose_mail(who.user, choice).await?) })
    }

    fn add_webhook<'a>(
        &'a self,
        who: &'a Principal,
        key: String,
        wish: NewWebhook,
    ) -> Answer<'a, NewWebhookSecret> {
        Box::pin(async move { Ok(self.accounts.add_webhook(who.user, &key, wish).await?) })
    }

    fn remove_webhook<'a>(&'a self, who: &'a Principal, id: WebhookId) -> Answer<'a, ()> {
        Box::pin(async move { Ok(self.accounts.remove_webhook(who.user, id).await?) })
    }

    fn test_webhook<'a>(&'a self, who: &'a Principal, id: WebhookId) -> Answer<'a, ()> {
        Box::pin(async move { Ok(self.accounts.test_webhook(who.user, id).await?) })
    }
}

impl Steer for House {
    fn steer<'a>(
        &'a self,
        who: &'a Principal,
        id: JobId,
        key: String,
        order: JobOrder,
    ) -> Answer<'a, Job> {
        Box::pin(async move {
            let (jobs, user) = (&self.jobs, who.user);
            Ok(match order {
                JobOrder::Pause => jobs.pause(user, &key, id).await?,
                JobOrder::Resume => jobs.resume(user, &key, id).await?,
                JobOrder::Raise(amount) => jobs.raise(user, &key, id, amount).await?,
                JobOrder::Retry(fuel_times) => jobs.retry(user, &key, id, fuel_times).await?,
                JobOrder::Cancel => jobs.cancel(user, &key, id).await?,
            })
        })
    }

    fn rerun<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Quote> {
        Box::pin(async move { Ok(self.jobs.rerun(who.user, id).await?) })
    }

    fn quoted<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Option<Quote>> {
        Box::pin(async move { Ok(self.jobs.quoted(who, id).await?) })
    }

    fn accept<'a>(&'a self, who: &'a Principal, key: String, quote: String) -> Answer<'a, Job> {
        Box::pin(async move { Ok(self.jobs.submit(who.user, &key, &JobSubmit::of(quote)).await?) })
    }
}

impl Data for House {
    fn visitor<'a>(&'a self, cookie: &'a str) -> Answer<'a, Option<Visitor>> {
        Box::pin(async move {
            let Some((principal, me)) = self.accounts.session(cookie).await? else {
                return Ok(None);
            };
            let wallet = self.billing.wallet(principal.user).await?;
            let name = if me.name.is_empty() { me.email } else { me.name };
            let desk = access(&principal);
            Ok(Some(Visitor { principal, name, available: wallet.available, desk }))
        })
    }

    fn sign_up(&self, form: SignUp) -> Answer<'_, LoggedIn> {
        Box::pin(async move {
            let user = self.accounts.sign_up(form).await?;
            self.log_in_as(user).await
        })
    }

    fn log_in(&self, form: Login, from: IpAddr) -> Answer<'_, LoggedIn> {
        Box::pin(async move {
            let user = self.accounts.login(form, from).await?;
            self.log_in_as(user).await
        })
    }

    fn log_out<'a>(&'a self, cookie: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { Ok(self.accounts.browser_logout(cookie).await?) })
    }

    fn waiting_device<'a>(
        &'a self,
        who: &'a Principal,
        code: &'a str,
    ) -> Answer<'a, DeviceWaiting> {
        Box::pin(async move { Ok(self.accounts.device_waiting(who, code).await?) })
    }

    fn approve_device<'a>(&'a self, who: &'a Principal, form: DeviceApproval) -> Answer<'a, Agent> {
        Box::pin(async move { Ok(self.accounts.device_approve(who, &form).await?) })
    }

    fn change_agent<'a>(
        &'a self,
        who: &'a Principal,
        agent: AgentId,
        change: AgentChange,
    ) -> Answer<'a, Agent> {
        Box::pin(async move { Ok(self.jobs.change_agent(who.user, agent, &change).await?.0) })
    }

    fn remove_agent<'a>(&'a self, who: &'a Principal, agent: AgentId) -> Answer<'a, ()> {
        Box::pin(async move { self.jobs.remove_agent(who.user, agent).await })
    }

    fn jobs<'a>(&'a self, who: &'a Principal, page: Paging) -> Answer<'a, JobPage> {
        Box::pin(async move {
            let after = page.after.map(|text| text.parse::<JobId>()).transpose();
            let after = after.map_err(|_| bad_cursor())?;
            Ok(self.jobs.list(who.user, page.limit.into(), after).await?)
        })
    }

    fn job<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Job> {
        Box::pin(async move { Ok(self.jobs.job(who.user, id).await?) })
    }

    fn chunks<'a>(
        &'a self,
        who: &'a Principal,
        id: JobId,
        state: Option<ChunkState>,
        page: Paging,
    ) -> Answer<'a, ChunkPage> {
        Box::pin(async move {
            let from = page.after.map(|text| text.parse::<u32>()).transpose();
            let from = ChunkIndex(from.map_err(|_| bad_cursor())?.unwrap_or_default());
            Ok(self.jobs.chunks(who.user, id, state, (page.limit.into(), from)).await?)
        })
    }

    fn timeline<'a>(&'a self, who: &'a Principal, id: JobId) -> Answer<'a, Timeline> {
        Box::pin(async move { Ok(self.jobs.timeline(who, id).await?) })
    }

    fn job_events<'a>(
        &'a self,
        who: &'a Principal,
        id: JobId,
        page: Paging,
    ) -> Answer<'a, EventPage> {
        Box::pin(async move {
            let after = page.after.map(|text| text.parse::<i64>()).transpose();
            let after = after.map_err(|_| bad_cursor())?.unwrap_or_default();
            Ok(self.jobs.events(who, id, (after, page.limit.into())).await?)
        })
    }

    fn compare<'a>(
        &'a self,
        who: &'a Principal,
        left: JobId,
        right: JobId,
    ) -> Answer<'a, Comparison> {
        Box::pin(async move { Ok(self.jobs.compare(who, left, right).await?) })
    }

    fn examples(&self) -> Answer<'_, Vec<Example>> {
        Box::pin(async move { Ok(self.jobs.examples().await?) })
    }

    fn programs<'a>(&'a self, who: &'a Principal) -> Answer<'a, Vec<Program>> {
        Box::pin(async move { Ok(self.jobs.programs(who.user).await?) })
    }

    fn agents<'a>(&'a self, who: &'a Principal) -> Answer<'a, Vec<Agent>> {
        Box::pin(async move { Ok(self.jobs.agents(who.user).await?) })
    }

    fn lent<'a>(&'a self, who: &'a Principal) -> Answer<'a, Lent> {
        Box::pin(async move { Ok(self.jobs.lent(who.user).await?) })
    }

    fn agent_earnings<'a>(
        &'a self,
        who: &'a Principal,
        agent: AgentId,
    ) -> Answer<'a, (Earnings, TaskPage)> {
        Box::pin(async move { Ok(self.jobs.earned_by(who.user, agent).await?) })
    }

    fn wallet<'a>(&'a self, who: &'a Principal) -> Answer<'a, Wallet> {
        Box::pin(async move { Ok(self.billing.wallet(who.user).await?) })
    }

    fn statement<'a>(&'a self, who: &'a Principal, page: Paging) -> Answer<'a, StatementPage> {
        Box::pin(async move {
            Ok(self.billing.statement(who.user, page.limit.into(), page.after.as_deref()).await?)
        })
    }

    fn tariff(&self) -> Answer<'_, Tariff> {
        Box::pin(async move { Ok(self.billing.tariff()) })
    }

    fn head(&self) -> Answer<'_, AuditHead> {
        Box::pin(async move { Ok(self.auditor.head().await?) })
    }

    fn event<'a>(&'a self, who: &'a Principal, position: i64) -> Answer<'a, EventDetail> {
        Box::pin(async move {
            let entry =
                event_for((&self.auditor, &self.billing, &self.jobs), who, position).await?;
            let proof = self.auditor.proof(position, None).await?;
            let event = Envelope::decode(entry.body.as_bytes())
                .map_err(|error| LogError::Corrupt(format!("event {position}: {error}")))?;
            Ok(EventDetail {
                entry,
                actor: event.actor,
                operation: event.operation,
                causation: event.causation,
                moved: event.postings.iter().map(moved).collect(),
                proof,
            })
        })
    }

    fn totals(&self) -> Answer<'_, Totals> {
        Box::pin(async move {
            let totals = self.jobs.totals().await?;
            Ok(Totals {
                agents_online: totals.agents_online,
                agents: totals.agents,
                jobs_running: totals.jobs_running,
                jobs: totals.jobs,
                chunks_verified: totals.chunks_verified,
            })
        })
    }
}
