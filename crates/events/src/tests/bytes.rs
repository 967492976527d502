//! The canonical bytes: frozen, the only way to write an event, and read strictly.

use medusa_ledger::{Account, Amount, Bucket, Posting};
use medusa_types::{Credits, Timestamp, UserId, Uuid};
use proptest::prelude::*;

use super::{cases, fuzz};
use crate::{DecodeError, Envelope, FORMAT, Fact};

const USER: UserId = UserId(Uuid::from_u128(1));

fn gift() -> Envelope {
    let amount = Credits::from_micros(5_000_000);
    Envelope {
        format: FORMAT,
        position: 3,
        stream: format!("account-{USER}"),
        version: 2,
        at: Timestamp::from_micros(1_700_000_000_000_001),
        actor: None,
        operation: Some("welcome".into()),
        causation: Some(2),
        postings: vec![
            Posting(Account::promo_grant(), Amount::new(-5_000_000)),
            Posting(Account::wallet(Bucket::Promo, USER), amount.into()),
        ],
        changes: Vec::new(),
        fact: Fact::CreditsGranted { user: USER, amount, why: "welcome".into() },
    }
}

const GIFT: &str = concat!(
    r#"{"format":1,"position":3,"stream":"account-usr_00000000000000000000000000000001","#,
    r#""version":2,"at":1700000000000001,"actor":null,"operation":"welcome","causation":2,"#,
    r#""postings":[["expense.promo_grant",-5000000],"#,
    r#"["consumer.promo:usr_00000000000000000000000000000001",5000000]],"#,
    r#""type":"billing.credits_granted","#,
    r#""data":{"user":"usr_00000000000000000000000000000001","amount":"5.00","why":"welcome"}}"#
);

#[test]
fn the_canonical_bytes_are_frozen() {
    assert_eq!(String::from_utf8(gift().encode()).unwrap(), GIFT);
    assert_eq!(Envelope::decode(GIFT.as_bytes()).unwrap(), gift());
    assert_eq!(gift().kind(), "billing.credits_granted");
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// The types themselves say how they are serialised: what is written by hand is the same.
    #[test]
    fn the_bytes_are_those_of_the_types_own_serialisation(event in fuzz::envelope()) {
        let own = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(String::from_utf8(event.encode()).unwrap(), own);
    }
}

/// What is wrong with an event, by the error that it gives.
fn fault(bytes: &str) -> String {
    match Envelope::decode(bytes.as_bytes()) {
        Ok(_) => "nothing".into(),
        Err(DecodeError::Envelope(_)) => "no event".into(),
        Err(DecodeError::Format(format)) => format!("format {format}"),
        Err(DecodeError::Type(kind)) => format!("type {kind}"),
        Err(DecodeError::Data { kind, .. }) => format!("data of {kind}"),
        Err(DecodeError::NotCanonical(kind)) => format!("{kind} not canonical"),
    }
}

#[test]
fn everything_else_is_refused_with_its_reason() {
    let granted = "billing.credits_granted";
    let data = format!("data of {granted}");
    let other = format!("{granted} not canonical");
    let table = [
        // Another way to say the same.
        (r#"{"format""#, r#"{ "format""#, other.as_str()),
        ("}}", "}}\n", &other),
        (r#""version":2,"at":1700000000000001"#, r#""at":1700000000000001,"version":2"#, &other),
        (r#","why":"welcome"}"#, r#","why":"\u0077elcome"}"#, &other),
        (r#""amount":"5.00""#, r#""amount":"5""#, &other),
        (r#""amount":"5.00""#, r#""amount":"05.00""#, &other),
        (r#","type""#, r#","changes":[],"type""#, &other),
        (r#""actor":null,"#, "", &other),
        // Not an event.
        (r#""position":3,"#, "", "no event"),
        (r#""position":3"#, r#""position":3.0"#, "no event"),
        (r#""position":3"#, r#""position":3e0"#, "no event"),
        (r#""position":3"#, r#""position":"3""#, "no event"),
        (r#""position":3"#, r#""position":9223372036854775808"#, "no event"),
        (r#""position":3"#, r#""position":3,"position":3"#, "no event"),
        (r#""causation":2"#, r#""causation":2,"more":1"#, "no event"),
        ("expense.promo_grant", "expense.nothing", "no event"),
        ("-5000000]", "-5000000,0]", "no event"),
        ("}}", "}}x", "no event"),
        ("}}", "}", "no event"),
        (GIFT, "", "no event"),
        (GIFT, "[]", "no event"),
        // An event that this program does not know.
        (r#""format":1"#, r#""format":2"#, "format 2"),
        (r#""format":1"#, r#""format":300"#, "format 300"),
        (r#""format":1,"position":3"#, r#""format":2,"place":3"#, "format 2"),
        (granted, "billing.credits_given", "type billing.credits_given"),
        (granted, "", "type "),
        // A fact of another shape.
        (r#","why":"welcome"}"#, "}", &data),
        (r#","why":"welcome"}"#, r#","why":"welcome","more":1}"#, &data),
        (r#","why":"welcome"}"#, r#","why":"welcome","why":"welcome"}"#, &data),
        (r#","why":"welcome"}"#, r#","why":null}"#, &data),
        (r#""amount":"5.00""#, r#""amount":5.00"#, &data),
        (r#""amount":"5.00""#, r#""amount":"5.0000001""#, &data),
        (r#""data":{"user":"usr_"#, r#""data":{"user":"job_"#, &data),
    ];
    assert_eq!(fault(GIFT), "nothing");
    for (from, to, why) in table {
        assert!(GIFT.contains(from), "{from}");
        let bytes = GIFT.replacen(from, to, 1);
        assert_eq!(fault(&bytes), why, "{from} -> {to}");
    }
}

#[test]
fn messages_name_the_type_and_say_what_to_do() {
    let say = |bytes: String| Envelope::decode(bytes.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        say(GIFT.replace("billing.credits_granted", "billing.credits_given")),
        r#"this program does not know the type "billing.credits_given": use a newer one"#
    );
    assert_eq!(
        say(GIFT.replace(r#""format":1"#, r#""format":2"#)),
        "this event is of format 2, and this program knows format 1: use a newer one"
    );
    assert_eq!(
        say(GIFT.replace("5.00", "5.-1")),
        "these are not the data of billing.credits_granted"
    );
}

#[test]
fn every_character_is_escaped_in_one_way() {
    for code in (0..0x300).chain([0x2028, 0xfeff, 0x1_f600]) {
        let char = char::from_u32(code).unwrap();
        let escaped = match char {
            '"' => r#"\""#.to_owned(),
            '\\' => r"\\".to_owned(),
            '\u{8}' => r"\b".to_owned(),
            '\t' => r"\t".to_owned(),
            '\n' => r"\n".to_owned(),
            '\u{c}' => r"\f".to_owned(),
            '\r' => r"\r".to_owned(),
            '\0'..='\x1f' => format!("\\u{code:04x}"),
            _ => char.to_string(),
        };
        let event = Envelope { operation: Some(char.to_string()), ..gift() };
        let bytes =
            GIFT.replace(r#""operation":"welcome""#, &format!(r#""operation":"{escaped}""#));
        assert_eq!(String::from_utf8(event.encode()).unwrap(), bytes, "U+{code:04X}");
        assert_eq!(Envelope::decode(bytes.as_bytes()).unwrap(), event);
    }
}

#[test]
fn credits_are_written_as_they_are_shown() {
    for micros in [0, 1, -1, 10, 99_999, 100_000, 990_000, 999_999, 1_000_000, -1_500_000, i64::MAX]
    {
        let amount = Credits::from_micros(micros);
        let fact = Fact::CreditsGranted { user: USER, amount, why: String::new() };
        let bytes = String::from_utf8(Envelope { fact, ..gift() }.encode()).unwrap();
        assert!(bytes.contains(&format!(r#""amount":"{amount}""#)), "{bytes}");
    }
}
