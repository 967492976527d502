//! What may stand in which file.

use crate::tree::{assert_none, sources};

/// Lines of a file, and of a file of tests.
const LINES_MAX: usize = 500;
const TEST_LINES_MAX: usize = 1_000;
const COLUMNS_MAX: usize = 100;

/// A text that may stand only in files whose path contains one of these.
struct Fence {
    text: &'static str,
    only_in: &'static [&'static str],
    because: &'static str,
}

const SQL_PLACES: &[&str] = &[
    "/store/",
    "/store.rs",
    "/projection/",
    "/projection.rs",
    "crates/eventlog/",
    "crates/platform/",
    "crates/testkit/",
    "server/src/dev/",
    "tests/",
    "/tests/",
    "/tests.rs",
    "bench/",
];
const HTTP_PLACES: &[&str] = &[
    "/http/",
    "/http.rs",
    "crates/platform/",
    "server/",
    "web/",
    "agent/src/ui",
    "tests/",
    "/tests/",
    "/tests.rs",
    "bench/",
];
const REDIS_PLACES: &[&str] = &[
    "/live.rs",
    "/live_tests.rs",
    "/live/",
    "crates/platform/",
    "crates/testkit/",
    "server/",
    "tests/",
    "/tests/",
    "/tests.rs",
    "bench/",
];
/// The packages that a build without a database starts from.
const BASE: &[&str] = &["crates/platform/", "crates/testkit/"];

const FENCES: &[Fence] = &[
    Fence {
        text: "sqlx::query",
        only_in: SQL_PLACES,
        because: "SQL lives in store and projection",
    },
    Fence { text: "query!(", only_in: SQL_PLACES, because: "SQL lives in store and projection" },
    Fence {
        text: concat!("Assert", "SqlSafe"),
        only_in: &["crates/testkit/", "crates/platform/", "tests/", "/tests/", "bench/"],
        because: "the text of a query is constant",
    },
    Fence { text: "actix_web", only_in: HTTP_PLACES, because: "HTTP lives in http" },
    Fence { text: "redis::", only_in: REDIS_PLACES, because: "Redis is for live.rs" },
];

/// What pure code does not know.
const NOT_IN_DOMAIN: &[&str] =
    &["async ", "await", "tokio", "actix", "sqlx", "redis::", "std::fs", "std::env", "Instant"];

/// The code of each line with its number, without comments of a whole line.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn within(path: &str, places: &[&str]) -> bool {
    // A place with a slash in front may be anywhere in the path, another only at its start.
    let anywhere = |place: &str| place.starts_with('/') && format!("/{path}").contains(place);
    places.iter().any(|place| path.starts_with(place) || anywhere(place))
}

fn shape(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{path}: opens with //! and what it owns"));
    }
    let tests = path.starts_with("tests/") || path.contains("/tests");
    let (lines, max) = (text.lines().count(), if tests { TEST_LINES_MAX } else { LINES_MAX });
    if lines > max {
        found.push(format!("{path}: {lines} lines, at most {max}"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        // Code that is longer is what rustfmt cannot break: a text, or an attribute with one.
        if line.trim_start().starts_with("//") && line.chars().count() > COLUMNS_MAX {
            found.push(format!("{path}:{number}: longer than {COLUMNS_MAX} columns"));
        }
        if [concat!("TO", "DO"), concat!("FIX", "ME")].iter().any(|mark| line.contains(mark)) {
            found.push(format!("{path}:{number}: do it, or describe it as an issue"));
        }
    }
    let listed = ["/domain/mod.rs", "/actor/mod.rs", "/projection/mod.rs", "/reconcile/mod.rs"];
    let lists = listed.iter().any(|end| path.ends_with(end));
    if lists && code(text).any(|(_, line)| line.contains("fn ")) {
        found.push(format!("{path}: holds docs, mod and pub use"));
    }
    found
}

fn places(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if path.starts_with("crates/tidy/") {
        return found;
    }
    for (number, line) in code(text) {
        // Our own wrapper module has the name of the crate that it wraps.
        let line = line.replace("platform::redis::", "");
        for fence in FENCES {
            if line.contains(fence.text) && !within(path, fence.only_in) {
                found.push(format!("{path}:{number}: `{}`: {}", fence.text, fence.because));
            }
        }
        if line.contains("query!(") && within(path, BASE) {
            found.push(format!("{path}:{number}: a checked query here would need what it builds"));
        }
        let domain = within(path, &["/domain/", "crates/ledger/", "crates/tlog/"]);
        for word in NOT_IN_DOMAIN.iter().filter(|word| domain && line.contains(**word)) {
            found.push(format!("{path}:{number}: `{word}` in pure code"));
        }
    }
    found
}

/// `YYYYMMDDHHMMSS_<owner>_<what>.sql`
fn migration(path: &str) -> Option<String> {
    let name = path.strip_prefix("migrations/")?.strip_suffix(".sql")?;
    let mut parts = name.splitn(3, '_');
    let dated =
        parts.next().is_some_and(|d| d.len() == 14 && d.bytes().all(|b| b.is_ascii_digit()));
    let owners =
        ["eventlog", "accounts", "jobs", "billing", "ads", "sessions", "audit", "platform"];
    let owned = parts.next().is_some_and(|owner| owners.contains(&owner));
    (!dated || !owned).then(|| format!("{path}: is not named <date>_<owner>_<what>.sql"))
}

#[test]
fn every_file_has_its_shape() {
    let found: Vec<String> = sources(".rs").iter().flat_map(|s| shape(&s.path, &s.text)).collect();
    assert_none(&found);
}

#[test]
fn everything_stands_where_it_belongs() {
    let found: Vec<String> = sources(".rs").iter().flat_map(|s| places(&s.path, &s.text)).collect();
    assert_none(&found);
}

#[test]
fn every_migration_says_when_whose_and_what() {
    let found: Vec<String> = sources(".sql").iter().filter_map(|s| migration(&s.path)).collect();
    assert_none(&found);
}

#[test]
fn what_is_out_of_place_is_refused() {
    for (path, text) in [
        ("services/jobs/src/http/job.rs", "sqlx::query(\"select 1\")"),
        ("agent/src/link.rs", "use actix_web::web;"),
        ("services/jobs/src/actor/job.rs", "redis::cmd(\"get\")"),
        ("services/jobs/src/domain/job.rs", "pub async fn decide() {}"),
        ("crates/platform/src/postgres.rs", "sqlx::query!(\"select 1\")"),
        ("services/ads/src/store/views.rs", concat!("Assert", "SqlSafe(text)")),
    ] {
        assert_eq!(places(path, text).len(), 1, "{path}");
        assert_eq!(places(path, &format!("// {text}")).len(), 0, "{path}: a comment");
    }
    assert_eq!(places("services/jobs/src/store/job.rs", "sqlx::query!(\"select 1\")").len(), 0);
}

#[test]
fn what_is_out_of_shape_is_refused() {
    let long = format!("//! Doc.\n{}", "x\n".repeat(LINES_MAX));
    for (path, text) in [
        ("a/src/lib.rs", "use std::fmt;\n"),
        ("a/src/lib.rs", long.as_str()),
        ("a/src/lib.rs", &format!("//! Doc.\n//{}", "é".repeat(COLUMNS_MAX))),
        ("a/src/lib.rs", concat!("//! Doc.\n// TO", "DO: more\n")),
        ("a/src/domain/mod.rs", "//! Doc.\nfn body() {}\n"),
    ] {
        assert_eq!(shape(path, text).len(), 1, "{text}");
    }
    assert_eq!(shape("a/src/tests.rs", &long).len(), 0);
    assert!(migration("migrations/20261122_jobs_job.sql").is_some());
    assert!(migration("migrations/20261122000300_jobs_jobs.sql").is_none());
}
