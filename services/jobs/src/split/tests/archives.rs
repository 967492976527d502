//! Archives that strangers make.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::zipped;
use crate::split::archive::{Refusal, count, walk};
use crate::split::name::NameError;

type Files = Vec<(String, Vec<u8>)>;

fn size_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

fn unpack(bytes: &[u8]) -> Result<Files, Refusal> {
    let mut files = Vec::new();
    let walked = walk(Cursor::new(bytes), size_of(bytes), &mut |name, body| {
        let mut content = Vec::new();
        body.read_to_end(&mut content)?;
        files.push((name.to_owned(), content));
        Ok(())
    });
    walked.map_err(|error| error.why).map(|()| files)
}

fn is_damaged(result: &Result<Files, Refusal>) -> bool {
    matches!(result, Err(Refusal::Damaged(_)))
}

/// Replaces each occurrence by as many other bytes.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let mut patches = 0;
    for at in 0..=out.len() - from.len() {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
            patches += 1;
        }
    }
    assert!(patches > 0, "nothing to patch");
    out
}

fn stored_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// One entry of a tar file, its name and size unchecked.
fn tar_entry(kind: EntryType, name: &str, announced: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(announced);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn tar_file(name: &str, content: &[u8]) -> Vec<u8> {
    tar_entry(EntryType::Regular, name, size_of(content), content)
}

fn tarred(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.resize(out.len() + 1024, 0);
    out
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::best());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn files(of: &[(&str, &[u8])]) -> Files {
    of.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect()
}

#[test]
fn plain_archives_of_each_kind_give_their_files() {
    let expected = files(&[("b.txt", b"bbb"), ("a/c.txt", b""), ("a/d.txt", b"dd")]);
    let zip = zipped(&[("b.txt", b"bbb"), ("a/", b""), ("a/c.txt", b""), ("a/d.txt", b"dd")]);
    let tar = tarred(&[
        tar_entry(EntryType::Directory, "./", 0, b""),
        tar_file("./b.txt", b"bbb"),
        tar_entry(EntryType::Directory, "./a/", 0, b""),
        tar_file("./a/c.txt", b""),
        tar_file("./a/d.txt", b"dd"),
    ]);
    for archive in [zip, gzipped(&tar), tar] {
        assert_eq!(unpack(&archive).as_ref(), Ok(&expected));
        assert_eq!(count(Cursor::new(&archive), size_of(&archive)), Ok(3));
    }
}

#[test]
fn long_names_of_tar_files_are_understood() {
    let name = "long/".repeat(60) + "name.txt";
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, &name, &b"hi"[..]).unwrap();
    assert_eq!(unpack(&builder.into_inner().unwrap()), Ok(files(&[(&name, b"hi")])));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let zip = zipped(&[("NAMENAME", b"x")]);
    for (name, why) in [
        ("../../xx", NameError::Parent),
        ("/etc/xxx", NameError::Absolute),
        ("C:/xxxxx", NameError::Absolute),
        ("..\\..\\xx", NameError::Backslash),
        ("xxx\0.txt", NameError::Control),
        ("xx/../..", NameError::Parent),
    ] {
        let archive = patched(&zip, b"NAMENAME", name.as_bytes());
        assert_eq!(unpack(&archive), Err(Refusal::Name(why)), "zip {name:?}");
        if !name.contains('\0') {
            let tar = tarred(&[tar_file(name, b"x")]);
            assert_eq!(unpack(&tar), Err(Refusal::Name(why)), "tar {name:?}");
        }
    }
    let folder = tarred(&[tar_entry(EntryType::Directory, "../x/", 0, b"")]);
    assert_eq!(unpack(&folder), Err(Refusal::Name(NameError::Parent)), "a folder too");
    let mut latin1 = tar_file("name.txt", b"x");
    latin1[1] = 0xe4;
    let mut header = Header::from_byte_slice(&latin1[..512]).clone();
    header.set_cksum();
    latin1[..512].copy_from_slice(header.as_bytes());
    assert_eq!(unpack(&tarred(&[latin1])), Err(Refusal::NotText));
}

#[test]
fn duplicate_names_are_refused_even_in_disguise() {
    let zip = patched(&zipped(&[("one.txt", b"1"), ("two.txt", b"2")]), b"two", b"one");
    assert_eq!(unpack(&zip), Err(Refusal::Duplicate));
    assert_eq!(unpack(&zipped(&[("a", b"1"), ("./a", b"2")])), Err(Refusal::Duplicate));
    let tar = tarred(&[tar_file("a", b"1"), tar_file(".//a", b"2")]);
    assert_eq!(unpack(&tar), Err(Refusal::Duplicate));
}

#[test]
fn links_and_devices_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert_eq!(unpack(&zip.finish().unwrap().into_inner()), Err(Refusal::Special));
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
    ] {
        let tar = tarred(&[tar_entry(kind, "thing", 0, b"")]);
        let unpacked = unpack(&tar);
        // The tar crate itself refuses a sparse entry without its map.
        assert!(unpacked == Err(Refusal::Special) || is_damaged(&unpacked), "{kind:?}");
    }
}

#[test]
fn encrypted_and_unusually_compressed_entries_are_refused() {
    let plain = stored_zip(&[("secret", b"x")]);
    let at = |signature: &[u8]| plain.windows(4).position(|w| w == signature).unwrap();
    let (local, central) = (at(b"PK\x03\x04"), at(b"PK\x01\x02"));
    let mut encrypted = plain.clone();
    encrypted[local + 6] |= 1;
    encrypted[central + 8] |= 1;
    assert_eq!(unpack(&encrypted), Err(Refusal::Encrypted));
    let mut bzip2 = plain.clone();
    bzip2[local + 8] = 12;
    bzip2[central + 10] = 12;
    assert_eq!(unpack(&bzip2), Err(Refusal::Method));
}

#[test]
fn bombs_are_stopped_while_they_unpack() {
    let zeros = vec![0; 20 << 20];
    assert_eq!(unpack(&zipped(&[("zeros", &zeros)])), Err(Refusal::Bomb));
    assert_eq!(unpack(&gzipped(&tarred(&[tar_file("zeros", &zeros)]))), Err(Refusal::Bomb));
    // Few bytes may be compressed as well as they like.
    assert!(unpack(&zipped(&[("zeros", &zeros[..1 << 20])])).is_ok());
    // Many entries that each stay below the floor do not get around it.
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &zeros[..1 << 19])).collect();
    assert_eq!(unpack(&zipped(&many)), Err(Refusal::Bomb));
}

#[test]
fn a_size_that_lies_is_found_out() {
    let plain = stored_zip(&[("lie", b"12345678")]);
    let central = plain.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for lie in [1_u32, 7, 9, u32::MAX - 1] {
        let mut lying = plain.clone();
        lying[central + 24..central + 28].copy_from_slice(&lie.to_le_bytes());
        assert!(is_damaged(&unpack(&lying)), "{lie}");
    }
    let short = tarred(&[tar_entry(EntryType::Regular, "short", 1 << 40, b"only this")]);
    assert!(is_damaged(&unpack(&short)));
    let pax = b"20 size=99999999999\n";
    let pax = tar_entry(EntryType::XHeader, "pax", size_of(pax), pax);
    assert!(is_damaged(&unpack(&tarred(&[pax, tar_file("lie", b"x")]))));
}

#[test]
fn endless_headers_are_stopped() {
    let name = vec![b'n'; 3 << 20];
    let long = tar_entry(EntryType::GNULongName, "././@LongLink", size_of(&name), &name);
    assert_eq!(unpack(&tarred(&[long, tar_file("x", b"x")])), Err(Refusal::Structure));
    let folder = tar_entry(EntryType::Directory, "x/", size_of(&name), &name);
    let folder = tarred(&[folder, tar_file("y", b"y")]);
    assert_eq!(unpack(&folder), Err(Refusal::Structure));
}

#[test]
fn too_many_entries_are_refused() {
    let names: Vec<String> = (0..=10_000).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
    assert_eq!(unpack(&stored_zip(&many)), Err(Refusal::TooMany));
    let entries: Vec<Vec<u8>> = names.iter().map(|n| tar_file(n, b"")).collect();
    assert_eq!(unpack(&tarred(&entries)), Err(Refusal::TooMany));
}

#[test]
fn damage_is_noticed() {
    let content: Vec<u8> = (0..=255).collect();
    let zip = stored_zip(&[("a", &content)]);
    let at = zip.windows(256).position(|w| w == content).unwrap();
    let mut flipped = zip.clone();
    flipped[at + 100] ^= 1;
    assert!(is_damaged(&unpack(&flipped)), "a wrong checksum");
    let mut gz = gzipped(&tarred(&[tar_file("a", &content)]));
    let checksum = gz.len() - 8;
    gz[checksum] ^= 1;
    assert!(is_damaged(&unpack(&gz)), "a wrong checksum of gzip");
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let zip = zipped(&[("a", b"some content"), ("b/c", b"more of it")]);
    let tar = tarred(&[tar_file("a", b"some content"), tar_file("b/c", b"more of it")]);
    let gz = gzipped(&tar);
    for archive in [&zip, &gz] {
        assert!(unpack(archive).is_ok());
        for cut in 0..archive.len() {
            assert!(unpack(&archive[..cut]).is_err(), "cut at {cut}");
        }
    }
    // A tar file ends where its files end; what is not there cannot be missed.
    for cut in (0..2048).filter(|cut| *cut != 1024) {
        let unpacked = unpack(&tar[..cut]);
        let padding = (1024 + 512 + 10..2048).contains(&cut);
        assert!(unpacked.is_err() || padding, "cut at {cut}: {unpacked:?}");
    }
}

#[test]
fn other_things_are_no_archives() {
    for bytes in [&b""[..], b"hello", b"PK", b"\x89PNG\r\n\x1a\n"] {
        assert_eq!(unpack(bytes), Err(Refusal::Kind));
    }
    assert_eq!(unpack(&gzipped(b"not a tar file")), Err(Refusal::Kind));
    assert!(is_damaged(&unpack(b"PK\x03\x04 and nothing more")));
}

#[test]
fn a_refusal_names_the_entry_without_its_tricks() {
    let archive = patched(&zipped(&[("NAMENAME", b"x")]), b"NAMENAME", b"\x1b[31m../");
    let said = walk(Cursor::new(&archive), 100, &mut |_, _| Ok(())).unwrap_err().to_string();
    assert_eq!(said, r#"entry "\u{1b}[31m../": its name has control characters"#);
}
