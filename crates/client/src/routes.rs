//! One method for each route, in the order of the API's documents.
//!
//! Every method fails with [`ClientError`]: a refusal of the server is its `Problem`.
#![expect(clippy::missing_errors_doc, reason = "they are the same for every route: see above")]

use medusa_api::{
    Agent, AgentChange, ChunkPage, ChunkState, DeviceApproval, DeviceCode, DevicePoll,
    DeviceRequest, DeviceToken, Example, InputPreview, Job, JobBudget, JobPage, JobRetry,
    JobSubmit, Login, Me, Program, ProgramUpload, Quote, QuoteRequest, Refresh, Runtime, Session,
    SessionRequest, SignUp, StatementPage, Tariff, Tokens, Wallet,
};
use medusa_types::{AgentId, Credits, JobId, OperationId, SessionId, Sha256Hash};
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::http::Call;
use crate::{Client, ClientError, operation_id};

pub(crate) type Answer<T> = Result<T, ClientError>;

impl Client {
    /// `POST /v1/signup`: a new person.
    pub async fn signup(&self, body: &SignUp) -> Answer<Tokens> {
        self.json(self.post(&["v1", "signup"]).json(body).anonymous()).await
    }

    /// `POST /v1/login`.
    pub async fn login(&self, body: &Login) -> Answer<Tokens> {
        self.json(self.post(&["v1", "login"]).json(body).anonymous()).await
    }

    /// `POST /v1/tokens/refresh`. The client does this by itself for the session that it holds.
    pub async fn refresh(&self, body: &Refresh) -> Answer<Tokens> {
        self.refresh_once(body).await
    }

    /// `POST /v1/logout`: ends a refresh token.
    pub async fn logout(&self, body: &Refresh) -> Answer<()> {
        let call = self.post(&["v1", "logout"]).json(body).anonymous();
        self.whole(&call).await.map(drop)
    }

    /// `GET /v1/me`: whose token this is.
    pub async fn me(&self) -> Answer<Me> {
        self.get(&["v1", "me"]).await
    }

    /// `POST /v1/device`: a machine asks to be enrolled.
    pub async fn device(&self, body: &DeviceRequest) -> Answer<DeviceCode> {
        self.json(self.post(&["v1", "device"]).json(body).anonymous()).await
    }

    /// `POST /v1/device/approve`: its owner confirms the code.
    pub async fn approve_device(&self, body: &DeviceApproval) -> Answer<Agent> {
        self.json(self.post(&["v1", "device", "approve"]).json(body)).await
    }

    /// `POST /v1/device/token`: the machine asks whether it was confirmed.
    pub async fn poll_device(&self, body: &DevicePoll) -> Answer<DeviceToken> {
        self.json(self.post(&["v1", "device", "token"]).json(body).anonymous()).await
    }

    /// `GET /v1/blobs/{sha256}/preview`: what the server knows of an uploaded input.
    pub async fn preview(&self, blob: Sha256Hash) -> Answer<InputPreview> {
        self.get(&["v1", "blobs", &blob.to_string(), "preview"]).await
    }

    /// `POST /v1/programs`: an uploaded module becomes a program.
    pub async fn add_program(&self, body: &ProgramUpload) -> Answer<Program> {
        self.json(self.post(&["v1", "programs"]).key(operation_id()).json(body)).await
    }

    /// `GET /v1/programs`: one's own programs.
    pub async fn programs(&self) -> Answer<Vec<Program>> {
        self.get(&["v1", "programs"]).await
    }

    /// `POST /v1/quotes`: a price before anything is paid. Runs one sample chunk.
    pub async fn quote(&self, body: &QuoteRequest) -> Answer<Quote> {
        self.json(self.post(&["v1", "quotes"]).key(operation_id()).json(body)).await
    }

    /// `POST /v1/jobs`: accepts a quote and holds its upper bound.
    pub async fn submit_job(&self, body: &JobSubmit, key: OperationId) -> Answer<Job> {
        self.json(self.post(&["v1", "jobs"]).key(key).json(body)).await
    }

    /// `POST /v1/sessions`: opens a session and holds its budget.
    pub async fn open_session(&self, body: &SessionRequest, key: OperationId) -> Answer<Session> {
        self.json(self.post(&["v1", "sessions"]).key(key).json(body)).await
    }

    /// `GET /v1/sessions`: one's own sessions, newest first.
    pub async fn sessions(&self) -> Answer<Vec<Session>> {
        self.get(&["v1", "sessions"]).await
    }

    /// `GET /v1/sessions/{id}`.
    pub async fn session(&self, session: SessionId) -> Answer<Session> {
        self.get(&["v1", "sessions", &session.to_string()]).await
    }

    /// `GET /v1/jobs`: one's own jobs, newest first.
    pub async fn jobs(&self, limit: u32, after: Option<&str>) -> Answer<JobPage> {
        self.page(&["v1", "jobs"], limit, after).await
    }

    /// `GET /v1/jobs/{id}`.
    pub async fn job(&self, job: JobId) -> Answer<Job> {
        self.get(&["v1", "jobs", &job.to_string()]).await
    }

    /// `POST /v1/jobs/{id}/cancel`: stops the job; what was not spent comes back.
    pub async fn cancel_job(&self, job: JobId, key: OperationId) -> Answer<Job> {
        let call = self.post(&["v1", "jobs", &job.to_string(), "cancel"]).key(key);
        self.json(call).await
    }

    /// `POST /v1/jobs/{id}/pause`: hands out nothing more for now.
    pub async fn pause_job(&self, job: JobId, key: OperationId) -> Answer<Job> {
        let call = self.post(&["v1", "jobs", &job.to_string(), "pause"]).key(key);
        self.json(call).await
    }

    /// `POST /v1/jobs/{id}/resume`: goes on.
    pub async fn resume_job(&self, job: JobId, key: OperationId) -> Answer<Job> {
        let call = self.post(&["v1", "jobs", &job.to_string(), "resume"]).key(key);
        self.json(call).await
    }

    /// `POST /v1/jobs/{id}/budget`: holds so much more.
    pub async fn raise_budget(&self, job: JobId, add: Credits, key: OperationId) -> Answer<Job> {
        let call = self.post(&["v1", "jobs", &job.to_string(), "budget"]).key(key);
        self.json(call.json(&JobBudget { add })).await
    }

    /// `POST /v1/jobs/{id}/retry`: failed chunks get another chance, with so many times the fuel.
    pub async fn retry_job(&self, job: JobId, fuel_times: u32, key: OperationId) -> Answer<Job> {
        let call = self.post(&["v1", "jobs", &job.to_string(), "retry"]).key(key);
        self.json(call.json(&JobRetry { fuel_times })).await
    }

    /// `POST /v1/jobs/{id}/rerun`: what the same job would cost once more.
    pub async fn rerun_job(&self, job: JobId) -> Answer<Quote> {
        self.json(self.post(&["v1", "jobs", &job.to_string(), "rerun"])).await
    }

    /// `DELETE /v1/jobs/{id}/files`: deletes input and results of a job that has ended.
    pub async fn delete_files(&self, job: JobId, key: OperationId) -> Answer<Job> {
        let path = ["v1", "jobs", &job.to_string(), "files"];
        self.json(self.call(Method::DELETE, &path).key(key)).await
    }

    /// `GET /v1/jobs/{id}/chunks`, in chunk order.
    pub async fn chunks(
        &self,
        job: JobId,
        state: Option<ChunkState>,
        (limit, after): (u32, Option<&str>),
    ) -> Answer<ChunkPage> {
        let call = self.call(Method::GET, &["v1", "jobs", &job.to_string(), "chunks"]);
        let call = call.query("state", state.map(ChunkState::as_str));
        let call = call.query("limit", Some(&limit.to_string()));
        self.json(call.query("after", after)).await
    }

    /// `GET /v1/runtimes`: what scripts may be run by.
    pub async fn runtimes(&self) -> Answer<Vec<Runtime>> {
        self.get(&["v1", "runtimes"]).await
    }

    /// `GET /v1/examples`: the ready-made jobs.
    pub async fn examples(&self) -> Answer<Vec<Example>> {
        self.get(&["v1", "examples"]).await
    }

    /// `GET /v1/wallet`.
    pub async fn wallet(&self) -> Answer<Wallet> {
        self.get(&["v1", "wallet"]).await
    }

    /// `GET /v1/wallet/statement`, newest first.
    pub async fn statement(&self, limit: u32, after: Option<&str>) -> Answer<StatementPage> {
        self.page(&["v1", "wallet", "statement"], limit, after).await
    }

    /// `GET /v1/tariff`: prices per unit of the meter.
    pub async fn tariff(&self) -> Answer<Tariff> {
        self.get(&["v1", "tariff"]).await
    }

    /// `GET /v1/agents`: one's own machines.
    pub async fn agents(&self) -> Answer<Vec<Agent>> {
        self.get(&["v1", "agents"]).await
    }

    /// `PATCH /v1/agents/{agent}`: renames a machine, pauses it, or lowers what it may use.
    pub async fn change_agent(&self, agent: AgentId, change: &AgentChange) -> Answer<Agent> {
        let call = self.call(Method::PATCH, &["v1", "agents", &agent.to_string()]);
        self.json(call.json(change)).await
    }

    /// `DELETE /v1/agents/{agent}`: removes a machine; its key opens nothing any more.
    pub async fn remove_agent(&self, agent: AgentId) -> Answer<()> {
        let call = self.call(Method::DELETE, &["v1", "agents", &agent.to_string()]);
        self.whole(&call).await.map(drop)
    }

    /// `GET /healthz`: the server runs.
    pub async fn healthy(&self) -> Answer<()> {
        self.whole(&self.call(Method::GET, &["healthz"]).anonymous()).await.map(drop)
    }

    /// `GET /readyz`: the server and everything it needs work. The answer is its own words.
    pub async fn ready(&self) -> Answer<String> {
        let call = self.call(Method::GET, &["readyz"]).anonymous();
        self.whole(&call).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn post(&self, path: &[&str]) -> Call {
        self.call(Method::POST, path)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Answer<T> {
        self.json(self.call(Method::GET, path)).await
    }

    async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        limit: u32,
        after: Option<&str>,
    ) -> Answer<T> {
        let call = self.call(Method::GET, path).query("limit", Some(&limit.to_string()));
        self.json(call.query("after", after)).await
    }
}
