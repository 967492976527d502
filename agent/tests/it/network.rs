//! Bad networks: whatever happens to the bytes on their way, each result is reported, equal each
//! time it is, nothing that is being worked on is missing in a pulse, and the agent goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use medusa_agent::{Agent, Connection, Logs, Phase, View};
use medusa_protocol::{Lease, Message, Part, Report};
use medusa_testkit::{End, Proxy, Side, Way};
use medusa_types::{Bundle, Outcome};

use crate::support::{FakeServer, Home, Link, lease, soon, until};
use crate::work::{ECHO, NOOP, wasm};

/// Computes for about a second.
const THINK: &str = r#"(module (func (export "_start") (local i32)
    (loop (br_if 0 (i32.lt_u
        (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 2000000000))))))"#;
/// A server keeps leases of an agent that is not connected for so long.
const GRACE: Duration = Duration::from_secs(5);
/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(16);
/// The shortest pause in which something happens.
const MOMENT: Duration = Duration::from_millis(1_500);

/// What the network does, and then is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Everything is late and slow for a moment.
    Slow,
    /// All connections are closed.
    Close,
    /// All connections are reset.
    Reset,
    /// All connections are reset, and new ones too, for a moment.
    Refusal,
    /// Nothing is heard for a moment.
    Silence,
    /// Nothing is heard for a moment, and then the connections are reset.
    FoundSilent,
    /// No connection lives for more than some thousand bytes, for a moment.
    Torn,
    /// What is connected stands still for a moment, and what connects later does not.
    Reordered,
}

const FAULTS: [Fault; 8] = [
    Fault::Slow,
    Fault::Close,
    Fault::Reset,
    Fault::Refusal,
    Fault::Silence,
    Fault::FoundSilent,
    Fault::Torn,
    Fault::Reordered,
];

impl Fault {
    async fn happens(self, proxy: &Proxy) {
        let silent = Way { is_silent: true, ..Way::default() };
        match self {
            Self::Slow => {
                let delay = Duration::from_millis(120);
                let bytes_per_second = Some(64_000);
                proxy.set_both(Way { delay, bytes_per_second, ..Way::default() });
                tokio::time::sleep(MOMENT).await;
            }
            Self::Close => proxy.end(End::Close),
            Self::Reset => proxy.end(End::Reset),
            Self::Refusal => {
                proxy.refuse(true);
                proxy.end(End::Reset);
                tokio::time::sleep(MOMENT).await;
                proxy.refuse(false);
            }
            Self::Silence | Self::FoundSilent => {
                proxy.set_both(silent);
                tokio::time::sleep(MOMENT).await;
                if self == Self::FoundSilent {
                    proxy.end(End::Reset);
                }
            }
            Self::Torn => {
                proxy.set_both(Way { cut_after: Some(3_000), ..Way::default() });
                tokio::time::sleep(MOMENT).await;
            }
            Self::Reordered => {
                proxy.hold();
                tokio::time::sleep(MOMENT).await;
                proxy.release();
            }
        }
        proxy.set_both(Way::default());
    }

    /// Whether it ends the link at once and lets it be made again at once.
    fn is_short_cut(self) -> bool {
        matches!(self, Self::Close | Self::Reset)
    }
}

/// What the agent does when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Idle,
    Fetching,
    Computing,
    Uploading,
}

/// An agent behind a proxy, and its server.
struct Scene {
    what: String,
    proxy: Proxy,
    server: FakeServer,
    agent: Agent,
    link: Link,
    /// Leases that were given and are not reported.
    given: BTreeSet<String>,
    reports: Vec<(Report, Bytes)>,
}

impl Scene {
    async fn open(home: &Home, what: String) -> Self {
        let mut server = FakeServer::start().await;
        let proxy = Proxy::start(server.addr()).await.unwrap();
        home.enrol(&proxy.url());
        let agent = Agent::start(home.config(), Logs::default()).unwrap();
        let link = server.link().await;
        Self { what, proxy, server, agent, link, given: BTreeSet::new(), reports: Vec::new() }
    }

    async fn give(&mut self, lease: &Lease) {
        self.given.insert(lease.lease.clone());
        self.link.lease(lease, "").await;
    }

    /// Takes what the agent says until everything given is reported. `lease` is given again to an
    /// agent that turns out never to have heard of it.
    async fn settle(&mut self, lost: Option<&Lease>) {
        while !self.given.is_empty() {
            match self.link.next().await.map(|frame| (frame.message, frame.payload)) {
                Some((Message::Report(report), payload)) => self.reported(report, payload),
                Some(_) => {}
                None => self.again(lost).await,
            }
        }
    }

    fn reported(&mut self, report: Report, payload: Bytes) {
        self.given.remove(&report.lease);
        for (earlier, output) in self.reports.iter().filter(|(r, _)| r.lease == report.lease) {
            assert_eq!((earlier, output), (&report, &payload), "{}: another result", self.what);
        }
        self.reports.push((report, payload));
    }

    /// The next link. The first pulse on it names what was given and not reported.
    async fn again(&mut self, lost: Option<&Lease>) {
        self.link = self.server.link().await;
        loop {
            // Torn again before it said anything.
            let Some(frame) = self.link.next().await else { return };
            match frame.message {
                Message::Report(report) => self.reported(report, frame.payload),
                Message::Pulse(pulse) => {
                    let missing: Vec<_> =
                        self.given.iter().filter(|l| !pulse.running.contains(l)).collect();
                    let Some(lease) = lost else {
                        assert!(missing.is_empty(), "{}: {missing:?} is forgotten", self.what);
                        return;
                    };
                    if !missing.is_empty() {
                        self.link.try_lease(lease).await;
                    }
                    return;
                }
                _ => {}
            }
        }
    }

    /// Waits until the chunk is where the fault shall find it.
    async fn until(&self, what: &str, is_there: impl Fn(&Phase) -> bool) {
        until(&self.agent, what, |view: &View| {
            view.chunks.values().any(|chunk| is_there(&chunk.phase))
        })
        .await;
    }
}

/// One agent, one fault at one time: its lease, and one after it, are done.
async fn story(fault: Fault, when: When) {
    let home = Home::new();
    let mut scene = Scene::open(&home, format!("{fault:?} while {when:?}")).await;
    let module = if when == When::Computing { THINK } else { ECHO };
    let program = scene.server.blob(&wasm(module));
    let mut first = lease("lse_1", &program);
    let input = vec![b'x'; if when == When::Uploading { 300 * 1024 } else { 5_000 }];
    let input = scene.server.blob(&input);
    scene.server.answer("/v1/agent/outputs/lse_1", 201, "");
    first.stdin = Some(Part::Range { len: input.size, offset: 0, blob: input.clone() });
    let began = Instant::now();
    match when {
        When::Idle => {
            fault.happens(&scene.proxy).await;
            scene.given.insert(first.lease.clone());
            // Whether the old link still lives is what the agent's end says.
            scene.link.try_lease(&first).await;
        }
        When::Fetching => {
            scene.server.open.send_replace(false);
            scene.give(&first).await;
            let is_fetching = |phase: &Phase| matches!(phase, Phase::Fetching);
            scene.until("a chunk without input", is_fetching).await;
            fault.happens(&scene.proxy).await;
            scene.server.open.send_replace(true);
        }
        When::Computing => {
            scene.give(&first).await;
            scene.until("a computing chunk", |phase| matches!(phase, Phase::Running(_))).await;
            fault.happens(&scene.proxy).await;
        }
        When::Uploading => {
            let slow = Way { bytes_per_second: Some(200_000), ..Way::default() };
            scene.proxy.set(Side::Up, slow);
            scene.give(&first).await;
            scene.until("an upload", |phase| matches!(phase, Phase::Reporting)).await;
            fault.happens(&scene.proxy).await;
        }
    }
    if fault.is_short_cut() && when != When::Idle {
        scene.again(None).await;
        assert!(began.elapsed() < GRACE * 3, "{}: {:?}", scene.what, began.elapsed());
    }
    scene.settle((when == When::Idle).then_some(&first)).await;

    let noop = scene.server.blob(&wasm(NOOP));
    let second = lease("lse_2", &noop);
    scene.given.insert(second.lease.clone());
    scene.link.try_lease(&second).await;
    scene.settle(Some(&second)).await;
    for (report, output) in &scene.reports {
        assert_eq!(report.outcome, Outcome::Done, "{}: {}", scene.what, report.stderr);
        if report.lease != "lse_1" {
            continue;
        }
        let output = match when {
            When::Uploading => Bytes::from(scene.server.body("/v1/agent/outputs/lse_1").unwrap()),
            _ => output.clone(),
        };
        let expected = if when == When::Computing { 0 } else { input.size + 1 };
        let stdout = Bundle::decode(&output).unwrap().stdout().len();
        assert_eq!(u64::try_from(stdout), Ok(expected), "{}", scene.what);
        assert_eq!(medusa_types::Sha256Hash::of(&output).0, report.output, "{}", scene.what);
    }
    let view = until(&scene.agent, "an empty floor", |view| view.chunks.is_empty()).await;
    assert_eq!((view.tally.done, view.tally.failed), (2, 0), "{}", scene.what);
}

async fn stories(when: When) {
    soon("end of all stories", join_all(FAULTS.map(|fault| story(fault, when)))).await;
}

#[tokio::test]
async fn an_idle_agent_comes_back_from_every_fault() {
    stories(When::Idle).await;
}

#[tokio::test]
async fn inputs_come_through_every_fault() {
    stories(When::Fetching).await;
}

#[tokio::test]
async fn what_computes_does_not_notice_a_fault() {
    stories(When::Computing).await;
}

#[tokio::test]
async fn outputs_come_through_every_fault() {
    stories(When::Uploading).await;
}

#[tokio::test]
async fn a_held_download_does_not_hold_up_another_chunk() {
    let home = Home::new();
    let mut scene = Scene::open(&home, "a held download".into()).await;
    let program = scene.server.blob(&wasm(ECHO));
    let warm = lease("lse_0", &program);
    scene.give(&warm).await;
    scene.settle(None).await;
    let mut of_each = Vec::new();
    for name in ["lse_1", "lse_2"] {
        let blob = scene.server.blob(name.as_bytes());
        let mut lease = lease(name, &program);
        lease.stdin = Some(Part::Range { len: blob.size, offset: 0, blob });
        of_each.push(lease);
    }
    scene.proxy.hold_next();
    let opened = scene.proxy.opened();
    scene.give(&of_each[0]).await;
    soon("the held connection", async {
        while scene.proxy.opened() == opened {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    scene.give(&of_each[1]).await;
    assert_eq!(scene.link.report().await.0.lease, "lse_2", "the later one overtakes");
    scene.proxy.release();
    assert_eq!(scene.link.report().await.0.lease, "lse_1");
}

#[tokio::test]
async fn tries_to_connect_are_few_and_never_far_apart() {
    let home = Home::new();
    let mut scene = Scene::open(&home, "a refusal".into()).await;
    scene.proxy.refuse(true);
    scene.proxy.end(End::Reset);
    let (before, began) = (scene.proxy.opened(), Instant::now());
    let mut views = scene.agent.watch();
    while began.elapsed() < Duration::from_secs(6) {
        let changed = tokio::time::timeout(Duration::from_secs(1), views.changed()).await;
        if let (Ok(Ok(())), Connection::Cut { retry_at, .. }) =
            (changed, &views.borrow_and_update().connection)
        {
            let wait = retry_at.saturating_duration_since(tokio::time::Instant::now());
            assert!(wait <= WAIT_MAX, "{wait:?}");
        }
    }
    let tries = scene.proxy.opened() - before;
    // Waits of up to 0.2, 0.4, 0.8, 1.6, 3.2 and 6.4 s.
    assert!((2..=40).contains(&tries), "{tries} tries in six seconds");
    scene.proxy.refuse(false);
    tokio::time::timeout(WAIT_MAX + GRACE, scene.server.link()).await.unwrap();
}

/// The cable is pulled while a chunk computes: its report goes out and never arrives. What the
/// agent notices late must not be lost.
async fn into_a_dead_connection() {
    let home = Home::new();
    let mut scene = Scene::open(&home, "a dead connection".into()).await;
    let program = scene.server.blob(&wasm(THINK));
    let think = lease("lse_1", &program);
    scene.give(&think).await;
    scene.until("a computing chunk", |phase| matches!(phase, Phase::Running(_))).await;
    scene.proxy.hold();
    until(&scene.agent, "an empty floor", |view| view.chunks.is_empty()).await;
    let began = Instant::now();
    // A lease that nobody renews is given to others after a minute.
    scene.link = soon("a new link", scene.server.link()).await;
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    let (report, _) = scene.link.report().await;
    assert_eq!((report.lease.as_str(), report.outcome), ("lse_1", Outcome::Done));
}

/// A line that moves all the time is slow, and not broken: nothing begins anew.
async fn over_a_slow_line() {
    let home = Home::new();
    let mut scene = Scene::open(&home, "a slow line".into()).await;
    let program = scene.server.blob(&wasm(ECHO));
    let input: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let input = scene.server.blob(&input);
    scene.server.answer("/v1/agent/outputs/lse_1", 201, "");
    let mut echo = lease("lse_1", &program);
    echo.stdin = Some(Part::Range { len: input.size, offset: 0, blob: input.clone() });
    echo.deadline_ms = 600_000;
    let slow = Way { bytes_per_second: Some(80_000), ..Way::default() };
    scene.proxy.set(Side::Up, slow);
    let began = Instant::now();
    scene.give(&echo).await;
    scene.settle(None).await;
    let took = began.elapsed();
    assert!(took > Duration::from_secs(35), "the line is slower than {took:?}");
    // Whoever gives up after half a minute and begins anew is not ready yet.
    assert!(took < Duration::from_secs(65), "{took:?}");
    assert_eq!(scene.reports[0].0.outcome, Outcome::Done, "{}", scene.reports[0].0.stderr);
    assert_eq!(scene.server.asked(&input.path), 1);
    assert_eq!(scene.server.asked("/v1/agent/outputs/lse_1"), 1);
}

/// Both wait for most of a minute, so they do it together.
#[tokio::test]
async fn slow_lines_are_waited_for_and_dead_ones_given_up() {
    tokio::join!(into_a_dead_connection(), over_a_slow_line());
}
