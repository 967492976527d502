//! People: sign-up, login, tokens, and the device flow that enrols agents (RFC 8628).

use medusa_types::{AgentId, Role, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/signup`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// Where to reach the person; kept outside the log.
    pub email: String,
    /// 8 to 256 bytes.
    pub password: String,
    /// What to call the person; shown to nobody else.
    #[serde(default)]
    pub name: String,
}

/// `POST /v1/login`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The address given at sign-up.
    pub email: String,
    /// The password.
    pub password: String,
}

/// `POST /v1/tokens/refresh`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The refresh token of the last answer; it is used up by this call.
    pub refresh_token: String,
}

/// Bearer tokens.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// A JWT (EdDSA) for the `Authorization: Bearer` header.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// For `POST /v1/tokens/refresh`, once.
    pub refresh_token: String,
}

/// `GET /v1/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The person.
    pub user: UserId,
    /// The address.
    pub email: String,
    /// The name, perhaps empty.
    pub name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
}

/// `POST /v1/device`: a machine asks to be enrolled.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// A proposed name for the machine, 1 to 60 characters.
    pub name: String,
    /// The Ed25519 key that it will sign its results with, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// What its owner is shown before confirming it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<DeviceAbout>,
}

/// What a machine says of itself before it is confirmed. Nobody has checked it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceAbout {
    /// Its cores.
    #[serde(default)]
    pub cores: Option<u32>,
    /// Its memory in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Its system, like `linux x86_64`; the first 60 characters count.
    #[serde(default)]
    pub system: Option<String>,
}

/// A machine that waits to be confirmed, as its owner sees it before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceWaiting {
    /// The name that it proposes.
    pub name: String,
    /// What it says of itself.
    pub about: DeviceAbout,
    /// The address that it asked from.
    pub address: Option<String>,
    /// When it asked.
    pub asked_at: Timestamp,
}

/// Answer to [`DeviceRequest`].
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceCode {
    /// The machine's secret for polling.
    pub device_code: String,
    /// What the owner types on the website, like `WDJB-MJHT`.
    pub user_code: String,
    /// Where the owner types it.
    pub verification_uri: String,
    /// The same with the code filled in.
    pub verification_uri_complete: String,
    /// Seconds until the code ends.
    pub expires_in: u64,
    /// Seconds to wait between polls.
    pub interval: u64,
}

/// `POST /v1/device/approve`: the owner, logged in, confirms the code.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceApproval {
    /// The code that the machine shows; case and the dash do not matter.
    pub user_code: String,
    /// The machine's name; empty keeps the proposed one.
    #[serde(default)]
    pub name: String,
}

/// `POST /v1/device/token`: the machine polls.
///
/// Until the owner confirms, the answer is a problem `accounts.device_pending` (400); a code that
/// has ended is `accounts.device_expired` (400).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePoll {
    /// The secret of [`DeviceCode`].
    pub device_code: String,
}

/// Answer to [`DevicePoll`] once the owner has confirmed. Given out once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceToken {
    /// The new agent.
    pub agent: AgentId,
    /// Its name.
    pub name: String,
    /// Its key, for `Authorization: Bearer` on the agent routes. Stored hashed.
    pub agent_key: String,
}
