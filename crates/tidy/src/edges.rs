//! Who may depend on whom: one row a package. A new package or a new edge fails until its row is
//! changed in review.

use std::process::Command;

use serde_json::Value;

use crate::tree::{assert_none, root};

/// Package, and the packages of ours that it may use outside tests.
const MAY_USE: &[(&str, &str)] = &[
    ("types", ""),
    ("tlog", ""),
    ("ledger", "types"),
    ("protocol", "types"),
    ("api", "types"),
    ("events", "types tlog ledger"),
    ("sandbox", "types"),
    ("client", "types api protocol"),
    ("platform", "types api"),
    ("eventlog", "types tlog ledger events api platform"),
    ("accounts", "types ledger events eventlog api platform"),
    ("jobs", "types ledger events eventlog api platform protocol"),
    ("billing", "types ledger events eventlog api platform"),
    ("ads", "types ledger events eventlog api platform"),
    ("sessions", "types ledger events eventlog api platform protocol"),
    ("web", "types api platform"),
    (
        "server",
        "types tlog ledger events eventlog api client platform protocol sandbox accounts jobs \
         billing ads sessions web",
    ),
    ("agent", "types protocol api client sandbox"),
    ("cli", "types api client events ledger tlog sandbox protocol"),
    ("testkit", "types platform"),
    ("tidy", ""),
    ("tests", ""),
    (
        "bench",
        "types ledger tlog events eventlog protocol api client platform jobs sandbox testkit",
    ),
];

/// Packages that must work without a runtime, a socket or a database.
const PURE: &str = "types tlog ledger protocol api events";
/// What those must not see.
const IMPURE: &str = "actix actix-rt actix-web actix-ws tokio tokio-util futures-util sqlx redis \
                      reqwest hyper object_store nix async-trait";
/// What programs outside the server must not see.
const SERVER_ONLY: &str = "sqlx redis object_store medusa-eventlog medusa-platform";

/// One package as cargo tells it.
struct Package {
    name: String,
    /// Names of what it uses outside tests.
    uses: Vec<String>,
    /// Whether its manifest takes over the lints of the workspace, and it is never published.
    kept: bool,
}

fn words(list: &str) -> Vec<&str> {
    list.split_whitespace().collect()
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let read = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let normal = dependencies.iter().filter(|d| d["kind"] != "dev");
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        Package {
            name: package["name"].as_str().unwrap().to_owned(),
            uses: normal.map(|d| d["name"].as_str().unwrap().to_owned()).collect(),
            kept: manifest.contains("[lints]\nworkspace = true")
                && manifest.contains("publish.workspace = true"),
        }
    };
    metadata["packages"].as_array().unwrap().iter().map(read).collect()
}

fn problems(package: &Package) -> Vec<String> {
    let name = package.name.strip_prefix("medusa-").unwrap_or(&package.name);
    let Some((_, allowed)) = MAY_USE.iter().find(|(row, _)| *row == name) else {
        return vec![format!("{} has no row in crates/tidy/src/edges.rs", package.name)];
    };
    let mut found = Vec::new();
    if !package.kept {
        found.push(format!("{name}: the manifest needs `[lints] workspace = true` and publish"));
    }
    for used in &package.uses {
        let ours = used.strip_prefix("medusa-");
        if ours.is_some_and(|ours| !words(allowed).contains(&ours)) {
            found.push(format!("{name} must not use {used}"));
        }
        if words(PURE).contains(&name) && words(IMPURE).contains(&used.as_str()) {
            found.push(format!("{name} is pure and must not use {used}"));
        }
        let outside = ["agent", "cli", "client", "sandbox"].contains(&name);
        if outside && words(SERVER_ONLY).contains(&used.as_str()) {
            found.push(format!("{name} must work without the server's {used}"));
        }
        if used.starts_with("wasmtime") && name != "sandbox" {
            found
                .push(format!("{name} must not use {used}: sandbox is the one door to the engine"));
        }
    }
    found
}

#[test]
fn every_package_uses_only_what_its_row_allows() {
    let found: Vec<String> = packages().iter().flat_map(problems).collect();
    assert_none(&found);
}

#[test]
fn every_row_has_its_package() {
    let names: Vec<String> = packages().into_iter().map(|p| p.name).collect();
    let gone = MAY_USE.iter().filter(|(row, _)| !names.contains(&format!("medusa-{row}")));
    assert_none(&gone.map(|(row, _)| format!("there is no package {row}")).collect::<Vec<_>>());
}

#[test]
fn a_forbidden_edge_is_refused() {
    let package = |name: &str, uses: &[&str], kept| Package {
        name: name.into(),
        uses: uses.iter().map(|&u| u.into()).collect(),
        kept,
    };
    assert_eq!(problems(&package("medusa-jobs", &["medusa-billing"], true)).len(), 1);
    assert_eq!(problems(&package("medusa-agent", &["sqlx"], true)).len(), 1);
    assert_eq!(problems(&package("medusa-ledger", &["tokio"], true)).len(), 1);
    assert_eq!(problems(&package("medusa-server", &["wasmtime"], true)).len(), 1);
    assert_eq!(problems(&package("medusa-new", &[], true)).len(), 1);
    assert_eq!(problems(&package("medusa-jobs", &["medusa-types"], false)).len(), 1);
    assert_eq!(problems(&package("medusa-jobs", &["medusa-types", "tokio"], true)).len(), 0);
}
