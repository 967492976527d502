//! The file layer: every file that a guest can see, in memory.
//!
//! Two trees hold the given files, `/in` and `/data`, and never change. A third is what the guest
//! writes: `/job` shows all of it, starting with its own given files and those of the other two
//! under their bare names, and `/out` shows only what the guest made or changed. A changed file is
//! a result whichever way it was reached. Paths stay below the directory they start from; no real
//! directory is ever touched.
//!
//! The bytes of all files count against one quota, together with standard output, and files and
//! directories against a number of them. Reaching either ends the run, each with an outcome of its
//! own, so that a full disk looks the same on every machine.

mod change;
mod lookup;

use std::collections::BTreeMap;
use std::sync::Arc;

use medusa_types::Bundle;

use crate::stop::{Ending, Errno, Sys};

pub(crate) use lookup::{OpenHow, Route};

/// The most files and directories that a guest may have made at a time.
const MADE_MAX: u32 = 4_096;
/// How deep directories may be nested.
const DEPTH_MAX: usize = 32;
/// The longest name of one file or directory, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A file or directory, also while it is open and has no name any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

/// Which of the four directories a path was entered through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    In,
    Data,
    Out,
    Job,
}

impl View {
    pub(crate) const ALL: [Self; 4] = [Self::In, Self::Data, Self::Out, Self::Job];

    /// The name under which the guest finds it.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::In => "/in",
            Self::Data => "/data",
            Self::Out => "/out",
            Self::Job => "/job",
        }
    }

    pub(crate) const fn is_writable(self) -> bool {
        matches!(self, Self::Out | Self::Job)
    }

    pub(crate) const fn root(self) -> NodeId {
        match self {
            Self::In => IN,
            Self::Data => DATA,
            Self::Out | Self::Job => WRITTEN,
        }
    }
}

const IN: NodeId = NodeId(0);
const DATA: NodeId = NodeId(1);
const WRITTEN: NodeId = NodeId(2);

/// Names in order, so that listings are the same everywhere.
type Names = BTreeMap<Arc<str>, NodeId>;

#[derive(Debug)]
enum Body {
    Directory(Names),
    /// Given content is shared between the trees until it is changed.
    File(Arc<Vec<u8>>),
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    /// Came with the task and was not changed: no result, and free of charge.
    given: bool,
    /// Has a name in a directory.
    linked: bool,
    opens: u32,
    body: Body,
}

/// What a guest can learn about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) inode: u64,
    pub(crate) is_directory: bool,
    pub(crate) bytes: u64,
}

/// All files, and the quota that they share with standard output.
#[derive(Debug)]
pub(crate) struct Files {
    nodes: Vec<Node>,
    /// Places of nodes that are gone, for the next ones.
    vacant: Vec<NodeId>,
    made: u32,
    stored: u64,
    limit: u64,
}

impl Files {
    /// The trees as the task gives them.
    ///
    /// # Errors
    /// Says which path cannot be given.
    pub(crate) fn new(given: Vec<(String, Vec<u8>)>, limit: u64) -> Result<Self, String> {
        let mut files = Self { nodes: Vec::new(), vacant: Vec::new(), made: 0, stored: 0, limit };
        for root in [IN, DATA, WRITTEN] {
            let body = Body::Directory(Names::new());
            let given = root != WRITTEN;
            files.nodes.push(Node { parent: root, given, linked: true, opens: 1, body });
        }
        for (path, content) in given {
            let (root, rest) = match path.split_once('/') {
                Some(("in", rest)) => (IN, rest),
                Some(("data", rest)) => (DATA, rest),
                Some(("job", rest)) => (WRITTEN, rest),
                _ => return Err(format!("{path:?} is not in \"in/\", \"data/\" or \"job/\"")),
            };
            let names: Vec<&str> = rest.split('/').collect();
            if names.len() > DEPTH_MAX || !names.iter().all(|name| may_be_given(name)) {
                return Err(format!("{path:?} cannot be the path of a file"));
            }
            let content = Arc::new(content);
            if !files.give(root, &names, &content) {
                return Err(format!("{path:?} is given twice, as file or as directory"));
            }
        }
        files.mirror(IN, WRITTEN);
        files.mirror(DATA, WRITTEN);
        Ok(files)
    }

    /// Puts a given file into a tree, unless its place is taken.
    fn give(&mut self, root: NodeId, names: &[&str], content: &Arc<Vec<u8>>) -> bool {
        let Some((last, directories)) = names.split_last() else { return false };
        let mut at = root;
        for name in directories {
            at = match self.child(at, name) {
                Some(found) => found,
                None => self.attach(at, name, Body::Directory(Names::new()), true),
            };
            if self.names(at).is_err() {
                return false;
            }
        }
        if self.child(at, last).is_some() {
            return false;
        }
        self.attach(at, last, Body::File(Arc::clone(content)), true);
        true
    }

    /// Shows the files of one directory in another, where their places are free.
    fn mirror(&mut self, from: NodeId, to: NodeId) {
        let names: Vec<(Arc<str>, NodeId)> = self
            .names(from)
            .map(|n| n.iter().map(|(k, v)| (Arc::clone(k), *v)).collect())
            .unwrap_or_default();
        for (name, node) in names {
            let there = self.child(to, &name);
            match self.node(node).map(|n| &n.body) {
                Some(Body::File(content)) if there.is_none() => {
                    let body = Body::File(Arc::clone(content));
                    self.attach(to, &name, body, true);
                }
                Some(Body::Directory(_)) => {
                    let target = there.unwrap_or_else(|| {
                        self.attach(to, &name, Body::Directory(Names::new()), true)
                    });
                    self.mirror(node, target);
                }
                _ => {}
            }
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// The names in a directory.
    fn names(&self, id: NodeId) -> Sys<&Names> {
        match self.node(id).map(|node| &node.body) {
            Some(Body::Directory(names)) => Ok(names),
            _ => Err(Errno::NotDirectory.into()),
        }
    }

    fn child(&self, directory: NodeId, name: &str) -> Option<NodeId> {
        self.names(directory).ok()?.get(name).copied()
    }

    /// Takes bytes from the quota.
    ///
    /// # Errors
    /// Ends the run when it is used up.
    pub(crate) fn take(&mut self, bytes: u64) -> Sys<()> {
        let stored = self.stored.saturating_add(bytes);
        if stored > self.limit {
            return Err(Ending::OutputOut.into());
        }
        self.stored = stored;
        Ok(())
    }

    /// Everything that the guest made or changed, with standard output.
    pub(crate) fn into_bundle(self, stdout: Vec<u8>) -> Bundle {
        let mut bundle = Bundle::of_stdout(stdout);
        let mut todo = vec![(String::new(), WRITTEN)];
        while let Some((path, id)) = todo.pop() {
            let Some(node) = self.node(id) else { continue };
            match &node.body {
                Body::Directory(names) => todo.extend(names.iter().map(|(name, child)| {
                    let separator = if path.is_empty() { "" } else { "/" };
                    (format!("{path}{separator}{name}"), *child)
                })),
                Body::File(content) if !node.given => {
                    bundle.insert(path, content.as_ref().clone());
                }
                Body::File(_) => {}
            }
        }
        bundle
    }
}

/// Whether a name may come with a task. More is allowed than a guest may make.
fn may_be_given(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains('\0')
}

#[cfg(test)]
mod tests;
