//! The small languages of option values: splits, merges and durations.
//!
//! A split and a merge are written as `key=value` pairs, and read through the same JSON shapes as
//! a job file, so that the two can never differ in what they accept.

use std::time::Duration;

use medusa_api::{ChunkState, MergeRule, Priority, Split};
use medusa_types::Credits;
use serde_json::{Map, Value};

/// Reads a split like `by=tiles,width=128,height=128,overlap=48` or `by=csv_rows,seconds=10`.
pub(crate) fn split(text: &str) -> Result<Split, String> {
    let mut pairs = pairs(text, &["by", "program"])?;
    if !pairs.contains_key("by") {
        return Err(
            "say how: by=lines, csv_rows, jsonl, bytes, files, tiles, grid, range or program"
                .into(),
        );
    }
    // A job file says `"size": {"seconds": 10}`; one splitter has a number of that name itself.
    let units = ["count", "bytes", "seconds"];
    let by_bytes = pairs.get("by").is_some_and(|by| by == "bytes");
    for unit in units.into_iter().filter(|unit| !(by_bytes && *unit == "bytes")) {
        let size = pairs.remove(unit).map(|n| Value::Object(Map::from_iter([(unit.into(), n)])));
        if let Some(size) = size
            && pairs.insert("size".into(), size).is_some()
        {
            return Err("give one size: count, bytes or seconds".into());
        }
    }
    serde_json::from_value(Value::Object(pairs)).map_err(|e| e.to_string())
}

/// Reads a merge like `file=cells.csv,how=csv,sort=2,to=cells.csv`.
pub(crate) fn merge(text: &str) -> Result<MergeRule, String> {
    let mut pairs = pairs(text, &["file", "how", "to"])?;
    if !pairs.contains_key("how") {
        return Err("say how: how=concat, zip, csv, sum, mean, json or tiles".into());
    }
    pairs.entry("file").or_insert_with(|| Value::String(String::new()));
    serde_json::from_value(Value::Object(pairs)).map_err(|e| e.to_string())
}

/// Values of the keys in `words` are text, all others are whole numbers.
fn pairs(text: &str, words: &[&str]) -> Result<Map<String, Value>, String> {
    let mut pairs = Map::new();
    for pair in text.split(',') {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| format!("{pair:?} is not of the form key=value"))?;
        let value = if words.contains(&key) {
            Value::String(value.to_owned())
        } else {
            let number: Result<u64, _> = value.parse();
            number.map(Value::from).map_err(|e| format!("{key} is a whole number: {e}"))?
        };
        if pairs.insert(key.to_owned(), value).is_some() {
            return Err(format!("{key} is given twice"));
        }
    }
    Ok(pairs)
}

/// The state of a chunk by its word.
pub(crate) fn chunk_state(text: &str) -> Result<ChunkState, String> {
    let words = ChunkState::ALL.map(ChunkState::as_str);
    let found = ChunkState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| format!("a chunk is one of {}", words.join(", ")))
}

/// Reads a priority: `economy`, `standard` or `urgent`.
pub(crate) fn priority(text: &str) -> Result<Priority, String> {
    let read = serde_json::from_value(Value::String(text.to_owned()));
    read.map_err(|_| "say economy, standard or urgent".into())
}

/// Reads an amount to add, like `+2.5`. Without its sign it could be meant as the whole budget.
pub(crate) fn more(text: &str) -> Result<Credits, String> {
    let number = text.strip_prefix('+');
    let amount: Credits = number.unwrap_or(text).parse().map_err(|e| format!("{e}"))?;
    match number {
        _ if !amount.is_positive() => Err("it is more than nothing, like +2.5".into()),
        None => Err(format!("write +{text}: so much more is held")),
        Some(_) => Ok(amount),
    }
}

/// Reads a duration like `30`, `30s`, `5m` or `2h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    match seconds {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("a time is a whole number with s, m or h, like 30s".into()),
    }
}

#[cfg(test)]
mod tests {
    use medusa_api::{MergeHow, Size};

    use super::*;

    #[test]
    fn splits_are_read() {
        for (text, expected) in [
            ("by=lines,lines=1000", Split::Lines { lines: Size::Count(1000) }),
            ("by=bytes,bytes=1", Split::Bytes { bytes: 1 }),
            ("by=lines,bytes=9", Split::Lines { lines: Size::Bytes(9) }),
            ("by=csv_rows,seconds=10", Split::CsvRows { size: Size::Seconds(10) }),
            ("by=jsonl,size=5", Split::Jsonl { size: Size::Count(5) }),
            ("by=grid,per_chunk=2", Split::Grid { per_chunk: 2 }),
            ("by=files,group=3", Split::Files { group: 3 }),
            ("by=files", Split::Files { group: 1 }),
            (
                "by=program,program=prg_00000000000000000000000000000000",
                Split::Program {
                    program: medusa_types::ProgramId(medusa_types::Uuid::nil()),
                    args: Vec::new(),
                    module: None,
                },
            ),
            (
                "by=tiles,width=128,height=64,overlap=48",
                Split::Tiles { width: 128, height: 64, overlap: 48 },
            ),
            (
                "overlap=0,by=tiles,height=2,width=1",
                Split::Tiles { width: 1, height: 2, overlap: 0 },
            ),
            (
                "by=range,from=0,to=64,step=2",
                Split::Range { from: 0, to: 64, step: Size::Count(2) },
            ),
        ] {
            assert_eq!(split(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_splits_say_what_is_wrong() {
        for (text, part) in [
            ("", "not of the form key=value"),
            ("tiles", "not of the form key=value"),
            ("lines=10", "say how"),
            ("by=rows", "unknown variant"),
            ("by=lines", "missing field `lines`"),
            ("by=lines,lines=ten", "lines is a whole number"),
            ("by=lines,lines=-1", "lines is a whole number"),
            ("by=lines,lines=1,lines=2", "given twice"),
            ("by=lines,lines=1,bytes=2", "duplicate field"),
            ("by=lines,count=1,seconds=2", "give one size"),
            ("by=files,seconds=2", "unknown field"),
            ("by=tiles,width=99999999999,height=1,overlap=1", "invalid value"),
        ] {
            let error = split(text).expect_err(text);
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn merges_are_read() {
        let rule = |file: &str, how, sort, to: &str| MergeRule {
            file: file.into(),
            how,
            sort,
            to: to.into(),
        };
        for (text, expected) in [
            ("file=a.csv,how=csv,sort=2,to=b.csv", rule("a.csv", MergeHow::Csv, 2, "b.csv")),
            ("how=sum,to=counts", rule("", MergeHow::Sum, 0, "counts")),
            ("to=x,how=zip,file=", rule("", MergeHow::Zip, 0, "x")),
            ("file=p.ppm,how=tiles,to=p.png", rule("p.ppm", MergeHow::Tiles, 0, "p.png")),
        ] {
            assert_eq!(merge(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_merges_say_what_is_wrong() {
        for (text, part) in [
            ("to=x", "say how"),
            ("how=sum", "missing field `to`"),
            ("how=add,to=x", "unknown variant"),
            ("how=csv,to=x,sort=two", "sort is a whole number"),
            ("how=sum,to=x,by=tiles", "by is a whole number"),
        ] {
            let error = merge(text).expect_err(text);
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn an_amount_to_add_has_its_sign() {
        assert_eq!(more("+0.001"), Ok(Credits::from_micros(1_000)));
        for (text, part) in [
            ("0.001", "write +0.001: so much more is held"),
            ("+0", "more than nothing"),
            ("-1", "more than nothing"),
            ("much", ""),
        ] {
            let error = more(text).expect_err(text);
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [("30", 30), ("30s", 30), ("5m", 300), ("2h", 7200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "s", "1.5m", "-1", "5d", "99999999999999999999", "9999999999999999h"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
