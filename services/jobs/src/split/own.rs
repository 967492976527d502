//! The splitter `program`: what a program of the consumer's own wrote, as a plan. Pure.
//!
//! What it wrote is hostile: every name, place and length is checked against what is there. The
//! chunks are ranges of the input, or of the bundle of files that it wrote, which is stored once.

use medusa_types::{Bundle, Sha256Hash};
use serde::Deserialize;

use super::chunks::{ChunkInputs, Ranges, Rule};
use super::describe::grouped;
use super::error::SplitError;
use super::json::without_line;
use super::name;
use super::plan::{CHUNKS_MAX, ChunkInput, Pieces, Plan};

/// Chunks that have names, or bytes between them that no chunk has.
const LISTED_MAX: usize = 100_000;
/// The most bytes of a line about a chunk.
const LINE_BYTES_MAX: usize = 4_096;
/// The most bytes of a name that a line gives.
const NAME_BYTES_MAX: usize = 255;

/// A line of standard output: bytes of the input that are a chunk.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    offset: u64,
    length: u64,
    name: Option<Box<str>>,
}

/// The plan that a splitter's output stands for, beside an input of so many bytes.
pub(super) fn plan(output: &[u8], input: Option<u64>) -> Result<Plan, SplitError> {
    let places = Bundle::places(output).map_err(|error| refused(error.to_string()))?;
    let mut stdout: &[u8] = &[];
    let mut files = Vec::new();
    for (name, place) in places {
        if name.is_empty() {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            stdout = output.get(at(place.start)..at(place.end)).unwrap_or_default();
        } else {
            files.push((name, place.start, place.end.saturating_sub(place.start)));
        }
    }
    match (files.is_empty(), stdout.is_empty()) {
        (true, true) => Err(refused(
            "it wrote nothing: write a file for each chunk to /out, or a JSON line for each to \
             standard output",
        )),
        (false, false) => Err(refused(
            "it wrote files to /out and lines to standard output: write one of both, and what is \
             for people to standard error",
        )),
        (false, true) => of_files(output, files),
        (true, false) => of_lines(stdout, input),
    }
}

/// Each file is a chunk, in the order of their names.
fn of_files(output: &[u8], files: Vec<(String, u64, u64)>) -> Result<Plan, SplitError> {
    let mut chunks = Vec::with_capacity(files.len());
    for (raw, offset, len) in files {
        let name =
            name::plain(&raw).map_err(|why| refused(format!("file {:?}: {why}", shown(&raw))))?;
        if len == 0 {
            return Err(refused(format!(
                "file {:?} is empty: a chunk has at least 1 byte",
                shown(&raw)
            )));
        }
        chunks.push(ChunkInput::Piece { name, offset, len });
    }
    let size = u64::try_from(output.len()).unwrap_or(u64::MAX);
    let pieces = Pieces { sha256: Sha256Hash::of(output), size };
    Ok(Plan { pieces: Some(pieces), ..Plan::of(chunks) })
}

/// Each line is a chunk: so many bytes of the input.
fn of_lines(stdout: &[u8], input: Option<u64>) -> Result<Plan, SplitError> {
    let Some(size) = input else {
        return Err(refused(
            "it wrote lines about an input, and the job has none: give one, or write files to /out",
        ));
    };
    let stdout = stdout.strip_suffix(b"\n").unwrap_or(stdout);
    let mut lines: Vec<Line> = Vec::new();
    let mut end = None;
    for (text, number) in stdout.split(|byte| *byte == b'\n').zip(1_u32..) {
        if number > CHUNKS_MAX {
            return Err(SplitError::TooManyChunks);
        }
        let line = read(text, end, size).map_err(|why| refused(format!("line {number}: {why}")))?;
        end = line.offset.checked_add(line.length);
        lines.push(line);
    }
    match in_a_row(&lines) {
        Some(ranges) => Ok(Plan::by(Rule::Ranges(ranges))),
        None if lines.len() > LISTED_MAX => Err(refused(format!(
            "it wrote {} lines, and {} is the most where chunks have names or leave bytes out: \
             make each chunk larger, or let each begin where the one before ends, without a name",
            grouped(lines.len()),
            grouped(LISTED_MAX)
        ))),
        None => Ok(Plan { chunks: ChunkInputs::List(listed(lines)), ..Plan::of(Vec::new()) }),
    }
}

/// A line that fits to the end of the one before and to the input.
fn read(text: &[u8], before: Option<u64>, size: u64) -> Result<Line, String> {
    if text.len() > LINE_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", grouped(LINE_BYTES_MAX)));
    }
    let line: Line = serde_json::from_slice(text).map_err(|error| {
        let wanted = r#"{"offset": 0, "length": 10}"#;
        format!("it is not like {wanted}: {}", without_line(&error))
    })?;
    let Line { offset, length, .. } = line;
    if length == 0 {
        return Err("its length is 0: a chunk has at least 1 byte".into());
    }
    if let Some(before) = before.filter(|before| offset < *before) {
        return Err(format!(
            "it begins at byte {offset}, and the chunk before ends at {before}: ranges rise and do \
             not overlap; where chunks share bytes, write them as files to /out"
        ));
    }
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(format!("{length} bytes from {offset} on are beyond the input's end, {size}"));
    }
    if let Some(name) = &line.name {
        let plain = name::plain(name).map_err(|why| why.to_string())?;
        if plain != **name || name.contains('/') || name.len() > NAME_BYTES_MAX {
            return Err("its name is no plain file name of at most 255 bytes, like a.txt".into());
        }
    }
    Ok(line)
}

/// Ranges without names that follow each other: the short form of a plan.
fn in_a_row(lines: &[Line]) -> Option<Ranges> {
    let start = lines.first()?.offset;
    let (mut at, mut lens) = (start, Vec::with_capacity(lines.len()));
    for line in lines {
        if line.name.is_some() || line.offset != at {
            return None;
        }
        lens.push(u32::try_from(line.length).ok()?);
        at = at.checked_add(line.length)?;
    }
    Some(Ranges::new(start, lens))
}

fn listed(lines: Vec<Line>) -> Vec<ChunkInput> {
    let chunk = |Line { offset, length: len, name }| match name {
        Some(name) => ChunkInput::Piece { name: name.into(), offset, len },
        None => ChunkInput::Range { offset, len },
    };
    lines.into_iter().map(chunk).collect()
}

fn refused(why: impl Into<String>) -> SplitError {
    SplitError::Splitter(why.into())
}

/// The begin of a name, for a message.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
