//! What people are told outside the website: by mail, and at addresses of their own.

use medusa_types::{NoticeId, Timestamp, WebhookId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/notices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notices {
    /// Whether a mail tells that a job has ended.
    pub mail: bool,
    /// Addresses that are told, oldest first.
    pub webhooks: Vec<Webhook>,
    /// What was told lately, newest first, at most 50.
    pub recent: Vec<Notice>,
}

/// An address that is told. Deliveries are signed as Standard Webhooks says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where deliveries go.
    pub url: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// Since when nothing arrives there.
    pub failing_since: Option<Timestamp>,
    /// It was given up; a test that arrives takes it up again.
    pub stopped_at: Option<Timestamp>,
}

/// `POST /v1/webhooks`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where deliveries shall go: `https://`, at most 2,048 characters, a public address.
    pub url: String,
}

/// A new webhook and its secret, which is not shown again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewWebhookSecret {
    /// The webhook.
    pub webhook: Webhook,
    /// What its deliveries are signed with: `whsec_` and 32 bytes in base64.
    pub secret: String,
}

/// `PUT /v1/notices/mail`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailChoice {
    /// Whether a mail tells that a job has ended.
    pub mail: bool,
}

/// Where a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It will be tried, or tried again.
    Waiting,
    /// It arrived.
    Delivered,
    /// It did not arrive, and will not be tried again.
    GivenUp,
}

/// One thing that somebody was told, over one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Its id; the header `webhook-id` of its delivery.
    pub id: NoticeId,
    /// Where it goes; absent for mail.
    pub webhook: Option<WebhookId>,
    /// What happened, like `job.done`.
    pub kind: String,
    /// The event that it tells of; absent for a test.
    pub position: Option<i64>,
    /// Where it is.
    pub state: NoticeState,
    /// How often it was tried.
    pub tries: u32,
    /// What the other side said last.
    pub answer: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is tried next, while it waits.
    pub due_at: Option<Timestamp>,
}
