//! Checking every rule from the first event on, for people and for scripts.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use medusa_api::InvariantStatus;
use medusa_eventlog::invariants;
use medusa_platform::postgres;

/// Checks everything; the exit code says whether all of it holds.
pub(crate) async fn run(database_url: &str, json: bool) -> Result<ExitCode> {
    let pool = postgres::connect_app(database_url).await?;
    let found = invariants::check(&pool, 0..i64::MAX).await?;
    let text = if json {
        serde_json::to_string_pretty(&found)?
    } else {
        found.items.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    // Nobody listens any more when this fails.
    writeln!(std::io::stdout(), "{text}").ok();
    let broken = found.items.iter().any(|item| item.bad > 0);
    // The exit code of a failed verification.
    Ok(if broken { ExitCode::from(10) } else { ExitCode::SUCCESS })
}

fn line(item: &InvariantStatus) -> String {
    let InvariantStatus { id, name, bad, first_bad, detail, .. } = item;
    let at = first_bad.map(|position| format!(", first at event {position}")).unwrap_or_default();
    match (*bad, detail.as_str()) {
        (0, detail) if item.idle => format!("{id} idle    {name} ({detail})"),
        (0, "") => format!("{id} holds   {name}"),
        (0, detail) => format!("{id} holds   {name} ({detail})"),
        (bad, detail) => format!("{id} BROKEN  {name}: {bad} places{at}: {detail}"),
    }
}
