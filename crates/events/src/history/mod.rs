//! How events of older shapes are read: their data are lifted, in memory, to the shape of today.
//! The stored bytes stay as they are, and so do their hashes.
//!
//! A type whose fields change gets a file of its own in this folder with one [`Upcaster`] for each
//! shape that it has had, its line in [`HISTORY`], and an old event under `samples/`. No old shape
//! may read as a newer one: what tells them apart is a field that only one of them has. Where the
//! meaning changes, and not only the shape, the fact is another type and needs none of this.

use serde_json::{Map, Value};

/// One step in the history of a type: from one shape of its data to the next.
#[derive(Clone, Copy, Debug)]
pub struct Upcaster {
    /// The type as the old events have it.
    pub from: &'static str,
    /// Its name in the next shape; mostly the same.
    pub to: &'static str,
    /// Whether data have the old shape.
    pub fits: fn(&Map<String, Value>) -> bool,
    /// Changes them to the next shape. Pure; what it cannot lift, the next shape refuses.
    pub lift: fn(&mut Map<String, Value>),
}

/// Every step, oldest first. None yet: every event ever written has the shape of today.
pub const HISTORY: &[Upcaster] = &[];

/// The type and the data that an old fact has today; `None` when no step fits it.
pub(crate) fn lift(steps: &[Upcaster], kind: &str, data: &str) -> Option<(String, String)> {
    if !steps.iter().any(|step| step.from == kind) {
        return None;
    }
    let mut data = serde_json::from_str(data).ok()?;
    let mut reached = None;
    for step in steps {
        if step.from == reached.unwrap_or(kind) && (step.fits)(&data) {
            (step.lift)(&mut data);
            reached = Some(step.to);
        }
    }
    // Text and whole numbers in a map: writing cannot fail.
    reached.map(|kind| (kind.to_owned(), serde_json::to_string(&data).unwrap_or_default()))
}
