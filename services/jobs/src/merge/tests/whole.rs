//! Merging over a store, and splitting and merging as one.

use bytes::Bytes;
use medusa_api::{MergeHow, MergeRule, Split};
use medusa_types::{Bundle, Sha256Hash};
use png::{BitDepth, ColorType};

use crate::merge::pnm::{self, Pnm};
use crate::merge::{MergeError, merge};
use crate::split::tests::{Store, png_of};
use crate::split::{ChunkInput, Plan};

fn rule(file: &str, how: MergeHow, to: &str) -> MergeRule {
    MergeRule { file: file.into(), how, sort: 0, to: to.into() }
}

fn plan_of(chunks: u64) -> Plan {
    let seeds = |first| ChunkInput::Seeds { first, count: 1 };
    Plan::of((0..chunks).map(seeds).collect())
}

async fn put(store: &Store, entries: &[(&str, &[u8])]) -> Sha256Hash {
    let mut bundle = Bundle::default();
    for (name, content) in entries {
        bundle.insert((*name).into(), content.to_vec());
    }
    store.put(bundle.encode()).await
}

#[tokio::test]
async fn no_rules_join_standard_output_to_a_file_called_result() {
    let store = Store::new();
    let outputs = [put(&store, &[("", b"one\n")]).await, put(&store, &[("", b"two\n")]).await];
    let files = merge(&store.blobs, &[], &plan_of(2), &outputs).await.unwrap();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((file.name.as_str(), file.size), ("result", 8));
    assert_eq!(store.blobs.get(file.sha256).await.unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn each_rule_makes_a_file_in_order() {
    let store = Store::new();
    let mut outputs = Vec::new();
    for n in [3, 1, 2] {
        let csv = format!("n\n{n}\n");
        outputs.push(put(&store, &[("", b"cells,2\n"), ("n.csv", csv.as_bytes())]).await);
    }
    let sorted = MergeRule { sort: 1, ..rule("n.csv", MergeHow::Csv, "n.csv") };
    let rules = [sorted, rule("", MergeHow::Sum, "count.csv")];
    let files = merge(&store.blobs, &rules, &plan_of(3), &outputs).await.unwrap();
    let mut made = Vec::new();
    for file in files {
        made.push((file.name, store.blobs.get(file.sha256).await.unwrap()));
    }
    let expected = [("n.csv", "n\n1\n2\n3\n"), ("count.csv", "cells,6\n")];
    assert_eq!(made, expected.map(|(name, text)| (name.to_owned(), Bytes::from(text))));
}

#[tokio::test]
async fn a_file_that_no_chunk_wrote_is_an_error_and_one_that_some_wrote_is_none() {
    let store = Store::new();
    let some = put(&store, &[("", b"x"), ("a.csv", b"a\n1\n"), ("sub/b", b"")]).await;
    let none = put(&store, &[]).await;
    for how in [MergeHow::Concat, MergeHow::Zip, MergeHow::Csv, MergeHow::Mean, MergeHow::Json] {
        let rules = [rule("cells.csv", how, "all")];
        let error = merge(&store.blobs, &rules, &plan_of(2), &[some, none]).await.unwrap_err();
        assert_eq!(error.code(), "jobs.merge_file_missing");
        let expected = "all could not be put together: no chunk wrote /out/cells.csv; they wrote \
            \"a.csv\", \"sub/b\": name one of these, or standard output (an empty name)";
        assert_eq!(error.to_string(), expected);
    }
    let rules = [rule("a.csv", MergeHow::Csv, "all"), rule("", MergeHow::Concat, "out")];
    let files = merge(&store.blobs, &rules, &plan_of(2), &[none, some]).await.unwrap();
    assert_eq!(files.iter().map(|file| file.size).collect::<Vec<_>>(), [4, 1]);
    let files = merge(&store.blobs, &rules[1..], &plan_of(1), &[none]).await.unwrap();
    assert_eq!(files[0].size, 0, "a program may write nothing to standard output");
    let error = merge(&store.blobs, &rules, &plan_of(1), &[none]).await.unwrap_err();
    assert!(error.to_string().contains("they wrote no files at all"), "{error}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_file_and_chunk() {
    let store = Store::new();
    let good = put(&store, &[("a.csv", b"a,b\n1,2\n")]).await;
    let bad = put(&store, &[("a.csv", b"other\n")]).await;
    let rules = [rule("a.csv", MergeHow::Csv, "all.csv")];
    let error = merge(&store.blobs, &rules, &plan_of(2), &[good, bad]).await.unwrap_err();
    assert_eq!(error.code(), "jobs.merge_failed");
    let expected = "all.csv could not be put together: chunk 1: line 1 has another header";
    assert_eq!(error.to_string(), expected);

    let few = merge(&store.blobs, &rules, &plan_of(2), &[good]).await.unwrap_err();
    let expected = "all.csv could not be put together: 1 of 2 chunks have results";
    assert_eq!(few.to_string(), expected);

    let no_bundle = store.put("no bundle").await;
    let broken = merge(&store.blobs, &rules, &plan_of(1), &[no_bundle]).await.unwrap_err();
    assert_eq!(broken.code(), "jobs.merge_failed");

    let lost = merge(&store.blobs, &rules, &plan_of(1), &[Sha256Hash([1; 32])]).await.unwrap_err();
    assert!(matches!(lost, MergeError::Store(_)), "{lost:?}");
}

/// What a program does that gives each tile's core back, grey or with grey in its red.
fn identity(stdin: &[u8], tile: &ChunkInput, color: bool) -> Vec<u8> {
    let ChunkInput::Tile { x, y, core_x, core_y, core_width, core_height, .. } = *tile else {
        panic!("{tile:?}")
    };
    let size = |n: u32| usize::try_from(n).unwrap();
    let Pnm { width, pixels, .. } = pnm::read(stdin).unwrap();
    let rows = pixels.chunks(size(width)).skip(size(core_y - y)).take(size(core_height));
    let cut = rows.flat_map(|row| row[size(core_x - x)..][..size(core_width)].to_vec());
    if color {
        let header = format!("P6 {core_width} {core_height} 255\n").into_bytes();
        header.into_iter().chain(cut.flat_map(|grey| [grey, 0, 255])).collect()
    } else {
        let header = format!("P5\n# a comment\n{core_width} {core_height}\n255\n").into_bytes();
        header.into_iter().chain(cut).collect()
    }
}

/// Decodes without the code under test.
fn decoded(png: &[u8]) -> (png::OutputInfo, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info, pixels)
}

#[tokio::test]
async fn split_and_merged_by_tiles_a_picture_is_itself() {
    let pixels: Vec<u8> = (0..70 * 45_u32).map(|n| (n * n % 251).to_le_bytes()[0]).collect();
    let input = png_of(70, 45, ColorType::Grayscale, BitDepth::Eight, &pixels);
    for (width, height, overlap, color) in
        [(16, 16, 5, false), (33, 16, 0, true), (64, 64, 9, true), (8192, 8192, 4096, false)]
    {
        let store = Store::new();
        let split = Split::Tiles { width, height, overlap };
        let plan = store.plan(&split, input.clone()).await.unwrap();
        let mut outputs = Vec::new();
        for (stdin, tile) in store.stdins(&plan, None).await.iter().zip(plan.iter()) {
            outputs.push(put(&store, &[("p.pnm", &identity(stdin, &tile, color))]).await);
        }
        let rules = [rule("p.pnm", MergeHow::Tiles, "p.png")];
        let files = merge(&store.blobs, &rules, &plan, &outputs).await.unwrap();
        let (info, merged) = decoded(&store.blobs.get(files[0].sha256).await.unwrap());
        assert_eq!((info.width, info.height), (70, 45));
        let expected: Vec<u8> = if color {
            pixels.iter().flat_map(|grey| [*grey, 0, 255]).collect()
        } else {
            pixels.clone()
        };
        assert_eq!(info.bit_depth, BitDepth::Eight);
        assert!(merged == expected, "{width} x {height} with overlap {overlap}");
    }
}

#[tokio::test]
async fn tiles_that_do_not_fit_are_refused() {
    let store = Store::new();
    let input = png_of(32, 16, ColorType::Grayscale, BitDepth::Eight, &[5; 512]);
    let split = Split::Tiles { width: 16, height: 16, overlap: 2 };
    let plan = store.plan(&split, input).await.unwrap();
    let grey = [b"P5 16 16 255\n".to_vec(), vec![1; 256]].concat();
    let colour = [b"P6 16 16 255\n".to_vec(), vec![1; 768]].concat();
    let with_overlap = [b"P5 18 16 255\n".to_vec(), vec![1; 288]].concat();
    let rules = [rule("p", MergeHow::Tiles, "p.png")];
    for (second, why) in [
        (
            Some(colour.as_slice()),
            "chunk 1: it wrote grey where others wrote colour, or the reverse",
        ),
        (Some(&with_overlap), "chunk 1: it wrote a picture of 18 x 16 pixels instead of 16 x 16"),
        (Some(b"hello"), "chunk 1: it wrote no binary PGM or PPM picture"),
        (None, "chunk 1: it wrote no picture"),
    ] {
        let second = second.map(|second| ("p", second));
        let outputs = [put(&store, &[("p", &grey)]).await, put(&store, second.as_slice()).await];
        let error = merge(&store.blobs, &rules, &plan, &outputs).await.unwrap_err();
        assert_eq!(error.to_string(), format!("p.png could not be put together: {why}"));
    }
}
