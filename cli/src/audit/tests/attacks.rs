//! Every way to make a log wrong is found, at its position, and told apart from the others.

use indicatif::ProgressBar;
use medusa_ledger::Amount;
use medusa_tlog::{
    Cosigner, Frontier, Note, Signer, Tile, TileId, UnixSeconds, decode_bundle, encode_bundle,
};
use medusa_types::{Timestamp, UserId, Uuid};

use super::log::{Log, SIZE, Scratch, events, signer, wallet};
use crate::audit::bad::Bad;
use crate::audit::folder::{BALANCES, CHECKPOINT, EARLIER, FILE_BYTES_MAX, Folder, KEY};
use crate::audit::verify::{Found, Trusted, verify};
use crate::exit::Fail;

pub(super) fn found(folder: &Folder, trusted: &Trusted) -> Found {
    verify(folder, trusted, &ProgressBar::hidden()).unwrap()
}

fn bad(folder: &Folder) -> Bad {
    found(folder, &Trusted::default()).bad.expect("something is wrong")
}

fn export() -> Scratch {
    Log::of(&events(SIZE)).export(&signer(), &[1, 256, 300, 301])
}

/// Puts other bytes into a file.
fn change(folder: &Folder, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = folder.read(name, FILE_BYTES_MAX).unwrap();
    change(&mut bytes);
    std::fs::write(folder.path(name), bytes).unwrap();
}

fn change_entries(folder: &Folder, name: &str, change_them: impl FnOnce(&mut Vec<Vec<u8>>)) {
    change(folder, name, |bytes| {
        let mut entries: Vec<_> =
            decode_bundle(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        change_them(&mut entries);
        *bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
    });
}

fn replace(entry: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(entry.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *entry = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn a_right_log_is_right_and_what_was_checked_is_told() {
    let export = export();
    let keys = vec![signer().verifier()];
    let found = found(&export.folder(), &Trusted { keys, ..Trusted::default() });
    assert_eq!(found.bad, None);
    assert_eq!((found.events, found.earlier, found.accounts), (600, 4, 7));
    assert_eq!(found.key, signer().verifier().to_string());
    let empty = Log::of(&[]).export(&signer(), &[]);
    assert_eq!(super::attacks::found(&empty.folder(), &Trusted::default()).bad, None);
}

#[test]
fn changed_bytes_are_found_where_they_are() {
    type Attack = fn(&Folder);
    let table: &[(&str, Option<u64>, Attack)] = &[
        ("event's text", Some(260), |f| {
            change_entries(f, "tile/entries/001", |e| replace(&mut e[3], "\"test\"", "\"test!\""));
        }),
        ("an amount", Some(1), |f| {
            change_entries(f, "tile/entries/000", |e| replace(&mut e[0], "-100]", "-900]"));
        }),
        ("a length", Some(3), |f| {
            change(f, "tile/entries/000", |b| {
                let second: usize = b[..2].iter().fold(0, |n, b| n * 256 + usize::from(*b)) + 2;
                let length = u16::from_be_bytes([b[second], b[second + 1]]);
                let third = second + 2 + usize::from(length);
                b[third] ^= 64;
            })
        }),
        ("a position", Some(2), |f| {
            change_entries(f, "tile/entries/000", |e| replace(&mut e[1], "n\":2", "n\":3"));
        }),
        ("a leaf", Some(513), |f| change(f, "tile/0/002.p/88", |b| b[7] ^= 1)),
        ("a hash above", Some(257), |f| change(f, "tile/1/000.p/2", |b| b[63] ^= 1)),
        ("a cut tile", Some(1), |f| change(f, "tile/0/000", |b| b.truncate(8_191))),
        ("a tile is gone", Some(1), |f| std::fs::remove_file(f.path("tile/1/000.p/2")).unwrap()),
        ("a bundle is gone", Some(257), |f| {
            std::fs::remove_file(f.path("tile/entries/001")).unwrap();
        }),
        ("the checkpoint's text", None, |f| change(f, CHECKPOINT, |b| b[0] ^= 1)),
        ("the size", None, |f| {
            change(f, CHECKPOINT, |b| {
                let at = b.iter().position(|b| *b == b'6').unwrap();
                b[at] = b'5';
            })
        }),
        ("the signature", None, |f| {
            change(f, CHECKPOINT, |b| {
                let at = b.len() - 9;
                b[at] = if b[at] == b'A' { b'B' } else { b'A' };
            })
        }),
        ("the key", None, |f| change(f, KEY, |b| b[30] ^= 1)),
        ("the end of the key", None, |f| change(f, KEY, |b| *b.last_mut().unwrap() = b' ')),
        ("an earlier checkpoint", None, |f| change(f, EARLIER, |b| b[18] ^= 1)),
        ("the end of a line", None, |f| change(f, EARLIER, |b| *b.last_mut().unwrap() = b' ')),
        ("a name in the balances", None, |f| change(f, BALANCES, |b| b[3] ^= 1)),
        ("white space", None, |f| change(f, BALANCES, |b| b.push(b' '))),
    ];
    for (what, position, attack) in table {
        let export = export();
        attack(&export.folder());
        let bad = bad(&export.folder());
        assert_eq!(bad.position, *position, "{what}: {bad}");
    }
}

#[test]
fn what_happened_is_told_apart() {
    type Attack = fn(&Folder);
    const LAST: &str = "tile/entries/002.p/88";
    let table: &[(&str, u64, Attack)] = &[
        ("event 5: its bytes were changed: they do not", 5, |f| {
            change_entries(f, "tile/entries/000", |e| replace(&mut e[4], "60", "61"));
        }),
        ("and the tile is not as it was signed", 5, |f| {
            change(f, "tile/0/000", |b| b[4 * 32] ^= 1);
        }),
        ("event 7: it is missing: event 8 stands in its place", 7, |f| {
            change_entries(f, "tile/entries/000", |e| drop(e.remove(6)));
        }),
        ("event 7: it was exchanged with event 9", 7, |f| {
            change_entries(f, "tile/entries/000", |e| e.swap(6, 8));
        }),
        ("event 9: event 4 stands in its place: it was put in", 9, |f| {
            change_entries(f, "tile/entries/000", |e| e[8] = e[3].clone());
        }),
        ("event 600: the log was cut", 600, |f| {
            change_entries(f, LAST, |e| drop(e.pop()));
        }),
        ("event 590: the log was cut", 590, |f| change_entries(f, LAST, |e| e.truncate(77))),
        ("event 256: it is missing: its bundle ends", 256, |f| {
            change_entries(f, "tile/entries/000", |e| drop(e.pop()));
        }),
        ("event 601: tile/entries/002.p/88 goes on", 601, |f| {
            change_entries(f, LAST, |e| e.push(events(601).pop().unwrap().encode()));
        }),
        ("event 601: tile/entries/002.p/89 is no file of a log", 601, |f| {
            std::fs::write(f.path("tile/entries/002.p/89"), b"x").unwrap();
        }),
    ];
    for (words, position, attack) in table {
        let export = export();
        attack(&export.folder());
        let bad = bad(&export.folder());
        assert!(bad.to_string().contains(words), "{words}: {bad}");
        assert_eq!(bad.position, Some(*position), "{bad}");
    }
    // Across two bundles.
    let export = export();
    let folder = export.folder();
    let first = decode_bundle(&folder.read("tile/entries/000", FILE_BYTES_MAX).unwrap()).unwrap()
        [10]
    .to_vec();
    let mut second = Vec::new();
    change_entries(&folder, "tile/entries/001", |e| {
        second = std::mem::replace(&mut e[20], first);
    });
    change_entries(&folder, "tile/entries/000", |e| e[10] = second);
    assert_eq!(bad(&folder).to_string(), "event 11: it was exchanged with event 277");
}

/// Events as they were never right, in a log that is otherwise well made and signed.
#[test]
fn a_log_that_breaks_a_rule_is_found_at_its_position() {
    type Break = fn(&mut Vec<medusa_events::Envelope>);
    let table: &[(&str, u64, Break)] = &[
        ("it is version 9 of test, after version 2", 3, |log| log[2].version = 9),
        ("is before that of the event before", 300, |log| {
            log[299].at = Timestamp::from_micros(5);
        }),
        ("its postings in CRD sum to 1 instead", 2, |log| {
            log[1].postings[1].1 = Amount::new(61);
        }),
        // 100 are there, and 10 of them reserved by the same event.
        ("the books cannot have taken it", 2, |log| {
            log[1].postings[0].1 = Amount::new(-91);
            log[1].postings[1].1 = Amount::new(91);
        }),
        ("the books cannot have taken it: the reservation", 6, |log| {
            log[5].changes = log[2].changes.clone();
        }),
    ];
    for (words, position, break_it) in table {
        let mut log = events(310);
        break_it(&mut log);
        let export = Log::of(&log).export(&signer(), &[]);
        let bad = bad(&export.folder());
        assert!(bad.to_string().contains(words), "{words}: {bad}");
        assert_eq!(bad.position, Some(*position), "{bad}");
    }
}

#[test]
fn a_claim_that_the_events_do_not_give_is_found() {
    type Change = fn(&mut Log);
    let table: &[(&str, Change)] = &[
        ("the server claims that consumer.promo:usr_00000000000000000000000000000001 has", |log| {
            log.balances.accounts[0].balance = Amount::new(7);
        }),
        ("(reserved 0.00, 0.000001) and is open", |log| {
            log.balances.accounts[0].credits_pending = Amount::new(1);
        }),
        ("the server leaves out the account consumer.promo:usr_", |log| {
            log.balances.accounts.remove(1);
        }),
        ("the server claims that there is consumer.promo:usr_", |log| {
            let mut more = log.balances.accounts[0].clone();
            more.account = format!("consumer.promo:{}", UserId(Uuid::from_u128(99)));
            more.balance = Amount::ZERO;
            log.balances.accounts.push(more);
        }),
        ("the server's trial balance has", |log| {
            log.balances.classes[0].balance = Amount::new(1);
        }),
        ("is of event 9", |log| log.balances.accounts[0].as_of = 9),
        ("it is of event 5, and the checkpoint of 6", |log| log.balances.position = 5),
    ];
    for (words, change) in table {
        let mut log = Log::of(&events(6));
        change(&mut log);
        let export = log.export(&signer(), &[]);
        let bad = bad(&export.folder());
        assert!(bad.to_string().contains(words), "{words}: {bad}");
    }
    // A page of accounts that was read earlier is of an earlier event.
    let mut log = Log::of(&events(6));
    let earlier = Log::of(&events(4)).balances;
    log.balances.accounts = earlier.accounts;
    let export = log.export(&signer(), &[]);
    assert_eq!(found(&export.folder(), &Trusted::default()).bad, None);
}

/// A log that was rewritten by whoever has its key, with everything made anew.
fn rewritten(position: usize) -> Log {
    let mut log = events(SIZE);
    let postings = &mut log[position - 1].postings;
    let sign = postings[1].1.units().signum();
    assert!(sign > 0 && postings[1].0 == wallet(i64::try_from(position).unwrap()));
    postings[0].1 = Amount::new(-1_000);
    postings[1].1 = Amount::new(1_000);
    Log::of(&log)
}

#[test]
fn a_rewritten_log_under_its_own_key_is_found_by_what_was_kept() {
    let honest = Log::of(&events(SIZE));
    let kept = Scratch::new();
    std::fs::create_dir_all(&kept.0).unwrap();
    let keep = |size: usize| {
        let path = kept.0.join(size.to_string());
        std::fs::write(&path, honest.checkpoint(&signer(), size)).unwrap();
        path
    };
    let export = rewritten(301).export(&signer(), &[]);
    let since = |sizes: &[usize]| Trusted {
        since: sizes.iter().map(|size| keep(*size)).collect(),
        ..Trusted::default()
    };
    let found_by = |trusted: &Trusted| found(&export.folder(), trusted).bad;
    assert_eq!(found_by(&Trusted::default()), None, "nobody can tell from it alone");
    assert_eq!(found_by(&since(&[300])), None, "the beginning is as it was");
    let bad = found_by(&since(&[500])).unwrap();
    assert_eq!((bad.position, bad.to), (Some(1), Some(500)), "{bad}");
    assert!(bad.what.contains("history was rewritten"), "{bad}");
    let bad = found_by(&since(&[300, 310, 500])).unwrap();
    assert_eq!((bad.position, bad.to), (Some(301), Some(310)), "{bad}");
    // The honest checkpoint in the rewritten folder is found as well.
    let folder = export.folder();
    std::fs::write(folder.path(CHECKPOINT), honest.checkpoint(&signer(), 600)).unwrap();
    let bad = found_by(&since(&[300])).unwrap();
    assert_eq!((bad.position, bad.to), (Some(301), Some(600)), "{bad}");
}

#[test]
fn a_log_that_was_cut_under_its_own_key_is_found_by_what_was_kept() {
    let honest = Log::of(&events(SIZE));
    let kept = Scratch::new();
    std::fs::create_dir_all(&kept.0).unwrap();
    std::fs::write(kept.0.join("600"), honest.checkpoint(&signer(), 600)).unwrap();
    let export = Log::of(&events(590)).export(&signer(), &[]);
    let trusted = Trusted { since: vec![kept.0.join("600")], ..Trusted::default() };
    let bad = found(&export.folder(), &trusted).bad.unwrap();
    assert_eq!((bad.position, bad.to), (Some(591), Some(600)), "{bad}");
    assert!(bad.what.starts_with("the log was cut: it ends at event 590"), "{bad}");
}

#[test]
fn another_key_than_the_pinned_one_is_found() {
    let other = Signer::new("medusa.test/log", &[8; 32]);
    let export = Log::of(&events(9)).export(&other, &[]);
    assert_eq!(found(&export.folder(), &Trusted::default()).bad, None, "its own word");
    let pinned = Trusted { keys: vec![signer().verifier()], ..Trusted::default() };
    let bad = found(&export.folder(), &pinned).bad.unwrap();
    assert!(bad.what.contains("is none that you named"), "{bad}");
    // With the right key beside it, the signature is what does not fit.
    std::fs::write(export.folder().path(KEY), format!("{}\n", signer().verifier())).unwrap();
    let bad = found(&export.folder(), &pinned).bad.unwrap();
    assert_eq!(bad.what, "checkpoint: the checkpoint is not signed by this key");
}

#[test]
fn witnesses_that_were_named_must_have_signed() {
    let [one, two] = [1_u8, 2].map(|n| Cosigner::new(format!("w{n}.test"), &[n; 32]));
    let log = Log::of(&events(9));
    let export = log.export(&signer(), &[]);
    let note = Note::parse(&log.checkpoint(&signer(), 9)).unwrap();
    let line = one.cosign(&note, UnixSeconds::new(1_700_000_000).unwrap()).unwrap();
    let cosigned = note.with(line).unwrap().to_string();
    std::fs::write(export.folder().path(CHECKPOINT), &cosigned).unwrap();
    let trusted =
        |quorum| Trusted { witnesses: vec![one.key(), two.key()], quorum, ..Trusted::default() };
    let right = found(&export.folder(), &trusted(Some(1)));
    assert_eq!((right.bad, right.cosigned), (None, vec!["w1.test".to_owned()]));
    let bad = found(&export.folder(), &trusted(None)).bad.unwrap();
    assert!(bad.what.contains("1 of the known witnesses have signed, but 2"), "{bad}");
    // A rewritten log has no cosignature, and that of the right one does not fit it.
    let text = log.checkpoint(&signer(), 9);
    let forged = rewritten(301).checkpoint(&signer(), 400);
    let stolen = cosigned.strip_prefix(&text).unwrap();
    std::fs::write(export.folder().path(CHECKPOINT), format!("{forged}{stolen}")).unwrap();
    let bad = found(&export.folder(), &trusted(Some(1))).bad.unwrap();
    assert!(bad.what.contains("a signature does not fit"), "{bad}");
}

#[test]
fn an_export_that_is_none_is_no_verdict() {
    let nothing =
        verify(&Folder::new("/nowhere".as_ref()), &Trusted::default(), &ProgressBar::hidden());
    assert!(nothing.unwrap_err().downcast_ref::<Fail>().is_some());
    let export = export();
    export.folder().begin().unwrap();
    let unfinished = verify(&export.folder(), &Trusted::default(), &ProgressBar::hidden());
    assert!(unfinished.unwrap_err().to_string().contains("is not finished"));
}

/// The tiles of this log, made in another way: by their definition.
#[test]
fn the_made_log_has_the_tiles_that_it_should() {
    let log = Log::of(&events(SIZE));
    let tiles = log.tiles(600);
    let names: Vec<&str> = tiles.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/88"
        ]
    );
    let id: TileId = "tile/1/000.p/2".parse().unwrap();
    let upper = Tile::decode(id, &tiles[3].1).unwrap();
    assert_eq!(upper.hashes()[0], log.head(256).root);
    let mut frontier = Frontier::restore(
        512,
        vec![medusa_tlog::node_hash(&upper.hashes()[0], &upper.hashes()[1])],
    )
    .unwrap();
    let last: TileId = "tile/0/002.p/88".parse().unwrap();
    Tile::decode(last, &tiles[2].1).unwrap().hashes().iter().for_each(|h| frontier.push(*h));
    assert_eq!(frontier.head(), log.head(600));
}
