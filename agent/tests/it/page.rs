//! The local page answers its owner, and nobody else: raw requests as browsers, other sites and
//! other programs would send them.

use std::path::Path;

use crate::support::{FakeServer, Home, agent_id, soon, until};
use medusa_agent::{Agent, Connection, Logs, Reason, Scope, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Page {
    agent: Agent,
    home: Home,
    port: u16,
    code: String,
}

impl Page {
    /// The page of an agent whose server does not run.
    fn open() -> Self {
        Self::of("http://127.0.0.1:9")
    }

    fn of(server: &str) -> Self {
        let home = Home::new();
        home.enrol(server);
        let mut config = home.config();
        config.start = false;
        config.updates.update_key = Some(UPDATE_KEY.into());
        config.updates.update_from = Some("http://127.0.0.1:9".into());
        let agent = Agent::start(config, Logs::default()).unwrap();
        let (address, code) = agent.page().split_once("/#").unwrap();
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        let code = code.to_owned();
        Self { agent, home, port, code }
    }

    /// Sends these lines, with `PORT` filled in, and returns the whole answer.
    async fn ask(&self, lines: &[&str], body: &str) -> String {
        let mut request = lines.join("\r\n").replace("PORT", &self.port.to_string());
        request.push_str(&format!("\r\nContent-Length: {}\r\n", body.len()));
        request.push_str("Connection: close\r\n\r\n");
        request.push_str(body);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon("answer", stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    async fn status(&self, lines: &[&str]) -> u16 {
        status(&self.ask(lines, "").await)
    }

    /// Hands in the code, as the page's script does, and returns the cookie.
    async fn session(&self, code: &str) -> (u16, Option<String>) {
        let body = format!(r#"{{"code":"{code}"}}"#);
        let mut lines = vec!["POST /session HTTP/1.1"];
        lines.extend(OWN);
        lines.push("Content-Type: application/json");
        let answer = self.ask(&lines, &body).await;
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        (status(&answer), cookie.map(str::to_owned))
    }

    fn is_paused(&self) -> bool {
        self.agent.watch().borrow().paused
    }
}

/// Everything that changes something.
/// Any key that can be trusted, so that the page offers updates.
const UPDATE_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const CHANGES: [&str; 10] = [
    "/start",
    "/pause",
    "/finish",
    "/leave",
    "/snooze",
    "/limits",
    "/hours",
    "/enrol",
    "/autostart",
    "/updates",
];

const HOST: &str = "Host: 127.0.0.1:PORT";
const OWN: [&str; 4] =
    [HOST, "Origin: http://127.0.0.1:PORT", "X-Medusa: 1", "Sec-Fetch-Site: same-origin"];

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn the_link_opens_the_page_once_and_the_switch_works() {
    let page = Page::open();
    let (code, cookie) = page.session(&page.code).await;
    let cookie = cookie.unwrap();
    assert_eq!(code, 204);
    assert!(cookie.starts_with(&format!("medusa-agent-{}=", page.port)), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert_eq!(page.session(&page.code).await.0, 403, "the code was used");

    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let html = page.ask(&["GET / HTTP/1.1", HOST, &cookie], "").await;
    assert!(html.contains("127.0.0.1:9") && html.contains(">Start<"), "{html}");
    let state = page.ask(&["GET /state.json HTTP/1.1", HOST, &cookie], "").await;
    assert!(state.contains(r#""paused":true"#), "{state}");

    let mut start = vec!["POST /start HTTP/1.1", &cookie];
    start.extend(OWN);
    assert_eq!(page.status(&start).await, 204);
    assert!(!page.is_paused());
    start[0] = "POST /pause HTTP/1.1";
    assert_eq!(page.status(&start).await, 204);
    assert!(page.is_paused());
    start[0] = "POST /enrol HTTP/1.1";
    assert_eq!(page.status(&start).await, 409, "it is enrolled");

    start[0] = "POST /finish HTTP/1.1";
    assert_eq!(page.status(&start).await, 204);
    assert!(page.is_paused(), "there was nothing to finish");
    start[0] = "POST /leave HTTP/1.1";
    assert_eq!(page.status(&start).await, 204);
    soon("the word to end", page.agent.farewell().asked()).await;
    let state = page.ask(&["GET /state.json HTTP/1.1", HOST, &cookie], "").await;
    assert!(state.contains(r#""leaving":true"#), "{state}");
}

/// A browser without scripts.
struct Plain<'a> {
    page: &'a Page,
    cookie: String,
    token: String,
}

impl<'a> Plain<'a> {
    async fn of(page: &'a Page) -> Self {
        let lines = ["POST /session HTTP/1.1", HOST, "Origin: http://127.0.0.1:PORT", FORM];
        let link = page.agent.page().replace(':', "%3A").replace('/', "%2F").replace('#', "%23");
        let answer = page.ask(&lines, &format!("code={link}")).await;
        assert_eq!(status(&answer), 303, "{answer}");
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
        let mut plain = Self { page, cookie, token: String::new() };
        let html = plain.html("/").await;
        let (_, after) = html.split_once("name=\"token\" value=\"").unwrap();
        plain.token = after.split('"').next().unwrap().to_owned();
        plain
    }

    async fn html(&self, path: &str) -> String {
        self.page.ask(&[&format!("GET {path} HTTP/1.1"), HOST, &self.cookie], "").await
    }

    /// Where a form leads to, or why it is refused.
    async fn send(&self, path: &str, fields: &str) -> (u16, String) {
        let line = format!("POST {path} HTTP/1.1");
        let lines = [line.as_str(), HOST, &self.cookie, "Origin: http://127.0.0.1:PORT", FORM];
        let answer = self.page.ask(&lines, &format!("token={}&{fields}", self.token)).await;
        let to = answer.lines().find_map(|line| line.strip_prefix("location: "));
        (status(&answer), to.unwrap_or(&answer).to_owned())
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

#[tokio::test]
async fn everything_works_without_a_script() {
    let page = Page::open();
    let plain = Plain::of(&page).await;
    assert_eq!(plain.send("/start", "").await, (303, "/".into()));
    assert!(!page.is_paused());
    assert_eq!(plain.send("/finish", "").await.0, 303);
    assert!(plain.html("/").await.contains(">Go on<"));
    assert_eq!(plain.send("/start", "").await.0, 303);
    assert!(!page.agent.watch().borrow().finishing, "it goes on");

    assert_eq!(plain.send("/snooze", "hours=3").await.0, 303);
    until(&page.agent, "the snooze", |view| {
        let verdict = view.verdict.as_ref();
        verdict.is_some_and(|verdict| verdict.why.contains(&Reason::Snoozed))
    })
    .await;
    let html = plain.html("/").await;
    assert!(html.contains("it would stand still: snoozed, until "), "{html}");
    assert_eq!(plain.send("/snooze", "hours=0").await.0, 303);
    until(&page.agent, "the end of it", |view| view.scope() == Scope::Run).await;
    assert_eq!(plain.send("/snooze", "hours=many").await.0, 400);

    let limits = "cores_in_use_pct=10&cores_idle_pct=60&memory_in_use_pct=20&memory_idle_pct=40\
        &idle_min=7&load=on&load_pct=33&quiet_min=9&heat_c=70&disk_gb=5&disk_free_gb=2&dear=on\
        &dear_from=17&dear_to=20&kwh_cents=30&watts=100&credit_cents=0\
        &down_mb_s=7&up_mb_s=1&programs=doom%0D%0A%3Cb%3E";
    assert_eq!(plain.send("/limits", limits).await, (303, "/#limits".into()));
    assert_eq!(plain.send("/hours", "h0=9&h0=10&h6=23").await, (303, "/#hours".into()));
    assert_eq!(plain.send("/limits", "idle_min=7").await.0, 400, "half a form");
    let wild = limits.replace("idle_min=7", "idle_min=241");
    assert_eq!(plain.send("/limits", &wild).await.0, 422, "it is not made to fit in silence");
    let html = plain.html("/").await;
    assert!(html.contains(r#"name="idle_min" value="7""#) && !html.contains("<b>\n"), "{html}");
    assert!(html.contains("costs 3.00 cents of electricity"), "{html}");
    assert_eq!(html.matches(r#":00" checked"#).count(), 3, "three hours are lent");
    let kept = std::fs::read_to_string(page.home.path().join("settings.json")).unwrap();
    let kept: Settings = serde_json::from_str(&kept).unwrap();
    assert_eq!((kept.load_pct, kept.heat_c, kept.dear), (Some(33), None, Some((17, 20))));
    assert_eq!((kept.hours[0], kept.hours[6]), (1 << 9 | 1 << 10, 1 << 23));
    assert!(kept.on_battery && kept.programs == ["doom", "<b>"]);

    assert!(plain.html("/?level=warn").await.contains(r#"data-show="warn""#));
    assert!(plain.html("/?level=x").await.contains(r#"data-show="all""#));
}

#[tokio::test]
async fn the_next_link_is_kept_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let page = Page::open();
    let file = page.home.path().join("page.url");
    let read = |file: &Path| std::fs::read_to_string(file).unwrap();
    assert_eq!(read(&file), page.agent.page());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(page.session(&page.code).await.0, 204);
    let next = read(&file);
    let (_, code) = next.split_once('#').unwrap();
    assert_ne!(code, page.code);
    assert_eq!(page.session(code).await.0, 204);
}

#[tokio::test]
async fn nobody_sees_or_changes_the_state_without_the_secret() {
    let page = Page::open();
    let wrong = format!("Cookie: medusa-agent-{}={}", page.port, "0".repeat(64));
    for cookie in ["X-None: 1", &wrong] {
        assert_eq!(page.status(&["GET /state.json HTTP/1.1", HOST, cookie]).await, 401);
        for path in CHANGES {
            let line = format!("POST {path} HTTP/1.1");
            let mut lines = vec![line.as_str(), cookie];
            lines.extend(OWN);
            assert_eq!(page.status(&lines).await, 401, "{path}");
        }
    }
    assert_eq!(page.session(&"0".repeat(64)).await.0, 403);
    let html = page.ask(&["GET / HTTP/1.1", HOST], "").await;
    assert!(html.contains("locked") && !html.contains("127.0.0.1:9"), "{html}");
    assert!(page.is_paused());
}

#[tokio::test]
async fn only_the_exact_host_is_answered() {
    let page = Page::open();
    for good in ["Host: 127.0.0.1:PORT", "Host: localhost:PORT"] {
        assert_eq!(page.status(&["GET / HTTP/1.1", good]).await, 200, "{good}");
    }
    for bad in [
        "Host: evil.test",
        "Host: evil.test:PORT",
        "Host: 127.0.0.1.evil.test:PORT",
        "Host: 127.0.0.1",
        "Host: 127.0.0.1:1",
        "Host: 127.1:PORT",
        "Host: evil.test\r\nX-Forwarded-Host: 127.0.0.1:PORT",
        "Host: 127.0.0.1:PORT\r\nHost: evil.test",
        "X-No-Host: 1",
    ] {
        let status = page.status(&["GET / HTTP/1.1", bad]).await;
        assert!(matches!(status, 400 | 421), "{bad}: {status}");
    }
    let foreign = "GET http://evil.test/ HTTP/1.1";
    assert_eq!(page.status(&[foreign, HOST]).await, 421);
    let own = "GET http://127.0.0.1:PORT/ HTTP/1.1";
    assert_eq!(page.status(&[own, "Host: evil.test"]).await, 421);
}

#[tokio::test]
async fn other_origins_change_nothing_even_with_the_cookie() {
    let page = Page::open();
    let cookie = page.session(&page.code).await.1.unwrap();
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    for bad in [
        "Origin: null",
        "Origin: http://evil.test",
        "Origin: https://127.0.0.1:PORT",
        "Origin: http://127.0.0.1:1",
        "Origin: http://localhost:PORT",
        "Origin: http://127.0.0.1:PORT.evil.test",
        "X-No-Origin: 1",
        "Origin: http://127.0.0.1:PORT\r\nOrigin: http://evil.test",
        "Origin: http://127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site",
    ] {
        let lines = ["POST /start HTTP/1.1", HOST, &cookie, "X-Medusa: 1", bad];
        assert_eq!(page.status(&lines).await, 403, "{bad}");
    }
    let no_header = ["POST /start HTTP/1.1", HOST, &cookie, "Origin: http://127.0.0.1:PORT"];
    assert_eq!(page.status(&no_header).await, 403, "a form of another page has no own header");
    let form = "Content-Type: application/x-www-form-urlencoded";
    for path in CHANGES {
        let line = format!("POST {path} HTTP/1.1");
        let lines = [line.as_str(), HOST, &cookie, "Origin: http://127.0.0.1:PORT", form];
        for body in ["hours=1", "token=&hours=1", &format!("token={}", "0".repeat(64))] {
            let answer = page.ask(&lines, body).await;
            assert_eq!(status(&answer), 403, "{path} {body}: no token of this page");
        }
    }
    let image = ["GET /state.json HTTP/1.1", HOST, &cookie, "Sec-Fetch-Site: cross-site"];
    assert_eq!(page.status(&image).await, 403);
    assert_eq!(page.status(&["GET /start HTTP/1.1", HOST, &cookie]).await, 405);
    assert_eq!(page.status(&["OPTIONS /start HTTP/1.1", HOST, &cookie]).await, 405);
    assert!(page.is_paused());
}

#[tokio::test]
async fn every_answer_forbids_framing_and_sharing() {
    let page = Page::open();
    for lines in [["GET / HTTP/1.1", HOST], ["GET / HTTP/1.1", "Host: evil.test"]] {
        let answer = page.ask(&lines, "").await.to_lowercase();
        assert!(answer.contains("frame-ancestors 'none'"), "{answer}");
        assert!(answer.contains("default-src 'none'"), "{answer}");
        assert!(answer.contains("referrer-policy: same-origin"), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let page = Page::open();
    let mut lines = vec!["POST /session HTTP/1.1", "Content-Type: application/json"];
    lines.extend(OWN);
    let body = format!(r#"{{"code":"{}"}}"#, "x".repeat(2_000));
    assert_eq!(status(&page.ask(&lines, &body).await), 413);
}

#[tokio::test]
async fn looking_at_the_page_asks_for_the_earnings() {
    let mut server = FakeServer::start().await;
    let (id, path) = (agent_id(), "/v1/agent/self");
    let about = format!(
        r#"{{"id":"{id}","name":"desk","state":"idle","enrolled_at":0,"chunks":3,
        "earned":"1.25","streak":0}}"#
    );
    server.answer(path, 200, about);
    let page = Page::of(&server.url);
    let _link = server.link().await;
    let cookie = page.session(&page.code).await.1.unwrap();
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(server.asked(path), 0, "nobody looked");
    page.ask(&["GET /state.json HTTP/1.1", HOST, &cookie], "").await;
    until(&page.agent, "the earnings", |view| view.account.is_some()).await;
    let state = page.ask(&["GET /state.json HTTP/1.1", HOST, &cookie], "").await;
    assert!(state.contains(r#""earned":"1.25""#), "{state}");
    assert!(state.contains("Not known yet: the server is asked"), "an older server: {state}");
}

/// What a server says of a machine, with names that want to be more than text.
fn tell(server: &FakeServer) {
    let (id, none) = (agent_id(), "0".repeat(32));
    let about = format!(
        r#"{{"id":"{id}","name":"desk","state":"idle","enrolled_at":0,"chunks":3,"earned":"1.25",
        "streak":7,"score":12,"check_ppm":142857,"marks":[{{"position":9,"word":"late",
        "job":null,"chunk":null,"at":0,"streak":0,"score":4}}]}}"#
    );
    server.answer("/v1/agent/self", 200, about);
    let day = |from: u64, earned: &str| {
        format!(r#"{{"from":{},"chunks":3,"earned":"{earned}"}}"#, from * 86_400_000_000)
    };
    let earnings = format!(
        r#"{{"days":[{},{}],"since":null,"pending":"1.125","available":"0.50"}}"#,
        day(20_000, "0.25"),
        day(20_001, "1.00")
    );
    server.answer("/v1/agent/earnings", 200, earnings);
    let task = |state: &str, paid: &str, position: &str| {
        format!(
            r#"{{"lease":"lse_{none}","job":"job_{none}","job_name":"<b>Cells</b>","chunk":4,
            "chunks":9,"state":"{state}","outcome":{{"kind":"done"}},"fuel":1,"paid":{paid},"leased_at":0,
            "ended_at":60000000,"verified_position":7,"paid_position":{position}}}"#
        )
    };
    let tasks = format!(
        r#"{{"items":[{},{}],"next":"lse_{none}"}}"#,
        task("paid", r#""1.00""#, "8"),
        task("refused", "null", "null")
    );
    server.answer("/v1/agent/tasks", 200, tasks);
}

#[tokio::test]
async fn the_page_tells_earnings_tasks_and_record() {
    let mut server = FakeServer::start().await;
    tell(&server);
    let page = Page::of(&server.url);
    let _link = server.link().await;
    let plain = Plain::of(&page).await;
    until(&page.agent, "the earnings", |view| view.account.is_some()).await;
    let html = plain.html("/").await;
    for wanted in [
        "<dt>7 days</dt><dd>1.25</dd>",
        "<dt>pending</dt><dd>1.125</dd>",
        "<dt>available</dt><dd>0.50</dd>",
        "M0 870H3000V60H6000",
        "told after a few minutes",
        "&#60;b&#62;Cells&#60;/b&#62;",
        "another result was believed",
        &format!("{}/app/events/8", server.url),
        "<dt>score</dt><dd>12</dd>",
        "no report and no sign of life in time",
        "14.2 %",
    ] {
        assert!(html.contains(wanted), "{wanted} in {html}");
    }
    assert!(!html.contains("<b>Cells"), "names are text");

    let all = plain.html("/tasks").await;
    assert!(all.contains("another result was believed") && all.contains("/tasks?before=lse_"));
    server.answer("/v1/agent/tasks", 200, r#"{"items":[],"next":null}"#);
    plain.html("/tasks?before=lse_1").await;
    let last = plain.html("/tasks?before=lse_1").await;
    assert!(last.contains("These are all."), "{last}");
    assert_eq!(page.status(&["GET /tasks HTTP/1.1", HOST]).await, 401);
}

#[tokio::test]
async fn the_page_says_what_stands_around_programs() {
    let mut server = FakeServer::start().await;
    tell(&server);
    let page = Page::of(&server.url);
    let _link = server.link().await;
    let plain = Plain::of(&page).await;
    until(&page.agent, "the walls", |view| view.walls.is_some()).await;
    let html = plain.html("/").await;
    for wall in ["Files (Landlock)", "System calls (seccomp)", "Network", "User"] {
        assert!(html.contains(&format!("<dt>{wall}</dt>")), "{wall} in {html}");
    }
}

#[tokio::test]
async fn the_switches_of_the_program_are_on_its_page() {
    let page = Page::open();
    let plain = Plain::of(&page).await;
    for (path, off, on) in [
        ("/autostart", "It does not start by itself.", "It starts when you log in."),
        ("/updates", "It stays as it is", "New versions that are signed"),
    ] {
        assert!(plain.html("/").await.contains(off), "{path} is off at first");
        assert_eq!(plain.send(path, "on=true").await, (303, "/#program".into()));
        assert!(plain.html("/").await.contains(on), "{path}");
        assert_eq!(plain.send(path, "on=false").await.0, 303);
        assert!(plain.html("/").await.contains(off), "{path} is off again");
        assert_eq!(plain.send(path, "on=maybe").await.0, 400);
    }
}

#[tokio::test]
async fn the_page_has_an_icon() {
    let page = Page::open();
    for path in ["/favicon.ico", "/icon.svg"] {
        let answer = page.ask(&[&format!("GET {path} HTTP/1.1"), HOST], "").await;
        assert_eq!(status(&answer), 200, "{path}");
        assert!(answer.contains("image/svg+xml") && answer.contains("<svg"), "{answer}");
    }
}

#[tokio::test]
async fn a_refused_machine_is_enrolled_again_from_its_page() {
    let mut server = FakeServer::start().await;
    server.accept_key("another");
    let code = r#"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"http://a",
        "verification_uri_complete":"http://a","expires_in":600,"interval":0}"#;
    server.answer("/v1/device", 200, code);
    let token = format!(r#"{{"agent":"{}","name":"desk","agent_key":"another"}}"#, agent_id());
    server.answer("/v1/device/token", 200, token);
    let page = Page::of(&server.url);
    until(&page.agent, "a refusal", |view| view.connection == Connection::Revoked).await;
    let cookie = page.session(&page.code).await.1.unwrap();
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let mut again = vec!["POST /enrol HTTP/1.1", &cookie];
    again.extend(OWN);
    assert_eq!(page.status(&again).await, 204);
    server.link().await;
    let kept = medusa_agent::Identity::load(page.home.path()).unwrap().unwrap();
    assert_eq!(kept.agent_key, "another");
}
