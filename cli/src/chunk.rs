//! What chunks wrote, into a folder, also while the job runs: one chunk, all that are done, or the
//! results as far as they go.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use medusa_client::Progress;
use medusa_types::{Bundle, ChunkIndex};

use crate::exit::{Exit, Fail};
use crate::fetch::is_plain;
use crate::{App, args};

pub(crate) async fn fetch(app: &App, args: &args::Fetch, chunk: u32) -> anyhow::Result<Exit> {
    let bytes = app.client.chunk_bundle(args.id, ChunkIndex(chunk)).await?;
    for path in write(&args.out, &bytes, args.force).await? {
        told(app, &path)?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn fetch_all(app: &App, args: &args::Fetch) -> anyhow::Result<Exit> {
    let to = free(&args.out, "chunks.zip", args.force).await?;
    let bar = app.out.bar(0, "chunks.zip {bytes}, {bytes_per_sec}")?;
    let progress: Progress = {
        let bar = bar.clone();
        Arc::new(move |done, _| bar.set_position(done))
    };
    let done = app.client.download_chunks(args.id, &to, progress).await;
    bar.finish_and_clear();
    done?;
    told(app, &to)?;
    Ok(Exit::Done)
}

pub(crate) async fn fetch_partial(app: &App, args: &args::Fetch) -> anyhow::Result<Exit> {
    let job = app.client.job(args.id).await?;
    let rules = job.spec.merge.iter().map(|rule| rule.to.clone());
    let mut names: Vec<String> = rules.collect();
    if names.is_empty() {
        names.push("result".to_owned());
    }
    if !args.files.is_empty() {
        names.retain(|name| args.files.contains(name));
    }
    if let Some(name) = names.iter().find(|name| !is_plain(name)) {
        let message = format!("the result's name {name:?} is no plain name");
        return Err(Fail::new(Exit::Unverified, message).into());
    }
    if names.is_empty() {
        return Err(Fail::new(Exit::NotFound, "the job makes no result of this name").into());
    }
    for name in names {
        let to = free(&args.out, &format!("partial-{name}"), args.force).await?;
        let chunks = app.client.download_partial(args.id, &name, &to).await?;
        app.out.say(&format!("{name}: {chunks} chunks"));
        told(app, &to)?;
    }
    Ok(Exit::Done)
}

fn told(app: &App, path: &Path) -> anyhow::Result<()> {
    if app.out.json() {
        return app.out.value(&serde_json::json!({ "path": path }));
    }
    app.out.data(&path.display().to_string())
}

/// Where a file goes, if nothing is there or it may be replaced.
async fn free(folder: &Path, name: &str, force: bool) -> anyhow::Result<PathBuf> {
    tokio::fs::create_dir_all(folder)
        .await
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    let to = folder.join(name);
    if !force && tokio::fs::try_exists(&to).await? {
        let message = format!("{} is there", to.display());
        return Err(Fail::new(Exit::Conflict, message)
            .next("--force replaces it, -o names a folder")
            .into());
    }
    Ok(to)
}

/// Writes what a chunk gave: `stdout`, and its files under `out`. Gives their paths.
pub(crate) async fn write(
    folder: &Path,
    bundle: &[u8],
    force: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let bundle = Bundle::decode(bundle).context("the result of the chunk is no bundle")?;
    let mut paths = Vec::new();
    for (name, content) in bundle.iter() {
        let inside = place(name).ok_or_else(|| {
            let message = format!("the chunk's file {name:?} would leave the folder");
            Fail::new(Exit::Unverified, message)
        })?;
        let (parent, last) = (inside.parent(), inside.file_name().and_then(|name| name.to_str()));
        let parent = folder.join(parent.unwrap_or(Path::new("")));
        let to = free(&parent, last.unwrap_or_default(), force).await?;
        let wrote = tokio::fs::write(&to, content).await;
        wrote.with_context(|| format!("could not write {}", to.display()))?;
        paths.push(to);
    }
    Ok(paths)
}

/// Where an entry of a bundle goes. The guest chose its name, so it must not lead outside.
fn place(name: &str) -> Option<PathBuf> {
    if name.is_empty() {
        return Some(PathBuf::from("stdout"));
    }
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
    name.split('/').all(plain).then(|| Path::new("out").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_file_stays_inside_the_folder() {
        assert_eq!(place(""), Some("stdout".into()));
        assert_eq!(place("a/b.csv"), Some("out/a/b.csv".into()));
        for name in ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "C:x", "x/", "."] {
            assert_eq!(place(name), None, "{name}");
        }
    }
}
