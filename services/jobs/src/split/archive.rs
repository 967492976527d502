//! Walking through the files of a zip or tar archive that a stranger made.
//!
//! Every limit is checked on what is really read, not on what headers announce: number of entries,
//! inflated bytes, ratio, checksums, lengths. Only plain files and directories are accepted.
//! Nothing is ever extracted to a path. Pure but for the reader and the visitor.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read, Seek};

use flate2::read::MultiGzDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::meter::{Meter, Metered};
use super::name::{self, NameError};

/// The most entries, directories included.
const ENTRIES_MAX: usize = 10_000;
/// The most bytes of a zip file's list of entries.
const DIRECTORY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The most bytes of headers between two files of a tar file.
const HEADERS_BYTES_MAX: u64 = 1024 * 1024;
/// The file type in a Unix mode, and its value for plain files.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_PLAIN: u32 = 0o100_000;
/// The most characters of a name that are repeated in a message.
const SHOWN_CHARS_MAX: usize = 100;

/// An archive that is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveError {
    /// The entry, if it is about one.
    pub entry: Option<String>,
    /// What is wrong with it.
    pub why: Refusal,
}

/// What is wrong with an archive or an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No known kind.
    #[error("it is no zip, tar or tar.gz file")]
    Kind,
    /// An entry's name.
    #[error("{0}")]
    Name(#[from] NameError),
    /// The name is not UTF-8.
    #[error("its name is not UTF-8 text")]
    NotText,
    /// A symlink, a hard link, a device or the like.
    #[error("it is a link, device or other special file: pack plain files only")]
    Special,
    /// Two entries would be the same file.
    #[error("two entries have the same name")]
    Duplicate,
    /// Needs a password.
    #[error("it is encrypted: pack it without a password")]
    Encrypted,
    /// Compressed in an unusual way.
    #[error("it is compressed by another method than deflate")]
    Method,
    /// Too many entries.
    #[error("it has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// Too much content.
    #[error("its files have more than 2 GiB together")]
    TooLarge,
    /// Suspiciously well compressed.
    #[error("it unpacks to more than 100 times its size")]
    Bomb,
    /// Too much between the files.
    #[error("its headers are too long")]
    Structure,
    /// Not what it says it is.
    #[error("it is damaged or cut short ({0})")]
    Damaged(String),
    /// Nothing to compute on.
    #[error("it has no files")]
    NoFiles,
}

impl std::fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(entry) = &self.entry {
            let shown: String = entry.chars().take(SHOWN_CHARS_MAX).collect();
            write!(f, "entry {shown:?}: ")?;
        }
        std::fmt::Display::fmt(&self.why, f)
    }
}

impl std::error::Error for ArchiveError {}

fn whole(why: impl Into<Refusal>) -> ArchiveError {
    ArchiveError { entry: None, why: why.into() }
}

fn damaged(error: &dyn std::error::Error) -> Refusal {
    Refusal::Damaged(error.to_string())
}

/// Gets the plain name and content of each file.
pub(super) type Visit<'a> = dyn FnMut(&str, &mut dyn Read) -> io::Result<()> + 'a;

/// The kinds of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    Tar,
    TarGz,
}

impl Kind {
    /// By the first bytes. Whether there is a tar file in a gzip file shows only later.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            [0x1f, 0x8b, ..] => Some(Self::TarGz),
            _ if is_tar(head) => Some(Self::Tar),
            _ => None,
        }
    }

    /// What people call it.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Zip => "zip archive",
            Self::Tar => "tar archive",
            Self::TarGz => "tar.gz archive",
        }
    }
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Visits every file of an archive of `size` bytes, in the archive's order.
pub(super) fn walk<R: Read + Seek>(
    mut archive: R,
    size: u64,
    visit: &mut Visit<'_>,
) -> Result<(), ArchiveError> {
    match kind_of(&mut archive)? {
        Kind::Zip => walk_zip(archive, size, visit),
        Kind::Tar => walk_tar(archive, size, visit),
        Kind::TarGz => walk_tar(MultiGzDecoder::new(archive), size, visit),
    }
}

/// Counts the files. Reads no content of zip files.
pub(super) fn count<R: Read + Seek>(mut archive: R, size: u64) -> Result<usize, ArchiveError> {
    let mut files = 0_usize;
    if kind_of(&mut archive)? == Kind::Zip {
        let zip = open_zip(archive)?;
        let mut names = Names::default();
        for index in 0..zip.len() {
            files = files.saturating_add(usize::from(zip_file(&zip, index, &mut names)?.is_some()));
        }
    } else {
        walk(archive, size, &mut |_, _| {
            files = files.saturating_add(1);
            Ok(())
        })?;
    }
    Ok(files)
}

fn kind_of(archive: &mut (impl Read + Seek)) -> Result<Kind, ArchiveError> {
    let head = head_of(archive).and_then(|head| archive.rewind().map(|()| head));
    let head = head.map_err(|error| whole(damaged(&error)))?;
    Kind::of(&head).ok_or_else(|| whole(Refusal::Kind))
}

fn head_of(archive: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    archive.take(512).read_to_end(&mut head)?;
    Ok(head)
}

/// The names so far.
#[derive(Default)]
struct Names {
    seen: BTreeSet<String>,
    entries: usize,
}

impl Names {
    /// Checks the entry's name; gives the plain one of a file.
    fn admit(&mut self, raw: &str, is_file: bool) -> Result<Option<String>, Refusal> {
        self.entries = self.entries.saturating_add(1);
        if self.entries > ENTRIES_MAX {
            return Err(Refusal::TooMany);
        }
        if !is_file && raw.split('/').all(|part| matches!(part, "" | ".")) && !raw.starts_with('/')
        {
            // `tar` packs the folder itself as `./`.
            return Ok(None);
        }
        let plain = name::plain(raw)?;
        if !is_file {
            return Ok(None);
        }
        if self.seen.insert(plain.clone()) { Ok(Some(plain)) } else { Err(Refusal::Duplicate) }
    }
}

fn open_zip<R: Read + Seek>(archive: R) -> Result<ZipArchive<Metered<R>>, ArchiveError> {
    let meter = Meter::leashed(DIRECTORY_BYTES_MAX);
    let zip = ZipArchive::new(Metered::new(archive, &meter))
        .map_err(|error| whole(meter.refusal().unwrap_or_else(|| damaged(&error))))?;
    meter.unleash();
    if zip.len() > ENTRIES_MAX {
        return Err(whole(Refusal::TooMany));
    }
    if zip.has_duplicate_names() {
        return Err(whole(Refusal::Duplicate));
    }
    Ok(zip)
}

/// The plain name and announced length of an entry that is a file.
fn zip_file<R: Read + Seek>(
    zip: &ZipArchive<R>,
    index: usize,
    names: &mut Names,
) -> Result<Option<(String, u64)>, ArchiveError> {
    let entry = zip.by_index_data(index).map_err(|error| whole(damaged(&error)))?;
    let raw = entry.name().map_err(|error| whole(damaged(&error)))?.into_owned();
    let at = |why| ArchiveError { entry: Some(raw.clone()), why };
    // Names that end with a slash are directories, whatever else they say.
    let is_file = !raw.ends_with('/');
    let file_type = entry.unix_mode().unwrap_or(0) & TYPE_MASK;
    let method = entry.compression();
    let refusals = [
        (is_file && file_type != 0 && file_type != TYPE_PLAIN, Refusal::Special),
        (entry.encrypted(), Refusal::Encrypted),
        (
            method != CompressionMethod::Stored && method != CompressionMethod::Deflated,
            Refusal::Method,
        ),
    ];
    let name = names.admit(&raw, is_file).map_err(at)?;
    if let Some((_, why)) = refusals.into_iter().find(|(refused, _)| *refused) {
        return Err(at(why));
    }
    Ok(name.map(|name| (name, entry.size())))
}

fn walk_zip<R: Read + Seek>(
    archive: R,
    size: u64,
    visit: &mut Visit<'_>,
) -> Result<(), ArchiveError> {
    let mut zip = open_zip(archive)?;
    let mut names = Names::default();
    let meter = Meter::of_archive(size);
    for index in 0..zip.len() {
        let Some((name, announced)) = zip_file(&zip, index, &mut names)? else { continue };
        let file = zip
            .by_index(index)
            .map_err(|error| ArchiveError { entry: Some(name.clone()), why: damaged(&error) })?;
        let mut body = Metered::new(file, &meter);
        read_out(&name, announced, &mut body, &meter, visit)?;
    }
    Ok(())
}

fn walk_tar(mut stream: impl Read, size: u64, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let head = head_of(&mut stream).map_err(|error| whole(damaged(&error)))?;
    if !is_tar(&head) {
        return Err(whole(Refusal::Kind));
    }
    let meter = Meter::of_archive(size);
    let failed = |error: io::Error| whole(meter.refusal().unwrap_or_else(|| damaged(&error)));
    let mut tar = tar::Archive::new(Metered::new(Cursor::new(head).chain(stream), &meter));
    let mut names = Names::default();
    let mut entries = tar.entries().map_err(failed)?;
    loop {
        // The tar crate keeps long names in memory and skips what it does not know: not endlessly.
        meter.leash(HEADERS_BYTES_MAX);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(failed)?;
        meter.unleash();
        if let Some((name, announced)) = tar_file(&entry, &mut names)? {
            read_out(&name, announced, &mut entry, &meter, visit)?;
        }
    }
    // gzip's checksum stands at the end of the stream, past the end of the tar file.
    meter.unleash();
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(failed)?;
    Ok(())
}

/// The plain name and announced length of an entry that is a file.
fn tar_file<R: Read>(
    entry: &tar::Entry<'_, R>,
    names: &mut Names,
) -> Result<Option<(String, u64)>, ArchiveError> {
    let bytes = entry.path_bytes();
    let lossy = || String::from_utf8_lossy(&bytes).into_owned();
    let at = |why| ArchiveError { entry: Some(lossy()), why };
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(None);
    }
    let raw = std::str::from_utf8(&bytes).ok().ok_or_else(|| at(Refusal::NotText))?;
    let is_directory = kind.is_dir() || (kind.is_file() && raw.ends_with('/'));
    let name = names.admit(raw, !is_directory).map_err(at)?;
    if !(is_directory || kind.is_file() || kind.is_contiguous()) {
        return Err(at(Refusal::Special));
    }
    Ok(name.map(|name| (name, entry.size())))
}

/// Lets the visitor read a file, and sees to it that it is read to its end and as long as
/// announced.
fn read_out(
    name: &str,
    announced: u64,
    body: &mut dyn Read,
    meter: &Meter,
    visit: &mut Visit<'_>,
) -> Result<(), ArchiveError> {
    let mut body = Counted { inner: body, read: 0 };
    let done = visit(name, &mut body).and_then(|()| io::copy(&mut body, &mut io::sink()));
    let why = match done {
        Err(error) => meter.refusal().unwrap_or_else(|| damaged(&error)),
        Ok(_) if body.read != announced => {
            Refusal::Damaged(format!("it has {} bytes instead of {announced}", body.read))
        }
        Ok(_) => return Ok(()),
    };
    Err(ArchiveError { entry: Some(name.to_owned()), why })
}

struct Counted<'a> {
    inner: &'a mut dyn Read,
    read: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.read = self.read.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}
