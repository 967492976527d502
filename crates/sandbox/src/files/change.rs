//! Changing files: create, write, resize, rename and remove, with the quota kept exact.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lookup::{Place, Route, length};
use super::{Body, DEPTH_MAX, Files, MADE_MAX, Names, Node, NodeId, WRITTEN};
use crate::stop::{Ending, Errno, Sys};

impl Files {
    /// Gives a name to a new node.
    pub(super) fn attach(
        &mut self,
        directory: NodeId,
        name: &str,
        body: Body,
        given: bool,
    ) -> NodeId {
        let id = self.insert(Node { parent: directory, given, linked: true, opens: 0, body });
        self.link(directory, name, id);
        id
    }

    fn insert(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.vacant.pop()
            && let Some(slot) = self.nodes.get_mut(id.0)
        {
            *slot = node;
            return id;
        }
        self.nodes.push(node);
        NodeId(self.nodes.len().saturating_sub(1))
    }

    fn link(&mut self, directory: NodeId, name: &str, id: NodeId) {
        if let Some(Node { body: Body::Directory(names), .. }) = self.nodes.get_mut(directory.0) {
            names.insert(name.into(), id);
        }
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.parent = directory;
            node.linked = true;
        }
    }

    /// Takes a name away; the node stays while it is open.
    fn unlink(&mut self, directory: NodeId, name: &str) {
        let Some(id) = self.child(directory, name) else { return };
        if let Some(Node { body: Body::Directory(names), .. }) = self.nodes.get_mut(directory.0) {
            names.remove(name);
        }
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.linked = false;
        }
        self.release(id);
    }

    /// Standard input: a file without a name.
    pub(crate) fn add_nameless(&mut self, content: Vec<u8>) -> NodeId {
        let body = Body::File(Arc::new(content));
        self.insert(Node { parent: WRITTEN, given: true, linked: false, opens: 1, body })
    }

    pub(super) fn hold(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.opens = node.opens.saturating_add(1);
        }
    }

    /// Undoes one [`Files::open`].
    pub(crate) fn close(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.release(id);
    }

    /// Forgets a node that nobody can reach any more, and returns what it held of the quota.
    fn release(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(id.0) else { return };
        if node.linked || node.opens > 0 {
            return;
        }
        if !node.given {
            self.made = self.made.saturating_sub(1);
            if let Body::File(content) = &node.body {
                self.stored = self.stored.saturating_sub(length(content));
            }
        }
        node.given = true;
        node.body = Body::Directory(Names::new());
        self.vacant.push(id);
    }

    /// Takes a given node, and the directories that lead to it, into the results.
    fn change(&mut self, id: NodeId) -> Sys<()> {
        let mut at = id;
        while let Some(node) = self.nodes.get_mut(at.0)
            && node.given
        {
            if self.made >= MADE_MAX {
                return Err(Ending::FilesOut.into());
            }
            self.made = self.made.saturating_add(1);
            node.given = false;
            at = node.parent;
        }
        Ok(())
    }

    /// Whether the guest may put something of this height here.
    fn check_place(&self, place: &Place, height: usize) -> Sys<()> {
        let name = place.own_name()?;
        if name.contains('\\') || name.chars().any(char::is_control) {
            // Results are written to disks of other systems, where these mean something.
            return Err(Errno::Invalid.into());
        }
        if self.depth(place.directory).saturating_add(height) > DEPTH_MAX {
            return Err(Errno::NameTooLong.into());
        }
        if !self.node(place.directory).is_some_and(|node| node.linked) {
            return Err(Errno::NoEntry.into());
        }
        Ok(())
    }

    /// Makes a node of the guest's own. It replaces a given file that `/out` hides.
    fn make(&mut self, place: &Place, body: Body) -> Sys<NodeId> {
        self.check_place(place, 1)?;
        self.unlink(place.directory, &place.name);
        let id = self.attach(place.directory, &place.name, body, true);
        self.change(id)?;
        Ok(id)
    }

    pub(super) fn create_file(&mut self, place: &Place) -> Sys<NodeId> {
        let hidden = self.child(place.directory, &place.name);
        if hidden.is_some_and(|node| self.names(node).is_ok()) {
            return Err(Errno::IsDirectory.into());
        }
        self.make(place, Body::File(Arc::default()))
    }

    pub(crate) fn create_directory(&mut self, route: Route<'_>) -> Sys<()> {
        let place = self.locate_writable(route)?;
        if place.node.is_some() {
            return Err(Errno::Exists.into());
        }
        match self.child(place.directory, &place.name) {
            // `/out` hides a given directory of this name, and shows it from now on.
            Some(hidden) if self.names(hidden).is_ok() => self.change(hidden),
            _ => self.make(&place, Body::Directory(Names::new())).map(|_| ()),
        }
    }

    /// Writes into a file, filling a gap before with zeros. Returns how many bytes it grew by.
    pub(crate) fn write(&mut self, id: NodeId, at: u64, bytes: &[u8]) -> Sys<u64> {
        let old = self.stat(id)?.bytes;
        let end = at.checked_add(length(bytes)).ok_or(Ending::OutputOut)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let grown = end.saturating_sub(old);
        let content = self.own(id, end.max(old))?;
        let (at, end) = (usize::try_from(at), usize::try_from(end));
        let (Ok(at), Ok(end)) = (at, end) else { return Err(Ending::OutputOut.into()) };
        if at == content.len() {
            content.extend_from_slice(bytes);
        } else {
            content.resize(content.len().max(end), 0);
            let target = content.get_mut(at..end).ok_or(Errno::Invalid)?;
            target.copy_from_slice(bytes);
        }
        Ok(grown)
    }

    /// Cuts a file or fills it up with zeros. Returns how many bytes it grew by.
    pub(crate) fn resize(&mut self, id: NodeId, bytes: u64) -> Sys<u64> {
        let old = self.stat(id)?.bytes;
        let content = self.own(id, bytes)?;
        content.resize(usize::try_from(bytes).or(Err(Ending::OutputOut))?, 0);
        Ok(bytes.saturating_sub(old))
    }

    /// The guest's own copy of a content that will have this length, paid from the quota.
    fn own(&mut self, id: NodeId, bytes: u64) -> Sys<&mut Vec<u8>> {
        let held = match self.node(id) {
            Some(Node { given: false, body: Body::File(content), .. }) => length(content),
            Some(Node { body: Body::File(_), .. }) => 0,
            _ => return Err(Errno::IsDirectory.into()),
        };
        self.take(bytes.saturating_sub(held))?;
        self.stored = self.stored.saturating_sub(held.saturating_sub(bytes));
        self.change(id)?;
        match self.nodes.get_mut(id.0).map(|node| &mut node.body) {
            Some(Body::File(content)) => Ok(Arc::make_mut(content)),
            _ => Err(Errno::IsDirectory.into()),
        }
    }

    pub(crate) fn unlink_file(&mut self, route: Route<'_>) -> Sys<()> {
        let place = self.locate_writable(route)?;
        if self.names(place.existing()?).is_ok() {
            return Err(Errno::IsDirectory.into());
        }
        self.unlink(place.directory, place.own_name()?);
        Ok(())
    }

    pub(crate) fn remove_directory(&mut self, route: Route<'_>) -> Sys<()> {
        let place = self.locate_writable(route)?;
        if !self.names(place.existing()?)?.is_empty() {
            return Err(Errno::NotEmpty.into());
        }
        self.unlink(place.directory, place.own_name()?);
        Ok(())
    }

    /// Moves a file or directory; what was at the target is replaced where that loses no tree.
    pub(crate) fn rename(&mut self, from: Route<'_>, to: Route<'_>) -> Sys<()> {
        let source = self.locate_writable(from)?;
        let target = self.locate_writable(to)?;
        let node = source.existing()?;
        let name = source.own_name()?;
        let is_directory = self.names(node).is_ok();
        if target.wants_directory && !is_directory {
            return Err(Errno::NotDirectory.into());
        }
        let replaced = self.child(target.directory, &target.name);
        if replaced == Some(node) {
            return Ok(());
        }
        match replaced.map(|there| self.names(there).map(BTreeMap::is_empty).ok()) {
            Some(None) if is_directory => return Err(Errno::NotDirectory.into()),
            Some(Some(_)) if !is_directory => return Err(Errno::IsDirectory.into()),
            Some(Some(false)) => return Err(Errno::NotEmpty.into()),
            _ => {}
        }
        if self.is_inside(target.directory, node) {
            return Err(Errno::Invalid.into());
        }
        self.check_place(&target, self.height(node))?;
        self.unlink(target.directory, &target.name);
        if let Some(Node { body: Body::Directory(names), .. }) =
            self.nodes.get_mut(source.directory.0)
        {
            names.remove(name);
        }
        self.link(target.directory, &target.name, node);
        // What was given becomes a result under its new name.
        self.adopt(node)
    }

    /// Makes a whole subtree the guest's own.
    fn adopt(&mut self, top: NodeId) -> Sys<()> {
        let mut todo = vec![top];
        while let Some(id) = todo.pop() {
            match self.node(id).map(|node| &node.body) {
                Some(Body::Directory(names)) => {
                    todo.extend(names.values());
                    self.change(id)?;
                }
                Some(Body::File(content)) => {
                    let bytes = length(content);
                    self.own(id, bytes)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn locate_writable(&self, route: Route<'_>) -> Sys<Place> {
        let place = self.locate(route)?;
        if route.view.is_writable() { Ok(place) } else { Err(Errno::ReadOnly.into()) }
    }

    /// Whether a node is this directory or inside it.
    fn is_inside(&self, mut node: NodeId, directory: NodeId) -> bool {
        loop {
            let parent = self.parent(node);
            if node == directory {
                return true;
            }
            if parent == node {
                return false;
            }
            node = parent;
        }
    }

    fn depth(&self, mut node: NodeId) -> usize {
        let mut depth: usize = 0;
        while self.parent(node) != node {
            node = self.parent(node);
            depth = depth.saturating_add(1);
        }
        depth
    }

    /// How many levels a subtree has.
    fn height(&self, node: NodeId) -> usize {
        let below = match self.names(node) {
            Ok(names) => names.values().map(|child| self.height(*child)).max().unwrap_or(0),
            Err(_) => 0,
        };
        below.saturating_add(1)
    }
}
