//! `medusa`, the command line, from a new account to a checked log, with its exit statuses.

use std::process::{Command, Output, Stdio};

use medusa_api::{Job, LiveEvent, VerifyReport, Wallet};

use crate::harness::{Folder, House, Person, example_file, in_first_chunk, program};

/// A person's terminal: a folder, and the program with its own store of tokens.
struct Terminal<'a> {
    house: &'a House,
    folder: Folder,
}

impl<'a> Terminal<'a> {
    fn new(house: &'a House) -> Self {
        Self { house, folder: Folder::new() }
    }

    /// Exit status, standard output and standard error of one command.
    async fn run(&self, line: &str) -> (i32, String, String) {
        let mut command = Command::new(program("medusa"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env("MEDUSA_URL", &self.house.url)
            .env("MEDUSA_CONFIG", self.folder.path().join("config"))
            .env_remove("MEDUSA_TOKEN")
            .env_remove("MEDUSA_VERIFIER_KEY")
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let Output { status, stdout, stderr } = output.await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Standard output of a command that must succeed.
    async fn good(&self, line: &str) -> String {
        let (status, out, err) = self.run(line).await;
        assert_eq!(status, 0, "medusa {line}\n{out}{err}");
        out
    }

    /// The exit status of a command that fails, and that it says why.
    async fn bad(&self, line: &str) -> i32 {
        let (status, _, err) = self.run(line).await;
        assert!(!err.trim().is_empty(), "medusa {line} says nothing");
        status
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    async fn log_in(&self, person: &Person) {
        self.write("password", person.password.as_bytes());
        self.good(&format!("login --email {} --password-file password", person.email)).await;
    }
}

#[tokio::test]
async fn an_example_runs_from_sign_up_to_the_results() {
    let house = House::open().await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    let terminal = Terminal::new(&house);
    terminal.write("secret", b"a long enough secret\n");
    terminal
        .good("login --signup --email carla@example.org --name Carla --password-file secret")
        .await;
    assert!(terminal.good("me").await.contains("carla@example.org"));
    let submitted = terminal.good("submit --example cells --yes --json").await;
    let job: Job = serde_json::from_str(submitted.lines().last().unwrap()).unwrap();
    let watched = terminal.good(&format!("watch {}", job.id)).await;
    let events: Vec<LiveEvent> =
        watched.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(events[0], LiveEvent::Snapshot(_)), "{:?}", events[0]);
    let Some(LiveEvent::Snapshot(last) | LiveEvent::Delta(last)) = events.last() else {
        panic!("no event of the job came last")
    };
    assert!(last.state.is_final() && last.counts.verified == 36);
    let fetched = terminal.good(&format!("fetch {} -o results", job.id)).await;
    assert_eq!(fetched.lines().count(), 3, "{fetched}");
    let table = std::fs::read(terminal.folder.path().join("results/cells.csv")).unwrap();
    assert_eq!(table, example_file("cells/expected/cells.csv"));
    assert!(terminal.good("jobs").await.contains("Cell picture"));
    let wallet: Wallet = serde_json::from_str(&terminal.good("wallet --json").await).unwrap();
    assert!(wallet.held.micros() == 0 && wallet.available.micros() < 100_000_000);
    let history = terminal.good("wallet history").await;
    for what in ["Welcome gift", "Held for job", "Returned from job"] {
        assert!(history.contains(what), "no {what:?} in\n{history}");
    }
    drop(agents);
}

#[tokio::test]
async fn an_admin_checks_the_log_from_outside() {
    let house = House::open().await;
    let admin = house.admin().await;
    let terminal = Terminal::new(&house);
    terminal.log_in(&admin).await;
    let said = terminal.good("audit verify").await;
    assert!(said.starts_with("the log is right"), "{said}");
    let report = terminal.good("audit verify --json").await;
    let report: VerifyReport = serde_json::from_str(&report).unwrap();
    assert!(report.ok && report.events > 3);
    terminal.good("audit export log").await;
    let mut db = house.db.pool.acquire().await.unwrap();
    for order in [
        "alter table event disable trigger user",
        "update event set body = convert_to(replace(convert_from(body, 'UTF8'), '100.00',
             '101.00'), 'UTF8') where type = 'billing.credits_granted'",
    ] {
        sqlx::query(order).execute(&mut *db).await.unwrap();
    }
    let (status, said, _) = terminal.run("audit verify").await;
    assert_eq!(status, 10, "{said}");
    // What was written down before knows better.
    terminal.good("audit verify log").await;
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_status() {
    let house = House::open_with_welcome("0.01").await;
    let (carla, lena) = (house.person("carla").await, house.person("lena").await);
    let _agent = house.agent(&lena).await;
    let terminal = Terminal::new(&house);
    assert_eq!(terminal.bad("wallet").await, 5, "not logged in");
    assert_eq!(terminal.bad("submit --no-such-flag").await, 2, "usage");
    assert_eq!(terminal.bad("jobs --server http://127.0.0.1:9").await, 9, "no server");
    terminal.write("wrong", b"not the password");
    let line = format!("login --email {} --password-file wrong", carla.email);
    assert_eq!(terminal.bad(&line).await, 5, "wrong password");
    terminal.log_in(&carla).await;
    assert_eq!(terminal.bad("watch job_00000000000000000000000000000007").await, 6, "not there");
    assert_eq!(terminal.bad("submit --example nothing --yes").await, 6, "no such example");
    assert_eq!(terminal.bad("audit verify").await, 5, "no admin");
    terminal.write("good.wasm", &in_first_chunk(""));
    terminal.write("fails.wasm", &in_first_chunk("unreachable"));
    terminal.write("text.wasm", b"no module");
    let split = "--split by=range,from=0,to=4,step=1 --copies 1 --yes --wait";
    assert_eq!(terminal.run(&format!("submit good.wasm {split}")).await.0, 0, "done");
    let (status, _, said) = terminal.run(&format!("submit fails.wasm {split}")).await;
    assert_eq!(status, 3, "the job failed: {said}");
    assert_eq!(terminal.bad(&format!("submit text.wasm {split}")).await, 1, "no program");
    let budget = format!("submit good.wasm {split} --budget 0.00001");
    assert_eq!(terminal.bad(&budget).await, 4, "over the budget");
    let large = "--split by=range,from=0,to=4000,step=1 --copies 2 --yes --wait";
    assert_eq!(terminal.bad(&format!("submit good.wasm {large}")).await, 7, "credits");
    let (status, _, said) = terminal.run("watch job_7").await;
    assert_eq!(status, 2, "{said}");
}
