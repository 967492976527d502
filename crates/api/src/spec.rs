//! What a job is made of: program arguments, splitter and merger. The same text is a file
//! `job.json` of an example, the body of a request, and part of the job's first event.

use medusa_types::ProgramId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::jobs::BlobInfo;
use crate::runtime::Script;
use crate::size::Size;

/// How the input is cut into chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "by", deny_unknown_fields)]
pub enum Split {
    /// Lines of text; a chunk is a byte range of the input.
    Lines {
        /// How much a chunk gets.
        #[serde(alias = "size")]
        lines: Size,
    },
    /// Rows of a CSV table after RFC 4180: each chunk begins with the header. A line feed inside
    /// quotes does not end a row.
    CsvRows {
        /// How much a chunk gets, beside the header.
        size: Size,
    },
    /// JSON values, one to a line; a chunk is a byte range of the input.
    Jsonl {
        /// How much a chunk gets.
        size: Size,
    },
    /// So many bytes each.
    Bytes {
        /// Bytes in a chunk, at least 1.
        bytes: u64,
    },
    /// Files of a zip or tar archive, under `/in`, in the order of their names. Standard input is
    /// the file where a chunk is one file, else the list of the paths, one to a line.
    Files {
        /// Files in a chunk, 1 to 10,000. Left out, a chunk is one file.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        group: u32,
    },
    /// Tiles of a PNG, TIFF, PGM or PPM picture with overlap, as grey PGM on standard input.
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
        /// How much a chunk gets: numbers or seconds, not bytes.
        #[serde(alias = "size")]
        step: Size,
    },
    /// Every combination of a few parameters. The input is a JSON object `{"name": [value, …], …}`;
    /// a chunk reads its combinations as JSON objects, one to a line. The last name varies fastest.
    Grid {
        /// Combinations in a chunk, at least 1.
        #[serde(default = "one_long")]
        per_chunk: u64,
    },
    /// A program of the consumer's own says what the chunks are. The server runs it once, for the
    /// quote. It reads the input, where there is one, on standard input and in `/in/input`, and
    /// writes either files to `/out`, each a chunk in the order of their names, or JSON lines
    /// `{"offset": …, "length": …, "name": …}` to standard output, each a chunk of the input.
    Program {
        /// The program.
        program: ProgramId,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
        /// Its module. The server sets it from the program; what a request says is not looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        module: Option<BlobInfo>,
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
    /// Rows `key,number…`: each number is the mean of those with its key over all rows of all
    /// chunks; keys come out sorted.
    Mean,
    /// JSON values, one or more a chunk (like JSON lines), as the elements of one JSON array.
    Json,
    /// PGM or PPM tiles stitched to one PNG picture. Only after `tiles`.
    Tiles,
}

/// How much a job presses: its share beside other consumers' jobs, and its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A third of the usual share, for four fifths of the usual price.
    Economy,
    /// The usual share at the usual price.
    #[default]
    Standard,
    /// Three times the usual share, for half as much again.
    Urgent,
}

impl Priority {
    /// Its part beside other consumers' jobs.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Self::Economy => 1,
            Self::Standard => 3,
            Self::Urgent => 9,
        }
    }

    /// What it costs, in thousandths of the tariff.
    #[must_use]
    pub const fn price_permille(self) -> u32 {
        match self {
            Self::Economy => 800,
            Self::Standard => 1_000,
            Self::Urgent => 1_500,
        }
    }

    /// Whether it is the usual one.
    #[must_use]
    pub const fn is_standard(&self) -> bool {
        matches!(self, Self::Standard)
    }
}

/// A merge by a program of the consumer's own, as a tree: each run puts a few results together,
/// and the last one's is the job's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeBy {
    /// The program. It reads under `/in/0`, `/in/1` and so on what these runs wrote: the file
    /// `stdout`, and the files of `/out`. Standard input has the names of these folders, in order,
    /// one to a line.
    pub program: ProgramId,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Results that one run puts together at most, 2 to 64.
    #[serde(default = "eight")]
    pub fan_in: u32,
    /// Its module. The server sets it from the program; what a request says is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<BlobInfo>,
}

/// Everything about a job that is not its program or input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What the consumer calls it, 1 to 100 characters.
    pub name: String,
    /// Arguments of the program. Where a chunk is one file, `{file}` is its path and `{stem}` its
    /// name without what it ends in.
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
    /// When the program fails on a chunk, compute the others and then wait for a decision, instead
    /// of ending the job.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_going: bool,
    /// How much it presses.
    #[serde(default, skip_serializing_if = "Priority::is_standard")]
    pub priority: Priority,
    /// A program that puts the chunks' results together; then the rules of `merge` go by what its
    /// last run wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_by: Option<MergeBy>,
    /// The script, where the program is one. The server sets it from the program; what a request
    /// says is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
}

/// A spec that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// JSON pointer of the field.
    pub pointer: &'static str,
    /// What is wrong and what to do.
    pub message: &'static str,
}

const fn eight() -> u32 {
    8
}

const fn one() -> u32 {
    1
}

const fn one_long() -> u64 {
    1
}

const fn two() -> u32 {
    2
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_one(n: &u32) -> bool {
    *n == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(yes: &bool) -> bool {
    !*yes
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Split {
    /// Whether its numbers are within their limits.
    fn is_sound(&self) -> bool {
        match self {
            Self::Lines { lines: size } | Self::CsvRows { size } | Self::Jsonl { size } => {
                size.is_sound()
            }
            Self::Bytes { bytes } => *bytes > 0,
            Self::Files { group } => (1..=10_000).contains(group),
            Self::Tiles { width, height, overlap } => {
                (16..=8192).contains(width) && (16..=8192).contains(height) && *overlap <= 4096
            }
            Self::Range { from, to, step } => {
                *from < *to && step.is_sound() && !matches!(step, Size::Bytes(_))
            }
            Self::Grid { per_chunk } => *per_chunk > 0,
            Self::Program { args, .. } => are_arguments(args),
        }
    }

    /// The limits of its numbers, in words.
    const fn limits(&self) -> &'static str {
        match self {
            Self::Lines { .. } | Self::CsvRows { .. } | Self::Jsonl { .. } => {
                "a chunk has at least 1 item or byte, or aims at 1 to 600 seconds"
            }
            Self::Bytes { .. } => "a chunk has at least 1 byte",
            Self::Files { .. } => "a chunk has 1 to 10,000 files",
            Self::Tiles { .. } => "tiles are 16 to 8,192 pixels a side, and overlap 4,096 at most",
            Self::Range { .. } => {
                "from is below to, and a chunk has at least 1 number or aims at 1 to 600 seconds"
            }
            Self::Grid { .. } => "a chunk has at least 1 combination",
            Self::Program { .. } => ARGUMENTS,
        }
    }

    /// Whether it cuts an input; a range makes its chunks of nothing, and a program may.
    #[must_use]
    pub const fn needs_input(&self) -> bool {
        !matches!(self, Self::Range { .. } | Self::Program { .. })
    }
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
        let args_ok = are_arguments(&self.args);
        let names_ok = self.merge.iter().all(|rule| is_plain_name(&rule.to));
        let mut seen: Vec<&str> = self.merge.iter().map(|r| r.to.as_str()).collect();
        seen.sort_unstable();
        let distinct = seen.windows(2).all(|pair| pair.first() != pair.last());
        let tiles_ok = matches!(self.split, Split::Tiles { .. }) && self.merge_by.is_none()
            || self.merge.iter().all(|r| r.how != MergeHow::Tiles);
        let problems: Vec<SpecError> = [
            (name_ok, "/name", "a name has 1 to 100 characters without control characters"),
            (args_ok, "/args", ARGUMENTS),
            (self.split.is_sound(), "/split", self.split.limits()),
            (self.merge.len() <= 20, "/merge", "at most 20 result files"),
            (
                names_ok && distinct,
                "/merge",
                "result files have different plain names, like out.csv",
            ),
            (tiles_ok, "/merge", "only a job split by tiles can be merged by tiles"),
            (
                self.merge_by.as_ref().is_none_or(|by| (2..=64).contains(&by.fan_in)),
                "/merge_by/fan_in",
                "a run puts 2 to 64 results together",
            ),
            (
                self.merge_by.as_ref().is_none_or(|by| are_arguments(&by.args)),
                "/merge_by/args",
                ARGUMENTS,
            ),
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

/// The limits of arguments, in words.
const ARGUMENTS: &str = "at most 100 arguments of at most 4,096 bytes each, without NUL";

fn are_arguments(args: &[String]) -> bool {
    args.len() <= 100 && args.iter().all(|a| a.len() <= 4096 && !a.contains('\0'))
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

    fn by_program(args: Vec<String>) -> Split {
        let program = "prg_00000000000000000000000000000007".parse().unwrap();
        Split::Program { program, args, module: None }
    }

    #[test]
    fn old_and_new_forms_of_a_split_read_and_the_old_one_is_written_for_counts() {
        for (text, split, written) in [
            (
                r#"{"by":"lines","lines":5}"#,
                Split::Lines { lines: Size::Count(5) },
                r#"{"by":"lines","lines":5}"#,
            ),
            (
                r#"{"by":"lines","size":{"bytes":9}}"#,
                Split::Lines { lines: Size::Bytes(9) },
                r#"{"by":"lines","lines":{"bytes":9}}"#,
            ),
            (
                r#"{"by":"range","from":0,"to":9,"size":{"seconds":2}}"#,
                Split::Range { from: 0, to: 9, step: Size::Seconds(2) },
                r#"{"by":"range","from":0,"to":9,"step":{"seconds":2}}"#,
            ),
            (r#"{"by":"files"}"#, Split::Files { group: 1 }, r#"{"by":"files"}"#),
            (
                r#"{"by":"csv_rows","size":{"count":3}}"#,
                Split::CsvRows { size: Size::Count(3) },
                r#"{"by":"csv_rows","size":3}"#,
            ),
            (r#"{"by":"grid"}"#, Split::Grid { per_chunk: 1 }, r#"{"by":"grid","per_chunk":1}"#),
            (
                r#"{"by":"program","program":"prg_00000000000000000000000000000007","args":[]}"#,
                by_program(Vec::new()),
                r#"{"by":"program","program":"prg_00000000000000000000000000000007"}"#,
            ),
        ] {
            assert_eq!(serde_json::from_str::<Split>(text).unwrap(), split, "{text}");
            assert_eq!(serde_json::to_string(&split).unwrap(), written);
        }
        for text in [r#"{"by":"lines","lines":1,"size":1}"#, r#"{"by":"files","groups":2}"#] {
            assert!(serde_json::from_str::<Split>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_split_out_of_its_limits_says_which() {
        for (split, part) in [
            (Split::Jsonl { size: Size::Count(0) }, "at least 1 item"),
            (Split::CsvRows { size: Size::Seconds(601) }, "1 to 600 seconds"),
            (Split::Bytes { bytes: 0 }, "at least 1 byte"),
            (Split::Files { group: 0 }, "1 to 10,000 files"),
            (Split::Tiles { width: 15, height: 16, overlap: 0 }, "16 to 8,192"),
            (Split::Range { from: 0, to: 9, step: Size::Bytes(1) }, "at least 1 number"),
            (Split::Range { from: 9, to: 9, step: Size::Count(1) }, "from is below to"),
            (Split::Grid { per_chunk: 0 }, "at least 1 combination"),
            (by_program(vec!["a\0".into()]), "without NUL"),
        ] {
            assert!(!split.is_sound(), "{split:?}");
            assert!(split.limits().contains(part), "{split:?}: {}", split.limits());
        }
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
