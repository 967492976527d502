//! The agent's own page in a real browser: its owner can use all of it, with the keyboard alone, by
//! day and by night and on a telephone; and other pages in the same browser can do nothing to it.

use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{Browser, ENTER, Folder, Process, TAB, program, until};

/// A name that leads to this machine, as somebody's own DNS server may say.
const REBOUND: &str = "attacker.test";

/// An agent whose server does not run, and its page.
struct Desk {
    folder: Folder,
    port: u16,
    _agent: Process,
}

impl Desk {
    async fn open() -> Self {
        let folder = Folder::new();
        let identity = json!({
            "server": "http://127.0.0.1:9", "agent": "agt_00000000000000000000000000000007",
            "name": "desk", "agent_key": "key",
        });
        std::fs::write(folder.path().join("identity.json"), identity.to_string()).unwrap();
        let mut command = Command::new(program("medusa-agent"));
        command.args(["run", "--exit-with-stdin", "--port", "0", "--no-measure", "--data"]);
        command.arg(folder.path()).env_remove("RUST_LOG").env_remove("MEDUSA_SERVER");
        let log = folder.path().join("agent.log");
        let mut agent = Process::start("an agent", &mut command, &log);
        let link = until("the page's link", async || {
            agent.must_live();
            std::fs::read_to_string(folder.path().join("page.url")).ok()
        })
        .await;
        let (address, _) = link.split_once("/#").unwrap();
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { folder, port, _agent: agent }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The link's path, with the secret that opens the page once.
    fn link(&self) -> String {
        let link = std::fs::read_to_string(self.folder.path().join("page.url")).unwrap();
        link.strip_prefix(&self.url()).unwrap().to_owned()
    }

    /// What the agent keeps on disk of its owner's wishes.
    fn kept(&self) -> Vec<Option<Vec<u8>>> {
        ["state.json", "settings.json", "identity.json"]
            .map(|name| std::fs::read(self.folder.path().join(name)).ok())
            .into()
    }

    async fn browser(&self) -> Option<Browser> {
        let rules = format!("--host-resolver-rules=MAP {REBOUND} 127.0.0.1");
        Browser::open_at(&self.url(), &[&rules]).await
    }

    /// Opens the page as its owner.
    async fn enter(&self, browser: &Browser) {
        browser.goto(&self.link()).await;
        browser.until("document.body.dataset.page === 'state'").await;
    }
}

#[tokio::test]
async fn a_link_opens_the_page_once() {
    let desk = Desk::open().await;
    let Some(browser) = desk.browser().await else { return };
    let first = desk.link();
    desk.enter(&browser).await;
    assert_eq!(browser.js("return location.hash").await, "", "the secret leaves the address");
    browser.goto("/").await;
    browser.until("document.body.dataset.page === 'state'").await;

    browser.forget().await;
    browser.goto("/tasks").await;
    browser.goto(&first).await;
    browser.until("document.querySelector('#words')?.innerText.length > 0").await;
    assert_eq!(browser.js("return document.body.dataset.page").await, "locked");
    let next = desk.link();
    assert_ne!(next, first);
    browser.goto("/tasks").await;
    desk.enter(&browser).await;
}

/// Presses the tabulator until what is meant has the focus.
async fn tab_to(browser: &Browser, css: &str) {
    let there = format!("return document.activeElement.matches({css:?})");
    for _ in 0..400 {
        if browser.js(&there).await == true {
            return;
        }
        browser.press(&[TAB]).await;
    }
    panic!("{css} is not reached by the keyboard");
}

#[tokio::test]
async fn all_of_it_works_with_the_keyboard() {
    let desk = Desk::open().await;
    let Some(browser) = desk.browser().await else { return };
    desk.enter(&browser).await;

    // Everything that can be used is reached, and is seen to be.
    let watch = "window.blind = [];
        addEventListener('focusin', ({ target }) => {
            target.dataset.reached = 1;
            const style = getComputedStyle(target);
            const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
            if (!shown && style.boxShadow === 'none') blind.push(target.outerHTML.slice(0, 90));
        });";
    browser.js(watch).await;
    browser.press(&[TAB; 320]).await;
    let missed = "return [...document.querySelectorAll(
            'button, input, select, textarea, a[href], summary, [tabindex=\"0\"]')]
        .filter((one) => !one.disabled && one.type !== 'hidden' && one.checkVisibility()
            && !one.dataset.reached)
        .map((one) => one.outerHTML.slice(0, 90))";
    assert_eq!(browser.js(missed).await, json!([]), "not reached");
    assert_eq!(browser.js("return blind").await, json!([]), "the focus is not seen");

    browser.goto("/").await;
    tab_to(&browser, "#on").await;
    browser.press(&[" "]).await;
    browser.until("document.querySelector('#on').getAttribute('aria-pressed') === 'true'").await;
    tab_to(&browser, "#finish").await;
    browser.press(&[ENTER]).await;
    browser
        .until(
            "document.querySelector('#on').innerText === 'Go on' ||
        document.querySelector('#finish').getAttribute('aria-pressed') === 'true'",
        )
        .await;
    tab_to(&browser, "#off").await;
    browser.press(&[ENTER]).await;
    browser.until("document.querySelector('#off').getAttribute('aria-pressed') === 'true'").await;

    tab_to(&browser, "[name=idle_min]").await;
    // Arriving in a field selects what is in it.
    browser.press(&["1", "7", ENTER]).await;
    let kept = || {
        let settings = std::fs::read(desk.folder.path().join("settings.json")).ok()?;
        serde_json::from_slice::<Value>(&settings).ok()
    };
    let settings = until("the limits", async || kept().filter(|s| s["idle_min"] == 17)).await;
    assert_eq!(settings["load_pct"], 25, "the others stay as they were");
    browser.until("document.querySelector('[name=idle_min]')?.value === '17'").await;

    tab_to(&browser, "[name=h2][value='5']").await;
    browser.press(&[" ", ENTER]).await;
    let hours = until("the hours", async || {
        kept().map(|s| s["hours"].clone()).filter(|hours| *hours != settings["hours"])
    })
    .await;
    let changed = |n: usize| hours[n].as_u64().unwrap() ^ settings["hours"][n].as_u64().unwrap();
    assert_eq!((0..7).map(changed).collect::<Vec<_>>(), [0, 0, 1 << 5, 0, 0, 0, 0]);

    tab_to(&browser, "[name=hours][value='3']").await;
    browser.press(&[ENTER]).await;
    browser.until("!document.querySelector('#wake').hidden").await;
    assert_eq!(browser.errors().await, [""; 0]);
}

/// Text that is hard to read: less than 4.5 to 1 against what is behind it, or 3 to 1 where large.
const FAINT: &str = "
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) =>
            v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (one) => {
        for (; one; one = one.parentElement) {
            const color = rgba(getComputedStyle(one).backgroundColor);
            if (color[3] === 255) return color;
        }
        return rgba('Canvas');
    };
    const faint = [];
    for (const one of document.querySelectorAll('body *')) {
        const text = [...one.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
        if (!text.length || !one.checkVisibility() || one.disabled) continue;
        const style = getComputedStyle(one);
        const [a, b] = [light(rgba(style.color)), light(behind(one))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${text[0].data.trim()}: ${ratio.toFixed(2)}`);
    }
    return faint";

/// Fails when a page cannot be read in one of the themes, or is wider than a telephone.
async fn is_readable(browser: &Browser, page: &str) {
    let mut shown = Vec::new();
    for is_dark in [false, true] {
        browser.be_dark(is_dark).await;
        let faint = browser.js(FAINT).await;
        assert_eq!(faint, json!([]), "{page}, dark: {is_dark}");
        let color = "return getComputedStyle(document.body).backgroundColor";
        shown.push(browser.js(color).await);
    }
    assert_ne!(shown[0], shown[1], "{page} has one theme only");
    let widths = "return [document.documentElement.scrollWidth, innerWidth]";
    let widths = browser.js(widths).await;
    assert_eq!(widths[1], 360);
    assert!(widths[0].as_u64().unwrap() <= 360, "{page} is {widths} wide");
}

#[tokio::test]
async fn it_can_be_read_by_day_by_night_and_on_a_telephone() {
    let desk = Desk::open().await;
    let Some(browser) = desk.browser().await else { return };
    browser.be_narrow(360).await;
    browser.goto("/").await;
    assert_eq!(browser.js("return document.body.dataset.page").await, "locked");
    is_readable(&browser, "the locked page").await;
    browser.goto("/icon.svg").await;
    desk.enter(&browser).await;
    is_readable(&browser, "the page").await;
    browser.goto("/tasks").await;
    is_readable(&browser, "the tasks").await;
}

/// Another site's page, which tries what pages can try. `AGENT` is the agent's address.
const ATTACK: &str = r##"<!doctype html><meta charset="utf-8"><title>attack</title>
<img id="img" src="AGENT/start"><img src="AGENT/icon.svg" id="icon">
<link rel="stylesheet" href="AGENT/page.css">
<iframe id="frame" src="AGENT/"></iframe>
<iframe name="sink"></iframe>
<form id="plain" method="post" target="sink" action="AGENT/start"><input name="token" value="x"></form>
<form id="text" method="post" target="sink" action="AGENT/start" enctype="text/plain">
    <input name='{"a":"' value='"}'></form>
<form id="multi" method="post" target="sink" action="AGENT/finish" enctype="multipart/form-data">
    <input name="token" value="x"></form>
<form id="get" target="sink" action="AGENT/start"></form>
<script>
const agent = "AGENT", said = {};
const attempt = async (name, act) => {
    try { said[name] = String(await act()); } catch (error) { said[name] = `refused: ${error.name}`; }
};
const ask = (path, options) => async () => {
    const answer = await fetch(agent + path, { credentials: "include", ...options });
    return `${answer.type} ${answer.status}`;
};
const socket = () => new Promise((resolve, reject) => {
    const opened = new WebSocket(agent.replace("http", "ws") + "/");
    opened.onopen = () => resolve("open");
    opened.onerror = () => reject(new Error("closed"));
});
const inFrame = () => document.getElementById("frame").contentDocument?.body.innerText.length;
(async () => {
    const json = { "Content-Type": "application/json" };
    await attempt("read", ask("/state.json"));
    await attempt("own header", ask("/start", { method: "POST", headers: { "X-Medusa": "1" } }));
    await attempt("json", ask("/start", { method: "POST", headers: json, body: "{}" }));
    await attempt("delete", ask("/start", { method: "DELETE" }));
    await attempt("blind", ask("/start", { method: "POST", mode: "no-cors" }));
    await attempt("blind form", ask("/start", { method: "POST", mode: "no-cors",
        body: new URLSearchParams({ token: "x" }) }));
    await attempt("blind code", ask("/session", { method: "POST", mode: "no-cors",
        body: new URLSearchParams({ code: "x" }) }));
    await attempt("beacon", () => navigator.sendBeacon(agent + "/start", "x"));
    await attempt("socket", socket);
    await attempt("import", () => import(agent + "/page.js"));
    for (const form of document.forms) {
        form.submit();
        await new Promise((done) => setTimeout(done, 150));
    }
    await attempt("frame", inFrame);
    said.sent = performance.getEntriesByType("resource").filter(({ name, responseEnd }) =>
        name.startsWith(agent) && responseEnd > 0).length;
    said.icon = document.getElementById("icon").naturalWidth;
    said.done = true;
    window.said = said;
})();
</script>"##;

/// Serves a page at every path, for ever.
async fn serve(listener: TcpListener, page: String) {
    let mut answers = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n";
        let answer = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", page.len());
        let answer = answer + &page;
        answers.spawn(async move {
            let mut request = [0; 4_096];
            if stream.read(&mut request).await.is_ok() {
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        });
    }
}

#[tokio::test]
async fn another_page_can_do_nothing_to_it() {
    let desk = Desk::open().await;
    let Some(browser) = desk.browser().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut site = JoinSet::new();
    site.spawn(serve(listener, ATTACK.replace("AGENT", &desk.url())));
    desk.enter(&browser).await;
    // The switch is used once, so that the agent has written down what must not change.
    browser.click("#on").await;
    browser.until("document.querySelector('#on').getAttribute('aria-pressed') === 'true'").await;
    browser.click("#off").await;
    browser.until("document.querySelector('#off').getAttribute('aria-pressed') === 'true'").await;
    let (before, link) = (desk.kept(), desk.link());

    // Another port of the same machine is the same site: the browser sends the cookie along.
    for host in ["127.0.0.1", "localhost", REBOUND] {
        browser.visit(&format!("http://{host}:{port}/")).await;
        browser.until("window.said?.done").await;
        let said = browser.js("return said").await;
        println!("{host}: {said}");
        for (what, answer) in said.as_object().unwrap() {
            let answer = answer.as_str().unwrap_or_default();
            let is_blind = answer.is_empty()
                || answer.starts_with("refused: ")
                || answer.starts_with("opaque 0")
                || answer == "undefined"
                || (what == "beacon" && answer == "true");
            assert!(is_blind, "{what} from {host} was answered: {answer} of {said}");
        }
        assert!(said["sent"].as_u64().unwrap() >= 8, "the attacks went out: {said}");
        assert_eq!(said["icon"], 0, "{host} sees that there is an agent");
        assert_eq!(desk.kept(), before, "{host} changed something");
    }

    // A name that was another machine a moment ago leads here now.
    browser.visit(&format!("http://{REBOUND}:{}/", desk.port)).await;
    let shown = browser.js("return document.body.innerText").await;
    assert_eq!(shown, "this page has another address");
    let stolen = "return Promise.all(['/', '/state.json', '/page.js', '/tasks'].map((path) =>
        fetch(path).then((answer) => answer.status, () => 0)))";
    assert_eq!(browser.js(stolen).await, json!([421, 421, 421, 421]));
    let pressed = "return fetch('/start', { method: 'POST', headers: { 'X-Medusa': '1' } })
        .then((answer) => answer.status)";
    assert_eq!(browser.js(pressed).await, 421);

    assert_eq!((desk.kept(), desk.link()), (before, link));
    browser.goto("/").await;
    browser.until("document.body.dataset.page === 'state'").await;
    assert_eq!(
        browser.js("return document.querySelector('#off').getAttribute('aria-pressed')").await,
        "true"
    );
}
