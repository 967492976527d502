//! The witness: a table of requests with their answers, and that it is never led astray.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const ORIGIN: &str = "medusa.test/log";

fn log() -> Signer {
    Signer::new(ORIGIN, &[7; 32])
}

fn witness() -> Witness {
    let mut witness = Witness::new(Cosigner::new("witness.test/w1", &[1; 32]));
    witness.trust(ORIGIN, Signer::new(ORIGIN, &[6; 32]).verifier()).unwrap();
    witness.trust(ORIGIN, log().verifier()).unwrap();
    witness
}

/// A request that is right: from the first `old` of the leaves to all of them.
fn grown(old: usize, leaves: &[Hash]) -> AddCheckpoint {
    let TreeHead { size, root } = head(leaves);
    let proof = if old == 0 { Vec::new() } else { consistency(old, leaves) };
    let note = Note::parse(&log().sign(size, root)).unwrap();
    AddCheckpoint { old: u64::try_from(old).unwrap(), proof, note }
}

fn signed(by: &Signer, old: u64, head: TreeHead, proof: &[Hash]) -> String {
    let note = Note::parse(&by.sign(head.size, head.root)).unwrap();
    AddCheckpoint { old, proof: proof.to_vec(), note }.to_string()
}

fn status(answer: &Result<Cosigned, Refusal>) -> (u16, String) {
    match answer {
        Ok(cosigned) => (200, cosigned.line.clone()),
        Err(refusal) => (refusal.status(), refusal.body()),
    }
}

#[test]
fn each_request_has_its_answer() {
    let (leaves, log) = (leaves(20), log());
    let mut witness = witness();
    let first = witness.decide(&grown(0, &leaves[..6]), seconds(100)).unwrap();
    witness.apply(&first);
    let (six, eight) = (head(&leaves[..6]), head(&leaves[..8]));
    let proof = consistency(6, &leaves[..8]);
    let forged = signed(&log, 6, eight, &proof).replace("\n8\n", "\n9\n");
    let stranger = Signer::new(ORIGIN, &[8; 32]);
    let unknown = Signer::new("else.test/log", &[7; 32]);
    let split = TreeHead { root: [0; 32], ..six };
    let mut bent = proof.clone();
    bent[0][0] ^= 1;

    let rows: [(&str, String, u16); 16] = [
        ("grown", signed(&log, 6, eight, &proof), 200),
        ("the same again", signed(&log, 6, six, &[]), 200),
        ("no request", "new 6\n\n".into(), 400),
        ("older than it says", signed(&log, 9, eight, &proof), 400),
        ("signed by nobody known", signed(&stranger, 6, eight, &proof), 403),
        ("another text than was signed", forged, 403),
        ("of an unknown log", signed(&unknown, 6, eight, &proof), 404),
        ("from too far back", signed(&log, 5, eight, &proof), 409),
        ("from nothing again", signed(&log, 0, eight, &[]), 409),
        ("from too far ahead", signed(&log, 7, eight, &proof), 409),
        ("shrunk", signed(&log, 4, head(&leaves[..5]), &[]), 409),
        ("a wrong proof", signed(&log, 6, eight, &bent), 422),
        ("no proof", signed(&log, 6, eight, &[]), 422),
        ("a proof too long", signed(&log, 6, eight, &[proof.clone(), bent].concat()), 422),
        ("two roots of one size", signed(&log, 6, split, &[]), 422),
        ("a proof of nothing", signed(&log, 6, six, &proof), 422),
    ];
    for (what, body, expected) in rows {
        let answer = witness.answer(body.as_bytes(), seconds(200));
        assert_eq!(status(&answer).0, expected, "{what}: {answer:?}");
        assert_eq!(witness.known(ORIGIN), six, "a decision changes nothing");
    }
}

#[test]
fn from_nothing_the_proof_is_empty() {
    let leaves = leaves(8);
    let witness = witness();
    let eight = head(&leaves);
    for (what, head, proof, expected) in [
        ("first", eight, vec![], Ok(eight)),
        ("with a proof", eight, consistency(6, &leaves), Err(Refusal::Proof)),
        ("of nothing", TreeHead::empty(), vec![], Ok(TreeHead::empty())),
        ("another nothing", TreeHead { size: 0, root: [1; 32] }, vec![], Err(Refusal::OtherRoot)),
    ] {
        let body = signed(&log(), 0, head, &proof);
        let answer = witness.answer(body.as_bytes(), seconds(1));
        assert_eq!(answer.map(|cosigned| cosigned.head), expected, "{what}");
    }
}

#[test]
fn a_cosignature_fits_the_checkpoint_that_was_sent() {
    let witness = witness();
    let request = grown(0, &leaves(5));
    let cosigned = witness.decide(&request, seconds(1_679_315_147)).unwrap();
    assert_eq!((cosigned.origin.as_str(), cosigned.old), (ORIGIN, 0));
    assert!(
        cosigned.line.starts_with("\u{2014} witness.test/w1 ") && cosigned.line.ends_with('\n')
    );
    let key = Cosigner::new("witness.test/w1", &[1; 32]).key();
    let note = request.note.merge(&cosigned.line, std::slice::from_ref(&key)).unwrap();
    let trust = Trust::new(vec![log().verifier()], vec![key], 1).unwrap();
    let opened = trust.open(&note).unwrap();
    assert_eq!(opened.cosignatures[0].at, seconds(1_679_315_147));
    assert_eq!(opened.checkpoint.head(), cosigned.head);
}

#[test]
fn a_conflict_tells_the_known_size_to_programs() {
    let mut witness = witness();
    witness.restore(ORIGIN, head(&leaves(6)));
    let answer = witness.decide(&grown(3, &leaves(8)), seconds(1)).unwrap_err();
    assert_eq!(answer, Refusal::Conflict { known: 6 });
    assert_eq!(answer.media_type(), "text/x.tlog.size");
    assert_eq!(answer.body(), "6\n");
    assert_eq!(Refusal::Proof.media_type(), "text/plain; charset=utf-8");
    assert_eq!(
        Refusal::Proof.body(),
        "the proof does not lead from the old size to the checkpoint\n"
    );
}

#[test]
fn of_two_checkpoints_decided_at_once_the_larger_stays() {
    let leaves = leaves(9);
    let mut witness = witness();
    let small = witness.decide(&grown(0, &leaves[..4]), seconds(1)).unwrap();
    let large = witness.decide(&grown(0, &leaves), seconds(1)).unwrap();
    witness.apply(&large);
    witness.apply(&small);
    assert_eq!(witness.known(ORIGIN), head(&leaves));
}

#[test]
fn bodies_that_are_no_requests_are_refused() {
    let right = grown(6, &leaves(8)).to_string();
    assert_eq!(AddCheckpoint::parse(right.as_bytes()), Ok(grown(6, &leaves(8))));
    let line = right.lines().nth(1).unwrap().to_owned() + "\n";
    let lines = |count| right.replacen(&line, &line.repeat(count), 1);
    let long = "x".repeat(REQUEST_BYTES_MAX + 1);
    let (shape, old, syntax) =
        (RequestError::Shape, RequestError::OldSize, RequestError::Note(NoteError::Syntax));
    for (body, expected) in [
        (String::new(), shape),
        ("old 6".into(), shape),
        (right.replace("\n\n", "\n"), shape),
        (long, RequestError::TooLong),
        (right.replace("old 6", "old 06"), old),
        (right.replace("old 6", "old  6"), old),
        (right.replace("old 6", "old -6"), old),
        (right.replace("old 6", "old 18446744073709551616"), old),
        (right.replace("old 6\n", ""), old),
        (right.replace(&line, "AAAA\n"), RequestError::Hash(1)),
        (right.replace(&line, &format!("{line}{}x\n", line.trim_end())), RequestError::Hash(2)),
        (lines(62), RequestError::TooManyHashes),
        ("old 6\n\nno note".into(), syntax),
        (right.replace("\n8\n", "\n08\n"), syntax),
        (right.trim_end().into(), syntax),
    ] {
        assert_eq!(AddCheckpoint::parse(body.as_bytes()), Err(expected), "{body:.200}");
    }
    assert!(AddCheckpoint::parse(lines(61).as_bytes()).is_ok(), "63 lines are allowed");
    assert_eq!(AddCheckpoint::parse(&[right.as_bytes(), &[0xff]].concat()), Err(shape));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_cosigned_goes_on_from_what_was_cosigned_before(
        requests in prop::collection::vec((any::<bool>(), any::<Index>(), any::<Index>()), 1..12),
    ) {
        // Two histories that part in the middle, offered in any order with right proofs.
        let one = leaves(24);
        let mut two = one.clone();
        two[12..].iter_mut().for_each(|leaf| *leaf = leaf_hash(leaf));
        let mut witness = witness();
        let mut cosigned = Vec::new();
        for (other, old, size) in requests {
            let history = if other { &two } else { &one };
            let size = 1 + size.index(history.len());
            let request = grown(old.index(size + 1), &history[..size]);
            let before = witness.known(ORIGIN);
            if let Ok(now) = witness.decide(&request, seconds(1)) {
                prop_assert_eq!(now.old, before.size);
                witness.apply(&now);
                cosigned.push(now.head);
            }
        }
        let holds = |history: &[Hash]| {
            cosigned.iter().all(|seen| {
                *seen == head(&history[..usize::try_from(seen.size).unwrap()])
            })
        };
        prop_assert!(holds(&one) || holds(&two), "{cosigned:?}");
        prop_assert!(cosigned.is_sorted_by_key(|seen| seen.size));
    }
}
