//! Rows of a CSV table after RFC 4180. Pure but for the reader.
//!
//! A quote opens a quoted field only where a field begins; inside, a doubled quote is a character
//! and a line feed does not end the row. Fields may be set apart by commas, semicolons or tabs: for
//! where a row ends it makes no difference which.

use std::io::BufRead;

use super::cut::{ItemError, Items};

/// The most bytes of a header: it is repeated in each chunk.
const HEADER_BYTES_MAX: u64 = 64 * 1024;

/// Rows of a table, the header first.
pub(super) struct Rows<R> {
    input: R,
    /// Rows that were read, the header among them.
    rows: u64,
}

/// Where a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the begin of a field.
    Begin,
    /// In a field without quotes, or after those of a quoted one.
    Plain,
    /// Between quotes.
    Quoted,
}

impl State {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Plain,
            (Self::Quoted, _) => Self::Quoted,
            (_, b',' | b';' | b'\t') => Self::Begin,
            (Self::Begin, b'"') => Self::Quoted,
            (_, _) => Self::Plain,
        }
    }
}

impl<R: BufRead> Rows<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, rows: 0 }
    }

    /// Bytes of the header, which must have rows after it.
    pub(super) fn header(&mut self) -> Result<u64, ItemError> {
        let len = self.next_len()?.unwrap_or_default();
        if len > HEADER_BYTES_MAX {
            let why = format!("its header, the first row, is longer than {HEADER_BYTES_MAX} bytes");
            return Err(ItemError::Refused(why));
        }
        if self.input.fill_buf()?.is_empty() {
            let why = "it has no rows under its header, the first row: rows end with a line feed";
            return Err(ItemError::Refused(why.to_owned()));
        }
        Ok(len)
    }
}

impl<R: BufRead> Items for Rows<R> {
    fn next_len(&mut self) -> Result<Option<u64>, ItemError> {
        let mut len = 0_u64;
        let mut state = State::Begin;
        // A quote right after the closing one was a doubled quote: still inside.
        let mut closed = false;
        loop {
            let buffer = self.input.fill_buf()?;
            let mut used = 0_usize;
            let mut ended = buffer.is_empty();
            for byte in buffer {
                used = used.saturating_add(1);
                if state != State::Quoted && *byte == b'\n' {
                    ended = true;
                    break;
                }
                let next = if closed && *byte == b'"' { State::Quoted } else { state.after(*byte) };
                closed = state == State::Quoted && next == State::Plain;
                state = next;
            }
            self.input.consume(used);
            len = len.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
            if ended {
                break;
            }
        }
        self.rows = self.rows.saturating_add(1);
        if state == State::Quoted {
            let row = self.rows;
            let why =
                format!("row {row} (counted with the header) opens a quote that is closed nowhere");
            return Err(ItemError::Refused(why));
        }
        Ok((len > 0).then_some(len))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The rows as text, read through a buffer of so many bytes.
    fn rows(text: &str, buffer: usize) -> Result<Vec<&str>, String> {
        let mut rows = Rows::new(BufReader::with_capacity(buffer, text.as_bytes()));
        let (mut found, mut rest) = (Vec::new(), text);
        loop {
            match rows.next_len() {
                Ok(None) => return Ok(found),
                Ok(Some(len)) => {
                    let (row, tail) = rest.split_at(usize::try_from(len).unwrap());
                    found.push(row);
                    rest = tail;
                }
                Err(ItemError::Refused(why)) => return Err(why),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_row_ends_where_no_quote_is_open() {
        for (text, expected) in [
            ("", &[][..]),
            ("a,b\n1,2\n", &["a,b\n", "1,2\n"]),
            ("a,b\r\n1,2", &["a,b\r\n", "1,2"]),
            ("a\n\"1\n2\"\n3\n", &["a\n", "\"1\n2\"\n", "3\n"]),
            ("\"a\nb\",c\nd,\"e\n\"\n", &["\"a\nb\",c\n", "d,\"e\n\"\n"]),
            ("\"he said \"\"hi\n\"\"\"\nx\n", &["\"he said \"\"hi\n\"\"\"\n", "x\n"]),
            ("\"\"\nx\n", &["\"\"\n", "x\n"]),
            ("\"\"\"\n\"\nx\n", &["\"\"\"\n\"\n", "x\n"]),
            ("a;\"b\nc\"\nx\n", &["a;\"b\nc\"\n", "x\n"]),
            ("a\t\"b\nc\"\nx\n", &["a\t\"b\nc\"\n", "x\n"]),
            // A quote inside a field without quotes is a character.
            ("5\" nail,1\n6\" nail,2\n", &["5\" nail,1\n", "6\" nail,2\n"]),
            ("\n\nx", &["\n", "\n", "x"]),
        ] {
            for buffer in 1..8 {
                assert_eq!(rows(text, buffer).as_deref(), Ok(expected), "{text:?} by {buffer}");
            }
        }
    }

    #[test]
    fn an_open_quote_is_refused_with_its_row() {
        let why = rows("a\n1\n\"2\n3\n", 3).unwrap_err();
        assert_eq!(why, "row 3 (counted with the header) opens a quote that is closed nowhere");
    }

    #[test]
    fn a_header_is_short_and_has_rows_after_it() {
        let header = |text: &str| Rows::new(text.as_bytes()).header();
        assert!(matches!(header("a,b\n1,2"), Ok(4)));
        let long = format!("{}\n1\n", "x".repeat(70_000));
        for (text, part) in
            [("a,b\n", "no rows under"), ("a,b", "no rows under"), (&long, "longer than 65536")]
        {
            match header(text) {
                Err(ItemError::Refused(why)) => assert!(why.contains(part), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
