//! A made-up audit desk: one broken invariant, one silent witness, one open proposal.

use medusa_api::{
    AccountLine, AccountPage, AccountQuery, AccountState, AccountStatement, AccountStatementQuery,
    AccountSummary, Adjustment, AdjustmentPage, AdjustmentQuery, AdjustmentReason, AdjustmentState,
    AsOf, CheckpointPage, CheckpointQuery, CheckpointSummary, Cosigned, Currency, CurrencySum,
    EventFilter, EventOrder, EventSummary, EventSummaryPage, FieldProblem, InvariantRound,
    InvariantStatus, Invariants, Moved, NewAdjustment, ProjectionStatus, Projections, Rebuilt,
    TrialBalance, TrialLine,
};
use medusa_platform::{ApiError, Principal};
use medusa_types::{AdjustmentId, Timestamp, UserId, Uuid};
use medusa_web::{Answer, Decision, Desk};

use crate::made_up::{MadeUp, NOW, RUNNING, SHARP, USER, hash, missing, no, yes};

/// How many events the made-up log has.
pub(crate) const HEAD: i64 = 1_204;
/// A proposal of somebody else.
pub(crate) const THEIRS: AdjustmentId =
    AdjustmentId(Uuid::from_u128(0x0193_5c1e_77aa_7000_8000_0000_0000_0a01));
/// A proposal of the visitor's own.
pub(crate) const OWN: AdjustmentId =
    AdjustmentId(Uuid::from_u128(0x0193_5c1e_77aa_7000_8000_0000_0000_0a02));

const OTHER: UserId = UserId(Uuid::from_u128(0x0193_5c1e_0000_7000_8000_0000_0000_00bb));

fn refused<'a, T: Send + 'a>(detail: &str) -> Answer<'a, T> {
    no(ApiError::new(400, "platform.query_refused", "bad query", detail))
}

fn summary(account: &str, code: u16, balance: &str) -> AccountSummary {
    let class = account.split(':').next().unwrap_or_default().to_owned();
    let usd = code < 1_200;
    AccountSummary {
        account: account.into(),
        code,
        class,
        currency: if usd { Currency::Usd } else { Currency::Crd },
        balance: balance.into(),
        debits_pending: "0.00".into(),
        credits_pending: "1.50".into(),
        state: if usd { AccountState::Frozen } else { AccountState::Open },
        lines: 3,
        position: 1_204,
    }
}

fn accounts() -> Vec<AccountSummary> {
    vec![
        summary("bank", 1_000, "-12.00"),
        summary(&format!("consumer.promo:{USER}"), 2_030, "397.92759"),
        summary(&format!("escrow.promo:{RUNNING}"), 2_202, "1.26"),
    ]
}

fn adjustment(id: AdjustmentId, by: UserId, state: AdjustmentState) -> Adjustment {
    let decided = state != AdjustmentState::Proposed;
    Adjustment {
        id,
        account: format!("consumer.paid:{OTHER}"),
        counter_account: "suspense.adjustment".into(),
        currency: Currency::Crd,
        amount: "-12.50".into(),
        reason: AdjustmentReason::Correction,
        explanation: SHARP.into(),
        ticket: SHARP.into(),
        proposed_by: by,
        proposed_at: NOW,
        state,
        decided_by: decided.then_some(USER),
        decided_at: decided.then_some(NOW),
        position: (state == AdjustmentState::Approved).then_some(1_100),
        text_in_log: (state == AdjustmentState::Approved).then_some(true),
    }
}

fn event(position: i64) -> EventSummary {
    let moved = Moved {
        account: format!("escrow.promo:{RUNNING}"),
        currency: Currency::Crd,
        amount: "-0.016925".into(),
    };
    EventSummary {
        position,
        at: NOW,
        event: "billing.chunk_settled".into(),
        stream: format!("job-{RUNNING}"),
        version: 7,
        actor: None,
        causation: Some(1_190),
        moved: if position == HEAD { Vec::new() } else { vec![moved] },
        postings: if position == HEAD { 0 } else { 3 },
    }
}

fn invariant(id: &str, name: &str, bad: u64, checked: bool) -> InvariantStatus {
    InvariantStatus {
        id: id.into(),
        name: name.into(),
        meaning: format!("When it is broken, {SHARP} is wrong."),
        checked_at: checked.then_some(NOW),
        position: if checked { HEAD - 4 } else { 0 },
        bad,
        first_bad: (bad > 0).then_some(812),
        detail: match bad {
            0 => "no account has a reservation yet".into(),
            _ => "the balance of bank differs from its lines".into(),
        },
        idle: false,
    }
}

impl Desk for MadeUp {
    fn trial_balance<'a>(&'a self, _: &'a Principal, when: AsOf) -> Answer<'a, TrialBalance> {
        let position = when.position.unwrap_or(HEAD);
        if position > HEAD {
            return refused("the log ends at position 1204");
        }
        let line = |code, class: &str, currency, balance: &str| TrialLine {
            code,
            class: class.into(),
            currency,
            accounts: 4,
            balance: balance.into(),
        };
        let lines = vec![
            line(1_000, "bank", Currency::Usd, "-12.00"),
            line(2_030, "consumer.promo", Currency::Crd, "397.92759"),
            line(2_100, "lender.pending", Currency::Crd, "0.731169"),
            line(2_202, "escrow.promo", Currency::Crd, "1.26"),
            line(4_010, "income.compute_fee", Currency::Crd, "0.081241"),
            line(5_050, "expense.promo_grant", Currency::Crd, "-400.00"),
            line(9_100, "exchange.USD", Currency::Usd, "12.00"),
        ];
        let sum = |currency, side: &str| CurrencySum {
            currency,
            debit: side.into(),
            credit: side.into(),
            sum: "0.00".into(),
        };
        let sums = vec![sum(Currency::Crd, "400.00"), sum(Currency::Usd, "12.00")];
        if position == 0 {
            return yes(TrialBalance { lines: Vec::new(), sums: Vec::new(), position, at: None });
        }
        yes(TrialBalance { lines, sums, position, at: Some(NOW) })
    }

    fn accounts<'a>(&'a self, _: &'a Principal, wish: AccountQuery) -> Answer<'a, AccountPage> {
        let mut items = accounts();
        items.retain(|one| wish.search.as_deref().is_none_or(|text| one.account.contains(text)));
        let next = wish.after.is_none().then(|| "more&1".to_owned());
        yes(AccountPage { items, next, position: HEAD })
    }

    fn account<'a>(&'a self, _: &'a Principal, account: &'a str) -> Answer<'a, AccountSummary> {
        match accounts().into_iter().find(|one| one.account == account) {
            Some(found) => yes(found),
            None => missing("account"),
        }
    }

    fn account_statement<'a>(
        &'a self,
        _: &'a Principal,
        account: &'a str,
        wish: AccountStatementQuery,
    ) -> Answer<'a, AccountStatement> {
        if wish.from > wish.to.or(Some(HEAD)) {
            return refused("a statement begins before it ends");
        }
        let line = |position, amount: &str, balance: &str| AccountLine {
            position,
            entry: 0,
            at: Timestamp::from_micros(NOW.micros() + position),
            event: "billing.escrow_held".into(),
            stream: format!("job-{RUNNING}"),
            amount: amount.into(),
            balance: balance.into(),
        };
        let mut lines = vec![
            line(12, "400.00", "400.00"),
            line(1_040, "-1.26", "398.74"),
            line(1_204, "-0.81241", "397.92759"),
        ];
        lines.retain(|line| wish.to.is_none_or(|to| line.position <= to));
        let closing = lines.last().map_or("0.00".to_owned(), |line| line.balance.clone());
        yes(AccountStatement {
            account: account.to_owned(),
            currency: Currency::Crd,
            from: 1,
            to: wish.to.unwrap_or(HEAD),
            since: Some(NOW),
            until: Some(NOW.plus_ms(2)),
            opening: "0.00".into(),
            lines,
            closing,
            next: None,
            previous: wish.before.is_none().then(|| "12.0".to_owned()),
        })
    }

    fn events<'a>(&'a self, _: &'a Principal, wish: EventFilter) -> Answer<'a, EventSummaryPage> {
        let limit = i64::from(wish.limit.unwrap_or(50));
        let mut positions: Vec<i64> = (HEAD - limit + 1..=HEAD).collect();
        if wish.order == EventOrder::Newest {
            positions.reverse();
        }
        if wish.event.as_deref() == Some("none.") {
            positions.clear();
        }
        let next = wish.after.is_none().then(|| "1154".to_owned());
        let items = positions.into_iter().map(event).collect();
        yes(EventSummaryPage { items, next, head: HEAD })
    }

    fn invariants<'a>(&'a self, _: &'a Principal) -> Answer<'a, Invariants> {
        let items = vec![
            invariant("I01", "positions have no gaps", 0, true),
            invariant("I05", "each balance is the sum of its lines", 2, true),
            invariant("L04", "a reservation ends once", 0, false),
            InvariantStatus { idle: true, ..invariant("L12", "ad credits are backed", 0, true) },
        ];
        let round =
            InvariantRound { events_at: Some(NOW), events: 1_100, ..InvariantRound::default() };
        yes(Invariants { items, head: HEAD, round, checking: true })
    }

    fn check_invariants<'a>(&'a self, who: &'a Principal) -> Answer<'a, Invariants> {
        self.invariants(who)
    }

    fn checkpoints<'a>(
        &'a self,
        _: &'a Principal,
        wish: CheckpointQuery,
    ) -> Answer<'a, CheckpointPage> {
        let checkpoint = |size: i64| {
            let root = hash(&size.to_string());
            CheckpointSummary {
                size,
                root,
                at: NOW,
                cosigned: vec![Cosigned { witness: "witness.test/one".into(), at: NOW }],
                note: format!("medusa.test/log\n{size}\n{root}\n\n\u{2014} medusa.test/log AAAA\n"),
            }
        };
        let limit = i64::from(wish.limit.unwrap_or(50));
        yes(CheckpointPage {
            items: (0..limit).map(|n| checkpoint(HEAD - n)).collect(),
            witnesses: vec!["witness.test/one".into(), "witness.test/two".into()],
            next: wish.after.is_none().then(|| "1184".to_owned()),
        })
    }

    fn projections<'a>(&'a self, _: &'a Principal) -> Answer<'a, Projections> {
        let one = |name: &str, lag: u64, rebuilt| ProjectionStatus {
            name: name.into(),
            position: HEAD - i64::try_from(lag).unwrap(),
            head: HEAD,
            lag_events: lag,
            lag_ms: (lag > 0).then_some(1_240),
            rebuilt,
            away: false,
        };
        let rebuilt = Some(Rebuilt { at: NOW, ms: 9_120, differences: 3 });
        let away = ProjectionStatus { away: true, ..one("job.live", 1_000, None) };
        let items = vec![away, one("jobs", 0, rebuilt), one("wallet.live", 17, None)];
        yes(Projections { items })
    }

    fn adjustments<'a>(
        &'a self,
        _: &'a Principal,
        wish: AdjustmentQuery,
    ) -> Answer<'a, AdjustmentPage> {
        let mut items = vec![
            adjustment(THEIRS, OTHER, AdjustmentState::Proposed),
            adjustment(OWN, USER, AdjustmentState::Proposed),
            adjustment(AdjustmentId(Uuid::from_u128(3)), OTHER, AdjustmentState::Approved),
            adjustment(AdjustmentId(Uuid::from_u128(4)), OTHER, AdjustmentState::Rejected),
        ];
        items.retain(|one| wish.state.is_none_or(|state| one.state == state));
        yes(AdjustmentPage { items, next: None })
    }

    fn propose<'a>(
        &'a self,
        who: &'a Principal,
        key: String,
        wish: NewAdjustment,
    ) -> Answer<'a, Adjustment> {
        assert!(key.starts_with("desk-") && key.len() <= 255);
        if wish.ticket.is_empty() {
            let detail = "the proposal is not complete";
            let mut error = ApiError::new(422, "billing.adjustment_refused", "refused", detail);
            let message = "name the ticket".into();
            error.0.errors.push(FieldProblem { pointer: "/ticket".into(), message });
            return no(error);
        }
        yes(adjustment(OWN, who.user, AdjustmentState::Proposed))
    }

    fn decide<'a>(
        &'a self,
        who: &'a Principal,
        id: AdjustmentId,
        decision: Decision,
    ) -> Answer<'a, Adjustment> {
        if id == OWN && decision != Decision::Withdraw {
            let detail = "somebody else decides about what you proposed";
            return no(ApiError::new(403, "billing.second_person", "not by yourself", detail));
        }
        yes(adjustment(id, who.user, AdjustmentState::Approved))
    }
}
