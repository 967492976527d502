//! However an input is cut, the chunks are the input.

use std::io::BufReader;

use medusa_api::Size;
use proptest::prelude::*;

use crate::split::cut::{Items, Lines, pack};
use crate::split::json::{JsonLines, by_grid, combinations, grid_lines, read_grid};
use crate::split::table::Rows;
use crate::split::{ChunkInput, Plan, Rule, Steps};

/// The chunks' bytes, in order.
fn pieces(input: &[u8], plan: &Plan) -> Vec<Vec<u8>> {
    let size = |n: u64| usize::try_from(n).unwrap();
    let bytes = |chunk: ChunkInput| match chunk {
        ChunkInput::Range { offset, len } => {
            assert!(len > 0, "an empty chunk");
            input[size(offset)..size(offset + len)].to_vec()
        }
        other => panic!("{other:?}"),
    };
    plan.iter().map(bytes).collect()
}

fn packed(items: &mut dyn Items, size: Size) -> Plan {
    Plan::by(Rule::Ranges(pack(items, 0, size).unwrap()))
}

/// Counts and bytes.
fn any_size() -> impl Strategy<Value = Size> {
    prop_oneof![(1_u64..6).prop_map(Size::Count), (1_u64..40).prop_map(Size::Bytes)]
}

/// Fields as they stand in a table: plain, or quoted with anything in it.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c ]{0,3}",
        "[a\"\n,]{0,4}".prop_map(|text| { format!("\"{}\"", text.replace('"', "\"\"")) })
    ]
}

/// Rows as their text, each with its line feed.
fn table() -> impl Strategy<Value = Vec<String>> {
    let row = prop::collection::vec(field(), 1..4).prop_map(|row| row.join(",") + "\n");
    prop::collection::vec(row, 1..12)
}

proptest! {
    #[test]
    fn rows_cover_the_table_and_a_reader_of_tables_finds_the_same_ones(
        rows in table(),
        size in any_size(),
        buffer in 1_usize..10,
        ended in any::<bool>(),
    ) {
        let mut text = rows.concat();
        if !ended && text.len() > 1 {
            text.pop();
        }
        let mut items = Rows::new(BufReader::with_capacity(buffer, text.as_bytes()));
        let pieces = pieces(text.as_bytes(), &packed(&mut items, size));
        prop_assert_eq!(pieces.concat(), text.as_bytes());
        // Another reader finds the rows of the whole in the pieces, none of them cut. It passes
        // over empty rows, so those are left out.
        let read = |text: &[u8]| -> Vec<csv::ByteRecord> {
            let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
            reader.into_byte_records().map(Result::unwrap).collect()
        };
        let of_pieces: Vec<_> = pieces.iter().flat_map(|piece| read(piece)).collect();
        prop_assert_eq!(of_pieces, read(text.as_bytes()));
        if let Size::Bytes(most) = size {
            for piece in &pieces {
                let rows = read(piece).len();
                let bytes = u64::try_from(piece.len()).unwrap();
                prop_assert!(bytes <= most || rows <= 1, "{bytes} bytes of {rows} rows");
            }
        }
    }

    #[test]
    fn json_lines_cover_the_input(
        values in prop::collection::vec("[1-9][0-9]{0,4}|\"[a-z ]{0,9}\"|\\[1,2\\]", 1..30),
        size in any_size(),
    ) {
        let text = values.join("\n") + "\n";
        let pieces = pieces(text.as_bytes(), &packed(&mut JsonLines::new(text.as_bytes()), size));
        prop_assert_eq!(pieces.concat(), text.as_bytes());
        for piece in pieces {
            prop_assert!(piece.ends_with(b"\n"));
        }
    }

    #[test]
    fn lines_that_fit_make_a_chunk(input in "[ab\n]{0,80}", most in 1_u64..20) {
        let mut items = Lines(input.as_bytes());
        let pieces = pieces(input.as_bytes(), &packed(&mut items, Size::Bytes(most)));
        prop_assert_eq!(pieces.concat(), input.as_bytes());
        for piece in pieces {
            let lines = piece.split_inclusive(|b| *b == b'\n').count();
            prop_assert!(u64::try_from(piece.len()).unwrap() <= most || lines == 1);
        }
    }

    #[test]
    fn combinations_are_each_there_once(
        sizes in prop::collection::vec(1_usize..5, 1..4),
        per_chunk in 1_u64..30,
    ) {
        let members = sizes.iter().enumerate();
        let members: Vec<String> =
            members.map(|(n, size)| format!("\"p{n}\":{:?}", (0..*size).collect::<Vec<_>>())).collect();
        let axes = read_grid(format!("{{{}}}", members.join(",")).as_bytes()).unwrap();
        let steps = by_grid(&axes, per_chunk).unwrap();
        let plan = Plan { grid: axes.clone(), ..Plan::by(Rule::Grid(steps)) };
        let mut lines = Vec::new();
        for chunk in plan.iter() {
            let ChunkInput::Grid { first, count, len } = chunk else { panic!("{chunk:?}") };
            let text = grid_lines(&axes, first, count);
            prop_assert_eq!(len, u64::try_from(text.len()).unwrap());
            prop_assert!((1..=per_chunk).contains(&count));
            lines.extend(text.lines().map(str::to_owned));
        }
        let all = lines.len();
        prop_assert_eq!(combinations(&axes), Some(u64::try_from(all).unwrap()));
        lines.sort();
        lines.dedup();
        prop_assert_eq!(lines.len(), all);
    }

    #[test]
    fn lines_cover_the_input_and_break_only_after_line_feeds(
        input in "[a\n]{0,80}",
        lines in 1_u64..6,
        buffer in 1_usize..10,
    ) {
        let reader = BufReader::with_capacity(buffer, input.as_bytes());
        let pieces = pieces(input.as_bytes(), &packed(&mut Lines(reader), Size::Count(lines)));
        prop_assert_eq!(pieces.concat(), input.as_bytes());
        for (at, piece) in pieces.iter().enumerate() {
            let feeds = u64::try_from(piece.iter().filter(|b| **b == b'\n').count()).unwrap();
            if at + 1 < pieces.len() {
                prop_assert!(piece.ends_with(b"\n"));
                prop_assert_eq!(feeds, lines);
            } else {
                prop_assert!(feeds <= lines);
            }
        }
    }

    #[test]
    fn bytes_cover_the_input(input in prop::collection::vec(any::<u8>(), 0..200), bytes in 1_u64..50) {
        let steps = Steps { from: 0, to: u64::try_from(input.len()).unwrap(), step: bytes };
        prop_assert_eq!(pieces(&input, &Plan::by(Rule::Bytes(steps))).concat(), input);
    }

    #[test]
    fn ranges_cover_the_numbers(from in 0_u64..1000, len in 1_u64..1000, step in 1_u64..1100) {
        let mut next = from;
        for chunk in Plan::by(Rule::Seeds(Steps { from, to: from + len, step })).iter() {
            let ChunkInput::Seeds { first, count } = chunk else { panic!("{chunk:?}") };
            prop_assert_eq!(first, next);
            prop_assert!((1..=step).contains(&count));
            next += count;
        }
        prop_assert_eq!(next, from + len);
    }
}
