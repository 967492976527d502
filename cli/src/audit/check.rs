//! What makes a log right, event by event:
//!
//! - versions of each stream are dense from 1, time never goes back;
//! - the postings of each event sum to nothing in each currency, and no account is beyond its limit
//!   after any event, reservations counted;
//! - the tiles above the leaves are the ones that the leaves give, and so are the roots that were
//!   signed on the way;
//! - each balance that the server claims is the one that the events give at its position.
//!
//! That the events are the leaves' and stand at their positions was checked in `piece`.

use std::collections::{HashMap, HashSet};
use std::iter::Peekable;
use std::vec::IntoIter;

use medusa_events::Envelope;
use medusa_ledger::{Account, Book, Change, Currency};
use medusa_tlog::{Frontier, Hash, Tile, TileEdge, TreeHead};
use medusa_types::{Sha256Hash, Timestamp};

use super::bad::Bad;
use super::claims::Claims;
use super::folder::{Folder, TILE_BYTES_MAX};

/// A head that was signed before, and where that is written.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    pub(super) head: TreeHead,
    pub(super) from: String,
}

/// The state of a log after the events so far.
pub(super) struct Checker<'a> {
    folder: &'a Folder,
    at: Timestamp,
    versions: HashMap<String, i64>,
    book: Book,
    /// Accounts that events touched.
    used: HashSet<Account>,
    frontier: Frontier,
    edge: TileEdge,
    /// Heads that are still to come, smallest first.
    earlier: Peekable<IntoIter<Earlier>>,
    /// Up to here the events are those that were signed for.
    good: u64,
    claims: Claims,
}

impl<'a> Checker<'a> {
    /// Before the first event.
    pub(super) fn new(
        folder: &'a Folder,
        mut earlier: Vec<Earlier>,
        claims: Claims,
    ) -> Result<Self, Bad> {
        earlier.sort_by_key(|earlier| earlier.head.size);
        let mut checker = Self {
            folder,
            at: Timestamp::from_micros(0),
            versions: HashMap::new(),
            book: Book::default(),
            used: HashSet::new(),
            frontier: Frontier::default(),
            edge: TileEdge::default(),
            earlier: earlier.into_iter().peekable(),
            good: 0,
            claims,
        };
        checker.compare()?;
        Ok(checker)
    }

    /// The last good event.
    pub(super) const fn position(&self) -> u64 {
        self.frontier.size()
    }

    /// Up to here the events are those that were signed for.
    pub(super) const fn good(&self) -> u64 {
        self.good
    }

    /// The root over the events so far.
    pub(super) fn root(&self) -> Sha256Hash {
        Sha256Hash(self.frontier.root())
    }

    /// How many accounts have moved.
    pub(super) fn accounts(&self) -> usize {
        self.used.len()
    }

    /// Checks the next event, which has this leaf hash.
    pub(super) fn take(&mut self, event: Envelope, leaf: Hash) -> Result<(), Bad> {
        let position = self.position().saturating_add(1);
        self.follow(event).map_err(|what| Bad::by(position, what))?;
        self.frontier.push(leaf);
        for tile in self.edge.push(leaf) {
            self.compare_tile(&tile)?;
        }
        self.compare()
    }

    /// After the last event: the tiles that are not full, and the head.
    pub(super) fn finish(&self, head: &TreeHead) -> Result<(), Bad> {
        for tile in self.edge.partials() {
            self.compare_tile(&tile)?;
        }
        self.compare_head(head, "the checkpoint")
    }

    fn follow(&mut self, event: Envelope) -> Result<(), String> {
        let before = self.versions.get(&event.stream).copied().unwrap_or_default();
        if before.checked_add(1) != Some(event.version) {
            let Envelope { version, stream, .. } = event;
            return Err(format!("it is version {version} of {stream}, after version {before}"));
        }
        if event.at < self.at {
            return Err(format!("its time {} is before that of the event before it", event.at));
        }
        self.at = event.at;
        for currency in Currency::ALL {
            let own = event.postings.iter().filter(|posting| posting.0.currency() == currency);
            let sum: i128 = own.map(|posting| i128::from(posting.1.units())).sum();
            if sum != 0 {
                let code = currency.code();
                return Err(format!("its postings in {code} sum to {sum} instead of nothing"));
            }
        }
        let mut draft = self.book.draft();
        let replayed = draft.replay(&event.postings, &event.changes);
        replayed.map_err(|refusal| format!("the books cannot have taken it: {refusal}"))?;
        let changed = draft.into_changed();
        self.book.keep(changed);
        self.book.commit(self.book.mark());
        self.used.extend(event.postings.iter().map(|posting| posting.0));
        for change in &event.changes {
            match change {
                Change::Reserved { from, to, .. } => self.used.extend([*from, *to]),
                Change::State { account, .. } => self.used.extend([*account]),
                Change::Resolved { .. } => {}
            }
        }
        self.versions.insert(event.stream, event.version);
        Ok(())
    }

    /// What was claimed as of the present position, and signed for it.
    fn compare(&mut self) -> Result<(), Bad> {
        let position = self.position();
        while let Some(earlier) = self.earlier.next_if(|earlier| earlier.head.size == position) {
            self.compare_head(&earlier.head, &earlier.from)?;
            self.good = position;
        }
        self.claims.compare(position, &self.book, &self.used)
    }

    fn compare_head(&self, head: &TreeHead, from: &str) -> Result<(), Bad> {
        let (found, signed) = (self.root(), Sha256Hash(head.root));
        if found == signed {
            return Ok(());
        }
        let what = format!(
            "history was rewritten: the first {} events give the root {found}, but {from} has \
             signed {signed}",
            head.size
        );
        if head.size == 0 {
            return Err(Bad::new(what));
        }
        Err(Bad::among(self.good.saturating_add(1), head.size, what))
    }

    /// Tiles of leaves were compared event by event before.
    fn compare_tile(&self, tile: &Tile) -> Result<(), Bad> {
        let id = tile.id();
        if id.level() == 0 {
            return Ok(());
        }
        let below = 1_u64.checked_shl(u32::from(id.level()).saturating_mul(8)).unwrap_or(u64::MAX);
        let of_hash = |n: u64| {
            let first = id.index().saturating_mul(256).saturating_add(n).saturating_mul(below);
            (first.saturating_add(1), first.saturating_add(below))
        };
        let width = u64::from(id.width());
        let (first, last) = (of_hash(0).0, of_hash(width.saturating_sub(1)).1);
        let bytes = self.folder.read(&id.to_string(), TILE_BYTES_MAX);
        let bytes = bytes.map_err(|error| Bad::among(first, last, format!("{id}: {error}")))?;
        let stored = Tile::decode(id, &bytes);
        let stored = stored.map_err(|error| Bad::among(first, last, format!("{id}: {error}")))?;
        let differs = |(_, (ours, theirs)): &(u64, (&Hash, &Hash))| ours != theirs;
        match (0..).zip(tile.hashes().iter().zip(stored.hashes())).find(differs) {
            Some((n, _)) => {
                let (first, last) = of_hash(n);
                let what = format!("{id} has another hash for them than the tiles below it give");
                Err(Bad::among(first, last, what))
            }
            None => Ok(()),
        }
    }
}
