//! Installing for one user, and taking everything away again; and the archives that are handed out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::Home;

/// A user with a home of their own, and no service manager that answers.
struct User {
    home: PathBuf,
    folder: Home,
}

impl User {
    fn new() -> Self {
        let folder = Home::new();
        let home = folder.path().join("home of ada");
        fs::create_dir_all(home.join(".config/systemd")).unwrap();
        fs::write(home.join(".config/systemd/hers"), "hers").unwrap();
        Self { home, folder }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.home).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null());
        command
    }

    fn agent(&self, args: &[&str]) -> Output {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_medusa-agent")));
        command.args(args).output().unwrap()
    }

    fn unit(&self) -> PathBuf {
        self.home.join(".config/systemd/user/medusa-agent.service")
    }

    fn data(&self) -> PathBuf {
        self.home.join(".local/share/medusa-agent")
    }

    /// Runs what the unit says until its page is there, and ends it.
    fn run_unit(&self) {
        let unit = fs::read_to_string(self.unit()).unwrap();
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        // A shell reads these words as systemd does.
        let line = format!("exec {line} --port 0 --exit-with-stdin");
        let mut command = self.command(Path::new("/bin/sh"));
        let mut agent =
            command.args(["-c", &line]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let agent = agent.as_mut().unwrap();
        let mut lines = BufReader::new(agent.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("local page: http://127.0.0.1:")));
        drop(agent.stdin.take());
        assert!(agent.wait().unwrap().success());
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

/// Every file, folder and link with what it holds and who may use it.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            let content = if about.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else if about.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(path, (about.permissions().mode(), content));
        }
    }
    found
}

#[test]
fn uninstall_leaves_nothing() {
    let user = User::new();
    let before = tree(&user.home);
    let done = user.agent(&["install", "--server", "http://127.0.0.1:9"]);
    assert!(done.status.success(), "{}", said(&done));
    let program = user.home.join(".local/bin/medusa-agent");
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(said(&user.agent(&["autostart", "status"])), "on\n");
    user.run_unit();
    assert!(user.data().join("state.json").exists() && user.data().join("page.url").exists());
    fs::write(program.with_file_name("medusa-agent.previous"), "of an update").unwrap();
    // A second time changes nothing that matters.
    assert!(user.agent(&["install", "--server", "http://127.0.0.1:9"]).status.success());
    let done = user.agent(&["uninstall", "--purge"]);
    assert!(done.status.success(), "{}", said(&done));
    let after = tree(&user.home);
    let names = |tree: &BTreeMap<PathBuf, _>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "a file was changed");
}

#[test]
fn files_of_others_are_left_alone() {
    let user = User::new();
    let code = user.data().join("code");
    fs::create_dir_all(&code).unwrap();
    for file in [code.join("main.rs"), user.data().join("thesis.part")] {
        fs::write(file, "mine").unwrap();
    }
    let before = tree(&user.home);
    let refused = user.agent(&["uninstall", "--purge"]);
    assert!(!refused.status.success() && said(&refused).contains("not an agent's"));
    assert!(tree(&user.home) == before, "nothing says that an agent was here");
    fs::write(user.data().join("lock"), "").unwrap();
    fs::write(code.join(format!("{}.cwasm", "a".repeat(64))), "compiled").unwrap();
    let done = user.agent(&["uninstall", "--purge"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(tree(&user.home) == before, "only what an agent makes is removed");
}

#[test]
fn without_purge_the_machine_stays_who_it_is() {
    let user = User::new();
    assert!(user.agent(&["install", "--server", "http://127.0.0.1:9"]).status.success());
    user.folder.enrol("http://127.0.0.1:9");
    fs::rename(user.folder.path().join("identity.json"), user.data().join("identity.json"))
        .unwrap();
    user.run_unit();
    let done = user.agent(&["uninstall"]);
    assert!(
        done.status.success() && said(&done).contains("identity and limits"),
        "{}",
        said(&done)
    );
    let left: Vec<_> =
        tree(&user.data()).into_keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    for kept in ["identity.json", "state.json"] {
        assert!(left.iter().any(|name| name == kept), "{left:?}");
    }
    for cache in ["blobs", "code", "page.url"] {
        assert!(left.iter().all(|name| name != cache), "{left:?}");
    }
    assert!(!user.unit().exists() && !user.home.join(".local/bin").exists());
    let done = user.agent(&["uninstall", "--purge"]);
    assert!(done.status.success() && !user.home.join(".local").exists(), "{}", said(&done));
}

#[test]
fn autostart_is_a_switch() {
    let user = User::new();
    let status = || said(&user.agent(&["autostart", "status"]));
    assert_eq!(status(), "off\n");
    let refused = user.agent(&["autostart", "on"]);
    assert!(!refused.status.success() && said(&refused).contains("--server"), "it would not start");
    let server = ["autostart", "on", "--server", "http://127.0.0.1:9"];
    assert_eq!(said(&user.agent(&server)), "on\n");
    assert_eq!(status(), "on\n");
    let link = user.unit().with_file_name("default.target.wants").join("medusa-agent.service");
    assert_eq!(fs::canonicalize(link).unwrap(), fs::canonicalize(user.unit()).unwrap());
    assert_eq!(said(&user.agent(&["autostart", "off"])), "off\n");
    assert_eq!(status(), "off\n");
    assert!(user.unit().exists(), "it can still be started by hand");
    assert_eq!(said(&user.agent(&["autostart", "on"])), "on\n");
    let unit = fs::read_to_string(user.unit()).unwrap();
    assert!(unit.contains("--server http://127.0.0.1:9"), "what it knew stays: {unit}");
}

#[test]
fn the_service_manager_is_told() {
    let user = User::new();
    let (bin, log) = (user.folder.path().join("bin"), user.folder.path().join("told"));
    fs::create_dir(&bin).unwrap();
    // One that answers; what it starts is a page.
    let page = user.data().join("page.url");
    let manager = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\n[ \"$2\" != restart ] || echo http://page > '{}'\n",
        log.display(),
        page.display()
    );
    fs::write(bin.join("systemctl"), manager).unwrap();
    fs::set_permissions(bin.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    let told = |args: &[&str]| {
        let mut command = user.command(Path::new(env!("CARGO_BIN_EXE_medusa-agent")));
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let done = command.args(args).env("PATH", path).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        let told = fs::read_to_string(&log).unwrap_or_default();
        fs::remove_file(&log).ok();
        told
    };
    let reload = "--user daemon-reload\n";
    let restart = "--user restart medusa-agent.service\n";
    assert_eq!(
        told(&["install", "--server", "http://127.0.0.1:9", "--now"]),
        format!("{reload}{reload}{restart}")
    );
    assert_eq!(told(&["autostart", "status"]), "");
    assert_eq!(told(&["autostart", "off"]), reload);
    assert_eq!(told(&["autostart", "on"]), reload);
    let stop = "--user stop medusa-agent.service\n";
    assert_eq!(told(&["uninstall", "--purge"]), format!("{stop}{reload}{reload}"));
}

#[test]
fn a_machine_without_a_server_is_not_installed() {
    let user = User::new();
    let before = tree(&user.home);
    let done = user.agent(&["install"]);
    assert!(!done.status.success() && said(&done).contains("--server"), "{}", said(&done));
    assert!(tree(&user.home) == before);
}

#[test]
fn an_agent_that_runs_is_not_taken_away() {
    let user = User::new();
    user.folder.enrol("http://127.0.0.1:9");
    let data = user.folder.path().to_str().unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_medusa-agent"))
        .args(["--port", "0", "--exit-with-stdin", "--data", data])
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(agent.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("local page")));
    let done = user.agent(&["uninstall", "--purge", "--data", data]);
    assert!(!done.status.success() && said(&done).contains("an agent runs"), "{}", said(&done));
    assert!(user.folder.path().join("identity.json").exists());
    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return eprintln!("systemd-analyze is not here");
    }
    let user = User::new();
    assert!(user.agent(&["install", "--server", "https://a/?b"]).status.success());
    let unit = user.unit();
    let mut verify = user.command(Path::new("/usr/bin/systemd-analyze"));
    verify.env("XDG_RUNTIME_DIR", user.folder.path());
    let done = verify.args(["verify", "--user", "--man=no"]).arg(unit).output().unwrap();
    assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
}

/// Packs the program of this build, and returns what the sums say.
fn packed(out: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let done = Command::new(root.join("dist/build.sh"))
        .args(["--binary", env!("CARGO_BIN_EXE_medusa-agent"), "--out"])
        .arg(out)
        .env("DIST_LEVEL", "0")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    fs::read_to_string(out.join("SHA256SUMS")).unwrap()
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    said(&done)
}

#[test]
fn an_archive_and_a_package_hold_a_program_that_runs() {
    if !Path::new("/usr/bin/dpkg-deb").exists() || !Path::new("/usr/bin/strip").exists() {
        return eprintln!("dpkg-deb or strip is not here");
    }
    let folder = Home::new();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    let sums = packed(&first);
    assert_eq!(sums.lines().count(), 3, "{sums}");
    assert_eq!(sums, packed(&second), "the same program gives the same bytes");
    let version = format!("medusa-agent {}\n", env!("CARGO_PKG_VERSION"));
    for name in sums.lines().filter_map(|line| line.split_whitespace().nth(1)) {
        let (file, to) = (first.join(name), folder.path().join(name));
        fs::create_dir(&to).unwrap();
        let program = if name.ends_with(".deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&to));
            let list = run(Command::new("dpkg-deb").arg("-c").arg(&file));
            assert!(list.lines().all(|line| line.contains("root/root")), "{list}");
            assert!(to.join("usr/lib/systemd/user/medusa-agent.service").exists());
            assert!(to.join("usr/share/doc/medusa-agent/copyright").exists());
            to.join("usr/bin/medusa-agent")
        } else if name.ends_with(".tar.gz") {
            run(Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(&to));
            let inner = to.join(name.strip_suffix(".tar.gz").unwrap());
            for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "agent.md"] {
                assert!(inner.join(file).exists(), "{file}");
            }
            assert!(inner.join("dist/macos/org.medusa.agent.plist").exists());
            inner.join("medusa-agent")
        } else {
            file
        };
        assert_eq!(run(Command::new(program).arg("--version")), version);
    }
}
