//! Every splitter and every merger, from the upload to the result, beside what the same program
//! would give at home over the whole input.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Read as _, Write as _};

use bytes::Bytes;
use medusa_api::{Job, JobSpec, MergeHow, MergeRule, QuoteRequest, Size, Split};
use medusa_types::ProgramId;
use zip::write::SimpleFileOptions;

use crate::harness::{House, Person, RealAgent, add_program, example_file, guest, range, run};

/// A consumer, and two lenders with a machine each.
struct Market {
    consumer: Person,
    _agents: [RealAgent; 2],
    _house: House,
}

impl Market {
    async fn open() -> Self {
        let house = House::open().await;
        let consumer = house.person("carla").await;
        let (lena, luis) = (house.person("lena").await, house.person("luis").await);
        let agents = [house.agent(&lena).await, house.agent(&luis).await];
        Self { consumer, _agents: agents, _house: house }
    }

    async fn program(&self, wasm: Vec<u8>) -> ProgramId {
        add_program(&self.consumer, wasm).await.unwrap()
    }

    async fn request(
        &self,
        program: ProgramId,
        input: Option<&[u8]>,
        split: Split,
        merge: Vec<MergeRule>,
    ) -> QuoteRequest {
        let input = match input {
            Some(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes);
                Some(self.consumer.client.upload_bytes(bytes).await.unwrap().sha256)
            }
            None => None,
        };
        QuoteRequest { program, input, spec: JobSpec { split, merge, ..range(1, 2) } }
    }

    /// Runs to a good end; all results by name.
    async fn results(&self, request: &QuoteRequest) -> (Job, BTreeMap<String, Vec<u8>>) {
        let job = run(&self.consumer, request).await;
        let mut files = BTreeMap::new();
        for file in &job.results {
            let bytes = self.consumer.client.result(&job, &file.name).await.unwrap().unwrap();
            files.insert(file.name.clone(), bytes);
        }
        (job, files)
    }

    /// Runs to a good end with one rule over standard output; chunks and result.
    async fn result(
        &self,
        program: ProgramId,
        input: Option<&[u8]>,
        split: Split,
        how: MergeHow,
    ) -> (u32, String) {
        let request = self.request(program, input, split, vec![rule("", how, "out")]).await;
        let (job, mut files) = self.results(&request).await;
        (job.counts.total, String::from_utf8(files.remove("out").unwrap()).unwrap())
    }
}

fn rule(file: &str, how: MergeHow, to: &str) -> MergeRule {
    MergeRule { file: file.into(), how, sort: 0, to: to.into() }
}

/// Its standard input is its standard output, however long.
fn cat() -> Vec<u8> {
    guest(
        r#"(func (export "_start") (local $n i32)
            (loop $next
                (local.set $n (call $read))
                (if (local.get $n) (then
                    (call $write (i32.const 1) (i32.const 4096) (local.get $n))
                    (br $next)))))"#,
    )
}

/// The same with so many rounds of counting for each byte.
fn toil(rounds: u64) -> Vec<u8> {
    guest(&format!(
        r#"(func (export "_start") (local $n i32) (local $i i64)
            (loop $next
                (local.set $n (call $read))
                (if (local.get $n) (then
                    (local.set $i (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const {rounds})))
                    (loop $spin
                        (local.set $i (i64.sub (local.get $i) (i64.const 1)))
                        (br_if $spin (i64.ne (local.get $i) (i64.const 0))))
                    (call $write (i32.const 1) (i32.const 4096) (local.get $n))
                    (br $next)))))"#
    ))
}

/// Writes the files whose paths it reads, one to a line, one after the other.
fn cat_files() -> Vec<u8> {
    guest(
        r#"(func $file (param $at i32) (param $len i32) (result i32) (local $fd i32)
            (local.set $fd (i32.const 3))
            (loop $next
                (if (i32.eqz (call $path_open (local.get $fd) (i32.const 1) (local.get $at)
                    (local.get $len) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0)
                    (i32.const 32))) (then (return (i32.load (i32.const 32)))))
                (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $fd) (i32.const 8))))
            (call $exit (i32.const 9)) (i32.const 0))
        (func $copy (param $fd i32) (local $n i32)
            (loop $next
                (i32.store (i32.const 40) (i32.const 16384))
                (i32.store (i32.const 44) (i32.const 4096))
                (drop (call $fd_read
                    (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48)))
                (local.set $n (i32.load (i32.const 48)))
                (if (local.get $n) (then
                    (call $write (i32.const 1) (i32.const 16384) (local.get $n))
                    (br $next)))))
        (func (export "_start") (local $end i32) (local $from i32) (local $at i32)
            (local.set $end (i32.add (i32.const 4096) (call $read)))
            (local.set $from (i32.const 4096))
            (local.set $at (i32.const 4096))
            (loop $next
                (if (i32.lt_u (local.get $at) (local.get $end)) (then
                    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 10)) (then
                        ;; The name stands after the four bytes of `/in/`.
                        (call $copy (call $file
                            (i32.add (local.get $from) (i32.const 4))
                            (i32.sub (i32.sub (local.get $at) (local.get $from)) (i32.const 4))))
                        (local.set $from (i32.add (local.get $at) (i32.const 1)))))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br $next)))))"#,
    )
}

#[tokio::test]
async fn what_is_cut_by_lines_rows_or_json_lines_comes_back_whole() {
    let market = Market::open().await;
    let cat = market.program(cat()).await;
    let text: String = (0..500).map(|n| format!("line {n}\n")).collect();
    for (size, expected) in [(Size::Count(100), 5), (Size::Bytes(2_000), 3)] {
        let split = Split::Lines { lines: size };
        let found = market.result(cat, Some(text.as_bytes()), split, MergeHow::Concat).await;
        assert!(found == (expected, text.clone()), "lines by {size:?} in {} chunks", found.0);
    }
    let bytes = Split::Bytes { bytes: 1_500 };
    let (chunks, found) = market.result(cat, Some(text.as_bytes()), bytes, MergeHow::Concat).await;
    assert!(chunks == 3 && found == text, "bytes in {chunks} chunks");

    // Rows with line feeds in them, and chunks that are too large for a frame.
    let mut table = "n,text\n".to_owned();
    for n in 0..60_000 {
        writeln!(table, "{n},\"a \"\"b\"\"\n{n}\"").unwrap();
    }
    let split = Split::CsvRows { size: Size::Count(25_000) };
    let (chunks, found) = market.result(cat, Some(table.as_bytes()), split, MergeHow::Csv).await;
    assert!(chunks == 3 && found == table, "rows in {chunks} chunks");

    let lines: String = (0..9).map(|n| format!("{{\"n\": {n}, \"x\": 1e{n}}}\n")).collect();
    let split = || Split::Jsonl { size: Size::Count(2) };
    let found = market.result(cat, Some(lines.as_bytes()), split(), MergeHow::Concat).await;
    assert_eq!(found, (5, lines.clone()));
    let array = format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n"));
    let found = market.result(cat, Some(lines.as_bytes()), split(), MergeHow::Json).await;
    assert_eq!(found, (5, array));
}

#[tokio::test]
async fn grids_and_ranges_make_their_own_chunks_and_tables_are_added_up() {
    let market = Market::open().await;
    let cat = market.program(cat()).await;
    let grid = br#"{"size": [1, 2.50, 3], "mode": ["fast", "exact"]}"#;
    let mut expected = Vec::new();
    for size in ["1", "2.50", "3"] {
        for mode in ["fast", "exact"] {
            expected.push(format!("{{\"size\":{size},\"mode\":\"{mode}\"}}"));
        }
    }
    let array = format!("[\n{}\n]\n", expected.join(",\n"));
    for (per_chunk, chunks) in [(1, 6), (4, 2)] {
        let split = Split::Grid { per_chunk };
        let found = market.result(cat, Some(grid), split, MergeHow::Json).await;
        assert_eq!(found, (chunks, array.clone()));
    }

    let split = Split::Range { from: 5, to: 12, step: Size::Count(3) };
    let found = market.result(cat, None, split, MergeHow::Concat).await;
    assert_eq!(found, (3, "5 3\n8 3\n11 1\n".into()));

    let table = b"key,a,b\nx,1,0.5\ny,7,-1\nx,2,0.25\nx,4,0.25\ny,8,1\n";
    let split = || Split::CsvRows { size: Size::Count(2) };
    let found = market.result(cat, Some(table), split(), MergeHow::Sum).await;
    assert_eq!(found, (3, "key,a,b\nx,7,1.00\ny,15,0\n".into()));
    let found = market.result(cat, Some(table), split(), MergeHow::Mean).await;
    assert_eq!(found, (3, "key,a,b\nx,2.333333333333,0.33333333333333\ny,7.5,0\n".into()));
}

#[tokio::test]
async fn files_are_computed_by_groups_and_packed_by_chunk() {
    let market = Market::open().await;
    let program = market.program(cat_files()).await;
    let long = "long ".repeat(3_000);
    let files = [("c.txt", "sea"), ("a.txt", "one "), ("sub/d.txt", &long), ("b.txt", "two ")];
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    let archive = archive.finish().unwrap().into_inner();
    let merge = vec![rule("", MergeHow::Zip, "all.zip"), rule("", MergeHow::Concat, "all.txt")];
    let split = Split::Files { group: 3 };
    let request = market.request(program, Some(&archive), split, merge).await;
    let quote = market.consumer.client.quote(&request).await.unwrap();
    assert_eq!(quote.split.in_words, "2 groups of 3 files");
    let (job, found) = market.results(&request).await;
    assert_eq!(job.counts.total, 2);
    assert_eq!(found["all.txt"], format!("one two sea{long}").into_bytes());
    let mut zip = zip::ZipArchive::new(Cursor::new(&found["all.zip"])).unwrap();
    for (name, expected) in [("0-stdout", "one two sea"), ("1-stdout", &long)] {
        let mut content = String::new();
        zip.by_name(name).unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, expected, "{name}");
    }
}

/// The grey pixels of the cell picture, row by row, after its width and height.
fn cells_pixels() -> (u32, u32, Vec<u8>) {
    let png = example_file("cells/cells.png");
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.color_type, png::ColorType::Grayscale);
    pixels.truncate(frame.buffer_size());
    (frame.width, frame.height, pixels)
}

/// A TIFF file as its specification describes it, in one strip.
fn tiff(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let size = u32::try_from(pixels.len()).unwrap();
    // Tag, type (3 is 16 bits, 4 is 32 bits), value.
    let entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, size),
    ];
    let mut file = b"II*\0".to_vec();
    file.extend((8 + size).to_le_bytes());
    file.extend_from_slice(pixels);
    file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, kind, value) in entries {
        file.extend(u16::to_le_bytes(tag));
        file.extend(u16::to_le_bytes(kind));
        file.extend(1_u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    file
}

#[tokio::test]
async fn the_cells_are_the_same_in_a_tiff_and_in_a_pgm_picture() {
    let market = Market::open().await;
    let examples = market.consumer.client.examples().await.unwrap();
    let cells = examples.into_iter().find(|example| example.id == "cells").unwrap();
    let (width, height, pixels) = cells_pixels();
    let pgm = [format!("P5\n{width} {height}\n255\n").into_bytes(), pixels.clone()].concat();
    let mut pictures = Vec::new();
    for picture in [pgm, tiff(width, height, &pixels)] {
        let (split, merge) = (cells.spec.split.clone(), cells.spec.merge.clone());
        let mut request = market.request(cells.program, Some(&picture), split, merge).await;
        request.spec.args.clone_from(&cells.spec.args);
        request.spec.memory_mib = cells.spec.memory_mib;
        let (_, found) = market.results(&request).await;
        assert_eq!(found["cells.csv"], example_file("cells/expected/cells.csv"));
        pictures.push(found["outlined.png"].clone());
    }
    assert!(pictures[0] == pictures[1], "the stitched pictures differ");
}

#[tokio::test]
async fn chunks_of_a_second_are_sized_by_trial_runs() {
    let market = Market::open().await;
    // About a millisecond for each line of eight bytes.
    let program = market.program(toil(100_000)).await;
    let text: String = (0..4_000).map(|n| format!("{n:07}\n")).collect();
    let split = Split::Lines { lines: Size::Seconds(1) };
    let merge = vec![rule("", MergeHow::Concat, "out")];
    let request = market.request(program, Some(text.as_bytes()), split, merge).await;
    let quote = market.consumer.client.quote(&request).await.unwrap();
    assert!(quote.split.in_words.ends_with("of about a second each"), "{:?}", quote.split);
    assert!((2..=40).contains(&quote.split.chunks), "{:?}", quote.split);
    let (job, found) = market.results(&request).await;
    assert!(found["out"] == text.as_bytes(), "the text is not itself");
    let Split::Lines { lines: Size::Count(lines) } = job.spec.split else {
        panic!("{:?}", job.spec.split)
    };
    assert_eq!(u64::from(job.counts.total), 4_000_u64.div_ceil(lines));
    assert!(job.cost.spent <= job.cost.held);
}

#[tokio::test]
async fn bad_inputs_are_refused_with_their_place_and_a_missing_file_by_its_name() {
    let market = Market::open().await;
    let cat = market.program(cat()).await;
    let count = Size::Count(1);
    for (input, split, code, part) in [
        (&b"{}\nx\n"[..], Split::Jsonl { size: count }, "jobs.jsonl_refused", "line 2"),
        (b"a\n\"1\n", Split::CsvRows { size: count }, "jobs.table_refused", "row 2"),
        (b"only,a,header\n", Split::CsvRows { size: count }, "jobs.table_refused", "no rows"),
        (b"{\"a\": []}", Split::Grid { per_chunk: 1 }, "jobs.grid_refused", "no values"),
        (b"x", Split::Lines { lines: Size::Seconds(9_999) }, "jobs.spec_refused", "600 seconds"),
        (b"x", Split::Lines { lines: Size::Bytes(0) }, "jobs.spec_refused", "at least 1"),
    ] {
        let request = market.request(cat, Some(input), split, Vec::new()).await;
        let error = market.consumer.client.quote(&request).await.unwrap_err();
        let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
        assert_eq!((problem.status, problem.code.as_str()), (422, code), "{problem}");
        assert!(problem.detail.contains(part), "{}", problem.detail);
    }

    let split = Split::Lines { lines: count };
    let merge = vec![rule("cells.csv", MergeHow::Csv, "all.csv")];
    let request = market.request(cat, Some(b"a\nb\n"), split, merge).await;
    let error = market.consumer.client.quote(&request).await.unwrap_err();
    assert_eq!(error.code(), Some("jobs.merge_file_missing"));
    assert!(error.to_string().contains("no sample chunk wrote /out/cells.csv"), "{error}");
}
