//! The log as auditors check it: the signed head, stored bytes, tiles, proofs, receipts.
//!
//! Nothing here is verified: who does not trust the server hands what comes to `medusa-tlog`.
#![expect(clippy::missing_errors_doc, reason = "they are the same for every route: see routes.rs")]

use medusa_api::{
    AuditHead, ConsistencyProof, ConsistencyQuery, EventEntry, EventPage, InclusionProof,
    ProofQuery, VerifyReport,
};
use reqwest::Method;

use crate::routes::Answer;
use crate::{Client, ClientError, operation_id};

impl Client {
    /// `GET /log/checkpoint`: the published checkpoint as a signed note, with the cosignatures of
    /// witnesses. Public.
    pub async fn log_checkpoint(&self) -> Answer<String> {
        let call = self.call(Method::GET, &["log", "checkpoint"]).anonymous();
        text(self.whole(&call).await?)
    }

    /// `GET /log/tile/…`: a tile or an entry bundle by its C2SP path, like `tile/0/x001/234.p/5`.
    pub async fn log_tile(&self, path: &str) -> Answer<Vec<u8>> {
        let segments: Vec<&str> = ["log"].into_iter().chain(path.split('/')).collect();
        self.whole(&self.call(Method::GET, &segments)).await
    }

    /// `GET /v1/audit/head`: size, root and signed checkpoint of the log as it is now. Public.
    pub async fn audit_head(&self) -> Answer<AuditHead> {
        self.get(&["v1", "audit", "head"]).await
    }

    /// `GET /v1/audit/events`, in rising order from position `from`.
    pub async fn audit_events(&self, from: i64, limit: u32) -> Answer<EventPage> {
        let call = self.call(Method::GET, &["v1", "audit", "events"]);
        let call = call.query("from", Some(&from.to_string()));
        self.json(call.query("limit", Some(&limit.to_string()))).await
    }

    /// `GET /v1/audit/events/{position}`.
    pub async fn audit_event(&self, position: i64) -> Answer<EventEntry> {
        self.get(&["v1", "audit", "events", &position.to_string()]).await
    }

    /// `GET /v1/audit/proof/{position}`: proves that an event stands in the log as it is now.
    pub async fn audit_proof(&self, position: i64) -> Answer<InclusionProof> {
        self.audit_proof_at(position, None).await
    }

    /// The same in the tree of the first `size` events.
    pub async fn audit_proof_at(&self, position: i64, size: Option<i64>) -> Answer<InclusionProof> {
        let call = self.call(Method::GET, &["v1", "audit", "proof", &position.to_string()]);
        self.json(call.query_of(&ProofQuery { size })).await
    }

    /// `GET /v1/audit/consistency`: proves that the log of `to` events begins with that of `from`;
    /// without `to`, the log as it is now. Public.
    pub async fn audit_consistency(&self, from: i64, to: Option<i64>) -> Answer<ConsistencyProof> {
        let call = self.call(Method::GET, &["v1", "audit", "consistency"]);
        self.json(call.query_of(&ConsistencyQuery { from, to })).await
    }

    /// `GET /v1/audit/receipt/{position}`: the proof and the checkpoint in one text (C2SP
    /// tlog-proof).
    pub async fn audit_receipt(&self, position: i64) -> Answer<String> {
        let call = self.call(Method::GET, &["v1", "audit", "receipt", &position.to_string()]);
        text(self.whole(&call).await?)
    }

    /// `POST /v1/admin/verify`: the server checks its own log.
    pub async fn verify(&self) -> Answer<VerifyReport> {
        self.json(self.post(&["v1", "admin", "verify"]).key(operation_id())).await
    }
}

fn text(bytes: Vec<u8>) -> Answer<String> {
    String::from_utf8(bytes).map_err(|_| ClientError::Answer("it is not text".to_owned()))
}
