//! Proofs that a leaf is in a tree, and that a tree goes on from an older one (RFC 6962, section
//! 2.1). A proof is made in two steps, so that a store is read in between: which tiles are needed,
//! then the hashes out of them. Both need a number of hashes that grows with the logarithm of the
//! size.

use std::collections::BTreeSet;

use crate::tile::TileSet;
use crate::tile_id::TileId;
use crate::tree::{Hash, TreeHead, node_hash, power_of_two, shift_right};

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf.
    #[error("there is no leaf {index} in a tree of {size} leaves; ask for one before the last")]
    Index {
        /// The leaf that was asked for, from 0.
        index: u64,
        /// The leaves of the tree.
        size: u64,
    },
    /// Nothing leads from the old size to the new one.
    #[error("no proof leads from {old} leaves to {new}; ask for 1 <= old <= new")]
    Sizes {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// A tile that was needed is not there, or is narrower than needed.
    #[error("{0} is missing or too narrow; load every tile of the plan")]
    Missing(TileId),
}

/// Leaves `from` to `from + len` that are a subtree: `from` is a multiple of a power of two of at
/// least `len`.
#[derive(Clone, Copy, Debug)]
struct Subtree {
    from: u64,
    len: u64,
}

/// A perfect subtree: 2^height leaves, the `index`-th of its height.
#[derive(Clone, Copy, Debug)]
struct Node {
    height: u32,
    index: u64,
}

impl Subtree {
    const fn whole(size: u64) -> Self {
        Self { from: 0, len: size }
    }

    const fn end(self) -> u64 {
        self.from.saturating_add(self.len)
    }

    /// Both children of a subtree of at least two leaves: the left one is the largest perfect
    /// subtree that is smaller than the whole.
    fn split(self) -> (Self, Self) {
        let left = power_of_two(self.len.saturating_sub(1).checked_ilog2().unwrap_or_default());
        let right = self.len.saturating_sub(left);
        (
            Self { from: self.from, len: left },
            Self { from: self.from.saturating_add(left), len: right },
        )
    }

    /// The perfect subtrees that it consists of, largest first: one for each bit of its length.
    fn nodes(self) -> impl Iterator<Item = Node> {
        let mut from = self.from;
        (0..u64::BITS).rev().filter(move |height| self.len & power_of_two(*height) != 0).map(
            move |height| {
                let node = Node { height, index: shift_right(from, height) };
                from = from.saturating_add(power_of_two(height));
                node
            },
        )
    }
}

/// The hashes of a proof by their places in the tree.
#[derive(Clone, Debug)]
pub struct TilePlan {
    size: u64,
    subtrees: Vec<Subtree>,
}

impl TilePlan {
    /// The path of leaf `index` (from 0) in the tree of `size` leaves, from the leaf up.
    ///
    /// # Errors
    /// [`ProofError::Index`] when there is no such leaf.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size {
            return Err(ProofError::Index { index, size });
        }
        let mut subtrees = Vec::new();
        let mut rest = Subtree::whole(size);
        while rest.len > 1 {
            let (left, right) = rest.split();
            let (inside, beside) = if index < right.from { (left, right) } else { (right, left) };
            subtrees.push(beside);
            rest = inside;
        }
        subtrees.reverse();
        Ok(Self { size, subtrees })
    }

    /// The proof that the tree of `new` leaves begins with the tree of `old` leaves. Of equal
    /// sizes the proof is empty.
    ///
    /// # Errors
    /// [`ProofError::Sizes`] unless 1 <= old <= new: every tree goes on from the empty one, and no
    /// hash could show it.
    pub fn consistency(old: u64, new: u64) -> Result<Self, ProofError> {
        if old == 0 || old > new {
            return Err(ProofError::Sizes { old, new });
        }
        let mut subtrees = Vec::new();
        let mut rest = Subtree::whole(new);
        while rest.end() != old {
            let (left, right) = rest.split();
            let (inside, beside) = if old <= right.from { (left, right) } else { (right, left) };
            subtrees.push(beside);
            rest = inside;
        }
        // A subtree that starts at 0 is the whole old tree, whose root the verifier knows.
        if rest.from != 0 {
            subtrees.push(rest);
        }
        subtrees.reverse();
        Ok(Self { size: new, subtrees })
    }

    /// The peaks of the tree of `size` leaves, as [`crate::Frontier::restore`] takes them.
    #[must_use]
    pub fn frontier(size: u64) -> Self {
        let mut from = 0_u64;
        let subtrees = (0..u64::BITS)
            .rev()
            .map(power_of_two)
            .filter(|len| size & len != 0)
            .map(|len| {
                let peak = Subtree { from, len };
                from = peak.end();
                peak
            })
            .collect();
        Self { size, subtrees }
    }

    /// The tiles that [`TilePlan::read`] needs, each once, as wide as in a tree of this size.
    #[must_use]
    pub fn tiles(&self) -> Vec<TileId> {
        let nodes = self.subtrees.iter().flat_map(|subtree| subtree.nodes());
        let tiles: BTreeSet<_> = nodes.filter_map(|node| node.tile(self.size)).collect();
        tiles.into_iter().collect()
    }

    /// The hashes, in the order of the proof.
    ///
    /// # Errors
    /// [`ProofError::Missing`] names a tile that is not in the set.
    pub fn read(&self, tiles: &TileSet) -> Result<Vec<Hash>, ProofError> {
        self.subtrees.iter().map(|subtree| self.hash_of(*subtree, tiles)).collect()
    }

    fn hash_of(&self, subtree: Subtree, tiles: &TileSet) -> Result<Hash, ProofError> {
        let mut hash = None;
        let nodes: Vec<_> = subtree.nodes().collect();
        for node in nodes.iter().rev() {
            let Some(tile) = node.tile(self.size) else {
                return Err(ProofError::Index { index: subtree.from, size: self.size });
            };
            let left = node.read(tile, tiles).ok_or(ProofError::Missing(tile))?;
            hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
        }
        hash.ok_or(ProofError::Index { index: subtree.from, size: self.size })
    }
}

impl Node {
    /// The tile in which its hash, or the hashes below it, stand.
    fn tile(self, size: u64) -> Option<TileId> {
        let level = u8::try_from(self.height >> 3).ok()?;
        TileId::in_tree(level, self.first() >> 8, size)
    }

    /// Its first hash in the row of its tile's level.
    fn first(self) -> u64 {
        self.index.checked_shl(self.height & 7).unwrap_or_default()
    }

    fn read(self, id: TileId, tiles: &TileSet) -> Option<Hash> {
        let from = usize::try_from(self.first() & 255).ok()?;
        let len = usize::try_from(power_of_two(self.height & 7)).ok()?;
        tiles.get(id.level(), id.index())?.subtree(from, len)
    }
}

/// Whether `path` proves that `leaf` is number `index` (from 0) of the `size` leaves under `root`
/// (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut f, mut s) = (index, size.saturating_sub(1));
    let mut hash = leaf;
    for sibling in path {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            hash = node_hash(sibling, &hash);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && hash == *root
}

/// Whether `path` proves that the tree `new` begins with the leaves of `old` (RFC 9162, section
/// 2.1.4.2). From size 0 it proves nothing, so that is refused, as are sizes out of order. Trees
/// of one size are consistent when their roots are equal and the path is empty.
#[must_use]
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, path: &[Hash]) -> bool {
    if old.size == 0 || old.size > new.size {
        return false;
    }
    if old.size == new.size {
        return path.is_empty() && old.root == new.root;
    }
    // The root of a perfect old tree is itself the first hash, and so is left out of the path.
    let perfect = old.size.is_power_of_two().then_some(&old.root);
    let mut hashes = perfect.into_iter().chain(path);
    let Some(&first) = hashes.next() else { return false };
    let skipped = old.size.saturating_sub(1).trailing_ones();
    let mut f = shift_right(old.size.saturating_sub(1), skipped);
    let mut s = shift_right(new.size.saturating_sub(1), skipped);
    let (mut old_root, mut new_root) = (first, first);
    for hash in hashes {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            old_root = node_hash(hash, &old_root);
            new_root = node_hash(hash, &new_root);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            new_root = node_hash(&new_root, hash);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && old_root == old.root && new_root == new.root
}
