//! A session in which anything may happen at any time: agents are cut, come back, are killed, fail
//! and are late, the log is slow, the server starts again. Whatever happens, each round is answered
//! once, with the bytes of an undisturbed session, and the bill is that of what agents did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use medusa_api::{HomeWord, SeatWord};
use medusa_protocol::{Number, PART_BYTES, Parts, Reduce, SessionHead, SessionKind};
use medusa_types::{Credits, LeaseId, Outcome};

use super::super::{Out, Rules, Table};
use super::{TERMS, agent_of, lease, lender_of};
use crate::domain::bill::{Bill, Window};
use crate::domain::dice::Dice;
use crate::domain::reduce::Nan;

/// Rounds of a session.
const ROUNDS: u64 = 24;
/// Agents that may be lost in one.
const LOSSES: u32 = 12;

/// What a program answers to a round: it depends on the shard, on what is asked, and, where it
/// remembers, on all rounds before.
fn computed(shard: u32, state: &mut u64, remembers: bool, payload: &[u8]) -> Vec<u8> {
    let sum = payload.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
    let mut dice = Dice(sum ^ u64::from(shard) ^ *state);
    if remembers {
        *state = dice.throw();
    }
    (0..payload.len() >> 3).flat_map(|_| dice.throw().to_le_bytes()).collect()
}

/// What the client asks: its payload, how it is put together, and whom.
#[derive(Clone)]
struct Ask {
    payload: Vec<u8>,
    reduce: Reduce,
    alone: Option<u32>,
}

impl Ask {
    fn any(dice: &mut Dice, shards: u32) -> Self {
        let small = [0, 8, 16, 64];
        let large = [PART_BYTES, PART_BYTES + 8, 2 * PART_BYTES + 16];
        let len = match dice.below(12) {
            0 => large[dice.of(large.len())],
            _ => small[dice.of(small.len())],
        };
        let byte = dice.throw().to_le_bytes()[0];
        let reduces = [Reduce::Sum, Reduce::Min, Reduce::None, Reduce::Concat];
        let shard = u32::try_from(dice.below(shards.into())).unwrap();
        Self {
            payload: vec![byte; len],
            reduce: reduces[dice.of(reduces.len())],
            alone: (dice.below(5) == 0).then_some(shard),
        }
    }

    fn messages(&self, round: u64) -> VecDeque<Bytes> {
        let total = u32::try_from(self.payload.len()).unwrap();
        let kind = if self.alone.is_some() { SessionKind::Call } else { SessionKind::Round };
        let head = SessionHead {
            reduce: self.reduce,
            number: Number::I64,
            shard: self.alone.unwrap_or_default(),
            ..SessionHead::new(kind, round, total)
        };
        head.messages(&self.payload).map(Bytes::from).collect()
    }

    /// What comes out of an undisturbed session, shard after shard.
    fn expected(&self, states: &mut [u64], remembers: bool) -> Vec<Vec<u8>> {
        let shards = (0_u32..).zip(states);
        let asked = shards.filter(|(shard, _)| self.alone.is_none_or(|alone| alone == *shard));
        let answers: Vec<Vec<u8>> =
            asked.map(|(shard, state)| computed(shard, state, remembers, &self.payload)).collect();
        let fold = |with: fn(i64, i64) -> i64| {
            let columns = |at: usize| {
                let of =
                    |answer: &Vec<u8>| i64::from_le_bytes(answer[at..at + 8].try_into().unwrap());
                answers.iter().map(of).reduce(with).unwrap()
            };
            vec![
                (0..answers[0].len()).step_by(8).flat_map(|at| columns(at).to_le_bytes()).collect(),
            ]
        };
        match self.reduce {
            _ if self.alone.is_some() => answers,
            Reduce::None => answers,
            Reduce::Concat => vec![answers.concat()],
            Reduce::Min => fold(i64::min),
            _ => fold(i64::wrapping_add),
        }
    }
}

/// An agent with its guest, as far as a table can see it.
#[derive(Default)]
struct Agent {
    here: bool,
    shard: Option<u32>,
    state: u64,
    answered: u64,
    last: Vec<Bytes>,
    fuel: u64,
    /// Fuel of all its guests.
    total: u64,
    parts: Parts,
    inbox: VecDeque<Bytes>,
    outbox: VecDeque<Bytes>,
    ready_to_say: bool,
}

impl Agent {
    fn begin(&mut self, shard: u32) {
        let total = self.total;
        let (inbox, here) = (std::mem::take(&mut self.inbox), self.here);
        *self =
            Self { here, shard: Some(shard), total, inbox, ready_to_say: true, ..Self::default() };
    }

    /// Takes one message of the home in.
    fn work(&mut self, remembers: bool) {
        let Some(message) = self.inbox.pop_front() else { return };
        let (head, part) = SessionHead::decode(&message).unwrap();
        if head.kind == SessionKind::Take {
            return self.begin(head.shard);
        }
        if head.offset == 0 {
            self.parts = Parts::default();
        }
        if !self.parts.add(&head, part).expect("parts come in order") {
            return;
        }
        let payload = std::mem::take(&mut self.parts).payload;
        if head.round <= self.answered {
            if head.round == self.answered {
                self.outbox.extend(self.last.iter().cloned());
            }
            return;
        }
        let shard = self.shard.expect("only who has a shard is asked");
        assert!(head.kind == SessionKind::Round || head.shard == shard, "it is for another shard");
        let answer = computed(shard, &mut self.state, remembers, &payload);
        let cost = 10 + u64::from(shard);
        (self.fuel, self.total) = (self.fuel + cost, self.total + cost);
        self.answered = head.round;
        let total = u32::try_from(answer.len()).unwrap();
        let head = SessionHead {
            fuel: self.fuel,
            ..SessionHead::new(SessionKind::Answer, head.round, total)
        };
        self.last = head.messages(&answer).map(Bytes::from).collect();
        self.outbox.extend(self.last.iter().cloned());
    }

    fn cut(&mut self) {
        self.here = false;
        self.inbox.clear();
        self.outbox.clear();
        self.parts = Parts::default();
    }
}

struct World {
    dice: Dice,
    rules: Rules,
    table: Table,
    agents: BTreeMap<LeaseId, Agent>,
    created: u128,
    losses: u32,
    wanted: u32,
    gives: VecDeque<(LeaseId, u32)>,
    asks: Vec<Ask>,
    /// The next round of the client, and what of it is to be sent.
    next: u64,
    sending: VecDeque<Bytes>,
    /// Rounds that wait for answers, with what has come of them.
    pending: BTreeMap<u64, (Parts, Vec<Vec<u8>>)>,
    expected: Vec<Vec<Vec<u8>>>,
    answers: u64,
    windows: Vec<Window>,
    /// Windows that the log has.
    logged: usize,
    ended: Option<Option<&'static str>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let shards = u32::try_from(1 + dice.below(4)).unwrap();
        let spares = u32::try_from(dice.below(u64::from(shards) + 1)).unwrap();
        let rules = Rules { shards, spares, nan: Nan::Refuse, remembers: dice.below(2) == 0 };
        let asks: Vec<Ask> = (0..ROUNDS).map(|_| Ask::any(&mut dice, shards)).collect();
        let mut states = vec![0; usize::try_from(shards).unwrap()];
        let expected = asks.iter().map(|ask| ask.expected(&mut states, rules.remembers)).collect();
        Self {
            dice,
            rules,
            table: Table::new(rules, Bill::new(TERMS), 0),
            agents: BTreeMap::new(),
            created: 0,
            losses: 0,
            wanted: 0,
            gives: VecDeque::new(),
            asks,
            next: 1,
            sending: VecDeque::new(),
            pending: BTreeMap::new(),
            expected,
            answers: 0,
            windows: Vec::new(),
            logged: 0,
            ended: None,
        }
    }

    /// One of the agents that are so.
    fn any(&mut self, is: impl Fn(&Agent) -> bool) -> Option<LeaseId> {
        let like: Vec<LeaseId> =
            self.agents.iter().filter(|(_, agent)| is(agent)).map(|(lease, _)| *lease).collect();
        (!like.is_empty()).then(|| like[self.dice.of(like.len())])
    }

    fn may_lose(&mut self) -> bool {
        self.losses += 1;
        self.losses <= LOSSES
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..20 => self.client(),
            20..50 => {
                if let Some(lease) = self.any(|agent| !agent.inbox.is_empty()) {
                    self.agents.get_mut(&lease).unwrap().work(self.rules.remembers);
                }
            }
            50..80 => self.deliver(),
            80..84 => self.hire(),
            84..88 => self.arrive(),
            88..90 => {
                if let Some(lease) = self.any(|agent| agent.here) {
                    self.agents.get_mut(&lease).unwrap().cut();
                    self.table.cut(lease);
                }
            }
            90..93 => self.keep(),
            93..96 => self.pay(),
            96 => self.lose(),
            97 if self.may_lose() => {
                let late = self.table.waits_for();
                self.table.replace_late(&late);
            }
            98 if self.dice.below(8) == 0 && !self.rules.remembers => self.restart(),
            _ => {}
        }
        self.settle();
    }

    /// The client sends one message more.
    fn client(&mut self) {
        if self.sending.is_empty() && self.next <= ROUNDS && self.pending.len() < 8 {
            let ask = &self.asks[usize::try_from(self.next - 1).unwrap()];
            self.sending = ask.messages(self.next);
            self.pending.insert(self.next, Default::default());
            self.next += 1;
        }
        if let Some(message) = self.sending.pop_front() {
            self.table.client(message);
        }
    }

    /// Something that an agent said comes in.
    fn deliver(&mut self) {
        let speaks = |agent: &Agent| agent.here && (agent.ready_to_say || !agent.outbox.is_empty());
        let Some(lease) = self.any(speaks) else { return };
        let agent = self.agents.get_mut(&lease).unwrap();
        if std::mem::take(&mut agent.ready_to_say) {
            let shard = agent.shard.unwrap();
            return self.table.word(lease, SeatWord::Ready { shard });
        }
        let message = agent.outbox.pop_front().unwrap();
        self.table.seat(lease, message);
    }

    /// An agent is found.
    fn hire(&mut self) {
        if self.wanted > 0 {
            self.wanted -= 1;
            self.created += 1;
            let lease = lease(self.created);
            self.agents.insert(lease, Agent::default());
            self.table.taken(lease, agent_of(lease), lender_of(lease));
        }
    }

    fn arrive(&mut self) {
        let Some(lease) = self.any(|agent| !agent.here) else { return };
        let agent = self.agents.get_mut(&lease).unwrap();
        (agent.here, agent.ready_to_say) = (true, false);
        let word = SeatWord::Here { shard: agent.shard, round: agent.answered, fuel: agent.fuel };
        self.table.word(lease, word);
    }

    /// The keeper brings a shard.
    fn keep(&mut self) {
        let Some((lease, shard)) = self.gives.pop_front() else { return };
        if self.table.sends(lease, shard) {
            let agent = self.agents.get_mut(&lease).unwrap();
            assert!(agent.here);
            let head = SessionHead { shard, ..SessionHead::new(SessionKind::Take, 0, 0) };
            agent.inbox.extend(head.messages(&[]).map(Bytes::from));
        }
    }

    /// A window goes to the log, or comes from there.
    fn pay(&mut self) {
        if self.logged < self.windows.len() {
            let window = &self.windows[self.logged];
            self.logged += 1;
            let leases = window.shares.iter().map(|share| share.lease);
            self.table.covered(window.round, leases);
        } else if let Some(window) = self.table.bill.window(self.table.answered()) {
            self.windows.push(window);
        }
    }

    /// An agent is gone, or its guest ends.
    fn lose(&mut self) {
        if self.dice.below(2) == 0 && self.may_lose() {
            if let Some(lease) = self.any(|_| true) {
                self.agents.remove(&lease);
                self.table.left(lease);
            }
        } else if self.losses < 2
            && self.may_lose()
            && let Some(lease) = self.any(|agent| agent.here)
        {
            let word = SeatWord::Failed {
                outcome: Outcome::Trap,
                detail: "unreachable".into(),
                unfinished: false,
                round: 0,
                fuel: 0,
            };
            self.table.word(lease, word);
        }
    }

    /// The server ends and starts again: what the log has is all that is known.
    fn restart(&mut self) {
        let mut bill = Bill::new(TERMS);
        self.windows.truncate(self.logged);
        for window in &self.windows {
            bill.paid(window.number, &window.shares, window.price);
        }
        let covered = self.windows.last().map_or(0, |window| window.round);
        self.table = Table::new(self.rules, bill, covered);
        for (lease, agent) in &mut self.agents {
            agent.cut();
            self.table.adopt(*lease, agent_of(*lease), lender_of(*lease));
        }
        (self.wanted, self.next) = (0, covered + 1);
        self.gives.clear();
        self.sending.clear();
        self.pending.clear();
        self.answers = covered;
    }

    /// Does what the table wants done.
    fn settle(&mut self) {
        let mut outs = Vec::new();
        self.table.take_outs(&mut outs);
        for out in outs {
            match out {
                Out::Client(message) => self.answered(&message),
                Out::Seat(lease, message) => {
                    let agent = self.agents.get_mut(&lease).expect("it has a seat");
                    assert!(agent.here, "who is not here is sent nothing");
                    agent.inbox.push_back(message);
                }
                Out::Give(lease, agent, shard) => {
                    assert_eq!(agent, agent_of(lease));
                    self.gives.push_back((lease, shard));
                }
                Out::Want(seats) => self.wanted += seats,
                Out::Dismiss(lease, _) => {
                    self.agents.remove(&lease).expect("it has a seat");
                }
                Out::End(code, _) => {
                    assert_eq!(self.ended.replace(code), None, "it ends once");
                }
                Out::Say(HomeWord::Refused { code, detail, .. }) => panic!("{code}: {detail}"),
                Out::Say(_) | Out::Order(..) => {}
            }
        }
        let seats = u64::from(self.rules.shards + self.rules.spares);
        let now = u64::try_from(self.agents.len()).unwrap() + u64::from(self.wanted);
        assert!(self.table.is_over() || now == seats, "{now} agents and wanted, for {seats} seats");
    }

    fn answered(&mut self, message: &Bytes) {
        let (head, part) = SessionHead::decode(message).unwrap();
        assert_eq!(head.kind, SessionKind::Answer);
        // A round may be ahead of one that waits for another shard.
        let pending = self.pending.get_mut(&head.round);
        let (parts, payloads) = pending.expect("a round is answered once");
        if !parts.add(&head, part).expect("parts come in order") {
            return;
        }
        payloads.push(std::mem::take(parts).payload);
        let wanted = &self.expected[usize::try_from(head.round - 1).unwrap()];
        assert!(payloads.len() <= wanted.len());
        if payloads.len() == wanted.len() {
            assert!(payloads == wanted, "round {} has other bytes", head.round);
            self.pending.remove(&head.round);
            self.answers += 1;
        }
    }

    /// What every agent is paid is the price of what it did, and no more.
    fn check_bill(&mut self) {
        while self.logged < self.windows.len() {
            self.pay();
        }
        self.pay();
        let mut paid: BTreeMap<LeaseId, Credits> = BTreeMap::new();
        let mut price = Credits::ZERO;
        for (number, window) in (1..).zip(&self.windows) {
            assert_eq!(window.number, number);
            price = price.saturating_add(window.price);
            for share in &window.shares {
                let sum = paid.entry(share.lease).or_default();
                *sum = sum.saturating_add(share.amount);
            }
        }
        assert_eq!(self.table.bill.owed(), price, "all that is owed is in a window");
        let leases: BTreeSet<LeaseId> = paid.keys().copied().collect();
        let prices = leases.iter().map(|lease| TERMS.price(self.table.bill.fuel_of(*lease)));
        assert_eq!(prices.fold(Credits::ZERO, Credits::saturating_add), price);
        for (lease, agent) in &self.agents {
            assert!(self.table.bill.fuel_of(*lease).0 <= agent.total, "it did no more");
        }
    }
}

#[test]
fn whatever_happens_each_round_is_answered_once_and_with_the_same_bytes() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        world.settle();
        let mut steps = 0;
        while world.answers < ROUNDS {
            world.step();
            steps += 1;
            assert!(steps < 200_000, "seed {seed} stands still after round {}", world.answers);
            assert_eq!(world.ended, None, "seed {seed}");
        }
        world.table.finish();
        world.settle();
        assert_eq!(world.ended, Some(None), "seed {seed}");
        world.check_bill();
    }
}
