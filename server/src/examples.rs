//! The gallery: every folder of `examples/` with a `job.json` becomes a ready-made job. One whose
//! program is a script is offered once its runtime is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use medusa_api::JobSpec;
use medusa_jobs::{Jobs, NewExample};
use medusa_types::{UserId, Uuid};
use serde::Deserialize;
use serde_json::Value;

/// The house itself, as the owner of the gallery's programs.
const HOUSE: UserId = UserId(Uuid::nil());

#[derive(Deserialize)]
struct Described {
    about: String,
    program: String,
    runtime: Option<String>,
    input: Option<String>,
}

/// Where the gallery's folder is, if the house has one.
pub(crate) struct Gallery(pub(crate) Option<PathBuf>);

/// Offers every example of a folder. Repeating it changes nothing.
pub(crate) async fn offer(jobs: &Jobs, folder: &Path) -> Result<()> {
    let runtimes = jobs.runtimes().await.map_err(medusa_platform::ApiError::from)?;
    let runtimes: BTreeSet<String> = runtimes.into_iter().map(|runtime| runtime.name).collect();
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("could not read {}", folder.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.join("job.json").is_file() {
            let example = read(&path).with_context(|| format!("in {}", path.display()))?;
            if example.runtime.as_ref().is_some_and(|runtime| !runtimes.contains(runtime)) {
                continue;
            }
            let id = example.id.clone();
            jobs.put_example(HOUSE, example).await.map_err(medusa_platform::ApiError::from)?;
            tracing::debug!(example = id, "offered");
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<NewExample> {
    let mut json: Value = serde_json::from_slice(&std::fs::read(path.join("job.json"))?)?;
    let described: Described = serde_json::from_value(json.clone())?;
    if let Some(object) = json.as_object_mut() {
        for key in ["about", "program", "runtime", "input"] {
            object.remove(key);
        }
    }
    let spec: JobSpec = serde_json::from_value(json)?;
    let file = |name: &str| std::fs::read(path.join(name)).map(Bytes::from);
    Ok(NewExample {
        id: path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned(),
        about: described.about,
        program: file(&described.program)?,
        runtime: described.runtime,
        input: described.input.as_deref().map(file).transpose()?,
        spec,
    })
}
