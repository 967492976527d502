//! The switch whether the agent starts with its user.

use std::io;

use super::command;
use super::plan::{Places, System};
use super::record::{Record, remove};
use crate::identity::Identity;

/// Whether it starts with its user.
#[must_use]
pub(crate) fn is_on(places: &Places) -> bool {
    let service = System::here().service(places);
    let switch = service.link.unwrap_or(service.file);
    switch.symlink_metadata().is_ok()
}

/// Whether what is started knows a server.
fn knows_server(places: &Places) -> bool {
    places.server.is_some() || Identity::load(&places.data).is_ok_and(|found| found.is_some())
}

/// Whether turning it on starts something that works: an older definition may name a server that
/// nothing else does.
#[must_use]
pub(crate) fn would_work(places: &Places) -> bool {
    knows_server(places) || System::here().service(places).file.exists()
}

/// Turns it on or off. A program that runs goes on either way. A definition is not replaced by one
/// that knows no server.
///
/// # Errors
/// When a file cannot be written or removed.
pub(crate) fn set(places: &Places, on: bool) -> io::Result<()> {
    let service = System::here().service(places);
    if on {
        let mut record = Record::load(&places.data);
        if knows_server(places) || !service.file.exists() {
            record.write(&service.file, service.content.as_bytes())?;
        }
        if let Some(link) = &service.link {
            record.link(&service.file, link)?;
        }
        record.save(&places.data)?;
        command::all(&service.on);
    } else if is_on(places) {
        remove(service.link.as_ref().unwrap_or(&service.file))?;
        command::all(&service.off);
    }
    Ok(())
}
