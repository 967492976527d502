//! Uploads in parts: they go on after a killed server, a lost answer and a broken line, and what
//! comes of them is the same blob as in one piece.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use medusa_api::{NewUpload, Problem, Upload, UploadState};
use medusa_client::operation_id;
use medusa_types::Sha256Hash;
use reqwest::RequestBuilder;

use crate::harness::{House, Person, until};

async fn answer<T: serde::de::DeserializeOwned>(request: RequestBuilder) -> (u16, T) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&body);
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn begin(house: &House, who: &Person, wish: &NewUpload, key: &str) -> RequestBuilder {
    let request = house.http().post(format!("{}/v1/uploads", house.url));
    request.bearer_auth(&who.token).header("Idempotency-Key", key).json(wish)
}

fn part(
    house: &House,
    who: &Person,
    upload: &Upload,
    (first, bytes): (u64, &[u8]),
) -> RequestBuilder {
    let url = format!("{}/v1/uploads/{}/parts/{first}", house.url, upload.id);
    house.http().put(url).bearer_auth(&who.token).body(bytes.to_vec())
}

async fn state(house: &House, who: &Person, upload: &Upload) -> Upload {
    let url = format!("{}/v1/uploads/{}", house.url, upload.id);
    let (status, now) = answer(house.http().get(url).bearer_auth(&who.token)).await;
    assert_eq!(status, 200);
    now
}

async fn ended(house: &House, who: &Person, upload: &Upload) -> Upload {
    until("an upload that is joined", async || {
        let now = state(house, who, upload).await;
        matches!(now.state, UploadState::Done | UploadState::Refused).then_some(now)
    })
    .await
}

fn whole() -> Vec<u8> {
    (0_u32..700_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[tokio::test]
async fn an_upload_goes_on_after_whatever_happens_to_it() {
    let mut house = House::open().await;
    let carla = house.person("carla").await;
    let whole = whole();
    let size = u64::try_from(whole.len()).unwrap();
    let sha256 = Sha256Hash::of(&whole);
    let wish = NewUpload { size, sha256: Some(sha256) };
    let key = operation_id().to_string();
    let (status, upload): (_, Upload) = answer(begin(&house, &carla, &wish, &key)).await;
    assert_eq!((status, upload.received, upload.state), (201, 0, UploadState::Open));
    let (_, again): (_, Upload) = answer(begin(&house, &carla, &wish, &key)).await;
    assert_eq!(again.id, upload.id);
    let (status, now): (_, Upload) =
        answer(part(&house, &carla, &upload, (0, &whole[..1_000_000]))).await;
    assert_eq!((status, now.received), (200, 1_000_000));
    // The answer was lost: the same part again changes nothing, whatever is in it.
    let (_, now): (_, Upload) = answer(part(&house, &carla, &upload, (0, &[7; 50]))).await;
    assert_eq!(now.received, 1_000_000);
    house.kill9();
    house.restart().await;
    assert_eq!(state(&house, &carla, &upload).await.received, 1_000_000);

    // A part that breaks off: what came is kept.
    let mut socket = TcpStream::connect(house.address()).unwrap();
    let head = format!(
        "PUT /v1/uploads/{}/parts/1000000 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 1000000\r\nConnection: close\r\n\r\n",
        upload.id,
        house.address(),
        carla.token
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&whole[1_000_000..1_300_000]).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let now = until("the part that came", async || {
        let now = state(&house, &carla, &upload).await;
        (now.received > 1_000_000).then_some(now)
    })
    .await;
    assert!(now.received <= 1_300_000, "{now:?}");

    let (status, problem): (_, Problem) =
        answer(part(&house, &carla, &upload, (now.received + 1, &[0; 10]))).await;
    assert_eq!((status, problem.code.as_str()), (409, "jobs.upload_gap"));
    assert!(problem.detail.contains(&now.received.to_string()), "{}", problem.detail);
    let first = usize::try_from(now.received).unwrap();
    // A crumb that leaves a hole behind it is refused, not dropped with a friendly answer.
    for crumb in [&whole[first..first + 65_535], b"".as_slice()] {
        let (status, problem): (_, Problem) =
            answer(part(&house, &carla, &upload, (now.received, crumb))).await;
        assert_eq!((status, problem.code.as_str()), (422, "jobs.upload_small"));
        assert!(problem.detail.contains(&crumb.len().to_string()), "{}", problem.detail);
    }
    assert_eq!(state(&house, &carla, &upload).await.received, now.received);
    let (status, problem): (_, Problem) =
        answer(part(&house, &carla, &upload, (now.received, &[&whole[first..], b"x"].concat())))
            .await;
    assert_eq!((status, problem.code.as_str()), (413, "blob.too_large"));
    let (_, now): (_, Upload) =
        answer(part(&house, &carla, &upload, (now.received, &whole[first..]))).await;
    assert_eq!(now.received, size);
    let done = ended(&house, &carla, &upload).await;
    assert_eq!(done.blob.map(|blob| (blob.sha256, blob.size)), Some((sha256, size)));
    let blob = carla.client.preview(sha256).await.unwrap().blob;
    assert_eq!((blob.sha256, blob.size), (sha256, size));
}

#[tokio::test]
async fn uploads_are_their_owners_and_must_be_what_was_announced() {
    let house = House::open().await;
    let (carla, bob) = (house.person("carla").await, house.person("bob").await);
    let before = house.stored_files();
    let wish = NewUpload { size: 3, sha256: Some(Sha256Hash::of(b"abc")) };
    let (_, upload): (_, Upload) = answer(begin(&house, &carla, &wish, "key")).await;
    let (status, _): (_, Problem) = answer(part(&house, &bob, &upload, (0, b"abc"))).await;
    assert_eq!(status, 404);
    let other = NewUpload { size: 4, ..wish };
    let (status, problem): (_, Problem) = answer(begin(&house, &carla, &other, "key")).await;
    assert_eq!((status, problem.code.as_str()), (422, "platform.key_reused"));
    let none = NewUpload { size: 0, sha256: None };
    let (status, problem): (_, Problem) = answer(begin(&house, &carla, &none, "none")).await;
    assert_eq!((status, problem.code.as_str()), (422, "jobs.upload_empty"));
    let huge = NewUpload { size: u64::MAX, sha256: None };
    let (status, problem): (_, Problem) = answer(begin(&house, &carla, &huge, "huge")).await;
    assert_eq!((status, problem.code.as_str()), (413, "blob.too_large"));
    let (_, now): (_, Upload) = answer(part(&house, &carla, &upload, (0, b"abd"))).await;
    assert_eq!(now.received, 3);
    let refused = ended(&house, &carla, &upload).await;
    assert_eq!((refused.state, refused.blob), (UploadState::Refused, None));
    until("an object store as it was", async || (house.stored_files() == before).then_some(()))
        .await;
}
