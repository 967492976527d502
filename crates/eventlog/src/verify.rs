//! The audit from inside: reads the whole log, recomputes the tree and every balance, and names
//! the first thing that disagrees.

use std::collections::{BTreeMap, HashMap};

use medusa_api::VerifyReport;
use medusa_ledger::{Account, AccountState, Amount, Change, Currency, Standing};
use medusa_tlog::Frontier;
use medusa_types::{PendingId, Sha256Hash, Timestamp};
use sqlx::{PgConnection, PgPool};

use crate::error::LogError;
use crate::replay::{Light, Row, replay};

/// Problems that are listed; one is enough to fail.
const PROBLEMS_MAX: usize = 20;

/// What has been read so far.
#[derive(Default)]
struct Audit {
    frontier: Frontier,
    /// Accounts by their text, as they stand in the bytes.
    numbers: HashMap<Box<str>, usize>,
    accounts: Vec<(Account, Standing)>,
    /// Open reservations.
    open: BTreeMap<PendingId, (usize, usize, Amount)>,
    streams: HashMap<Box<[u8]>, i64>,
    position: i64,
    at: Timestamp,
    problems: Vec<String>,
    /// Where the stored books stand, and the accounts as they were there.
    shown: i64,
    at_shown: Vec<(Account, Standing)>,
    /// A size that a checkpoint was signed for, and the root that the tree had then.
    signed: i64,
    root_then: Option<[u8; 32]>,
}

impl Audit {
    fn problem(&mut self, position: i64, text: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(format!("event {position}: {text}"));
        }
    }

    fn read(&mut self, row: &Row) {
        let (expected, position) = (self.position.saturating_add(1), row.position);
        if position != expected {
            self.problem(expected, &format!("is missing; the next one is {position}"));
        }
        self.position = position;
        let hash = row.hash();
        if hash != row.leaf.as_ref() {
            self.problem(position, "its bytes do not have the stored leaf hash");
        }
        self.frontier.push(hash);
        match Light::decode(&row.body) {
            Some(light) => self.check(row, light),
            None => self.problem(position, "its bytes are not an event"),
        }
        if position == self.shown {
            self.at_shown.clone_from(&self.accounts);
        }
        if position == self.signed {
            self.root_then = Some(self.frontier.root());
        }
    }

    fn check(&mut self, row: &Row, light: Light<'_>) {
        let position = row.position;
        let columns =
            (light.position, light.stream.as_bytes(), light.version, light.kind.as_bytes());
        if columns != (position, row.stream.as_ref(), row.version, row.kind.as_ref()) {
            self.problem(position, "its bytes and its columns disagree");
        }
        let before = match self.streams.get_mut(row.stream.as_ref()) {
            Some(version) => std::mem::replace(version, light.version),
            None => self.streams.insert(row.stream.as_ref().into(), light.version).unwrap_or(0),
        };
        if before.saturating_add(1) != light.version {
            self.problem(position, "its version does not follow the one before in its stream");
        }
        if light.at < self.at {
            self.problem(position, "its time lies before the event before");
        }
        self.at = light.at;
        self.move_amounts(position, &light);
    }

    fn move_amounts(&mut self, position: i64, light: &Light<'_>) {
        let mut sums = [0_i128; Currency::ALL.len()];
        let mut touched = Vec::with_capacity(light.postings.len());
        for (text, units) in &light.postings {
            let Some(n) = self.number(position, text) else { return };
            touched.push(n);
            let Some((account, standing)) = self.accounts.get_mut(n) else { return };
            let of = Currency::ALL.iter().position(|c| *c == account.currency());
            if let Some(sum) = of.and_then(|i| sums.get_mut(i)) {
                *sum = sum.saturating_add(i128::from(*units));
            }
            match standing.posted.checked_add(Amount::new(*units)) {
                Some(posted) => standing.posted = posted,
                None => {
                    let text = format!("the balance of {account} leaves its range");
                    self.problem(position, &text);
                }
            }
        }
        if sums != [0; Currency::ALL.len()] {
            self.problem(position, "its postings do not sum to zero");
        }
        for change in &light.changes {
            self.change(position, change, &mut touched);
        }
        for n in touched {
            if let Some((account, standing)) = self.accounts.get(n)
                && !standing.is_within(account)
            {
                let text = format!("overdraws {account}");
                self.problem(position, &text);
            }
        }
    }

    fn change(&mut self, position: i64, change: &Change, touched: &mut Vec<usize>) {
        match change {
            Change::Reserved { pending, from, to, amount, .. } => {
                let ends = (self.number_of(from), self.number_of(to));
                touched.extend([ends.0, ends.1]);
                self.set_aside(ends, *amount);
                if self.open.insert(*pending, (ends.0, ends.1, *amount)).is_some() {
                    self.problem(position, &format!("reserves {pending} a second time"));
                }
            }
            Change::Resolved { pending, amount, .. } => match self.open.remove(pending) {
                Some((from, to, reserved)) => {
                    self.set_aside((from, to), reserved.checked_neg().unwrap_or_default());
                    if *amount > reserved {
                        self.problem(position, &format!("moves more than {pending} reserved"));
                    }
                }
                None => self.problem(position, &format!("ends {pending}, which is not open")),
            },
            Change::State { account, state } => {
                let n = self.number_of(account);
                if let Some((_, standing)) = self.accounts.get_mut(n) {
                    standing.state = *state;
                }
            }
        }
    }

    fn set_aside(&mut self, (from, to): (usize, usize), amount: Amount) {
        let add = |sum: Amount| sum.checked_add(amount).unwrap_or_default();
        if let Some((_, standing)) = self.accounts.get_mut(from) {
            standing.debits_pending = add(standing.debits_pending);
        }
        if let Some((_, standing)) = self.accounts.get_mut(to) {
            standing.credits_pending = add(standing.credits_pending);
        }
    }

    fn number(&mut self, position: i64, text: &str) -> Option<usize> {
        if let Some(n) = self.numbers.get(text) {
            return Some(*n);
        }
        match text.parse::<Account>() {
            Ok(account) => Some(self.enter(text.into(), account)),
            Err(error) => {
                self.problem(position, &error.to_string());
                None
            }
        }
    }

    fn number_of(&mut self, account: &Account) -> usize {
        let text = account.to_string();
        match self.numbers.get(text.as_str()) {
            Some(n) => *n,
            None => self.enter(text.into(), *account),
        }
    }

    fn enter(&mut self, text: Box<str>, account: Account) -> usize {
        let n = self.accounts.len();
        self.accounts.push((account, Standing::default()));
        self.numbers.insert(text, n);
        n
    }
}

/// Verifies the stored log: dense positions, leaf hashes, root, columns, zero sums, no overdraft at
/// any prefix, and the stored balances.
///
/// # Errors
/// [`LogError::Database`]; everything else is in the report.
pub async fn verify(pool: &PgPool) -> Result<VerifyReport, LogError> {
    let began = tokio::time::Instant::now();
    let mut tx = pool.begin().await?;
    // One snapshot for head, events and balances, however much is written meanwhile.
    sqlx::query!("set transaction isolation level repeatable read read only")
        .execute(&mut *tx)
        .await?;
    let head = sqlx::query!("select position, root from log_head").fetch_one(&mut *tx).await?;
    let shown = sqlx::query_scalar!("select position from projection where name = 'books'")
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or_default();
    let signed = sqlx::query!("select size, root from checkpoint order by size desc limit 1")
        .fetch_optional(&mut *tx)
        .await?;
    let newest = signed.as_ref().map_or(0, |row| row.size);
    let start = Audit { shown, signed: newest, ..Audit::default() };
    let mut audit = replay(&mut tx, start, |audit, row| audit.read(&row)).await?;
    let last = audit.position;
    if last != head.position {
        audit.problem(last, &format!("is the last one, but the head says {}", head.position));
    }
    if audit.frontier.root() != head.root.as_slice() {
        audit.problem(last, "the recomputed root is not the stored one");
    }
    let root_then = audit.root_then.unwrap_or_else(medusa_tlog::empty_root);
    if signed.is_some_and(|row| row.root != root_then) {
        audit.problem(newest, "the signed checkpoint of this size has another root");
    }
    let accounts = check_balances(&mut tx, &mut audit).await?;
    Ok(VerifyReport {
        ok: audit.problems.is_empty(),
        events: last,
        root: Sha256Hash(audit.frontier.root()),
        accounts,
        problems: audit.problems,
        ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

async fn check_balances(db: &mut PgConnection, audit: &mut Audit) -> Result<u64, LogError> {
    let stored = sqlx::query!(
        "select account, balance, debits_pending, credits_pending, state, position
         from ledger_account"
    )
    .fetch_all(db)
    .await?;
    let replayed = std::mem::take(&mut audit.at_shown);
    let mut replayed: BTreeMap<String, Standing> =
        replayed.into_iter().map(|(account, standing)| (account.to_string(), standing)).collect();
    for row in &stored {
        let found = replayed.remove(&row.account).unwrap_or_default();
        let standing = Standing {
            posted: Amount::new(row.balance),
            debits_pending: Amount::new(row.debits_pending),
            credits_pending: Amount::new(row.credits_pending),
            state: AccountState::of_name(&row.state).unwrap_or_default(),
        };
        if found != standing {
            let text = format!(
                "the balance of {} is stored as {} and replays to {}{}",
                row.account,
                row.balance,
                found.posted.units(),
                if found.posted == standing.posted { ", with other reservations" } else { "" }
            );
            audit.problem(row.position, &text);
        }
    }
    for (account, standing) in replayed {
        let text = format!("the balance {} of {account} is not stored", standing.posted.units());
        audit.problem(audit.shown, &text);
    }
    Ok(u64::try_from(stored.len()).unwrap_or_default())
}
