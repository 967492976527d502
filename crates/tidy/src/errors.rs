//! Every error code that can leave the server has a page in `docs/errors/`, and every page a code.

use std::collections::BTreeSet;

use crate::tree::{assert_none, root, sources};

/// What codes begin with.
const OWNERS: &[&str] =
    &["accounts", "jobs", "billing", "ads", "sessions", "platform", "program", "log", "blob"];
/// Calls whose arguments hold a code.
const CALLS: &[&str] = &["Problem::new(", "ApiError::new(", "ApiError::field("];
/// Where codes come from.
const PLACES: &[&str] = &[
    "services/",
    "crates/ledger/",
    "crates/platform/",
    "crates/eventlog/",
    "crates/sandbox/",
    "server/",
    "web/",
];
/// Files all of whose codes count.
const ERROR_FILES: &[&str] = &["/error.rs", "/refusal.rs", "/gate.rs", "/code.rs"];
/// How far behind such a call its code stands, in characters without white space.
const REACH: usize = 120;

/// The codes among the string literals of a text.
fn codes(text: &str) -> Vec<String> {
    let literal = |part: &str| {
        let (owner, rest) = part.split_once('.')?;
        let plain = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        (OWNERS.contains(&owner) && plain).then(|| part.to_owned())
    };
    text.split('"').filter_map(literal).collect()
}

/// The codes of one file: all where errors are defined, elsewhere those beside a call that takes
/// one.
fn codes_of(path: &str, text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    if ERROR_FILES.iter().any(|file| path.ends_with(file)) {
        return codes(&code);
    }
    let beside = CALLS.iter().flat_map(|call| code.split(call).skip(1));
    let near = |rest: &str| rest.chars().take(REACH).collect::<String>();
    beside.filter_map(|rest| codes(&near(rest)).into_iter().next()).collect()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let sources = sources(".rs");
    let server =
        |path: &str| PLACES.iter().any(|place| path.starts_with(place)) && !path.contains("/tests");
    let codes: BTreeSet<String> = sources
        .iter()
        .filter(|source| server(&source.path))
        .flat_map(|source| codes_of(&source.path, &source.text))
        .collect();
    let pages = root().join("docs/errors");
    let mut found: Vec<String> = codes
        .iter()
        .filter(|code| !pages.join(format!("{code}.md")).is_file())
        .map(|code| format!("docs/errors/{code}.md is missing"))
        .collect();
    for page in std::fs::read_dir(&pages).into_iter().flatten().flatten() {
        let name = page.file_name().to_string_lossy().into_owned();
        let Some(code) = name.strip_suffix(".md").filter(|name| name.contains('.')) else {
            continue;
        };
        let quoted = format!("\"{code}\"");
        if !sources.iter().any(|s| server(&s.path) && s.text.contains(&quoted)) {
            found.push(format!("docs/errors/{name} is about a code that nobody gives"));
        }
    }
    assert_none(&found);
}

#[test]
fn codes_are_found_where_they_are_given() {
    let table = "match e { Short => \"billing.escrow_short\", Store(_) => \"select.from_b\" }";
    assert_eq!(codes_of("services/billing/src/error.rs", table), ["billing.escrow_short"]);
    let call = "ApiError::new(\n    404,\n    \"jobs.gone\",\n    \"gone\", \"\")";
    assert_eq!(codes_of("services/jobs/src/http/job.rs", call), ["jobs.gone"]);
    let task = "supervise(\"ads.projection\", stop, run)";
    assert!(codes_of("server/src/wiring.rs", task).is_empty());
}
