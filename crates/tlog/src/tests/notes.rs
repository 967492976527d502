//! Signed notes, keys, checkpoints and cosignatures: published vectors and what must be refused.

use super::*;
use crate::text::{encode_base64, parse_base64};

const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const PROBLEM: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const BY_NEUMANN: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGU\
    gYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const BY_ENOCH: &str = "\u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+v\
    AF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn neumann() -> Verifier {
    NEUMANN.parse().unwrap()
}

fn enoch() -> Signer {
    Signer::new("EnochRoot", &[0; 32])
}

fn log() -> Signer {
    Signer::new("medusa.test/log", &[7; 32])
}

fn witness(name: &str, secret: u8) -> Cosigner {
    Cosigner::new(name, &[secret; 32])
}

fn checkpoint(size: u64) -> Note {
    Note::parse(&log().sign(size, [9; 32])).unwrap()
}

#[test]
fn the_published_note_of_two_signers_is_verified() {
    let note = Note::parse(&format!("{PROBLEM}\n{BY_NEUMANN}{BY_ENOCH}")).unwrap();
    assert_eq!(note.text(), PROBLEM);
    let keys = [enoch().verifier(), neumann()];
    assert_eq!(note.signed_by(&keys).unwrap(), [&keys[0], &keys[1]]);
    assert_eq!(note.signed_by(&keys[1..]).unwrap(), [&keys[1]]);
    assert_eq!(note.signed_by(&[log().verifier()]), Err(NoteError::Signature));
    assert_eq!(note.signed_by(&[]), Err(NoteError::Signature));
    assert_eq!(note.checkpoint(), Err(NoteError::Syntax), "it is some other text");
}

#[test]
fn the_published_seed_signs_the_published_bytes() {
    assert!(enoch().verifier().to_string().starts_with("EnochRoot+af0cfe78+"));
    let note = Note::new(PROBLEM, enoch().signature(PROBLEM)).unwrap();
    assert_eq!(note.to_string(), format!("{PROBLEM}\n{BY_ENOCH}"));
}

#[test]
fn published_keys_are_read_and_written_back() {
    for text in [NEUMANN, EXAMPLE] {
        assert_eq!(text.parse::<Verifier>().unwrap().to_string(), text);
    }
    let key = witness("witness.example/w1", 1).key();
    assert_eq!(key.to_string().parse(), Ok(key));
}

#[test]
fn keys_that_are_none_are_refused() {
    let typed = |bytes: &[u8]| format!("a+00000000+{}", encode_base64(bytes));
    let key = parse_base64(NEUMANN.rsplit_once('+').unwrap().1).unwrap();
    let point = [&[1], [2; 32].as_slice()].concat();
    for (text, error) in [
        (String::new(), NoteError::Key),
        ("PeterNeumann".into(), NoteError::Key),
        ("PeterNeumann+c74f20a3".into(), NoteError::Key),
        (NEUMANN.replace("PeterNeumann", ""), NoteError::Key),
        (NEUMANN.replace("PeterNeumann", "Peter Neumann"), NoteError::Key),
        (NEUMANN.replace("PeterNeumann", "Peter\nNeumann"), NoteError::Key),
        (NEUMANN.replace("ARpc", "ARp"), NoteError::Key),
        ("a+00000000+".into(), NoteError::Key),
        (typed(&point), NoteError::Key),
        (NEUMANN.replace("PeterNeumann", "PeterNewmann"), NoteError::KeyId),
        (NEUMANN.replace("c74f20a3", "c74f20a4"), NoteError::KeyId),
        (NEUMANN.replace("c74f20a3", "C74F20A3"), NoteError::KeyId),
        (NEUMANN.replace("c74f20a3", "74f20a3"), NoteError::KeyId),
        (typed(&key[..32]), NoteError::KeyLength),
        (typed(&[key.clone(), vec![0]].concat()), NoteError::KeyLength),
        (typed(&[1]), NoteError::KeyLength),
        (typed(&[&[2], &key[1..]].concat()), NoteError::Algorithm),
        (witness("w", 1).key().to_string(), NoteError::Algorithm),
    ] {
        assert_eq!(text.parse::<Verifier>(), Err(error), "{text:?}");
    }
    assert_eq!(NEUMANN.parse::<CosignerKey>(), Err(NoteError::Algorithm));
}

#[test]
fn names_that_a_line_cannot_hold_are_refused() {
    for name in ["medusa.example/log", "w", "oid/1.3.6", "\u{fc}"] {
        assert!(is_key_name(name), "{name:?}");
    }
    for name in ["", " ", "a b", "a+b", "a\n", "a\t", "a\u{a0}b", "a\0"] {
        assert!(!is_key_name(name), "{name:?}");
        let line = Signer::new(name, &[1; 32]).signature("text\n");
        assert_eq!(Note::new("text\n", line), Err(NoteError::Syntax), "{name:?}");
    }
}

#[test]
fn an_altered_note_is_refused_and_an_unknown_signature_ignored() {
    let both = format!("{PROBLEM}\n{BY_NEUMANN}{BY_ENOCH}");
    let keys = [neumann()];
    for (altered, error) in [
        (both.replace("problem is", "problem was"), NoteError::Forged),
        (both.replace("Neumann x08go/Z", "Neumann x08go/Y"), NoteError::Forged),
        (format!("{both}{}", BY_NEUMANN.replace("nAM=", "nAQ=")), NoteError::Forged),
        (both.replace("PeterNeumann", "PeterNewmann"), NoteError::Signature),
        (both.replace("x08go", "x08gp"), NoteError::Signature),
    ] {
        let note = Note::parse(&altered).unwrap();
        assert_eq!(note.signed_by(&keys), Err(error), "{altered}");
    }
    for same in [
        both.replace("Root rwz+eBzm", "Root rwz+eBzn"),
        both.replace("EnochRoot", "Enoch"),
        format!("{PROBLEM}\n{BY_ENOCH}{BY_NEUMANN}{BY_NEUMANN}"),
        format!("{both}\u{2014} PeterNeumann AAAAAAA=\n"),
    ] {
        assert_eq!(Note::parse(&same).unwrap().signed_by(&keys).unwrap(), [&keys[0]], "{same}");
    }
}

#[test]
fn texts_that_are_no_notes_are_refused() {
    let line = BY_NEUMANN;
    for text in [
        String::new(),
        "nonsense".into(),
        PROBLEM.into(),
        format!("{PROBLEM}\n"),
        format!("{PROBLEM}{line}"),
        format!("\n{line}"),
        format!("{PROBLEM}\n{}", line.trim_end()),
        format!("{PROBLEM}\n{line}\n"),
        format!("{PROBLEM}\n{line}more\n"),
        format!("{PROBLEM}\n{}", line.replace('\u{2014}', "-")),
        format!("{PROBLEM}\n{}", line.replace("Neumann ", "Neumann  ")),
        format!("{PROBLEM}\n{}", line.replace("nAM=", "nAN=")),
        format!("{PROBLEM}\n{}", line.replace("nAM=", "nAM")),
        format!("{PROBLEM}\n{}", line.replace('\n', "\r\n")),
        format!("{PROBLEM}\n\u{2014} PeterNeumann x08gow==\n"),
        format!("tab\there\n\n{line}"),
    ] {
        assert_eq!(Note::parse(&text), Err(NoteError::Syntax), "{text:?}");
    }
    let paragraphs = format!("one\n\n\ntwo\n\n\n{line}");
    let note = Note::parse(&paragraphs).unwrap();
    assert_eq!((note.text(), note.to_string().as_str()), ("one\n\n\ntwo\n\n", paragraphs.as_str()));
}

#[test]
fn a_note_has_at_most_100_signatures_and_a_million_bytes() {
    let most = format!("{PROBLEM}\n{}", BY_NEUMANN.repeat(SIGNATURES_MAX));
    let note = Note::parse(&most).unwrap();
    assert!(note.signed_by(&[neumann()]).is_ok());
    let over = Note::parse(&format!("{most}{BY_ENOCH}"));
    assert_eq!(over, Err(NoteError::TooManySignatures));
    assert_eq!(note.with(enoch().signature(PROBLEM)), Err(NoteError::TooManySignatures));

    let bytes = NOTE_BYTES_MAX - BY_NEUMANN.len() - 2;
    let text = |length| format!("{}\n\n{BY_NEUMANN}", "x".repeat(length));
    assert_eq!(text(bytes).len(), NOTE_BYTES_MAX);
    assert!(Note::parse(&text(bytes)).is_ok());
    assert_eq!(Note::parse(&text(bytes + 1)), Err(NoteError::TooLong));
    let long = format!("{}\n", "x".repeat(NOTE_BYTES_MAX));
    assert_eq!(Note::new(&long, enoch().signature(&long)), Err(NoteError::TooLong));
}

#[test]
fn a_changed_checkpoint_is_refused() {
    let note = log().sign(5, [9; 32]);
    let verifier = log().verifier();
    let opened = verifier.open(&note).unwrap();
    assert_eq!(opened.head(), TreeHead { size: 5, root: [9; 32] });
    assert_eq!(opened, Checkpoint::new("medusa.test/log", opened.head()));
    assert_eq!(verifier.open(&note.replace("\n5\n", "\n6\n")), Err(NoteError::Forged));
    let other = Signer::new("medusa.test/log", &[8; 32]).verifier();
    assert_eq!(other.open(&note), Err(NoteError::Signature));
    assert_eq!(verifier.open("nonsense"), Err(NoteError::Syntax));

    let text = note.split_once("\n\n").unwrap().0.replace("medusa.test", "else.test") + "\n";
    let of_another_log = Note::new(&text, log().signature(&text)).unwrap().to_string();
    assert_eq!(verifier.open(&of_another_log), Err(NoteError::Origin));
}

#[test]
fn checkpoints_have_one_spelling_and_keep_extension_lines() {
    let root = encode_base64(&[9; 32]);
    let lines = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let extended = lines(&["a log", "12", &root, "one", "two"]);
    let checkpoint = Checkpoint::parse(&extended).unwrap();
    assert_eq!(checkpoint.extensions, ["one", "two"]);
    assert_eq!(checkpoint.text(), extended);
    let most = lines(&["a", "18446744073709551615", &root]);
    assert_eq!(Checkpoint::parse(&most).unwrap().size, u64::MAX);
    for bad in [
        String::new(),
        "\n".into(),
        lines(&["a", "1"]),
        lines(&["", "1", &root]),
        lines(&["a", "01", &root]),
        lines(&["a", "+1", &root]),
        lines(&["a", "-1", &root]),
        lines(&["a", "", &root]),
        lines(&["a", "1 ", &root]),
        lines(&["a", "18446744073709551616", &root]),
        lines(&["a", "1", &encode_base64(&[9; 31])]),
        lines(&["a", "1", &encode_base64(&[9; 33])]),
        lines(&["a", "1", root.trim_end_matches('=')]),
        lines(&["a", "1", &root, ""]),
        lines(&["a", "1", &root, "", "more"]),
        lines(&["a", "1", &root]).trim_end().into(),
    ] {
        assert_eq!(Checkpoint::parse(&bad), Err(NoteError::Syntax), "{bad:?}");
    }
}

#[test]
fn a_cosignature_covers_time_and_text() {
    let (cosigner, note) = (witness("witness.example/w1", 1), checkpoint(5));
    let line = cosigner.cosign(&note, seconds(1_679_315_147)).unwrap();
    assert_eq!(line.bytes().len(), 72);
    assert_eq!(line.bytes()[..8], 1_679_315_147_u64.to_be_bytes());
    let signed = ed25519_dalek::Signature::from_slice(&line.bytes()[8..]).unwrap();
    let message = format!("cosignature/v1\ntime 1679315147\n{}", note.text());
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key();
    assert!(key.verify_strict(message.as_bytes(), &signed).is_ok());

    let cosigned = note.clone().with(line).unwrap();
    let keys = [cosigner.key()];
    let at = seconds(1_679_315_147);
    let expected = Cosignature { name: "witness.example/w1".into(), at };
    assert_eq!(cosigned.cosigned_by(&keys), Ok(vec![expected]));
    assert_eq!(cosigned.signed_by(&[log().verifier()]).unwrap().len(), 1);
    assert_eq!(note.cosigned_by(&keys), Ok(vec![]));
    assert_eq!(cosigned.cosigned_by(&[witness("witness.example/w2", 2).key()]), Ok(vec![]));

    let changed = cosigned.to_string().replace("\n5\n", "\n6\n");
    let changed = Note::parse(&changed).unwrap().cosigned_by(&keys);
    assert_eq!(changed, Err(NoteError::Forged));
    assert_eq!(UnixSeconds::new(1 << 63), None);
    assert_eq!(seconds((1 << 63) - 1).get(), (1 << 63) - 1);
}

/// The line with other bytes behind the key id.
fn with_bytes(line: &SignatureLine, bytes: &[u8]) -> String {
    let all = [line.key_id().as_slice(), bytes].concat();
    format!("\u{2014} {} {}\n", line.name(), encode_base64(&all))
}

#[test]
fn a_cosignature_with_another_time_or_length_is_forged() {
    let (cosigner, note) = (witness("w", 1), checkpoint(5));
    let line = cosigner.cosign(&note, seconds(100)).unwrap();
    let bytes = line.bytes();
    let later = [101_u64.to_be_bytes().as_slice(), &bytes[8..]].concat();
    let too_late = [[255; 8].as_slice(), &bytes[8..]].concat();
    let long = [bytes, &[0]].concat();
    for bad in [later.as_slice(), &too_late, &long, &bytes[..71], &bytes[..8], &bytes[..3]] {
        let merged = note.clone().merge(&with_bytes(&line, bad), &[cosigner.key()]);
        assert_eq!(merged, Err(NoteError::Forged), "{bad:?}");
        let note = Note::parse(&format!("{note}{}", with_bytes(&line, bad))).unwrap();
        assert_eq!(note.cosigned_by(&[cosigner.key()]), Err(NoteError::Forged), "{bad:?}");
    }
}

#[test]
fn the_answers_of_witnesses_are_merged_once_each_and_the_newest_stays() {
    let (one, two, unknown) = (witness("w1", 1), witness("w2", 2), witness("w3", 3));
    let (note, keys) = (checkpoint(5), [one.key(), two.key()]);
    let line = |by: &Cosigner, at| format!("{}\n", by.cosign(&note, seconds(at)).unwrap());
    let times = |note: &Note| -> Vec<_> {
        note.cosigned_by(&keys).unwrap().iter().map(|by| (by.name.clone(), by.at.get())).collect()
    };
    let (w1, w2) = ("w1".to_owned(), "w2".to_owned());

    let answer = line(&one, 10) + &line(&unknown, 10);
    let merged = note.clone().merge(&answer, &keys).unwrap();
    assert_eq!(merged.signatures().len(), 2, "the line of an unknown witness is left out");
    let merged = merged.merge(&line(&two, 11), &keys).unwrap();
    assert_eq!(times(&merged), [(w1.clone(), 10), (w2.clone(), 11)]);
    let merged = merged.merge(&line(&one, 12), &keys).unwrap();
    assert_eq!(times(&merged), [(w1.clone(), 12), (w2.clone(), 11)]);
    let merged = merged.merge(&line(&one, 9), &keys).unwrap();
    assert_eq!(times(&merged), [(w1.clone(), 12), (w2, 11)]);
    assert_eq!(merged.signatures().len(), 3);
    assert_eq!(merged.clone().merge("", &keys), Ok(merged.clone()));

    let twice = note.clone().with(one.cosign(&note, seconds(20)).unwrap()).unwrap();
    let twice = twice.with(one.cosign(&note, seconds(19)).unwrap()).unwrap();
    assert_eq!(times(&twice), [(w1, 20)]);

    for bad in ["nonsense\n", "\n", line(&one, 1).trim_end()] {
        assert_eq!(note.clone().merge(bad, &keys), Err(NoteError::Syntax), "{bad:?}");
    }
    let of_another = one.cosign(&checkpoint(6), seconds(1)).unwrap().to_string() + "\n";
    assert_eq!(note.clone().merge(&of_another, &keys), Err(NoteError::Forged));
    let many = line(&unknown, 1).repeat(SIGNATURES_MAX + 1);
    assert_eq!(note.clone().merge(&many, &keys), Err(NoteError::TooManySignatures));
    let text = Note::new("no checkpoint\n", log().signature("no checkpoint\n")).unwrap();
    assert_eq!(one.cosign(&text, seconds(1)), Err(NoteError::Syntax));
}
