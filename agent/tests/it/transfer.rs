//! What transfers may take of disk and connection.

use std::time::{Duration, Instant};

use crate::support::{Home, inline, lease, linked, soon};
use crate::work::{ECHO, wasm};
use medusa_protocol::Part;
use medusa_types::{Bundle, Outcome};

/// More than one second at one MB a second, and small enough for the lease's limits.
const LARGE: usize = 2_000_000;

#[tokio::test]
async fn downloads_and_uploads_keep_within_the_limit() {
    let home = Home::new();
    std::fs::write(home.path().join("settings.json"), r#"{"down_mb_s":1,"up_mb_s":1}"#).unwrap();
    let (server, agent, mut link) = linked(&home).await;
    server.answer("/v1/agent/outputs/lse_1", 204, "");
    // The limit is set with the first look at the machine.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let input: Vec<u8> = (0..LARGE).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let blob = server.blob(&input);
    let mut echo = lease("lse_1", &server.blob(&wasm(ECHO)));
    echo.stdin = Some(Part::Range { len: blob.size, offset: 0, blob });
    let began = Instant::now();
    link.lease(&echo, "").await;
    let (report, _) = link.report().await;
    let took = began.elapsed();
    assert_eq!((report.outcome, report.uploaded), (Outcome::Done, true));
    let uploaded = server.body("/v1/agent/outputs/lse_1").unwrap();
    assert!(Bundle::decode(&uploaded).unwrap().stdout()[..LARGE] == input, "all of it came");
    assert!(took >= Duration::from_millis(3_400), "two MB each way: {took:?}");
    agent.stop().await;
}

/// Echoes two MB in frames with these settings; how long it took.
async fn echoes(settings: &str) -> Duration {
    let home = Home::new();
    std::fs::write(home.path().join("settings.json"), settings).unwrap();
    let (server, agent, mut link) = linked(&home).await;
    // The limit is set with the first look at the machine.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let program = server.blob(&wasm(ECHO));
    let input = vec![b'x'; 250_000];
    let began = Instant::now();
    for number in 0..8 {
        let mut echo = lease(&format!("lse_{number}"), &program);
        echo.stdin = Some(inline(&input));
        link.lease(&echo, input.clone()).await;
        let (report, output) = link.report().await;
        assert_eq!((report.outcome, report.uploaded), (Outcome::Done, false));
        assert!(output.len() > input.len());
    }
    let took = began.elapsed();
    agent.stop().await;
    took
}

#[tokio::test]
async fn what_travels_in_frames_keeps_within_the_limit() {
    let (down, up) = tokio::join!(echoes(r#"{"down_mb_s":1}"#), echoes(r#"{"up_mb_s":1}"#));
    // Two MB, of which a quarter may pass at once.
    let least = Duration::from_millis(1_700);
    assert!(down >= least && up >= least, "{down:?} down, {up:?} up");
}

#[tokio::test]
async fn a_lower_limit_on_disk_holds_at_once() {
    let home = Home::new();
    let settings = home.path().join("settings.json");
    std::fs::write(&settings, r#"{"disk_gb":10}"#).unwrap();
    let kept = home.path().join("blobs").join("0".repeat(64));
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    // Takes no room, but counts as 600 MB.
    std::fs::File::create(&kept).unwrap().set_len(600_000_000).unwrap();
    let (_server, agent, _link) = linked(&home).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(kept.exists(), "it fits into ten GB");
    agent.limit(|limits| limits.disk_gb = 1);
    soon("room", async {
        while kept.exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
