//! Tiles, bundles and proofs.

use medusa_tlog::{
    BundleId, TileEdge, TileId, Trust, decode_bundle, tiles_of, verify_consistency,
    verify_inclusion,
};

use super::*;

const EVENTS: i64 = 600;
/// Sizes around the ends of tiles, and some between.
const SIZES: [i64; 11] = [1, 2, 3, 255, 256, 257, 300, 511, 512, 513, EVENTS];

fn at(size: i64) -> usize {
    usize::try_from(size).unwrap()
}

/// Of these positions, and of those around the ends of tiles, in the trees of all [`SIZES`].
async fn every_inclusion_holds(
    w: &World,
    leaves: &[Hash],
    heads: &[TreeHead],
    wanted: impl Fn(i64) -> bool,
) {
    for size in SIZES {
        for position in (1..=size).filter(|p| SIZES.contains(p) || size == EVENTS && wanted(*p)) {
            let proof = w.auditor.proof(position, Some(size)).await.unwrap();
            let head = &heads[at(size)];
            assert_eq!((proof.position, proof.size, proof.root.0), (position, size, head.root));
            let (leaf, index) = (leaves[at(position) - 1], count(position - 1));
            assert_eq!(proof.leaf.0, leaf);
            let path = plain(&proof.path);
            assert!(verify_inclusion(leaf, index, head.size, &path, &head.root), "{proof:?}");
        }
    }
}

async fn every_consistency_holds(w: &World, heads: &[TreeHead]) {
    for from in SIZES {
        for to in SIZES.into_iter().filter(|to| *to >= from) {
            let proof = w.auditor.consistency(from, Some(to)).await.unwrap();
            let (old, new) = (&heads[at(from)], &heads[at(to)]);
            assert_eq!((proof.from_root.0, proof.to_root.0), (old.root, new.root));
            assert!(verify_consistency(old, new, &plain(&proof.path)), "{proof:?}");
        }
    }
}

async fn every_tile_is_right(w: &World, leaves: &[Hash]) {
    for size in SIZES {
        let mut edge = TileEdge::default();
        let mut tiles: Vec<_> =
            leaves[..at(size)].iter().flat_map(|leaf| edge.push(*leaf)).collect();
        tiles.extend(edge.partials());
        assert_eq!(tiles.len(), tiles_of(count(size)).count());
        for tile in tiles {
            assert_eq!(w.auditor.tile(tile.id()).await.unwrap(), tile.encode(), "{}", tile.id());
        }
    }
}

#[tokio::test]
async fn proofs_and_tiles_are_right_with_and_without_stored_tiles() {
    let w = world(at(EVENTS)).await;
    let leaves = w.leaves().await;
    let heads = heads(&leaves);
    for stored in [0, 2] {
        assert_eq!(w.count("select count(*) from merkle_tile").await, stored);
        // All positions of the largest tree, half of them with tiles and half without.
        every_inclusion_holds(&w, &leaves, &heads, |position| position & 2 == stored).await;
        every_consistency_holds(&w, &heads).await;
        every_tile_is_right(&w, &leaves).await;
        w.project().await;
    }
    // What was written twice is there once, and a reader that never saw it missing agrees.
    w.project().await;
    assert_eq!(w.count("select count(*) from merkle_tile").await, 2);
    let fresh = World { auditor: w.restarted(), ..w };
    every_inclusion_holds(&fresh, &leaves, &heads, |_| false).await;
}

#[tokio::test]
async fn what_no_tree_of_the_log_has_is_refused() {
    let w = world(300).await;
    for position in [0, -1, 301, i64::MAX] {
        let refused = w.auditor.proof(position, None).await;
        assert!(matches!(refused, Err(AuditError::Missing)), "{position}");
    }
    for (position, size) in [(7, 6), (7, 301), (1, 0), (1, -1), (300, i64::MAX)] {
        let refused = w.auditor.proof(position, Some(size)).await;
        assert!(matches!(refused, Err(AuditError::Size { head: 300, .. })), "{position} {size}");
    }
    for (from, to) in [(0, 5), (-1, 5), (6, 5), (1, 301), (301, 301)] {
        let refused = w.auditor.consistency(from, Some(to)).await;
        assert!(matches!(refused, Err(AuditError::Size { head: 300, .. })), "{from} {to}");
    }
    for tile in ["0/001", "0/001.p/45", "0/002.p/1", "1/000", "1/000.p/2", "2/000.p/1"] {
        let id = format!("tile/{tile}").parse().unwrap();
        let refused = w.auditor.tile(id).await;
        assert!(matches!(refused, Err(AuditError::Tile { head: 300 })), "{tile}");
    }
    for bundle in ["001", "001.p/45", "002.p/1"] {
        let id = format!("tile/entries/{bundle}").parse().unwrap();
        let refused = w.auditor.bundle(id).await;
        assert!(matches!(refused, Err(AuditError::Tile { head: 300 })), "{bundle}");
    }
}

#[tokio::test]
async fn bundles_hold_the_bytes_that_the_leaves_are_made_of() {
    let w = world(300).await;
    let leaves = w.leaves().await;
    let mut found = Vec::new();
    for (index, width) in [(0, 256), (1, 44)] {
        let bytes = w.auditor.bundle(BundleId::new(index, width).unwrap()).await.unwrap();
        found.extend(decode_bundle(&bytes).unwrap().into_iter().map(leaf_hash));
    }
    assert_eq!(found, leaves);
    let part = w.auditor.bundle(BundleId::new(0, 3).unwrap()).await.unwrap();
    assert_eq!(decode_bundle(&part).unwrap().len(), 3);
}

/// Rows of the log with made-up leaves, and the leaves.
async fn many(w: &World, events: i64) -> Vec<Hash> {
    sqlx::query(
        "insert into event (position, batch, stream, version, type, at, body, leaf)
         select n, 1, 'many', n, 'many', 'epoch', '', sha256(n::text::bytea)
         from generate_series(2, $1) n",
    )
    .bind(events)
    .execute(&w.db.pool)
    .await
    .unwrap();
    let leaves: Vec<Vec<u8>> = sqlx::query_scalar("select leaf from event order by position")
        .fetch_all(&w.db.pool)
        .await
        .unwrap();
    w.fit_head().await;
    leaves.iter().map(|leaf| leaf.as_slice().try_into().unwrap()).collect()
}

#[tokio::test]
async fn tiles_of_higher_levels_are_written_and_computed() {
    let w = world(1).await;
    let leaves = many(&w, 70_000).await;
    let mut edge = TileEdge::default();
    let full: Vec<_> = leaves.iter().flat_map(|leaf| edge.push(*leaf)).collect();
    let partials = edge.partials();
    let widths: Vec<_> = partials.iter().map(|tile| tile.id().width()).collect();
    assert_eq!((full.len(), widths), (274, vec![112, 17, 1]));

    // Nothing is stored yet: all of it is computed.
    for tile in partials.iter().chain(full.iter().rev().take(1)) {
        assert_eq!(w.auditor.tile(tile.id()).await.unwrap(), tile.encode(), "{}", tile.id());
    }
    let event = read_events(&w.db.pool, 0, 1).await.unwrap().remove(0);
    let events: Vec<_> = (1..).zip(&leaves).map(|(n, leaf)| moved(&event, n, *leaf)).collect();
    // The first half in large spans, then small ones around the end of a tile of level 1.
    let (first, rest) = events.split_at(65_530);
    let (around, last) = rest.split_at(12);
    for span in first.chunks(4_096).chain(around.chunks(5)).chain([last]) {
        w.apply(span).await;
    }
    assert_eq!(w.count("select count(*) from merkle_tile").await, 274);
    let fresh = w.restarted();
    for tile in full.iter().chain(&partials) {
        assert_eq!(fresh.tile(tile.id()).await.unwrap(), tile.encode(), "{}", tile.id());
    }
    let head = fresh.head().await.unwrap();
    let proof = fresh.proof(66_000, None).await.unwrap();
    let path = plain(&proof.path);
    assert!(verify_inclusion(leaves[65_999], 65_999, 70_000, &path, &head.root.0));
}

#[tokio::test]
async fn the_edge_in_memory_grows_with_the_log() {
    let w = world(500).await;
    for size in [500, 511, 512, 700, 1_030] {
        w.grow(at(size) - w.leaves().await.len()).await;
        let leaves = w.leaves().await;
        every_tile_of_head(&w, &leaves).await;
        let head = w.auditor.head().await.unwrap();
        assert_eq!(head.root.0, heads(&leaves).last().unwrap().root);
        w.project().await;
    }
}

async fn every_tile_of_head(w: &World, leaves: &[Hash]) {
    let mut edge = TileEdge::default();
    leaves.iter().for_each(|leaf| drop(edge.push(*leaf)));
    for tile in edge.partials() {
        assert_eq!(w.auditor.tile(tile.id()).await.unwrap(), tile.encode(), "{}", tile.id());
    }
}

#[tokio::test]
async fn a_damaged_tile_gives_no_proof_until_it_is_mended() {
    let w = world(600).await;
    w.project().await;
    w.tamper("update merkle_tile set hashes = set_byte(hashes, 40, 1 - get_byte(hashes, 40) % 2) where index = 0")
        .await;
    let fresh = w.restarted();
    let refused = fresh.proof(300, Some(600)).await.unwrap_err();
    assert!(refused.to_string().contains("rebuild tiles"), "{refused}");
    assert!(fresh.consistency(300, Some(600)).await.is_err());
    w.tamper("delete from merkle_tile where index = 0").await;
    // The same server goes on, though it had made its edge of the damaged tile.
    fresh.proof(300, Some(600)).await.unwrap();
    fresh.consistency(300, Some(600)).await.unwrap();
}

#[tokio::test]
async fn a_receipt_is_verified_with_the_bytes_and_the_key_alone() {
    let w = world(20).await;
    let trust = Trust::new(vec![signer().verifier()], Vec::new(), 0).unwrap();
    let leaves = w.leaves().await;
    w.auditor.head().await.unwrap();
    w.grow(5).await;
    // Under the published checkpoint, and under a new one for an event that came after it.
    for (position, size) in [(7, 20), (20, 20), (23, 25), (7, 25)] {
        let text = w.auditor.receipt(position).await.unwrap();
        let receipt = Receipt::parse(&text).unwrap();
        let leaf = w.leaves().await[at(position) - 1];
        let opened = receipt.verify(leaf, &trust).unwrap();
        assert_eq!((opened.checkpoint.size, receipt.index), (size, count(position) - 1));
        assert!(receipt.verify(leaves[11], &trust).is_err(), "another event");
    }
    assert!(matches!(w.auditor.receipt(26).await, Err(AuditError::Missing)));
    let widest = TileId::new(0, 0, 25).unwrap();
    assert_eq!(w.auditor.tile(widest).await.unwrap().len(), 25 * 32);
}

#[tokio::test]
async fn an_event_that_was_changed_is_not_shown() {
    let w = world(20).await;
    w.tamper("update event set body = body || ' ' where position = 3").await;
    for (from, limit) in [(1, 5), (3, 1)] {
        let error = w.auditor.events(from, limit).await.unwrap_err();
        assert!(matches!(error, AuditError::Log(LogError::Changed(3))), "{error}");
        let told = medusa_platform::ApiError::from(error);
        assert_eq!((told.0.status, told.0.code.as_str()), (500, "log.event_changed"));
        assert!(told.0.detail.contains("event 3"), "{told}");
    }
    assert_eq!(w.auditor.events(4, 5).await.unwrap().items.len(), 5, "every other one is");
}
