//! Leaves, nodes, heads and the frontier.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Hash of a leaf: SHA-256 of a zero byte and the stored bytes.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// Hash of an inner node: SHA-256 of a one byte and both children.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// How many leaves a tree has, and the root over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves.
    pub size: u64,
    /// The root over them; [`empty_root`] over none.
    pub root: Hash,
}

impl TreeHead {
    /// The head of the tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// The tree in its compact form: the roots of the perfect subtrees from left to right. Adding a
/// leaf and taking the root cost as many hashes as the size has bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// A frontier that was stored; `None` when the number of peaks does not fit the size.
    #[must_use]
    pub fn restore(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let fits = usize::try_from(size.count_ones()) == Ok(peaks.len());
        fits.then_some(Self { size, peaks })
    }

    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf at the end.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// Size and root together.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The sibling hashes that prove leaf `index` in the tree over `leaves`, from the leaf up.
/// `None` when there is no such leaf. Costs one hash for each leaf.
#[must_use]
pub fn inclusion_path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    collect_path(leaves, index, &mut path);
    Some(path)
}

fn collect_path(leaves: &[Hash], index: usize, path: &mut Vec<Hash>) {
    if leaves.len() <= 1 {
        return;
    }
    let (left, right) = leaves.split_at(split_point(leaves.len()));
    if index < left.len() {
        collect_path(left, index, path);
        path.push(root_of(right));
    } else {
        collect_path(right, index.saturating_sub(left.len()), path);
        path.push(root_of(left));
    }
}

/// The root over these leaves.
pub(crate) fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The largest power of two below `n`, for `n` of at least 2.
const fn split_point(n: usize) -> usize {
    let half = n.next_power_of_two() >> 1;
    if half == 0 { 1 } else { half }
}

/// 2^height; nothing from 2^64 on.
pub(crate) fn power_of_two(height: u32) -> u64 {
    1_u64.checked_shl(height).unwrap_or_default()
}

/// `n` divided by 2^by, rounded down.
pub(crate) fn shift_right(n: u64, by: u32) -> u64 {
    n.checked_shr(by).unwrap_or_default()
}
