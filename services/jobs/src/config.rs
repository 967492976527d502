//! What can be set about jobs.

use std::time::Duration;

use crate::domain::TrustRules;

/// Typed settings, with the defaults of a small installation.
#[derive(Clone, Debug)]
pub struct JobsConfig {
    /// How long a lost agent may take to come back before its leases are given to others.
    pub agent_grace: Duration,
    /// Largest upload.
    pub blob_bytes_max: u64,
    /// Largest upload in parts.
    pub upload_bytes_max: u64,
    /// Fuel that the sample chunk of a quote may use.
    pub sample_fuel_max: u64,
    /// Real time that the sample chunk may take, in milliseconds.
    pub sample_wall_ms: u64,
    /// How long a quote holds.
    pub quote_ttl: Duration,
    /// How long input and results of a job are kept after its end, and uploads that no job uses,
    /// in milliseconds.
    pub files_keep_ms: i64,
    /// How long a blob that nobody needs is set aside before it is gone for good, in milliseconds.
    pub files_aside_ms: i64,
    /// Between two looks at what is to be deleted.
    pub files_sweep: Duration,
    /// Whose results are believed, and when.
    pub trust: TrustRules,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            agent_grace: Duration::from_secs(5),
            blob_bytes_max: 2 * 1024 * 1024 * 1024,
            upload_bytes_max: 64 * 1024 * 1024 * 1024,
            // Far more than the sample's real time allows: that limit is the one that is met.
            sample_fuel_max: 2_000_000_000_000,
            sample_wall_ms: 30_000,
            quote_ttl: Duration::from_secs(60 * 60),
            files_keep_ms: 30 * 24 * 3_600_000,
            files_aside_ms: 24 * 3_600_000,
            files_sweep: Duration::from_secs(60),
            trust: TrustRules::default(),
        }
    }
}
