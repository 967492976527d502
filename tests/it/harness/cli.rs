//! The command line, as a person uses it.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Folder, House, Person, program};

/// Exit status and the last line of JSON that `medusa` prints for a person, in a folder of its own.
pub(crate) async fn medusa(
    house: &House,
    person: &Person,
    folder: &Folder,
    line: &str,
) -> (i32, Value) {
    let mut command = Command::new(program("medusa"));
    command
        .args(line.split_whitespace())
        .arg("--json")
        .current_dir(folder.path())
        .env("MEDUSA_URL", &house.url)
        .env("MEDUSA_TOKEN", &person.token)
        .env("MEDUSA_CONFIG", folder.path())
        .env("MEDUSA_CACHE", folder.path().join("cache"))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let value = serde_json::from_str(text.lines().last().unwrap_or("null"));
    let said = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), value.unwrap_or_else(|_| panic!("{line}: {text}{said}")))
}
