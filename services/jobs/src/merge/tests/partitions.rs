//! However rows and values are spread over chunks, the merge is that of one chunk with all of them.

use proptest::prelude::*;

use super::made;
use crate::merge::{join, json, rows};

/// The items in pieces of these lengths, and what is left as the last.
fn pieces(items: &[String], lens: &[usize]) -> Vec<String> {
    let (mut rest, mut pieces) = (items, Vec::new());
    for len in lens {
        let (piece, tail) = rest.split_at((*len).min(rest.len()));
        pieces.push(piece.concat());
        rest = tail;
    }
    pieces.push(rest.concat());
    pieces
}

fn row() -> impl Strategy<Value = String> {
    ("[abc]", -99_i32..99, 0_u32..99).prop_map(|(key, a, b)| format!("{key},{a},{a}.{b:02}\n"))
}

proptest! {
    #[test]
    fn sums_means_and_rows_do_not_depend_on_the_chunks(
        items in prop::collection::vec(row(), 1..30),
        lens in prop::collection::vec(0_usize..8, 0..6),
    ) {
        let header = "key,a,b\n";
        let pieces: Vec<String> =
            pieces(&items, &lens).into_iter().map(|piece| format!("{header}{piece}")).collect();
        let spread: Vec<Option<&str>> = pieces.iter().map(|piece| Some(piece.as_str())).collect();
        let whole = format!("{header}{}", items.concat());
        let whole = [Some(whole.as_str())];
        prop_assert_eq!(made(&spread, rows::sum), made(&whole, rows::sum));
        prop_assert_eq!(made(&spread, rows::mean), made(&whole, rows::mean));
        let plain = |pieces: &[Option<&str>]| made(pieces, |pieces, out| rows::csv(0, pieces, out));
        prop_assert_eq!(plain(&spread), Ok(whole[0].unwrap().to_owned()));
        let sorted = |pieces: &[Option<&str>]| made(pieces, |pieces, out| rows::csv(3, pieces, out));
        prop_assert_eq!(sorted(&spread), sorted(&whole));
    }

    #[test]
    fn values_and_bytes_keep_their_order(
        items in prop::collection::vec("([1-9][0-9]{0,3}|\"[a-z]{0,3}\"|\\[\\])\n", 1..30),
        lens in prop::collection::vec(0_usize..8, 0..6),
    ) {
        let pieces = pieces(&items, &lens);
        let spread: Vec<Option<&str>> = pieces.iter().map(|piece| Some(piece.as_str())).collect();
        prop_assert_eq!(made(&spread, join::concat), Ok(items.concat()));
        let array = made(&spread, json::array).unwrap();
        let values: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
        let expected: Vec<serde_json::Value> =
            items.iter().map(|item| serde_json::from_str(item).unwrap()).collect();
        prop_assert_eq!(values, expected);
    }
}
