//! What a splitter of the consumer's own may write, and everything that it may not.

use bytes::Bytes;
use medusa_api::Split;
use medusa_types::{Bundle, Sha256Hash};
use proptest::prelude::*;

use super::Store;
use crate::split::{CHUNKS_MAX, ChunkInput, ChunkInputs, Inputs, Plan, own, plan_written};

/// Bytes of the input of most tests.
const SIZE: u64 = 100;

fn lines(text: impl Into<String>) -> Vec<u8> {
    Bundle::of_stdout(text.into().into_bytes()).encode()
}

fn files(files: &[(&str, &str)]) -> Vec<u8> {
    let mut bundle = Bundle::of_stdout(Vec::new());
    for (name, content) in files {
        bundle.insert((*name).to_owned(), content.as_bytes().to_vec());
    }
    bundle.encode()
}

fn refusal(output: &[u8], input: Option<u64>) -> (&'static str, String) {
    let error = own::plan(output, input).unwrap_err();
    (error.code(), error.to_string())
}

fn by_program() -> Split {
    let program = "prg_00000000000000000000000000000007".parse().unwrap();
    Split::Program { program, args: Vec::new(), module: None }
}

#[tokio::test]
async fn files_are_chunks_by_name_and_are_cut_out_of_one_blob() {
    let store = Store::new();
    let output = Bytes::from(files(&[("b", "bee"), ("a/2.txt", "two"), ("a/10.txt", "ten, ")]));
    let planned = plan_written(output.clone(), None).await.unwrap();
    let plan = &planned.plan;
    assert_eq!(plan.pieces.unwrap().sha256, store.put(output.to_vec()).await);
    assert_eq!(plan.in_words(&by_program()), "3 chunks of 3 to 5 bytes, cut by your splitter");
    assert_eq!((planned.measure.bytes, planned.measure.largest), (11, 5));
    let read: Plan = serde_json::from_slice(&planned.json).unwrap();
    assert_eq!(&read, &**plan);
    assert_eq!(store.stdins(&read, None).await, [b"ten, ".to_vec(), b"two".into(), b"bee".into()]);
    let inputs = Inputs::new(store.blobs.clone(), read.into(), None);
    let first = inputs.resolve(0).await.unwrap();
    assert_eq!(first.files, [("in/a/10.txt".to_owned(), first.stdin)]);
}

#[tokio::test]
async fn lines_are_ranges_of_the_input_with_or_without_names() {
    let store = Store::new();
    let input = store.put("0123456789").await;
    let text = "{\"offset\":1,\"length\":2,\"name\":\"a.txt\"}\n\n";
    let (code, _) = refusal(&lines(text), Some(10));
    assert_eq!(code, "jobs.splitter_refused", "an empty line is none");
    let text = "{\"offset\":1,\"length\":2,\"name\":\"a.txt\"}\n{\"length\": 4, \"offset\": 6}";
    let plan = own::plan(&lines(text), Some(10)).unwrap();
    assert_eq!(plan.pieces, None, "nothing is copied");
    assert_eq!(store.stdins(&plan, Some(input)).await, [b"12".to_vec(), b"6789".to_vec()]);
    let inputs = Inputs::new(store.blobs.clone(), plan.into(), Some(input));
    let paths = |n| {
        let inputs = &inputs;
        async move {
            let files = inputs.resolve(n).await.unwrap().files;
            files.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        }
    };
    assert_eq!((paths(0).await, paths(1).await), (vec!["in/a.txt".to_owned()], Vec::new()));
}

#[test]
fn ranges_in_a_row_are_a_rule_and_say_the_same() {
    let text = "{\"offset\":3,\"length\":7}\n{\"offset\":10,\"length\":1}\n";
    let plan = own::plan(&lines(text), Some(SIZE)).unwrap();
    assert!(matches!(plan.chunks, ChunkInputs::Rule(_)), "{plan:?}");
    let range = |offset, len| ChunkInput::Range { offset, len };
    assert_eq!(plan.iter().collect::<Vec<_>>(), [range(3, 7), range(10, 1)]);
}

#[test]
fn hostile_lines_are_refused_with_their_number() {
    let long = format!("{{\"offset\":0,\"length\":1,\"name\":\"{}\"}}", "x".repeat(256));
    let endless = format!("{{\"offset\":0,\"length\":1,\"{}\":1}}", "x".repeat(5_000));
    for (text, part) in [
        ("hello", "line 1: it is not like"),
        ("[1, 2]\n[3]", "line 1"),
        ("{}", "missing field `offset`"),
        ("{\"offset\":0}", "missing field `length`"),
        ("{\"offset\":0,\"length\":1,\"size\":2}", "unknown field `size`"),
        ("{\"offset\":0,\"length\":1,\"length\":2}", "duplicate field"),
        ("{\"offset\":-1,\"length\":1}", "invalid value"),
        ("{\"offset\":0.5,\"length\":1}", "invalid type"),
        ("{\"offset\":0,\"length\":18446744073709551616}", "invalid type"),
        ("{\"offset\":0,\"length\":0}", "length is 0"),
        ("{\"offset\":0,\"length\":101}", "beyond the input's end, 100"),
        ("{\"offset\":100,\"length\":1}", "1 bytes from 100 on are beyond"),
        ("{\"offset\":18446744073709551615,\"length\":1}", "beyond the input's end"),
        ("{\"offset\":1,\"length\":18446744073709551615}", "beyond the input's end"),
        (
            "{\"offset\":0,\"length\":5}\n{\"offset\":4,\"length\":1}",
            "line 2: it begins at byte 4, and the chunk before ends at 5",
        ),
        ("{\"offset\":9,\"length\":1}\n{\"offset\":0,\"length\":1}", "line 2: it begins at byte 0"),
        ("{\"offset\":0,\"length\":1,\"name\":\"../x\"}", "leads out"),
        ("{\"offset\":0,\"length\":1,\"name\":\"/etc/passwd\"}", "absolute path"),
        ("{\"offset\":0,\"length\":1,\"name\":\"a/b\"}", "no plain file name"),
        ("{\"offset\":0,\"length\":1,\"name\":\"./a\"}", "no plain file name"),
        ("{\"offset\":0,\"length\":1,\"name\":\"\"}", "no name"),
        ("{\"offset\":0,\"length\":1,\"name\":\"a\\u0000b\"}", "control characters"),
        ("{\"offset\":0,\"length\":1,\"name\":\"a\\\\b\"}", "backslash"),
        (long.as_str(), "at most 255 bytes"),
        (endless.as_str(), "longer than 4,096 bytes"),
        ("\n", "line 1: it is not like"),
    ] {
        let (code, words) = refusal(&lines(text), Some(SIZE));
        assert_eq!(code, "jobs.splitter_refused", "{text:?}");
        assert!(words.contains(part), "{text:?} gave {words:?}");
    }
    let mut broken = Bundle::default();
    broken.insert(String::new(), b"{\"offset\":\xff".to_vec());
    assert!(refusal(&broken.encode(), Some(SIZE)).1.contains("line 1"), "not UTF-8");
}

#[test]
fn too_many_too_little_and_both_at_once_are_refused() {
    let nothing = "it wrote nothing";
    assert!(refusal(&lines(""), Some(SIZE)).1.contains(nothing));
    assert!(refusal(&Bundle::default().encode(), None).1.contains(nothing));
    assert!(refusal(&lines("{\"offset\":0,\"length\":1}"), None).1.contains("the job has none"));
    assert!(refusal(&files(&[("a", "")]), None).1.contains("file \"a\" is empty"));
    assert!(refusal(&files(&[("a", "x"), ("a\\b", "y")]), None).1.contains("backslash"));
    let mut both = Bundle::of_stdout(b"{\"offset\":0,\"length\":1}".to_vec());
    both.insert("a".into(), b"x".to_vec());
    assert!(refusal(&both.encode(), Some(SIZE)).1.contains("one of both"));
    assert!(refusal(b"\x01\0", None).1.contains("the bundle ends inside an entry"));

    let most = u64::from(CHUNKS_MAX);
    let rows = |count: u64, step: u64| -> String {
        (0..count).map(|n| format!("{{\"offset\":{},\"length\":1}}\n", n * step)).collect()
    };
    let whole = own::plan(&lines(rows(most, 1)), Some(most)).unwrap();
    assert_eq!(whole.count(), most);
    assert_eq!(refusal(&lines(rows(most + 1, 1)), Some(most + 1)).0, "jobs.too_many_chunks");
    let (code, words) = refusal(&lines(rows(100_001, 2)), Some(most));
    assert_eq!(code, "jobs.splitter_refused");
    assert!(words.contains("100,001 lines, and 100,000 is the most"), "{words}");
}

#[tokio::test]
async fn one_chunk_that_no_agent_holds_is_refused() {
    let huge = crate::split::CHUNK_BYTES_MAX + 1;
    let text = format!("{{\"offset\":0,\"length\":{huge}}}");
    let error = plan_written(lines(text).into(), Some(huge)).await.unwrap_err();
    assert_eq!(error.code(), "jobs.chunk_too_large");
}

proptest! {
    /// Whatever lines say, a plan that is made of them has chunks in rising order that do not
    /// overlap and lie in the input; and what is so, makes a plan.
    #[test]
    fn a_plan_never_reads_what_is_not_there(
        ranges in prop::collection::vec((0_u64..120, 0_u64..30, any::<bool>()), 1..6),
    ) {
        let text: String = ranges.iter().map(|(offset, length, named)| {
            let name = if *named { ",\"name\":\"n\"" } else { "" };
            format!("{{\"offset\":{offset},\"length\":{length}{name}}}\n")
        }).collect();
        let rising = ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0);
        let inside = ranges.iter().all(|(offset, length, _)| *length > 0 && offset + length <= SIZE);
        let plan = own::plan(&lines(text), Some(SIZE));
        prop_assert_eq!(plan.is_ok(), rising && inside);
        if let Ok(plan) = plan {
            let found: Vec<(u64, u64)> = plan.iter().map(|chunk| match chunk {
                ChunkInput::Range { offset, len } | ChunkInput::Piece { offset, len, .. } => (offset, len),
                other => panic!("{other:?}"),
            }).collect();
            let expected: Vec<(u64, u64)> = ranges.iter().map(|(at, len, _)| (*at, *len)).collect();
            prop_assert_eq!(found, expected);
            let json = serde_json::to_vec(&plan).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Plan>(&json).unwrap(), plan);
        }
    }

    /// Any bytes are refused or a plan, and never anything else.
    #[test]
    fn any_output_is_refused_or_a_plan(
        output in prop::collection::vec(any::<u8>(), 0..200),
        text in ".{0,80}",
    ) {
        for output in [output, lines(text)] {
            if let Err(error) = own::plan(&output, Some(SIZE)) {
                prop_assert_eq!(error.code(), "jobs.splitter_refused");
            }
        }
    }
}

#[test]
fn the_same_output_is_the_same_plan_and_the_bundle_is_named_by_its_bytes() {
    let output = files(&[("a", "x"), ("b", "y")]);
    let plan = own::plan(&output, Some(SIZE)).unwrap();
    assert_eq!(plan, own::plan(&output, None).unwrap());
    let sha256 = Sha256Hash::of(&output);
    let json = format!(
        "{{\"chunks\":[{{\"piece\":{{\"name\":\"a\",\"offset\":25,\"len\":1}}}},\
         {{\"piece\":{{\"name\":\"b\",\"offset\":39,\"len\":1}}}}],\"picture\":null,\
         \"pieces\":{{\"sha256\":\"{sha256}\",\"size\":40}}}}"
    );
    assert_eq!(serde_json::to_string(&plan).unwrap(), json);
}
