//! Lists of the desk as tables: every list, every column, and nothing that runs.

use std::collections::BTreeSet;

use medusa_api::{
    AccountState, Adjustment, AdjustmentReason, AdjustmentState, Cosigned, Currency,
    InvariantRound, Moved,
};
use medusa_types::{AdjustmentId, Sha256Hash, Timestamp, UserId, Uuid};

use super::*;

const AT: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const USER: UserId = UserId(Uuid::from_u128(1));

fn adjustment(explanation: &str, ticket: &str) -> Adjustment {
    Adjustment {
        id: AdjustmentId(Uuid::from_u128(1)),
        account: "consumer.paid:usr_1".into(),
        counter_account: "suspense.adjustment".into(),
        currency: Currency::Crd,
        amount: "-5.00".into(),
        reason: AdjustmentReason::Test,
        explanation: explanation.into(),
        ticket: ticket.into(),
        proposed_by: USER,
        proposed_at: AT,
        state: AdjustmentState::Proposed,
        decided_by: None,
        decided_at: None,
        position: None,
        text_in_log: None,
    }
}

/// A list as its name, columns, first item and table.
struct Sample {
    name: &'static str,
    columns: &'static [&'static str],
    item: Value,
    table: String,
}

fn sample<L: Listing>(list: &L) -> Sample {
    // In a statement it is the one between opening and closing.
    let mut items = list.items();
    let item = items.remove(items.len() >> 1);
    Sample { name: L::NAME, columns: L::COLUMNS, item, table: table(list) }
}

fn trial_balance() -> Sample {
    let line = medusa_api::TrialLine {
        code: 5050,
        class: "expense.promo_grant".into(),
        currency: Currency::Crd,
        accounts: 1,
        balance: "-5.00".into(),
    };
    sample(&TrialBalance { lines: vec![line], sums: Vec::new(), position: 1, at: Some(AT) })
}

fn accounts() -> Sample {
    let account = medusa_api::AccountSummary {
        account: "bank".into(),
        code: 1000,
        class: "bank".into(),
        currency: Currency::Usd,
        balance: "-1.00".into(),
        debits_pending: "0.00".into(),
        credits_pending: "0.00".into(),
        state: AccountState::Open,
        lines: 1,
        position: 1,
    };
    sample(&AccountPage { items: vec![account], next: None, position: 1 })
}

fn statement() -> Sample {
    let line = medusa_api::AccountLine {
        position: 1,
        entry: 0,
        at: AT,
        event: "billing.test".into(),
        stream: "test".into(),
        amount: "-1.00".into(),
        balance: "-1.00".into(),
    };
    sample(&AccountStatement {
        account: "bank".into(),
        currency: Currency::Usd,
        from: 1,
        to: 1,
        since: None,
        until: None,
        opening: "0.00".into(),
        lines: vec![line],
        closing: "-1.00".into(),
        next: None,
        previous: None,
    })
}

fn events() -> Sample {
    let moved = |account: &str, amount: &str| Moved {
        account: account.into(),
        currency: Currency::Crd,
        amount: amount.into(),
    };
    let event = medusa_api::EventSummary {
        position: 1,
        at: AT,
        event: "billing.test".into(),
        stream: "test".into(),
        version: 1,
        actor: Some(USER),
        causation: None,
        moved: vec![moved("a:1", "-1.00"), moved("b", "1.00")],
        postings: 2,
    };
    sample(&EventSummaryPage { items: vec![event], next: None, head: 1 })
}

fn invariants() -> Sample {
    let invariant = medusa_api::InvariantStatus {
        id: "I01".into(),
        name: "positions have no gaps".into(),
        meaning: "=an event is gone".into(),
        checked_at: None,
        position: 0,
        bad: 0,
        first_bad: None,
        detail: String::new(),
        idle: false,
    };
    let round = InvariantRound::default();
    sample(&Invariants { items: vec![invariant], head: 1, round, checking: false })
}

fn checkpoints() -> Sample {
    let checkpoint = medusa_api::CheckpointSummary {
        size: 1,
        root: Sha256Hash([1; 32]),
        at: AT,
        cosigned: vec![Cosigned { witness: "w.test".into(), at: AT }],
        note: "one\ntwo \"three\"\n".into(),
    };
    sample(&CheckpointPage { items: vec![checkpoint], witnesses: Vec::new(), next: None })
}

fn projections() -> Sample {
    let projection = medusa_api::ProjectionStatus {
        name: "books".into(),
        position: 1,
        head: 1,
        lag_events: 0,
        lag_ms: None,
        rebuilt: Some(medusa_api::Rebuilt { at: AT, ms: 5, differences: 2 }),
        away: false,
    };
    sample(&Projections { items: vec![projection] })
}

/// Every list with one item.
fn samples() -> Vec<Sample> {
    let adjustments = AdjustmentPage { items: vec![adjustment("why, so", "@T")], next: None };
    vec![
        trial_balance(),
        accounts(),
        statement(),
        events(),
        invariants(),
        checkpoints(),
        projections(),
        sample(&adjustments),
    ]
}

#[test]
fn the_columns_of_a_table_are_the_fields_of_its_items() {
    for Sample { name, columns, item, .. } in samples() {
        let fields: BTreeSet<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        let first = |column: &&'static str| column.split('/').next().unwrap();
        let of_items = columns.iter().filter(|column| !column.contains('='));
        let told: BTreeSet<&str> = of_items.map(first).collect();
        assert_eq!(told, fields, "{name}");
    }
}

#[test]
fn tables_are_written_so() {
    let expected = [
        ("trial-balance", "5050,expense.promo_grant,CRD,1,-5.00,1,1800000000000000\r\n"),
        ("accounts", "bank,1000,bank,USD,-1.00,0.00,0.00,open,1,1,1\r\n"),
        (
            "statement",
            "bank,USD,1,,,opening,,,0.00\r\n\
             bank,USD,1,0,1800000000000000,billing.test,test,-1.00,-1.00\r\n\
             bank,USD,1,,,closing,,,-1.00\r\n",
        ),
        ("events", ",,a:1=-1.00=CRD b=1.00=CRD,2\r\n"),
        ("invariants", "I01,positions have no gaps,'=an event is gone,,0,0,,,false\r\n"),
        ("checkpoints", "1800000000000000=w.test,\"one\ntwo \"\"three\"\"\n\"\r\n"),
        ("projections", "books,1,1,0,,1800000000000000,5,2,false\r\n"),
        ("adjustments", ",CRD,-5.00,test,\"why, so\",'@T,"),
    ];
    for (sample, (wanted, part)) in samples().into_iter().zip(expected) {
        let Sample { name, columns, table: text, .. } = sample;
        assert_eq!(name, wanted);
        let name = |column: &&str| column.split('=').next().unwrap().replace('/', "_");
        let header = columns.iter().map(name).collect::<Vec<_>>().join(",");
        assert!(text.starts_with(&format!("{header}\r\n")), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_looks_like_a_formula_is_a_text() {
    for (text, written) in [
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-cmd", "'-cmd"),
        ("@sum", "'@sum"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("-", "'-"),
        ("-1.2.3", "'-1.2.3"),
        ("-5.00", "-5.00"),
        ("-5", "-5"),
        ("5", "5"),
        ("plain", "plain"),
        ("", ""),
    ] {
        assert_eq!(cell(&Value::from(text)), written);
    }
}

#[test]
fn the_next_page_has_the_same_questions_and_another_cursor() {
    for (query, expected) in [
        ("", "/v1/x?after=7.0"),
        ("limit=5&after=3.1&format=csv", "/v1/x?limit=5&format=csv&after=7.0"),
        ("before=3.1", "/v1/x?after=7.0"),
        ("search=after%3D1", "/v1/x?search=after%3D1&after=7.0"),
    ] {
        assert_eq!(next_address("/v1/x", query, "7.0"), expected);
    }
}
