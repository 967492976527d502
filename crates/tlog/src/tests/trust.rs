//! Whom a reader trusts.

use super::*;

fn witness(name: &str, secret: u8) -> Cosigner {
    Cosigner::new(name, &[secret; 32])
}

#[test]
fn a_checkpoint_needs_its_log_and_enough_witnesses() {
    let (old, new) = (Signer::new("log", &[1; 32]), Signer::new("log", &[2; 32]));
    let witnesses = [witness("w1", 3), witness("w2", 4), witness("w3", 5)];
    let keys: Vec<_> = witnesses.iter().map(Cosigner::key).collect();
    let trust = |logs: &[&Signer], quorum| {
        let logs = logs.iter().map(|log| log.verifier()).collect();
        Trust::new(logs, keys.clone(), quorum).unwrap()
    };
    let mut note = Note::parse(&new.sign(5, [9; 32])).unwrap();
    let wanted = |found| Err(NoteError::Quorum { found, wanted: 2 });
    assert_eq!(trust(&[&old, &new], 2).open(&note), wanted(0));
    for cosigner in &witnesses[1..] {
        let line = cosigner.cosign(&note, seconds(7)).unwrap();
        // The same witness counts once, however often it has signed.
        note = note.with(line.clone()).unwrap().with(line).unwrap();
        if cosigner.key() == keys[1] {
            assert_eq!(trust(&[&old, &new], 2).open(&note), wanted(1));
        }
    }
    let opened = trust(&[&old, &new], 2).open(&note).unwrap();
    assert_eq!(opened.checkpoint.head(), TreeHead { size: 5, root: [9; 32] });
    let names: Vec<_> = opened.cosignatures.iter().map(|by| by.name.as_str()).collect();
    assert_eq!(names, ["w2", "w3"]);

    assert_eq!(trust(&[&old], 0).open(&note), Err(NoteError::Signature));
    let other = Signer::new("other", &[2; 32]);
    let text = note.text().to_owned();
    let note = Note::new(&text, other.signature(&text)).unwrap();
    assert_eq!(trust(&[&other], 0).open(&note), Err(NoteError::Origin));
}

#[test]
fn witnesses_that_would_count_twice_are_refused() {
    let trust = |keys: Vec<CosignerKey>, quorum| Trust::new(vec![], keys, quorum).map(|_| ());
    let (one, two) = (witness("w1", 1).key(), witness("w2", 2).key());
    assert_eq!(trust(vec![one.clone(), two.clone()], 2), Ok(()));
    assert_eq!(trust(vec![one.clone(), one.clone()], 2), Err(NoteError::Ambiguous));
    let alias = witness("another name", 1).key();
    assert_eq!(trust(vec![one.clone(), alias], 2), Err(NoteError::Ambiguous));
    let few = NoteError::Quorum { found: 2, wanted: 3 };
    assert_eq!(trust(vec![one, two], 3), Err(few));
}

#[test]
fn keys_that_a_line_cannot_tell_apart_are_refused() {
    let (first, second) = colliding();
    let (one, two) = (first.verifier(), second.verifier());
    assert_ne!(one, two);
    let note = Note::parse(&first.sign(1, [0; 32])).unwrap();
    let keys = [one.clone(), two.clone()];
    assert_eq!(note.signed_by(&keys), Err(NoteError::Ambiguous));
    assert!(note.signed_by(&[one.clone(), one.clone()]).is_ok());
    assert!(Trust::new(keys.to_vec(), vec![], 0).is_err());
    let mut witness = Witness::new(witness("w", 1));
    assert_eq!(witness.trust("log", one.clone()), Ok(()));
    assert_eq!(witness.trust("log", one), Ok(()));
    assert_eq!(witness.trust("log", two), Err(NoteError::Ambiguous));
}

/// Two keys of one name with the same id, which is only 4 bytes long.
fn colliding() -> (Signer, Signer) {
    let secret = |seed: u64| {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&seed.to_be_bytes());
        secret
    };
    let [first, second] = COLLIDING_SEEDS.map(|seed| Signer::new("log", &secret(seed)));
    (first, second)
}

/// Found by trying: the ids of the keys of these seeds are equal.
const COLLIDING_SEEDS: [u64; 2] = [54_995, 102_411];
