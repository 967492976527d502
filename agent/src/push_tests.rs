//! Outputs at a server that cuts, that is older, and that got other bytes.

use std::io;
use std::sync::Mutex;

use medusa_api::ByteRange;
use medusa_types::{UploadId, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

const PATH: &str = "/v1/agent/outputs/lse_1?until=1&sig=x";

/// How the server takes outputs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It has no parts, and says so with this status.
    Older(u16),
    /// It cuts each body after so many bytes, and keeps what came.
    Cutting(usize),
    /// It finds in the end that the bytes are others.
    Refusing,
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    size: u64,
    looks: u32,
    /// Methods and paths, with the length of what came.
    asked: Vec<(String, usize)>,
}

/// A server of one output.
struct Keeper {
    server: Server,
    kept: Arc<Mutex<Kept>>,
    _task: JoinSet<()>,
}

impl Keeper {
    async fn of(kind: Kind) -> Self {
        crate::install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (inside, mut task) = (Arc::clone(&kept), JoinSet::new());
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever has what it wants hangs up.
                drop(answer(stream, kind, &inside).await);
            }
        });
        Self { server: Server::at(&url).unwrap(), kept, _task: task }
    }

    async fn take(&self, content: &Bytes) -> Result<(), CallError> {
        output(&self.server, PATH, (content, Sha256Hash::of(content))).await
    }

    fn asked(&self, what: &str) -> Vec<(String, usize)> {
        let kept = self.kept.lock().unwrap();
        kept.asked.iter().filter(|(asked, _)| asked.starts_with(what)).cloned().collect()
    }
}

/// Answers one request and hangs up.
async fn answer(mut stream: TcpStream, kind: Kind, kept: &Mutex<Kept>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let asked: Vec<&str> = head.split(' ').take(2).collect();
    let (method, path) = (asked[0], asked[1]);
    assert!(path.ends_with("?until=1&sig=x"), "{path}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let most = match kind {
        Kind::Cutting(most) if method == "put" => most.min(length),
        _ => length,
    };
    let mut body = vec![0; most];
    stream.read_exact(&mut body).await?;
    let said = heard(&mut kept.lock().unwrap(), kind, (method, path), body);
    if most < length {
        return Ok(());
    }
    let (status, said) = said;
    let length = said.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &said].concat()).await?;
    stream.shutdown().await
}

/// What the server makes of a request.
fn heard(
    kept: &mut Kept,
    kind: Kind,
    (method, path): (&str, &str),
    body: Vec<u8>,
) -> (u16, Vec<u8>) {
    kept.asked.push((format!("{method} {path}"), body.len()));
    let Some((_, part)) = path.split('?').next().unwrap().split_once("/parts") else {
        kept.bytes = body;
        return (201, Vec::new());
    };
    if let Kind::Older(status) = kind {
        return (status, Vec::new());
    }
    if method == "post" {
        kept.size = serde_json::from_slice::<NewUpload>(&body).unwrap().size;
    } else if let Some(first) = part.strip_prefix('/') {
        assert_eq!(first.parse::<usize>().unwrap(), kept.bytes.len(), "it goes on where it stood");
        kept.bytes.extend_from_slice(&body);
    } else {
        kept.looks += 1;
    }
    (200, serde_json::to_vec(&state(kept, kind)).unwrap())
}

/// It is put together at the second look.
fn state(kept: &Kept, kind: Kind) -> Upload {
    let received = u64::try_from(kept.bytes.len()).unwrap();
    let state = match (received < kept.size, kept.looks, kind) {
        (true, ..) => UploadState::Open,
        (false, 0..=1, _) => UploadState::Joining,
        (false, _, Kind::Refusing) => UploadState::Refused,
        (false, ..) => UploadState::Done,
    };
    Upload {
        id: UploadId(Uuid::nil()),
        size: kept.size,
        received,
        missing: vec![ByteRange { first: received, end: kept.size }],
        joined: 0,
        state,
        blob: None,
        part_bytes_max: 1 << 26,
        part_bytes: 1 << 23,
    }
}

fn content(bytes: usize) -> Bytes {
    (0_u32..).flat_map(|n| (n ^ 0x5a5a).to_le_bytes()).take(bytes).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn a_large_output_goes_on_after_each_cut() {
    let whole = content(PART_BYTES + 1_500_000);
    let keeper = Keeper::of(Kind::Cutting(1_200_000)).await;
    keeper.take(&whole).await.unwrap();
    assert!(keeper.kept.lock().unwrap().bytes == whole, "all of it came, and once");
    assert_eq!(keeper.asked("post").len(), 1);
    let parts: Vec<usize> = keeper.asked("put").into_iter().map(|(_, bytes)| bytes).collect();
    let last = whole.len() - 4 * 1_200_000;
    assert_eq!(parts, [1_200_000, 1_200_000, 1_200_000, 1_200_000, last]);
}

#[tokio::test]
async fn parts_are_no_larger_than_what_may_be_lost() {
    let whole = content(PART_BYTES + 1);
    let keeper = Keeper::of(Kind::Cutting(usize::MAX)).await;
    keeper.take(&whole).await.unwrap();
    let parts: Vec<usize> = keeper.asked("put").into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(parts, [PART_BYTES, 1]);
    assert_eq!(keeper.asked("get").len(), 2, "it waits until it is put together");
}

#[tokio::test]
async fn small_outputs_and_older_servers_get_it_whole() {
    let (small, large) = (content(WHOLE_BYTES_MAX), content(WHOLE_BYTES_MAX + 1));
    for (kind, output, posts) in [
        (Kind::Cutting(usize::MAX), &small, 0),
        (Kind::Older(404), &large, 1),
        (Kind::Older(405), &large, 1),
    ] {
        let keeper = Keeper::of(kind).await;
        keeper.take(output).await.unwrap();
        let asked = (keeper.asked("post").len(), keeper.asked("put"));
        assert_eq!(asked, (posts, vec![(format!("put {PATH}"), output.len())]));
        assert!(keeper.kept.lock().unwrap().bytes == *output);
    }
}

#[tokio::test]
async fn bytes_that_arrive_as_others_are_not_reported() {
    let keeper = Keeper::of(Kind::Refusing).await;
    let refused = keeper.take(&content(WHOLE_BYTES_MAX + 1)).await;
    assert!(matches!(refused, Err(CallError::Altered)), "{refused:?}");
}
