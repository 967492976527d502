//! Trial balances, accounts and statements.

use medusa_api::{
    AccountLine, AccountQuery, AccountState, AccountStatement, AccountStatementQuery, AsOf,
    TrialBalance,
};
use medusa_ledger::{Account, Bucket, Posting};
use medusa_types::Timestamp;

use super::*;
use crate::desk::DeskError;

fn lines(trial: &TrialBalance) -> Vec<(String, u64, String)> {
    trial.lines.iter().map(|l| (l.class.clone(), l.accounts, l.balance.clone())).collect()
}

#[tokio::test]
async fn the_books_at_every_position_are_a_fold_of_the_events_and_sum_to_nothing() {
    let world = World::busy(700).await;
    let mut fold = Fold::default();
    let empty = AsOf { position: Some(0), at: None };
    let empty = world.desk.trial_balance(empty).await.unwrap();
    assert_eq!((empty.lines.len(), empty.sums.len(), empty.position, empty.at), (0, 0, 0, None));
    for event in world.all().await {
        fold.take(&event);
        // Every position at the beginning, some of the others, and the last.
        let position = event.position;
        if position > 60 && position % 23 != 0 && position != 700 {
            continue;
        }
        let as_of = AsOf { position: Some(position), at: None };
        let trial = world.desk.trial_balance(as_of).await.unwrap();
        assert_eq!(lines(&trial), fold.classes(), "at {position}");
        assert_eq!((trial.position, trial.at), (position, Some(event.at)));
        assert!(trial.sums.iter().all(|sum| sum.sum == "0.00" && sum.debit == sum.credit));
    }
    let now = world.desk.trial_balance(AsOf::default()).await.unwrap();
    assert_eq!((lines(&now), now.position), (fold.classes(), 700));
    assert_eq!(now.sums.len(), 2, "credits and dollars");
}

#[tokio::test]
async fn the_books_at_a_time_are_those_after_the_last_event_by_then() {
    let world = World::busy(400).await;
    let events = world.all().await;
    let at = |micros| AsOf { position: None, at: Some(Timestamp::from_micros(micros)) };
    let last_by = |micros: i64| {
        events.iter().filter(|e| e.at.micros() <= micros).map(|e| e.position).max().unwrap_or(0)
    };
    let times: Vec<i64> = events.iter().map(|event| event.at.micros()).collect();
    let edges = times.iter().step_by(37).flat_map(|t| [t - 1, *t, t + 1]);
    for micros in edges.chain([0, -1, i64::MIN, i64::MAX, START]) {
        let trial = world.desk.trial_balance(at(micros)).await.unwrap();
        assert_eq!(trial.position, last_by(micros), "at {micros}");
    }
    // Nobody can tell which of both was meant.
    let both = AsOf { position: Some(3), ..at(i64::MAX) };
    assert!(matches!(world.desk.trial_balance(both).await, Err(DeskError::Query(_))));
    for position in [-1, 401] {
        let refused = world.desk.trial_balance(AsOf { position: Some(position), at: None }).await;
        assert!(matches!(refused, Err(DeskError::Query(_))), "{position}");
    }
}

#[tokio::test]
async fn accounts_are_listed_by_code_and_each_is_as_the_events_say() {
    let world = World::busy(300).await;
    let mut fold = Fold::default();
    world.all().await.iter().for_each(|event| fold.take(event));
    for limit in [1, 7, 200] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = AccountQuery { after, limit: Some(limit), ..AccountQuery::default() };
            let page = world.desk.accounts(query).await.unwrap();
            assert_eq!(page.position, 300);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut texts: Vec<_> = found.iter().map(|a| (a.code, a.account.clone())).collect();
        assert!(texts.is_sorted(), "in pages of {limit}");
        texts.dedup();
        assert_eq!(texts.len(), found.len());
        for account in found {
            let key: Account = account.account.parse().unwrap();
            let (balance, lines) = fold.0.get(&key).copied().unwrap_or_default();
            assert_eq!(account.balance, key.currency().show(balance), "{key}");
            assert_eq!(account.lines, lines, "{key}");
            assert_eq!(account.state == AccountState::Frozen, lines == 0, "{key}");
            assert_eq!(world.desk.account(&account.account).await.unwrap(), account);
        }
    }
    let unknown = format!("consumer.paid:{}", user(999));
    for text in ["", "gold", unknown.as_str()] {
        assert!(matches!(world.desk.account(text).await, Err(DeskError::Missing(_))), "{text}");
    }
}

/// All lines of an account, folded from the events.
fn told(events: &[Envelope], account: &Account) -> Vec<AccountLine> {
    let (mut balance, mut lines) = (Amount::ZERO, Vec::new());
    for event in events {
        for (entry, Posting(touched, amount)) in (0..).zip(&event.postings) {
            if touched != account {
                continue;
            }
            balance = balance.checked_add(*amount).unwrap();
            lines.push(AccountLine {
                position: event.position,
                entry,
                at: event.at,
                event: event.kind().to_owned(),
                stream: event.stream.clone(),
                amount: account.currency().show(*amount),
                balance: account.currency().show(balance),
            });
        }
    }
    lines
}

/// Opening, the sum of the lines and closing agree; answers what the page closes with.
fn check_page(page: &AccountStatement) {
    let read = |text: &str| text.parse::<Credits>().unwrap().micros();
    let sum: i64 = page.lines.iter().map(|line| read(&line.amount)).sum();
    assert_eq!(read(&page.opening) + sum, read(&page.closing), "{page:?}");
    if let Some(last) = page.lines.last() {
        assert_eq!(last.balance, page.closing);
        assert!(page.from <= page.lines[0].position && last.position <= page.to, "{page:?}");
    }
}

async fn page(world: &World, account: &Account, query: AccountStatementQuery) -> AccountStatement {
    let page = world.desk.account_statement(&account.to_string(), query).await.unwrap();
    check_page(&page);
    page
}

#[tokio::test]
async fn a_statement_read_forwards_and_backwards_has_every_line_once() {
    let world = World::busy(800).await;
    let events = world.all().await;
    // One with hundreds of lines, one with some, and one in dollars.
    for account in [
        Account::promo_grant(),
        Account::wallet(Bucket::Promo, user(3)),
        Account::house(Class::ExchangeUsd).unwrap(),
    ] {
        let told = told(&events, &account);
        assert!(told.len() > 50, "{account} has {} lines", told.len());
        for limit in [1, 7, 128, 129, 500] {
            if limit == 1 && told.len() > 200 {
                continue;
            }
            let limit = Some(limit);
            let first = AccountStatementQuery { from: Some(1), limit, ..Default::default() };
            let mut at = page(&world, &account, first).await;
            assert_eq!((at.opening.as_str(), at.previous.as_ref(), at.from), ("0.00", None, 1));
            let mut lines = at.lines.clone();
            while let Some(after) = at.next {
                let query =
                    AccountStatementQuery { after: Some(after), limit, ..Default::default() };
                let next = page(&world, &account, query).await;
                assert_eq!(next.opening, at.closing);
                lines.extend(next.lines.clone());
                at = next;
            }
            assert_eq!((lines, at.to), (told.clone(), 800), "{account} by {limit:?}");

            let newest = AccountStatementQuery { limit, ..Default::default() };
            let mut at = page(&world, &account, newest).await;
            assert_eq!((at.next.as_ref(), at.to), (None, 800));
            let mut lines = at.lines.clone();
            while let Some(before) = at.previous {
                let before = Some(before);
                let query = AccountStatementQuery { before, limit, ..Default::default() };
                let next = page(&world, &account, query).await;
                assert_eq!(next.closing, at.opening);
                lines.splice(0..0, next.lines.clone());
                at = next;
            }
            assert_eq!((lines, at.from), (told.clone(), 1), "{account} by {limit:?}");
        }
    }
}

#[tokio::test]
async fn any_part_of_a_statement_opens_and_closes_with_the_balances_of_its_ends() {
    let world = World::busy(500).await;
    let events = world.all().await;
    let account = Account::wallet(Bucket::Promo, user(5));
    let told = told(&events, &account);
    let balance_by = |position: i64| {
        let last = told.iter().rev().find(|line| line.position <= position);
        last.map_or("0.00", |line| line.balance.as_str())
    };
    let within = |from: i64, to: i64| -> Vec<_> {
        told.iter().filter(|l| from <= l.position && l.position <= to).cloned().collect()
    };
    for seed in 0..120_i64 {
        let (from, to) = ((seed * 7919) % 520, (seed * 104_729) % 560);
        let query = AccountStatementQuery {
            from: Some(from),
            to: Some(to),
            limit: Some(500),
            ..Default::default()
        };
        let page = page(&world, &account, query).await;
        let (low, high) = (from.max(1), to.min(500));
        assert_eq!(page.lines, within(low, high), "{from} to {to}");
        assert_eq!((page.from, page.to), (low, high));
        assert_eq!((page.next.as_ref(), page.previous.as_ref()), (None, None));
        let opening = if low <= high { balance_by(low - 1) } else { balance_by(high) };
        assert_eq!((page.opening.as_str(), page.closing.as_str()), (opening, balance_by(high)));
        let at = |position: i64| {
            events.iter().find(|event| event.position == position).map(|event| event.at)
        };
        assert_eq!((page.since, page.until), (at(low), at(high)));
    }
    // Times are as good as positions.
    let (since, until) = (events[99].at, events[350].at);
    let query = AccountStatementQuery {
        since: Some(since),
        until: Some(until),
        limit: Some(500),
        ..Default::default()
    };
    let page = page(&world, &account, query).await;
    let expected: Vec<_> =
        told.iter().filter(|line| since <= line.at && line.at <= until).cloned().collect();
    assert!(!expected.is_empty() && page.lines == expected);
    let (first, last) = (page.from, page.to);
    assert!(
        events
            .iter()
            .all(|e| (first..=last).contains(&e.position) == (since <= e.at && e.at <= until))
    );
}

#[tokio::test]
async fn a_statement_of_nothing_and_a_bad_cursor_are_told_apart() {
    let world = World::busy(20).await;
    let ask = |account: String, after: Option<&str>, before: Option<&str>| {
        let query = AccountStatementQuery {
            after: after.map(Into::into),
            before: before.map(Into::into),
            ..Default::default()
        };
        let desk = world.desk.clone();
        async move { desk.account_statement(&account, query).await }
    };
    let unknown = format!("consumer.paid:{}", user(999));
    assert!(matches!(ask(unknown, None, None).await, Err(DeskError::Missing(_))));
    assert!(matches!(ask("gold".into(), None, None).await, Err(DeskError::Missing(_))));
    let grant = || Account::promo_grant().to_string();
    for cursor in ["", "7", "x", "1.-1"] {
        assert!(matches!(ask(grant(), Some(cursor), None).await, Err(DeskError::Cursor)));
        assert!(matches!(ask(grant(), None, Some(cursor)).await, Err(DeskError::Cursor)));
    }
    let both = ask(grant(), Some("1.0"), Some("2.0")).await;
    assert!(matches!(both, Err(DeskError::Query(_))));
    // Beyond the ends there is nothing, and the balance is the one of that end.
    let behind = ask(grant(), Some("9999.0"), None).await.unwrap();
    let newest = ask(grant(), None, None).await.unwrap();
    assert_eq!((behind.lines.len(), behind.opening), (0, newest.closing.clone()));
    assert_eq!((behind.closing, behind.next), (newest.closing, None));
    let ahead = ask(grant(), None, Some("0.0")).await.unwrap();
    assert_eq!((ahead.lines.len(), ahead.opening.as_str(), ahead.previous), (0, "0.00", None));
}
