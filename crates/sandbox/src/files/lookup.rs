//! Finding files: paths, open, stat, read and list. Nothing here changes a content.

use std::sync::Arc;

use super::{Body, Files, NAME_BYTES_MAX, NodeId, Stat, View};
use crate::stop::{Errno, Sys};

/// The longest path in one call, in bytes.
const PATH_BYTES_MAX: usize = 4_096;

/// A path, and where it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) view: View,
    pub(crate) start: NodeId,
    pub(crate) path: &'a str,
}

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenHow {
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) directory: bool,
    pub(crate) truncate: bool,
    pub(crate) write: bool,
}

/// Where a path leads: a name in a directory, and what is there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: NodeId,
    /// Empty when the path leads to its own start, which has no name to change.
    pub(super) name: String,
    pub(super) node: Option<NodeId>,
    /// The path ended with a slash: only a directory will do.
    pub(super) wants_directory: bool,
}

impl Place {
    pub(super) fn existing(&self) -> Sys<NodeId> {
        self.node.ok_or(Errno::NoEntry.into())
    }

    /// The name, where one may be made or removed.
    pub(super) fn own_name(&self) -> Sys<&str> {
        if self.name.is_empty() { Err(Errno::Invalid.into()) } else { Ok(&self.name) }
    }
}

impl Files {
    /// Follows a path, never above its start.
    pub(super) fn locate(&self, route: Route<'_>) -> Sys<Place> {
        let Route { view, start, path } = route;
        if path.is_empty() {
            return Err(Errno::NoEntry.into());
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(Errno::NameTooLong.into());
        }
        if path.contains('\0') {
            return Err(Errno::Invalid.into());
        }
        if path.starts_with('/') {
            return Err(Errno::NotCapable.into());
        }
        let mut trail = Vec::new();
        let mut node = Some(start);
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            let at = node.ok_or(Errno::NoEntry)?;
            let names = self.names(at)?;
            if name == ".." {
                let (above, _) = trail.pop().ok_or(Errno::NotCapable)?;
                node = Some(above);
                continue;
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(Errno::NameTooLong.into());
            }
            node = names.get(name).copied().filter(|node| self.is_visible(view, *node));
            trail.push((at, name));
        }
        let wants_directory = path.ends_with('/');
        if wants_directory && node.is_some_and(|node| self.names(node).is_err()) {
            return Err(Errno::NotDirectory.into());
        }
        let (directory, name) = trail.last().copied().unwrap_or((start, ""));
        Ok(Place { directory, name: name.to_owned(), node, wants_directory })
    }

    /// `/out` hides what was only given.
    pub(super) fn is_visible(&self, view: View, node: NodeId) -> bool {
        view != View::Out || self.node(node).is_some_and(|node| !node.given)
    }

    /// Opens a file or directory, and holds it until [`Files::close`].
    pub(crate) fn open(&mut self, route: Route<'_>, how: OpenHow) -> Sys<NodeId> {
        let place = self.locate(route)?;
        let changes = how.write || how.truncate || (how.create && place.node.is_none());
        if changes && !route.view.is_writable() {
            return Err(Errno::ReadOnly.into());
        }
        let node = match place.node {
            Some(_) if how.create && how.exclusive => return Err(Errno::Exists.into()),
            Some(node) => node,
            None if how.create && how.directory => return Err(Errno::Invalid.into()),
            None if how.create && place.wants_directory => return Err(Errno::IsDirectory.into()),
            None if how.create => self.create_file(&place)?,
            None => return Err(Errno::NoEntry.into()),
        };
        match (self.names(node).is_ok(), how.directory) {
            (false, true) => return Err(Errno::NotDirectory.into()),
            (true, _) if how.write || how.truncate => return Err(Errno::IsDirectory.into()),
            _ => {}
        }
        if how.truncate {
            self.resize(node, 0)?;
        }
        self.hold(node);
        Ok(node)
    }

    pub(crate) fn stat(&self, id: NodeId) -> Sys<Stat> {
        let node = self.node(id).ok_or(Errno::BadFd)?;
        let bytes = match &node.body {
            Body::Directory(_) => 0,
            Body::File(content) => length(content),
        };
        let inode = u64::try_from(id.0).unwrap_or(u64::MAX).saturating_add(1);
        Ok(Stat { inode, is_directory: matches!(node.body, Body::Directory(_)), bytes })
    }

    pub(crate) fn stat_path(&self, route: Route<'_>) -> Sys<Stat> {
        self.stat(self.locate(route)?.existing()?)
    }

    /// The content of a file from this place on.
    pub(crate) fn read(&self, id: NodeId, from: u64) -> Sys<&[u8]> {
        match self.node(id).map(|node| &node.body) {
            Some(Body::File(content)) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                Ok(content.get(from..).unwrap_or_default())
            }
            _ => Err(Errno::IsDirectory.into()),
        }
    }

    /// What is in a directory now, in name order.
    pub(crate) fn list(&self, view: View, id: NodeId) -> Sys<Vec<(Arc<str>, Stat)>> {
        let names = self.names(id)?;
        let visible = names.iter().filter(|(_, node)| self.is_visible(view, **node));
        visible.map(|(name, node)| Ok((Arc::clone(name), self.stat(*node)?))).collect()
    }

    /// The directory above, within its tree.
    pub(crate) fn parent(&self, id: NodeId) -> NodeId {
        self.node(id).map_or(id, |node| node.parent)
    }
}

pub(super) fn length(content: &[u8]) -> u64 {
    u64::try_from(content.len()).unwrap_or(u64::MAX)
}
