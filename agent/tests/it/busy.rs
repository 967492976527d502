//! The page answers its owner while the machine is full of guests that behave as badly as they can.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use medusa_types::Outcome;

use crate::support::{FakeServer, Home, lease};
use crate::work::wasm;

/// Runs in all.
const RUNS: usize = 200;
/// Nearly every answer comes by then; the machine has more to do than this test alone.
const SOON: Duration = Duration::from_millis(200);
/// Looks at the page that the measure needs.
const LOOKS_MIN: usize = 20;

/// Guests that take processor, memory, output or stack without end, and how they may end.
const GUESTS: &[(&str, &str, &[Outcome])] = &[
    ("a loop", "(loop (br 0))", &[Outcome::FuelOut]),
    (
        "all of the memory, written to",
        "(local i32) (drop (memory.grow (i32.const 255))) (loop
            (i32.store (local.get 0) (i32.const -1))
            (local.set 0 (i32.and (i32.add (local.get 0) (i32.const 4093)) (i32.const 0xffffff)))
            (br_if 0 (i32.lt_u (local.get 0) (i32.const 0xfff000)))) unreachable",
        &[Outcome::Trap, Outcome::FuelOut, Outcome::MemoryOut],
    ),
    ("a bottomless stack", "(call 2)", &[Outcome::StackOut]),
    ("output", "(loop (call $print (i32.const 1)) (br 0))", &[Outcome::OutputOut]),
    ("errors", "(loop (call $print (i32.const 2)) (br 0))", &[Outcome::FuelOut]),
    (
        "memory that is moved",
        "(loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 65000)) (br 0))",
        &[Outcome::FuelOut],
    ),
    ("a trap", "unreachable", &[Outcome::Trap]),
];

fn module(code: &str) -> Vec<u8> {
    wasm(&format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1 256)
            (func $print (param $fd i32)
                (i32.store (i32.const 4) (i32.const 60000))
                (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
            (func (export "_start") {code}))"#
    ))
}

/// The program, as a process of its own, that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(home: &Home) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medusa-agent"));
    command.args(["run", "--port", "0", "--slots", "2", "--start", "--always", "--no-measure"]);
    command.args(["--exit-with-stdin", "--memory-mib", "512", "--data"]).arg(home.path());
    command.env_remove("RUST_LOG").env_remove("MEDUSA_SERVER");
    Running(command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
}

/// The owner's view of the page.
struct Page {
    address: String,
    cookie: String,
}

impl Page {
    fn open(home: &Home) -> Self {
        let link = loop {
            if let Ok(link) = std::fs::read_to_string(home.path().join("page.url")) {
                break link;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let (url, code) = link.split_once("/#").unwrap();
        let address = url.strip_prefix("http://").unwrap().to_owned();
        let page = Self { address, cookie: String::new() };
        let body = format!("code={code}");
        let answer = page.ask(
            &format!(
                "POST /session HTTP/1.1\r\nOrigin: {url}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
                body.len()
            ),
            &body,
        );
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap_or_else(|| panic!("no session: {answer}"));
        Self { cookie: cookie.split_once(';').unwrap().0.to_owned(), ..page }
    }

    fn ask(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, cookie) = (&self.address, &self.cookie);
        let request =
            format!("{head}Host: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// How long each page took.
    fn look(&self) -> Vec<Duration> {
        ["/", "/state.json"]
            .map(|path| {
                let began = Instant::now();
                let answer = self.ask(&format!("GET {path} HTTP/1.1\r\n"), "");
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                began.elapsed()
            })
            .into()
    }
}

#[tokio::test]
async fn the_page_answers_beside_two_hundred_hostile_runs() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    home.enrol(&server.url);
    let mut agent = start(&home);
    let mut link = server.link().await;
    let page = Page::open(&home);

    let (stop, mut looks) = (std::sync::mpsc::channel::<()>(), Vec::new());
    let (stopping, stopped) = stop;
    let looking = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            looks.extend(page.look());
            std::thread::sleep(Duration::from_millis(40));
        }
        looks
    });
    let programs: Vec<_> = GUESTS.iter().map(|(_, code, _)| server.blob(&module(code))).collect();
    let give = |run: usize| {
        let mut lease = lease(&format!("lse_{run}"), &programs[run % programs.len()]);
        lease.limits.fuel = 60_000_000;
        lease
    };
    for run in 0..8 {
        link.lease(&give(run), "").await;
    }
    for run in 8..RUNS + 8 {
        let (report, _) = link.report().await;
        let number: usize = report.lease.strip_prefix("lse_").unwrap().parse().unwrap();
        let (what, _, ends) = GUESTS[number % GUESTS.len()];
        assert!(ends.contains(&report.outcome), "{what}: {:?}, {}", report.outcome, report.stderr);
        if run < RUNS {
            link.lease(&give(run), "").await;
        }
    }
    stopping.send(()).unwrap();
    let mut looks = looking.join().unwrap();
    assert!(agent.0.try_wait().unwrap().is_none(), "the agent lives");
    looks.sort();
    assert!(looks.len() >= LOOKS_MIN, "{}", looks.len());
    let slow = looks.iter().filter(|took| **took > SOON).count();
    println!("{} looks, {slow} slow ones, the longest took {:?}", looks.len(), looks.last());
    assert!(slow * 20 < looks.len(), "{slow} of {} are slow: {:?}", looks.len(), looks.last());
}
