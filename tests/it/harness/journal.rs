//! What people were told, kept outside of the house, and compared with its log: every acknowledged
//! order stands there once and where it was said to stand, a refused one does not, one that nobody
//! knew of at most once, and nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::books::{WELCOME, broken_invariants};
use super::house::House;
use super::orders::{Desk, Entry, Outcome, Wish};
use super::until;

/// Orders that are sent once more although they were acknowledged, of each batch.
const REPEATED: usize = 20;

/// All orders so far, and the log as far as it was read.
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// So many entries are settled: their outcomes are final.
    settled: usize,
    read: i64,
    /// Positions of the events about what an order makes, by its id.
    logged: HashMap<String, Vec<i64>>,
    /// How many orders nobody knew of, and how many of them had been done.
    pub(crate) unknown: usize,
    pub(crate) found: usize,
}

impl Journal {
    /// An empty one; what is in the log now is none of its orders.
    pub(crate) async fn begin(house: &House) -> Self {
        let head = sqlx::query_scalar("select position from log_head");
        let read = head.fetch_one(&house.db.pool).await.unwrap();
        let (entries, logged) = (Vec::new(), HashMap::new());
        Self { entries, settled: 0, read, logged, unknown: 0, found: 0 }
    }

    /// Adds what people were told, compares all of it with the log, settles what is unknown by
    /// asking again, and compares once more.
    pub(crate) async fn compare(&mut self, house: &House, desk: &Desk, entries: Vec<Entry>) {
        self.entries.extend(entries);
        self.read_log(house).await;
        self.check();
        self.settle(desk).await;
        self.repeat(desk).await;
        self.read_log(house).await;
        self.check();
        let known: HashSet<&String> = self.entries.iter().filter_map(|e| e.id.as_ref()).collect();
        let strangers: Vec<_> = self.logged.keys().filter(|id| !known.contains(id)).collect();
        assert_eq!(strangers, [""; 0], "events that nobody has ordered");
        self.settled = self.entries.len();
        self.check_books(house).await;
    }

    /// How many orders were acknowledged, and how many refused.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let count =
            |is: fn(Outcome) -> bool| self.entries.iter().filter(|entry| is(entry.outcome)).count();
        (count(|o| matches!(o, Outcome::Done(_))), count(|o| o == Outcome::Refused))
    }

    async fn read_log(&mut self, house: &House) {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "select pos, coalesce(body -> 'data' ->> 'adjustment', body -> 'data' ->> 'program')
             from audit.events
             where pos > $1 and kind in ('billing.books_adjusted', 'jobs.program_added')
             order by pos",
        )
        .bind(self.read)
        .fetch_all(&house.db.pool)
        .await
        .unwrap();
        for (position, id) in rows {
            self.logged.entry(id).or_default().push(position);
            self.read = position;
        }
    }

    fn check(&self) {
        for entry in &self.entries {
            let found =
                entry.id.as_ref().and_then(|id| self.logged.get(id)).map_or(&[][..], Vec::as_slice);
            match entry.outcome {
                Outcome::Done(position) => assert_eq!(found, [position], "lost: {entry:?}"),
                Outcome::Refused => assert_eq!(found, [0; 0], "refused and done: {entry:?}"),
                Outcome::Unknown => assert!(found.len() <= 1, "done twice: {entry:?}, {found:?}"),
            }
        }
    }

    /// Sends what nobody knows of once more, under the same keys, until it is known.
    async fn settle(&mut self, desk: &Desk) {
        for entry in &mut self.entries[self.settled..] {
            if entry.outcome != Outcome::Unknown {
                continue;
            }
            self.unknown += 1;
            let again = until("an answer to an order", async || {
                let again = desk.carry_out(&entry.order).await?;
                (again.outcome != Outcome::Unknown).then_some(again)
            })
            .await;
            assert!(entry.id.is_none() || entry.id == again.id, "{entry:?}, then {again:?}");
            let logged = again.id.as_ref().is_some_and(|id| self.logged.contains_key(id));
            assert!(!logged || again.outcome != Outcome::Refused, "{entry:?}, then {again:?}");
            self.found += usize::from(logged);
            *entry = again;
        }
    }

    /// Sends some of the acknowledged orders once more: they are where they were.
    async fn repeat(&self, desk: &Desk) {
        let done = |entry: &&Entry| matches!(entry.outcome, Outcome::Done(_));
        for entry in self.entries[self.settled..].iter().rev().filter(done).take(REPEATED) {
            let again = desk.carry_out(&entry.order).await.expect("a server");
            assert_eq!(again.outcome, entry.outcome, "{entry:?}");
        }
    }

    /// The books are what people were told, and the log is sound.
    async fn check_books(&self, house: &House) {
        until("current books", async || {
            let behind: bool = sqlx::query_scalar(
                "select h.position > p.position from log_head h, projection p
                 where p.name = 'books'",
            )
            .fetch_one(&house.db.pool)
            .await
            .unwrap();
            (!behind).then_some(())
        })
        .await;
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select account_id, balance from audit.balances")
                .fetch_all(&house.db.pool)
                .await
                .unwrap();
        let balances: HashMap<String, i64> = rows.into_iter().collect();
        let mut expected = BTreeMap::new();
        for entry in &self.entries {
            let Wish::Adjustment { account, amount } = &entry.order.wish else { continue };
            let balance = expected.entry(account.as_str()).or_insert(WELCOME.micros());
            if matches!(entry.outcome, Outcome::Done(_)) {
                *balance += amount.micros();
            }
        }
        for (account, balance) in expected {
            assert_eq!(balances[account], balance, "the balance of {account}");
        }
        let verify = house.command().arg("verify").output().unwrap();
        assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
        assert_eq!(broken_invariants(house).await, [""; 0]);
    }
}
