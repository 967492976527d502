//! Random histories of all flows and of raw moves, on the books and on the naive ledger at once:
//! both must accept and refuse the same, for the same reason, and stand alike after every step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::naive::{Columns, Naive, ORDER};
use super::stories::{Event, FLOWS, Step, later, steps};
use super::*;
use crate::flows::{self, Purchase};
use crate::{Cents, Change, Limit, PendingState, Provider, Resolution};

/// What happened in the histories of a run, to see that they reach everything.
#[derive(Debug, Default)]
struct Seen {
    accepted: BTreeMap<&'static str, u32>,
    refused: BTreeMap<&'static str, u32>,
    resolved: BTreeSet<&'static str>,
}

/// The books, their naive twin, and the books as somebody has them who only reads the log.
struct World {
    now: Timestamp,
    book: Book,
    naive: Naive,
    reader: Book,
    log: Vec<Effects>,
    ended: BTreeSet<PendingId>,
}

impl World {
    fn new() -> Self {
        let (now, log, ended) = (Timestamp::from_micros(1), Vec::new(), BTreeSet::new());
        let (book, naive, reader) = (Book::default(), Naive::default(), Book::default());
        let mut world = Self { now, book, naive, reader, log, ended };
        for who in [1, 2] {
            let provider = Provider::new("card").unwrap();
            let (cents, credits) = (Cents::new(60), micros(60));
            let bought = Purchase { provider, user: user(who), cents, credits };
            world.chain(vec![flows::purchase(&bought), flows::grant(user(who), micros(20))], false);
            world.chain(vec![flows::fund_advertiser(&bought)], false);
            world.chain(vec![flows::adjust(account("lender.pending:1"), units(30))], false);
            world.chain(vec![flows::adjust(account("lender.available:1"), units(30))], false);
        }
        for (who, n) in [(1, 1), (2, 2)] {
            world.chain(vec![flows::hold(user(who), job(n), micros(50))], false);
        }
        let card = Provider::new("card").unwrap();
        let sent = flows::receive_settlement(card, Cents::new(90), Cents::new(1));
        world.chain(vec![flows::fund_house_campaign(campaign(1), micros(60)), sent], false);
        world
    }

    /// Tries a chain of events on both ledgers; the code of its refusal.
    fn chain(&mut self, events: Vec<Vec<Move>>, lost: bool) -> Option<&'static str> {
        let (mark, before) = (self.book.mark(), snapshot(&self.book));
        let mut twin = self.naive.clone();
        let expected = events.iter().try_for_each(|moves| twin.event(moves, self.now));
        let mut draft = self.book.draft();
        let outcome: Result<Vec<Effects>, Refusal> =
            events.iter().map(|moves| draft.post(moves, self.now)).collect();
        let code = outcome.as_ref().map(|_| ()).map_err(Refusal::code);
        assert_eq!(code, expected, "{events:?}");
        let Ok(effects) = outcome else {
            drop(draft);
            assert_eq!(snapshot(&self.book), before, "a refused chain leaves nothing");
            return code.err();
        };
        let changed = draft.into_changed();
        self.book.keep(changed);
        compare(&self.book, &twin);
        if lost {
            self.book.roll_back(mark);
            assert_eq!(snapshot(&self.book), before, "what was taken back never was");
            return None;
        }
        // The batch before is written; this one is on its way.
        self.book.commit(mark);
        self.naive = twin;
        effects.into_iter().for_each(|effects| self.read(effects));
        assert_eq!(snapshot(&self.reader), snapshot(&self.book), "the log tells it all");
        self.check();
        None
    }

    /// What an event of the log says, for a reader who has no rules.
    fn read(&mut self, effects: Effects) {
        assert!(sums(&effects.postings).values().all(|sum| *sum == 0), "{effects:?}");
        for change in &effects.changes {
            if let Change::Resolved { pending, .. } = change {
                assert!(self.ended.insert(*pending), "{pending} ended twice");
            }
        }
        let mut draft = self.reader.draft();
        draft.replay(&effects.postings, &effects.changes).unwrap();
        let changed = draft.into_changed();
        self.reader.keep(changed);
        self.reader.commit(self.reader.mark());
        self.log.push(effects);
    }

    /// What must hold of the books after every step.
    fn check(&self) {
        let mut totals: BTreeMap<Currency, i128> = BTreeMap::new();
        let mut open: BTreeMap<Account, (i128, i128)> = BTreeMap::new();
        for (_, set) in self.book.pendings() {
            if set.state == PendingState::Open {
                let amount = i128::from(set.amount.units());
                open.entry(set.from).or_default().0 += amount;
                open.entry(set.to).or_default().1 += amount;
            }
        }
        for (account, standing) in self.book.accounts() {
            let Standing { posted, debits_pending, credits_pending, .. } = standing;
            let [posted, out, coming] =
                [posted, debits_pending, credits_pending].map(|amount| i128::from(amount.units()));
            *totals.entry(account.currency()).or_default() += posted;
            assert_eq!(open.remove(&account).unwrap_or_default(), (out, coming), "{account}");
            match account.class().limit() {
                Limit::Debits => assert!(posted >= out, "{account} {standing:?}"),
                Limit::Credits => assert!(posted + coming <= 0, "{account} {standing:?}"),
                Limit::Free => {}
            }
        }
        assert_eq!(open, BTreeMap::new(), "reservations on accounts that nobody knows");
        assert!(totals.values().all(|sum| *sum == 0), "{totals:?}");
    }

    fn step(&mut self, step: &Step, seen: &mut Seen) {
        match step {
            Step::Chain(events, lost) => {
                let moves = events.iter().map(|event| self.moves(event)).collect();
                match self.chain(moves, *lost) {
                    Some(code) => *seen.refused.entry(code).or_default() += 1,
                    None => events.iter().map(Event::name).for_each(|name| {
                        *seen.accepted.entry(name).or_default() += 1;
                    }),
                }
            }
            Step::Wait(micros, awake) => {
                self.now = later(self.now, *micros);
                for pending in self.book.overdue(self.now) {
                    if *awake {
                        assert_eq!(self.chain(vec![vec![Move::Expire { pending }]], false), None);
                    }
                }
                assert!(!*awake || self.book.next_expiry().is_none_or(|at| at > self.now));
            }
        }
    }

    fn moves(&self, event: &Event) -> Vec<Move> {
        match event {
            Event::Flow(seeds) => seeds.moves(self.now),
            Event::Raw(moves) => moves.clone(),
            Event::Correct(at) => {
                let wrong = &self.log[at % self.log.len()];
                flows::correct(&wrong.postings).unwrap()
            }
        }
    }
}

fn compare(book: &Book, naive: &Naive) {
    let known = book.accounts().into_iter().map(|(account, _)| account);
    for account in known.chain(naive.accounts.keys().copied()) {
        let Columns { debits_posted, credits_posted, debits_pending, credits_pending, state } =
            naive.of(&account);
        let standing = book.standing(&account);
        let found = [standing.posted, standing.debits_pending, standing.credits_pending];
        assert_eq!(
            (found.map(|amount| i128::from(amount.units())), standing.state),
            ([credits_posted - debits_posted, debits_pending, credits_pending], state),
            "{account}"
        );
    }
    let pendings = book.pendings();
    assert!(pendings.iter().map(|(id, _)| id).eq(naive.set.keys()));
    for ((id, found), set) in pendings.iter().zip(naive.set.values()) {
        let ends = found.expires_at.map(Timestamp::micros);
        let amount = i128::from(found.amount.units());
        assert_eq!((found.from, found.to, amount), (set.from, set.to, set.amount), "{id}");
        assert_eq!((ends, found.state), (set.ends, set.state), "{id}");
    }
}

fn live(steps: &[Step], seen: &mut Seen) {
    let mut world = World::new();
    for step in steps {
        world.step(step, seen);
    }
    let hows = world.log.iter().flat_map(|effects| &effects.changes).filter_map(|change| {
        let Change::Resolved { how, .. } = change else { return None };
        Some(match how {
            Resolution::Posted => "posted",
            Resolution::Voided => "voided",
            Resolution::Expired => "expired",
        })
    });
    seen.resolved.extend(hows);
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    #[test]
    fn any_history_stands_alike_on_both_ledgers(steps in steps()) {
        live(&steps, &mut Seen::default());
    }
}

/// A property over histories that reach too little proves too little.
#[test]
fn the_histories_reach_every_flow_and_every_refusal() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen = Seen::default();
    for _ in 0..150 {
        let tree = steps().new_tree(&mut runner).unwrap();
        live(&tree.current(), &mut seen);
    }
    for name in FLOWS.iter().chain(&["raw", "correct"]) {
        assert!(seen.accepted.contains_key(name), "never accepted: {name} of {:?}", seen.accepted);
    }
    for code in ORDER {
        assert!(seen.refused.contains_key(code), "never given: {code} of {:?}", seen.refused);
    }
    assert_eq!(seen.resolved.len(), 3, "{:?}", seen.resolved);
}
