//! Every parser over arbitrary bytes, and over right texts with a few bytes changed: none panics,
//! and whatever is accepted is written back as the same bytes.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A few changes to right bytes: mostly still almost right, which arbitrary bytes never are.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    // Bytes that mean something in one of the formats come more often.
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\n\r \0+-=/.xp019AZaz\xe2\x80\x94\xff".to_vec()),
    ];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        let place = |at: Index| at.index(bytes.len() + 1);
        match change {
            Change::Set(at, byte) => {
                let at = place(at);
                bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
            }
            Change::Insert(at, byte) => bytes.insert(place(at), byte),
            Change::Remove(at) => {
                let at = place(at);
                bytes.drain(at..(at + 1).min(bytes.len()));
            }
            Change::Repeat(from, to) => {
                let (from, to) = (place(from), place(to));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(to..to, part);
            }
            Change::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

fn mutants(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let few = prop::collection::vec(change(), 0..4);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..600),
        8 => (prop::sample::select(samples), few).prop_map(|(bytes, few)| changed(bytes, few)),
    ]
}

fn log() -> Signer {
    Signer::new("medusa.test/log", &[7; 32])
}

fn note() -> Note {
    let TreeHead { size, root } = head(&leaves(7));
    let note = Note::parse(&log().sign(size, root)).unwrap();
    let line = Cosigner::new("w1", &[1; 32]).cosign(&note, seconds(1_679_315_147)).unwrap();
    note.with(line).unwrap()
}

fn request() -> AddCheckpoint {
    AddCheckpoint { old: 6, proof: consistency(6, &leaves(7)), note: note() }
}

fn receipt() -> Receipt {
    Receipt { index: 3, path: path(3, &leaves(7)), note: note(), extra: Some(b"extra".to_vec()) }
}

/// One of each text format.
fn texts() -> Vec<Vec<u8>> {
    let checkpoint = Checkpoint { extensions: vec!["more".into()], ..note().checkpoint().unwrap() };
    [
        TileId::new(2, 1_234_067, 256).unwrap().to_string(),
        TileId::new(0, 1_067, 112).unwrap().to_string(),
        BundleId::new(1_067, 112).unwrap().to_string(),
        log().verifier().to_string(),
        Cosigner::new("w1", &[1; 32]).key().to_string(),
        checkpoint.text(),
        note().signatures()[1].to_string(),
        note().to_string(),
        request().to_string(),
        receipt().to_string(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Reads a text as everything that it could be; how many it was.
fn read_as_everything(bytes: &[u8]) -> usize {
    let mut accepted = Vec::new();
    accepted.extend(AddCheckpoint::parse(bytes).map(|request| request.to_string()));
    if let Ok(text) = str::from_utf8(bytes) {
        accepted.extend(text.parse::<TileId>().map(|id| id.to_string()));
        accepted.extend(text.parse::<BundleId>().map(|id| id.to_string()));
        accepted.extend(text.parse::<Verifier>().map(|key| key.to_string()));
        accepted.extend(text.parse::<CosignerKey>().map(|key| key.to_string()));
        accepted.extend(text.parse::<SignatureLine>().map(|line| line.to_string()));
        accepted.extend(Checkpoint::parse(text).map(|checkpoint| checkpoint.text()));
        accepted.extend(Note::parse(text).map(|note| note.to_string()));
        accepted.extend(Receipt::parse(text).map(|receipt| receipt.to_string()));
    }
    accepted.iter().for_each(|text| assert_eq!(text.as_bytes(), bytes));
    accepted.len()
}

#[test]
fn each_right_text_is_read_and_written_back() {
    for text in texts() {
        assert!(read_as_everything(&text) > 0, "{}", String::from_utf8_lossy(&text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_text_is_refused_or_written_back_as_it_was(text in mutants(texts())) {
        read_as_everything(&text);
    }

    #[test]
    fn bundles_and_tiles_are_refused_or_written_back(
        bytes in mutants(vec![
            encode_bundle([b"one".as_slice(), b"", b"three"]).unwrap(),
            leaves(3).concat(),
        ]),
        width in 1_u16..5,
    ) {
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert_eq!(encode_bundle(entries).unwrap(), bytes.clone());
        }
        let id = TileId::new(0, 0, width).unwrap();
        if let Ok(tile) = Tile::decode(id, &bytes) {
            prop_assert_eq!(tile.encode(), bytes);
        }
    }

    #[test]
    fn names_of_all_places_are_read_again(level in 0_u8..8, index: u64, width in 1_u16..=256) {
        if let Ok(id) = TileId::new(level, (index >> (8 * level)) >> 8, width) {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
        if let Ok(id) = BundleId::new(index >> 8, width) {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_changed_note_says_what_was_signed_or_is_refused(
        text in mutants(vec![note().to_string().into_bytes()]),
    ) {
        let Ok(text) = str::from_utf8(&text) else { return Ok(()) };
        if let Ok(opened) = log().verifier().open(text) {
            prop_assert_eq!(opened, note().checkpoint().unwrap());
        }
        let keys = [Cosigner::new("w1", &[1; 32]).key()];
        let opened = Note::parse(text).and_then(|note| note.cosigned_by(&keys));
        for cosignature in opened.unwrap_or_default() {
            prop_assert_eq!(cosignature.at, seconds(1_679_315_147));
        }
    }

    #[test]
    fn a_changed_request_is_refused_or_for_the_same_head(
        body in mutants(vec![request().to_string().into_bytes()]),
    ) {
        let mut witness = Witness::new(Cosigner::new("w1", &[1; 32]));
        witness.trust("medusa.test/log", log().verifier()).unwrap();
        witness.restore("medusa.test/log", head(&leaves(6)));
        if let Ok(cosigned) = witness.answer(&body, seconds(5)) {
            prop_assert_eq!(cosigned.head, head(&leaves(7)));
        }
    }

    #[test]
    fn a_changed_receipt_is_refused_or_for_the_same_entry(
        text in mutants(vec![receipt().to_string().into_bytes()]),
    ) {
        let trust = Trust::new(vec![log().verifier()], vec![], 0).unwrap();
        let Some(read) = str::from_utf8(&text).ok().and_then(|text| Receipt::parse(text).ok())
        else {
            return Ok(());
        };
        if read.verify(leaves(7)[3], &trust).is_ok() {
            prop_assert_eq!((read.index, read.path), (3, path(3, &leaves(7))));
        }
    }
}
