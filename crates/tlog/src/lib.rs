//! The Merkle tree over the log, after RFC 6962, in the formats of C2SP: tiles, entry bundles,
//! signed checkpoints, cosignatures of witnesses, the witness itself, and receipts.
//!
//! Guarantees: a leaf and a node are never hashed alike; a proof that verifies leads to exactly
//! this root; what a parser accepts is written back as the same bytes; every input has a bound with
//! a name. Pure: no I/O, no clock. An auditor verifies with this package alone.
#![deny(clippy::arithmetic_side_effects)]

mod bundle;
mod checkpoint;
mod cosignature;
mod edge;
mod key;
mod note;
mod proof;
mod receipt;
mod request;
mod text;
mod tile;
mod tile_id;
mod tree;
mod trust;
mod witness;

pub use bundle::{
    BundleError, BundleId, ENTRY_BYTES_MAX, bundles_of, decode_bundle, encode_bundle,
};
pub use checkpoint::Checkpoint;
pub use cosignature::{Cosignature, Cosigner, CosignerKey, UnixSeconds};
pub use edge::TileEdge;
pub use key::{Signer, Verifier, is_key_name};
pub use note::{NOTE_BYTES_MAX, Note, NoteError, SIGNATURES_MAX, SignatureLine};
pub use proof::{ProofError, TilePlan, verify_consistency, verify_inclusion};
pub use receipt::{RECEIPT_BYTES_MAX, Receipt, ReceiptError};
pub use request::{AddCheckpoint, PROOF_LINES_MAX, REQUEST_BYTES_MAX, RequestError};
pub use tile::{Tile, TileSet};
pub use tile_id::{TILE_WIDTH, TileError, TileId, tiles_grown, tiles_of};
pub use tree::{Frontier, Hash, TreeHead, empty_root, inclusion_path, leaf_hash, node_hash};
pub use trust::{Opened, Trust};
pub use witness::{Cosigned, Refusal, Witness};

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test whose sum overflows stops, as it should"
)]
mod tests;
