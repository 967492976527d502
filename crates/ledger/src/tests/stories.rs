//! What can happen in a random history: flows with random numbers, moves of every kind, chains of
//! them, corrections, and time.

use proptest::prelude::*;

use super::*;
use crate::flows::{
    self, Chargeback, Clawback, Debtor, Payout, PayoutIds, Purchase, View, ViewIds,
};
use crate::{Bucket, Cents, Provider};

/// Numbers from which a flow takes what it needs.
#[derive(Clone, Debug)]
pub(super) struct Seeds {
    pub(super) flow: &'static str,
    who: u128,
    other: u128,
    job: u128,
    pair: u128,
    bucket: usize,
    amount: i64,
    part: i64,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Flow(Seeds),
    Raw(Vec<Move>),
    /// Undoes what the event at this place of the log moved.
    Correct(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A chain of events, and whether the batch that it is in gets lost before it is written.
    Chain(Vec<Event>, bool),
    /// Time passes; the clock looks after what is over, or is late.
    Wait(i64, bool),
}

/// What comes one after the other with the same numbers.
const STORIES: &[[&str; 2]] = &[
    ["start_view", "prove_view"],
    ["start_view", "void_view"],
    ["reward_view", "reverse_view"],
    ["request_payout", "complete_payout"],
    ["request_payout", "fail_payout"],
    ["hold", "settle"],
    ["hold", "release"],
    ["charge_back", "win_chargeback"],
];

pub(super) const FLOWS: &[&str] = &[
    "grant",
    "expire_grant",
    "purchase",
    "receive_settlement",
    "fund_advertiser",
    "fund_campaign",
    "fund_house_campaign",
    "release_campaign",
    "start_view",
    "prove_view",
    "void_view",
    "reward_view",
    "reverse_view",
    "expire_ad_credits",
    "hold",
    "top_up",
    "settle",
    "settle_window",
    "mature",
    "release",
    "refund",
    "request_payout",
    "complete_payout",
    "fail_payout",
    "return_payout",
    "charge_back",
    "win_chargeback",
    "repay_debt",
    "write_off_debt",
    "claw_back",
    "adjust",
    "withhold_tax",
    "freeze",
];

impl Seeds {
    pub(super) fn moves(&self, now: Timestamp) -> Vec<Move> {
        let (who, other) = (user(self.who), user(self.other));
        let (amount, part) = (micros(self.amount), micros(self.part));
        let (job, shares) = (job(self.job), [(who, amount), (other, part)]);
        match self.flow {
            "grant" => flows::grant(who, amount),
            "expire_grant" => flows::expire_grant(who, amount),
            "hold" => flows::hold(who, job, amount),
            "top_up" => flows::top_up(who, job, amount),
            "settle" => flows::settle(job, shares, micros(1)),
            "settle_window" => flows::settle_window(job, shares, part),
            "mature" => flows::mature(who, amount),
            "release" => flows::release(job, who),
            "claw_back" => flows::claw_back(&Clawback {
                lender: who,
                amount,
                fee: part,
                back_to: match self.pair.is_multiple_of(2) {
                    true => Account::escrow(self.bucket(), job),
                    false => Account::wallet(self.bucket(), other),
                },
            }),
            "adjust" => {
                let sign = if self.pair.is_multiple_of(2) { 1 } else { -1 };
                let amount = units(self.amount.saturating_mul(sign));
                let mut moves = flows::adjust(Account::wallet(self.bucket(), who), amount);
                moves.extend(flows::explain_adjustment(account("expense.goodwill"), amount));
                moves
            }
            "withhold_tax" => flows::withhold_tax(who, amount),
            "freeze" if self.bucket == 0 => flows::freeze(who),
            "freeze" => flows::unfreeze(who),
            _ => self.moves_of_ads(now).unwrap_or_else(|| self.moves_of_money()),
        }
    }

    fn moves_of_ads(&self, now: Timestamp) -> Option<Vec<Move>> {
        let (who, campaign) = (user(self.who), campaign(1));
        let (amount, part) = (micros(self.amount), micros(self.part));
        let view = View { user: who, campaign, price: amount, reward: part };
        let [reward, margin] = self.ids();
        let ids = ViewIds { reward, margin };
        let all = self.bucket == 0;
        Some(match self.flow {
            "fund_campaign" => flows::fund_campaign(who, campaign, amount),
            "fund_house_campaign" => flows::fund_house_campaign(campaign, amount),
            "release_campaign" => flows::release_campaign(campaign, who, (!all).then_some(amount)),
            "start_view" => flows::start_view(&view, ids, later(now, self.part)),
            "prove_view" => flows::prove_view(ids),
            "void_view" => flows::void_view(ids),
            "reward_view" => flows::reward_view(&view),
            "reverse_view" => flows::reverse_view(&view),
            "expire_ad_credits" => flows::expire_ad_credits(who, amount),
            _ => return None,
        })
    }

    fn moves_of_money(&self) -> Vec<Move> {
        let (who, provider) = (user(self.who), Provider::new("card").unwrap());
        let (credits, cents) = (micros(self.amount), Cents::new(self.part));
        let bought = Purchase { provider, user: who, cents, credits };
        let back = Chargeback { bought, fee: Cents::new(1) };
        let [amount, fee] = self.ids();
        let ids = PayoutIds { amount, fee };
        let payout = Payout { lender: who, amount: credits, fee: micros(self.part), ids };
        match self.flow {
            "purchase" => flows::purchase(&bought),
            "receive_settlement" => flows::receive_settlement(provider, cents, Cents::new(1)),
            "fund_advertiser" => flows::fund_advertiser(&bought),
            "refund" => flows::refund(&bought),
            "request_payout" => flows::request_payout(&payout),
            "complete_payout" => flows::complete_payout(ids, credits, cents),
            "fail_payout" => flows::fail_payout(ids),
            "return_payout" => flows::return_payout(who, credits, cents),
            "charge_back" => flows::charge_back(&back, &[job(self.job)]),
            "win_chargeback" => flows::win_chargeback(&back),
            "repay_debt" => flows::repay_debt(self.debtor(), credits),
            "write_off_debt" => flows::write_off_debt(self.debtor(), credits),
            other => panic!("there is no flow {other}"),
        }
    }

    fn ids(&self) -> [PendingId; 2] {
        [pending(2 * self.pair), pending(2 * self.pair + 1)]
    }

    fn bucket(&self) -> Bucket {
        Bucket::ALL[self.bucket % Bucket::ALL.len()]
    }

    fn debtor(&self) -> Debtor {
        let who = user(self.who);
        if self.bucket.is_multiple_of(2) { Debtor::Consumer(who) } else { Debtor::Lender(who) }
    }
}

pub(super) fn later(now: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(now.micros().saturating_add(micros))
}

/// Mostly small, so that things fit and just do not fit; sometimes negative or enormous.
fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![
        40 => 1..20_i64,
        4 => Just(0),
        1 => -3..0_i64,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        1 => Just(i64::MAX >> 1),
    ]
}

fn seeds() -> impl Strategy<Value = Seeds> {
    let people = (1..3_u128, 1..3_u128);
    let flow = prop::sample::select(FLOWS);
    (flow, people, 1..4_u128, 1..6_u128, 0..4_usize, amounts(), amounts()).prop_map(
        |(flow, (who, other), job, pair, bucket, amount, part)| Seeds {
            flow,
            who,
            other,
            job,
            pair,
            bucket,
            amount,
            part,
        },
    )
}

fn story() -> impl Strategy<Value = Vec<Event>> {
    (prop::sample::select(STORIES), seeds()).prop_map(|(flows, seeds)| {
        flows.map(|flow| Event::Flow(Seeds { flow, ..seeds.clone() })).to_vec()
    })
}

/// Few accounts, so that they meet again; of every limit and both currencies.
fn accounts() -> impl Strategy<Value = Account> {
    const NAMES: &[&str] = &[
        "consumer.promo:1",
        "consumer.ad:1",
        "consumer.paid:1",
        "lender.available:1",
        "consumer.paid:2",
        "escrow.promo:1",
        "receivable.consumer:1",
        "receivable.lender:1",
        "expense.promo_grant",
        "income.breakage",
    ];
    const DOLLARS: &[&str] = &["bank", "exchange.USD", "psp_clearing:card"];
    prop_oneof![
        12 => prop::sample::select(NAMES).prop_map(account),
        1 => prop::sample::select(DOLLARS).prop_map(account),
    ]
}

fn ids() -> impl Strategy<Value = PendingId> {
    (2..10_u128).prop_map(pending)
}

fn raw() -> impl Strategy<Value = Move> {
    let several = || prop::collection::vec((accounts(), amounts()), 0..4);
    let amount = || amounts().prop_map(units);
    let expiry = prop::option::of((0..6_i64).prop_map(Timestamp::from_micros));
    const STATES: &[AccountState] =
        &[AccountState::Open, AccountState::Frozen, AccountState::Closed];
    let plain = prop_oneof![
        3 => (prop::collection::vec(accounts(), 0..4), several()).prop_map(|(from, to)| {
            Move::Split { from, to: to.into_iter().map(|(a, n)| (a, units(n))).collect() }
        }),
        3 => (accounts(), accounts(), amount()).prop_map(|(a, b, n)| Move::pay(a, b, n)),
        2 => (prop::collection::vec((accounts(), accounts()), 0..4), amount())
            .prop_map(|(pairs, amount)| Move::Waterfall { pairs, amount }),
        1 => (accounts(), accounts()).prop_map(|(from, to)| Move::Rest { from, to }),
        2 => (accounts(), accounts(), amount())
            .prop_map(|(from, to, amount)| Move::UpTo { from, to, amount }),
        4 => (ids(), accounts(), accounts(), amount(), expiry).prop_map(
            |(pending, from, to, amount, expires_at)| {
                Move::Reserve { pending, from, to, amount, expires_at }
            }
        ),
        3 => (ids(), prop::option::of(amount()))
            .prop_map(|(pending, amount)| Move::Post { pending, amount }),
        1 => ids().prop_map(|pending| Move::Void { pending }),
        1 => ids().prop_map(|pending| Move::Expire { pending }),
        2 => (accounts(), prop::sample::select(STATES))
            .prop_map(|(account, state)| Move::SetState { account, state }),
    ];
    plain.prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Move::Forced))
}

/// A reservation that fits, and what is done to it, at once or a few steps later.
fn life() -> impl Strategy<Value = Vec<Move>> {
    let ends = (2..9_i64).prop_map(Timestamp::from_micros);
    let part = amounts().prop_map(units);
    (ids(), 1..9_i64, prop::option::of(ends), part, 0..6_u8).prop_map(
        |(pending, amount, expires_at, part, end)| {
            let (from, to) = (account("consumer.paid:1"), account("escrow.promo:1"));
            let amount = units(amount);
            let mut moves = vec![Move::Reserve { pending, from, to, amount, expires_at }];
            moves.extend(match end {
                0 => Some(Move::Post { pending, amount: None }),
                1 => Some(Move::Post { pending, amount: Some(part) }),
                2 => Some(Move::Void { pending }),
                3 => Some(Move::Expire { pending }),
                _ => None,
            });
            moves
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => seeds().prop_map(Event::Flow),
        4 => prop::collection::vec(raw(), 1..4).prop_map(Event::Raw),
        1 => life().prop_map(Event::Raw),
        1 => (0..99_usize).prop_map(Event::Correct),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let chain = prop_oneof![
        4 => prop::collection::vec(event(), 1..2),
        1 => prop::collection::vec(event(), 2..4),
        1 => story(),
    ];
    let step = prop_oneof![
        8 => (chain, prop::bool::weighted(0.1)).prop_map(|(chain, lost)| Step::Chain(chain, lost)),
        1 => (0..4_i64, any::<bool>()).prop_map(|(micros, awake)| Step::Wait(micros, awake)),
    ];
    prop::collection::vec(step, 1..50)
}

impl Event {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Flow(seeds) => seeds.flow,
            Self::Raw(_) => "raw",
            Self::Correct(_) => "correct",
        }
    }
}
