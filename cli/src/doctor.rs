//! `doctor`: looks at everything this program needs, and says what to do about what is missing.

use medusa_client::TokenStore as _;
use serde_json::json;

use crate::App;
use crate::exit::Exit;

struct Finding {
    what: &'static str,
    ok: bool,
    words: String,
}

pub(crate) async fn check(app: &App) -> anyhow::Result<Exit> {
    let client = app.client.clone().with_retries(0);
    let found = |what, result: Result<String, String>| {
        let ok = result.is_ok();
        Finding { what, ok, words: result.unwrap_or_else(|words| words) }
    };
    let words = |error: medusa_client::ClientError| format!("{:#}", anyhow::Error::new(error));
    let server = client.base_url().to_owned();
    let findings = [
        found("server", client.healthy().await.map(|()| server).map_err(words)),
        found("ready", client.ready().await.map(|text| text.trim().to_owned()).map_err(words)),
        found("token file", token_file(app)),
        found("login", client.me().await.map(|me| me.email).map_err(words)),
    ];
    for finding in &findings {
        let state = if finding.ok { "ok" } else { "wrong" };
        if app.out.json() {
            let value = json!({"check": finding.what, "ok": finding.ok, "words": finding.words});
            app.out.value(&value)?;
        } else {
            app.out.data(&format!(
                "{:<10} {}  {}",
                finding.what,
                app.out.state(state),
                finding.words
            ))?;
        }
    }
    Ok(if findings.iter().all(|finding| finding.ok) { Exit::Done } else { Exit::General })
}

fn token_file(app: &App) -> Result<String, String> {
    let file = app.tokens.file();
    let shown = file.display();
    let Ok(meta) = std::fs::metadata(file) else {
        return Ok(format!("{shown} does not exist yet; `medusa login` makes it"));
    };
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&meta) & 0o077 != 0 {
        return Err(format!("others can read {shown}; `chmod 600` it"));
    }
    if !meta.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    Ok(match app.tokens.load() {
        Some(_) => format!("{shown} has a session for this server"),
        None => format!("{shown} has no session for this server"),
    })
}
