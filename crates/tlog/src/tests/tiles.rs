//! Tiles: names, which ones a tree has, and that proofs out of them are those of the tree.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn id(level: u8, index: u64, width: u16) -> TileId {
    TileId::new(level, index, width).unwrap()
}

#[test]
fn paths_are_the_published_ones() {
    for (tile, path) in [
        (id(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (id(0, 1_234_067, 112), "tile/0/x001/x234/067.p/112"),
        (id(3, 0, 1), "tile/3/000.p/1"),
        (id(7, 0, 255), "tile/7/000.p/255"),
        (id(1, 999, 256), "tile/1/999"),
        (id(1, 1_000, 256), "tile/1/x001/000"),
        (id(0, 72_057_594_037_927_934, 256), "tile/0/x072/x057/x594/x037/x927/934"),
    ] {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
}

#[test]
fn other_spellings_of_a_path_are_refused() {
    let path = |text: &str| (text.to_owned(), text.parse::<TileId>().unwrap_err());
    for text in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/+1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/xx01/002",
        "tile/0/x1/002",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1.p/1",
        "tile/0/000/",
        "/tile/0/000",
        "tile/entries/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/001",
        "tile/0/\u{ff10}00",
        "tile/0/x00\u{e9}/1",
    ] {
        assert_eq!(path(text), (text.to_owned(), TileError::Path));
    }
    for text in [
        "tile/8/000",
        "tile/63/000",
        "tile/256/000",
        "tile/0/000.p/0",
        "tile/7/000",
        "tile/7/001.p/1",
        "tile/0/x072/x057/x594/x037/x927/936.p/1",
    ] {
        assert_eq!(path(text), (text.to_owned(), TileError::Place));
    }
}

#[test]
fn a_tree_has_the_published_tiles() {
    let of = |size| tiles_of(size).collect::<Vec<_>>();
    let tiles = of(70_000);
    let level = |level| tiles.iter().filter(move |tile| tile.level() == level);
    assert_eq!(level(0).filter(|tile| tile.is_full()).count(), 273);
    assert_eq!(level(0).filter(|tile| !tile.is_full()).collect::<Vec<_>>(), [&id(0, 273, 112)]);
    assert_eq!(level(1).collect::<Vec<_>>(), [&id(1, 0, 256), &id(1, 1, 17)]);
    assert_eq!(level(2).collect::<Vec<_>>(), [&id(2, 0, 1)]);
    assert_eq!(tiles.len(), 277);
    assert_eq!(of(256), [id(0, 0, 256), id(1, 0, 1)]);
    assert_eq!(of(1), [id(0, 0, 1)]);
    assert_eq!(of(0), []);
    assert_eq!(TileId::in_tree(0, 273, 70_000), Some(id(0, 273, 112)));
    assert_eq!(TileId::in_tree(0, 274, 70_000), None);
    assert_eq!(TileId::in_tree(8, 0, u64::MAX), None);
    assert_eq!(TileId::in_tree(0, u64::MAX, u64::MAX), None);
}

#[test]
fn a_tile_of_another_length_is_refused() {
    let two = id(0, 0, 2);
    let tile = Tile::new(two, leaves(2)).unwrap();
    assert_eq!(Tile::decode(two, &tile.encode()), Ok(tile.clone()));
    assert_eq!(tile.parent_entry(), None);
    for found in [0, 1, 63, 65, 96] {
        let refused = TileError::Length { found, wanted: 64 };
        assert_eq!(Tile::decode(two, &vec![0; found]), Err(refused));
    }
    assert_eq!(Tile::new(two, leaves(3)), Err(TileError::Length { found: 96, wanted: 64 }));
}

#[test]
fn the_entry_of_a_full_tile_is_the_root_over_it() {
    let leaves = leaves(600);
    let tiles = tiles(&leaves);
    let parent = tiles.iter().find(|tile| tile.id() == id(1, 0, 2)).unwrap();
    let full = [&leaves[..256], &leaves[256..512]].map(root);
    assert_eq!(parent.hashes(), full);
    let children = tiles.iter().filter_map(Tile::parent_entry).collect::<Vec<_>>();
    assert_eq!(children, full);
}

#[test]
fn of_two_tiles_at_a_place_the_wider_is_kept() {
    let leaves = leaves(3);
    let wide = Tile::new(id(0, 0, 3), leaves.clone()).unwrap();
    let narrow = Tile::new(id(0, 0, 2), leaves[..2].to_vec()).unwrap();
    for tiles in [[wide.clone(), narrow.clone()], [narrow, wide.clone()]] {
        assert_eq!(TileSet::from_iter(tiles).get(0, 0), Some(&wide));
    }
}

#[test]
fn three_levels_of_tiles_prove_what_the_tree_proves() {
    let leaves = leaves(66_000);
    let all = head(&leaves);
    let set: TileSet = tiles(&leaves).into_iter().collect();
    assert_eq!(set.get(2, 0).map(Tile::hashes), Some([root(&leaves[..65_536])].as_slice()));
    for index in [0, 65_535, 65_536, 65_999] {
        let plan = TilePlan::inclusion(index, all.size).unwrap();
        let proof = plan.read(&set).unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        assert!(verify_inclusion(leaf, index, all.size, &proof, &all.root));
        assert!(plan.tiles().len() <= 5, "{:?}", plan.tiles());
    }
    for old in [1, 255, 256, 65_535, 65_536, 65_537] {
        let proof = TilePlan::consistency(old, all.size).unwrap().read(&set).unwrap();
        let before = head(&leaves[..usize::try_from(old).unwrap()]);
        assert!(verify_consistency(&before, &all, &proof), "from {old}");
    }
}

/// The loaded tiles, no more than a plan asks for.
fn load(plan: &TilePlan, stored: &[Tile]) -> TileSet {
    let wanted = plan.tiles();
    stored.iter().filter(|tile| wanted.contains(&tile.id())).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tiles_give_the_oracles_proofs(size in 1_u64..3_000, index: Index, old: Index) {
        let leaves = leaves(size);
        let tiles = tiles(&leaves);
        let names: BTreeSet<_> = tiles.iter().map(Tile::id).collect();
        prop_assert_eq!(&names, &tiles_of(size).collect());

        let index = index.index(leaves.len());
        let plan = TilePlan::inclusion(u64::try_from(index).unwrap(), size).unwrap();
        prop_assert_eq!(plan.read(&load(&plan, &tiles)).unwrap(), path(index, &leaves));
        prop_assert!(plan.tiles().len() <= 4);

        let old = 1 + old.index(leaves.len());
        let plan = TilePlan::consistency(u64::try_from(old).unwrap(), size).unwrap();
        prop_assert_eq!(plan.read(&load(&plan, &tiles)).unwrap(), consistency(old, &leaves));
        prop_assert!(plan.tiles().len() <= 4);

        let plan = TilePlan::frontier(size);
        let peaks = plan.read(&load(&plan, &tiles)).unwrap();
        prop_assert_eq!(Frontier::restore(size, peaks).unwrap().head(), head(&leaves));
    }

    #[test]
    fn a_store_that_takes_what_grew_has_all_tiles(
        steps in prop::collection::vec(1_usize..700, 1..8),
    ) {
        let leaves = leaves(u64::try_from(steps.iter().sum::<usize>()).unwrap());
        let mut stored = BTreeMap::new();
        let mut size = 0;
        for step in steps {
            let all: TileSet = tiles(&leaves[..size + step]).into_iter().collect();
            let (old, new) = (u64::try_from(size).unwrap(), u64::try_from(size + step).unwrap());
            for grown in tiles_grown(old, new) {
                let tile = all.get(grown.level(), grown.index()).unwrap();
                prop_assert_eq!(tile.id(), grown);
                let before = stored.insert((grown.level(), grown.index()), grown.width());
                prop_assert!(before.is_none_or(|width| width < grown.width()));
            }
            size += step;
        }
        let all: BTreeMap<_, _> = tiles_of(u64::try_from(size).unwrap())
            .map(|tile| ((tile.level(), tile.index()), tile.width()))
            .collect();
        prop_assert_eq!(stored, all);
    }

    #[test]
    fn a_restored_edge_goes_on(size in 0_u64..1_500, more in 1_u64..600) {
        let all = leaves(size + more);
        let (before, after) = all.split_at(usize::try_from(size).unwrap());
        let mut edge = TileEdge::default();
        let stored: Vec<_> = before.iter().flat_map(|leaf| edge.push(*leaf)).collect();
        let needed = TileEdge::tiles_needed(size);
        let partials = edge.partials();
        prop_assert_eq!(partials.iter().map(Tile::id).collect::<Vec<_>>(), needed);

        let mut again = TileEdge::restore(size, &partials.iter().cloned().collect()).unwrap();
        prop_assert_eq!(&again, &edge);
        prop_assert_eq!(again.size(), size);
        let grown: Vec<_> = after.iter().flat_map(|leaf| again.push(*leaf)).collect();
        let mut whole = [stored, grown, again.partials()].concat();
        whole.sort_by_key(Tile::id);
        let mut expected = tiles(&all);
        expected.sort_by_key(Tile::id);
        prop_assert_eq!(whole, expected);
        if let Some(first) = partials.first() {
            let rest = partials.iter().skip(1).cloned().collect();
            prop_assert_eq!(TileEdge::restore(size, &rest), Err(ProofError::Missing(first.id())));
        }
    }
}
