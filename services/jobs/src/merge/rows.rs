//! `csv`, `sum` and `mean`: pieces that are rows. Pure but for the writer.
//!
//! Line numbers in messages are those of the chunk's file, from 1.

use std::collections::BTreeMap;
use std::io::Write;

use csv::{ByteRecord, ReaderBuilder, Terminator, Writer, WriterBuilder};

use super::error::{Fault, Pieces};
use super::number::Number;

/// The most bytes of rows that are kept for sorting or summing.
const KEPT_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// What one kept field costs beside its bytes.
const FIELD_BYTES: usize = 48;

/// All rows under one header, which is the first row of each piece.
pub(super) fn csv(sort: u32, pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    let columns = usize::try_from(sort).unwrap_or(usize::MAX);
    let mut writer = writer(out);
    let mut header: Option<ByteRecord> = None;
    let mut kept = Vec::new();
    let mut budget = Budget::default();
    for (chunk, piece) in pieces.enumerate() {
        let piece = piece?.unwrap_or_default();
        let mut rows = Rows::new(chunk, &piece);
        let Some(first) = rows.next().transpose()? else { continue };
        match &header {
            None => {
                writer.write_byte_record(&first).map_err(written)?;
                header = Some(first);
            }
            Some(header) if *header != first => return Err(rows.fault("another header", &first)),
            Some(_) => {}
        }
        let width = header.as_ref().map_or(0, ByteRecord::len);
        while let Some(row) = rows.next().transpose()? {
            rows.check_width(&row, width)?;
            if columns == 0 {
                writer.write_byte_record(&row).map_err(written)?;
            } else {
                budget.spend(&row)?;
                kept.push((row.iter().take(columns).map(Cell::of).collect::<Vec<_>>(), row));
            }
        }
    }
    // Stable: rows of equal cells stay in the chunks' order.
    kept.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (_, row) in &kept {
        writer.write_byte_record(row).map_err(written)?;
    }
    Ok(writer.flush()?)
}

/// Rows `key,number…`: the numbers of equal keys added, in the order of the keys' bytes.
pub(super) fn sum(pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    let totals = Totals::of(pieces)?;
    totals.write(out, |sum, _| Some(sum))
}

/// Rows `key,number…`: the means of the numbers of equal keys, over all rows with that key.
pub(super) fn mean(pieces: Pieces<'_>, out: &mut dyn Write) -> Result<(), Fault> {
    let totals = Totals::of(pieces)?;
    totals.write(out, Number::over)
}

/// What all rows of a key come to.
struct Total {
    numbers: Vec<Number>,
    rows: u64,
}

#[derive(Default)]
struct Totals {
    /// The first row of the first piece, if it is a header; then all pieces must have it.
    header: Option<ByteRecord>,
    keys: BTreeMap<Vec<u8>, Total>,
    budget: Budget,
}

impl Totals {
    fn of(pieces: Pieces<'_>) -> Result<Self, Fault> {
        let mut totals = Self::default();
        let mut header: Option<Option<ByteRecord>> = None;
        let mut width = None;
        for (chunk, piece) in pieces.enumerate() {
            let piece = piece?.unwrap_or_default();
            let mut rows = Rows::new(chunk, &piece);
            let Some(first) = rows.next().transpose()? else { continue };
            let own = is_header(&first).then(|| first.clone());
            let has_header = own.is_some();
            if *header.get_or_insert_with(|| own.clone()) != own {
                return Err(rows.fault("a header unlike the other chunks'", &first));
            }
            let mut next = if has_header { rows.next().transpose()? } else { Some(first) };
            while let Some(row) = next {
                let width = *width.get_or_insert(row.len());
                rows.check_width(&row, width)?;
                totals.add(&row, &rows)?;
                next = rows.next().transpose()?;
            }
        }
        totals.header = header.flatten();
        Ok(totals)
    }

    fn add(&mut self, row: &ByteRecord, rows: &Rows<'_>) -> Result<(), Fault> {
        let parsed: Option<Vec<Number>> = row.iter().skip(1).map(Number::parse).collect();
        let numbers = parsed.filter(|numbers| !numbers.is_empty());
        let numbers = numbers.ok_or_else(|| rows.fault("no key followed by numbers", row))?;
        let key = row.get(0).unwrap_or_default();
        let Some(total) = self.keys.get_mut(key) else {
            self.budget.spend(row)?;
            self.keys.insert(key.to_vec(), Total { numbers, rows: 1 });
            return Ok(());
        };
        total.rows = total.rows.saturating_add(1);
        for (sum, number) in total.numbers.iter_mut().zip(numbers) {
            let plus = sum.plus(number);
            *sum = plus.ok_or_else(|| rows.fault("a number that makes the sum too large", row))?;
        }
        Ok(())
    }

    /// A row for each key, of what becomes of a sum and the number of its rows.
    fn write(
        &self,
        out: &mut dyn Write,
        of: impl Fn(Number, u64) -> Option<Number>,
    ) -> Result<(), Fault> {
        let mut writer = writer(out);
        if let Some(header) = &self.header {
            writer.write_byte_record(header).map_err(written)?;
        }
        for (key, Total { numbers, rows }) in &self.keys {
            let mut row = ByteRecord::new();
            row.push_field(key);
            for number in numbers {
                let number = of(*number, *rows)
                    .ok_or_else(|| Fault::Whole("a number has too many digits".to_owned()))?;
                row.push_field(number.to_string().as_bytes());
            }
            writer.write_byte_record(&row).map_err(written)?;
        }
        Ok(writer.flush()?)
    }
}

/// Whether no cell after the first is a number.
fn is_header(row: &ByteRecord) -> bool {
    row.iter().skip(1).all(|cell| Number::parse(cell).is_none())
}

/// The rows of one chunk's piece.
struct Rows<'a> {
    chunk: usize,
    rows: csv::ByteRecordsIntoIter<&'a [u8]>,
}

impl<'a> Rows<'a> {
    fn new(chunk: usize, piece: &'a [u8]) -> Self {
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(piece);
        Self { chunk, rows: reader.into_byte_records() }
    }

    fn next(&mut self) -> Option<Result<ByteRecord, Fault>> {
        let row = self.rows.next()?;
        Some(row.map_err(|error| Fault::Chunk(self.chunk, error.to_string())))
    }

    fn check_width(&self, row: &ByteRecord, width: usize) -> Result<(), Fault> {
        if row.len() == width {
            return Ok(());
        }
        Err(self.fault(&format!("{} columns instead of {width}", row.len()), row))
    }

    fn fault(&self, what: &str, row: &ByteRecord) -> Fault {
        let line = row.position().map_or(0, csv::Position::line);
        Fault::Chunk(self.chunk, format!("line {line} has {what}"))
    }
}

fn writer(out: &mut dyn Write) -> Writer<&mut dyn Write> {
    WriterBuilder::new().flexible(true).terminator(Terminator::Any(b'\n')).from_writer(out)
}

fn written(error: csv::Error) -> Fault {
    Fault::Io(error.into())
}

/// What rows are sorted by: numbers by value, then everything else by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Number(Number),
    Text(Vec<u8>),
}

impl Cell {
    fn of(bytes: &[u8]) -> Self {
        Number::parse(bytes).map_or_else(|| Self::Text(bytes.to_vec()), Self::Number)
    }
}

/// What may still be kept in memory.
struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(KEPT_BYTES_MAX)
    }
}

impl Budget {
    fn spend(&mut self, row: &ByteRecord) -> Result<(), Fault> {
        let cost = row.as_slice().len().saturating_add(row.len().saturating_mul(FIELD_BYTES));
        let left = self.0.checked_sub(cost);
        self.0 = left.ok_or_else(|| Fault::Whole("more rows than can be held".to_owned()))?;
        Ok(())
    }
}
