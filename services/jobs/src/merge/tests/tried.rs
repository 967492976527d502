//! Rules tried on what sample chunks wrote.

use medusa_api::{MergeHow, MergeRule};
use medusa_types::Bundle;

use crate::merge::tried::{Sample, tried};
use crate::split::ChunkInput;

fn rule(file: &str, how: MergeHow) -> MergeRule {
    MergeRule { file: file.into(), how, sort: 0, to: "all".into() }
}

fn wrote(entries: &[(&str, &[u8])]) -> Sample {
    let mut bundle = Bundle::default();
    for (name, content) in entries {
        bundle.insert((*name).into(), content.to_vec());
    }
    let tile = ChunkInput::Tile {
        x: 0,
        y: 0,
        width: 4,
        height: 4,
        core_x: 2,
        core_y: 0,
        core_width: 2,
        core_height: 1,
    };
    Sample { output: bundle.encode().into(), chunk: Some(tile) }
}

async fn said(rules: &[MergeRule], samples: &[Sample]) -> Option<(String, String, String)> {
    let error = tried(rules, samples.to_vec()).await.err()?;
    Some((error.code().to_owned(), error.pointer(), error.to_string()))
}

#[tokio::test]
async fn a_rule_that_takes_what_the_sample_wrote_is_taken() {
    let core = b"P5 2 1 255\n\0\xff".as_slice();
    let sample = wrote(&[("", b"a,1\nb,2.5\n"), ("x.json", b"{}\n[1]"), ("core", core)]);
    for (file, how) in [
        ("", MergeHow::Concat),
        ("core", MergeHow::Zip),
        ("", MergeHow::Csv),
        ("", MergeHow::Sum),
        ("", MergeHow::Mean),
        ("x.json", MergeHow::Json),
        ("core", MergeHow::Tiles),
    ] {
        assert_eq!(said(&[rule(file, how)], std::slice::from_ref(&sample)).await, None, "{how:?}");
    }
    assert_eq!(said(&[], &[sample]).await, None, "no rules take everything");
}

#[tokio::test]
async fn a_rule_that_does_not_is_named_with_what_was_written_and_what_to_do() {
    let large = b"P6 1 2 255\nabcdef".as_slice();
    let sample = wrote(&[("", b"hello world\nbye\n"), ("p", large), ("z", b"\0\x01"), ("e", b"")]);
    for (file, how, expected) in [
        (
            "",
            MergeHow::Sum,
            "the rule that merges standard output by sum to \"all\" does not fit what the sample chunk wrote: line \
             2 has no key followed by numbers; the sample is text of 16 bytes that begins \"hello \
             world\\nbye\\n\"; let it write rows of a key and numbers, like cells,12, or merge by \
             concat or zip, which take anything",
        ),
        (
            "z",
            MergeHow::Json,
            "the rule that merges \"z\" by json to \"all\" does not fit what the sample chunk wrote: it wrote \
             something that is not JSON: expected value at line 1 column 1; the sample is 2 bytes that \
             are no text and begin 00 01; let it write JSON values, or merge by concat or zip, \
             which take anything",
        ),
        (
            "p",
            MergeHow::Tiles,
            "the rule that merges \"p\" by tiles to \"all\" does not fit what the sample chunk wrote: it wrote a \
             picture of 1 x 2 pixels instead of 2 x 1; the sample is a colour PPM picture 1 x 2; let \
             it write a PGM or PPM picture exactly as large as the tile's core, or merge by zip, \
             which takes anything",
        ),
    ] {
        let rules = [rule("e", MergeHow::Concat), rule(file, how)];
        let expected =
            ("jobs.merge_failed".to_owned(), "/spec/merge/1".to_owned(), expected.to_owned());
        assert_eq!(said(&rules, std::slice::from_ref(&sample)).await, Some(expected));
    }
    let empty = said(&[rule("e", MergeHow::Tiles)], &[sample]).await.unwrap().2;
    assert!(empty.contains("the sample is nothing;"), "{empty}");
}

#[tokio::test]
async fn a_file_may_be_missing_from_some_samples_but_not_from_all() {
    let (some, none) = (wrote(&[("found.csv", b"a\n1\n")]), wrote(&[("log", b"x"), ("", b"y")]));
    let rules = [rule("found.csv", MergeHow::Csv)];
    assert_eq!(said(&rules, &[none.clone(), some]).await, None);
    let expected = "the rule that merges \"found.csv\" by csv to \"all\" does not fit what the sample chunk wrote: \
        no sample chunk wrote /out/found.csv; they wrote \"log\": name one of these, or standard \
        output (an empty name); a file that is written for some chunks only, write empty for the \
        others";
    let expected = ("jobs.merge_file_missing".into(), "/spec/merge/0".into(), expected.into());
    assert_eq!(said(&rules, &[none]).await, Some(expected));
}
