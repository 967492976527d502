//! The Merkle tree over the log, after RFC 6962, and its signed checkpoints (C2SP signed notes).
//!
//! Pure: no I/O. An auditor verifies with this package alone: leaves and nodes are hashed with
//! different prefixes, the frontier is the compact form of the tree that the one writer keeps, and
//! an inclusion path proves that an event stands at its position under a root.

mod note;
mod tree;

pub use note::{Checkpoint, NoteError, Signer, Verifier};
pub use tree::{
    Frontier, Hash, empty_root, inclusion_path, leaf_hash, node_hash, verify_inclusion,
};
