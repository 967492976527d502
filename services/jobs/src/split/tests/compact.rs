//! A plan by a rule is the plan that a list would be, plans that were written as lists stay what
//! they were, and a million chunks are planned quickly.

use std::time::{Duration, Instant};

use medusa_api::{Size, Split};
use medusa_types::Sha256Hash;
use proptest::prelude::*;

use super::Store;
use crate::split::cut::{Items, Lines, pack};
use crate::split::json::{JsonLines, by_grid, grid_lines, read_grid};
use crate::split::table::Rows;
use crate::split::{CHUNKS_MAX, ChunkInput, ChunkInputs, Picture, Plan, Rule, Steps, Tiles, plan};

/// However it is asked, the plan says the same as the list, also after it was written and read.
fn same(plan: &Plan, list: Vec<ChunkInput>) {
    let json = serde_json::to_vec(plan).unwrap();
    let read: Plan = serde_json::from_slice(&json).unwrap();
    assert_eq!(&read, plan);
    let listed = Plan { chunks: ChunkInputs::List(list.clone()), ..plan.clone() };
    for plan in [plan, &read] {
        assert_eq!(plan.count(), listed.count());
        assert_eq!(plan.iter().collect::<Vec<_>>(), list);
        for (index, chunk) in (0_u32..).zip(&list) {
            assert_eq!(plan.get(index.into()).as_ref(), Some(chunk), "chunk {index}");
            assert_eq!(plan.bytes_of_chunk(index), listed.bytes_of_chunk(index), "chunk {index}");
        }
        assert_eq!(plan.get(plan.count()), None);
        assert_eq!(plan.measure().ok(), listed.measure().ok());
    }
}

/// Steps from `from` to `to`, one after the other.
fn walk(from: u64, to: u64, step: u64) -> Vec<(u64, u64)> {
    let (mut at, mut steps) = (from, Vec::new());
    while at < to {
        steps.push((at, step.min(to - at)));
        at += step;
    }
    steps
}

fn ranges(steps: Vec<(u64, u64)>) -> Vec<ChunkInput> {
    steps.into_iter().map(|(offset, len)| ChunkInput::Range { offset, len }).collect()
}

/// Chunks of so many items, whose lengths are these.
fn packed(start: u64, items: &[usize], count: usize) -> Vec<ChunkInput> {
    let mut offset = start;
    let chunk = |items: &[usize]| {
        let len = u64::try_from(items.iter().sum::<usize>()).unwrap();
        let range = ChunkInput::Range { offset, len };
        offset += len;
        range
    };
    items.chunks(count).map(chunk).collect()
}

fn by_items(items: &mut dyn Items, header: Option<u64>, count: usize) -> Plan {
    let size = Size::Count(u64::try_from(count).unwrap());
    let ranges = pack(items, header.unwrap_or_default(), size).unwrap();
    Plan { header, ..Plan::by(Rule::Ranges(ranges)) }
}

fn tile(picture: &Picture, tiles: Tiles, core_x: u32, core_y: u32) -> ChunkInput {
    let (right, lower) =
        ((core_x + tiles.width).min(picture.width), (core_y + tiles.height).min(picture.height));
    let (x, y) = (core_x.saturating_sub(tiles.overlap), core_y.saturating_sub(tiles.overlap));
    ChunkInput::Tile {
        x,
        y,
        width: (right + tiles.overlap).min(picture.width) - x,
        height: (lower + tiles.overlap).min(picture.height) - y,
        core_x,
        core_y,
        core_width: right - core_x,
        core_height: lower - core_y,
    }
}

proptest! {
    #[test]
    fn bytes_and_numbers(from in 0_u64..2_000, len in 1_u64..500, step in 1_u64..40) {
        let steps = Steps { from, to: from + len, step };
        same(&Plan::by(Rule::Bytes(steps)), ranges(walk(from, from + len, step)));
        let seeds = walk(from, from + len, step).into_iter();
        let seeds = seeds.map(|(first, count)| ChunkInput::Seeds { first, count }).collect();
        same(&Plan::by(Rule::Seeds(steps)), seeds);
    }

    #[test]
    fn lines(lines in prop::collection::vec("[ab]{0,9}\n", 0..150), count in 1_usize..4) {
        let text = lines.concat();
        let lens: Vec<usize> = lines.iter().map(String::len).collect();
        let plan = by_items(&mut Lines(text.as_bytes()), None, count);
        same(&plan, packed(0, &lens, count));
    }

    #[test]
    fn rows(rows in prop::collection::vec("[ab],(\"[\n,]\")?\n", 2..150), count in 1_usize..4) {
        let text = rows.concat();
        let mut items = Rows::new(text.as_bytes());
        let header = items.header().unwrap();
        let lens: Vec<usize> = rows.iter().skip(1).map(String::len).collect();
        same(&by_items(&mut items, Some(header), count), packed(header, &lens, count));
    }

    #[test]
    fn json_lines(values in prop::collection::vec("[1-9]{1,4}\n", 1..150), count in 1_usize..4) {
        let text = values.concat();
        let lens: Vec<usize> = values.iter().map(String::len).collect();
        let plan = by_items(&mut JsonLines::new(text.as_bytes()), None, count);
        same(&plan, packed(0, &lens, count));
    }

    #[test]
    fn combinations(
        axes in prop::collection::vec(prop::collection::vec(0_u32..20_000, 1..6), 1..4),
        per_chunk in 1_u64..9,
    ) {
        let members = axes.iter().enumerate();
        let members: Vec<String> = members.map(|(n, axis)| format!("\"p{n}\":{axis:?}")).collect();
        let grid = read_grid(format!("{{{}}}", members.join(",")).as_bytes()).unwrap();
        let all = axes.iter().map(|axis| u64::try_from(axis.len()).unwrap()).product();
        let chunk = |(first, count)| {
            let len = u64::try_from(grid_lines(&grid, first, count).len()).unwrap();
            ChunkInput::Grid { first, count, len }
        };
        let list = walk(0, all, per_chunk).into_iter().map(chunk).collect();
        let steps = by_grid(&grid, per_chunk).unwrap();
        same(&Plan { grid: grid.clone(), ..Plan::by(Rule::Grid(steps)) }, list);
    }

    #[test]
    fn tiles(
        size in (1_u32..90, 1_u32..90),
        step in (1_u32..40, 1_u32..40),
        overlap in 0_u32..20,
    ) {
        let picture = Picture { width: size.0, height: size.1, grey: Sha256Hash([0; 32]) };
        let tiles = Tiles { width: step.0, height: step.1, overlap };
        let starts = |size: u32, step: u32| (0..size).filter(move |at| at.is_multiple_of(step));
        let list = starts(size.1, step.1)
            .flat_map(|y| starts(size.0, step.0).map(move |x| (x, y)))
            .map(|(x, y)| tile(&picture, tiles, x, y))
            .collect();
        same(&Plan { picture: Some(picture), ..Plan::by(Rule::Tiles(tiles)) }, list);
    }
}

#[test]
fn a_plan_that_was_written_as_a_list_is_read_and_is_the_same_bytes_again() {
    let hash = "ab".repeat(32);
    for json in [
        r#"{"chunks":[{"seeds":{"first":1,"count":2}}],"picture":null}"#.to_owned(),
        r#"{"chunks":[{"range":{"offset":4,"len":9}},{"range":{"offset":13,"len":1}}],"picture":null,"header":4}"#
            .to_owned(),
        r#"{"chunks":[{"grid":{"first":0,"count":1,"len":8}}],"picture":null,"grid":[{"name":"a","values":["1"]}]}"#
            .to_owned(),
        format!(
            r#"{{"chunks":[{{"file":{{"name":"a","sha256":"{hash}","size":3}}}},{{"files":{{"files":[{{"name":"b","sha256":"{hash}","size":1}}]}}}}],"picture":null}}"#
        ),
        format!(
            r#"{{"chunks":[{{"tile":{{"x":0,"y":0,"width":9,"height":8,"core_x":0,"core_y":0,"core_width":7,"core_height":6}}}}],"picture":{{"width":7,"height":6,"grey":"{hash}"}}}}"#
        ),
    ] {
        let plan: Plan = serde_json::from_str(&json).unwrap();
        assert!(matches!(plan.chunks, ChunkInputs::List(_)), "{json}");
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
        // As the database gives it back, with its keys in another order.
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let plan: Plan = serde_json::from_value(value).unwrap();
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    }
}

/// Much longer than it takes, and much shorter than with a list.
const LIMIT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_million_chunks_are_planned_quickly_and_said_shortly() {
    let store = Store::new();
    let count = u64::from(CHUNKS_MAX);
    let lines: String = (0..count).map(|n| format!("{n}\n")).collect();
    let one = Size::Count(1);
    for (split, input, bytes_max) in [
        (Split::Range { from: 0, to: count, step: one }, None, 100),
        (Split::Bytes { bytes: 7 }, Some(lines.as_bytes()), 100),
        (Split::Lines { lines: one }, Some(lines.as_bytes()), 2_000_100),
    ] {
        let input = match input {
            Some(bytes) => Some(store.put(bytes).await),
            None => None,
        };
        let began = Instant::now();
        let planned = plan(&store.blobs, &split, input).await.unwrap();
        let read: Plan = serde_json::from_slice(&planned.json).unwrap();
        let took = began.elapsed();
        assert!(took < LIMIT, "{split:?} took {took:?}");
        assert!(planned.json.len() < bytes_max, "{split:?}: {} bytes", planned.json.len());
        assert!((900_000..=count).contains(&planned.plan.count()), "{split:?}");
        assert_eq!(read, *planned.plan);
        assert_eq!(planned.sha256, Sha256Hash::of(&planned.json));
        println!("{split:?}: {took:?}, {} bytes", planned.json.len());
    }
}
