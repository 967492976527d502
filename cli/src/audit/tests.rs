//! A small right log, and every way to make it wrong.

use medusa_events::{FORMAT, Fact};
use medusa_ledger::{Account, Bucket, Posting};
use medusa_tlog::Signer;
use medusa_types::{JobId, UserId, Uuid};

use super::*;

const USER: UserId = UserId(Uuid::from_u128(1));
const JOB: JobId = JobId(Uuid::from_u128(7));

fn micros(n: i64) -> Credits {
    Credits::from_micros(n)
}

fn seal(event: &Envelope) -> EventEntry {
    let bytes = event.encode();
    EventEntry {
        position: event.position,
        at: event.at,
        event: event.kind().to_owned(),
        stream: event.stream.clone(),
        version: event.version,
        leaf: Sha256Hash(leaf_hash(&bytes)),
        body: String::from_utf8(bytes).unwrap(),
    }
}

fn event(position: i64, version: i64, postings: Vec<Posting>, fact: Fact) -> Envelope {
    Envelope {
        format: FORMAT,
        position,
        stream: format!("account-{USER}"),
        version,
        at: Timestamp::from_micros(1_000 + position),
        actor: None,
        operation: None,
        causation: None,
        postings,
        fact,
    }
}

/// 100 are given, 60 of them are held, 60 come back.
fn log() -> Vec<Envelope> {
    let wallet = Account::wallet(Bucket::Promo, USER);
    let escrow = Account::escrow(Bucket::Promo, JOB);
    let moved = |from: &Account, to: &Account, n: i64| {
        vec![Posting(from.clone(), micros(-n)), Posting(to.clone(), micros(n))]
    };
    let grant = Fact::CreditsGranted { user: USER, amount: micros(100), why: "welcome".into() };
    let hold = Fact::EscrowHeld { job: JOB, owner: USER, amount: micros(60) };
    let release = Fact::EscrowReleased { job: JOB, owner: USER };
    vec![
        event(1, 1, moved(&Account::promo_grant(), &wallet, 100), grant),
        event(2, 2, moved(&wallet, &escrow, 60), hold),
        event(3, 3, moved(&escrow, &wallet, 60), release),
    ]
}

fn entries() -> Vec<EventEntry> {
    log().iter().map(seal).collect()
}

fn read(entries: &[EventEntry]) -> Result<Checker, Bad> {
    let mut checker = Checker::default();
    entries.iter().try_for_each(|entry| checker.take(entry))?;
    Ok(checker)
}

fn signer() -> Signer {
    Signer::new("medusa.test/log", &[7; 32])
}

fn head(checker: &Checker) -> AuditHead {
    let root = checker.root();
    AuditHead {
        size: checker.position(),
        root,
        checkpoint: signer().sign(checker.position().unsigned_abs(), *root.as_bytes()),
        verifier_key: signer().verifier().to_string(),
    }
}

#[test]
fn a_right_log_is_right() {
    let checker = read(&entries()).unwrap();
    assert_eq!((checker.position(), checker.accounts()), (3, 3));
    let sums = checker.class_sums();
    assert_eq!(sums.get("consumer.promo"), Some(&micros(100)));
    assert_eq!(sums.get("escrow.promo"), Some(&micros(0)));
    assert_eq!(sums.get("expense.promo_grant"), Some(&micros(-100)));
    let head = head(&checker);
    assert_eq!(checker.compare(&head), Vec::<String>::new());
    assert_eq!(signature(&head, None), Vec::<String>::new());
    assert_eq!(signature(&head, Some(&signer().verifier())), Vec::<String>::new());
}

#[test]
fn an_empty_log_is_right() {
    let checker = Checker::default();
    assert_eq!(checker.compare(&head(&checker)), Vec::<String>::new());
}

/// Wrong events as the server would store them: their leaf hash fits.
#[test]
fn a_wrong_event_is_found_at_its_position() {
    type Change = fn(&mut Vec<Envelope>);
    let table: &[(&str, i64, Change)] = &[
        ("the log goes on at position 3", 2, |log| drop(log.remove(1))),
        ("the log goes on at position 2", 1, |log| log.swap(0, 1)),
        ("it is version 5", 3, |log| log[2].version = 5),
        ("it is version 1 of other, after version 1", 3, |log| {
            log[1].stream = "other".into();
            log[1].version = 1;
            log[2].stream = "other".into();
            log[2].version = 1;
        }),
        ("its time", 3, |log| log[2].at = Timestamp::from_micros(5)),
        ("sum to 1 micro-credits", 2, |log| log[1].postings[1].1 = micros(61)),
        ("it overdraws", 2, |log| {
            log[1].postings[0].1 = micros(-101);
            log[1].postings[1].1 = micros(101);
        }),
    ];
    for (words, position, change) in table {
        let mut log = log();
        change(&mut log);
        let bad = read(&log.iter().map(seal).collect::<Vec<_>>()).expect_err(words);
        assert_eq!(bad.position, *position, "{words}: {}", bad.what);
        assert!(bad.what.contains(words), "{words}: {}", bad.what);
    }
}

#[test]
fn bytes_and_columns_must_agree() {
    type Change = fn(&mut EventEntry);
    let table: &[(&str, Change)] = &[
        ("leaf hash", |e| e.body = e.body.replace("-60", "-61")),
        ("leaf hash", |e| e.leaf = Sha256Hash::of(b"")),
        ("another time", |e| e.at = e.at.plus_ms(1)),
        ("another type", |e| e.event = "billing.escrow_released".into()),
        ("another stream", |e| e.stream = "x".into()),
        ("another version", |e| e.version = 9),
        ("not an event", |e| {
            e.body = "{}".into();
            e.leaf = Sha256Hash(leaf_hash(b"{}"));
        }),
    ];
    for (words, change) in table {
        let mut entries = entries();
        change(&mut entries[1]);
        let bad = read(&entries).expect_err(words);
        assert_eq!(bad.position, 2, "{words}");
        assert!(bad.what.contains(words), "{words}: {}", bad.what);
    }
}

#[test]
fn a_head_that_does_not_fit_is_found() {
    let checker = read(&entries()).unwrap();
    let right = head(&checker);
    let other = AuditHead { root: Sha256Hash::of(b""), ..right.clone() };
    assert_eq!(checker.compare(&other).len(), 1);
    assert_eq!(signature(&other, None).len(), 1, "signed is another root");
    let longer = AuditHead { size: 4, ..right.clone() };
    assert_eq!(checker.compare(&longer).len(), 1);
    assert_eq!(signature(&longer, None).len(), 1);
    let unsigned = AuditHead { checkpoint: right.checkpoint.replace("medusa", "midusa"), ..right };
    assert_eq!(signature(&unsigned, None).len(), 1);
}

#[test]
fn another_key_than_the_pinned_one_is_found() {
    let head = head(&read(&entries()).unwrap());
    let pinned = Signer::new("medusa.test/log", &[8; 32]).verifier();
    let problems = signature(&head, Some(&pinned));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("not the one that you named"));
}
