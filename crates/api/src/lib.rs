//! The shapes of the HTTP API: requests, answers, problem documents and error codes.
//!
//! Shared by the server, the typed client, the command line, the website and the tests, so that a
//! change on one side does not compile on the other. Amounts are decimal strings; times are
//! microseconds since 1970; ids carry their prefix. Pure: no I/O.

mod accounts;
mod agents;
mod audit_adjust;
mod audit_books;
mod audit_proofs;
mod audit_watch;
mod billing;
mod control;
mod earnings;
mod jobs;
mod live;
mod notices;
mod problem;
mod quote;
mod record;
mod runtime;
mod session;
mod size;
mod spec;
mod upload;

pub use accounts::{
    DeviceAbout, DeviceApproval, DeviceCode, DevicePoll, DeviceRequest, DeviceToken, DeviceWaiting,
    Login, Me, Refresh, SignUp, Tokens,
};
pub use agents::{AgentCaps, AgentChange, AgentKey, AgentLimits, AgentNow};
pub use audit_adjust::{
    Adjustment, AdjustmentPage, AdjustmentQuery, AdjustmentReason, AdjustmentState, NewAdjustment,
};
pub use audit_books::{
    AccountLine, AccountPage, AccountQuery, AccountState, AccountStatement, AccountStatementQuery,
    AccountSummary, AsOf, Currency, CurrencySum, TrialBalance, TrialLine,
};
pub use audit_proofs::{ConsistencyProof, ConsistencyQuery, ProofQuery};
pub use audit_watch::{
    CheckpointPage, CheckpointQuery, CheckpointSummary, Cosigned, EventFilter, EventOrder,
    EventSummary, EventSummaryPage, ExportFormat, ExportQuery, InvariantRound, InvariantStatus,
    Invariants, Moved, ProjectionStatus, Projections, Rebuilt,
};
pub use billing::{
    AuditHead, EventEntry, EventPage, InclusionProof, StatementLine, StatementPage, Tariff,
    VerifyReport, Wallet,
};
pub use control::{Cost, JobBudget, JobRetry, PauseWhy};
pub use earnings::{
    AgentTask, Earnings, EarningsDay, EarningsQuery, EarningsSince, Lent, TaskPage, TaskQuery,
    TaskState,
};
pub use jobs::{
    Agent, AgentMark, AgentState, BlobInfo, Chunk, ChunkPage, ChunkState, Counts, DeletedWhy,
    Example, FilesDeleted, InputPreview, Job, JobPage, JobState, Program, ProgramUpload,
    ResultFile, Verdict,
};
pub use live::{AgentLive, JobLive, LiveEvent};
pub use notices::{
    MailChoice, NewWebhook, NewWebhookSecret, Notice, NoticeState, Notices, Webhook,
};
pub use problem::{FieldProblem, PROBLEM_BASE, Problem};
pub use quote::{Breakdown, JobSubmit, MergePreview, Quote, QuoteRequest, SplitPreview, TimeRange};
pub use record::{
    Accepted, Attempt, AttemptEnd, ChunkFiles, ChunkRun, ComparedFile, Comparison, RunFigures,
    RunInput, Timeline, TimelineBar, TimelineRow,
};
pub use runtime::{Calling, NewRuntime, Runtime, Script};
pub use session::{
    ClientWord, HomeWord, SeatOrder, SeatWord, Session, SessionHome, SessionRequest, SessionState,
};
pub use size::Size;
pub use spec::{JobSpec, MergeBy, MergeHow, MergeRule, Priority, SpecError, Split};
pub use upload::{ByteRange, NewUpload, Upload, UploadState};
