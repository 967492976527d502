//! Published vectors of RFC 6962 trees, and properties of paths.

use proptest::prelude::*;

use super::*;

fn hex(hash: &Hash) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn roots_equal_the_published_ones() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
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
    let mut frontier = Frontier::default();
    assert_eq!(hex(&frontier.root()), roots[0]);
    for (leaf, root) in leaves.iter().zip(&roots[1..]) {
        frontier.push(leaf_hash(leaf));
        assert_eq!(hex(&frontier.root()), *root);
    }
}

proptest! {
    #[test]
    fn every_leaf_is_proven_and_no_other(size in 1_usize..70, index in 0_usize..70, other in 0_usize..70) {
        let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_le_bytes())).collect();
        let index = index % size;
        let root = root_of(&leaves);
        let path = inclusion_path(&leaves, index).unwrap();
        let (n, at) = (u64::try_from(size).unwrap(), u64::try_from(index).unwrap());
        prop_assert!(verify_inclusion(leaves[index], at, n, &path, &root));
        let other = other % size;
        prop_assert_eq!(verify_inclusion(leaves[other], at, n, &path, &root), other == index);
        prop_assert!(!verify_inclusion(leaves[index], at + n, n, &path, &root));
    }

    #[test]
    fn a_restored_frontier_goes_on(size in 0_u64..200) {
        let mut frontier = Frontier::default();
        (0..size).for_each(|i| frontier.push(leaf_hash(&i.to_le_bytes())));
        let mut again = Frontier::restore(size, frontier.peaks().to_vec()).unwrap();
        frontier.push(leaf_hash(b"x"));
        again.push(leaf_hash(b"x"));
        prop_assert_eq!(frontier.root(), again.root());
    }
}
