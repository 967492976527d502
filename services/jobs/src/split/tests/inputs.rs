//! Planning and resolving over a store.

use medusa_api::{Size, Split};
use medusa_types::Sha256Hash;
use png::{BitDepth, ColorType};

use super::{Store, png_of, zipped};
use crate::split::{ChunkInput, Inputs, Plan, Source, describe, plan};

async fn refusal(store: &Store, split: &Split, bytes: &[u8]) -> (&'static str, String) {
    let error = store.plan(split, bytes).await.unwrap_err();
    (error.code(), error.to_string())
}

const TILES: Split = Split::Tiles { width: 16, height: 16, overlap: 3 };
const FILES: Split = Split::Files { group: 1 };

#[tokio::test]
async fn lines_of_an_input_larger_than_a_window_are_its_lines() {
    let store = Store::new();
    let text: String = (0..400_000).map(|n| format!("line {n}\n")).collect();
    assert!(text.len() > 3 << 20);
    let split = Split::Lines { lines: Size::Count(30_000) };
    let plan = store.plan(&split, text.as_str()).await.unwrap();
    assert_eq!(plan.in_words(&split), "14 parts of 30,000 lines");
    assert_eq!(plan.measure().unwrap().bytes, u64::try_from(text.len()).unwrap());
    let stdins = store.stdins(&plan, Some(Sha256Hash::of(text.as_bytes()))).await;
    assert_eq!(stdins.concat(), text.as_bytes());
    assert!(stdins[1].starts_with(b"line 30000\n"));
}

#[tokio::test]
async fn bytes_and_ranges_are_resolved() {
    let store = Store::new();
    let split = Split::Bytes { bytes: 4 };
    let plan = store.plan(&split, "0123456789").await.unwrap();
    let stdins = store.stdins(&plan, Some(Sha256Hash::of(b"0123456789"))).await;
    assert_eq!(stdins, [b"0123".to_vec(), b"4567".to_vec(), b"89".to_vec()]);
    assert_eq!(plan.in_words(&split), "3 parts of 4 bytes");

    let split = Split::Range { from: 10, to: 15, step: Size::Count(4) };
    let plan = super::plan(&store.blobs, &split, None).await.unwrap().plan;
    assert_eq!(store.stdins(&plan, None).await, [b"10 4\n".to_vec(), b"14 1\n".to_vec()]);
    assert_eq!(
        (plan.in_words(&split), plan.measure().unwrap().bytes),
        ("2 ranges of 4 numbers".into(), 10)
    );
}

#[tokio::test]
async fn files_are_chunks_in_the_order_of_their_names() {
    let store = Store::new();
    let large = vec![7; 3 << 20];
    let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
    let archive = zipped(&[("b.txt", b"bee"), ("c", &large), ("a/x.txt", b""), ("noise", &noise)]);
    let plan = store.plan(&FILES, archive).await.unwrap();
    assert_eq!(plan.in_words(&FILES), "4 files");
    assert_eq!(store.stdins(&plan, None).await, [b"".to_vec(), b"bee".to_vec(), large, noise]);
    let inputs = Inputs::new(store.blobs.clone(), plan.into(), None);
    let first = inputs.resolve(1).await.unwrap();
    assert_eq!(first.files, [("in/b.txt".to_owned(), first.stdin)]);
    assert_eq!(inputs.resolve(4).await.unwrap_err().code(), "jobs.chunk_unknown");
}

#[tokio::test]
async fn tiles_are_parts_of_the_picture_with_their_place() {
    let store = Store::new();
    let pixels: Vec<u8> = (0..40 * 20).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let png = png_of(40, 20, ColorType::Grayscale, BitDepth::Eight, &pixels);
    let plan = store.plan(&TILES, png).await.unwrap();
    assert_eq!(plan.in_words(&TILES), "6 tiles of 16 x 16 pixels");
    let stdins = store.stdins(&plan, None).await;
    assert_eq!(plan.measure().unwrap().bytes, u64::try_from(stdins.concat().len()).unwrap());
    let header = b"P5\n# medusa tile x=13 y=13 core=16,16,16,4 picture=40x20\n22 7\n255\n";
    let body = stdins[4].strip_prefix(header).unwrap();
    let expected: Vec<u8> =
        (13..20).flat_map(|y| pixels[y * 40 + 13..y * 40 + 35].to_vec()).collect();
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_same_input_gives_the_same_plan_and_the_plan_survives_json() {
    let store = Store::new();
    let png = png_of(40, 20, ColorType::Grayscale, BitDepth::Eight, &[9; 800]);
    let archive = zipped(&[("b", b"1"), ("a", b"2")]);
    for (split, bytes) in
        [(TILES, png), (FILES, archive), (Split::Lines { lines: Size::Count(1) }, b"a\nb".to_vec())]
    {
        let one = serde_json::to_string(&store.plan(&split, bytes.clone()).await.unwrap()).unwrap();
        let two = Store::new().plan(&split, bytes).await.unwrap();
        assert_eq!(serde_json::to_string(&two).unwrap(), one);
        assert_eq!(serde_json::from_str::<Plan>(&one).unwrap(), two);
    }
}

#[tokio::test]
async fn what_cannot_be_split_is_refused_with_a_stable_code() {
    let store = Store::new();
    let lines = Split::Lines { lines: Size::Count(1) };
    let missing = plan(&store.blobs, &lines, None).await.unwrap_err();
    assert_eq!(missing.code(), "jobs.input_missing");
    let unknown = plan(&store.blobs, &lines, Some(Sha256Hash([1; 32]))).await.unwrap_err();
    assert_eq!(unknown.code(), "jobs.input_unknown");
    assert_eq!(refusal(&store, &lines, b"").await.0, "jobs.input_empty");
    let many = "\n".repeat(1_000_001);
    let (code, words) = refusal(&store, &lines, many.as_bytes()).await;
    assert_eq!(code, "jobs.too_many_chunks");
    assert!(words.contains("more than 1,000,000 chunks"), "{words}");
    let range = Split::Range { from: 0, to: 1_000_001, step: Size::Count(1) };
    let range = plan(&store.blobs, &range, None).await.unwrap_err();
    assert_eq!(range.code(), "jobs.too_many_chunks");
    assert_eq!(refusal(&store, &TILES, b"hello").await.0, "jobs.picture_refused");
    assert_eq!(refusal(&store, &FILES, b"hello").await.0, "jobs.archive_refused");
    let only_a_folder = zipped(&[("a/", b"")]);
    let (code, words) = refusal(&store, &FILES, &only_a_folder).await;
    assert_eq!(
        (code, words.as_str()),
        ("jobs.archive_refused", "the archive was refused: it has no files")
    );
    let bomb = zipped(&[("fine", b"ok"), ("zeros", &vec![0; 20 << 20])]);
    let (_, words) = refusal(&store, &FILES, &bomb).await;
    let expected =
        "the archive was refused: entry \"zeros\": it unpacks to more than 100 times its size";
    assert_eq!(words, expected);
}

#[tokio::test]
async fn uploads_are_described_for_people() {
    let store = Store::new();
    let png = png_of(40, 20, ColorType::Grayscale, BitDepth::Eight, &[9; 800]);
    let colour = png_of(1, 2, ColorType::Rgb, BitDepth::Eight, &[9; 6]);
    for (bytes, expected) in [
        (png, "grey PNG picture 40 x 20"),
        (colour, "colour PNG picture 1 x 2"),
        (zipped(&[("a", b"1"), ("b/", b""), ("b/c", b"2")]), "zip archive of 2 files"),
        ("one\ntwo".into(), "text of 2 lines"),
        ("x\n".repeat(1204).into(), "text of 1,204 lines"),
        (vec![0xff; 4096], "4,096 bytes"),
        (Vec::new(), "0 bytes"),
    ] {
        let hash = store.put(bytes).await;
        assert_eq!(describe(&store.blobs, hash).await.unwrap(), expected);
    }
    let bad = store.put(zipped(&[("/etc/passwd", b"1")])).await;
    let said = describe(&store.blobs, bad).await.unwrap();
    let expected =
        "zip archive that cannot be split: entry \"/etc/passwd\": its name is an absolute path";
    assert_eq!(said, expected);
    assert!(describe(&store.blobs, Sha256Hash([1; 32])).await.is_err());
}

#[tokio::test]
async fn a_chunk_that_no_agent_could_hold_is_refused() {
    let store = Store::new();
    let len = crate::split::CHUNK_BYTES_MAX + 1;
    let plan = Plan::of(vec![ChunkInput::Range { offset: 0, len }]);
    assert_eq!(plan.measure().unwrap_err().code(), "jobs.chunk_too_large");
    let source = Source::Bytes(bytes::Bytes::from_static(b"x"));
    assert_eq!(store.bytes(&source).await, b"x");
}
