//! Proofs over the log's tree, for those who check it from outside.

use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `GET /v1/audit/consistency`: the tree of one size begins with the tree of another (RFC 6962,
/// section 2.1.2). Whoever kept the older root can check that nothing before it was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyProof {
    /// The older size, in events.
    pub from: i64,
    /// The root then.
    pub from_root: Sha256Hash,
    /// The newer size, in events.
    pub to: i64,
    /// The root then.
    pub to_root: Sha256Hash,
    /// The hashes of the proof, in its order; none when the sizes are equal.
    pub path: Vec<Sha256Hash>,
}

/// Between which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The older size, from 1.
    pub from: i64,
    /// The newer size; the log's present size when not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
}

/// Against which tree an event is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProofQuery {
    /// The tree of so many events; the log's present size when not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}
