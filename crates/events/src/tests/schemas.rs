//! The committed schemas are those of the code, and they describe what is written and nothing else.

use std::collections::BTreeSet;

use medusa_types::{Credits, Sha256Hash, UserId};
use proptest::prelude::*;
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::checker::Checker;
use super::shape::{Shape, account};
use super::{cases, fuzz, place, samples, schema, stored};
use crate::{Envelope, Fact};

const FOLDER: &str = "docs/events/schema";

fn committed(name: &str) -> String {
    std::fs::read_to_string(place(FOLDER).join(name)).unwrap_or_default()
}

fn checker() -> Checker {
    Checker::new(schema::documents().into_iter().map(|(name, _)| {
        let text = committed(&name);
        (name, text)
    }))
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    let documents = schema::documents();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(place(FOLDER)).unwrap();
        for (name, text) in &documents {
            std::fs::write(place(FOLDER).join(name), text).unwrap();
        }
    }
    for (name, text) in &documents {
        assert!(
            *text == committed(name),
            "{FOLDER}/{name} is of other code: \
             UPDATE=1 cargo nextest run -p medusa-events schemas"
        );
    }
    let there = std::fs::read_dir(place(FOLDER)).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<_> = there.map(|name| name.into_string().unwrap()).collect();
    let wanted: BTreeSet<_> = documents.into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, wanted, "one file for the envelope and one for each fact");
}

#[test]
fn every_stored_event_is_as_its_schema_says() {
    let checker = checker();
    for bytes in stored() {
        let event = serde_json::from_slice(&bytes).unwrap();
        checker.check("envelope.json", &event).unwrap_or_else(|error| panic!("{error}: {event}"));
    }
}

#[test]
fn every_event_that_can_be_written_is_as_its_schema_says() {
    let checker = checker();
    let written = |event: Envelope| {
        let event = serde_json::from_slice(&event.encode()).unwrap();
        prop_assert_eq!(checker.check("envelope.json", &event), Ok(()));
        Ok(())
    };
    TestRunner::new(cases(500)).run(&fuzz::envelope(), written).unwrap();
}

/// What the code would write of this data; `None` when it does not even read it.
fn rewritten(kind: &str, data: &Value) -> Option<Value> {
    let fact = Fact::read(kind, data)?.ok()?;
    let mut out = Vec::new();
    fact.write(&mut out);
    Some(serde_json::from_slice(&out).unwrap())
}

/// Every value with one thing in it replaced, taken away or added.
fn changed(value: &Value) -> Vec<Value> {
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("0.5"),
        json!("-0.00"),
        json!("007.00"),
        json!("1.500"),
        json!("1.50"),
        json!("USR_00000000000000000000000000000001"),
        json!("usr_0000000000000000000000000000000"),
        json!("usr_0000000000000000000000000000000A"),
        json!("admin"),
        json!("failed"),
        json!("bank"),
        json!("bank:x"),
        json!("psp_clearing:stripe"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"kind": "exit"}),
        json!({"kind": "exit", "code": 2_147_483_648_i64}),
        json!({"kind": "exit", "code": -1}),
        json!({"kind": "done", "code": 1}),
        json!({"kind": "wall_out"}),
    ];
    let mut found = others.to_vec();
    match value {
        Value::Object(fields) => {
            for (name, part) in fields {
                let mut without = fields.clone();
                without.remove(name);
                found.push(Value::Object(without));
                for other in changed(part) {
                    let mut with = fields.clone();
                    with.insert(name.clone(), other);
                    found.push(Value::Object(with));
                }
            }
            let mut more = fields.clone();
            more.insert("more".to_owned(), json!(1));
            found.push(Value::Object(more));
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                for other in changed(item) {
                    let mut with = items.clone();
                    with[n] = other;
                    found.push(Value::Array(with));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

#[test]
fn a_schema_admits_what_the_code_reads_and_writes_alike_and_nothing_else() {
    let checker = checker();
    let (mut admitted, mut refused) = (0, 0);
    for (_, bytes) in samples() {
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        let kind = event["type"].as_str().unwrap();
        for data in changed(&event["data"]) {
            let checked = checker.check(&format!("{kind}.json"), &data);
            let same = rewritten(kind, &data).is_some_and(|written| written == data);
            assert_eq!(checked.is_ok(), same, "{kind}: {data}: {checked:?}");
            if same { admitted += 1 } else { refused += 1 }
        }
    }
    assert!(admitted > 100 && refused > 1_000, "{admitted} admitted, {refused} refused");
}

#[test]
fn the_schema_of_the_envelope_refuses_what_is_no_event() {
    let checker = checker();
    let good: Value = serde_json::from_slice(&samples()[0].1).unwrap();
    assert_eq!(checker.check("envelope.json", &good), Ok(()));
    let table = [
        ("format", json!(2)),
        ("position", json!(0)),
        ("stream", json!(null)),
        ("version", json!("1")),
        ("at", json!(0.5)),
        ("actor", json!("job_00000000000000000000000000000001")),
        ("operation", json!(7)),
        ("causation", json!(-1)),
        ("postings", json!([["bank", 1, 2]])),
        ("postings", json!([["bank"]])),
        ("postings", json!([["bank", "1.00"]])),
        ("postings", json!([["bank:usr_00000000000000000000000000000001", 1]])),
        ("postings", json!([["consumer.paid", 1]])),
        ("changes", json!([])),
        ("changes", json!([{"reserved": {}}])),
        ("type", json!("nothing.happened")),
        ("data", json!({})),
        ("more", json!(1)),
    ];
    for (name, value) in table {
        let mut event = good.clone();
        event[name] = value;
        assert!(checker.check("envelope.json", &event).is_err(), "{event}");
    }
    for name in good.as_object().unwrap().keys() {
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(name);
        assert!(checker.check("envelope.json", &event).is_err(), "{event}");
    }
}

/// The regular expression inside a schema.
fn expression(schema: &super::node::Node) -> String {
    let schema: Value = serde_json::from_str(&schema.to_string()).unwrap();
    schema["pattern"].as_str().unwrap().to_owned()
}

fn of_pattern(schema: &super::node::Node) -> impl Strategy<Value = String> {
    string_regex(expression(schema).trim_start_matches('^').trim_end_matches('$')).unwrap()
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn what_a_pattern_describes_is_read_and_written_alike(
        user in of_pattern(&UserId::shape()),
        hash in of_pattern(&Sha256Hash::shape()),
        credits in of_pattern(&Credits::shape()),
    ) {
        prop_assert_eq!(user.parse::<UserId>().unwrap().to_string(), user);
        prop_assert_eq!(hash.parse::<Sha256Hash>().unwrap().to_string(), hash);
        // A pattern has no upper end; amounts do.
        if let Ok(amount) = credits.parse::<Credits>() {
            prop_assert_eq!(amount.to_string(), credits);
        } else {
            prop_assert!(credits.len() >= "9223372036854.775807".len() - 4, "{}", credits);
        }
    }
}

#[test]
fn the_schema_of_accounts_is_the_chart() {
    let schema = Value::Object(serde_json::from_str(&account().to_string()).unwrap());
    let patterns: Vec<_> = schema["oneOf"].as_array().unwrap().iter().collect();
    let expressions = patterns.iter().map(|one| one["pattern"].as_str().unwrap());
    let expressions: Vec<_> = expressions.map(|e| regex::Regex::new(e).unwrap()).collect();
    let events = stored().into_iter().map(|bytes| Envelope::decode(&bytes).unwrap());
    let accounts: BTreeSet<_> =
        events.flat_map(|event| event.postings).map(|posting| posting.0.to_string()).collect();
    assert!(accounts.len() > 10);
    for account in accounts {
        assert_eq!(expressions.iter().filter(|e| e.is_match(&account)).count(), 1, "{account}");
    }
}
