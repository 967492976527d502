//! Old shapes are lifted to the present one. No type has a history yet, so these tests invent one.

use serde_json::{Value, json};

use super::{decode, stored};
use crate::{DecodeError, Envelope, Fact, HISTORY, Upcaster};

/// A gift, as it would have been before `user` was called so and before it said why; and before
/// that, when the type had another name and the amount was in whole credits.
const STEPS: &[Upcaster] = &[
    Upcaster {
        from: "billing.gift_made",
        to: "billing.credits_granted",
        fits: |data| data.contains_key("credits"),
        lift: |data| {
            let credits = data.remove("credits").unwrap_or_default();
            data.insert("amount".to_owned(), json!(format!("{credits}.00")));
        },
    },
    Upcaster {
        from: "billing.credits_granted",
        to: "billing.credits_granted",
        fits: |data| data.contains_key("person"),
        lift: |data| {
            let person = data.remove("person").unwrap_or_default();
            data.insert("user".to_owned(), person);
            data.entry("why").or_insert_with(|| json!("welcome"));
        },
    },
];

const PERSON: &str = "usr_00000000000000000000000000000001";

/// An old event: its type and its data.
fn old(kind: &str, data: &Value) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"format":1,"position":1,"stream":"s","version":1,"at":0,"actor":null,"#,
            r#""operation":null,"causation":null,"postings":[],"type":"{}","data":{}}}"#
        ),
        kind, data
    )
    .into_bytes()
}

#[test]
fn a_fact_of_any_older_shape_reads_as_one_of_today() {
    let shapes = [
        ("billing.gift_made", json!({"person": PERSON, "credits": 5})),
        ("billing.credits_granted", json!({"person": PERSON, "amount": "5.00"})),
        ("billing.credits_granted", json!({"person": PERSON, "amount": "5.00", "why": "welcome"})),
    ];
    for (kind, data) in shapes {
        let bytes = old(kind, &data);
        let event = Envelope::decode_with(&bytes, STEPS).unwrap();
        let Fact::CreditsGranted { user, amount, why } = event.fact else {
            panic!("{:?}", event.fact)
        };
        assert_eq!((user.to_string(), amount.to_string()), (PERSON.to_owned(), "5.00".to_owned()));
        assert_eq!(why, "welcome");
        // Without its history it is no event: old shapes never read as new ones by accident.
        assert!(Envelope::decode(&bytes).is_err());
    }
}

#[test]
fn a_history_leaves_everything_else_alone() {
    for bytes in stored() {
        assert_eq!(Envelope::decode_with(&bytes, STEPS).unwrap(), decode(&bytes));
    }
    let unknown = Envelope::decode_with(&old("billing.gift_lost", &json!({})), STEPS);
    assert!(matches!(unknown, Err(DecodeError::Type(kind)) if kind == "billing.gift_lost"));
    let wrong = [
        ("billing.gift_made", json!({"person": PERSON, "credits": "many"})),
        ("billing.credits_granted", json!({"person": 1, "amount": "5.00"})),
        ("billing.credits_granted", json!({"amount": "5.00"})),
        ("billing.credits_granted", json!([])),
        ("accounts.role_granted", json!({"person": PERSON})),
    ];
    for (kind, data) in wrong {
        let read = Envelope::decode_with(&old(kind, &data), STEPS);
        assert!(matches!(read, Err(DecodeError::Data { .. })), "{data}: {read:?}");
    }
    // A step that leads nowhere says where it leads.
    let nowhere = [Upcaster { to: "billing.nothing", ..STEPS[0] }];
    let bytes = old("billing.gift_made", &json!({"credits": 1}));
    let read = Envelope::decode_with(&bytes, &nowhere);
    assert!(matches!(read, Err(DecodeError::Type(kind)) if kind == "billing.nothing"));
}

#[test]
fn every_step_leads_to_a_type_of_today() {
    for steps in [HISTORY, STEPS] {
        for (n, step) in steps.iter().enumerate() {
            let later = &steps[n..];
            let goes_on = later.iter().any(|next| next.from == step.to);
            assert!(goes_on || Fact::KINDS.contains(&step.to), "{} leads nowhere", step.from);
        }
    }
}
