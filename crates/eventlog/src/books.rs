//! The books as tables: accounts with their balances, statements, reservations. Read from the log
//! right after each commit, many events in one go when there are many, so that they cost a
//! fraction of what they would inside the log's own transaction.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use medusa_ledger::{Account, AccountState, Amount, Change, Posting, Standing};
use sqlx::PgConnection;
use tokio::sync::Mutex;

use crate::commit;
use crate::error::LogError;
use crate::projector::Projection;
use crate::read::StoredEvent;
use crate::reservations::{self, Held};

/// Lines of one page: with more, a row would not fit into a page of the table.
const PAGE_LINES_MAX: usize = 128;
/// Accounts that are remembered; with more it begins anew.
const REMEMBERED_MAX: usize = 500_000;
/// A page spans at most so many positions, so that a step fits its column.
const PAGE_SPAN_MAX: i64 = 1_000_000_000;

/// The projection. Remembers accounts between its steps, as long as the steps follow each other.
#[derive(Debug, Default)]
pub struct Books(Mutex<Memory>);

/// The accounts that were touched lately, as they are after the event at `position`.
#[derive(Debug, Default)]
struct Memory {
    position: i64,
    accounts: HashMap<Account, Known>,
}

/// What is known of an account.
#[derive(Debug)]
struct Known {
    id: i64,
    standing: Standing,
    lines: i64,
    position: i64,
    /// Not in the table yet.
    new: bool,
}

/// Lines of one account in a row.
struct Page {
    account: i64,
    first: i64,
    last: i64,
    opening: i64,
    offsets: Vec<i32>,
    entries: Vec<i16>,
    amounts: Vec<i64>,
}

impl Page {
    fn new(account: i64, first: i64, opening: Amount) -> Self {
        let (offsets, entries, amounts) = (Vec::new(), Vec::new(), Vec::new());
        Self { account, first, last: first, opening: opening.units(), offsets, entries, amounts }
    }

    fn add(&mut self, position: i64, entry: i16, amount: Amount) {
        let offset = position.saturating_sub(self.first);
        self.offsets.push(i32::try_from(offset).unwrap_or(i32::MAX));
        self.entries.push(entry);
        self.amounts.push(amount.units());
        self.last = position;
    }

    fn takes(&self, position: i64) -> bool {
        // The lines of one event stay together: a page is known by the positions that it spans.
        position == self.last
            || self.amounts.len() < PAGE_LINES_MAX
                && position.saturating_sub(self.first) < PAGE_SPAN_MAX
    }
}

impl Projection for Books {
    const NAME: &'static str = "books";
    const TABLES: &'static [&'static str] = &["ledger_account", "statement_page", "reservation"];
    const SPAN: usize = 65_536;

    async fn apply(
        &self,
        db: &mut PgConnection,
        events: &[Arc<StoredEvent>],
    ) -> Result<(), sqlx::Error> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let mut memory = self.0.lock().await;
        // A step that was taken back, or somebody else's: what is remembered is not what is stored.
        if memory.position.saturating_add(1) != first.envelope.position
            || memory.accounts.len() > REMEMBERED_MAX
        {
            memory.accounts.clear();
        }
        memory.position = last.envelope.position;
        let mut held = reservations::load(db, events).await?;
        let touched = touched(events, &held);
        load(db, &mut memory.accounts, &touched).await?;
        let pages = fold(&mut memory.accounts, &mut held, events);
        write_accounts(db, &memory.accounts, &touched).await?;
        for account in &touched {
            if let Some(k) = memory.accounts.get_mut(account) {
                k.new = false;
            }
        }
        write_pages(db, &pages).await?;
        reservations::write(db, &held).await
    }

    async fn forget(&self) {
        self.0.lock().await.accounts.clear();
    }
}

/// The accounts that some events touch, in the order of the events.
fn touched(events: &[Arc<StoredEvent>], held: &Held) -> Vec<Account> {
    let mut seen = HashSet::new();
    let mut order = Vec::new();
    let mut touch = |account: Account| {
        if seen.insert(account) {
            order.push(account);
        }
    };
    for event in events {
        event.envelope.postings.iter().for_each(|Posting(account, _)| touch(*account));
        for change in &event.envelope.changes {
            match change {
                Change::Reserved { from, to, .. } => [*from, *to].into_iter().for_each(&mut touch),
                Change::Resolved { pending, .. } => {
                    let ends = held.get(pending).map(|r| [r.from, r.to]);
                    ends.into_iter().flatten().for_each(&mut touch);
                }
                Change::State { account, .. } => touch(*account),
            }
        }
    }
    order
}

/// Makes these accounts known as they are; those that are not there yet get the next numbers.
async fn load(
    db: &mut PgConnection,
    known: &mut HashMap<Account, Known>,
    touched: &[Account],
) -> Result<(), sqlx::Error> {
    let mut missing: Vec<Account> =
        touched.iter().filter(|account| !known.contains_key(*account)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let rows = sqlx::query!(
        r#"select account, id, balance, debits_pending, credits_pending, state, lines, position
           from ledger_account where account = any($1)"#,
        &texts
    )
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        let account = commit::account(&row.account).map_err(broken)?;
        let standing = Standing {
            posted: Amount::new(row.balance),
            debits_pending: Amount::new(row.debits_pending),
            credits_pending: Amount::new(row.credits_pending),
            state: AccountState::of_name(&row.state).unwrap_or_default(),
        };
        let (id, lines, position) = (row.id, row.lines, row.position);
        known.insert(account, Known { id, standing, lines, position, new: false });
    }
    missing.retain(|account| !known.contains_key(account));
    if missing.is_empty() {
        return Ok(());
    }
    let last = sqlx::query_scalar!(r#"select coalesce(max(id), 0) as "last!" from ledger_account"#)
        .fetch_one(db)
        .await?;
    for (id, account) in (last.saturating_add(1)..).zip(missing) {
        let standing = Standing::default();
        known.insert(account, Known { id, standing, lines: 0, position: 0, new: true });
    }
    Ok(())
}

pub(crate) fn broken(error: LogError) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// Applies events to what is known; answers the new pages.
fn fold(
    known: &mut HashMap<Account, Known>,
    held: &mut Held,
    events: &[Arc<StoredEvent>],
) -> Vec<Page> {
    let mut open: HashMap<i64, Page> = HashMap::new();
    let mut full = Vec::new();
    for event in events {
        let position = event.envelope.position;
        for (entry, Posting(account, amount)) in (0..).zip(&event.envelope.postings) {
            let Some(k) = known.get_mut(account) else { continue };
            let page =
                open.entry(k.id).or_insert_with(|| Page::new(k.id, position, k.standing.posted));
            if !page.takes(position) {
                let next = Page::new(k.id, position, k.standing.posted);
                full.push(std::mem::replace(page, next));
            }
            page.add(position, entry, *amount);
            // The writer has checked the sum.
            k.standing.posted = k.standing.posted.checked_add(*amount).unwrap_or_default();
            k.lines = k.lines.saturating_add(1);
            k.position = position;
        }
        for change in &event.envelope.changes {
            change_standing(known, held, change, position);
        }
    }
    full.extend(open.into_values());
    full.sort_unstable_by_key(|page| (page.account, page.first));
    full
}

fn change_standing(
    known: &mut HashMap<Account, Known>,
    held: &mut Held,
    change: &Change,
    position: i64,
) {
    let mut aside = |from: &Account, to: &Account, amount: Amount| {
        if let Some(k) = known.get_mut(from) {
            let sum = k.standing.debits_pending.checked_add(amount);
            k.standing.debits_pending = sum.unwrap_or_default();
            k.position = position;
        }
        if let Some(k) = known.get_mut(to) {
            let sum = k.standing.credits_pending.checked_add(amount);
            k.standing.credits_pending = sum.unwrap_or_default();
            k.position = position;
        }
    };
    match change {
        Change::Reserved { from, to, amount, .. } => aside(from, to, *amount),
        Change::Resolved { pending, .. } => {
            if let Some(r) = held.get(pending) {
                aside(&r.from, &r.to, r.amount.checked_neg().unwrap_or_default());
            }
        }
        Change::State { account, state } => {
            if let Some(k) = known.get_mut(account) {
                k.standing.state = *state;
                k.position = position;
            }
        }
    }
    reservations::change(held, change, position);
}

async fn write_accounts(
    db: &mut PgConnection,
    known: &HashMap<Account, Known>,
    touched: &[Account],
) -> Result<(), sqlx::Error> {
    let mut all: Vec<(&Account, &Known)> =
        touched.iter().filter_map(|account| known.get_key_value(account)).collect();
    // In the order of their numbers: neighbours in the table are written together.
    all.sort_unstable_by_key(|(_, k)| k.id);
    for new in [true, false] {
        let rows: Vec<_> = all.iter().filter(|(_, k)| k.new == new).collect();
        if rows.is_empty() {
            continue;
        }
        let of = |f: fn(&Known) -> i64| -> Vec<i64> { rows.iter().map(|(_, k)| f(k)).collect() };
        let (ids, lines, positions) = (of(|k| k.id), of(|k| k.lines), of(|k| k.position));
        let balances = of(|k| k.standing.posted.units());
        let debits = of(|k| k.standing.debits_pending.units());
        let credits = of(|k| k.standing.credits_pending.units());
        let states: Vec<String> =
            rows.iter().map(|(_, k)| k.standing.state.name().to_owned()).collect();
        if new {
            let accounts: Vec<String> = rows.iter().map(|(a, _)| a.to_string()).collect();
            let codes: Vec<i16> = rows
                .iter()
                .map(|(a, _)| i16::try_from(a.class().code()).unwrap_or(i16::MAX))
                .collect();
            let currencies: Vec<String> =
                rows.iter().map(|(a, _)| a.currency().code().to_owned()).collect();
            sqlx::query!(
                "insert into ledger_account (id, account, code, currency, balance, debits_pending,
                     credits_pending, state, lines, position)
                 select * from unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[],
                     $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[],
                     $10::bigint[])",
                &ids,
                &accounts,
                &codes,
                &currencies,
                &balances,
                &debits,
                &credits,
                &states,
                &lines,
                &positions,
            )
            .execute(&mut *db)
            .await?;
        } else {
            sqlx::query!(
                "update ledger_account a
                 set balance = n.balance, debits_pending = n.debits, credits_pending = n.credits,
                     state = n.state, lines = n.lines, position = n.position
                 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
                     $6::bigint[], $7::bigint[])
                     as n (id, balance, debits, credits, state, lines, position)
                 where a.id = n.id",
                &ids,
                &balances,
                &debits,
                &credits,
                &states,
                &lines,
                &positions,
            )
            .execute(&mut *db)
            .await?;
        }
    }
    Ok(())
}

async fn write_pages(db: &mut PgConnection, pages: &[Page]) -> Result<(), sqlx::Error> {
    if pages.is_empty() {
        return Ok(());
    }
    let of = |f: fn(&Page) -> i64| -> Vec<i64> { pages.iter().map(f).collect() };
    let (accounts, firsts) = (of(|p| p.account), of(|p| p.first));
    let (lasts, openings) = (of(|p| p.last), of(|p| p.opening));
    let offsets: Vec<String> = pages.iter().map(|p| array(&p.offsets)).collect();
    let entries: Vec<String> = pages.iter().map(|p| array(&p.entries)).collect();
    let amounts: Vec<String> = pages.iter().map(|p| array(&p.amounts)).collect();
    // Arrays of arrays of different lengths do not exist: the inner ones travel as their text.
    sqlx::query!(
        "insert into statement_page (account_id, first_position, last_position, opening, offsets,
             entries, amounts)
         select account, first, last, opening, offsets::integer[], entries::smallint[],
             amounts::bigint[]
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
             $6::text[], $7::text[])
             as row (account, first, last, opening, offsets, entries, amounts)",
        &accounts,
        &firsts,
        &lasts,
        &openings,
        &offsets,
        &entries,
        &amounts,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn array(numbers: &[impl std::fmt::Display]) -> String {
    let mut text = String::with_capacity(numbers.len().saturating_mul(8));
    text.push('{');
    for (n, number) in numbers.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        // Writing into a string cannot fail.
        let _written = write!(text, "{number}");
    }
    text.push('}');
    text
}
