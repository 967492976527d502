//! Tables, JSON lines, grids, groups of files and pictures of all kinds, over a store.

use std::io::Cursor;

use medusa_api::{Size, Split};
use medusa_types::Sha256Hash;
use tiff::encoder::{Compression, TiffEncoder, colortype};

use super::{Store, zipped};
use crate::split::{Inputs, Plan, SplitError, describe, trial};

async fn texts(store: &Store, split: &Split, input: &[u8]) -> (Plan, Vec<String>) {
    let plan = store.plan(split, input).await.unwrap();
    let stdins = store.stdins(&plan, Some(Sha256Hash::of(input))).await;
    assert_eq!(plan.measure().unwrap().bytes, u64::try_from(stdins.concat().len()).unwrap());
    (plan, stdins.into_iter().map(|stdin| String::from_utf8(stdin).unwrap()).collect())
}

async fn refusal(store: &Store, split: &Split, input: &[u8]) -> SplitError {
    store.plan(split, input).await.unwrap_err()
}

#[tokio::test]
async fn each_chunk_of_a_table_begins_with_its_header() {
    let store = Store::new();
    let table = b"name,note\r\n1,\"two\nlines\"\r\n2,x\r\n3,y\r\n";
    let split = Split::CsvRows { size: Size::Count(2) };
    let (plan, texts) = texts(&store, &split, table).await;
    assert_eq!(texts, ["name,note\r\n1,\"two\nlines\"\r\n2,x\r\n", "name,note\r\n3,y\r\n"]);
    assert_eq!(plan.in_words(&split), "2 parts of 2 rows, each under the header");
    assert_eq!(plan.header, Some(11));
}

#[tokio::test]
async fn a_table_of_many_windows_keeps_all_of_its_rows() {
    let store = Store::new();
    let rows: String = (0..150_000).map(|n| format!("{n},\"a \"\"{n}\"\"\nb\"\n")).collect();
    let table = format!("n,text\n{rows}");
    assert!(table.len() > 3 << 20);
    let split = Split::CsvRows { size: Size::Bytes(300_000) };
    let (plan, texts) = texts(&store, &split, table.as_bytes()).await;
    assert!(
        plan.in_words(&split)
            .ends_with("rows, of at most 300,000 bytes each, each under the header")
    );
    let joined: String = texts.iter().map(|text| text.strip_prefix("n,text\n").unwrap()).collect();
    assert!(joined == rows, "the rows are not those of the table");
    for text in &texts {
        assert!(text.ends_with("b\"\n") && text.len() <= 300_007, "{}", text.len());
    }
}

#[tokio::test]
async fn json_lines_are_counted_and_the_first_bad_one_is_named() {
    let store = Store::new();
    let split = Split::Jsonl { size: Size::Count(2) };
    let (plan, found) = texts(&store, &split, b"{\"a\":1}\n2\n[3]\n").await;
    assert_eq!(found, ["{\"a\":1}\n2\n", "[3]\n"]);
    assert_eq!(plan.in_words(&split), "2 parts of 2 JSON lines");
    let error = refusal(&store, &split, b"1\n2\nthree\n").await;
    assert_eq!(error.code(), "jobs.jsonl_refused");
    let expected =
        "the JSON lines were refused: line 3: it is not JSON: expected ident at column 2";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_grid_gives_each_combination_once() {
    let store = Store::new();
    let split = Split::Grid { per_chunk: 2 };
    let (plan, found) = texts(&store, &split, b"{\"seed\": [1, 2, 3], \"mode\": [\"a\"]}").await;
    let expected = [
        "{\"seed\":1,\"mode\":\"a\"}\n{\"seed\":2,\"mode\":\"a\"}\n",
        "{\"seed\":3,\"mode\":\"a\"}\n",
    ];
    assert_eq!(found, expected);
    assert_eq!(plan.in_words(&split), "2 parts of 2 combinations");
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    let long = vec![b' '; 300_000];
    for (input, part) in [(&b"[1]"[..], "an object of names"), (&long, "longer than 262,144 bytes")]
    {
        let error = refusal(&store, &split, input).await;
        assert_eq!(error.code(), "jobs.grid_refused");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn files_are_grouped_in_the_order_of_their_names() {
    let store = Store::new();
    let archive = zipped(&[("c", b"3"), ("a", b"1"), ("b/x", b"22")]);
    let split = Split::Files { group: 2 };
    let plan = store.plan(&split, archive).await.unwrap();
    assert_eq!(plan.in_words(&split), "2 groups of 2 files");
    let inputs = Inputs::new(store.blobs.clone(), plan.clone().into(), None);
    for (chunk, list, files) in [
        (0, "/in/a\n/in/b/x\n", &[("in/a", "1"), ("in/b/x", "22")][..]),
        (1, "/in/c\n", &[("in/c", "3")]),
    ] {
        let resolved = inputs.resolve(chunk).await.unwrap();
        assert_eq!(store.bytes(&resolved.stdin).await, list.as_bytes());
        let mut found = Vec::new();
        for (path, source) in &resolved.files {
            found.push((path.clone(), String::from_utf8(store.bytes(source).await).unwrap()));
        }
        let files: Vec<_> = files.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
        assert_eq!(found, files);
    }
    assert_eq!((plan.bytes_of_chunk(0), plan.bytes_of_chunk(1)), (14 + 3, 6 + 1));
}

#[tokio::test]
async fn what_is_no_table_is_refused() {
    let store = Store::new();
    let split = Split::CsvRows { size: Size::Count(1) };
    for (input, part) in [
        (&b"only,a,header\n"[..], "no rows under its header"),
        (b"a\n\"open\n", "row 2 (counted with the header) opens a quote"),
    ] {
        let error = refusal(&store, &split, input).await;
        assert_eq!(error.code(), "jobs.table_refused");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn trials_are_chunks_of_the_input_under_its_header() {
    let store = Store::new();
    let rows: Vec<String> = (0..100).map(|n| format!("{n:03},x\n")).collect();
    let table = format!("n,c\n{}", rows.concat());
    let split = Split::CsvRows { size: Size::Seconds(5) };
    let input = store.put(table.as_str()).await;
    let trial = trial(&store.blobs, &split, Some(input)).await.unwrap();
    assert_eq!((trial.items, trial.bytes), (100, 600));
    let mut found = Vec::new();
    for pilot in &trial.pilots {
        let stdin = store.stdins(&pilot.plan, Some(input)).await.concat();
        found.push((pilot.items, String::from_utf8(stdin).unwrap()));
    }
    assert_eq!(found[0], (1, "n,c\n050,x\n".to_owned()));
    assert_eq!(found[1], (8, format!("n,c\n{}", rows[50..58].concat())));
    assert_eq!(found.len(), 2);
    let bad = trial_error(&store, &split, "n\n1\n2\n\"3\n").await;
    assert_eq!(bad.code(), "jobs.table_refused");
}

async fn trial_error(store: &Store, split: &Split, text: &str) -> SplitError {
    let input = store.put(text).await;
    trial(&store.blobs, split, Some(input)).await.unwrap_err()
}

fn tiff_of(compression: Compression) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut out).unwrap().with_compression(compression);
    let mut image = encoder.new_image::<colortype::Gray8>(40, 20).unwrap();
    image.rows_per_strip(7).unwrap();
    image.write_data(&pixels()).unwrap();
    out.into_inner()
}

fn pixels() -> Vec<u8> {
    (0..800).map(|n: u32| u8::try_from(n * n % 251).unwrap()).collect()
}

#[tokio::test]
async fn one_picture_gives_the_same_tiles_as_png_tiff_pgm_and_ppm() {
    let store = Store::new();
    let split = Split::Tiles { width: 16, height: 16, overlap: 3 };
    let png = super::png_of(40, 20, png::ColorType::Grayscale, png::BitDepth::Eight, &pixels());
    let colour: Vec<u8> = pixels().iter().flat_map(|grey| [*grey; 3]).collect();
    let plan = store.plan(&split, png).await.unwrap();
    let tiles = store.stdins(&plan, None).await;
    for (name, picture) in [
        ("plain TIFF", tiff_of(Compression::Uncompressed)),
        ("LZW TIFF", tiff_of(Compression::Lzw)),
        ("deflate TIFF", tiff_of(Compression::Deflate(Default::default()))),
        ("packed TIFF", tiff_of(Compression::Packbits)),
        ("PGM", [b"P5\n# by hand\n40 20\n255\n".to_vec(), pixels()].concat()),
        ("PPM", [b"P6 40 20 255\n".to_vec(), colour].concat()),
    ] {
        let other = store.plan(&split, picture).await.unwrap();
        assert_eq!(other, plan, "{name}");
        assert!(store.stdins(&other, None).await == tiles, "{name}");
    }
}

#[tokio::test]
async fn pictures_are_described_by_kind() {
    let store = Store::new();
    for (bytes, expected) in [
        (tiff_of(Compression::Lzw), "grey TIFF picture 40 x 20"),
        (b"P5 3 2 65535\n".to_vec(), "16-bit grey PGM picture 3 x 2"),
        (b"P6\n3 2 255\n".to_vec(), "colour PPM picture 3 x 2"),
        (
            b"P5 3 x".to_vec(),
            "picture that cannot be split: it is a damaged picture: its header is broken",
        ),
    ] {
        let hash = store.put(bytes).await;
        assert_eq!(describe(&store.blobs, hash).await.unwrap(), expected);
    }
}
