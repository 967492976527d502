//! Steps with their outcomes, and properties that hold after every step. Accounts are written as
//! their class and a small number: `consumer.promo:1`.

mod books;
mod docs;
mod flows_of_ads;
mod flows_of_jobs;
mod flows_of_money;
mod history;
mod naive;
mod refusals;
mod shares;
mod stories;
mod two_phase;

use std::collections::BTreeMap;

use medusa_types::{CampaignId, Credits, JobId, PendingId, Timestamp, UserId, Uuid};

use crate::{
    Account, AccountState, Amount, Book, Class, Currency, Effects, Move, Owner, Posting, Refusal,
    Standing,
};

/// The present of most tests, in microseconds.
const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn job(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

fn campaign(n: u128) -> CampaignId {
    CampaignId(Uuid::from_u128(n))
}

fn pending(n: u128) -> PendingId {
    PendingId(Uuid::from_u128(n))
}

fn micros(n: i64) -> Credits {
    Credits::from_micros(n)
}

fn units(n: i64) -> Amount {
    Amount::new(n)
}

/// `consumer.promo:1`, `psp_clearing:card`, `bank`.
fn account(text: &str) -> Account {
    let (name, subject) = text.split_once(':').unwrap_or((text, ""));
    let number = || subject.parse::<u128>().unwrap();
    let full = match Class::of_name(name).unwrap_or_else(|| panic!("{name}")).owner() {
        Owner::House | Owner::Provider => text.to_owned(),
        Owner::User => format!("{name}:{}", user(number())),
        Owner::Job => format!("{name}:{}", job(number())),
        Owner::Campaign => format!("{name}:{}", campaign(number())),
    };
    full.parse().unwrap()
}

/// The other way round.
fn short_name(account: &Account) -> String {
    let text = account.to_string();
    let Some((name, subject)) = text.split_once(':') else { return text };
    let digits = subject.split_once('_').and_then(|(_, id)| u128::from_str_radix(id, 16).ok());
    digits.map_or(text.clone(), |n| format!("{name}:{n}"))
}

/// Books from lines like `consumer.ad:1 20 out 5 in 3 frozen`: what stands there, what of it is set
/// aside, what is set aside elsewhere to come in, and the state.
fn book(lines: &str) -> Book {
    let accounts = lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let mut words = line.split_whitespace();
        let account = account(words.next().unwrap());
        let mut standing = Standing { posted: number(words.next()), ..Standing::default() };
        while let Some(word) = words.next() {
            match word {
                "out" => standing.debits_pending = number(words.next()),
                "in" => standing.credits_pending = number(words.next()),
                state => standing.state = AccountState::of_name(state).unwrap(),
            }
        }
        (account, standing)
    });
    Book::load(accounts, [])
}

fn number(word: Option<&str>) -> Amount {
    Amount::new(word.unwrap().parse().unwrap())
}

/// The lines of everything that is not as if it had never been touched, in order.
fn lines(book: &Book) -> Vec<String> {
    let line = |(account, standing): (Account, Standing)| {
        let Standing { posted, debits_pending, credits_pending, state } = standing;
        let mut line = format!("{} {}", short_name(&account), posted.units());
        for (word, amount) in [("out", debits_pending), ("in", credits_pending)] {
            if amount != Amount::ZERO {
                line += &format!(" {word} {}", amount.units());
            }
        }
        if state != AccountState::Open {
            line += &format!(" {}", state.name());
        }
        line
    };
    let touched = |(_, standing): &(Account, Standing)| *standing != Standing::default();
    book.accounts().into_iter().filter(touched).map(line).collect()
}

/// Everything that a book knows, to compare it by.
fn snapshot(book: &Book) -> String {
    let touched = |(_, standing): &(Account, Standing)| *standing != Standing::default();
    let accounts: Vec<_> = book.accounts().into_iter().filter(touched).collect();
    let overdue = book.overdue(Timestamp::from_micros(i64::MAX));
    format!("{accounts:?} {:?} {overdue:?} {:?}", book.pendings(), book.next_expiry())
}

fn sums(postings: &[Posting]) -> BTreeMap<Currency, i128> {
    let mut sums = BTreeMap::new();
    for Posting(account, amount) in postings {
        *sums.entry(account.currency()).or_default() += i128::from(amount.units());
    }
    sums
}

/// One event: kept when it is accepted. Whatever the outcome, what must hold of every event is
/// asserted here.
fn post(book: &mut Book, moves: &[Move], now: Timestamp) -> Result<Effects, Refusal> {
    let before = book.clone();
    let mut draft = book.draft();
    let outcome = draft.post(moves, now);
    let Ok(effects) = &outcome else {
        assert_eq!(snapshot(book), snapshot(&before), "a refused event changes nothing");
        return outcome;
    };
    let changed = draft.into_changed();
    book.keep(changed);
    assert!(sums(&effects.postings).values().all(|sum| *sum == 0), "{:?}", effects.postings);
    assert!(effects.postings.iter().all(|Posting(_, amount)| *amount != Amount::ZERO));
    for (account, standing) in book.accounts() {
        assert!(standing.is_within(&account), "{account} {standing:?}");
    }
    let mut again = before;
    let mut draft = again.draft();
    draft.replay(&effects.postings, &effects.changes).unwrap();
    let changed = draft.into_changed();
    again.keep(changed);
    assert_eq!(snapshot(&again), snapshot(book), "what was decided is what is read again");
    outcome
}

/// Posts the moves on books and compares with what all of them then are. Lines start with an
/// account; their order does not matter.
fn check(before: &str, moves: &[Move], after: &str) {
    let mut book = book(before);
    let outcome = post(&mut book, moves, NOW);
    assert!(outcome.is_ok(), "{moves:?} on {before}: {outcome:?}");
    let mut wanted: Vec<&str> = after.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let found = lines(&book);
    let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted, "{moves:?} on {before}");
}
