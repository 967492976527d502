//! Blobs come whole or not at all: from disk, from a server, and from one that cuts.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::resume::TRIES;
use crate::scratch::Scratch;

fn nowhere() -> Server {
    crate::install_crypto();
    Server::at("http://127.0.0.1:9").unwrap()
}

fn blob(content: &[u8]) -> Blob {
    Blob {
        sha256: *Sha256Hash::of(content).as_bytes(),
        size: u64::try_from(content.len()).unwrap(),
        path: "/v1/agent/b".into(),
    }
}

#[tokio::test]
async fn inline_parts_are_taken_from_the_payload_in_order() {
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), 100).unwrap();
    let mut payload = Bytes::from_static(b"abcde");
    for (part, wanted) in [(2, "ab"), (0, ""), (3, "cde")] {
        let got = blobs.part(&nowhere(), &Part::Inline(part), &mut payload).await.unwrap();
        assert_eq!(got, wanted);
    }
    let short = blobs.part(&nowhere(), &Part::Inline(1), &mut payload).await;
    assert!(matches!(short, Err(FetchError::Range)));
}

#[tokio::test]
async fn a_kept_blob_needs_no_server_and_gives_its_ranges() {
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), 100).unwrap();
    let blob = blob(b"hello");
    blobs.shelf.keep(Sha256Hash(blob.sha256), b"hello");
    assert_eq!(blobs.whole(&nowhere(), &blob).await.unwrap(), "hello");
    let part = Part::Range { blob: blob.clone(), offset: 1, len: 3 };
    let got = blobs.part(&nowhere(), &part, &mut Bytes::new()).await.unwrap();
    assert_eq!(got, "ell");
    let headed = Part::Headed { head: 2, blob: blob.clone(), offset: 1, len: 3 };
    let mut payload = Bytes::from_static(b"abcd");
    assert_eq!(blobs.part(&nowhere(), &headed, &mut payload).await.unwrap(), "abell");
    assert_eq!(payload, "cd", "the rest is for the next part");
    let short = blobs.part(&nowhere(), &headed, &mut Bytes::from_static(b"a")).await;
    assert!(matches!(short, Err(FetchError::Range)));
    let past = Part::Range { blob, offset: 4, len: 2 };
    let got = blobs.part(&nowhere(), &past, &mut Bytes::new()).await;
    assert!(matches!(got, Err(FetchError::Range)));
}

#[tokio::test]
async fn what_does_not_fit_the_disk_that_is_lent_is_refused_before_it_comes() {
    let content = large();
    let size = u64::try_from(content.len()).unwrap();
    let cutter = Cutter::of(content.clone(), usize::MAX).await;
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), size - 1).unwrap();
    let part = Part::Range { blob: blob(&content), offset: 0, len: size };
    for got in [
        blobs.whole(&cutter.server, &blob(&content)).await,
        blobs.part(&cutter.server, &part, &mut Bytes::new()).await,
    ] {
        assert!(matches!(got, Err(FetchError::Large { max, .. }) if max == size - 1));
    }
    let (blob, len) = (Blob { size: u64::MAX, ..blob(&content) }, PART_BYTES_MAX + 1);
    let part = Part::Range { blob, offset: 0, len };
    let got = blobs.part(&cutter.server, &part, &mut Bytes::new()).await;
    assert!(matches!(got, Err(FetchError::Large { max: PART_BYTES_MAX, .. })));
    assert!(cutter.asked().is_empty());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_blob_in_use_stays_in_memory() {
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), 100).unwrap();
    let large = Bytes::from(vec![0; MEMORY_BYTES_MAX.div_euclid(2)]);
    let hash = |n: u8| Sha256Hash([n; 32]);
    blobs.remember(hash(1), &large);
    blobs.remember(hash(2), &large);
    assert!(blobs.remembered(hash(1)).is_some());
    blobs.remember(hash(3), &large);
    assert_eq!([1, 2, 3].map(|n| blobs.remembered(hash(n)).is_some()), [true, false, true]);
}

/// A server of one blob that cuts each answer after so many bytes, and notes what was asked for.
struct Cutter {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
    _task: tokio::task::JoinSet<()>,
}

impl Cutter {
    async fn of(content: Vec<u8>, cut_after: usize) -> Self {
        crate::install_crypto();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (notes, mut task) = (Arc::clone(&asked), tokio::task::JoinSet::new());
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever has what it wants hangs up.
                drop(answer(stream, &content, cut_after, &notes).await);
            }
        });
        Self { server: Server::at(&url).unwrap(), asked, _task: task }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request for a range.
async fn answer(
    mut stream: tokio::net::TcpStream,
    content: &[u8],
    cut_after: usize,
    notes: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap();
    notes.lock().unwrap().push(range.to_owned());
    let (from, to) = range.split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let part = &content[from..=to];
    let told = format!("content-range: bytes {from}-{to}/{}", content.len());
    let length = part.len();
    let head = format!("HTTP/1.1 206 X\r\ncontent-length: {length}\r\n{told}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&part[..length.min(cut_after)]).await?;
    stream.shutdown().await
}

/// Bytes of a blob that comes in pieces.
fn large() -> Vec<u8> {
    let size = usize::try_from(PIECE_BYTES).unwrap() * 2 + 12_345;
    (0_u32..).flat_map(|n| (n ^ 0x5a5a).to_le_bytes()).take(size).collect()
}

#[tokio::test]
async fn a_large_blob_goes_on_after_each_cut() {
    let content = large();
    let cutter = Cutter::of(content.clone(), 7_000_000).await;
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), u64::MAX).unwrap();
    let got = blobs.whole(&cutter.server, &blob(&content)).await.unwrap();
    assert!(got == content);
    let asked = cutter.asked();
    let begins: Vec<u64> =
        asked.iter().map(|range| range.split_once('-').unwrap().0.parse().unwrap()).collect();
    assert!(begins.len() >= 3, "{asked:?}");
    assert!(begins.is_sorted_by(|a, b| a < b), "nothing is asked for twice: {asked:?}");
    let files = std::fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(files, 1, "the part is the blob now");
}

#[tokio::test]
async fn a_large_blob_goes_on_after_a_restart() {
    let content = large();
    let cutter = Cutter::of(content.clone(), usize::MAX).await;
    let scratch = Scratch::new();
    let half = content.len().div_euclid(2);
    let blobs = Blobs::open(scratch.path().to_owned(), u64::MAX).unwrap();
    let part = blobs.shelf.part(Sha256Hash::of(&content));
    std::fs::write(&part, &content[..half]).unwrap();
    let got = blobs.whole(&cutter.server, &blob(&content)).await.unwrap();
    assert!(got == content);
    assert!(cutter.asked()[0].starts_with(&format!("{half}-")), "{:?}", cutter.asked());
    assert!(!part.exists());
}

#[tokio::test]
async fn a_part_that_decayed_is_loaded_anew_once() {
    let content = large();
    let cutter = Cutter::of(content.clone(), usize::MAX).await;
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), u64::MAX).unwrap();
    std::fs::write(blobs.shelf.part(Sha256Hash::of(&content)), [7; 1_000]).unwrap();
    let got = blobs.whole(&cutter.server, &blob(&content)).await.unwrap();
    assert!(got == content);
    let other = Blob { sha256: [9; 32], ..blob(&content) };
    let refused = blobs.whole(&cutter.server, &other).await;
    assert!(matches!(refused, Err(FetchError::Altered { .. })), "it came anew and is another");
    assert!(!blobs.shelf.part(Sha256Hash([9; 32])).exists());
}

#[tokio::test]
async fn a_server_that_gives_nothing_is_given_up() {
    let content = large();
    let cutter = Cutter::of(content.clone(), 0).await;
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), u64::MAX).unwrap();
    let failed = blobs.whole(&cutter.server, &blob(&content)).await;
    assert!(matches!(failed, Err(FetchError::Call { .. })));
    assert_eq!(cutter.asked().len(), usize::try_from(TRIES).unwrap());
}

#[tokio::test]
async fn a_large_range_goes_on_after_each_cut() {
    let content = large();
    let cutter = Cutter::of(content.clone(), 7_000_000).await;
    let scratch = Scratch::new();
    let blobs = Blobs::open(scratch.path().to_owned(), u64::MAX).unwrap();
    let len = u64::try_from(content.len()).unwrap() - 10;
    let part = Part::Range { blob: blob(&content), offset: 10, len };
    let got = blobs.part(&cutter.server, &part, &mut Bytes::new()).await.unwrap();
    assert!(got == content[10..]);
    assert!(cutter.asked().iter().any(|range| range.starts_with("7000010-")));
}
