//! One bundle of an export: its entries against the tile of leaves beside it.
//!
//! Bundles are read by several threads and come in order. When an entry is not the one that the
//! tile has, what happened to it is found out here: changed, missing, or exchanged.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

use anyhow::anyhow;
use medusa_events::Envelope;
use medusa_tlog::{BundleId, Frontier, Hash, Tile, TileId, TreeHead, bundles_of, leaf_hash};

use super::bad::Bad;
use super::folder::{BUNDLE_BYTES_MAX, Folder, TILE_BYTES_MAX};

/// Bundles that a thread reads ahead.
const AHEAD: usize = 4;
/// More threads than the one that follows the books can feed are of no use.
const THREADS_MAX: usize = 8;
/// Events of a full bundle.
const WIDTH: u64 = 256;

/// The good events of a bundle, with their leaf hashes, and what is wrong after them.
pub(super) struct Piece {
    pub(super) events: Vec<(Envelope, Hash)>,
    pub(super) bad: Option<Bad>,
}

/// Reads all bundles of a log on threads of this scope. Each receiver has every n-th of them: in
/// turn they give all in order.
pub(super) fn read_all<'scope>(
    scope: &'scope Scope<'scope, '_>,
    folder: &'scope Folder,
    head: TreeHead,
) -> Vec<Receiver<Piece>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let start = |n| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for id in bundles_of(head.size).skip(n).step_by(threads) {
                // Whoever found something bad does not listen any more.
                if sender.send(Reader { folder, head }.piece(id)).is_err() {
                    return;
                }
            }
        });
        receiver
    };
    (0..threads).map(start).collect()
}

/// Whether the tiles of leaves are the ones of this head.
pub(super) fn are_signed(folder: &Folder, head: TreeHead) -> bool {
    Reader { folder, head }.is_signed()
}

struct Reader<'a> {
    folder: &'a Folder,
    head: TreeHead,
}

impl Reader<'_> {
    fn piece(&self, id: BundleId) -> Piece {
        let mut events = Vec::with_capacity(id.width().into());
        let bad = self.fill(id, &mut events).err();
        Piece { events, bad }
    }

    fn fill(&self, id: BundleId, events: &mut Vec<(Envelope, Hash)>) -> Result<(), Bad> {
        let first = first_of(id);
        let last = end_of(id).saturating_sub(1);
        // Without bundle and tile nobody can tell whether what is there was written anew.
        let missing = |error: std::io::Error| Bad {
            loose: true,
            ..Bad::among(first, last, format!("{id}: {error}"))
        };
        // Where an event was taken out or put in, the last bundle has another width, and so another
        // name: what it has tells more than that it is not there.
        let found = match self.folder.read(&id.to_string(), BUNDLE_BYTES_MAX) {
            Ok(bundle) => (id, bundle),
            Err(error) => {
                let other = self.folder.in_place_of(id).ok_or_else(|| missing(error))?;
                let bundle = self.folder.read(&other.to_string(), BUNDLE_BYTES_MAX);
                (other, bundle.map_err(missing)?)
            }
        };
        let (other, bundle) = found;
        let tile = self.leaves(other).map_err(|bad| Bad::among(first, last, bad))?;
        let end = end_of(id).min(end_of(other));
        let mut entries = Entries(&bundle);
        for (position, leaf) in (first..end).zip(tile.hashes()) {
            let entry = entries.next().ok_or_else(|| self.ended(position))?;
            events.push((self.event(position, leaf, entry)?, *leaf));
        }
        if end < end_of(id) {
            return Err(self.shortened(end));
        }
        if entries.0.is_empty() {
            return Ok(());
        }
        let what = format!("{other} goes on, but ends with event {last}");
        Err(if other == id { Bad::at(end, what) } else { Bad::by(end, what) })
    }

    /// Bundle and tile agree that there are fewer events than were signed for.
    fn shortened(&self, end: u64) -> Bad {
        let size = self.head.size;
        let what = format!(
            "the log was cut: its files end before event {end}, but {size} events were signed for; \
             or an event was taken out, and those after it were written anew"
        );
        Bad { loose: true, ..Bad::among(end, size, what) }
    }

    fn leaves(&self, id: BundleId) -> Result<Tile, String> {
        let id =
            TileId::new(0, id.index(), id.width()).map_err(|error| format!("{id}: {error}"))?;
        let bytes = self.folder.read(&id.to_string(), TILE_BYTES_MAX);
        let bytes = bytes.map_err(|error| format!("{id}: {error}"))?;
        Tile::decode(id, &bytes).map_err(|error| format!("{id}: {error}"))
    }

    fn event(&self, position: u64, leaf: &Hash, entry: Option<&[u8]>) -> Result<Envelope, Bad> {
        let bytes = entry.ok_or_else(|| self.changed(position))?;
        let event = Envelope::decode(bytes);
        if let Some(found) = event.as_ref().ok().map(|event| event.position)
            && u64::try_from(found) != Ok(position)
        {
            return Err(self.misplaced(position, found));
        }
        if leaf_hash(bytes) != *leaf {
            return Err(self.changed(position));
        }
        event.map_err(|error| Bad::at(position, format!("{:#}", anyhow!(error))))
    }

    fn ended(&self, position: u64) -> Bad {
        let size = self.head.size;
        if position == size || self.position_at(position.saturating_add(1)).is_none() {
            let what = format!("the log was cut: it ends here, but {size} events were signed for");
            return Bad::at(position, what);
        }
        Bad::at(position, "it is missing: its bundle ends before it")
    }

    /// Another event stands where this one should.
    fn misplaced(&self, position: u64, found: i64) -> Bad {
        let found = u64::try_from(found).unwrap_or_default();
        let what = if found < position {
            format!("event {found} stands in its place: it was put in, or stands here once more")
        } else if self.position_at(found) == Some(position) {
            format!("it was exchanged with event {found}")
        } else {
            format!("it is missing: event {found} stands in its place")
        };
        Bad::at(position, what)
    }

    /// The bytes do not have the hash that the tile has: which of the two is as it was signed?
    fn changed(&self, position: u64) -> Bad {
        let signed = self.is_signed();
        Bad::at(
            position,
            if signed {
                "its bytes were changed: they do not have the hash in the tile, which is as it was \
                 signed"
            } else {
                "its bytes do not have the hash in the tile, and the tile is not as it was signed"
            },
        )
    }

    /// Whether the tiles of leaves are the ones that were signed.
    fn is_signed(&self) -> bool {
        let mut frontier = Frontier::default();
        for id in bundles_of(self.head.size) {
            let Ok(leaves) = self.leaves(id) else { return false };
            leaves.hashes().iter().for_each(|leaf| frontier.push(*leaf));
        }
        frontier.root() == self.head.root
    }

    /// Which position the event claims that stands at this one.
    fn position_at(&self, position: u64) -> Option<u64> {
        let index = position.checked_sub(1)?;
        let id = BundleId::in_tree(index >> 8, self.head.size)?;
        let bundle = self.folder.read(&id.to_string(), BUNDLE_BYTES_MAX).ok()?;
        let entry = Entries(&bundle).nth(usize::try_from(index & 255).ok()?)??;
        Envelope::decode(entry).ok()?.position.try_into().ok()
    }
}

/// The first event of a bundle.
fn first_of(id: BundleId) -> u64 {
    id.index().saturating_mul(WIDTH).saturating_add(1)
}

/// The event after its last.
fn end_of(id: BundleId) -> u64 {
    first_of(id).saturating_add(id.width().into())
}

/// The entries of a bundle, as far as their lengths can be followed: the last is none when the
/// bytes end inside it.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let cut = |bytes: &'a [u8]| {
            let (length, rest) = bytes.split_first_chunk::<2>()?;
            rest.split_at_checked(u16::from_be_bytes(*length).into())
        };
        let entry = cut(self.0);
        self.0 = entry.map_or(&[], |(_, rest)| rest);
        Some(entry.map(|(entry, _)| entry))
    }
}
