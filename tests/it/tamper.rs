//! Whoever changes an export of the log is found out by two verifiers that share no code, ours and
//! a short one in Python. Each names the first bad event.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use medusa_api::JobState;
use medusa_tlog::{
    BundleId, Cosigner, Frontier, Note, Signer, Tile, TileEdge, TreeHead, UnixSeconds, bundles_of,
    decode_bundle, encode_bundle, leaf_hash,
};
use serde_json::Value;

use crate::harness::{
    Dice, Folder, House, Person, checkout, echo, ended, program, range, request, submit,
};

/// Bytes of an export that each of two hands changes, one at a time.
const FLIPS: usize = 100;

/// What a verifier says.
#[derive(Debug)]
struct Verdict {
    code: Option<i32>,
    /// The first bad event that it names.
    position: Option<u64>,
    said: String,
}

fn medusa(house: Option<(&House, &Person)>) -> Command {
    let mut command = Command::new(program("medusa"));
    command.env_remove("MEDUSA_VERIFIER_KEY").env("MEDUSA_CONFIG", "/nowhere");
    if let Some((house, person)) = house {
        command.env("MEDUSA_URL", &house.url).env("MEDUSA_TOKEN", &person.token);
    }
    command
}

fn start(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| {
        panic!("{:?}: {error}; the independent verifier needs Python 3.11", command.get_program())
    })
}

/// Exit status, and what it said: its data, then its talk.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said + &String::from_utf8_lossy(&output.stderr))
}

/// What both say of an export. `ours` are options that only the command line has.
fn judge(dir: &Path, options: &[&OsStr], ours: &[&OsStr]) -> [Verdict; 2] {
    let rust =
        start(medusa(None).args(["audit", "verify", "--json"]).arg(dir).args(options).args(ours));
    let script = checkout().join("clients/python/medusa_verify.py");
    let mut python = Command::new("python3");
    python.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg(dir).args(options);
    let python = start(&mut python);
    let (code, said) = end(rust);
    let report: Value = serde_json::from_str(said.lines().next().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {said}"));
    let rust = Verdict { code, position: report["bad"]["position"].as_u64(), said };
    let (code, said) = end(python);
    let event = said.strip_prefix("bad: event").map(|rest| rest.trim_start_matches(['s', ' ']));
    let digits = event.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    let position = digits.and_then(|digits| digits.parse().ok());
    [rust, Verdict { code, position, said }]
}

fn assert_right(dir: &Path, options: &[&OsStr]) {
    let [rust, python] = judge(dir, options, &[]);
    assert_eq!((rust.code, python.code), (Some(0), Some(0)), "{rust:?}\n{python:?}");
    assert!(python.said.starts_with("ok: "), "{python:?}");
}

/// Both say that something is wrong, and with which event.
fn assert_bad(what: &str, dir: &Path, options: &[&OsStr], position: Option<u64>) -> Verdict {
    let [rust, python] = judge(dir, options, &[]);
    for verdict in [&rust, &python] {
        assert_eq!(verdict.code, Some(10), "{what}: {verdict:?}");
        assert_eq!(verdict.position, position, "{what}: {verdict:?}");
    }
    rust
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A real log in an export, and what is known about it.
struct Exported {
    house: House,
    auditor: Person,
    folder: Folder,
    size: u64,
    /// A checkpoint that somebody kept from before the jobs ran.
    kept: String,
    key: String,
}

impl Exported {
    /// After some people and a job of more than a full tile of events; exported by an auditor once
    /// while the job runs, and again after it.
    async fn new() -> Self {
        let house = House::open().await;
        let auditor = house.person_with_role("ada", "auditor").await;
        let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
        let kept = auditor.client.audit_head().await.unwrap();
        let agent = house.agent(&lena).await;
        let request = request(&consumer, echo(), range(80, 1)).await;
        let job = submit(&consumer, &request).await.unwrap().id;
        let folder = Folder::new();
        let export = || {
            let mut command = medusa(Some((&house, &auditor)));
            let (code, said) = end_of(command.args(["audit", "export"]).arg(folder.path()));
            assert_eq!(code, Some(0), "{said}");
            size_of(&std::fs::read_to_string(folder.path().join("checkpoint")).unwrap())
        };
        let early = export();
        assert_right(folder.path(), &[]);
        assert_eq!(ended(&consumer, job).await.state, JobState::Done);
        drop(agent);
        // Signed once more on its way.
        auditor.client.audit_head().await.unwrap();
        house.person("luis").await;
        let size = export();
        assert!(size > early && size > 300, "{early} and {size} events");
        let (kept, key) = (kept.checkpoint, kept.verifier_key);
        Self { house, auditor, folder, size, kept, key }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The largest size before the last that the export has a checkpoint of.
    fn last_signed_before(&self) -> u64 {
        let lines = std::fs::read_to_string(self.path().join("checkpoints.jsonl")).unwrap();
        let notes = lines.lines().map(|line| serde_json::from_str::<String>(line).unwrap());
        let sizes = notes.map(|note| size_of(&note));
        sizes.filter(|size| *size < self.size).max().unwrap_or_default()
    }

    /// A copy to be tampered with.
    fn copy(&self) -> Copy {
        let folder = Folder::new();
        copy(self.path(), folder.path());
        Copy { folder, size: self.size }
    }

    /// The log's own key, as who has taken over the server has it.
    fn signer(&self) -> Signer {
        let command = self.house.command();
        let mut settings = command.get_envs();
        let data = settings.find(|(name, _)| *name == "MEDUSA_DATA").unwrap().1.unwrap();
        let secret = std::fs::read(Path::new(data).join("keys/log.key")).unwrap();
        let origin = self.key.split('+').next().unwrap();
        let signer = Signer::new(origin, &secret.try_into().unwrap());
        assert_eq!(signer.verifier().to_string(), self.key);
        signer
    }
}

/// An export in the hands of somebody who changes it.
struct Copy {
    folder: Folder,
    size: u64,
}

impl Copy {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// The bundle of the last event.
    fn last_bundle(&self) -> String {
        BundleId::in_tree((self.size - 1) >> 8, self.size).unwrap().to_string()
    }

    fn change_entries(&self, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        self.change(name, |bytes| {
            let mut entries: Vec<_> =
                decode_bundle(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
            change(&mut entries);
            *bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        });
    }

    /// The stored bytes of all events.
    fn bodies(&self) -> Vec<Vec<u8>> {
        let read = |id: BundleId| std::fs::read(self.path(&id.to_string())).unwrap();
        let split = |bytes: Vec<u8>| -> Vec<Vec<u8>> {
            decode_bundle(&bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect()
        };
        bundles_of(self.size).map(read).flat_map(split).collect()
    }

    /// Makes every tile and bundle anew for these events.
    fn rebuild(&self, bodies: &[Vec<u8>]) -> TreeHead {
        std::fs::remove_dir_all(self.path("tile")).unwrap();
        let (mut edge, mut frontier) = (TileEdge::default(), Frontier::default());
        let mut tiles: Vec<Tile> = Vec::new();
        for body in bodies {
            tiles.extend(edge.push(leaf_hash(body)));
            frontier.push(leaf_hash(body));
        }
        tiles.extend(edge.partials());
        let tiles = tiles.iter().map(|tile| (tile.id().to_string(), tile.encode()));
        let bundle = |id: BundleId| {
            let from = usize::try_from(id.index()).unwrap() * 256;
            let bodies = bodies[from..].iter().take(id.width().into()).map(Vec::as_slice);
            (id.to_string(), encode_bundle(bodies).unwrap())
        };
        for (name, bytes) in tiles.chain(bundles_of(frontier.size()).map(bundle)) {
            let path = self.path(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        frontier.head()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

/// The first event with a text, from 1, and the event with another text in its place.
fn replaced(bodies: &mut [Vec<u8>], from: &str, to: &str) -> u64 {
    for (body, position) in bodies.iter_mut().zip(1..) {
        let text = String::from_utf8(body.clone()).unwrap();
        if text.contains(from) {
            *body = text.replacen(from, to, 1).into_bytes();
            return position;
        }
    }
    panic!("no event has {from}")
}

/// The same for a digit of the lease that an event is about, which no other rule depends on.
fn another_lease(bodies: &mut [Vec<u8>]) -> u64 {
    let digits = |digit| format!("\"lease\":\"lse_{digit}");
    let found = bodies.iter().zip(1..).find_map(|(body, position)| {
        let text = String::from_utf8(body.clone()).unwrap();
        let digit = text.split(&digits("")).nth(1)?.chars().next()?;
        Some((digit, position))
    });
    let (digit, position) = found.expect("an event of a lease");
    let other = if digit == '0' { '1' } else { '0' };
    assert_eq!(
        replaced(bodies, &digits(&digit.to_string()), &digits(&other.to_string())),
        position
    );
    position
}

/// Another text made of one.
type Change = fn(&str) -> String;

/// What a server could write into its claims that two readers could read differently.
fn claims_table() -> Vec<(&'static str, Change)> {
    /// The first of these rows, once more or in another way.
    fn row(text: &str, list: &str, change: impl FnOnce(&str) -> String) -> String {
        let (before, rest) = text.split_once(&format!("\"{list}\":[")).unwrap();
        let (row, after) = rest.split_once('}').unwrap();
        format!("{before}\"{list}\":[{}{after}", change(&format!("{row}}}")))
    }
    vec![
        ("a class twice", |text| {
            row(text, "classes", |r| {
                let value: Value = serde_json::from_str(r).unwrap();
                format!("{{\"class\":{},\"balance\":0}},{r}", value["class"])
            })
        }),
        ("an account twice", |text| row(text, "accounts", |r| format!("{r},{r}"))),
        ("an unknown class", |text| {
            row(text, "classes", |r| format!("{{\"class\":\"nonsense\",\"balance\":0}},{r}"))
        }),
        ("a number with a fraction", |text| text.replacen(",\"classes\"", ".0,\"classes\"", 1)),
        ("a truth for a number", |text| {
            text.replacen("\"debits_pending\":0", "\"debits_pending\":false", 1)
        }),
        ("a number as a text", |text| {
            text.replacen("\"debits_pending\":0", "\"debits_pending\":\"0\"", 1)
        }),
        ("a field more", |text| text.replacen('{', "{\"more\":0,", 1)),
        ("a field more in a class", |text| {
            row(text, "classes", |r| r.replacen('{', "{\"more\":0,", 1))
        }),
        ("a field more in an account", |text| {
            row(text, "accounts", |r| r.replacen('{', "{\"more\":0,", 1))
        }),
        ("fields in another order", |text| {
            row(text, "classes", |r| {
                let value: Value = serde_json::from_str(r).unwrap();
                format!("{{\"balance\":{},\"class\":{}}}", value["balance"], value["class"])
            })
        }),
    ]
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of attacks")]
async fn whoever_changes_an_export_is_found_out_by_both_verifiers() {
    let log = Exported::new().await;
    let key = [OsStr::new("--key"), OsStr::new(&log.key)];
    assert_right(log.path(), &key);

    // One byte of each class.
    type Attack = fn(&Copy);
    let table: &[(&str, Option<u64>, Attack)] = &[
        ("the text of an event", Some(7), |c| {
            c.change_entries("tile/entries/000", |e| e[6][20] ^= 1);
        }),
        ("its length", Some(1), |c| c.change("tile/entries/000", |b| b[1] ^= 1)),
        ("a hash in a tile of leaves", Some(9), |c| c.change("tile/0/000", |b| b[8 * 32] ^= 1)),
        ("a hash in a tile above", Some(1), |c| c.change("tile/1/000.p/1", |b| b[0] ^= 1)),
        ("the checkpoint's name", None, |c| c.change("checkpoint", |b| b[0] ^= 1)),
        ("the checkpoint's size", None, |c| {
            let size = c.size.to_string();
            c.change("checkpoint", |b| {
                *b = String::from_utf8(b.clone()).unwrap().replace(&size, "7").into_bytes();
            });
        }),
        ("the signature", None, |c| {
            c.change("checkpoint", |b| {
                let at = b.len() - 20;
                b[at] = if b[at] == b'A' { b'B' } else { b'A' };
            })
        }),
        ("the key", None, |c| {
            c.change("log.vkey", |b| {
                let at = b.len() - 9;
                b[at] = if b[at] == b'A' { b'B' } else { b'A' };
            })
        }),
        ("an event is deleted", Some(11), |c| {
            c.change_entries("tile/entries/000", |e| drop(e.remove(10)));
        }),
        ("the first is deleted", Some(1), |c| {
            c.change_entries("tile/entries/000", |e| drop(e.remove(0)));
        }),
        ("two are exchanged", Some(11), |c| {
            c.change_entries("tile/entries/000", |e| e.swap(10, 30));
        }),
        ("a file is gone", Some(1), |c| {
            std::fs::remove_file(c.path("tile/entries/000")).unwrap();
        }),
    ];
    for (what, position, attack) in table {
        let copy = log.copy();
        attack(&copy);
        assert_bad(what, copy.folder.path(), &[], *position);
    }
    for (what, attack) in claims_table() {
        let copy = log.copy();
        copy.change("balances.json", |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let changed = attack(&text);
            assert_ne!(changed, text, "{what}");
            *bytes = changed.into_bytes();
        });
        assert_bad(what, copy.folder.path(), &[], None);
    }
    for name in [".hidden", "tile/.hidden", "kept.checkpoint", "tile/0/000.p/7"] {
        let copy = log.copy();
        std::fs::create_dir_all(copy.path(name).parent().unwrap()).unwrap();
        copy.write(name, "x");
        assert_bad(name, copy.folder.path(), &[], None);
    }
    let copy = log.copy();
    let mut position = 0;
    copy.change_entries("tile/entries/000", |e| {
        position = replaced(e, "\",100000000]", "\",900000000]")
    });
    let said = assert_bad("an amount", copy.folder.path(), &[], Some(position)).said;
    assert!(said.contains("its bytes were changed"), "{said}");
    let copy = log.copy();
    copy.change_entries(&copy.last_bundle(), |e| drop(e.pop()));
    let said = assert_bad("cut", copy.folder.path(), &[], Some(log.size)).said;
    assert!(said.contains("the log was cut"), "{said}");
    let copy = log.copy();
    copy.change_entries(&copy.last_bundle(), |e| e.push(e[0].clone()));
    assert_bad("a forged event more", copy.folder.path(), &[], Some(log.size + 1));
    // Rows are taken out or put in, and the tiles made anew: only what was signed is as it was.
    let known = log.last_signed_before();
    type Rows = fn(&mut Vec<Vec<u8>>);
    let table: &[(&str, u64, Rows)] = &[
        ("deleted, tiles anew", 11, |rows| drop(rows.remove(10))),
        ("deleted behind, tiles anew", 301, |rows| drop(rows.remove(300))),
        ("inserted, tiles anew", 11, |rows| rows.insert(10, rows[4].clone())),
        ("cut, tiles anew", known + 1, |rows| drop(rows.pop())),
    ];
    for (what, position, change) in table {
        let copy = log.copy();
        let mut rows = copy.bodies();
        change(&mut rows);
        copy.rebuild(&rows);
        assert_bad(what, copy.folder.path(), &[], Some(*position));
    }
    let copy = log.copy();
    let more = BundleId::in_tree(log.size >> 8, log.size + 1).unwrap().to_string();
    copy.write(&more, "\0\u{1}x");
    assert_bad("a forged event in a file of its own", copy.folder.path(), &[], Some(log.size + 1));
}

#[tokio::test]
async fn whoever_makes_another_log_is_found_out_by_what_others_kept() {
    let log = Exported::new().await;
    let key = [OsStr::new("--key"), OsStr::new(&log.key)];
    let honest = std::fs::read_to_string(log.path().join("checkpoint")).unwrap();
    let keep = |copy: &Copy, name: &str, note: &str| copy.write(name, note).into_os_string();
    let outside = Copy { folder: Folder::new(), size: 0 };
    let (old, new) = (keep(&outside, "old", &log.kept), keep(&outside, "new", &honest));
    let known = Note::parse(&log.kept).unwrap().checkpoint().unwrap().size;

    // Signed with another key, which is named in the export, too.
    let copy = log.copy();
    let stranger = Signer::new(log.key.split('+').next().unwrap(), &[1; 32]);
    let head = copy.rebuild(&copy.bodies());
    copy.write("checkpoint", &stranger.sign(head.size, head.root));
    assert_bad("another signature", copy.folder.path(), &[], None);
    copy.write("log.vkey", &format!("{}\n", stranger.verifier()));
    copy.write("checkpoints.jsonl", "");
    assert_right(copy.folder.path(), &[]);
    assert_bad("another key than the known one", copy.folder.path(), &key, None);

    // History is rewritten and signed by the right key: only what was kept elsewhere tells.
    let signer = log.signer();
    let copy = log.copy();
    let mut bodies = copy.bodies();
    let position = known + another_lease(&mut bodies[usize::try_from(known).unwrap()..]);
    let head = copy.rebuild(&bodies);
    let rewritten = signer.sign(head.size, head.root);
    copy.write("checkpoint", &rewritten);
    let lines = std::fs::read_to_string(copy.path("checkpoints.jsonl")).unwrap();
    assert!(lines.lines().count() > 1, "the log was signed on its way");
    let sizes: Vec<u64> = lines.lines().map(|line| size_of(&note_of(line))).collect();
    let before = sizes.iter().copied().filter(|size| *size < position).max().unwrap_or_default();
    let said =
        assert_bad("the earlier ones are there", copy.folder.path(), &[], Some(before + 1)).said;
    assert!(said.contains("history was rewritten"), "{said}");
    copy.write("checkpoints.jsonl", "");
    assert_right(copy.folder.path(), &key);
    assert_right(copy.folder.path(), &[OsStr::new("--since"), &old]);
    let since = [OsStr::new("--since"), &old, OsStr::new("--since"), &new];
    assert_bad("both were kept", copy.folder.path(), &since, Some(known + 1));
    assert_bad("one was kept", copy.folder.path(), &since[2..], Some(1));
    let witness = Cosigner::new("witness.test/w1", &[3; 32]);
    let vkey = witness.key().to_string();
    let ours = [OsStr::new("--witness"), OsStr::new(&vkey)];
    let note = Note::parse(&honest).unwrap();
    let line = witness.cosign(&note, UnixSeconds::new(1_700_000_000).unwrap()).unwrap();
    let cosigned = note.with(line.clone()).unwrap().to_string();
    let right = log.copy();
    right.write("checkpoint", &cosigned);
    assert_eq!(judge(right.folder.path(), &[], &ours)[0].code, Some(0));
    assert_eq!(judge(copy.folder.path(), &[], &ours)[0].code, Some(10), "nobody has cosigned it");
    copy.write("checkpoint", &format!("{rewritten}{line}\n"));
    assert_eq!(judge(copy.folder.path(), &[], &ours)[0].code, Some(10), "it is of another root");

    // The log ends earlier, and everything is made and signed to fit.
    let copy = log.copy();
    let end = usize::try_from(known).unwrap();
    copy.rebuild(&copy.bodies()[..end]);
    copy.write("checkpoint", &log.kept);
    copy.write("checkpoints.jsonl", "");
    let said = assert_bad("cut", copy.folder.path(), &since[2..], Some(known + 1)).said;
    assert!(said.contains("the log was cut: it ends at event"), "{said}");

    // An export that goes on from what is here notices it, too, and leaves the evidence alone.
    let copy = log.copy();
    copy.write("checkpoint", &rewritten);
    log.house.person("late").await;
    let export = |folder: &Path| {
        end_of(medusa(Some((&log.house, &log.auditor))).args(["audit", "export"]).arg(folder))
    };
    let (code, said) = export(copy.folder.path());
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("history was rewritten"), "{said}");
    let (code, said) = export(log.path());
    assert_eq!(code, Some(0), "{said}");
    let checkpoint = std::fs::read_to_string(log.path().join("checkpoint")).unwrap();
    assert!(size_of(&checkpoint) > log.size);
    assert_right(log.path(), &since);
}

fn end_of(command: &mut Command) -> (Option<i32>, String) {
    end(start(command))
}

fn note_of(line: &str) -> String {
    serde_json::from_str(line).unwrap()
}

fn size_of(checkpoint: &str) -> u64 {
    Note::parse(checkpoint).unwrap().checkpoint().unwrap().size
}

/// An index below a number.
fn index(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(end).unwrap())).unwrap()
}

#[tokio::test]
async fn no_byte_of_an_export_can_be_changed_unnoticed() {
    let log = Exported::new().await;
    let hands: Vec<Copy> = (0..2).map(|_| log.copy()).collect();
    std::thread::scope(|scope| {
        for (copy, seed) in hands.iter().zip(1..) {
            scope.spawn(move || flip(copy, seed));
        }
    });
    for copy in &hands {
        assert_right(copy.folder.path(), &[]);
    }
}

/// Changes bytes: half of them anywhere, half in any file, so that the short ones have their turn.
fn flip(copy: &Copy, seed: u64) {
    let read = |path: PathBuf| (std::fs::read(&path).unwrap(), path);
    let files: Vec<(Vec<u8>, PathBuf)> = files(copy.folder.path()).into_iter().map(read).collect();
    assert!(files.iter().all(|(bytes, _)| !bytes.is_empty()), "a file has nothing to change");
    let bytes_of = |file: usize| (0..files[file].0.len()).map(move |at| (file, at));
    let places: Vec<(usize, usize)> = (0..files.len()).flat_map(bytes_of).collect();
    let mut dice = Dice::of(seed);
    for turn in 0..FLIPS {
        let (file, at) = if turn % 2 == 0 {
            let file = index(&mut dice, files.len());
            (file, index(&mut dice, files[file].0.len()))
        } else {
            places[index(&mut dice, places.len())]
        };
        let (bytes, path) = &files[file];
        let mut changed = bytes.clone();
        changed[at] ^= u8::try_from(index(&mut dice, 255) + 1).unwrap();
        std::fs::write(path, &changed).unwrap();
        let [rust, python] = judge(copy.folder.path(), &[], &[]);
        let what = format!(
            "seed {seed}, turn {turn}: byte {at} of {} from {:02x} to {:02x}\n{rust:?}\n{python:?}",
            path.display(),
            bytes[at],
            changed[at]
        );
        assert_eq!((rust.code, python.code), (Some(10), Some(10)), "{what}");
        if path.starts_with(copy.path("tile")) {
            assert!(rust.position.is_some(), "{what}");
            assert_eq!(rust.position, python.position, "{what}");
        }
        std::fs::write(path, bytes).unwrap();
    }
}
