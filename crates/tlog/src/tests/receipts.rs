//! Receipts.

use super::*;
use crate::text::encode_base64;

fn log() -> Signer {
    Signer::new("medusa.test/log", &[7; 32])
}

fn trust() -> Trust {
    Trust::new(vec![log().verifier()], vec![], 0).unwrap()
}

fn receipt(index: usize) -> Receipt {
    let leaves = leaves(7);
    let TreeHead { size, root } = head(&leaves);
    let note = Note::parse(&log().sign(size, root)).unwrap();
    let at = u64::try_from(index).unwrap();
    Receipt { index: at, path: path(index, &leaves), note, extra: None }
}

#[test]
fn a_receipt_is_the_text_of_the_format() {
    let mut receipt = receipt(6);
    let [one, two] = [receipt.path[0], receipt.path[1]].map(|hash| encode_base64(&hash));
    let rest = format!("index 6\n{one}\n{two}\n\n{}", receipt.note);
    assert_eq!(receipt.to_string(), format!("c2sp.org/tlog-proof@v1\n{rest}"));
    receipt.extra = Some(b"payout".to_vec());
    assert_eq!(receipt.to_string(), format!("c2sp.org/tlog-proof@v1\nextra cGF5b3V0\n{rest}"));
    assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt));
}

#[test]
fn a_receipt_proves_its_entry_and_no_other() {
    let leaves = leaves(7);
    for (index, leaf) in leaves.iter().enumerate() {
        let receipt = Receipt::parse(&receipt(index).to_string()).unwrap();
        let opened = receipt.verify(*leaf, &trust()).unwrap();
        assert_eq!(opened.checkpoint.head(), head(&leaves));
        for other in leaves.iter().filter(|other| *other != leaf) {
            assert_eq!(receipt.verify(*other, &trust()), Err(ReceiptError::Path));
        }
    }
}

#[test]
fn a_receipt_of_strangers_or_without_witnesses_is_refused() {
    let (receipt, leaf) = (receipt(3), leaves(7)[3]);
    let stranger = Signer::new("medusa.test/log", &[8; 32]).verifier();
    let distrust = Trust::new(vec![stranger], vec![], 0).unwrap();
    let unsigned = ReceiptError::Note(NoteError::Signature);
    assert_eq!(receipt.verify(leaf, &distrust), Err(unsigned));

    let cosigner = Cosigner::new("w", &[1; 32]);
    let strict = Trust::new(vec![log().verifier()], vec![cosigner.key()], 1).unwrap();
    let few = ReceiptError::Note(NoteError::Quorum { found: 0, wanted: 1 });
    assert_eq!(receipt.verify(leaf, &strict), Err(few));
    let line = cosigner.cosign(&receipt.note, seconds(1)).unwrap();
    let note = receipt.note.clone().with(line).unwrap();
    assert!(Receipt { note, ..receipt }.verify(leaf, &strict).is_ok());
}

#[test]
fn texts_that_are_no_receipts_are_refused() {
    let right = Receipt { extra: Some(vec![1]), ..receipt(3) }.to_string();
    let hash = encode_base64(&[1; 32]);
    let syntax = ReceiptError::Syntax;
    for (text, expected) in [
        (String::new(), syntax),
        (right.replace("@v1", "@v2"), syntax),
        (right.replace("@v1\n", "@v1"), syntax),
        (right.replace("extra AQ==", "extra AQ"), syntax),
        (right.replace("extra AQ==", "extra AQ==\nextra AQ=="), syntax),
        (right.replace("extra AQ==", "Extra AQ=="), syntax),
        (right.replace("index 3", "index 03"), syntax),
        (right.replace("index 3", "index"), syntax),
        (right.replace("index 3\n", ""), syntax),
        (right.replace("index 3", "index 3\nAAAA"), syntax),
        (right.replace("\n\n", "\n"), syntax),
        (
            right.replace("index 3", &format!("index 3{}", format!("\n{hash}").repeat(62))),
            ReceiptError::TooManyHashes,
        ),
        (right.replace("\n7\n", "\n07\n"), ReceiptError::Note(NoteError::Syntax)),
        (right.trim_end().into(), ReceiptError::Note(NoteError::Syntax)),
        ("x".repeat(RECEIPT_BYTES_MAX + 1), ReceiptError::TooLong),
    ] {
        assert_eq!(Receipt::parse(&text), Err(expected), "{text:.200}");
    }
    let longest = right.replace("index 3", &format!("index 3{}", format!("\n{hash}").repeat(61)));
    assert_eq!(Receipt::parse(&longest).unwrap().path.len(), 64);
}
