//! The verifier in Python beside ours: its options, and the same verdict on the same exports.

use std::path::Path;
use std::process::Command;

use medusa_tlog::Signer;

use super::attacks::found;
use super::log::{Log, Scratch, events, signer};
use crate::audit::folder::{BALANCES, CHECKPOINT, Folder};
use crate::audit::verify::Trusted;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/python/medusa_verify.py");

/// Exit status and what it says, of the data and of the talk.
fn python(words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("python3");
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(SCRIPT).args(words);
    let output = command.output().expect("the independent verifier needs Python 3.11");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &talk)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn it_is_called_rightly_or_says_so_and_gives_no_verdict() {
    let export = Log::of(&events(9)).export(&signer(), &[5]);
    let dir = text(&export.0);
    let checkpoint = export.0.join(CHECKPOINT);
    let missing = export.0.join("missing");
    for (words, said) in [
        (vec![], "name one folder"),
        (vec![dir, dir], "name one folder"),
        (vec![text(&missing)], "is no folder"),
        (vec![text(&checkpoint)], "is no folder"),
        (vec![dir, "--kye", "x"], "there is no option --kye"),
        (vec![dir, "-k"], "there is no option -k"),
        (vec![dir, "--key"], "--key needs a value"),
        (vec![dir, "--key", "--since"], "--key needs a value"),
        (vec![dir, "--key", "a", "--key", "a"], "--key a is given twice"),
        (vec![dir, "--since", text(&missing)], "is no file"),
    ] {
        let (code, told) = python(&words);
        assert_eq!(code, Some(2), "{words:?}: {told}");
        assert!(told.contains(said) && told.contains("usage: medusa_verify.py"), "{told}");
    }
    for word in ["-h", "--help"] {
        let (code, told) = python(&[word]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("python3 medusa_verify.py DIR [--key VKEY]"), "{told}");
    }
    export.folder().begin().unwrap();
    let (code, told) = python(&[dir]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("is not finished"), "{told}");
}

#[test]
fn keys_and_kept_checkpoints_are_believed_as_ours_believes_them() {
    let honest = Log::of(&events(300));
    let export = honest.export(&signer(), &[5]);
    let (key, other) = (signer().verifier(), Signer::new("medusa.test/log", &[8; 32]).verifier());
    let (key, other) = (key.to_string(), other.to_string());
    let kept = Scratch::new();
    std::fs::create_dir_all(&kept.0).unwrap();
    let keep = |name: &str, note: String| {
        std::fs::write(kept.0.join(name), note).unwrap();
        kept.0.join(name)
    };
    let old = keep("old", honest.checkpoint(&signer(), 257));
    let larger = keep("larger", Log::of(&events(310)).checkpoint(&signer(), 310));
    let stranger = Signer::new("medusa.test/log", &[8; 32]);
    let forged = keep("forged", honest.checkpoint(&stranger, 200));
    for (words, code, said) in [
        (vec![], 0, "the key of the export's own word"),
        (vec!["--key", &key], 0, "checked with the key given with --key"),
        (vec!["--key", &key, "--key", &other], 0, "ok: 300 events"),
        (vec!["--key", &other], 10, "none of the keys that you named"),
        (vec!["--key", "nonsense"], 10, "cannot be read"),
        (vec!["--since", text(&old)], 0, "ok: 300 events"),
        (
            vec!["--since", text(&old), "--since", text(&larger)],
            10,
            "events 301 to 310: the log was",
        ),
        (vec!["--since", text(&forged)], 10, "signed by another key"),
    ] {
        let mut all = vec![text(&export.0)];
        all.extend(&words);
        let (found, told) = python(&all);
        assert_eq!(found, Some(code), "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
    }
}

/// The first bad event that a verdict in Python names.
fn named(told: &str) -> Option<u64> {
    let rest = told.strip_prefix("bad: event")?.trim_start_matches(['s', ' ']);
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn both_say_the_same_of_claims_that_could_be_read_in_two_ways() {
    type Change = fn(&str) -> String;
    fn first(text: &str, list: &str) -> (String, String, String) {
        let (before, rest) = text.split_once(&format!("\"{list}\":[")).unwrap();
        let (row, after) = rest.split_once('}').unwrap();
        (format!("{before}\"{list}\":["), format!("{row}}}"), after.to_owned())
    }
    let table: &[(&str, Change)] = &[
        ("a class twice", |t| {
            let (before, row, after) = first(t, "classes");
            let name = row.split('"').nth(3).unwrap();
            format!("{before}{{\"class\":\"{name}\",\"balance\":0}},{row}{after}")
        }),
        ("an account twice", |t| {
            let (before, row, after) = first(t, "accounts");
            format!("{before}{row},{row}{after}")
        }),
        ("an unknown class", |t| {
            t.replacen("\"classes\":[", "\"classes\":[{\"class\":\"gold\",\"balance\":0},", 1)
        }),
        ("a fraction", |t| t.replacen(",\"classes\"", ".0,\"classes\"", 1)),
        ("an exponent", |t| t.replacen("\"debits_pending\":0", "\"debits_pending\":0e0", 1)),
        ("a truth", |t| t.replacen("\"debits_pending\":0", "\"debits_pending\":false", 1)),
        ("nothing", |t| t.replacen("\"debits_pending\":0", "\"debits_pending\":null", 1)),
        ("a minus before nothing", |t| t.replacen("pending\":0", "pending\":-0", 1)),
        ("a field more", |t| t.replacen('{', "{\"more\":0,", 1)),
        ("a field more in a class", |t| t.replacen("[{", "[{\"more\":0,", 1)),
        ("a field more in an account", |t| t.replacen(",\"state\"", ",\"more\":0,\"state\"", 1)),
        ("a field less", |t| t.replacen(",\"credits_pending\":0", "", 1)),
        ("a field twice", |t| {
            t.replacen(",\"state\":\"open\"", ",\"state\":\"open\",\"state\":\"open\"", 1)
        }),
        ("another order", |t| {
            let (before, row, after) = first(t, "classes");
            let parts: Vec<&str> = row.trim_matches(['{', '}']).split(',').collect();
            format!("{before}{{{},{}}}{after}", parts[1], parts[0])
        }),
        ("an escape", |t| t.replacen("\"open\"", "\"op\\u0065n\"", 1)),
        ("a blank", |t| t.replacen(':', ": ", 1)),
    ];
    for (what, change) in table {
        let export = Log::of(&events(9)).export(&signer(), &[]);
        let path = export.0.join(BALANCES);
        let before = std::fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "{what}");
        std::fs::write(&path, after).unwrap();
        assert!(found(&export.folder(), &Trusted::default()).bad.is_some(), "{what}");
        let (code, told) = python(&[text(&export.0)]);
        assert_eq!(code, Some(10), "{what}: {told}");
    }
}

#[test]
fn both_name_the_same_first_event_when_tiles_were_made_anew() {
    type Rows = fn(&mut Vec<Vec<u8>>);
    /// Events as somebody writes them anew who renumbers what follows, and keeps the versions.
    fn renumbered(rows: &mut Vec<Vec<u8>>) {
        rows.remove(9);
        *rows = (1..)
            .zip(events(300))
            .filter(|(n, _)| *n != 10)
            .zip(1_i64..)
            .map(|((_, mut event), position)| {
                event.position = position;
                event.encode()
            })
            .collect();
    }
    // Checkpoints of 5 and of 280 events are in the export, and the last of 300.
    let table: &[(&str, (u64, u64), Rows)] = &[
        ("deleted", (11, 11), |rows| drop(rows.remove(10))),
        ("deleted at a border", (256, 256), |rows| drop(rows.remove(255))),
        ("inserted", (11, 11), |rows| rows.insert(10, rows[3].clone())),
        ("cut", (281, 300), |rows| drop(rows.pop())),
        ("cut by much", (6, 300), |rows| rows.truncate(256)),
        ("renumbered", (6, 10), renumbered),
    ];
    for (what, (from, to), change) in table {
        let log = Log::of(&events(300));
        let export = log.export(&signer(), &[5, 280]);
        let mut rows = log.bodies.clone();
        change(&mut rows);
        let forged = Log { bodies: rows, balances: log.balances.clone() };
        write_tiles(&export.folder(), &forged);
        let bad = found(&export.folder(), &Trusted::default()).bad.unwrap();
        assert_eq!((bad.position, bad.to), (Some(*from), Some(*to)), "{what}: {bad}");
        let (code, told) = python(&[text(&export.0)]);
        assert_eq!((code, named(&told)), (Some(10), Some(*from)), "{what}: {told}");
    }
}

/// The tiles and bundles of this log in place of all others.
fn write_tiles(folder: &Folder, log: &Log) {
    std::fs::remove_dir_all(folder.path("tile")).unwrap();
    for (name, bytes) in log.tiles(log.bodies.len()) {
        let path = folder.path(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn both_see_that_the_last_event_claims_more_bytes_than_there_are() {
    let export = Log::of(&events(9)).export(&signer(), &[]);
    let path = export.folder().path("tile/entries/000.p/9");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = events(9).pop().unwrap().encode().len();
    let at = bytes.len() - last - 2;
    bytes[at] += 1;
    std::fs::write(&path, bytes).unwrap();
    let bad = found(&export.folder(), &Trusted::default()).bad.unwrap();
    let (code, told) = python(&[text(&export.0)]);
    assert_eq!((bad.position, code, named(&told)), (Some(9), Some(10), Some(9)), "{told} / {bad}");
}

#[test]
fn both_refuse_what_nothing_was_signed_for_hidden_or_not() {
    for name in [".hidden", "tile/.hidden", "notes.txt", "tile/0/000.p/7", "tile/entries/x001/000"]
    {
        let export = Log::of(&events(9)).export(&signer(), &[]);
        let path = export.folder().path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"x").unwrap();
        let bad = found(&export.folder(), &Trusted::default()).bad.expect(name);
        let (code, told) = python(&[text(&export.0)]);
        assert_eq!((code, named(&told)), (Some(10), bad.position), "{name}: {told} / {bad}");
    }
    // An empty folder and a file that is read are none.
    let export = Log::of(&events(9)).export(&signer(), &[]);
    std::fs::create_dir_all(export.0.join("empty")).unwrap();
    assert_eq!(found(&export.folder(), &Trusted::default()).bad, None);
    assert_eq!(python(&[text(&export.0)]).0, Some(0));
}
