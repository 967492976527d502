//! The shape of a merge by the consumer's own program: a tree over the chunks. Its nodes are chunks
//! too, numbered after the leaves, level by level; the last one is the root.

use std::ops::Range;

/// A tree over so many leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    leaves: u32,
    fan_in: u32,
}

impl Tree {
    /// The most children of a node.
    pub const FAN_IN_MAX: u32 = 64;

    /// A tree over leaves, at least one, with so many children at most to a node: at least 2.
    #[must_use]
    pub fn new(leaves: u32, fan_in: u32) -> Self {
        Self { leaves: leaves.max(1), fan_in: fan_in.clamp(2, Self::FAN_IN_MAX) }
    }

    /// Chunks that are no nodes.
    #[must_use]
    pub const fn leaves(&self) -> u32 {
        self.leaves
    }

    /// How many nodes it has: at least one.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.levels().map(|level| size(&level)).fold(0, u32::saturating_add)
    }

    /// The chunks of each level of nodes, from the leaves up.
    fn levels(&self) -> impl Iterator<Item = Range<u32>> {
        let above = |below: &Range<u32>| {
            let nodes = size(below).div_ceil(self.fan_in);
            below.end..below.end.saturating_add(nodes)
        };
        let first = above(&(0..self.leaves));
        std::iter::successors(Some(first), move |below| (size(below) > 1).then(|| above(below)))
    }

    /// The chunks below each level of nodes, and that level.
    fn storeys(&self) -> impl Iterator<Item = (Range<u32>, Range<u32>)> {
        let below = std::iter::once(0..self.leaves).chain(self.levels());
        below.zip(self.levels())
    }

    /// The chunks whose results a node puts together, in order; nothing for a leaf.
    #[must_use]
    pub fn children(&self, chunk: u32) -> Range<u32> {
        let found = self.storeys().find(|(_, level)| level.contains(&chunk));
        let Some((below, level)) = found else { return 0..0 };
        let before = chunk.saturating_sub(level.start).saturating_mul(self.fan_in);
        let first = below.start.saturating_add(before);
        first..first.saturating_add(self.fan_in).min(below.end)
    }

    /// The node that a chunk's result goes into; nothing for the root.
    #[must_use]
    pub fn parent(&self, chunk: u32) -> Option<u32> {
        let (below, level) = self.storeys().find(|(below, _)| below.contains(&chunk))?;
        let place = chunk.saturating_sub(below.start).checked_div(self.fan_in)?;
        Some(level.start.saturating_add(place))
    }

    /// The node whose result is that of the whole.
    #[must_use]
    pub fn root(&self) -> u32 {
        self.leaves.saturating_add(self.nodes()).saturating_sub(1)
    }
}

const fn size(level: &Range<u32>) -> u32 {
    level.end.saturating_sub(level.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_tree_is_drawn_by_hand() {
        let tree = Tree::new(5, 2);
        // Leaves 0 to 4; 5 to 7 over them; 8 and 9; 10 on top.
        assert_eq!((tree.nodes(), tree.root()), (6, 10));
        assert_eq!(tree.children(5), 0..2);
        assert_eq!(tree.children(7), 4..5);
        assert_eq!(tree.children(9), 7..8);
        assert_eq!(tree.children(10), 8..10);
        assert_eq!(tree.children(4), 0..0);
        assert_eq!((tree.parent(4), tree.parent(7), tree.parent(10)), (Some(7), Some(9), None));
        assert_eq!(Tree::new(1, 8).root(), 1, "one chunk is put together too");
        assert_eq!(Tree::new(1_000_000, 64).nodes(), 15_625 + 245 + 4 + 1);
    }

    #[test]
    fn every_chunk_but_the_root_has_one_parent_whose_child_it_is() {
        for leaves in 1..200 {
            for fan_in in [2, 3, 8, 64] {
                let tree = Tree::new(leaves, fan_in);
                let mut seen = 0;
                for node in leaves..=tree.root() {
                    let children = tree.children(node);
                    assert!(!children.is_empty() && children.end <= node);
                    seen += size(&children);
                    assert!(children.clone().all(|child| tree.parent(child) == Some(node)));
                }
                assert_eq!(seen, tree.root(), "{leaves} by {fan_in}");
            }
        }
    }
}
