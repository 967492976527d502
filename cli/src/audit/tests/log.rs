//! A log that is made here, and exports of it.

use std::path::PathBuf;

use medusa_events::{Envelope, FORMAT, Fact};
use medusa_ledger::{
    Account, AccountState, Amount, Book, Bucket, Change, Class, Posting, Resolution,
};
use medusa_tlog::{
    Frontier, Hash, Signer, Tile, TileEdge, TreeHead, bundles_of, encode_bundle, leaf_hash,
};
use medusa_types::{Credits, JobId, PendingId, Timestamp, UserId, Uuid};

use crate::audit::folder::{
    AccountClaim, BALANCES, Balances, CHECKPOINT, ClassClaim, EARLIER, Folder, KEY,
};

/// More than two full tiles.
pub(super) const SIZE: i64 = 600;
const JOB: JobId = JobId(Uuid::from_u128(7));

/// A folder of its own, gone with its test.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        let name = format!("medusa-cli-audit-{}", medusa_client::operation_id());
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn folder(&self) -> Folder {
        Folder::new(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) fn signer() -> Signer {
    Signer::new("medusa.test/log", &[7; 32])
}

fn user(position: i64) -> UserId {
    UserId(Uuid::from_u128(u128::try_from(position % 5).unwrap()))
}

pub(super) fn wallet(position: i64) -> Account {
    Account::wallet(Bucket::Promo, user(position))
}

fn moved(from: Account, to: Account, units: i64) -> Vec<Posting> {
    vec![Posting(from, Amount::new(-units)), Posting(to, Amount::new(units))]
}

/// 100 are given; 60 of them are held, and 10 reserved; both come back, in three events each.
fn event(position: i64) -> Envelope {
    let round = position - (position - 1) % 3;
    let (owner, wallet) = (user(round), wallet(round));
    let escrow = Account::escrow(Bucket::Promo, JOB);
    let pending = PendingId(Uuid::from_u128(u128::try_from(round).unwrap()));
    let amount = Credits::from_micros(100);
    let (postings, changes, fact) = match position - round {
        0 => {
            let fact = Fact::CreditsGranted { user: owner, amount, why: "welcome".into() };
            (moved(Account::promo_grant(), wallet, 100), Vec::new(), fact)
        }
        1 => {
            let change = Change::Reserved {
                pending,
                from: wallet,
                to: escrow,
                amount: Amount::new(10),
                expires_at: None,
            };
            let fact = Fact::EscrowHeld { job: JOB, owner, amount };
            (moved(wallet, escrow, 60), vec![change], fact)
        }
        _ => {
            let how = Resolution::Voided;
            let change = Change::Resolved { pending, how, amount: Amount::ZERO };
            let fact = Fact::EscrowReleased { job: JOB, owner };
            (moved(escrow, wallet, 60), vec![change], fact)
        }
    };
    Envelope {
        format: FORMAT,
        position,
        stream: "test".into(),
        version: position,
        at: Timestamp::from_micros(1_000 + position),
        actor: None,
        operation: None,
        causation: None,
        postings,
        changes,
        fact,
    }
}

/// The first events of the log.
pub(super) fn events(size: i64) -> Vec<Envelope> {
    (1..=size).map(event).collect()
}

/// Everything that an export has of some events.
pub(super) struct Log {
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) balances: Balances,
}

impl Log {
    pub(super) fn of(events: &[Envelope]) -> Self {
        let bodies = events.iter().map(Envelope::encode).collect();
        Self { bodies, balances: balances(events) }
    }

    fn leaves(&self) -> Vec<Hash> {
        self.bodies.iter().map(|body| leaf_hash(body)).collect()
    }

    pub(super) fn head(&self, size: usize) -> TreeHead {
        let mut frontier = Frontier::default();
        self.leaves()[..size].iter().for_each(|leaf| frontier.push(*leaf));
        frontier.head()
    }

    pub(super) fn checkpoint(&self, signer: &Signer, size: usize) -> String {
        let head = self.head(size);
        signer.sign(head.size, head.root)
    }

    /// Tiles and bundles with their names, of the first events.
    pub(super) fn tiles(&self, size: usize) -> Vec<(String, Vec<u8>)> {
        let mut edge = TileEdge::default();
        let leaves = &self.leaves()[..size];
        let mut tiles: Vec<Tile> = leaves.iter().flat_map(|leaf| edge.push(*leaf)).collect();
        tiles.extend(edge.partials());
        let tiles = tiles.iter().map(|tile| (tile.id().to_string(), tile.encode()));
        let bundles = bundles_of(u64::try_from(size).unwrap()).map(|id| {
            let from = usize::try_from(id.index()).unwrap() * 256;
            let bodies = self.bodies[from..].iter().take(id.width().into());
            (id.to_string(), encode_bundle(bodies.map(Vec::as_slice)).unwrap())
        });
        tiles.chain(bundles).collect()
    }

    /// An export of all of it, with the checkpoints of these sizes as the earlier ones.
    pub(super) fn export(&self, signer: &Signer, earlier: &[usize]) -> Scratch {
        let scratch = Scratch::new();
        let folder = scratch.folder();
        folder.begin().unwrap();
        let size = self.bodies.len();
        for (name, bytes) in self.tiles(size) {
            folder.write(&name, &bytes).unwrap();
        }
        let line =
            |size: &usize| serde_json::to_string(&self.checkpoint(signer, *size)).unwrap() + "\n";
        let lines: String = earlier.iter().map(line).collect();
        folder.write(EARLIER, lines.as_bytes()).unwrap();
        folder.write(KEY, format!("{}\n", signer.verifier()).as_bytes()).unwrap();
        folder.write(CHECKPOINT, self.checkpoint(signer, size).as_bytes()).unwrap();
        folder.write(BALANCES, &serde_json::to_vec(&self.balances).unwrap()).unwrap();
        folder.finish(u64::try_from(size).unwrap()).unwrap();
        scratch
    }
}

/// What an honest server would claim; what does not add up is left out.
fn balances(events: &[Envelope]) -> Balances {
    let mut book = Book::default();
    for event in events {
        let mut draft = book.draft();
        if draft.replay(&event.postings, &event.changes).is_ok() {
            let changed = draft.into_changed();
            book.keep(changed);
        }
    }
    let position = i64::try_from(events.len()).unwrap();
    let claim = |(account, standing): (Account, medusa_ledger::Standing)| AccountClaim {
        account: account.to_string(),
        as_of: position,
        balance: standing.posted,
        debits_pending: standing.debits_pending,
        credits_pending: standing.credits_pending,
        state: AccountState::Open,
    };
    let class = |class: &Class| {
        let of_class = |(account, standing): (Account, medusa_ledger::Standing)| {
            (account.class() == *class).then(|| standing.posted.units())
        };
        let units: Vec<i64> = book.accounts().into_iter().filter_map(of_class).collect();
        (!units.is_empty()).then(|| ClassClaim {
            class: class.name().to_owned(),
            balance: Amount::new(units.iter().sum()),
        })
    };
    Balances {
        position,
        classes: Class::ALL.iter().filter_map(class).collect(),
        accounts: book.accounts().into_iter().map(claim).collect(),
    }
}
