//! What a job is made of: program arguments, splitter and merger. The same text is a file
//! `job.json` of an example, the body of a request, and part of the job's first event.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the input is cut into chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "by", deny_unknown_fields)]
pub enum Split {
    /// So many lines each; a chunk is a byte range of the input.
    Lines {
        /// Lines in a chunk, at least 1.
        lines: u64,
    },
    /// So many bytes each.
    Bytes {
        /// Bytes in a chunk, at least 1.
        bytes: u64,
    },
    /// One file of a zip or tar archive each: on standard input and under `/in`.
    Files {},
    /// Tiles of a grey PNG picture with overlap, as PGM on standard input.
    Tiles {
        /// Width of a tile's core in pixels.
        width: u32,
        /// Height of a tile's core in pixels.
        height: u32,
        /// Pixels that a tile sees beyond its core on each side.
        overlap: u32,
    },
    /// A range of whole numbers; standard input is `first count` and a line feed. Needs no input.
    Range {
        /// First number.
        from: u64,
        /// One past the last number.
        to: u64,
        /// Numbers in a chunk, at least 1.
        step: u64,
    },
}

/// How one result file comes from the chunks' files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeRule {
    /// The file that each chunk wrote to `/out`; empty means standard output.
    pub file: String,
    /// How.
    pub how: MergeHow,
    /// For `csv`: sort the rows numerically by so many leading columns; 0 keeps the chunks' order.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sort: u32,
    /// Name of the result file.
    pub to: String,
}

/// The ways to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MergeHow {
    /// One after the other, in chunk order.
    Concat,
    /// An archive with one file a chunk.
    Zip,
    /// CSV rows under one header.
    Csv,
    /// Rows `key,number…`: numbers of equal keys are added, keys come out sorted.
    Sum,
    /// PGM or PPM tiles stitched to one PNG picture. Only after `tiles`.
    Tiles,
}

/// Everything about a job that is not its program or input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What the consumer calls it, 1 to 100 characters.
    pub name: String,
    /// Arguments of the program.
    #[serde(default)]
    pub args: Vec<String>,
    /// The splitter.
    pub split: Split,
    /// The merger; empty concatenates standard output to `result`.
    #[serde(default)]
    pub merge: Vec<MergeRule>,
    /// Copies of each chunk on agents of different owners: 1 or 2.
    #[serde(default = "two")]
    pub copies: u32,
    /// Memory of one run in MiB; 0 means the default of 512.
    #[serde(default)]
    pub memory_mib: u32,
    /// Canonicalise NaN, so that different processors agree on its bits.
    #[serde(default)]
    pub strict: bool,
}

/// A spec that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// JSON pointer of the field.
    pub pointer: &'static str,
    /// What is wrong and what to do.
    pub message: &'static str,
}

const fn two() -> u32 {
    2
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl JobSpec {
    /// Memory of one run in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let mib = if self.memory_mib == 0 { 512 } else { self.memory_mib };
        u64::from(mib).saturating_mul(1024 * 1024)
    }

    /// Checks everything that can be checked without the program and the input.
    ///
    /// # Errors
    /// [`SpecError`] for each field that is out of its limits.
    pub fn check(&self) -> Result<(), Vec<SpecError>> {
        let name_ok = (1..=100).contains(&self.name.chars().count())
            && !self.name.chars().any(char::is_control);
        let args_ok = self.args.len() <= 100
            && self.args.iter().all(|a| a.len() <= 4096 && !a.contains('\0'));
        let split_ok = match self.split {
            Split::Lines { lines } => lines > 0,
            Split::Bytes { bytes } => bytes > 0,
            Split::Files {} => true,
            Split::Tiles { width, height, overlap } => {
                (16..=8192).contains(&width) && (16..=8192).contains(&height) && overlap <= 4096
            }
            Split::Range { from, to, step } => from < to && step > 0,
        };
        let names_ok = self.merge.iter().all(|rule| is_plain_name(&rule.to));
        let mut seen: Vec<&str> = self.merge.iter().map(|r| r.to.as_str()).collect();
        seen.sort_unstable();
        let distinct = seen.windows(2).all(|pair| pair.first() != pair.last());
        let tiles_ok = matches!(self.split, Split::Tiles { .. })
            || self.merge.iter().all(|r| r.how != MergeHow::Tiles);
        let problems: Vec<SpecError> = [
            (name_ok, "/name", "a name has 1 to 100 characters without control characters"),
            (args_ok, "/args", "at most 100 arguments of at most 4,096 bytes each, without NUL"),
            (split_ok, "/split", "sizes are at least 1 (tiles 16 to 8,192), and from is below to"),
            (self.merge.len() <= 20, "/merge", "at most 20 result files"),
            (
                names_ok && distinct,
                "/merge",
                "result files have different plain names, like out.csv",
            ),
            (tiles_ok, "/merge", "only a job split by tiles can be merged by tiles"),
            ((1..=2).contains(&self.copies), "/copies", "copies is 1 or 2"),
            (self.memory_mib <= 4096, "/memory_mib", "at most 4,096 MiB"),
        ]
        .into_iter()
        .filter(|(ok, _, _)| !ok)
        .map(|(_, pointer, message)| SpecError { pointer, message })
        .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

fn is_plain_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_reads_and_checks() {
        let text = r#"{"name":"Cells","split":{"by":"tiles","width":128,"height":128,"overlap":48},
            "merge":[{"file":"cells.csv","how":"csv","sort":2,"to":"cells.csv"}]}"#;
        let spec: JobSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec.check(), Ok(()));
        assert_eq!((spec.copies, spec.memory_bytes()), (2, 512 << 20));
    }

    #[test]
    fn each_bad_field_is_named() {
        let text = r#"{"name":"","copies":3,"split":{"by":"lines","lines":0},
            "merge":[{"file":"","how":"tiles","to":"../x"}]}"#;
        let spec: JobSpec = serde_json::from_str(text).unwrap();
        let pointers: Vec<_> = spec.check().unwrap_err().iter().map(|e| e.pointer).collect();
        assert_eq!(pointers, ["/name", "/split", "/merge", "/merge", "/copies"]);
    }
}
