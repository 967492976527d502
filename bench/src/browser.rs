//! A headless Chromium, spoken to over WebDriver.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::house::Person;
use crate::process::{Folder, Process};

const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(200);
/// The key of an element's id in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// An open window on a website.
pub(crate) struct Browser {
    http: reqwest::Client,
    listen: String,
    session: String,
    site: String,
    _driver: Process,
    _folder: Folder,
}

impl Browser {
    /// Opens one; `chromedriver` and `chromium` are looked for where programs are.
    pub(crate) async fn open(site: &str) -> Result<Self> {
        medusa_client::install_crypto();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = Folder::new()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", listen.port()));
        let driver = Process::start(&mut command, &folder.path().join("driver.log"))?;
        let wishes = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--window-size=1280,900",
                format!("--user-data-dir={}", folder.path().join("profile").display()),
            ] },
        } } });
        let began = Instant::now();
        let answer: Value = loop {
            let asked = http.post(format!("http://{listen}/session")).json(&wishes).send().await;
            match asked {
                Ok(answer) => break answer.json().await?,
                Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        let session = answer.pointer("/value/sessionId").and_then(Value::as_str);
        let session = session.with_context(|| format!("no browser: {answer}"))?.to_owned();
        let (listen, site) = (listen.to_string(), site.to_owned());
        Ok(Self { http, listen, session, site, _driver: driver, _folder: folder })
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let url = format!("http://{}/session/{}/{path}", self.listen, self.session);
        let answer = self.http.post(url).json(&body).send().await?;
        let good = answer.status().is_success();
        let mut answer: Value = answer.json().await?;
        if !good {
            bail!("the browser refused {path}: {answer}");
        }
        Ok(answer.get_mut("value").map(Value::take).unwrap_or_default())
    }

    /// Opens a page of the website.
    pub(crate) async fn goto(&self, path: &str) -> Result<()> {
        self.post("url", json!({ "url": format!("{}{path}", self.site) })).await.map(drop)
    }

    /// What a piece of script in the page returns.
    pub(crate) async fn js(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn until(&self, expression: &str) -> Result<()> {
        let began = Instant::now();
        let script = format!("return Boolean({expression})");
        while self.js(&script).await? != true {
            if began.elapsed() > PATIENCE {
                bail!("{expression} does not come true");
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn element(&self, css: &str) -> Result<String> {
        let found = self.post("element", json!({ "using": "css selector", "value": css })).await?;
        let id = found.get(ELEMENT).and_then(Value::as_str);
        Ok(id.with_context(|| format!("there is no {css}"))?.to_owned())
    }

    /// Logs in on the login page.
    pub(crate) async fn log_in(&self, person: &Person) -> Result<()> {
        self.goto("/login").await?;
        for (css, text) in [("#email", &person.email), ("#password", &person.password)] {
            let field = self.element(css).await?;
            self.post(&format!("element/{field}/value"), json!({ "text": text })).await?;
        }
        let button = self.element("main form button.primary").await?;
        self.post(&format!("element/{button}/click"), json!({})).await?;
        self.until("location.pathname.startsWith('/app')").await
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
            socket.read_to_end(&mut Vec::new()).ok();
        }
    }
}
