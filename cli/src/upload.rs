//! `upload`, and the way of every file to the server: in parts when it is large, with a bar; the
//! same command again goes on where it was.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use medusa_api::BlobInfo;
use medusa_client::Progress;

use crate::App;
use crate::exit::Exit;
use crate::output::bytes_in_words;

pub(crate) async fn upload(app: &App, file: &Path) -> anyhow::Result<Exit> {
    let blob = send(app, file).await?;
    if app.out.json() {
        app.out.value(&blob)?;
    } else {
        app.out.data(&blob.sha256.to_string())?;
        app.out.say(&format!("{} are at the server", bytes_in_words(blob.size)));
    }
    Ok(Exit::Done)
}

/// Sends a file, or standard input for `-`.
pub(crate) async fn send(app: &App, path: &Path) -> anyhow::Result<BlobInfo> {
    if path.as_os_str() == "-" {
        let bytes = tokio::task::spawn_blocking(|| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
        });
        let bytes = bytes.await?.context("could not read standard input")?;
        return Ok(app.client.upload_bytes(bytes.into()).await?);
    }
    let bar = app.out.bytes_bar(&format!("uploading {}", path.display()))?;
    let progress: Progress = {
        let bar = bar.clone();
        Arc::new(move |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })
    };
    let info = app.client.upload_file(path, progress).await;
    bar.finish_and_clear();
    Ok(info?)
}
