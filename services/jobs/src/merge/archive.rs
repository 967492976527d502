//! `zip`: the pieces as files of an archive. Pure but for the writer.
//!
//! A million files are 16 MB of memory: names follow from the chunks' numbers, and of each file
//! only lengths and checksum are kept for the list at the end. Equal pieces give equal archives,
//! since all files have the same time. Past 65,534 files or 4 GiB the archive has the form Zip64.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::error::{Fault, Pieces};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;
/// Versions of the format that a reader needs.
const PLAIN: u16 = 20;
const ZIP_64: u16 = 45;
/// Written as on Unix, where files have permissions.
const UNIX: u16 = 3 << 8;
/// `rw-r--r--` of a plain file, where readers look for it.
const PERMISSIONS: u32 = 0o100_644 << 16;
/// The name is UTF-8.
const UTF_8: u16 = 1 << 11;
const DEFLATED: u16 = 8;
/// Midnight of the first of January 1980, the first day that there is.
const TIME: u16 = 0;
const DAY: u16 = (1 << 5) | 1;
/// Bytes of a file's header without its name.
const LOCAL_BYTES: u64 = 30;
/// Bytes of the Zip64 end after the field that says so.
const END_64_REST: u64 = 44;

/// What the list at the end says of a file.
struct Entry {
    chunk: u32,
    crc: u32,
    packed: u32,
    size: u32,
}

/// Names like `007-cells.csv`, all of one length.
struct Names<'a> {
    digits: usize,
    name: &'a str,
}

impl Names<'_> {
    fn of(&self, chunk: u32) -> String {
        let Self { digits, name } = self;
        format!("{chunk:0digits$}-{name}")
    }

    /// What the headers say of names.
    const fn flags(&self) -> u16 {
        if self.name.is_ascii() { 0 } else { UTF_8 }
    }
}

/// An archive with the pieces under names like `007-cells.csv`. Chunks without the file have no
/// entry.
pub(super) fn zip(
    file: &str,
    chunks: usize,
    pieces: Pieces<'_>,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let name = file.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("stdout");
    let names = Names { digits: chunks.saturating_sub(1).to_string().len(), name };
    let (mut entries, mut at) = (Vec::new(), 0_u64);
    for (chunk, piece) in pieces.enumerate() {
        let Some(piece) = piece? else { continue };
        let too_large = || Fault::Chunk(chunk, "its file is too large for an archive".to_owned());
        let packed = packed(&piece)?;
        let mut crc = Crc::new();
        crc.update(&piece);
        let entry = Entry {
            chunk: u32::try_from(chunk).map_err(|_| too_large())?,
            crc: crc.sum(),
            packed: u32::try_from(packed.len()).map_err(|_| too_large())?,
            size: u32::try_from(piece.len()).map_err(|_| too_large())?,
        };
        at = at.saturating_add(entry.write_local(&names, out)?);
        out.write_all(&packed)?;
        entries.push(entry);
    }
    Ok(write_list(&entries, &names, (0, at), out)?)
}

fn packed(piece: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
    packed.write_all(piece)?;
    packed.finish()
}

/// Numbers one after the other, the lowest byte first.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u16s<const N: usize>(mut self, numbers: [u16; N]) -> Self {
        numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self
    }

    fn u32s<const N: usize>(mut self, numbers: [u32; N]) -> Self {
        numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self
    }

    fn u64s<const N: usize>(mut self, numbers: [u64; N]) -> Self {
        numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self
    }
}

impl Entry {
    /// Writes what stands before the file; gives the bytes of both.
    fn write_local(&self, names: &Names<'_>, out: &mut dyn Write) -> io::Result<u64> {
        let name = names.of(self.chunk);
        let fields = Fields::default()
            .u32s([LOCAL])
            .u16s([PLAIN, names.flags(), DEFLATED, TIME, DAY])
            .u32s([self.crc, self.packed, self.size])
            .u16s([short(name.len()), 0]);
        out.write_all(&fields.0)?;
        out.write_all(name.as_bytes())?;
        Ok(LOCAL_BYTES.saturating_add(long(name.len())).saturating_add(self.packed.into()))
    }

    /// The file in the list: it stands at this byte.
    fn central(&self, names: &Names<'_>, at: u64) -> Vec<u8> {
        let name = names.of(self.chunk);
        let far = u32::try_from(at).map_or(u32::MAX, |at| at) == u32::MAX;
        let needs = if far { ZIP_64 } else { PLAIN };
        let extra = if far { Fields::default().u16s([1, 8]).u64s([at]) } else { Fields::default() };
        let mut fields = Fields::default()
            .u32s([CENTRAL])
            .u16s([UNIX | needs, needs, names.flags(), DEFLATED, TIME, DAY])
            .u32s([self.crc, self.packed, self.size])
            .u16s([short(name.len()), short(extra.0.len()), 0, 0, 0])
            .u32s([PERMISSIONS, capped(at)]);
        fields.0.extend(name.as_bytes());
        fields.0.extend(extra.0);
        fields.0
    }
}

/// Writes the list of the files, which stand from one byte to another, and the end.
fn write_list(
    entries: &[Entry],
    names: &Names<'_>,
    (first, list): (u64, u64),
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mut at, mut bytes) = (first, 0_u64);
    for entry in entries {
        let central = entry.central(names, at);
        out.write_all(&central)?;
        bytes = bytes.saturating_add(long(central.len()));
        let name = long(names.of(entry.chunk).len());
        at =
            at.saturating_add(LOCAL_BYTES.saturating_add(name)).saturating_add(entry.packed.into());
    }
    let count = long(entries.len());
    let many = u16::try_from(count).map_or(u16::MAX, |count| count);
    if many == u16::MAX || capped(list) == u32::MAX || capped(bytes) == u32::MAX {
        let end = Fields::default()
            .u32s([END_64])
            .u64s([END_64_REST])
            .u16s([UNIX | ZIP_64, ZIP_64])
            .u32s([0, 0])
            .u64s([count, count, bytes, list])
            .u32s([LOCATOR_64, 0])
            .u64s([list.saturating_add(bytes)])
            .u32s([1]);
        out.write_all(&end.0)?;
    }
    let end = Fields::default()
        .u32s([END])
        .u16s([0, 0, many, many])
        .u32s([capped(bytes), capped(list)])
        .u16s([0]);
    out.write_all(&end.0)
}

/// A number, or all bits where it has no room: then the true one stands elsewhere.
fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn long(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Names are short: their length is limited where programs write files.
fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use zip::ZipArchive;

    use super::*;

    fn archive(file: &str, pieces: Vec<Option<Vec<u8>>>) -> Vec<u8> {
        let mut out = Vec::new();
        let chunks = pieces.len();
        zip(file, chunks, &mut pieces.into_iter().map(Ok), &mut out).unwrap();
        out
    }

    #[test]
    fn another_reader_finds_every_file() {
        let large: Vec<u8> = (0..300_000_u32).flat_map(|n| (n % 1_000).to_le_bytes()).collect();
        let pieces = vec![Some(b"one".to_vec()), None, Some(Vec::new()), Some(large.clone())];
        let bytes = archive("out/z\u{e4}hler.csv", pieces.clone());
        assert!(bytes.len() * 2 < large.len(), "it is packed");
        assert_eq!(bytes, archive("out/z\u{e4}hler.csv", pieces));
        let mut read = ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(read.len(), 3);
        for (place, name, content) in [(0, "0", &b"one"[..]), (1, "2", b""), (2, "3", &large)] {
            let mut file = read.by_index(place).unwrap();
            assert_eq!(file.name().unwrap(), format!("{name}-z\u{e4}hler.csv"));
            assert_eq!(file.unix_mode(), Some(0o100_644));
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert!(found == content, "{name}");
        }
        assert_eq!(ZipArchive::new(Cursor::new(archive("x", vec![None]))).unwrap().len(), 0);
    }

    #[test]
    fn more_files_than_an_old_archive_can_count_are_all_there() {
        for count in [65_534, 65_535] {
            let bytes = archive("", vec![Some(b"7".to_vec()); count]);
            let old = !bytes.windows(4).rev().take(200).any(|four| four == END_64.to_le_bytes());
            assert_eq!(old, count < 65_535, "{count}");
            let mut read = ZipArchive::new(Cursor::new(bytes)).unwrap();
            assert_eq!(read.len(), count);
            let last = read.by_index(count - 1).unwrap();
            assert_eq!(last.name().unwrap(), format!("{}-stdout", count - 1));
        }
    }

    #[test]
    fn a_file_past_four_gibibytes_has_its_place_told_apart() {
        let names = Names { digits: 1, name: "a" };
        let entry = Entry { chunk: 7, crc: 1, packed: 2, size: 3 };
        let near = entry.central(&names, u64::from(u32::MAX) - 1);
        assert_eq!(&near[42..], b"\xfe\xff\xff\xff7-a");
        let far = entry.central(&names, 5 << 32);
        assert_eq!(&far[42..49], b"\xff\xff\xff\xff7-a");
        assert_eq!(&far[49..], [1, 0, 8, 0, 0, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!((near[6], far[6]), (20, 45));
        let mut end = Vec::new();
        write_list(&[entry], &names, (5 << 32, 6 << 32), &mut end).unwrap();
        let (list, end) = end.split_at(far.len());
        assert_eq!(list, far);
        assert_eq!(&end[..4], END_64.to_le_bytes());
        assert_eq!(&end[48..56], (6_u64 << 32).to_le_bytes());
        assert_eq!(&end[64..72], ((6_u64 << 32) + u64::try_from(far.len()).unwrap()).to_le_bytes());
    }
}
