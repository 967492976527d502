//! What an upload looks like, in words for people.

use std::io::{self, BufRead as _, Read as _};

use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;

use super::archive::{self, Kind};
use super::blob_io::{BlobReader, Trouble, in_turn};
use super::error::SplitError;
use super::picture::{self, Glance};
use super::scan::SCANS;

/// Bytes that must be text for the whole to be called so.
const SAMPLE_BYTES: u64 = 64 * 1024;
/// Bytes that are shown of what is described at a glance.
const BEGIN_BYTES: usize = 40;

/// Describes an upload, like `grey PNG picture 512 x 512` or `zip archive of 6 files`. What cannot
/// be split is said here already, so that nobody fills in a form for nothing.
///
/// # Errors
/// [`SplitError`] when there is no such blob or the store fails.
pub async fn describe(blobs: &BlobStore, sha256: Sha256Hash) -> Result<String, SplitError> {
    let size = blobs.size(sha256).await.map_err(SplitError::of_blob(sha256))?;
    let blobs = blobs.clone();
    in_turn(&SCANS, move || {
        let trouble = Trouble::default();
        let words = in_words(&BlobReader::new(&blobs, sha256, size, &trouble), size);
        match (trouble.take(), words) {
            (Some(error), _) => Err(SplitError::Store(error)),
            (None, words) => words.map_err(SplitError::Read),
        }
    })
    .await?
}

fn in_words(blob: &BlobReader, size: u64) -> io::Result<String> {
    let mut head = Vec::new();
    blob.clone().take(SAMPLE_BYTES).read_to_end(&mut head)?;
    if picture::Kind::of(&head).is_some() {
        return Ok(match picture::glance(blob.clone()) {
            Ok(Glance { width, height, samples, kind }) => {
                format!("{samples} {kind} picture {width} x {height}")
            }
            Err(error) => format!("picture that cannot be split: {error}"),
        });
    }
    if let Some(kind) = Kind::of(&head) {
        return Ok(match archive::count(blob.clone(), size) {
            Ok(files) => {
                let files = u64::try_from(files).unwrap_or(u64::MAX);
                format!("{} of {}", kind.in_words(), counted(files, "file"))
            }
            Err(error) => format!("{} that cannot be split: {error}", kind.in_words()),
        });
    }
    if is_text(&head) {
        return Ok(format!("text of {}", counted(lines(blob.clone())?, "line")));
    }
    Ok(counted(size, "byte"))
}

/// What these bytes are, at a glance: `text of 12 bytes that begins "id,name\n1"`.
pub(crate) fn glance(bytes: &[u8]) -> String {
    let size = counted(u64::try_from(bytes.len()).unwrap_or(u64::MAX), "byte");
    let head = bytes.get(..BEGIN_BYTES).unwrap_or(bytes);
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    if picture::Kind::of(bytes).is_some() {
        return match picture::glance(io::Cursor::new(bytes)) {
            Ok(Glance { width, height, samples, kind }) => {
                format!("a {samples} {kind} picture {width} x {height}")
            }
            Err(error) => format!("a picture that cannot be read: {error}"),
        };
    }
    if let Some(kind) = Kind::of(bytes) {
        return format!("a {} of {size}", kind.in_words());
    }
    if is_text(head) {
        let begin = String::from_utf8_lossy(head);
        return format!("text of {size} that begins {:?}", begin.trim_end_matches('\u{fffd}'));
    }
    let begin: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{size} that are no text and begin {}", begin.join(" "))
}

fn lines(mut text: BlobReader) -> io::Result<u64> {
    let mut lines = 0_u64;
    while text.skip_until(b'\n')? > 0 {
        lines = lines.saturating_add(1);
    }
    Ok(lines)
}

/// UTF-8 without control characters other than the usual ones. A character may be cut at the end.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => head,
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && !valid.iter().any(|b| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127))
}

/// A number with its noun: `1 line`, `1,204 lines`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n))
}

/// A number with its thousands set apart.
pub(super) fn grouped(n: impl ToString) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len().saturating_mul(2));
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        for (n, expected) in
            [(0, "0 lines"), (1, "1 line"), (999, "999 lines"), (1_204, "1,204 lines")]
        {
            assert_eq!(counted(n, "line"), expected);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn bytes_are_described_at_a_glance() {
        for (bytes, expected) in [
            (b"".as_slice(), "nothing"),
            (b"a,b\n1,2\n", r#"text of 8 bytes that begins "a,b\n1,2\n""#),
            (b"P5 2 1 255\n\0\0", "a grey PGM picture 2 x 1"),
            (b"PK\x03\x04", "a zip archive of 4 bytes"),
            (b"\0\x01\xff", "3 bytes that are no text and begin 00 01 ff"),
        ] {
            assert_eq!(glance(bytes), expected);
        }
        let long = "gr\u{fc}n ".repeat(100);
        assert_eq!(
            glance(long.as_bytes()),
            format!("text of 600 bytes that begins {:?}", long.get(..40).unwrap())
        );
    }

    #[test]
    fn text_is_told_from_bytes() {
        assert!(is_text(b"a\tb\r\n"));
        assert!(is_text("gr\u{fc}n".as_bytes().split_at(3).0), "cut inside a character");
        assert!(!is_text(b"a\0b"));
        assert!(!is_text(b"\xff\xfe"));
        assert!(!is_text(b""));
    }
}
