//! The calls on paths. Each starts at an open directory and stays inside it.

use super::Call;
use super::fd::{Descriptor, RIGHT_READ, RIGHT_WRITE, What, put_filestat};
use crate::files::{NodeId, OpenHow, Route, View};
use crate::gauge::Denied;
use crate::stop::{Errno, Sys};

const CREATE: u32 = 1;
const DIRECTORY: u32 = 1 << 1;
const EXCLUSIVE: u32 = 1 << 2;
const TRUNCATE: u32 = 1 << 3;
const APPEND: u32 = 1;

fn directory(call: &Call<'_>, fd: u32) -> Sys<(View, NodeId)> {
    let descriptor = call.host.descriptors.get(fd)?;
    match descriptor.what {
        What::Directory { .. } => Ok((descriptor.view, descriptor.node)),
        _ => Err(Errno::NotDirectory.into()),
    }
}

/// The path of a call, and where it starts.
fn route<'a>(call: &'a Call<'_>, fd: u32, at: u32, len: u32) -> Sys<Route<'a>> {
    let (view, start) = directory(call, fd)?;
    Ok(Route { view, start, path: call.guest.text(at, len)? })
}

/// Runs a change on a path, charged for reading the path.
fn change(
    call: &mut Call<'_>,
    fd: u32,
    at: u32,
    len: u32,
    function: impl FnOnce(&mut crate::files::Files, Route<'_>) -> Sys<()>,
) -> Sys<()> {
    call.moves(u64::from(len));
    let (view, start) = directory(call, fd)?;
    let path = call.guest.text(at, len)?;
    function(&mut call.host.files, Route { view, start, path })
}

pub(super) fn path_create_directory(call: &mut Call<'_>, fd: u32, at: u32, len: u32) -> Sys<()> {
    change(call, fd, at, len, crate::files::Files::create_directory)
}

pub(super) fn path_remove_directory(call: &mut Call<'_>, fd: u32, at: u32, len: u32) -> Sys<()> {
    change(call, fd, at, len, crate::files::Files::remove_directory)
}

pub(super) fn path_unlink_file(call: &mut Call<'_>, fd: u32, at: u32, len: u32) -> Sys<()> {
    change(call, fd, at, len, crate::files::Files::unlink_file)
}

pub(super) fn path_rename(
    call: &mut Call<'_>,
    from_fd: u32,
    from_at: u32,
    from_len: u32,
    to_fd: u32,
    to_at: u32,
    to_len: u32,
) -> Sys<()> {
    call.moves(u64::from(from_len).saturating_add(u64::from(to_len)));
    let (from_view, from_start) = directory(call, from_fd)?;
    let (to_view, to_start) = directory(call, to_fd)?;
    let from = call.guest.text(from_at, from_len)?;
    let to = call.guest.text(to_at, to_len)?;
    call.host.files.rename(
        Route { view: from_view, start: from_start, path: from },
        Route { view: to_view, start: to_start, path: to },
    )
}

pub(super) fn path_filestat_get(
    call: &mut Call<'_>,
    fd: u32,
    _follow: u32,
    at: u32,
    len: u32,
    target: u32,
) -> Sys<()> {
    call.moves(u64::from(len));
    let stat = call.host.files.stat_path(route(call, fd, at, len)?)?;
    put_filestat(call, Some(stat), target)
}

/// Times are fixed; setting them succeeds where the file exists, because programs insist on it.
#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
pub(super) fn path_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    _follow: u32,
    at: u32,
    len: u32,
    _access: u64,
    _change: u64,
    _which: u32,
) -> Sys<()> {
    call.moves(u64::from(len));
    call.host.files.stat_path(route(call, fd, at, len)?).map(|_| ())
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
pub(super) fn path_open(
    call: &mut Call<'_>,
    fd: u32,
    _follow: u32,
    at: u32,
    len: u32,
    how: u32,
    rights: u64,
    _inherited: u64,
    flags: u32,
    target: u32,
) -> Sys<()> {
    call.moves(u64::from(len));
    call.guest.bytes(target, 4)?;
    if call.host.descriptors.is_full() {
        call.host.gauge.deny(Denied::OpenFile);
        return Err(Errno::TooManyFds.into());
    }
    let (view, start) = directory(call, fd)?;
    let path = call.guest.text(at, len)?;
    let write = rights & RIGHT_WRITE != 0;
    let how = OpenHow {
        create: how & CREATE != 0,
        exclusive: how & EXCLUSIVE != 0,
        directory: how & DIRECTORY != 0,
        truncate: how & TRUNCATE != 0,
        write: write && how & DIRECTORY == 0,
    };
    let node = call.host.files.open(Route { view, start, path }, how)?;
    let what = if call.host.files.stat(node)?.is_directory {
        What::Directory { preopened: false, listing: Vec::new() }
    } else {
        let read = rights & RIGHT_READ != 0 || !write;
        What::File { position: 0, read, write, append: flags & APPEND != 0 }
    };
    let opened = call.host.descriptors.add(Descriptor { what, view, node })?;
    call.guest.put_u32(target, opened)
}

/// There are no links here: whatever exists is not one.
pub(super) fn path_readlink(
    call: &mut Call<'_>,
    fd: u32,
    at: u32,
    len: u32,
    _target: u32,
    _room: u32,
    _count: u32,
) -> Sys<()> {
    call.moves(u64::from(len));
    call.host.files.stat_path(route(call, fd, at, len)?)?;
    Err(Errno::Invalid.into())
}
