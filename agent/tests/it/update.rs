//! Updates from a place that may lie, may be cut off, or may offer a program that does not work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use medusa_testkit::{Proxy, Side, Way};
use medusa_types::Sha256Hash;
use tokio::process::{Child, Command};

use crate::support::{FakeServer, Home, Link, lease, soon};

const NEW: &str = "9.9.9";
/// The new program is the one of this build with another version, and does this first.
const DOES_WELL: &str = "";
const DIES: &str = "echo 'no such library' >&2; exit 3";

/// A machine with a program of its own, and a place of updates.
struct Machine {
    server: FakeServer,
    /// Where updates are looked for.
    place: String,
    home: Home,
    folder: PathBuf,
    key: SigningKey,
}

impl Machine {
    async fn new() -> Self {
        let (home, server) = (Home::new(), FakeServer::start().await);
        home.enrol(&server.url);
        // A link to the program, which is replaced as a whole, needs the same disk.
        let name = home.path().file_name().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("real")).unwrap();
        for place in ["medusa-agent", "real/medusa-agent"] {
            fs::hard_link(env!("CARGO_BIN_EXE_medusa-agent"), folder.join(place)).unwrap();
        }
        Self {
            place: server.url.clone(),
            server,
            home,
            folder,
            key: SigningKey::from_bytes(&[7; 32]),
        }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("medusa-agent")
    }

    /// A program of this version that does something first.
    fn made(&self, version: &str, first: &str) -> String {
        let real = self.folder.join("real/medusa-agent");
        let real = real.display();
        format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo 'medusa-agent {version}' && exit\n\
             {first}\nexec '{real}' \"$@\"\n"
        )
    }

    /// Offers a program, signed by this key.
    fn offer(&self, version: &str, program: &str, by: &SigningKey) {
        let path = format!("medusa-agent-{version}");
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        let (bytes, sha256) = (program.len(), Sha256Hash::of(program.as_bytes()));
        let list = format!(
            r#"{{"what":"medusa-agent update 1","version":"{version}","programs":{{
                "{target}":{{"path":"{path}","bytes":{bytes},"sha256":"{sha256}"}}}}}}"#
        );
        self.server.answer("/agent.json.sig", 200, by.sign(list.as_bytes()).to_bytes());
        self.server.answer("/agent.json", 200, list);
        self.server.answer(&format!("/{path}"), 200, program);
    }

    fn command(&self, args: &[&str]) -> Command {
        let key: String =
            self.key.verifying_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = Command::new(self.program());
        command.args(args).arg("--data").arg(self.home.path()).env_remove("MEDUSA_SERVER");
        command.args(["--update-from", &self.place, "--update-key", &key]);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn update(&self, args: &[&str]) -> Output {
        let mut command = self.command(&[&["update"], args].concat());
        soon("end of the update", command.output()).await.unwrap()
    }

    /// Starts the agent, and waits for its link.
    async fn start(&mut self, args: &[&str]) -> (Child, Link) {
        let usual = ["run", "--port", "0", "--always", "--no-measure", "--exit-with-stdin"];
        let mut command = self.command(&[&usual[..], args].concat());
        let agent = command.stdin(Stdio::piped()).spawn().unwrap();
        (agent, self.server.link().await)
    }

    /// Whether the program is still the one that it was.
    fn is_old(&self) -> bool {
        fs::read(self.program()).unwrap().starts_with(b"\x7fELF")
    }

    /// What lies where the program is.
    fn beside(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn has(&self, name: &str) -> bool {
        self.home.path().join("update").join(name).exists()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(what, wait).await;
}

async fn end(mut agent: Child) {
    drop(agent.stdin.take());
    assert!(soon("end", agent.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_good_version_takes_the_place_of_the_old_one() {
    let mut machine = Machine::new().await;
    machine.offer(NEW, &machine.made(NEW, DOES_WELL), &machine.key);
    let checked = machine.update(&["--check"]).await;
    assert_eq!(checked.status.code(), Some(10), "{}", said(&checked));
    assert!(machine.is_old() && machine.server.asked("/medusa-agent-9.9.9") == 0);
    let done = machine.update(&[]).await;
    assert!(done.status.success() && said(&done).contains("9.9.9 is in place"), "{}", said(&done));
    assert!(!machine.is_old());
    assert_eq!(machine.beside(), ["medusa-agent", "medusa-agent.previous", "real"]);
    let (agent, _link) = machine.start(&[]).await;
    assert!(machine.has("probation.json"), "it has to run for a minute");
    assert_eq!(machine.beside(), ["medusa-agent", "medusa-agent.previous", "real"]);
    end(agent).await;
}

#[tokio::test]
async fn what_is_not_signed_newer_and_whole_changes_nothing() {
    type Wrong = (&'static str, &'static str, fn(&Machine));
    let wrong: [Wrong; 5] = [
        ("another key", "not signed", |machine| {
            let other = SigningKey::from_bytes(&[8; 32]);
            machine.offer(NEW, &machine.made(NEW, DOES_WELL), &other);
        }),
        ("other bytes", "not the program that was signed", |machine| {
            let program = machine.made(NEW, DOES_WELL);
            machine.server.answer("/medusa-agent-9.9.9", 200, program.replace("exec", "echo"));
            machine.offer(NEW, &program, &machine.key);
        }),
        ("a cut", "could not be downloaded", |machine| {
            let program = machine.made(NEW, DOES_WELL);
            machine.server.answer("/medusa-agent-9.9.9", 200, &program.as_bytes()[..40]);
            machine.offer(NEW, &program, &machine.key);
        }),
        ("an older one", "the newest version", |machine| {
            machine.offer("0.0.9", &machine.made("0.0.9", DOES_WELL), &machine.key);
        }),
        ("nothing", "could not be downloaded", |_| {}),
    ];
    for (what, words, offer) in wrong {
        let machine = Machine::new().await;
        offer(&machine);
        let done = machine.update(&[]).await;
        assert!(said(&done).contains(words), "{what}: {}", said(&done));
        assert_eq!(done.status.success(), what == "an older one", "{what}");
        assert!(machine.is_old() && machine.beside() == ["medusa-agent", "real"], "{what}");
    }
}

#[tokio::test]
async fn a_download_that_is_cut_is_tried_again_and_changes_nothing() {
    let mut machine = Machine::new().await;
    let padding = format!("# {}", "x".repeat(200_000));
    machine.offer(NEW, &machine.made(NEW, &padding), &machine.key);
    let target = machine.server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = Proxy::start(target).await.unwrap();
    machine.place = proxy.url();
    proxy.set(Side::Down, Way { cut_after: Some(50_000), ..Way::default() });
    let done = machine.update(&[]).await;
    assert!(said(&done).contains("could not be downloaded"), "{}", said(&done));
    assert!(!done.status.success() && machine.server.asked("/medusa-agent-9.9.9") > 1);
    assert!(machine.is_old() && machine.beside() == ["medusa-agent", "real"]);
    proxy.set(Side::Down, Way::default());
    assert!(machine.update(&[]).await.status.success() && !machine.is_old());
}

/// How long a download of three MB took, from its request until it lay beside the program.
async fn download(machine: &Machine) -> Duration {
    until("a download", || machine.server.asked("/medusa-agent-9.9.9") > 0).await;
    let began = Instant::now();
    until("its end", || machine.beside().contains(&"medusa-agent.new".to_owned())).await;
    began.elapsed()
}

#[tokio::test]
async fn downloads_of_updates_keep_within_the_limit() {
    let padding = format!("# {}", "x".repeat(3_000_000));
    // Once by the command alone, and once by an agent that runs.
    for runs in [false, true] {
        let mut machine = Machine::new().await;
        machine.offer(NEW, &machine.made(NEW, &padding), &machine.key);
        let settings = machine.home.path().join("settings.json");
        fs::write(settings, r#"{"down_mb_s":1}"#).unwrap();
        let agent = if runs { Some(machine.start(&[]).await) } else { None };
        let (took, done) = tokio::join!(download(&machine), machine.update(&[]));
        assert!(done.status.success(), "{}", said(&done));
        assert!(took >= Duration::from_millis(2_500), "three MB at one a second: {took:?}");
        drop(agent);
    }
}

#[tokio::test]
async fn a_version_that_does_not_do_well_changes_nothing() {
    for (first, words) in
        [(DIES, "no such library"), ("[ $1 = rehearse ] && exec sleep 100", "longer")]
    {
        let machine = Machine::new().await;
        machine.offer(NEW, &machine.made(NEW, first), &machine.key);
        let limits = machine.home.path().join("settings.json");
        fs::write(&limits, "{\"idle_min\":7}").unwrap();
        let mut command = machine.command(&["update", "--rehearsal-s", "5"]);
        let done = soon("end of the update", command.output()).await.unwrap();
        assert!(!done.status.success() && said(&done).contains(words), "{}", said(&done));
        assert!(machine.is_old() && machine.beside() == ["medusa-agent", "real"]);
        assert_eq!(fs::read_to_string(&limits).unwrap(), "{\"idle_min\":7}");
        assert!(machine.has("refused") && !machine.has("probation.json"));
    }
    let machine = Machine::new().await;
    machine.offer(NEW, &machine.made("9.9.8", DOES_WELL), &machine.key);
    let done = machine.update(&[]).await;
    assert!(said(&done).contains("it says that it is \"medusa-agent 9.9.8\""), "{}", said(&done));
    assert!(machine.is_old());
}

#[tokio::test]
async fn an_agent_that_runs_updates_itself_when_its_owner_asks() {
    let mut machine = Machine::new().await;
    machine.offer(NEW, &machine.made(NEW, DOES_WELL), &machine.key);
    let (agent, _link) = machine.start(&[]).await;
    assert!(machine.is_old());
    let asked = machine.update(&[]).await;
    assert!(asked.status.success() && said(&asked).contains("was asked"), "{}", said(&asked));
    // In its rehearsal it links and takes no work; then it links for good.
    let _in_rehearsal = machine.server.link().await;
    let _for_good = machine.server.link().await;
    assert!(!machine.is_old());
    assert_eq!(machine.beside(), ["medusa-agent", "medusa-agent.previous", "real"]);
    end(agent).await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_first_and_an_end_is_an_end() {
    let mut machine = Machine::new().await;
    machine.offer(NEW, &machine.made(NEW, DOES_WELL), &machine.key);
    let spin = wat::parse_str(r#"(module (func (export "_start") (loop br 0)))"#).unwrap();
    let program = machine.server.blob(&spin);
    let (mut agent, mut link) = machine.start(&["--start"]).await;
    link.lease(&lease("lse_1", &program), Vec::new()).await;
    let computing = async { while link.pulse().await.1.is_empty() {} };
    soon("work", computing).await;
    assert!(machine.update(&[]).await.status.success());
    let closed = async { while !link.pulse().await.0 {} };
    soon("end of new work", closed).await;
    for _ in 0..2 {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &agent.id().unwrap().to_string()]).status().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(soon("end", agent.wait()).await.unwrap().success());
    assert!(machine.is_old(), "it was to end, and not to update");
}

#[tokio::test]
async fn by_itself_only_while_the_switch_is_on_and_not_twice() {
    let mut machine = Machine::new().await;
    machine.offer(NEW, &machine.made(NEW, DIES), &machine.key);
    let (agent, _link) = machine.start(&["--update-each-s", "1"]).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(machine.server.asked("/agent.json"), 0, "the switch is off");
    assert_eq!(said(&machine.update(&["--automatic", "on"]).await), "on\n");
    let _again = machine.server.link().await;
    assert!(machine.is_old() && machine.has("refused"));
    let looks = machine.server.asked("/agent.json");
    until("more looks", || machine.server.asked("/agent.json") >= looks + 2).await;
    assert_eq!(machine.server.asked("/medusa-agent-9.9.9"), 1, "it was tried once");
    assert_eq!(said(&machine.update(&["--automatic", "off"]).await), "off\n");
    end(agent).await;
}

#[tokio::test]
async fn an_old_version_comes_back_when_the_new_one_keeps_dying() {
    let mut machine = Machine::new().await;
    machine.offer(NEW, &machine.made(NEW, DOES_WELL), &machine.key);
    assert!(machine.update(&[]).await.status.success() && !machine.is_old());
    let file = machine.home.path().join("update/probation.json");
    let probation = fs::read_to_string(&file).unwrap();
    let often = probation.replace("\"starts\":0", "\"starts\":3");
    assert_ne!(often, probation);
    fs::write(&file, often).unwrap();
    let (agent, _link) = machine.start(&[]).await;
    until("the old one", || machine.is_old() && machine.has("refused")).await;
    assert_eq!(machine.beside(), ["medusa-agent", "real"]);
    end(agent).await;
}
