//! `fetch`: the results of a job into a folder. Each file appears whole and checked, or not at all.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use medusa_api::{Job, ResultFile};

use crate::exit::{Exit, Fail};
use crate::{App, args, chunk};

pub(crate) async fn fetch(app: &App, args: &args::Fetch) -> anyhow::Result<Exit> {
    if let Some(chunk) = args.chunk {
        return chunk::fetch(app, args, chunk).await;
    }
    if args.chunks {
        return chunk::fetch_all(app, args).await;
    }
    if args.partial {
        return chunk::fetch_partial(app, args).await;
    }
    let job = app.client.job(args.id).await?;
    let wanted = choose(&job, &args.files)?;
    if args.out.as_os_str() == "-" {
        return print(app, &job, &wanted).await;
    }
    tokio::fs::create_dir_all(&args.out)
        .await
        .with_context(|| format!("could not make the folder {}", args.out.display()))?;
    for file in wanted {
        let to = args.out.join(&file.name);
        if !is_there(&to, file, args.force).await? {
            let bar = app.out.bytes_bar(&file.name)?;
            let progress = {
                let bar = bar.clone();
                Arc::new(move |done, total| {
                    bar.set_length(total);
                    bar.set_position(done);
                })
            };
            let done = app.client.download_result(job.id, file, &to, progress).await;
            bar.finish_and_clear();
            done?;
        }
        if app.out.json() {
            app.out.value(&serde_json::json!({
                "path": to, "sha256": file.sha256, "size": file.size
            }))?;
        } else {
            app.out.data(&to.display().to_string())?;
        }
    }
    Ok(Exit::Done)
}

fn choose<'a>(job: &'a Job, names: &[String]) -> Result<Vec<&'a ResultFile>, Fail> {
    if !job.state.is_final() {
        return Err(Fail::new(Exit::General, format!("the job is still {}", job.state.as_str()))
            .next(format!("`medusa watch {}` waits for its end", job.id)));
    }
    if let Some(exit) = Exit::of_job(job.state).filter(|exit| *exit != Exit::Done) {
        let reason = job.reason.as_deref().unwrap_or("so there are no results");
        return Err(Fail::new(exit, format!("the job is {}: {reason}", job.state.as_str())));
    }
    if let Some(file) = job.results.iter().find(|file| !is_plain(&file.name)) {
        let message = format!("the result's name {:?} is no plain name", file.name);
        return Err(Fail::new(Exit::Unverified, message));
    }
    if names.is_empty() {
        return Ok(job.results.iter().collect());
    }
    let find = |name: &String| {
        job.results.iter().find(|file| file.name == *name).ok_or_else(|| {
            let there: Vec<_> = job.results.iter().map(|file| file.name.as_str()).collect();
            Fail::new(Exit::NotFound, format!("the job has no result {name:?}"))
                .next(format!("there are: {}", there.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// A name must stay inside the folder, whatever the server says.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// Whether the very file is there already. Another one is only replaced by force.
async fn is_there(to: &Path, file: &ResultFile, force: bool) -> anyhow::Result<bool> {
    if !tokio::fs::try_exists(to).await? {
        return Ok(false);
    }
    let (found, _) = medusa_client::digest_of_file(to).await?;
    if found == file.sha256 {
        return Ok(true);
    }
    if force {
        return Ok(false);
    }
    let message = format!("{} is there with another content", to.display());
    Err(Fail::new(Exit::Conflict, message).next("--force replaces it, -o names a folder").into())
}

async fn print(app: &App, job: &Job, wanted: &[&ResultFile]) -> anyhow::Result<Exit> {
    let [file] = wanted else {
        let message = "only one result fits on standard output";
        return Err(Fail::new(Exit::Usage, message).next("choose it with --file").into());
    };
    let bytes = app.client.result(job, &file.name).await?.unwrap_or_default();
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&bytes).and_then(|()| stdout.flush()).context("could not write it")?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for (name, plain) in [
            ("cells.csv", true),
            ("a-b_c.2", true),
            ("", false),
            ("..", false),
            (".bashrc", false),
            ("../x", false),
            ("/etc/passwd", false),
            ("a/b", false),
            ("a\\b", false),
            ("C:x", false),
        ] {
            assert_eq!(is_plain(name), plain, "{name}");
        }
    }
}
