//! Uploads that are cut, altered or empty, and archives that mean harm: nothing of them is kept,
//! and
//! the refusal says what to do.

use std::io::{Cursor, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use medusa_api::{JobSpec, Problem, QuoteRequest, Size, Split};
use medusa_client::ClientError;
use medusa_types::Sha256Hash;
use zip::write::SimpleFileOptions;

use crate::harness::{House, Person, add_program, echo, range};

#[tokio::test]
async fn of_an_upload_that_is_cut_nothing_is_kept() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let before = house.stored_files();
    let part = [b'x'; 70_000];
    let mut socket = TcpStream::connect(house.address()).unwrap();
    let head = format!(
        "POST /v1/blobs HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 1000000\r\nConnection: close\r\n\r\n",
        house.address(),
        consumer.token
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&part).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    // A connection that ended early need not be answered, but the answer is never a good one.
    socket.read_to_string(&mut answer).ok();
    assert!(!answer.contains("HTTP/1.1 2"), "{answer}");
    crate::harness::until("an object store as it was", async || {
        (house.stored_files() == before).then_some(())
    })
    .await;
    let error = consumer.client.preview(Sha256Hash::of(&part)).await.unwrap_err();
    assert_eq!(error.code(), Some("platform.not_found"));
}

#[tokio::test]
async fn bytes_that_are_not_the_announced_ones_are_refused() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let before = house.stored_files();
    let upload = async |digest: String| {
        let request = house.http().post(format!("{}/v1/blobs", house.url));
        let request = request.bearer_auth(&consumer.token).header("Content-Digest", digest);
        let answer = request.body("what really came").send().await.unwrap();
        let status = answer.status().as_u16();
        let problem: Problem = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        (status, problem)
    };
    let other = STANDARD.encode(Sha256Hash::of(b"what was announced").as_bytes());
    let (status, problem) = upload(format!("sha-256=:{other}:")).await;
    assert_eq!((status, problem.code.as_str()), (422, "blob.digest_mismatch"));
    assert!(problem.detail.contains("nothing was kept"), "{}", problem.detail);
    let (status, problem) = upload("sha-256=nonsense".into()).await;
    assert_eq!((status, problem.code.as_str()), (400, "blob.digest_refused"));
    assert_eq!(house.stored_files(), before);
}

/// What the quote for an echo over this input is refused with.
async fn refusal(consumer: &Person, input: Option<Vec<u8>>, split: Split) -> (String, String) {
    let program = add_program(consumer, echo()).await.unwrap();
    let blob = match input {
        Some(bytes) => Some(consumer.client.upload_bytes(Bytes::from(bytes)).await.unwrap().sha256),
        None => None,
    };
    let spec = JobSpec { split, ..range(1, 1) };
    let request = QuoteRequest { program, input: blob, spec };
    let error: ClientError = consumer.client.quote(&request).await.expect_err("a quote");
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(problem.status, 422, "{problem}");
    (problem.code.clone(), problem.detail.clone())
}

#[tokio::test]
async fn an_input_that_cannot_be_split_is_refused() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lines = || Split::Lines { lines: Size::Count(1) };
    let tiles = || Split::Tiles { width: 64, height: 64, overlap: 0 };
    for (input, split, code) in [
        (Some(Vec::new()), lines(), "jobs.input_empty"),
        (None, lines(), "jobs.input_missing"),
        (Some(vec![b'\n'; 1_000_001]), lines(), "jobs.too_many_chunks"),
        (Some(b"not a picture".to_vec()), tiles(), "jobs.picture_refused"),
        (Some(b"not an archive".to_vec()), Split::Files { group: 1 }, "jobs.archive_refused"),
        (Some(b"x".to_vec()), Split::Bytes { bytes: 0 }, "jobs.spec_refused"),
    ] {
        let (found, detail) = refusal(&consumer, input, split).await;
        assert_eq!(found, code, "{detail}");
    }
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zip_with_link() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap().into_inner()
}

/// Packs a name as it is: a good packer would refuse these.
fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        if *kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_size(content.len().try_into().unwrap());
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn archives_that_mean_harm_are_refused_and_leave_nothing() {
    use tar::EntryType::{Regular, Symlink};
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let bomb = zip(&[("zeros", &vec![0; 64 << 20])]);
    // The packer refuses equal names, so one is changed where it is written, twice.
    let mut twice = zip(&[("one", b"1"), ("two", b"2")]);
    for at in 0..twice.len() - 3 {
        if &twice[at..at + 3] == b"two" {
            twice[at..at + 3].copy_from_slice(b"one");
        }
    }
    for (archive, words) in [
        (bomb, "more than 100 times its size"),
        (zip(&[("../../etc/cron.d/job", b"x")]), "leads out of its folder"),
        (zip(&[("/etc/cron.d/job", b"x")]), "absolute path"),
        (zip_with_link(), "plain files only"),
        (twice, "the same name"),
        (zip(&[]), "no files"),
        (zip(&[("whole", &[7; 1000])])[..80].to_vec(), "refused"),
        (tar(&[("../outside", Regular, b"x")]), "leads out of its folder"),
        (tar(&[("/absolute", Regular, b"x")]), "absolute path"),
        (tar(&[("link", Symlink, b"")]), "plain files only"),
        (tar(&[("same", Regular, b"1"), ("same", Regular, b"2")]), "the same name"),
    ] {
        let (code, detail) = refusal(&consumer, Some(archive), Split::Files { group: 1 }).await;
        assert_eq!(code, "jobs.archive_refused");
        assert!(detail.contains(words), "{detail}, not {words}");
    }
    let zeros = Sha256Hash::of(&vec![0; 64 << 20]).to_string();
    let kept = house.stored_files();
    assert!(!kept.iter().any(|file| file.contains(&zeros)), "the bomb was unpacked");
}

#[tokio::test]
async fn a_good_archive_is_split_by_file() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let _agent = house.agent(&lena).await;
    let program = add_program(&consumer, echo()).await.unwrap();
    for archive in [
        zip(&[("b/two.txt", b"two "), ("a.txt", b"one ")]),
        tar(&[
            ("b/two.txt", tar::EntryType::Regular, b"two "),
            ("a.txt", tar::EntryType::Regular, b"one "),
        ]),
    ] {
        let blob = consumer.client.upload_bytes(Bytes::from(archive)).await.unwrap();
        let spec = JobSpec { split: Split::Files { group: 1 }, ..range(1, 1) };
        let request = QuoteRequest { program, input: Some(blob.sha256), spec };
        let job = crate::harness::run(&consumer, &request).await;
        let result = consumer.client.result(&job, "out.txt").await.unwrap();
        assert_eq!(result.as_deref(), Some(b"one two ".as_slice()), "in the order of their names");
    }
}
