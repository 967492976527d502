//! Large files by the command line: killed in the middle it goes on where it was, and a server that
//! is killed and started again does not stop it. Nothing that is there is sent again.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use medusa_api::{NewUpload, Upload, UploadState};
use medusa_types::Sha256Hash;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Folder, House, Person, program, until};

const MIB: u64 = 1024 * 1024;
/// Five parts and a bit.
const SIZE: u64 = 42 * MIB;

/// A line to the server with a width in bytes per pause, that counts what goes through.
struct Line {
    url: String,
    width: Arc<AtomicU64>,
    through: Arc<AtomicU64>,
}

impl Line {
    async fn open(house: &House, width: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (width, through) = (Arc::new(AtomicU64::new(width)), Arc::new(AtomicU64::new(0)));
        let (to, at, count) =
            (house.address().to_owned(), Arc::clone(&width), Arc::clone(&through));
        #[expect(clippy::disallowed_methods, reason = "the line ends with the test")]
        tokio::spawn(async move {
            let mut calls = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                calls.spawn(carry(near, to.clone(), Arc::clone(&at), Arc::clone(&count)));
            }
        });
        Self { url, width, through }
    }

    fn through(&self) -> u64 {
        self.through.load(Ordering::Relaxed)
    }
}

async fn carry(near: TcpStream, to: String, width: Arc<AtomicU64>, through: Arc<AtomicU64>) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let there = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = near_in.read(&mut bytes).await {
            if far_out.write_all(&bytes[..n]).await.is_err() {
                break;
            }
            let n = u64::try_from(n).unwrap();
            through.fetch_add(n, Ordering::Relaxed);
            let pause = (n * 1_000).div_ceil(width.load(Ordering::Relaxed));
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    };
    let back = tokio::io::copy(&mut far_in, &mut near_out);
    tokio::select! {
        () = there => {}
        _ = back => {}
    }
}

struct Sender {
    folder: Folder,
    wish: NewUpload,
}

impl Sender {
    fn new() -> Self {
        let folder = Folder::new();
        let words =
            (0..SIZE >> 3).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        let bytes: Vec<u8> = words.collect();
        std::fs::write(folder.path().join("large"), &bytes).unwrap();
        Self { folder, wish: NewUpload { size: SIZE, sha256: Some(Sha256Hash::of(&bytes)) } }
    }

    fn start(&self, who: &Person, line: &Line) -> Child {
        let mut command = Command::new(program("medusa"));
        command
            .args(["upload", "large"])
            .current_dir(self.folder.path())
            .env("MEDUSA_URL", &line.url)
            .env("MEDUSA_CONFIG", self.folder.path().join("config"))
            .env("MEDUSA_TOKEN", &who.token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// How far it is, as the server knows it by the digest.
    async fn state(&self, who: &Person) -> Upload {
        who.client.begin_upload(&self.wish).await.unwrap()
    }

    async fn until_begun(&self, who: &Person) -> u64 {
        until("some parts at the server", async || {
            let there = there(&self.state(who).await);
            (there >= 12 * MIB).then_some(there)
        })
        .await
    }

    /// What was under way when the sender was killed is kept as well; it takes a moment.
    async fn until_settled(&self, who: &Person) -> u64 {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = there(&self.state(who).await);
            if now == before {
                return now;
            }
            before = now;
        }
    }

    async fn ends_well(&self, child: Child) {
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let ended = ended.await.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        let digest = String::from_utf8(ended.stdout).unwrap();
        assert_eq!(Some(digest.trim().to_owned()), self.wish.sha256.map(|hash| hash.to_string()));
    }
}

fn there(upload: &Upload) -> u64 {
    upload.size - upload.missing.iter().map(|gap| gap.end - gap.first).sum::<u64>()
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_and_sends_nothing_twice() {
    let house = House::open().await;
    let carla = house.person("carla").await;
    let sender = Sender::new();
    let line = Line::open(&house, 4 * MIB).await;
    let mut child = sender.start(&carla, &line);
    sender.until_begun(&carla).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = sender.until_settled(&carla).await;
    let before = line.through();
    line.width.store(1_000 * MIB, Ordering::Relaxed);
    sender.ends_well(sender.start(&carla, &line)).await;
    let sent = line.through() - before;
    assert!((12 * MIB..SIZE).contains(&kept), "{kept}");
    assert!(sent < SIZE - kept + MIB, "{sent} bytes were sent for {} missing ones", SIZE - kept);
    // Once more: all is there.
    let before = line.through();
    sender.ends_well(sender.start(&carla, &line)).await;
    assert!(line.through() - before < MIB);
    let done = sender.state(&carla).await;
    assert_eq!((done.state, done.missing.len()), (UploadState::Done, 0));
}

#[tokio::test]
async fn an_upload_outlives_the_server() {
    let mut house = House::open().await;
    let carla = house.person("carla").await;
    let sender = Sender::new();
    let line = Line::open(&house, 4 * MIB).await;
    let child = sender.start(&carla, &line);
    sender.until_begun(&carla).await;
    house.kill9();
    house.restart().await;
    line.width.store(1_000 * MIB, Ordering::Relaxed);
    sender.ends_well(child).await;
    assert!(line.through() < SIZE + 32 * MIB, "only what was under way is sent again");
    let blob = carla.client.preview(sender.wish.sha256.unwrap()).await.unwrap().blob;
    assert_eq!(blob.size, SIZE);
}

#[tokio::test]
async fn parts_of_an_upload_come_in_any_order() {
    let house = House::open().await;
    let carla = house.person("carla").await;
    let whole = vec![7_u8; usize::try_from(10 * MIB).unwrap()];
    let wish = NewUpload { size: 10 * MIB, sha256: Some(Sha256Hash::of(&whole)) };
    let upload = carla.client.begin_upload(&wish).await.unwrap();
    let second = upload.part_bytes;
    let put = async |first: u64, bytes: u64| {
        let url = format!("{}/v1/uploads/{}/parts/{first}", house.url, upload.id);
        let body = vec![7_u8; usize::try_from(bytes).unwrap()];
        let answer = house.http().put(url).bearer_auth(&carla.token).body(body).send();
        answer.await.unwrap().status().as_u16()
    };
    assert_eq!(put(second, 10 * MIB - second).await, 200);
    let now = carla.client.upload_state(upload.id).await.unwrap();
    assert_eq!((now.received, now.missing.len(), now.missing[0].end), (0, 1, second));
    assert_eq!(put(0, second + 1).await, 413, "it would go over what is there");
    assert_eq!(put(100, 100).await, 409, "no part begins there");
    // Of two for the same place one is taken.
    let both = tokio::join!(put(0, second), put(0, second));
    assert_eq!(both, (200, 200));
    until("a blob", async || {
        let now = carla.client.upload_state(upload.id).await.unwrap();
        (now.state == UploadState::Done).then_some(())
    })
    .await;
    assert_eq!(carla.client.preview(Sha256Hash::of(&whole)).await.unwrap().blob.size, 10 * MIB);
}
