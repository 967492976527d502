//! However an input is cut, the chunks are the input.

use std::io::BufReader;

use proptest::prelude::*;

use crate::split::ChunkInput;
use crate::split::cut::{by_bytes, by_lines, by_range};

/// The chunks' bytes, in order.
fn pieces(input: &[u8], chunks: &[ChunkInput]) -> Vec<Vec<u8>> {
    let size = |n: u64| usize::try_from(n).unwrap();
    let bytes = |chunk: &ChunkInput| match *chunk {
        ChunkInput::Range { offset, len } => {
            assert!(len > 0, "an empty chunk");
            input[size(offset)..size(offset + len)].to_vec()
        }
        ref other => panic!("{other:?}"),
    };
    chunks.iter().map(bytes).collect()
}

proptest! {
    #[test]
    fn lines_cover_the_input_and_break_only_after_line_feeds(
        input in "[a\n]{0,80}",
        lines in 1_u64..6,
        buffer in 1_usize..10,
    ) {
        let reader = BufReader::with_capacity(buffer, input.as_bytes());
        let pieces = pieces(input.as_bytes(), &by_lines(reader, lines).unwrap());
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
        let chunks = by_bytes(u64::try_from(input.len()).unwrap(), bytes);
        prop_assert_eq!(pieces(&input, &chunks).concat(), input);
    }

    #[test]
    fn ranges_cover_the_numbers(from in 0_u64..1000, len in 1_u64..1000, step in 1_u64..1100) {
        let mut next = from;
        for chunk in by_range(from, from + len, step) {
            let ChunkInput::Seeds { first, count } = chunk else { panic!("{chunk:?}") };
            prop_assert_eq!(first, next);
            prop_assert!((1..=step).contains(&count));
            next += count;
        }
        prop_assert_eq!(next, from + len);
    }
}
