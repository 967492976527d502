//! What the service is told at its start, and every limit it has.

use crate::mail::MailConfig;

/// What the service is told at its start.
#[derive(Clone)]
pub struct AccountsConfig {
    /// `iss` of access tokens.
    pub issuer: String,
    /// Address of the website, for the links of the device flow.
    pub public_url: String,
    /// Secret half of the Ed25519 key that signs access tokens; all server processes share it.
    pub jwt_key: [u8; 32],
    /// How mail leaves the house.
    pub mail: MailConfig,
    /// Who mail is from, like `Medusa <no-reply@medusa.example>`.
    pub mail_from: String,
    /// Webhooks may lead into private networks and need no TLS: for a house on one's own machine.
    pub private_targets: bool,
    /// How long and how often.
    pub limits: AccountsLimits,
}

impl std::fmt::Debug for AccountsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountsConfig")
            .field("issuer", &self.issuer)
            .field("public_url", &self.public_url)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How long things live, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountsLimits {
    /// Life of an access token. Roles that were granted since are not in it.
    pub access_seconds: u32,
    /// Life of a refresh token that is not used.
    pub refresh_ms: i64,
    /// How long a used refresh token is remembered, to notice its second use.
    pub refresh_used_ms: i64,
    /// Life of a login on a browser.
    pub login_ms: i64,
    /// The same for admins.
    pub admin_login_ms: i64,
    /// Logins, and unused refresh tokens, that a person can have at once; the oldest end.
    pub logins_max: i64,
    /// How long a machine may wait to be confirmed.
    pub device_ms: i64,
    /// Seconds between two polls of a machine.
    pub device_interval_s: u64,
    /// Machines that may wait at once.
    pub devices_waiting_max: i64,
    /// Wrong passwords in a row for one address before it has to pause.
    pub failures_max: u32,
    /// Wrong passwords in a minute from one network address.
    pub address_failures_max: u32,
    /// Passwords that wait to be hashed; more are refused as busy.
    pub hashes_waiting_max: usize,
    /// How long an answer about a cookie or an agent key is used again, in other processes than
    /// the one where it ended.
    pub cache_ms: i64,
}

impl Default for AccountsLimits {
    fn default() -> Self {
        Self {
            access_seconds: 600,
            refresh_ms: 30 * 24 * 3_600_000,
            refresh_used_ms: 24 * 3_600_000,
            login_ms: 14 * 24 * 3_600_000,
            admin_login_ms: 12 * 3_600_000,
            logins_max: 50,
            device_ms: 15 * 60_000,
            device_interval_s: 2,
            devices_waiting_max: 10_000,
            failures_max: 5,
            address_failures_max: 30,
            hashes_waiting_max: 64,
            cache_ms: 15_000,
        }
    }
}
