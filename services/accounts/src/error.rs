//! What can go wrong with accounts, and how it leaves over HTTP.

use medusa_eventlog::AppendError;
use medusa_platform::ApiError;

use crate::domain::TargetRefused;
use crate::mail::MailError;

/// Why something about an account was refused.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Not an address.
    #[error("this is not an e-mail address")]
    EmailInvalid,
    /// Too short or too long.
    #[error("a password has 8 to 256 bytes")]
    PasswordLength,
    /// Empty, too long, or with characters that cannot be seen.
    #[error("{0}")]
    NameInvalid(&'static str),
    /// Somebody has it.
    #[error("this address has an account already; log in instead")]
    EmailTaken,
    /// Wrong address or password: which one is not told.
    #[error("address or password is wrong")]
    LoginRefused,
    /// Guessing.
    #[error("too many failed tries; try again in {seconds} s")]
    TooManyTries {
        /// Until the next try is looked at.
        seconds: u64,
    },
    /// Unknown or ended.
    #[error("this refresh token is not valid any more; log in again")]
    RefreshRefused,
    /// Somebody else may have it.
    #[error("this refresh token was used before, so all of your tokens were ended; log in again")]
    RefreshReused,
    /// The owner did not confirm yet.
    #[error("the owner has not confirmed this machine yet; go on asking")]
    DevicePending,
    /// Too late, given out before, or never there.
    #[error("this code has ended; ask for a new one")]
    DeviceExpired,
    /// A person typed a code that no machine shows.
    #[error("no machine shows this code; codes end after some minutes, so ask it for a new one")]
    DeviceCodeUnknown,
    /// Not the bytes of a key in hexadecimal.
    #[error("a machine's public key is 64 lower-case hexadecimal digits")]
    AgentKeyRefused,
    /// A machine keeps its key: another one would sign for it.
    #[error("this machine has another key already; enrol it again to use a new one")]
    AgentKeySet,
    /// None, or too many.
    #[error("chunks at the same time are 1 to 256; to compute nothing, pause the machine")]
    AgentSlots,
    /// Too little.
    #[error("memory for chunks is at least 16 MiB; to compute nothing, pause the machine")]
    AgentMemory,
    /// No account has this address.
    #[error("nobody has this address")]
    UserUnknown,
    /// Deliveries may not go there.
    #[error("{0}")]
    Target(#[from] TargetRefused),
    /// A person has enough of them.
    #[error("a person has at most 10 webhooks; remove one first")]
    TooManyWebhooks,
    /// Removed, or somebody else's.
    #[error("there is no such webhook")]
    WebhookUnknown,
    /// Another request had it.
    #[error("this Idempotency-Key was used for another request; use a fresh one")]
    KeyReused,
    /// The sender of mail is not an address, or the mail server's address is none.
    #[error("mail cannot be sent")]
    Mail(#[from] MailError),
    /// The client that delivers could not be made.
    #[error("deliveries cannot be made")]
    Client(#[source] reqwest::Error),
    /// Too much to do.
    #[error("too busy")]
    Busy,
    /// Another service, or a missing role, refused.
    #[error("refused")]
    Refused(#[source] Box<ApiError>),
    /// The log did not take the event.
    #[error("the log did not take the event")]
    Log(#[from] AppendError),
    /// The database failed.
    #[error("the accounts could not be read or written")]
    Store(#[from] sqlx::Error),
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    /// The hashing thread died.
    #[error("a password was not hashed to the end")]
    HashEnded(#[source] tokio::task::JoinError),
    /// A token could not be signed.
    #[error("a token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl From<ApiError> for AccountsError {
    fn from(refusal: ApiError) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        use AccountsError as E;
        let text = error.to_string();
        match error {
            E::EmailInvalid => Self::field("accounts.email_invalid", "/email", &text),
            E::PasswordLength => Self::field("accounts.password_length", "/password", &text),
            E::NameInvalid(_) => Self::field("accounts.name_invalid", "/name", &text),
            E::EmailTaken => Self::new(409, "accounts.email_taken", "address taken", text),
            E::LoginRefused => Self::new(401, "accounts.login_refused", "login refused", text),
            E::TooManyTries { seconds } => {
                let mut error = Self::new(429, "accounts.too_many_tries", "too many tries", text);
                error.0.retry_after = Some(seconds);
                error
            }
            E::RefreshRefused => Self::new(401, "accounts.refresh_refused", "token refused", text),
            E::RefreshReused => Self::new(401, "accounts.refresh_reused", "token used twice", text),
            E::DevicePending => Self::new(400, "accounts.device_pending", "not confirmed", text),
            E::DeviceExpired => Self::new(400, "accounts.device_expired", "code ended", text),
            E::DeviceCodeUnknown => {
                Self::new(404, "accounts.device_code_unknown", "unknown code", text)
            }
            E::AgentKeyRefused => Self::field("accounts.agent_key_refused", "/public_key", &text),
            E::AgentKeySet => Self::new(409, "accounts.agent_key_set", "key set", text),
            E::AgentSlots => Self::field("accounts.agent_limits", "/limits/slots", &text),
            E::AgentMemory => Self::field("accounts.agent_limits", "/limits/memory_bytes", &text),
            E::UserUnknown => Self::new(404, "accounts.user_unknown", "unknown person", text),
            E::Busy => Self::busy(1),
            E::Refused(refusal) => *refusal,
            E::Log(source) => source.into(),
            E::Store(source) => source.into(),
            E::Target(_) => Self::field("accounts.webhook_refused", "/url", &text),
            E::TooManyWebhooks => {
                Self::new(409, "accounts.too_many_webhooks", "too many webhooks", text)
            }
            E::WebhookUnknown => {
                Self::new(404, "accounts.webhook_unknown", "unknown webhook", text)
            }
            E::KeyReused => Self::key_reused(),
            E::Hash(_) | E::HashEnded(_) | E::Sign(_) | E::Mail(_) | E::Client(_) => {
                Self::internal(&error)
            }
        }
    }
}
