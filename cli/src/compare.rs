//! `compare`: two runs side by side.

use medusa_api::{ComparedFile, Comparison, RunFigures};
use medusa_types::JobId;

use crate::App;
use crate::exit::Exit;
use crate::output::seconds_in_words;

pub(crate) async fn compare(app: &App, left: JobId, right: JobId) -> anyhow::Result<Exit> {
    let found = app.client.compare_jobs(left, right).await?;
    if app.out.json() {
        app.out.value(&found)?;
        return Ok(Exit::Done);
    }
    app.out.table(&["", "FIRST", "SECOND"], &rows(&found))?;
    app.out.data(&asked(&found))?;
    app.out.data(&chunks(&found))?;
    Ok(Exit::Done)
}

fn rows(found: &Comparison) -> Vec<Vec<String>> {
    let (a, b) = (&found.left, &found.right);
    let row = |name: &str, value: &dyn Fn(&RunFigures) -> String| {
        vec![name.to_owned(), value(a), value(b)]
    };
    let mut rows = vec![
        row("job", &|run| run.job.to_string()),
        row("name", &|run| run.name.clone()),
        row("state", &|run| run.state.as_str().to_owned()),
        row("chunks", &|run| format!("{}/{}", run.done, run.chunks)),
        row("copies", &|run| run.attempts.to_string()),
        row("fuel", &|run| run.fuel.0.to_string()),
        row("spent", &|run| run.spent.to_string()),
        row("time", &|run| run.ms.map_or_else(|| "-".to_owned(), span)),
    ];
    rows.extend(found.results.iter().map(|file| {
        let side = |hash: &Option<medusa_types::Sha256Hash>| {
            hash.map_or_else(|| "-".to_owned(), |hash| hash.to_string())
        };
        vec![result(file), side(&file.left), side(&file.right)]
    }));
    rows
}

fn span(ms: u64) -> String {
    if ms < 2_000 { format!("{ms} ms") } else { seconds_in_words(ms.div_ceil(1_000)) }
}

fn result(file: &ComparedFile) -> String {
    format!("{} ({})", file.name, if file.is_equal() { "equal" } else { "different" })
}

fn asked(found: &Comparison) -> String {
    match found.asked_differently.as_slice() {
        [] => "asked the same: program, input and description".to_owned(),
        fields => format!("asked differently: {}", fields.join(", ")),
    }
}

fn chunks(found: &Comparison) -> String {
    let first = found.first_different.map(|chunk| format!(", the first is chunk {chunk}"));
    format!(
        "chunks: {} equal, {} different{}, {} in one run only",
        found.chunks_equal,
        found.chunks_different,
        first.unwrap_or_default(),
        found.chunks_alone
    )
}
