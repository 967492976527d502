//! Inclusion and consistency proofs: the published ones, and all small ones against the oracle.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::text::encode_base64;

fn set(leaves: &[Hash]) -> TileSet {
    tiles(leaves).into_iter().collect()
}

fn count(leaves: &[Hash]) -> u64 {
    u64::try_from(leaves.len()).unwrap()
}

fn prove(index: u64, leaves: &[Hash]) -> Vec<Hash> {
    TilePlan::inclusion(index, count(leaves)).unwrap().read(&set(leaves)).unwrap()
}

fn prove_growth(old: u64, leaves: &[Hash]) -> Vec<Hash> {
    TilePlan::consistency(old, count(leaves)).unwrap().read(&set(leaves)).unwrap()
}

/// On which side each hash of a path stands, from the root down. Trees that look alike on the way
/// to a leaf cannot be told apart by its path.
fn sides(index: u64, size: u64) -> Vec<bool> {
    let (mut index, mut size, mut sides) = (index, size, Vec::new());
    while size > 1 {
        let left = size.next_power_of_two() >> 1;
        sides.push(index < left);
        (index, size) = if index < left { (index, left) } else { (index - left, size - left) };
    }
    sides
}

#[test]
fn the_example_of_the_rfc_has_paths_of_these_lengths() {
    let seven = leaves(7);
    for (index, length) in [(0, 3), (3, 3), (4, 3), (6, 2)] {
        assert_eq!(prove(index, &seven).len(), length, "leaf {index}");
    }
    for (old, length) in [(3, 4), (4, 1), (6, 3)] {
        assert_eq!(prove_growth(old, &seven).len(), length, "from {old}");
    }
}

#[test]
fn the_proof_from_6_to_8_is_the_published_one() {
    let leaves: Vec<_> = PUBLISHED.iter().map(|leaf| leaf_hash(leaf)).collect();
    let proof = prove_growth(6, &leaves);
    let published = [
        "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
        "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
        "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
    ];
    assert_eq!(proof.iter().map(|hash| encode_base64(hash)).collect::<Vec<_>>(), published);
    assert!(verify_consistency(&head(&leaves[..6]), &head(&leaves), &proof));
}

#[test]
fn every_small_proof_is_the_oracles_and_verifies() {
    for size in 1..=40 {
        let leaves = leaves(size);
        let all = head(&leaves);
        for (index, leaf) in leaves.iter().enumerate() {
            let at = u64::try_from(index).unwrap();
            let proof = prove(at, &leaves);
            assert_eq!(proof, path(index, &leaves), "leaf {index} of {size}");
            assert!(verify_inclusion(*leaf, at, size, &proof, &all.root));
            assert_eq!(inclusion_path(&leaves, index), Some(proof));
        }
        assert_eq!(inclusion_path(&leaves, leaves.len()), None);
        for old in 1..=leaves.len() {
            let proof = prove_growth(u64::try_from(old).unwrap(), &leaves);
            assert_eq!(proof, consistency(old, &leaves), "from {old} to {size}");
            assert!(verify_consistency(&head(&leaves[..old]), &all, &proof));
        }
    }
}

#[test]
fn proofs_that_mean_nothing_are_refused() {
    let leaves = leaves(8);
    let (none, six, eight) = (TreeHead::empty(), head(&leaves[..6]), head(&leaves));
    let proof = prove_growth(6, &leaves);
    assert!(!verify_consistency(&none, &eight, &[]), "from nothing");
    assert!(!verify_consistency(&none, &none, &[]), "nothing at all");
    assert!(!verify_consistency(&eight, &six, &proof), "backwards");
    assert!(verify_consistency(&six, &six, &[]));
    assert!(!verify_consistency(&six, &six, &proof), "more than is needed");
    assert!(!verify_consistency(&six, &eight, &[]), "no proof");
    let other = TreeHead { size: 6, root: eight.root };
    assert!(!verify_consistency(&six, &other, &[]), "two roots of one size");
    assert!(!verify_inclusion(leaves[0], 0, 0, &[], &none.root), "in an empty tree");
    assert!(!verify_inclusion(leaves[0], 8, 8, &prove(0, &leaves), &eight.root), "after the end");

    let sizes = |old, new| TilePlan::consistency(old, new).unwrap_err();
    assert_eq!(sizes(0, 8), ProofError::Sizes { old: 0, new: 8 });
    assert_eq!(sizes(9, 8), ProofError::Sizes { old: 9, new: 8 });
    let outside = TilePlan::inclusion(8, 8).unwrap_err();
    assert_eq!(outside, ProofError::Index { index: 8, size: 8 });
    assert_eq!(TilePlan::inclusion(0, 0).unwrap_err(), ProofError::Index { index: 0, size: 0 });
}

#[test]
fn a_missing_or_narrow_tile_is_named() {
    let leaves = leaves(300);
    let plan = TilePlan::inclusion(299, 300).unwrap();
    let narrow = TileId::new(0, 1, 43).unwrap();
    let tiles = tiles(&leaves).into_iter().filter(|tile| tile.id().index() != 1);
    let mut set: TileSet = tiles.collect();
    let wanted = ProofError::Missing(TileId::new(0, 1, 44).unwrap());
    assert_eq!(plan.read(&set).unwrap_err(), wanted);
    set.insert(Tile::new(narrow, leaves[256..299].to_vec()).unwrap());
    assert!(TilePlan::inclusion(297, 299).unwrap().read(&set).is_ok());
    assert_eq!(TilePlan::inclusion(298, 300).unwrap().read(&set).unwrap_err(), wanted);
}

#[test]
fn the_largest_trees_have_plans() {
    let last = u64::MAX - 1;
    for plan in [
        TilePlan::inclusion(last, u64::MAX).unwrap(),
        TilePlan::inclusion(0, u64::MAX).unwrap(),
        TilePlan::consistency(last, u64::MAX).unwrap(),
        TilePlan::consistency(1, u64::MAX).unwrap(),
        TilePlan::frontier(u64::MAX),
    ] {
        let tiles = plan.tiles();
        assert!(!tiles.is_empty() && tiles.len() <= 16, "{tiles:?}");
        assert_eq!(
            plan.read(&TileSet::default()).map_err(|error| match error {
                ProofError::Missing(tile) => tiles.contains(&tile),
                ProofError::Index { .. } | ProofError::Sizes { .. } => false,
            }),
            Err(true)
        );
    }
}

fn flipped(hash: &Hash, bit: u8) -> Hash {
    let mut hash = *hash;
    hash[usize::from(bit >> 3)] ^= 1 << (bit & 7);
    hash
}

proptest! {
    #[test]
    fn an_inclusion_proof_with_anything_changed_is_refused(
        size in 2_u64..600, index: Index, other: Index, at: Index, bit: u8, wrong in 1_u64..600,
    ) {
        let leaves = leaves(size);
        let root = root(&leaves);
        let index = index.index(leaves.len());
        let (leaf, place) = (leaves[index], u64::try_from(index).unwrap());
        let proof = prove(place, &leaves);
        prop_assert!(verify_inclusion(leaf, place, size, &proof, &root));

        prop_assert!(!verify_inclusion(flipped(&leaf, bit), place, size, &proof, &root));
        prop_assert!(!verify_inclusion(leaf, place, size, &proof, &flipped(&root, bit)));
        let mut changed = proof.clone();
        let at = at.index(proof.len());
        changed[at] = flipped(&changed[at], bit);
        prop_assert!(!verify_inclusion(leaf, place, size, &changed, &root));
        changed = proof.clone();
        changed.remove(at);
        prop_assert!(!verify_inclusion(leaf, place, size, &changed, &root));
        changed = proof.clone();
        changed.insert(at, proof[at]);
        prop_assert!(!verify_inclusion(leaf, place, size, &changed, &root));

        let other = u64::try_from(other.index(leaves.len())).unwrap();
        prop_assert_eq!(verify_inclusion(leaf, other, size, &proof, &root), other == place);
        prop_assert!(!verify_inclusion(leaf, place + size, size, &proof, &root));
        // A path says nothing of a size that has the same way to the leaf: the signed checkpoint
        // does. At any other size it is refused.
        let alike = place < wrong && sides(place, wrong) == sides(place, size);
        prop_assert_eq!(verify_inclusion(leaf, place, wrong, &proof, &root), alike);
    }

    #[test]
    fn a_consistency_proof_with_anything_changed_is_refused(
        size in 2_u64..600, old: Index, at: Index, bit: u8,
    ) {
        let leaves = leaves(size);
        let old = 1 + old.index(leaves.len() - 1);
        let (before, after) = (head(&leaves[..old]), head(&leaves));
        let proof = prove_growth(before.size, &leaves);
        prop_assert!(verify_consistency(&before, &after, &proof));

        let turned = TreeHead { root: flipped(&before.root, bit), ..before };
        prop_assert!(!verify_consistency(&turned, &after, &proof));
        let turned = TreeHead { root: flipped(&after.root, bit), ..after };
        prop_assert!(!verify_consistency(&before, &turned, &proof));
        let mut changed = proof.clone();
        let at = at.index(proof.len());
        changed[at] = flipped(&changed[at], bit);
        prop_assert!(!verify_consistency(&before, &after, &changed));
        changed = proof.clone();
        changed.remove(at);
        prop_assert!(!verify_consistency(&before, &after, &changed));
        changed = proof.clone();
        changed.insert(at, proof[at]);
        prop_assert!(!verify_consistency(&before, &after, &changed));
        let larger = TreeHead { size: 1 + (after.size.next_power_of_two() << 1), ..after };
        prop_assert!(!verify_consistency(&before, &larger, &proof));
        let back = TreeHead { size: before.size, ..after };
        prop_assert!(!verify_consistency(&after, &back, &proof));
    }

    #[test]
    fn a_history_that_was_rewritten_has_no_proof(size in 2_u64..200, old: Index, at: Index) {
        let mut leaves = leaves(size);
        let old = 1 + old.index(leaves.len() - 1);
        let before = head(&leaves[..old]);
        leaves[at.index(old)] = leaf_hash(b"another past");
        let proof = prove_growth(before.size, &leaves);
        prop_assert!(!verify_consistency(&before, &head(&leaves), &proof));
    }
}
