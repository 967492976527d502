//! A standby between a client and a writer that are both played by the test, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::to;
use actix_web::{App, HttpServer};
use medusa_platform::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const KEY: [u8; 32] = [7; 32];

/// A standby that listens, and the switch for the writer that it knows.
struct Stage {
    standby: SocketAddr,
    writer: watch::Sender<Option<WriterSign>>,
    notes: Notes,
}

impl Stage {
    fn open(address: Option<SocketAddr>) -> Self {
        // Another test of this process may have been faster.
        drop(rustls::crypto::ring::default_provider().install_default());
        let sign = |a: SocketAddr| WriterSign { epoch: 1, address: Some(a.to_string()) };
        let writer = watch::Sender::new(address.map(sign));
        let notes = Notes::new(KEY, Clock::system());
        let forwarder = Data::new(Forwarder::new(notes.clone(), writer.subscribe()).unwrap());
        let server = HttpServer::new(move || {
            App::new().app_data(forwarder.clone()).default_service(to(forward))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let standby = server.addrs()[0];
        drop(play(server.run()));
        Self { standby, writer, notes }
    }

    /// What a client gets for these bytes.
    async fn ask(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.standby).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("an end").unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// A writer for one request: reads until `enough`, says `answer`, and hangs up. It gives what it
/// has read.
async fn writer(enough: &'static str, answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let scene = async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(enough) {
            if socket.read_buf(&mut heard).await.unwrap() == 0 {
                break;
            }
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(heard).unwrap()
    };
    (address, play(scene))
}

#[expect(clippy::disallowed_methods, reason = "it ends with its test, on its thread")]
fn play<T: 'static>(scene: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    rt::spawn(scene)
}

const PLAIN: &str = "GET /a?b=c HTTP/1.1\r\nHost: medusa.example\r\nConnection: close\r\n\r\n";

#[actix_web::test]
async fn headers_of_a_connection_and_notes_of_strangers_stay_behind() {
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kept: yes\r\nConnection: x-hop\r\n\
                X-Hop: no\r\nKeep-Alive: timeout=9\r\n\r\nhi";
    let (address, heard) = writer("\r\n\r\nbody", said).await;
    let stage = Stage::open(Some(address));
    let request = "POST /a?b=%20c HTTP/1.1\r\nHost: medusa.example\r\nConnection: close, X-Own\r\n\
                   X-Own: 1\r\nTE: trailers\r\nCookie: a=1\r\nX-Medusa-Forwarded: for=1.2.3.4:5\r\n\
                   Content-Length: 4\r\n\r\nbody";
    let answer = stage.ask(request).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(answer.contains("x-kept: yes\r\n") && answer.ends_with("\r\n\r\nhi"), "{answer}");
    assert!(!answer.contains("x-hop") && !answer.contains("keep-alive"), "{answer}");
    let heard = heard.await.unwrap().to_lowercase();
    assert!(heard.starts_with("post /a?b=%20c http/1.1\r\n"), "{heard}");
    assert!(heard.contains("host: medusa.example\r\n"), "{heard}");
    assert!(
        heard.contains("cookie: a=1\r\n") && heard.contains("content-length: 4\r\n"),
        "{heard}"
    );
    assert!(!heard.contains("x-own") && !heard.contains("te: trailers"), "{heard}");
    assert!(heard.contains("x-medusa-forwarded: for=127.0.0.1:"), "{heard}");
    assert!(!heard.contains("1.2.3.4"), "{heard}");
}

#[actix_web::test]
async fn who_cannot_be_answered_is_told_when_to_come_again() {
    let answer = Stage::open(None).ask(PLAIN).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 3"), "{answer}");

    // Nobody listens there any more: nothing was begun.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = Stage::open(Some(free)).ask(PLAIN).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("platform.busy"), "{answer}");

    // Hung up in the middle: nobody knows.
    let (address, _) = writer("\r\n\r\n", "").await;
    let answer = Stage::open(Some(address)).ask(PLAIN).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(answer.contains("platform.interrupted"), "{answer}");
    assert!(answer.contains("retry-after: 3"), "{answer}");

    // About the server itself and no page: no address can be made of it.
    let star = "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = Stage::open(Some(free)).ask(star).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    // From another process of this house: it would go in a circle.
    let stage = Stage::open(Some(free));
    let note = stage.notes.write("127.0.0.1:9".parse().unwrap());
    let again =
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{HEADER}: {note}\r\n\r\n");
    let answer = stage.ask(&again).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[actix_web::test]
async fn who_waits_for_a_writer_that_was_replaced_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::open(Some(listener.local_addr().unwrap()));
    let replace = async {
        let (held, _) = listener.accept().await.unwrap();
        stage.writer.send_replace(Some(WriterSign { epoch: 2, address: None }));
        held
    };
    let (answer, _held) = tokio::join!(stage.ask(PLAIN), replace);
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

#[actix_web::test]
async fn what_is_cut_off_does_not_look_whole_to_the_other_side() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::open(Some(listener.local_addr().unwrap()));
    let half = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let mut client = TcpStream::connect(stage.standby).await.unwrap();
    client.write_all(half.as_bytes()).await.unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"half\r\n") {
        assert_ne!(socket.read_buf(&mut heard).await.unwrap(), 0);
    }
    drop(client);
    heard.clear();
    // An end or an error, as the system likes it; but nothing more.
    let _end = timeout(PATIENCE, socket.read_to_end(&mut heard)).await.expect("an end");
    assert_eq!(heard, b"", "a body that was cut off looks whole");

    let said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let (address, _) = writer("\r\n\r\n", said).await;
    let answer = Stage::open(Some(address)).ask(PLAIN).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("\r\n0\r\n"), "{answer}");
}

#[actix_web::test]
async fn a_body_is_whole_only_by_its_last_word() {
    for last in [true, false] {
        let (pieces, carried) = mpsc::channel(PIECES_MAX);
        pieces.send(Some(Bytes::from_static(b"a"))).await.unwrap();
        if last {
            pieces.send(None).await.unwrap();
        }
        drop(pieces);
        let all: Vec<_> = whole(carried).map(|piece| piece.is_ok()).collect().await;
        assert_eq!(all, if last { vec![true] } else { vec![true, false] });
    }
}

#[actix_web::test]
async fn a_body_is_taken_from_the_client_only_as_fast_as_the_writer_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::open(Some(listener.local_addr().unwrap()));
    let mut client = TcpStream::connect(stage.standby).await.unwrap();
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n";
    client.write_all(put.as_bytes()).await.unwrap();
    let (_reads_nothing, _) = listener.accept().await.unwrap();
    let mebibyte = vec![0; 1024 * 1024];
    let mut taken = 0;
    // The system's own buffers take some.
    while let Ok(sent) = timeout(Duration::from_millis(500), client.write_all(&mebibyte)).await {
        sent.unwrap();
        taken += 1;
        assert!(taken < 64, "somebody keeps {taken} MiB");
    }
}

#[actix_web::test]
async fn a_socket_carries_bytes_both_ways_and_ends_with_either_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::open(Some(listener.local_addr().unwrap()));
    let play = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            socket.read_buf(&mut heard).await.unwrap();
        }
        let heard = String::from_utf8(heard).unwrap().to_lowercase();
        assert!(heard.contains("upgrade: websocket\r\n"), "{heard}");
        assert!(heard.contains("sec-websocket-key: k\r\n"), "{heard}");
        let yes = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\nfirst";
        socket.write_all(yes.as_bytes()).await.unwrap();
        let mut said = [0; 5];
        socket.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        socket.write_all(b"last").await.unwrap();
    };
    let client = async {
        let mut socket = TcpStream::connect(stage.standby).await.unwrap();
        let ask = "GET /link HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n";
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"first") {
            assert_ne!(socket.read_buf(&mut heard).await.unwrap(), 0, "{heard:?}");
        }
        let head = String::from_utf8(heard).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("sec-websocket-accept: a\r\n"), "{head}");
        socket.write_all(b"hello").await.unwrap();
        let mut rest = Vec::new();
        // The client keeps its side open, and is let go all the same.
        socket.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"last");
    };
    timeout(PATIENCE, async { tokio::join!(play, client) }).await.expect("an end");
}
