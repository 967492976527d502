//! How values read on a page. Pure; whole numbers only.

use medusa_api::{ChunkState, Counts, Job, JobState, Size, Split, Verdict};
use medusa_types::{Credits, Fuel, Sha256Hash, Timestamp};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const WHEN: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute] UTC");

/// A time for people without scripts; with them, the page shows the reader's own zone.
pub(crate) fn when(at: &Timestamp) -> String {
    at.to_utc().format(WHEN).unwrap_or_default()
}

/// A message of the services, which come in lower case without a full stop, as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// Whole numbers in groups of three: `12,345`.
pub(crate) fn count(n: impl std::fmt::Display) -> String {
    let text = n.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let len = digits.len();
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        let left = len.saturating_sub(i);
        if i > 0 && left.checked_rem(3) == Some(0) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An exact amount in groups of three: `1,234.50`.
pub(crate) fn credits(amount: &Credits) -> String {
    let text = amount.to_string();
    match text.split_once('.') {
        Some((whole, places)) => format!("{}.{places}", count(whole)),
        None => text,
    }
}

/// The zeros that an amount leaves out of its six places: unseen, they align a column.
pub(crate) fn pad(amount: &Credits) -> &'static str {
    let text = amount.to_string();
    let places = text.rsplit('.').next().map_or(6, str::len);
    ["000000", "00000", "0000", "000", "00", "0"].get(places).copied().unwrap_or_default()
}

/// A movement, with its sign.
pub(crate) fn signed(amount: &Credits) -> String {
    let plus = if amount.is_positive() { "+" } else { "" };
    format!("{plus}{}", credits(amount)).replace('-', "\u{2212}")
}

/// A decimal text of the books, in groups of three, with a true minus: `\u{2212}1,234.50`.
pub(crate) fn decimal(text: &str) -> String {
    let (whole, places) = text.split_once('.').unwrap_or((text, "00"));
    format!("{}.{places}", count(whole)).replace('-', "\u{2212}")
}

/// The same for a movement, with its sign.
pub(crate) fn decimal_signed(text: &str) -> String {
    let plus = if is_positive(text) { "+" } else { "" };
    format!("{plus}{}", decimal(text))
}

/// The zeros that a decimal text leaves out of six places: unseen, they align a column.
pub(crate) fn decimal_pad(text: &str) -> &'static str {
    let places = text.split_once('.').map_or(2, |(_, places)| places.len());
    ["000000", "00000", "0000", "000", "00", "0"].get(places).copied().unwrap_or_default()
}

/// A balance in the debit column: the balance without its sign, if it stands on that side.
pub(crate) fn debit(text: &str) -> Option<&str> {
    text.strip_prefix('-')
}

/// Whether a decimal text is more than nothing.
pub(crate) fn is_positive(text: &str) -> bool {
    !text.starts_with('-') && text.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

/// A span of time in the largest unit that is not too coarse: `340 ms`, `12 s`, `3 min`.
pub(crate) fn span(ms: &u64) -> String {
    let (value, unit) = match *ms {
        0..2_000 => (Some(*ms), "ms"),
        2_000..120_000 => (ms.checked_div(1_000), "s"),
        120_000..7_200_000 => (ms.checked_div(60_000), "min"),
        7_200_000..172_800_000 => (ms.checked_div(3_600_000), "h"),
        _ => (ms.checked_div(86_400_000), "days"),
    };
    format!("{} {unit}", count(value.unwrap_or_default()))
}

/// A length in bytes with one decimal: `1.4 MB`.
pub(crate) fn bytes(n: &u64) -> String {
    scaled(*n, &[" bytes", " kB", " MB", " GB", " TB"])
}

/// Fuel with one decimal: `1.4 G`.
pub(crate) fn fuel(fuel: &Fuel) -> String {
    scaled(fuel.0, &["", " k", " M", " G", " T", " P"])
}

fn scaled(n: u64, units: &[&str]) -> String {
    let (mut scale, mut unit) = (1_u64, units.first().copied().unwrap_or_default());
    for next in units.iter().skip(1) {
        if n.checked_div(scale).unwrap_or_default() < 1_000 {
            break;
        }
        scale = scale.saturating_mul(1_000);
        unit = next;
    }
    if scale == 1 {
        return format!("{n}{unit}");
    }
    let parts = n.saturating_mul(10).checked_div(scale).unwrap_or_default();
    format!("{}{unit}", tenths(parts))
}

/// How much of a job is done in percent, rounded down.
pub(crate) fn percent(counts: &Counts) -> u64 {
    let (done, total) = (u64::from(counts.done()), u64::from(counts.total));
    done.saturating_mul(100).checked_div(total).unwrap_or_default()
}

/// Chunks in a second over the whole life of a job that has ended.
pub(crate) fn rate(job: &Job) -> String {
    let tenths = job.finished_at.and_then(|end| {
        let ms = u64::try_from(end.ms_since(job.created_at)).ok()?;
        u64::from(job.counts.done()).saturating_mul(10_000).checked_div(ms)
    });
    tenths.map_or_else(|| "\u{2013}".into(), self::tenths)
}

/// A count of tenths as a number with one place.
pub(crate) fn tenths(n: u64) -> String {
    let (whole, tenth) = (n.checked_div(10), n.checked_rem(10));
    format!("{}.{}", whole.unwrap_or_default(), tenth.unwrap_or_default())
}

/// A digest that fits in a line.
pub(crate) fn short(hash: &Sha256Hash) -> String {
    let text = hash.to_string();
    let head: String = text.chars().take(10).collect();
    let tail: String = text.chars().skip(58).collect();
    format!("{head}\u{2026}{tail}")
}

/// An id that fits in a line: `job_0190ab…77`.
pub(crate) fn short_id(id: impl std::fmt::Display) -> String {
    let id = id.to_string();
    if id.len() <= 20 {
        return id;
    }
    // Ids made together start alike, so the end tells them apart.
    let head: String = id.chars().take_while(|c| *c != '_').collect();
    let tail: String = id.chars().skip(id.chars().count().saturating_sub(8)).collect();
    format!("{head}_\u{2026}{tail}")
}

/// An account without the long id at its end.
pub(crate) fn account(text: &str) -> String {
    match text.split_once(':') {
        Some((class, owner)) => format!("{class}:{}", short_id(owner)),
        None => text.to_owned(),
    }
}

/// A stream without the long id at its end: `job-job_…77aa`.
pub(crate) fn stream(text: &str) -> String {
    match text.split_once('-') {
        Some((kind, id)) => format!("{kind}-{}", short_id(id)),
        None => text.to_owned(),
    }
}

/// How an input is cut.
pub(crate) fn split(split: &Split) -> String {
    match split {
        Split::Lines { lines } => sized(*lines, "lines"),
        Split::CsvRows { size } => sized(*size, "rows"),
        Split::Jsonl { size } => sized(*size, "JSON lines"),
        Split::Bytes { bytes: n } => format!("{} in a chunk", bytes(n)),
        Split::Files { group: 1 } => "one file in a chunk".into(),
        Split::Files { group } => format!("{} files in a chunk", count(group)),
        Split::Program { .. } => "chunks cut by a splitter of your own".into(),
        Split::Grid { per_chunk: 1 } => "one combination in a chunk".into(),
        Split::Grid { per_chunk } => format!("{} combinations in a chunk", count(per_chunk)),
        Split::Tiles { width, height, overlap } => {
            format!("tiles of {width} \u{d7} {height} pixels, {overlap} of overlap")
        }
        Split::Range { from, to, step } => {
            format!("{} to {}, {}", count(from), count(to), sized(*step, "numbers"))
        }
    }
}

/// How much goes into a chunk.
fn sized(size: Size, items: &str) -> String {
    match size {
        Size::Count(1) => format!("one {} in a chunk", items.trim_end_matches('s')),
        Size::Count(n) => format!("{} {items} in a chunk", count(n)),
        Size::Bytes(n) => format!("{items}, at most {} in a chunk", bytes(&n)),
        Size::Seconds(n) => format!("{items}, about {n} s in a chunk"),
    }
}

/// The class of a chunk's mark, the same as on the map.
pub(crate) fn chunk_state(state: &ChunkState) -> &'static str {
    match state {
        ChunkState::Waiting => "waiting",
        ChunkState::Leased => "computing",
        ChunkState::Verified => "verified",
        ChunkState::Unverified => "unverified",
        ChunkState::Failed => "failed",
    }
}

/// A verdict in words, the class of its mark, and what it rests on.
pub(crate) const fn verdict(verdict: &Verdict) -> (&'static str, &'static str, &'static str) {
    let (class, why) = match verdict {
        Verdict::Agreed => ("agreed", "agents of unrelated owners wrote the same, to the bit"),
        Verdict::Refereed => ("refereed", "the server computed it too"),
        Verdict::Trusted => {
            ("trusted", "one copy, not compared: its agent has a record, and no check fell on it")
        }
        Verdict::Unverified => ("unverified", "one copy, before results were checked"),
    };
    (verdict.in_words(), class, why)
}

/// A job's state in a word.
pub(crate) fn job_state(state: &JobState) -> &'static str {
    state.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_like_a_bill() {
        assert_eq!(count(0), "0");
        assert_eq!(count(-1_234_567), "-1,234,567");
        let amount = Credits::from_micros(1_234_500_000);
        assert_eq!(credits(&amount), "1,234.50");
        assert_eq!((pad(&amount), pad(&Credits::from_micros(1))), ("0000", ""));
        assert_eq!(signed(&amount), "+1,234.50");
        assert_eq!(signed(&Credits::from_micros(-12)), "\u{2212}0.000012");
    }

    #[test]
    fn decimals_of_the_books_read_the_same_in_each_currency() {
        assert_eq!(decimal("-1234567.5000"), "\u{2212}1,234,567.5000");
        assert_eq!(
            (decimal_signed("12.34"), decimal_signed("0.00")),
            ("+12.34".into(), "0.00".into())
        );
        assert_eq!((decimal_pad("12.34"), decimal_pad("0.000001")), ("0000", ""));
        assert_eq!((debit("-1.00"), debit("1.00")), (Some("1.00"), None));
        assert!(is_positive("0.01") && !is_positive("-0.01") && !is_positive("0.00"));
    }

    #[test]
    fn a_span_is_told_in_one_unit() {
        let spans = [0, 1_999, 2_000, 119_999, 120_000, 7_200_000, 400_000_000].map(|ms| span(&ms));
        assert_eq!(spans, ["0 ms", "1,999 ms", "2 s", "119 s", "2 min", "2 h", "4 days"]);
    }

    #[test]
    fn sizes_keep_three_digits_before_the_unit() {
        for (n, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (1_450_000, "1.4 MB"),
            (999_999_999, "999.9 MB"),
        ] {
            assert_eq!(bytes(&n), text);
        }
        assert_eq!(fuel(&Fuel(1_500_000_000)), "1.5 G");
    }

    #[test]
    fn long_names_keep_what_tells_them_apart() {
        let id = "job_0190aaaabbbbccccddddeeee12345678";
        assert_eq!(short_id(id), "job_\u{2026}12345678");
        assert_eq!(account(&format!("escrow.paid:{id}")), "escrow.paid:job_\u{2026}12345678");
        assert_eq!(account("income.compute_fee"), "income.compute_fee");
    }

    #[test]
    fn a_part_of_nothing_is_nothing() {
        assert_eq!(percent(&Counts::default()), 0);
        let counts = Counts { total: 3, verified: 1, ..Counts::default() };
        assert_eq!(percent(&counts), 33);
    }
}
