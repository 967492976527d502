//! Platform runtimes: what the operator offers, and whether a script is one.
//!
//! The module that agents run is the runtime's; the script is a file beside the chunk's input. So a
//! runtime is compiled once on each machine, whatever the scripts.

use bytes::Bytes;
use medusa_api::{Calling, NewRuntime, Program, ProgramUpload, Runtime, Script};
use medusa_eventlog::NewEvent;
use medusa_events::Fact;
use medusa_types::{Fuel, Limits, Outcome, Sha256Hash};

use super::Jobs;
use crate::error::JobsError;
use crate::order::try_out;
use crate::port::{Ran, Run};
use crate::store;

/// The longest script, in bytes; data belongs into the job's input.
const SCRIPT_BYTES_MAX: u64 = 1024 * 1024;
/// What a dry run may use. Far more than reading a script or starting a program takes.
const TRIAL: Limits = Limits {
    fuel: 100_000_000_000,
    memory_bytes: 512 * 1024 * 1024,
    output_bytes: 16 * 1024 * 1024,
    stderr_bytes: 4 * 1024,
    wall_ms: 60_000,
};

impl Jobs {
    /// The runtimes that are offered, by name.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn runtimes(&self) -> Result<Vec<Runtime>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::runtime::offered(&mut db).await
    }

    /// Offers a runtime whose module is in the object store, in place of the one that had its name.
    /// It is inspected, compiled and tried with an empty script first. Offering the same again
    /// changes nothing.
    ///
    /// # Errors
    /// [`JobsError::RuntimeRefused`] says what is wrong with it; [`JobsError::Blob`] when the
    /// module is not there.
    pub async fn add_runtime(&self, new: NewRuntime) -> Result<Runtime, JobsError> {
        check(&new).map_err(|why| JobsError::RuntimeRefused(why.to_owned()))?;
        let parts = &self.parts;
        let mut db = parts.log.pool().acquire().await?;
        let known = store::runtime::find(&mut db, &new.name, &new.version).await?;
        drop(db);
        if let Some(known) = known {
            let same = known.runtime.sha256 == new.sha256 && known.runtime.calling == new.calling;
            if !same {
                let why = "this version is known with another module or another way of calling: \
                           give it another version";
                return Err(JobsError::RuntimeRefused(why.to_owned()));
            }
            if known.is_offered {
                return Ok(known.runtime);
            }
        }
        let wasm = parts.blobs.get(new.sha256).await?;
        let size = u64::try_from(wasm.len()).unwrap_or(u64::MAX);
        parts.runner.inspect(wasm).await?;
        let ran = self.check_script(new.sha256, &new.calling, Bytes::new()).await?;
        if ran.outcome != Outcome::Done {
            let why = format!("with an empty script {}: {}", ran.outcome.in_words(), ran.stderr);
            return Err(JobsError::RuntimeRefused(why.trim_end().to_owned()));
        }
        let runtime = Runtime {
            name: new.name,
            version: new.version,
            suffix: new.suffix,
            about: new.about,
            sha256: new.sha256,
            size,
            calling: new.calling,
            added_at: parts.clock.now(),
        };
        let event = NewEvent::new(format!("runtime-{}", runtime.name), added(&runtime));
        parts.log.append_one(None, event).await?;
        let mut db = parts.log.pool().begin().await?;
        store::runtime::offer(&mut db, &runtime).await?;
        db.commit().await?;
        Ok(runtime)
    }

    /// Takes a runtime from offer. Programs that were made for it go on.
    ///
    /// # Errors
    /// [`JobsError::RuntimeUnknown`] when none of this name is offered.
    pub async fn retire_runtime(&self, name: &str) -> Result<(), JobsError> {
        let runtime = self.offered_runtime(name).await?;
        let fact = Fact::RuntimeRetired { name: runtime.name, version: runtime.version };
        let event = NewEvent::new(format!("runtime-{name}"), fact);
        self.parts.log.append_one(None, event).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        store::runtime::retire(&mut db, name, self.parts.clock.now()).await?;
        Ok(())
    }

    /// The runtime that is offered under this name.
    async fn offered_runtime(&self, name: &str) -> Result<Runtime, JobsError> {
        let offered = self.runtimes().await?;
        let names: Vec<_> = offered.iter().map(|runtime| runtime.name.as_str()).collect();
        let names = names.join(", ");
        let found = offered.into_iter().find(|runtime| runtime.name == name);
        found.ok_or(JobsError::RuntimeUnknown(names))
    }

    /// The module of the runtime that is offered under this name.
    pub(super) async fn runtime_module(&self, name: &str) -> Result<Sha256Hash, JobsError> {
        Ok(self.offered_runtime(name).await?.sha256)
    }

    /// A script as a program: its module is that of the runtime. `is_known` says that it was tried
    /// before, as the house's own are.
    pub(super) async fn script(
        &self,
        program: Program,
        upload: &ProgramUpload,
        runtime: &str,
        is_known: bool,
    ) -> Result<Program, JobsError> {
        let runtime = self.offered_runtime(runtime).await?;
        if program.size > SCRIPT_BYTES_MAX {
            let why = format!(
                "a script has at most {SCRIPT_BYTES_MAX} bytes, and this one has {}: put data into \
                 the job's input",
                program.size
            );
            return Err(JobsError::ScriptRefused(why));
        }
        let text = self.parts.blobs.get(upload.sha256).await?;
        if std::str::from_utf8(&text).is_err() || text.contains(&0) {
            let why =
                format!("a script is text in UTF-8, like a file that ends in {}", runtime.suffix);
            return Err(JobsError::ScriptRefused(why));
        }
        if !is_known {
            let ran = self.check_script(runtime.sha256, &runtime.calling, text).await?;
            if ran.outcome != Outcome::Done {
                return Err(JobsError::ScriptRefused(in_words(&runtime, &ran)));
            }
        }
        let script = Script {
            sha256: upload.sha256,
            size: program.size,
            runtime: runtime.name,
            version: runtime.version,
            calling: runtime.calling,
        };
        Ok(Program { sha256: runtime.sha256, size: runtime.size, script: Some(script), ..program })
    }

    /// Lets a runtime check a script without running it.
    async fn check_script(
        &self,
        module: Sha256Hash,
        calling: &Calling,
        text: Bytes,
    ) -> Result<Ran, JobsError> {
        let run = Run {
            env: calling.env.clone(),
            files: vec![(calling.path.clone(), text)],
            ..trial(module, calling.check.clone())
        };
        try_out(self.parts.runner.as_ref(), run).await
    }

    /// Compiles a module and starts it without input: the dry run. What it does there is its own
    /// affair, unless it cannot be started at all.
    pub(super) async fn try_module(&self, module: Sha256Hash) -> Result<(), JobsError> {
        let fuel = Fuel(50_000_000).0;
        let start = Run { limits: Limits { fuel, ..TRIAL }, ..trial(module, Vec::new()) };
        let ran = try_out(self.parts.runner.as_ref(), start).await?;
        // Nothing was counted: it failed before its first instruction.
        let is_dead =
            ran.fuel == Fuel(0) && matches!(ran.outcome, Outcome::Trap | Outcome::AgentFault);
        if is_dead { Err(JobsError::NotStarted(ran.stderr.trim().to_owned())) } else { Ok(()) }
    }
}

fn trial(program: Sha256Hash, args: Vec<String>) -> Run {
    Run {
        job: None,
        program,
        args,
        env: Vec::new(),
        stdin: Bytes::new(),
        files: Vec::new(),
        seed: 0,
        clock_ms: 0,
        limits: TRIAL,
        strict: false,
    }
}

/// What a runtime says of a script that it does not take.
fn in_words(runtime: &Runtime, ran: &Ran) -> String {
    let said = ran.stderr.trim();
    match ran.outcome {
        Outcome::Exit(_) => format!("{} {} says: {said}", runtime.name, runtime.version),
        outcome => format!("{} could not read it: {}: {said}", runtime.name, outcome.in_words()),
    }
}

fn added(runtime: &Runtime) -> Fact {
    let calling = &runtime.calling;
    Fact::RuntimeAdded {
        name: runtime.name.clone(),
        version: runtime.version.clone(),
        sha256: runtime.sha256,
        size: runtime.size,
        path: calling.path.clone(),
        args: calling.args.clone(),
        env: calling.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        check: calling.check.clone(),
    }
}

/// Whether names and calling of a runtime are sound.
fn check(new: &NewRuntime) -> Result<(), &'static str> {
    let calling = &new.calling;
    let plain = |text: &str, more: &[u8], max: usize| {
        (1..=max).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || more.contains(&b))
    };
    let file = calling.path.strip_prefix("job/").unwrap_or_default();
    let shown = |text: &String| text.len() <= 4096 && !text.contains('\0');
    let own = |name: &str| !name.starts_with("MEDUSA_") && !name.is_empty() && !name.contains('=');
    let checks = [
        (plain(&new.name, b"-", 32), "a name has 1 to 32 lower-case letters, digits and hyphens"),
        (plain(&new.version, b".-+", 32), "a version has 1 to 32 letters, digits, points, hyphens"),
        (
            new.suffix.strip_prefix('.').is_some_and(|rest| plain(rest, b"", 8)),
            "a suffix is a point and 1 to 8 lower-case letters, like .py",
        ),
        ((1..=300).contains(&new.about.chars().count()), "about has 1 to 300 characters"),
        (plain(file, b"._-", 64), "a script stands in job/, like job/main.py"),
        (
            calling.args.len() <= 20 && calling.args.iter().all(shown),
            "at most 20 arguments, without NUL",
        ),
        (
            (1..=20).contains(&calling.check.len()) && calling.check.iter().all(shown),
            "1 to 20 arguments check a script, without NUL",
        ),
        (
            calling.env.len() <= 20
                && calling.env.iter().all(|(n, v)| own(n) && shown(n) && shown(v)),
            "at most 20 variables, which do not begin with MEDUSA_",
        ),
    ];
    checks.into_iter().find(|(ok, _)| !ok).map_or(Ok(()), |(_, why)| Err(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> NewRuntime {
        let calling = Calling {
            path: "job/main.py".into(),
            args: vec!["/job/main.py".into()],
            env: vec![("PYTHONHASHSEED".into(), "0".into())],
            check: vec!["-m".into(), "py_compile".into()],
        };
        NewRuntime {
            name: "python".into(),
            version: "3.12.0".into(),
            suffix: ".py".into(),
            about: "Python".into(),
            sha256: Sha256Hash::of(b""),
            calling,
        }
    }

    #[test]
    fn what_is_wrong_with_a_runtime_is_said() {
        assert_eq!(check(&python()), Ok(()));
        type Change = fn(&mut NewRuntime);
        let cases: [(Change, &str); 9] = [
            (|new| new.name = "Python 3".into(), "a name"),
            (|new| new.version = String::new(), "a version"),
            (|new| new.suffix = "py".into(), "a suffix"),
            (|new| new.about = String::new(), "about"),
            (|new| new.calling.path = "main.py".into(), "in job/"),
            (|new| new.calling.path = "job/../main.py/".into(), "in job/"),
            (|new| new.calling.args.push("a\0".into()), "20 arguments"),
            (|new| new.calling.check.clear(), "check a script"),
            (|new| new.calling.env.push(("MEDUSA_SEED".into(), "1".into())), "MEDUSA_"),
        ];
        for (change, part) in cases {
            let mut new = python();
            change(&mut new);
            let why = check(&new).expect_err(part);
            assert!(why.contains(part), "{why}");
        }
    }
}
