//! Roots and frontiers.

use proptest::prelude::*;

use super::*;

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn roots_equal_the_published_ones() {
    let leaves: Vec<_> = PUBLISHED.iter().map(|leaf| leaf_hash(leaf)).collect();
    let mut frontier = Frontier::default();
    assert_eq!(frontier.head(), TreeHead::empty());
    for (size, published) in ROOTS.iter().enumerate() {
        assert_eq!(hex(&frontier.root()), *published);
        assert_eq!(hex(&root(&leaves[..size])), *published);
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn a_frontier_has_a_peak_for_each_bit_of_its_size() {
    assert_eq!(Frontier::restore(5, leaves(1)), None);
    assert_eq!(Frontier::restore(5, leaves(3)), None);
    assert!(Frontier::restore(5, leaves(2)).is_some());
}

proptest! {
    #[test]
    fn a_restored_frontier_goes_on(size in 0_u64..200) {
        let mut frontier = Frontier::default();
        leaves(size).into_iter().for_each(|leaf| frontier.push(leaf));
        let mut again = Frontier::restore(size, frontier.peaks().to_vec()).unwrap();
        frontier.push(leaf_hash(b"x"));
        again.push(leaf_hash(b"x"));
        prop_assert_eq!(frontier.root(), again.root());
    }
}
