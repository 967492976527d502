//! The audit desk: books, events, invariants, checkpoints, projections and adjustments, as admins
//! see them, and auditors who may only read.
#![expect(clippy::missing_errors_doc, reason = "they are the same for every route: see routes.rs")]

use medusa_api::{
    AccountPage, AccountQuery, AccountStatement, AccountStatementQuery, AccountSummary, Adjustment,
    AdjustmentPage, AdjustmentQuery, AsOf, CheckpointPage, CheckpointQuery, EventFilter,
    EventSummaryPage, Invariants, NewAdjustment, Projections, TrialBalance,
};
use medusa_types::{AdjustmentId, OperationId};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Client;
use crate::routes::Answer;

impl Client {
    /// `GET /v1/admin/trial-balance`, as the books are now.
    pub async fn trial_balance(&self) -> Answer<TrialBalance> {
        self.trial_balance_at(&AsOf::default()).await
    }

    /// The same at a moment of the log.
    pub async fn trial_balance_at(&self, as_of: &AsOf) -> Answer<TrialBalance> {
        self.desk(&["trial-balance"], as_of).await
    }

    /// `GET /v1/admin/accounts`, by code, then by text.
    pub async fn accounts(&self, query: &AccountQuery) -> Answer<AccountPage> {
        self.desk(&["accounts"], query).await
    }

    /// `GET /v1/admin/accounts/{account}`.
    pub async fn account(&self, account: &str) -> Answer<AccountSummary> {
        self.get(&["v1", "admin", "accounts", account]).await
    }

    /// `GET /v1/admin/accounts/{account}/statement`.
    pub async fn account_statement(
        &self,
        account: &str,
        query: &AccountStatementQuery,
    ) -> Answer<AccountStatement> {
        self.desk(&["accounts", account, "statement"], query).await
    }

    /// `GET /v1/admin/events`.
    pub async fn events(&self, filter: &EventFilter) -> Answer<EventSummaryPage> {
        self.desk(&["events"], filter).await
    }

    /// `GET /v1/admin/invariants`: what the continuous check found last.
    pub async fn invariants(&self) -> Answer<Invariants> {
        self.get(&["v1", "admin", "invariants"]).await
    }

    /// `POST /v1/admin/invariants/check`: checks everything up to the head now, and waits for what
    /// was found.
    pub async fn check_invariants(&self, key: OperationId) -> Answer<Invariants> {
        const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);
        let begun = self.post(&["v1", "admin", "invariants", "check"]).key(key);
        let mut found: Invariants = self.json(begun).await?;
        while found.checking {
            tokio::time::sleep(LOOK_AGAIN).await;
            found = self.invariants().await?;
        }
        Ok(found)
    }

    /// `GET /v1/admin/checkpoints`, largest first.
    pub async fn checkpoints(&self, query: &CheckpointQuery) -> Answer<CheckpointPage> {
        self.desk(&["checkpoints"], query).await
    }

    /// `GET /v1/admin/projections`: how far each read model is.
    pub async fn projections(&self) -> Answer<Projections> {
        self.get(&["v1", "admin", "projections"]).await
    }

    /// `GET /v1/admin/adjustments`, newest first.
    pub async fn adjustments(&self, query: &AdjustmentQuery) -> Answer<AdjustmentPage> {
        self.desk(&["adjustments"], query).await
    }

    /// `POST /v1/admin/adjustments`: proposes one; somebody else decides.
    pub async fn propose_adjustment(
        &self,
        body: &NewAdjustment,
        key: OperationId,
    ) -> Answer<Adjustment> {
        self.json(self.post(&["v1", "admin", "adjustments"]).key(key).json(body)).await
    }

    /// `POST /v1/admin/adjustments/{id}/approve`: moves it, as the second person.
    pub async fn approve_adjustment(
        &self,
        id: AdjustmentId,
        key: OperationId,
    ) -> Answer<Adjustment> {
        self.decide(id, "approve", key).await
    }

    /// `POST /v1/admin/adjustments/{id}/reject`: refuses it, as the second person.
    pub async fn reject_adjustment(
        &self,
        id: AdjustmentId,
        key: OperationId,
    ) -> Answer<Adjustment> {
        self.decide(id, "reject", key).await
    }

    /// `POST /v1/admin/adjustments/{id}/withdraw`: its proposer takes it back.
    pub async fn withdraw_adjustment(
        &self,
        id: AdjustmentId,
        key: OperationId,
    ) -> Answer<Adjustment> {
        self.decide(id, "withdraw", key).await
    }

    async fn decide(&self, id: AdjustmentId, how: &str, key: OperationId) -> Answer<Adjustment> {
        let path = ["v1", "admin", "adjustments", &id.to_string(), how];
        self.json(self.post(&path).key(key)).await
    }

    async fn desk<T: DeserializeOwned>(&self, path: &[&str], query: &impl Serialize) -> Answer<T> {
        let path: Vec<&str> = ["v1", "admin"].iter().chain(path).copied().collect();
        self.json(self.call(Method::GET, &path).query_of(query)).await
    }
}
