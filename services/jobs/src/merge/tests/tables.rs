//! Tables of pieces and what comes of them.

use std::io::{Cursor, Read as _};

use super::made;
use crate::merge::error::Piece;
use crate::merge::{archive, join, json, rows};

type Case<'a> = (&'a [Option<&'a str>], Result<&'a str, &'a str>);

fn check(cases: &[Case<'_>], rule: impl Fn(&[Option<&str>]) -> Result<String, String>) {
    for (pieces, expected) in cases {
        let made = rule(pieces);
        let made = made.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(made, *expected, "{pieces:?}");
    }
}

#[test]
fn concat_puts_one_after_the_other() {
    let cases: &[Case<'_>] =
        &[(&[], Ok("")), (&[Some("a\n"), None, Some(""), Some("b")], Ok("a\nb"))];
    check(cases, |pieces| made(pieces, join::concat));
}

#[test]
fn csv_has_one_header() {
    let cases: &[Case<'_>] = &[
        (&[], Ok("")),
        (&[None, Some("")], Ok("")),
        (&[Some("a,b\n")], Ok("a,b\n")),
        (&[None, Some("a,b\n2,x\n"), Some("a,b\r\n1,y"), Some("a,b\n")], Ok("a,b\n2,x\n1,y\n")),
        (&[Some("a\n\"x, \"\"y\"\"\"\n")], Ok("a\n\"x, \"\"y\"\"\"\n")),
        (&[Some("a,b\n"), Some("a,c\n")], Err("1: line 1 has another header")),
        (&[Some("a,b\n"), Some("a\n")], Err("1: line 1 has another header")),
        (&[Some("a,b\n1,2\n1,2,3\n")], Err("0: line 3 has 3 columns instead of 2")),
    ];
    check(cases, |pieces| made(pieces, |pieces, out| rows::csv(0, pieces, out)));
}

#[test]
fn csv_is_sorted_by_value_and_equal_rows_keep_their_order() {
    let cases: &[Case<'_>] = &[
        (
            &[Some("y,x,n\n10,2,a\n9,30,b\n"), Some("y,x,n\n9,4,c\n-1,0,d\n9.0,4,e\n")],
            Ok("y,x,n\n-1,0,d\n9,4,c\n9.0,4,e\n9,30,b\n10,2,a\n"),
        ),
        (&[Some("k,v\nb,1\n,2\n7,3\na,4\n")], Ok("k,v\n7,3\n,2\na,4\nb,1\n")),
    ];
    check(cases, |pieces| made(pieces, |pieces, out| rows::csv(2, pieces, out)));
    // More columns than there are is all of them.
    let all = made(&[Some("a\n2\n1\n")], |pieces, out| rows::csv(9, pieces, out));
    assert_eq!(all.as_deref(), Ok("a\n1\n2\n"));
}

#[test]
fn sum_adds_the_numbers_of_equal_keys() {
    let cases: &[Case<'_>] = &[
        (&[], Ok("")),
        (&[None, Some("")], Ok("")),
        (&[Some("cells,3\n"), None, Some("cells,4\n")], Ok("cells,7\n")),
        (&[Some("b,1\na,1\nb,1\n"), Some("a,5\n")], Ok("a,6\nb,2\n")),
        (&[Some("word,n\nb,1\n"), Some("word,n\n"), Some("word,n\nb,2\n")], Ok("word,n\nb,3\n")),
        (&[Some("word,n\n")], Ok("word,n\n")),
        (&[Some("x,1,0.25\n"), Some("x,-3,0.5\n")], Ok("x,-2,0.75\n")),
        (&[Some("\"a,b\",1\n\"a\"\"\",2\n"), Some("\"a,b\",2\n")], Ok("\"a\"\"\",2\n\"a,b\",3\n")),
        (&[Some("Z,1\na,1\n\u{e9},1\nA,1\n")], Ok("A,1\nZ,1\na,1\n\u{e9},1\n")),
        (
            &[Some("n,170141183460469231731687303715884105727\n"), Some("n,1\n")],
            Err("1: line 1 has a number that makes the sum too large"),
        ),
        (&[Some("a,1\n"), Some("a,1\nb,x\n")], Err("1: line 2 has no key followed by numbers")),
        (&[Some("a,1\nb\n")], Err("0: line 2 has 1 columns instead of 2")),
        (&[Some("a,1\n"), Some("a,1,2\n")], Err("1: line 1 has 3 columns instead of 2")),
        (
            &[Some("word,n\n"), Some("a,1\n")],
            Err("1: line 1 has a header unlike the other chunks'"),
        ),
        (&[Some("a,1\n"), Some("a,NaN\n")], Err("1: line 1 has a header unlike the other chunks'")),
    ];
    check(cases, |pieces| made(pieces, rows::sum));
}

#[test]
fn mean_is_over_all_rows_of_a_key() {
    let cases: &[Case<'_>] = &[
        (&[], Ok("")),
        (&[Some("a,1\na,2\nb,5\n"), None, Some("a,6\n")], Ok("a,3\nb,5\n")),
        (
            &[Some("k,x,y\na,1,0.5\n"), Some("k,x,y\na,2,0.5\na,2,-0.25\n")],
            Ok("k,x,y\na,1.666666666667,0.25\n"),
        ),
        (&[Some("a,1\n"), Some("a,one\n")], Err("1: line 1 has a header unlike the other chunks'")),
        (&[Some("a,1\na,one\n")], Err("0: line 2 has no key followed by numbers")),
    ];
    check(cases, |pieces| made(pieces, rows::mean));
}

#[test]
fn json_values_are_the_elements_of_one_array() {
    let cases: &[Case<'_>] = &[
        (&[], Ok("[]\n")),
        (&[None, Some(" \n")], Ok("[]\n")),
        (
            &[Some("{\"a\": 1.50}"), Some("1e400\n\"x\"\n"), None, Some("[\n1]")],
            Ok("[\n{\"a\": 1.50},\n1e400,\n\"x\",\n[\n1]\n]\n"),
        ),
        (
            &[Some("1\n"), Some("2\n{\"a\":\n")],
            Err(
                "1: it wrote something that is not JSON: EOF while parsing a value at line 3 column 0",
            ),
        ),
        (
            &[Some("done: 7\n")],
            Err("0: it wrote something that is not JSON: expected value at line 1 column 1"),
        ),
    ];
    check(cases, |pieces| made(pieces, json::array));
}

#[test]
fn zip_names_entries_by_chunk_and_is_the_same_every_time() {
    let pack = || {
        let pieces = (0..12).map(|n| (n % 5 != 1).then(|| vec![n; 1000]));
        let mut out = Vec::new();
        archive::zip("sub/out.bin", 12, &mut pieces.map(|piece| -> Piece { Ok(piece) }), &mut out)
            .unwrap();
        out
    };
    let bytes = pack();
    assert_eq!(bytes, pack());
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    let expected = [0, 2, 3, 4, 5, 7, 8, 9, 10].map(|n| format!("{n:02}-out.bin"));
    assert_eq!(names, expected);
    let mut content = Vec::new();
    zip.by_name("10-out.bin").unwrap().read_to_end(&mut content).unwrap();
    assert_eq!(content, [10; 1000]);
}

#[test]
fn zip_of_standard_output_says_so() {
    let mut out = Vec::new();
    archive::zip("", 1, &mut std::iter::once(Ok(Some(b"x".to_vec()))), &mut out).unwrap();
    let zip = zip::ZipArchive::new(Cursor::new(out)).unwrap();
    assert_eq!(zip.name_for_index(0).unwrap().unwrap(), "0-stdout");
}
