//! A headless Chromium, spoken to over WebDriver.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::people::Person;
use super::process::{Folder, Process};
use super::{until, within};

const DRIVER: &str = "/usr/bin/chromedriver";
const BROWSERS: [&str; 3] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/// A page has settled by then.
const SETTLED: Duration = Duration::from_secs(10);
/// The key of an element's id in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The keys of a keyboard that are no letters, as the protocol names them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// An open window on one house, or on another program with pages.
pub(crate) struct Browser {
    http: reqwest::Client,
    listen: String,
    session: String,
    house: String,
    _driver: Process,
    _folder: Folder,
}

impl Browser {
    /// Opens one. Nothing, said loudly, where there is none: only in CI that is a failure.
    pub(crate) async fn open(house: &super::House) -> Option<Self> {
        Self::open_at(&house.url, &[]).await
    }

    /// Opens one on a program at this address, with more arguments for the browser.
    pub(crate) async fn open_at(house: &str, more: &[&str]) -> Option<Self> {
        let browser = BROWSERS.iter().find(|path| Path::new(path).is_file());
        let Some(browser) = browser.filter(|_| Path::new(DRIVER).is_file()) else {
            assert!(std::env::var_os("CI").is_none(), "CI needs chromium and chromedriver");
            eprintln!("LEFT OUT: there is no {DRIVER} or no Chromium on this machine");
            return None;
        };
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = Folder::new();
        let mut command = Command::new(DRIVER);
        command.arg(format!("--port={}", listen.port()));
        let mut driver =
            Process::start("chromedriver", &mut command, &folder.path().join("driver.log"));
        medusa_client::install_crypto();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let url = format!("http://{listen}/session");
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let mut args = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            &profile,
        ];
        args.extend(more);
        let wishes = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": browser, "args": args },
        } } });
        let answer = until("a browser", async || {
            driver.must_live();
            http.post(&url).json(&wishes).send().await.ok()
        })
        .await;
        let answer: Value = answer.json().await.unwrap();
        let session = answer["value"]["sessionId"].as_str();
        let session = session.unwrap_or_else(|| panic!("no session: {answer}")).to_owned();
        let (listen, house) = (listen.to_string(), house.to_owned());
        Some(Self { http, listen, session, house, _driver: driver, _folder: folder })
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.ask(path, &body).await;
        answer.unwrap_or_else(|refusal| panic!("{path} {body}: {refusal}"))
    }

    /// What the driver answers, or why it does not do it.
    async fn ask(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let url = format!("http://{}/session/{}/{path}", self.listen, self.session);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        let good = answer.status().is_success();
        let mut answer: Value = answer.json().await.unwrap();
        let value = answer["value"].take();
        if good { Ok(value) } else { Err(value) }
    }

    /// Opens a page of the house.
    pub(crate) async fn goto(&self, path: &str) {
        self.post("url", json!({ "url": format!("{}{path}", self.house) })).await;
    }

    /// Opens a page of anybody.
    pub(crate) async fn visit(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Logs a person in.
    pub(crate) async fn log_in(&self, person: &Person) {
        self.goto("/login").await;
        self.fill("#email", &person.email).await;
        self.fill("#password", &person.password).await;
        self.click("main form button.primary").await;
        self.until("location.pathname.startsWith('/app')").await;
    }

    /// What a piece of script in the page returns.
    pub(crate) async fn js(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, async || (self.js(&script).await == true).then_some(())).await;
    }

    async fn element(&self, css: &str) -> String {
        let found = self.post("element", json!({ "using": "css selector", "value": css })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks what is found first.
    pub(crate) async fn click(&self, css: &str) {
        let path = format!("element/{}/click", self.element(css).await);
        // What moves while the page settles is pressed when it stands still, as a person does.
        within(SETTLED, css, async || match self.ask(&path, &json!({})).await {
            Err(refusal) if refusal["error"] == "element click intercepted" => None,
            answer => Some(answer.unwrap_or_else(|refusal| panic!("{path}: {refusal}"))),
        })
        .await;
    }

    /// Types into what is found first.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys one after the other.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let down = |key: &&str| json!({ "type": "keyDown", "value": key });
        let up = |key: &&str| json!({ "type": "keyUp", "value": key });
        let steps: Vec<Value> = keys.iter().flat_map(|key| [down(key), up(key)]).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": steps });
        self.post("actions", json!({ "actions": [keyboard] })).await;
    }

    /// Makes its user one who likes dark pages, or light ones.
    pub(crate) async fn be_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await;
    }

    /// Forgets who it was.
    pub(crate) async fn forget(&self) {
        self.cdp("Network.clearBrowserCookies", json!({})).await;
    }

    /// Makes it a telephone of this width in CSS pixels.
    pub(crate) async fn be_narrow(&self, width: u32) {
        let params =
            json!({ "width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        self.cdp("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// Makes its line so slow, in bytes a second; 0 is as fast as it goes.
    pub(crate) async fn be_slow(&self, bytes: u64) {
        let rate = if bytes == 0 { json!(-1) } else { json!(bytes) };
        self.cdp("Network.enable", json!({})).await;
        let params = json!({
            "offline": false, "latency": 0, "downloadThroughput": rate, "uploadThroughput": rate,
        });
        self.cdp("Network.emulateNetworkConditions", params).await;
    }

    async fn cdp(&self, command: &str, params: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    /// A picture of what is shown, as PNG in base64.
    pub(crate) async fn picture(&self) -> String {
        let shot = self.cdp("Page.captureScreenshot", json!({})).await;
        shot["data"].as_str().unwrap().to_owned()
    }

    /// Errors on the console since the last look.
    pub(crate) async fn errors(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "browser" })).await;
        let lines = log.as_array().unwrap().iter();
        lines.filter(|line| line["level"] == "SEVERE").map(|line| line.to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser when it is asked to, and not when it is killed.
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.session, self.listen
        );
        if let Ok(mut socket) = TcpStream::connect(&self.listen) {
            socket.set_read_timeout(Some(Duration::from_secs(10))).ok();
            socket.write_all(request.as_bytes()).ok();
            // It answers when the browser has ended, and keeps the connection.
            socket.read_exact(&mut [0]).ok();
        }
    }
}
