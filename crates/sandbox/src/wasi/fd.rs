//! Open files: what a descriptor is, and the calls on one.
//!
//! A read gives what was asked for or all that is left, never less; a write takes everything or
//! ends the run. So the number of calls, and with it the fuel, is the same everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guest::len32;
use super::process::put_at;
use super::{Call, Host, len64, stream};
use crate::files::{NodeId, Stat, View};
use crate::meter;
use crate::stop::{Errno, Sys};

/// The most open files.
const DESCRIPTORS_MAX: usize = 512;

const TYPE_UNKNOWN: u8 = 0;
const TYPE_DIRECTORY: u8 = 3;
const TYPE_FILE: u8 = 4;

const FLAG_APPEND: u16 = 1;
pub(super) const RIGHT_READ: u64 = 1 << 1;
pub(super) const RIGHT_WRITE: u64 = 1 << 6;
const RIGHTS_SEEK: u64 = 1 << 2 | 1 << 5;
/// Every right that preview 1 knows. Directories pass all of them on, and opening decides.
const RIGHTS_ALL: u64 = (1 << 30) - 1;

/// A directory as a descriptor shows it while it is read, so that changes in between cannot make
/// a reader skip a name.
type Listing = Vec<(Arc<str>, Stat)>;

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Standard input of a live guest.
    Live,
    Stdout,
    Stderr,
    File {
        position: u64,
        read: bool,
        write: bool,
        append: bool,
    },
    Directory {
        preopened: bool,
        listing: Listing,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Descriptor {
    pub(super) what: What,
    pub(super) view: View,
    pub(super) node: NodeId,
}

#[derive(Debug)]
pub(super) struct Descriptors(BTreeMap<u32, Descriptor>);

impl Descriptors {
    /// Standard streams as 0 to 2, and the four directories after them.
    pub(super) fn new(stdin: NodeId) -> Self {
        let input = What::File { position: 0, read: true, write: false, append: false };
        let no_node = View::In.root();
        let mut open = vec![
            Descriptor { what: input, view: View::In, node: stdin },
            Descriptor { what: What::Stdout, view: View::In, node: no_node },
            Descriptor { what: What::Stderr, view: View::In, node: no_node },
        ];
        open.extend(View::ALL.map(|view| Descriptor {
            what: What::Directory { preopened: true, listing: Listing::new() },
            view,
            node: view.root(),
        }));
        Self((0..).zip(open).collect())
    }

    /// Standard input is a stream from now on.
    pub(super) fn listen(&mut self) {
        if let Some(stdin) = self.0.get_mut(&0) {
            stdin.what = What::Live;
        }
    }

    pub(super) fn get(&self, fd: u32) -> Sys<&Descriptor> {
        self.0.get(&fd).ok_or(Errno::BadFd.into())
    }

    fn get_mut(&mut self, fd: u32) -> Sys<&mut Descriptor> {
        self.0.get_mut(&fd).ok_or(Errno::BadFd.into())
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= DESCRIPTORS_MAX
    }

    /// Opens at the lowest free number, as programs expect.
    pub(super) fn add(&mut self, descriptor: Descriptor) -> Sys<u32> {
        let fd = (0..).find(|fd| !self.0.contains_key(fd)).ok_or(Errno::TooManyFds)?;
        self.0.insert(fd, descriptor);
        Ok(fd)
    }
}

impl Host {
    fn close(&mut self, fd: u32) -> Sys<()> {
        let descriptor = self.descriptors.0.remove(&fd).ok_or(Errno::BadFd)?;
        match descriptor.what {
            What::File { .. } | What::Directory { preopened: false, .. } => {
                self.files.close(descriptor.node);
            }
            What::Directory { preopened: true, .. } | What::Live | What::Stdout | What::Stderr => {}
        }
        Ok(())
    }

    /// How many bytes a waiting program could read; a write never waits.
    pub(super) fn readiness(&self, fd: u32, write: bool) -> Result<u64, Errno> {
        let descriptor = self.descriptors.0.get(&fd).ok_or(Errno::BadFd)?;
        match &descriptor.what {
            What::File { position, .. } if !write => {
                Ok(self.files.read(descriptor.node, *position).map_or(0, len64))
            }
            // When a frame comes must not show.
            What::File { .. } | What::Live | What::Stdout | What::Stderr => Ok(0),
            What::Directory { .. } => Err(Errno::BadFd),
        }
    }
}

pub(super) fn fd_close(call: &mut Call<'_>, fd: u32) -> Sys<()> {
    call.host.close(fd)
}

pub(super) fn fd_renumber(call: &mut Call<'_>, from: u32, to: u32) -> Sys<()> {
    let moved = call.host.descriptors.get(from)?.clone();
    if from == to {
        return Ok(());
    }
    call.host.close(to)?;
    call.host.descriptors.0.remove(&from);
    call.host.descriptors.0.insert(to, moved);
    Ok(())
}

/// An answer about nothing but whether the descriptor is open.
pub(super) fn check(call: &mut Call<'_>, fd: u32) -> Sys<()> {
    call.host.descriptors.get(fd).map(|_| ())
}

pub(super) fn fd_read(call: &mut Call<'_>, fd: u32, list: u32, n: u32, count: u32) -> Sys<()> {
    let position = match call.host.descriptors.get(fd)?.what {
        What::File { position, .. } => position,
        What::Live => return stream::read(call, list, n, count),
        _ => return Err(not_a_file(call, fd)),
    };
    let read = read_at(call, fd, position, list, n, count)?;
    if let What::File { position, .. } = &mut call.host.descriptors.get_mut(fd)?.what {
        *position = position.saturating_add(read);
    }
    Ok(())
}

pub(super) fn fd_pread(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    n: u32,
    at: u64,
    count: u32,
) -> Sys<()> {
    read_at(call, fd, at, list, n, count).map(|_| ())
}

fn read_at(call: &mut Call<'_>, fd: u32, at: u64, list: u32, n: u32, count: u32) -> Sys<u64> {
    let descriptor = call.host.descriptors.get(fd)?;
    match descriptor.what {
        What::File { read: true, .. } => {}
        What::Live => return Err(Errno::NotSeekable.into()),
        What::File { .. } | What::Stdout | What::Stderr => return Err(Errno::BadFd.into()),
        What::Directory { .. } => return Err(Errno::IsDirectory.into()),
    }
    call.guest.bytes(count, 4)?;
    let pieces = call.guest.pieces(list, n)?;
    let mut rest = call.host.files.read(descriptor.node, at)?;
    let all = rest.len();
    for piece in pieces {
        let target = call.guest.bytes_mut(piece.at, piece.len)?;
        let len = target.len().min(rest.len());
        let (now, later) = rest.split_at(len);
        if let Some(target) = target.get_mut(..len) {
            target.copy_from_slice(now);
        }
        rest = later;
    }
    let read = all.saturating_sub(rest.len());
    call.guest.put_u32(count, len32(read)?)?;
    let read = u64::try_from(read).unwrap_or(u64::MAX);
    call.moves(read);
    Ok(read)
}

pub(super) fn fd_write(call: &mut Call<'_>, fd: u32, list: u32, n: u32, count: u32) -> Sys<()> {
    let descriptor = call.host.descriptors.get(fd)?;
    let at = match descriptor.what {
        What::File { append: true, .. } => call.host.files.stat(descriptor.node)?.bytes,
        What::File { position, .. } => position,
        What::Stdout | What::Stderr => 0,
        What::Live | What::Directory { .. } => return Err(Errno::BadFd.into()),
    };
    let written = write_at(call, fd, at, list, n, count)?;
    if let What::File { position, .. } = &mut call.host.descriptors.get_mut(fd)?.what {
        *position = at.saturating_add(written);
    }
    Ok(())
}

pub(super) fn fd_pwrite(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    n: u32,
    at: u64,
    count: u32,
) -> Sys<()> {
    match call.host.descriptors.get(fd)?.what {
        What::File { .. } => write_at(call, fd, at, list, n, count).map(|_| ()),
        What::Live | What::Stdout | What::Stderr => Err(Errno::NotSeekable.into()),
        What::Directory { .. } => Err(Errno::BadFd.into()),
    }
}

fn write_at(call: &mut Call<'_>, fd: u32, at: u64, list: u32, n: u32, count: u32) -> Sys<u64> {
    let Descriptor { node, what, .. } = call.host.descriptors.get(fd)?;
    let (node, is_stdout) = (*node, matches!(what, What::Stdout));
    let is_file = match what {
        What::File { write, .. } if !*write => return Err(Errno::BadFd.into()),
        What::File { .. } => true,
        What::Stdout | What::Stderr => false,
        What::Live | What::Directory { .. } => return Err(Errno::BadFd.into()),
    };
    call.guest.bytes(count, 4)?;
    let pieces = call.guest.pieces(list, n)?;
    let mut total: u64 = 0;
    for piece in pieces {
        let bytes = call.guest.bytes(piece.at, piece.len)?;
        let mut grown = 0;
        if is_file {
            grown = call.host.files.write(node, at.saturating_add(total), bytes)?;
        } else if let (true, Some(live)) = (is_stdout, &mut call.host.stream) {
            stream::write(live, bytes)?;
        } else if is_stdout {
            call.host.files.take(len64(bytes))?;
            call.host.stdout.extend_from_slice(bytes);
        } else {
            call.host.stderr.write(bytes);
        }
        total = total.saturating_add(len64(bytes));
        // A gap that was filled with zeros costs as if the guest had written it.
        call.moves(grown.max(u64::from(piece.len)));
    }
    call.guest.put_u32(count, len32(total)?)?;
    Ok(total)
}

pub(super) fn fd_seek(
    call: &mut Call<'_>,
    fd: u32,
    offset: u64,
    whence: u32,
    target: u32,
) -> Sys<()> {
    let Descriptor { node, what, .. } = call.host.descriptors.get(fd)?;
    let What::File { position, .. } = what else { return Err(not_a_file(call, fd)) };
    let base = match whence {
        0 => 0,
        1 => *position,
        2 => call.host.files.stat(*node)?.bytes,
        _ => return Err(Errno::Invalid.into()),
    };
    let to = base.checked_add_signed(offset.cast_signed()).ok_or(Errno::Invalid)?;
    call.guest.put_u64(target, to)?;
    if let What::File { position, .. } = &mut call.host.descriptors.get_mut(fd)?.what {
        *position = to;
    }
    Ok(())
}

pub(super) fn fd_tell(call: &mut Call<'_>, fd: u32, target: u32) -> Sys<()> {
    let What::File { position, .. } = call.host.descriptors.get(fd)?.what else {
        return Err(not_a_file(call, fd));
    };
    call.guest.put_u64(target, position)
}

fn not_a_file(call: &Call<'_>, fd: u32) -> crate::stop::Stop {
    match call.host.descriptors.get(fd).map(|descriptor| &descriptor.what) {
        Ok(What::Directory { .. }) => Errno::IsDirectory.into(),
        Ok(What::Live | What::Stdout | What::Stderr) => Errno::NotSeekable.into(),
        Ok(What::File { .. }) | Err(_) => Errno::BadFd.into(),
    }
}

pub(super) fn fd_fdstat_get(call: &mut Call<'_>, fd: u32, target: u32) -> Sys<()> {
    let (kind, flags, rights) = match &call.host.descriptors.get(fd)?.what {
        What::Live => (TYPE_UNKNOWN, 0, RIGHT_READ),
        What::Stdout | What::Stderr => (TYPE_UNKNOWN, 0, RIGHT_WRITE),
        What::Directory { .. } => (TYPE_DIRECTORY, 0, RIGHTS_ALL),
        What::File { read, write, append, .. } => {
            let mut rights = RIGHTS_ALL;
            if !read {
                rights &= !RIGHT_READ;
            }
            if !write {
                rights &= !RIGHT_WRITE;
            }
            (TYPE_FILE, if *append { FLAG_APPEND } else { 0 }, rights | RIGHTS_SEEK)
        }
    };
    let mut record = [0; 24];
    put_at(&mut record, 0, &[kind]);
    put_at(&mut record, 2, &flags.to_le_bytes());
    put_at(&mut record, 8, &rights.to_le_bytes());
    put_at(&mut record, 16, &rights.to_le_bytes());
    call.guest.put(target, &record)
}

pub(super) fn fd_fdstat_set_flags(call: &mut Call<'_>, fd: u32, flags: u32) -> Sys<()> {
    if let What::File { append, .. } = &mut call.host.descriptors.get_mut(fd)?.what {
        *append = flags & u32::from(FLAG_APPEND) != 0;
    }
    Ok(())
}

pub(super) fn fd_filestat_get(call: &mut Call<'_>, fd: u32, target: u32) -> Sys<()> {
    let Descriptor { what, node, .. } = call.host.descriptors.get(fd)?;
    let stat = match what {
        What::File { .. } | What::Directory { .. } => Some(call.host.files.stat(*node)?),
        What::Live | What::Stdout | What::Stderr => None,
    };
    put_filestat(call, stat, target)
}

/// Writes what a guest may know about a file; a stream (`None`) has neither size nor number.
pub(super) fn put_filestat(call: &mut Call<'_>, stat: Option<Stat>, target: u32) -> Sys<()> {
    let (inode, kind, bytes) = match stat {
        Some(stat) if stat.is_directory => (stat.inode, TYPE_DIRECTORY, stat.bytes),
        Some(stat) => (stat.inode, TYPE_FILE, stat.bytes),
        None => (0, TYPE_UNKNOWN, 0),
    };
    let time = call.host.clock.start_ns().to_le_bytes();
    let mut record = [0; 64];
    put_at(&mut record, 0, &1_u64.to_le_bytes());
    put_at(&mut record, 8, &inode.to_le_bytes());
    put_at(&mut record, 16, &[kind]);
    put_at(&mut record, 24, &1_u64.to_le_bytes());
    put_at(&mut record, 32, &bytes.to_le_bytes());
    for at in [40, 48, 56] {
        put_at(&mut record, at, &time);
    }
    call.guest.put(target, &record)
}

pub(super) fn fd_filestat_set_size(call: &mut Call<'_>, fd: u32, bytes: u64) -> Sys<()> {
    let node = writable(call, fd)?;
    let grown = call.host.files.resize(node, bytes)?;
    call.moves(grown);
    Ok(())
}

pub(super) fn fd_allocate(call: &mut Call<'_>, fd: u32, from: u64, bytes: u64) -> Sys<()> {
    let node = writable(call, fd)?;
    let end = from.checked_add(bytes).ok_or(Errno::Invalid)?;
    if end > call.host.files.stat(node)?.bytes {
        let grown = call.host.files.resize(node, end)?;
        call.moves(grown);
    }
    Ok(())
}

fn writable(call: &Call<'_>, fd: u32) -> Sys<NodeId> {
    let descriptor = call.host.descriptors.get(fd)?;
    match descriptor.what {
        What::File { write: true, .. } => Ok(descriptor.node),
        What::File { .. } | What::Live | What::Stdout | What::Stderr => Err(Errno::Invalid.into()),
        What::Directory { .. } => Err(Errno::IsDirectory.into()),
    }
}

pub(super) fn fd_prestat_get(call: &mut Call<'_>, fd: u32, target: u32) -> Sys<()> {
    let path = preopened(call, fd)?;
    call.guest.put_u32(target, 0)?;
    let length_at = target.checked_add(4).ok_or(Errno::Fault)?;
    call.guest.put_u32(length_at, len32(path.len())?)
}

pub(super) fn fd_prestat_dir_name(call: &mut Call<'_>, fd: u32, at: u32, len: u32) -> Sys<()> {
    let path = preopened(call, fd)?;
    if usize::try_from(len).is_ok_and(|len| len < path.len()) {
        return Err(Errno::NameTooLong.into());
    }
    call.guest.put(at, path.as_bytes())
}

fn preopened(call: &Call<'_>, fd: u32) -> Sys<&'static str> {
    let descriptor = call.host.descriptors.get(fd)?;
    match descriptor.what {
        What::Directory { preopened: true, .. } => Ok(descriptor.view.path()),
        _ => Err(Errno::BadFd.into()),
    }
}

/// Lists `.`, `..` and the names in order. The cookie of an entry is its place in the listing,
/// which is taken when it is read from the start.
pub(super) fn fd_readdir(
    call: &mut Call<'_>,
    fd: u32,
    target: u32,
    len: u32,
    cookie: u64,
    count: u32,
) -> Sys<()> {
    let (node, view) = {
        let Descriptor { what, node, view } = call.host.descriptors.get(fd)?;
        if !matches!(what, What::Directory { .. }) {
            return Err(Errno::NotDirectory.into());
        }
        (*node, *view)
    };
    call.guest.bytes(target, len)?;
    call.guest.bytes(count, 4)?;
    if cookie == 0 {
        let mut fresh = call.host.files.list(view, node)?;
        fresh.insert(0, (".".into(), call.host.files.stat(node)?));
        fresh.insert(1, ("..".into(), call.host.files.stat(call.host.files.parent(node))?));
        let entries = u64::try_from(fresh.len()).unwrap_or(u64::MAX);
        call.charge(entries.saturating_mul(meter::LISTED_ENTRY));
        if let What::Directory { listing, .. } = &mut call.host.descriptors.get_mut(fd)?.what {
            *listing = fresh;
        }
    }
    let What::Directory { listing, .. } = &call.host.descriptors.get(fd)?.what else {
        return Err(Errno::NotDirectory.into());
    };
    let skip = usize::try_from(cookie).unwrap_or(usize::MAX);
    let room = usize::try_from(len).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    for ((name, stat), next) in listing.iter().skip(skip).zip(cookie.saturating_add(1)..) {
        if out.len() >= room {
            break;
        }
        let mut head = [0; 24];
        put_at(&mut head, 0, &next.to_le_bytes());
        put_at(&mut head, 8, &stat.inode.to_le_bytes());
        let name_len = len32(name.len())?;
        put_at(&mut head, 16, &name_len.to_le_bytes());
        put_at(&mut head, 20, &[if stat.is_directory { TYPE_DIRECTORY } else { TYPE_FILE }]);
        out.extend_from_slice(&head);
        out.extend_from_slice(name.as_bytes());
    }
    // The last entry may be cut, which tells the guest that the listing goes on.
    out.truncate(room);
    call.guest.put(target, &out)?;
    call.guest.put_u32(count, len32(out.len())?)?;
    call.moves(len64(&out));
    Ok(())
}
