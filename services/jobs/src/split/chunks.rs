//! What chunks get, said as shortly as it can be. Pure.
//!
//! A million chunks are one rule in a few bytes, or one number each: 4.25 bytes in memory. Only
//! files are listed one by one. In JSON a list is an array and a rule is an object, so a plan that
//! was written as a list is the same bytes when it is written again.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::plan::ChunkInput;

/// The begin of each so many ranges is kept, so that a range is found by adding few lengths.
const MARK_EVERY: usize = 32;

/// What the chunks of a plan get, in chunk order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ChunkInputs {
    /// One by one.
    List(Vec<ChunkInput>),
    /// By a rule.
    Rule(Rule),
}

/// A rule by which chunks follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// Equal steps through the bytes of the input.
    Bytes(Steps),
    /// Equal steps through numbers.
    Seeds(Steps),
    /// Equal steps through the combinations of the plan's parameters.
    Grid(Steps),
    /// Byte ranges of the input, one after the other.
    Ranges(Ranges),
    /// Parts of the plan's picture, row by row.
    Tiles(Tiles),
}

/// Equal steps; the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Where the first begins.
    pub from: u64,
    /// Where the last ends.
    pub to: u64,
    /// At least 1.
    pub step: u64,
}

/// The size of tiles. Cores partition the picture; a tile is its core with the overlap around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// Of a core, in pixels.
    pub width: u32,
    /// Of a core, in pixels.
    pub height: u32,
    /// On each side, in pixels.
    pub overlap: u32,
}

/// Byte ranges that follow each other without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Ranges {
    /// Where the first begins.
    start: u64,
    /// Bytes of each.
    lens: Vec<u32>,
    /// Where each 32nd begins.
    #[serde(skip)]
    marks: Vec<u64>,
}

/// Ranges as they stand in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    start: u64,
    lens: Vec<u32>,
}

impl Steps {
    /// How many there are.
    pub(super) const fn count(self) -> u64 {
        let step = if self.step == 0 { 1 } else { self.step };
        self.to.saturating_sub(self.from).div_ceil(step)
    }

    /// Begin and length of one.
    pub(super) fn get(self, index: u64) -> Option<(u64, u64)> {
        let step = self.step.max(1);
        let at = self.from.checked_add(index.checked_mul(step)?)?;
        let left = self.to.checked_sub(at).filter(|left| *left > 0)?;
        Some((at, step.min(left)))
    }
}

impl Ranges {
    /// From `start` on, of these lengths.
    pub(super) fn new(start: u64, mut lens: Vec<u32>) -> Self {
        lens.shrink_to_fit();
        let mut at = start;
        let mut marks = Vec::with_capacity(lens.len().div_ceil(MARK_EVERY));
        for part in lens.chunks(MARK_EVERY) {
            marks.push(at);
            at = at.saturating_add(sum(part));
        }
        Self { start, lens, marks }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.lens.len()).unwrap_or(u64::MAX)
    }

    /// The length of each.
    pub(super) fn lens(&self) -> impl Iterator<Item = u64> {
        self.lens.iter().map(|len| u64::from(*len))
    }

    /// Begin and length of one.
    pub(super) fn get(&self, index: u64) -> Option<(u64, u64)> {
        let index = usize::try_from(index).ok()?;
        let len = u64::from(*self.lens.get(index)?);
        let mark = index.checked_div(MARK_EVERY)?;
        let before = self.lens.get(mark.checked_mul(MARK_EVERY)?..index)?;
        Some((self.marks.get(mark)?.saturating_add(sum(before)), len))
    }
}

fn sum(lens: &[u32]) -> u64 {
    lens.iter().map(|len| u64::from(*len)).fold(0, u64::saturating_add)
}

impl From<Written> for Ranges {
    fn from(written: Written) -> Self {
        Self::new(written.start, written.lens)
    }
}

impl<'de> Deserialize<'de> for ChunkInputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListOrRule)
    }
}

/// Tells them apart without keeping a million numbers aside first.
struct ListOrRule;

impl<'de> Visitor<'de> for ListOrRule {
    type Value = ChunkInputs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of chunks, or the rule that makes them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ChunkInputs, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(ChunkInputs::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, rule: A) -> Result<ChunkInputs, A::Error> {
        Rule::deserialize(MapAccessDeserializer::new(rule)).map(ChunkInputs::Rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_equal_and_the_last_is_shorter() {
        let all = |from, to, step| -> Vec<(u64, u64)> {
            let steps = Steps { from, to, step };
            let found: Vec<_> = (0..steps.count()).filter_map(|n| steps.get(n)).collect();
            assert_eq!(u64::try_from(found.len()).unwrap(), steps.count());
            assert_eq!(steps.get(steps.count()), None);
            found
        };
        assert_eq!(all(0, 10, 4), [(0, 4), (4, 4), (8, 2)]);
        assert_eq!(all(5, 12, 3), [(5, 3), (8, 3), (11, 1)]);
        assert_eq!(all(u64::MAX - 1, u64::MAX, 7), [(u64::MAX - 1, 1)]);
        assert_eq!(all(3, 3, 1), []);
        let endless = Steps { from: 0, to: u64::MAX, step: 1 };
        assert_eq!((endless.count(), endless.get(u64::MAX)), (u64::MAX, None));
    }

    #[test]
    fn each_range_begins_where_the_one_before_ends() {
        for count in [0, 1, 31, 32, 33, 64, 100] {
            let lens: Vec<u32> = (1..=count).collect();
            let ranges = Ranges::new(7, lens.clone());
            let mut at = 7;
            for (index, len) in (0..).zip(&lens) {
                assert_eq!(ranges.get(index), Some((at, u64::from(*len))), "{index} of {count}");
                at += u64::from(*len);
            }
            assert_eq!(ranges.get(u64::from(count)), None);
            assert_eq!(ranges.count(), u64::from(count));
        }
    }

    #[test]
    fn a_rule_is_an_object_and_a_list_an_array() {
        let ranges = Rule::Ranges(Ranges::new(3, vec![4, 5]));
        let tiles = Rule::Tiles(Tiles { width: 8, height: 9, overlap: 1 });
        let bytes = Rule::Bytes(Steps { from: 0, to: 10, step: 4 });
        let list = vec![ChunkInput::Seeds { first: 1, count: 2 }];
        for (chunks, json) in [
            (ChunkInputs::Rule(ranges), r#"{"ranges":{"start":3,"lens":[4,5]}}"#),
            (ChunkInputs::Rule(tiles), r#"{"tiles":{"width":8,"height":9,"overlap":1}}"#),
            (ChunkInputs::Rule(bytes), r#"{"bytes":{"from":0,"to":10,"step":4}}"#),
            (ChunkInputs::List(list), r#"[{"seeds":{"first":1,"count":2}}]"#),
        ] {
            assert_eq!(serde_json::to_string(&chunks).unwrap(), json);
            assert_eq!(serde_json::from_str::<ChunkInputs>(json).unwrap(), chunks);
        }
        for json in ["7", "{}", r#"{"other":1}"#, r#"{"ranges":{"start":3,"lens":[-1]}}"#] {
            assert!(serde_json::from_str::<ChunkInputs>(json).is_err(), "{json}");
        }
    }
}
