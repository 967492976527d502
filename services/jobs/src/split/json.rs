//! JSON lines, and the small JSON object that a parameter grid is. Pure but for the reader.

use std::fmt;
use std::io::{BufRead, Read as _};

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Serialize, de::Error as _};
use serde_json::value::RawValue;

use super::chunks::Steps;
use super::cut::{ItemError, Items};
use super::describe::grouped;

/// The most bytes of one JSON line.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most bytes of a grid's description.
pub(super) const GRID_BYTES_MAX: u64 = 256 * 1024;

/// A longer value is not repeated to who wrote it.
const SHOWN_BYTES_MAX: usize = 40;

/// The most combinations of a grid.
const COMBINATIONS_MAX: u64 = 1_000_000;

/// Lines, each of which is one JSON value.
pub(super) struct JsonLines<R> {
    input: R,
    lines: u64,
    line: Vec<u8>,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, lines: 0, line: Vec::new() }
    }
}

impl<R: BufRead> Items for JsonLines<R> {
    fn next_len(&mut self) -> Result<Option<u64>, ItemError> {
        self.line.clear();
        let most = LINE_BYTES_MAX.saturating_add(1);
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        let len = u64::try_from(read).unwrap_or(u64::MAX);
        if len == 0 {
            return Ok(None);
        }
        self.lines = self.lines.saturating_add(1);
        let refused = |why: &str| ItemError::Refused(format!("line {}: {why}", self.lines));
        if len > LINE_BYTES_MAX {
            return Err(refused(&format!("it is longer than {LINE_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(&self.line).map_err(|_| refused("it is not UTF-8 text"))?;
        if text.trim_ascii().is_empty() {
            return Err(refused("it is empty: each line must be one JSON value"));
        }
        match serde_json::from_str::<IgnoredAny>(text.trim_ascii_end()) {
            Ok(_) => Ok(Some(len)),
            Err(error) => Err(refused(&format!("it is not JSON: {}", without_line(&error)))),
        }
    }
}

/// What a parser says, with the column but without the line, which is not that of the input.
pub(super) fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("{what} at column {}", error.column())
}

/// One parameter of a grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Its values as JSON text without line feeds, at least one.
    pub values: Vec<String>,
}

/// Reads `{"name": [value, …], …}`, keeping the order of names and the spelling of values.
pub(super) fn read_grid(text: &[u8]) -> Result<Vec<Axis>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let axes: Axes = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(axes.0)
}

/// So many combinations a chunk.
pub(super) fn by_grid(axes: &[Axis], per_chunk: u64) -> Result<Steps, String> {
    let all = combinations(axes).filter(|all| *all <= COMBINATIONS_MAX);
    let all = all.ok_or_else(|| {
        format!("it has more than {} combinations: list fewer values", grouped(COMBINATIONS_MAX))
    })?;
    Ok(Steps { from: 0, to: all, step: per_chunk.max(1) })
}

/// How many combinations the axes have; nothing where they are beyond counting.
pub(super) fn combinations(axes: &[Axis]) -> Option<u64> {
    axes.iter().try_fold(1_u64, |all, axis| all.checked_mul(axis.values.len().try_into().ok()?))
}

/// The combinations `first` to `first + count` as JSON lines. The last name varies fastest.
pub(super) fn grid_lines(axes: &[Axis], first: u64, count: u64) -> String {
    let mut lines = String::new();
    for index in first..first.saturating_add(count) {
        lines.push_str(&combination(axes, index));
        lines.push('\n');
    }
    lines
}

/// The values of one combination, in the order of the names.
fn values(axes: &[Axis], index: u64) -> Vec<&str> {
    let mut rest = index;
    let mut chosen = Vec::with_capacity(axes.len());
    for axis in axes.iter().rev() {
        let values = u64::try_from(axis.values.len()).unwrap_or(u64::MAX);
        let at = rest.checked_rem(values).and_then(|at| usize::try_from(at).ok());
        rest = rest.checked_div(values).unwrap_or_default();
        chosen.push(at.and_then(|at| axis.values.get(at)).map_or("null", String::as_str));
    }
    chosen.reverse();
    chosen
}

fn combination(axes: &[Axis], index: u64) -> String {
    let members = axes.iter().zip(values(axes, index));
    let members = members.map(|(axis, value)| format!("{}:{value}", quoted(&axis.name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// How long the lines of combinations are, without making them: what each value adds is counted,
/// not looked at line by line.
pub(super) struct LineLens {
    /// Bytes that every line has.
    fixed: u64,
    /// Of each name, the last first: bytes of the values before each of its values, and of all.
    before: Vec<Vec<u64>>,
}

impl LineLens {
    pub(super) fn of(axes: &[Axis]) -> Self {
        let long = |text: usize| u64::try_from(text).unwrap_or(u64::MAX);
        // A member has a colon, and a comma or the opening brace; then come brace and line feed.
        let names = axes.iter().map(|axis| long(quoted(&axis.name).len()).saturating_add(2));
        let before = axes.iter().rev().map(|axis| {
            let mut sum = 0_u64;
            let sums = axis.values.iter().map(|value| {
                sum = sum.saturating_add(long(value.len()));
                sum
            });
            std::iter::once(0).chain(sums).collect()
        });
        Self { fixed: names.fold(2, u64::saturating_add), before: before.collect() }
    }

    /// Bytes of so many lines from one on.
    pub(super) fn of_lines(&self, first: u64, count: u64) -> u64 {
        self.up_to(first.saturating_add(count)).saturating_sub(self.up_to(first))
    }

    /// Bytes of the first lines.
    fn up_to(&self, lines: u64) -> u64 {
        // Each value of a name stands in so many lines in a row, then comes the next value.
        let mut stride = 1_u64;
        let mut bytes = lines.saturating_mul(self.fixed);
        for before in &self.before {
            let values = u64::try_from(before.len()).unwrap_or(u64::MAX).saturating_sub(1);
            let round = stride.saturating_mul(values);
            let sum = |value: u64| {
                let at = usize::try_from(value).ok().and_then(|at| before.get(at));
                at.copied().unwrap_or_default()
            };
            let rounds = lines.checked_div(round).unwrap_or_default();
            let rest = lines.checked_rem(round).unwrap_or_default();
            let whole = rest.checked_div(stride).unwrap_or_default();
            let part = rest.checked_rem(stride).unwrap_or_default();
            let next = sum(whole.saturating_add(1)).saturating_sub(sum(whole));
            let all = rounds.saturating_mul(sum(values)).saturating_add(sum(whole));
            bytes = bytes.saturating_add(all.saturating_mul(stride));
            bytes = bytes.saturating_add(part.saturating_mul(next));
            stride = round;
        }
        bytes
    }
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

struct Axes(Vec<Axis>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AxesVisitor)
    }
}

struct AxesVisitor;

impl<'de> Visitor<'de> for AxesVisitor {
    type Value = Axes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names with lists of values, like {\"size\": [1, 2]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Axes, A::Error> {
        let mut axes: Vec<Axis> = Vec::new();
        while let Some((name, values)) = map.next_entry::<String, Box<RawValue>>()? {
            let values = list(&name, values.get()).map_err(A::Error::custom)?;
            if values.is_empty() {
                return Err(A::Error::custom(format!("{name:?} has no values")));
            }
            if axes.iter().any(|axis| axis.name == name) {
                return Err(A::Error::custom(format!("{name:?} is given twice")));
            }
            // Line feeds stand only between the parts of a value, never inside a JSON string.
            let values = values.iter().map(|value| value.get().replace(['\n', '\r'], " "));
            axes.push(Axis { name, values: values.collect() });
        }
        if axes.is_empty() {
            return Err(de::Error::custom("it names no parameter"));
        }
        Ok(Axes(axes))
    }
}

/// The values of a name, which stand in a list.
fn list(name: &str, text: &str) -> Result<Vec<Box<RawValue>>, String> {
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let shown = if text.len() > SHOWN_BYTES_MAX { "1, 2" } else { text };
    Err(format!("{name:?} has a value and no list of values: write a list, like [{shown}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Result<Vec<u64>, String> {
        let mut lines = JsonLines::new(text);
        let mut lens = Vec::new();
        loop {
            match lines.next_len() {
                Ok(Some(len)) => lens.push(len),
                Ok(None) => return Ok(lens),
                Err(ItemError::Refused(why)) => return Err(why),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn every_line_is_one_json_value() {
        assert_eq!(lines(b"{\"a\": 1}\n[]\r\n7"), Ok(vec![9, 4, 1]));
        assert_eq!(lines(b""), Ok(vec![]));
    }

    #[test]
    fn the_first_bad_line_is_named() {
        let deep = format!("1\n{}\n", "[".repeat(1000));
        for (text, expected) in [
            (&b"1\n{\"a\":}\n{\n"[..], "line 2: it is not JSON: expected value at column 6"),
            (b"1\n2 3\n", "line 2: it is not JSON: trailing characters at column 3"),
            (b"1\n\n2\n", "line 2: it is empty: each line must be one JSON value"),
            (b"1\n2\n \n", "line 3: it is empty: each line must be one JSON value"),
            (b"\"\xff\"\n", "line 1: it is not UTF-8 text"),
            (b"{\n", "line 1: it is not JSON: EOF while parsing an object at column 1"),
            (deep.as_bytes(), "line 2: it is not JSON: EOF while parsing a list at column 1000"),
        ] {
            assert_eq!(lines(text), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_grid_is_every_combination_in_order_and_as_written() {
        let axes =
            read_grid(b"{\"b\": [1, 2.50],\n \"a\\n\": [\"x\", null, {\n\"k\": 1e400}]}").unwrap();
        assert_eq!(combinations(&axes), Some(6));
        let expected = [
            r#"{"b":1,"a\n":"x"}"#,
            r#"{"b":1,"a\n":null}"#,
            r#"{"b":1,"a\n":{ "k": 1e400}}"#,
            r#"{"b":2.50,"a\n":"x"}"#,
            r#"{"b":2.50,"a\n":null}"#,
            r#"{"b":2.50,"a\n":{ "k": 1e400}}"#,
        ];
        assert_eq!(grid_lines(&axes, 0, 6), expected.join("\n") + "\n");
        assert_eq!(grid_lines(&axes, 2, 2), expected[2..4].join("\n") + "\n");
        assert_eq!(by_grid(&axes, 4).unwrap(), Steps { from: 0, to: 6, step: 4 });
        let lens = LineLens::of(&axes);
        for first in 0..6 {
            for count in 0..=6 - first {
                let lines = grid_lines(&axes, first, count);
                let len = u64::try_from(lines.len()).unwrap();
                assert_eq!(lens.of_lines(first, count), len, "{lines}");
            }
        }
    }

    #[test]
    fn what_is_no_grid_is_refused_in_words() {
        for (text, part) in [
            (&b""[..], "EOF"),
            (b"[1]", "an object of names with lists of values"),
            (b"{}", "it names no parameter"),
            (b"{\"a\": []}", "\"a\" has no values"),
            (b"{\"a\": 0.1}", "\"a\" has a value and no list of values: write a list, like [0.1]"),
            (b"{\"a\": \"x\"}", "write a list, like [\"x\"]"),
            (b"{\"a\": {\"long\": 1000000000000000000000000000000000}}", "a list, like [1, 2]"),
            (b"{\"a\": [1], \"a\": [2]}", "\"a\" is given twice"),
            (b"{\"a\": [1]} x", "trailing characters"),
            (b"\xff", "UTF-8"),
        ] {
            let error = read_grid(text).unwrap_err();
            assert!(error.contains(part), "{}: {error}", text.escape_ascii());
        }
        let wide = Axis { name: "a".into(), values: vec!["1".into(); 100_000] };
        assert_eq!(combinations(&vec![wide.clone(); 5]), None);
        for axes in [vec![wide.clone(); 5], vec![wide; 2]] {
            let why = by_grid(&axes, 1_000_000).unwrap_err();
            assert_eq!(why, "it has more than 1,000,000 combinations: list fewer values");
        }
    }
}
