//! A plan in words for people.

use medusa_api::{Size, Split};

use super::describe::{counted, grouped};
use super::plan::Plan;

impl Plan {
    /// For people, like `48 tiles of 128 x 128 pixels`.
    #[must_use]
    pub fn in_words(&self, split: &Split) -> String {
        let chunks = self.count();
        match split {
            Split::Lines { lines } => parts(chunks, *lines, "line"),
            Split::CsvRows { size } => {
                format!("{}, each under the header", parts(chunks, *size, "row"))
            }
            Split::Jsonl { size } => parts(chunks, *size, "JSON line"),
            Split::Bytes { bytes } => {
                format!("{} of {}", counted(chunks, "part"), counted(*bytes, "byte"))
            }
            Split::Files { group: 0 | 1 } => counted(chunks, "file"),
            Split::Files { group } => {
                format!("{} of {}", counted(chunks, "group"), counted((*group).into(), "file"))
            }
            Split::Tiles { width, height, .. } => {
                let (width, height) = (grouped(*width), grouped(*height));
                format!("{} of {width} x {height} pixels", counted(chunks, "tile"))
            }
            Split::Range { step: Size::Count(step), .. } => {
                format!("{} of {}", counted(chunks, "range"), counted(*step, "number"))
            }
            Split::Range { .. } => counted(chunks, "range"),
            Split::Grid { per_chunk } => {
                format!("{} of {}", counted(chunks, "part"), counted(*per_chunk, "combination"))
            }
            Split::Program { .. } => {
                let (least, most) = self.sizes().fold((u64::MAX, 0), |(least, most), bytes| {
                    (least.min(bytes), most.max(bytes))
                });
                let sizes = match (grouped(least), counted(most, "byte")) {
                    (_, most_bytes) if least == most => most_bytes,
                    (least, most) => format!("{least} to {most}"),
                };
                format!("{} of {sizes}, cut by your splitter", counted(chunks, "chunk"))
            }
        }
    }
}

fn parts(chunks: u64, size: Size, item: &str) -> String {
    let parts = counted(chunks, "part");
    match size {
        Size::Count(n) => format!("{parts} of {}", counted(n, item)),
        Size::Bytes(n) => format!("{parts} of {item}s, of at most {} each", counted(n, "byte")),
        Size::Seconds(n) => format!("{parts} of {item}s, of about {} each", counted(n, "second")),
    }
}
