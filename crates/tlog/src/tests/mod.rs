//! Trees of the tests, and the definitions of RFC 6962 written down as they stand there: slow,
//! recursive, and the oracle for everything faster.

mod bundles;
mod formats;
mod notes;
mod proofs;
mod receipts;
mod tiles;
mod trees;
mod trust;
mod witness;

use crate::*;

/// Distinct leaves.
pub(crate) fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// MTH(D\[n\]).
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = split(leaves);
            node_hash(&root(left), &root(right))
        }
    }
}

pub(crate) fn head(leaves: &[Hash]) -> TreeHead {
    TreeHead { size: u64::try_from(leaves.len()).unwrap(), root: root(leaves) }
}

/// PATH(m, D\[n\]).
pub(crate) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = split(leaves);
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (path(index, left), root(right)),
        Some(index) => (path(index, right), root(left)),
    };
    path.push(sibling);
    path
}

/// SUBPROOF(m, D\[n\], b).
fn subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = split(leaves);
    let (mut proof, sibling) = if old <= left.len() {
        (subproof(old, left, known), root(right))
    } else {
        (subproof(old - left.len(), right, false), root(left))
    };
    proof.push(sibling);
    proof
}

/// PROOF(m, D\[n\]).
pub(crate) fn consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof(old, leaves, true)
}

/// At the largest power of two below the number of leaves.
fn split(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    let mut at = 1;
    while at * 2 < leaves.len() {
        at *= 2;
    }
    leaves.split_at(at)
}

/// Every tile of the tree over these leaves, as a writer makes them.
pub(crate) fn tiles(leaves: &[Hash]) -> Vec<Tile> {
    let mut edge = TileEdge::default();
    let mut tiles: Vec<_> = leaves.iter().flat_map(|leaf| edge.push(*leaf)).collect();
    tiles.extend(edge.partials());
    tiles
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn seconds(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds).unwrap()
}

/// The leaves of the published RFC 6962 vectors.
pub(crate) const PUBLISHED: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
