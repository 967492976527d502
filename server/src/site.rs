//! The website's port over the services' handles.

use std::net::IpAddr;

use medusa_accounts::Accounts;
use medusa_api::{
    Agent, AuditHead, ChunkPage, DeviceApproval, EventPage, Example, Job, JobPage, Login, Program,
    SignUp, StatementPage, Tariff, TrialBalance, Wallet,
};
use medusa_billing::Billing;
use medusa_eventlog::Auditor;
use medusa_jobs::Jobs;
use medusa_platform::{ApiError, Clock, Principal};
use medusa_types::{ChunkIndex, JobId, Role, UserId};
use medusa_web::{Answer, Data, EventDetail, LoggedIn, Paging, Totals, Visitor};

use crate::http::audit::event_for;

/// All services.
#[derive(Clone)]
pub(crate) struct House {
    /// People and machines.
    pub(crate) accounts: Accounts,
    /// Jobs.
    pub(crate) jobs: Jobs,
    /// Money.
    pub(crate) billing: Billing,
    /// The log.
    pub(crate) auditor: Auditor,
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

impl Data for House {
    fn visitor<'a>(&'a self, cookie: &'a str) -> Answer<'a, Option<Visitor>> {
        Box::pin(async move {
            let Some((principal, me)) = self.accounts.session(cookie).await? else {
                return Ok(None);
            };
            let wallet = self.billing.wallet(principal.user).await?;
            let name = if me.name.is_empty() { me.email } else { me.name };
            Ok(Some(Visitor { principal, name, available: wallet.available }))
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

    fn approve_device<'a>(&'a self, who: &'a Principal, form: DeviceApproval) -> Answer<'a, Agent> {
        Box::pin(async move { Ok(self.accounts.device_approve(who, &form).await?) })
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

    fn chunks<'a>(&'a self, who: &'a Principal, id: JobId, page: Paging) -> Answer<'a, ChunkPage> {
        Box::pin(async move {
            let from = page.after.map(|text| text.parse::<u32>()).transpose();
            let from = ChunkIndex(from.map_err(|_| bad_cursor())?.unwrap_or_default());
            Ok(self.jobs.chunks(who.user, id, page.limit.into(), from).await?)
        })
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

    fn trial_balance<'a>(&'a self, who: &'a Principal) -> Answer<'a, TrialBalance> {
        Box::pin(async move {
            who.require(Role::Admin)?;
            Ok(self.billing.trial_balance().await?)
        })
    }

    fn head(&self) -> Answer<'_, AuditHead> {
        Box::pin(async move { Ok(self.auditor.head().await?) })
    }

    fn events<'a>(&'a self, who: &'a Principal, from: i64, limit: u32) -> Answer<'a, EventPage> {
        Box::pin(async move {
            who.require(Role::Admin)?;
            Ok(self.auditor.events(from, limit.into()).await?)
        })
    }

    fn event<'a>(&'a self, who: &'a Principal, position: i64) -> Answer<'a, EventDetail> {
        Box::pin(async move {
            let entry = event_for(&self.auditor, &self.billing, who, position).await?;
            let proof = self.auditor.proof(position).await?;
            Ok(EventDetail { entry, proof })
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
