//! Services that answer with one made-up person's jobs and credits. Pages are tested against them.

use std::future::ready;
use std::net::IpAddr;

use medusa_api::{
    Agent, AgentChange, AgentLimits, AgentMark, AgentNow, AgentState, AgentTask, AttemptEnd,
    AuditHead, Chunk, ChunkPage, ChunkState, ComparedFile, Comparison, Cost, Counts, Currency,
    DeviceAbout, DeviceApproval, DeviceWaiting, Earnings, EarningsDay, EventEntry, EventPage,
    Example, FieldProblem, InclusionProof, Job, JobPage, JobSpec, JobState, Lent, Login, MergeHow,
    MergeRule, Moved, PauseWhy, Priority, Program, ResultFile, RunFigures, SignUp, Size, Split,
    StatementLine, StatementPage, Tariff, TaskPage, TaskState, Timeline, TimelineBar, TimelineRow,
    Verdict, Wallet,
};
use medusa_platform::{ApiError, Principal, Via};
use medusa_types::{
    AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome, ProgramId, Role, Sha256Hash,
    Timestamp, UserId, Uuid,
};
use medusa_web::{Answer, Data, DeskAccess, EventDetail, LoggedIn, Paging, Totals, Visitor};

/// The cookie of an ordinary person.
pub(crate) const PERSON: &str = "person";
/// The cookie of an admin.
pub(crate) const ADMIN: &str = "admin";
/// The cookie of somebody who may see the desk and change nothing.
pub(crate) const AUDITOR: &str = "auditor";
/// The CSRF token of all.
pub(crate) const CSRF: &str = "token-of-the-login";
/// A job that runs.
pub(crate) const RUNNING: JobId = JobId(Uuid::from_u128(0x0193_5c1e_77aa_7000_8000_0000_0000_0001));
/// A job that is done.
pub(crate) const DONE: JobId = JobId(Uuid::from_u128(0x0193_5c1e_77aa_7000_8000_0000_0000_0002));
/// A job whose hold is spent.
pub(crate) const PAUSED: JobId = JobId(Uuid::from_u128(0x0193_5c1e_77aa_7000_8000_0000_0000_0003));
/// A text that would be markup if it were not escaped.
pub(crate) const SHARP: &str = "<b>\"Sharp\"</b>";

pub(crate) const USER: UserId = UserId(Uuid::from_u128(0x0193_5c1e_0000_7000_8000_0000_0000_00aa));
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_364_640_000_000);

pub(crate) struct MadeUp;

pub(crate) fn yes<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(ready(Ok(value)))
}

pub(crate) fn no<'a, T: Send + 'a>(error: ApiError) -> Answer<'a, T> {
    Box::pin(ready(Err(error)))
}

pub(crate) const fn cr(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

pub(crate) fn hash(text: &str) -> Sha256Hash {
    Sha256Hash::of(text.as_bytes())
}

fn spec(name: &str) -> JobSpec {
    let rule =
        |file: &str, how, sort, to: &str| MergeRule { file: file.into(), how, sort, to: to.into() };
    JobSpec {
        name: name.into(),
        args: vec!["--threshold".into(), "96".into()],
        split: Split::Tiles { width: 128, height: 128, overlap: 48 },
        merge: vec![
            rule("cells.csv", MergeHow::Csv, 2, "cells.csv"),
            rule("outlined.ppm", MergeHow::Tiles, 0, "outlined.png"),
        ],
        copies: 2,
        memory_mib: 512,
        strict: false,
        keep_going: false,
        priority: Priority::Standard,
        merge_by: None,
        script: None,
    }
}

pub(crate) fn tariff() -> Tariff {
    Tariff { per_gfuel: cr(250), per_gfuel_gib: cr(30), per_start: cr(20), ..Tariff::usual() }
}

pub(crate) fn job(id: JobId) -> Job {
    let (done, paused) = (id == DONE, id == PAUSED);
    let file = |name: &str, size, media_type: &str| ResultFile {
        name: name.into(),
        sha256: hash(name),
        size,
        media_type: media_type.into(),
    };
    let running =
        Counts { total: 48, waiting: 9, leased: 4, verified: 33, unverified: 2, failed: 0 };
    Job {
        id,
        owner: USER,
        program_name: "cells".into(),
        program: hash("cells.wasm"),
        input: Some(hash("cells.png")),
        spec: spec(if done { SHARP } else { "Cell picture" }),
        state: match id {
            DONE => JobState::Done,
            PAUSED => JobState::Paused,
            _ => JobState::Running,
        },
        paused: paused.then_some(PauseWhy::HoldSpent),
        reason: None,
        waiting: (!done).then(|| "5 agents: 2 paused, 1 lacks 2 GiB, 2 busy".into()),
        counts: if done {
            Counts { total: 48, verified: 48, ..Counts::default() }
        } else {
            running
        },
        cost: Cost {
            held: cr(1_260_000),
            spent: if done { cr(812_410) } else { cr(592_310) },
            fee: cr(81_241),
            released: if done { cr(447_590) } else { cr(0) },
        },
        created_at: NOW,
        finished_at: done.then(|| NOW.plus_ms(41_000)),
        results: if done {
            vec![file("outlined.png", 312_456, "image/png"), file("cells.csv", 9_431, "text/csv")]
        } else {
            Vec::new()
        },
        kept_until: None,
        files_deleted: None,
        position: 1_204,
    }
}

fn event(position: i64) -> EventEntry {
    let body = format!(
        "{{\"format\":1,\"position\":{position},\"stream\":\"job-{RUNNING}\",\"version\":7,\
         \"at\":1795364640000000,\"actor\":null,\"operation\":null,\"causation\":1190,\
         \"postings\":[[\"escrow.promo:{RUNNING}\",-16925],[\"lender.pending:{USER}\",15232],\
         [\"income.compute_fee\",1693]],\"type\":\"billing.chunk_settled\",\
         \"data\":{{\"chunk\":12,\"price\":\"0.016925\"}}}}"
    );
    EventEntry {
        position,
        at: NOW,
        event: "billing.chunk_settled".into(),
        stream: format!("job-{RUNNING}"),
        version: 7,
        leaf: hash(&format!("\0{body}")),
        body,
    }
}

pub(crate) fn missing<'a, T: Send + 'a>(what: &str) -> Answer<'a, T> {
    no(ApiError::not_found(what))
}

impl Data for MadeUp {
    fn visitor<'a>(&'a self, cookie: &'a str) -> Answer<'a, Option<Visitor>> {
        let (desk, roles) = match cookie {
            PERSON => (DeskAccess::None, vec![Role::Consumer, Role::Lender]),
            AUDITOR => (DeskAccess::Read, vec![Role::Consumer, Role::Lender]),
            ADMIN => (DeskAccess::Act, vec![Role::Consumer, Role::Lender, Role::Admin]),
            _ => return yes(None),
        };
        let principal = Principal { user: USER, roles, via: Via::Cookie { csrf: CSRF.into() } };
        yes(Some(Visitor { principal, name: "Ada".into(), available: cr(98_407_690), desk }))
    }

    fn sign_up(&self, form: SignUp) -> Answer<'_, LoggedIn> {
        if form.password.len() >= 8 {
            return yes(LoggedIn { cookie: PERSON.into(), seconds: 1_209_600 });
        }
        let mut error = ApiError::new(
            422,
            "accounts.password_short",
            "the password is too short",
            "a password has 8 to 256 bytes",
        );
        let message = "use at least 8 characters".into();
        error.0.errors.push(FieldProblem { pointer: "/password".into(), message });
        no(error)
    }

    fn log_in(&self, form: Login, _: IpAddr) -> Answer<'_, LoggedIn> {
        if form.password == "right password" {
            return yes(LoggedIn { cookie: PERSON.into(), seconds: 1_209_600 });
        }
        // Wrong credentials are no reason to send the visitor to the login page.
        let detail = "the address or the password is wrong";
        no(ApiError::new(401, "accounts.credentials", "not logged in", detail))
    }

    fn log_out<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        yes(())
    }

    fn waiting_device<'a>(&'a self, _: &'a Principal, code: &'a str) -> Answer<'a, DeviceWaiting> {
        if code != "WDJB-MJHT" {
            let detail = "no machine is waiting with this code";
            return no(ApiError::new(404, "accounts.device_unknown", "unknown code", detail));
        }
        yes(DeviceWaiting {
            name: "<i>attic".into(),
            about: DeviceAbout {
                cores: Some(8),
                memory_bytes: Some(16 << 30),
                system: Some("linux x86_64".into()),
            },
            address: Some("192.0.2.7".into()),
            asked_at: NOW,
        })
    }

    fn approve_device<'a>(&'a self, _: &'a Principal, form: DeviceApproval) -> Answer<'a, Agent> {
        if form.user_code != "WDJB-MJHT" {
            let detail = "no machine is waiting with this code";
            return no(ApiError::new(404, "accounts.device_unknown", "unknown code", detail));
        }
        yes(agents().remove(0))
    }

    fn change_agent<'a>(
        &'a self,
        _: &'a Principal,
        agent: AgentId,
        change: AgentChange,
    ) -> Answer<'a, Agent> {
        let Some(mut found) = agents().into_iter().find(|one| one.id == agent) else {
            return missing("agent");
        };
        if change.name.as_deref() == Some("") {
            let message = "the name of a machine has 1 to 60 characters, all of them visible";
            return no(ApiError::field("accounts.name_invalid", "/name", message));
        }
        found.remote.paused = change.paused.unwrap_or_default();
        yes(found)
    }

    fn remove_agent<'a>(&'a self, _: &'a Principal, agent: AgentId) -> Answer<'a, ()> {
        if agents().iter().any(|one| one.id == agent) { yes(()) } else { missing("agent") }
    }

    fn jobs<'a>(&'a self, _: &'a Principal, page: Paging) -> Answer<'a, JobPage> {
        let next = page.after.is_none().then(|| "older".to_owned());
        yes(JobPage { items: vec![job(RUNNING), job(PAUSED), job(DONE)], next })
    }

    fn job<'a>(&'a self, _: &'a Principal, id: JobId) -> Answer<'a, Job> {
        if [RUNNING, DONE, PAUSED].contains(&id) { yes(job(id)) } else { missing("job") }
    }

    fn chunks<'a>(
        &'a self,
        _: &'a Principal,
        _: JobId,
        _: Option<ChunkState>,
        _: Paging,
    ) -> Answer<'a, ChunkPage> {
        let states = [
            ChunkState::Verified,
            ChunkState::Unverified,
            ChunkState::Leased,
            ChunkState::Waiting,
            ChunkState::Failed,
        ];
        let items = states.iter().cycle().zip(0..20).map(|(&state, index)| Chunk {
            index: ChunkIndex(index),
            state,
            attempts: 2,
            verdict: match (state, index) {
                (ChunkState::Verified, 5) => Some(Verdict::Trusted),
                (ChunkState::Verified, _) => Some(Verdict::Agreed),
                _ => None,
            },
            outcome: (state == ChunkState::Failed).then_some(Outcome::Exit(2)),
            output: None,
            fuel: Some(Fuel(402_118_774)),
            price: cr(16_925),
            stderr: if state == ChunkState::Failed { SHARP.into() } else { String::new() },
            waiting: (state == ChunkState::Waiting).then(|| SHARP.into()),
        });
        yes(ChunkPage { items: items.collect(), next: None })
    }

    fn timeline<'a>(&'a self, _: &'a Principal, id: JobId) -> Answer<'a, Timeline> {
        let at = Timestamp::from_micros;
        let bar = |x, end| TimelineBar {
            x,
            width: 900,
            lane: u32::from(x > 0),
            end,
            attempts: 1,
            chunk: ChunkIndex(x),
            ms: 340,
        };
        let row = |agent: Option<u128>| TimelineRow {
            agent: agent.map(|n| AgentId(Uuid::from_u128(n))),
            agents: 3,
            attempts: 2,
            lanes: 2,
            bars: vec![bar(0, AttemptEnd::Accepted), bar(5_000, AttemptEnd::Wrong)],
        };
        let rows = if id == DONE { vec![row(Some(7)), row(None)] } else { Vec::new() };
        let (attempts, binned) = (4, true);
        yes(Timeline { from: at(0), to: at(3_400_000), rows, attempts, binned, cut: false })
    }

    fn job_events<'a>(
        &'a self,
        _: &'a Principal,
        id: JobId,
        page: Paging,
    ) -> Answer<'a, EventPage> {
        let next = page.after.is_none().then_some(2);
        if id == DONE {
            yes(EventPage { items: vec![event(3), event(4)], next })
        } else {
            missing("job")
        }
    }

    fn compare<'a>(
        &'a self,
        _: &'a Principal,
        left: JobId,
        right: JobId,
    ) -> Answer<'a, Comparison> {
        let figures = |id| RunFigures {
            job: id,
            name: SHARP.into(),
            state: JobState::Done,
            chunks: 36,
            done: 36,
            attempts: 72,
            fuel: Fuel(12_345_678),
            spent: cr(1_500_000),
            created_at: Timestamp::from_micros(0),
            ms: Some(12_000),
        };
        let file =
            |name: &str, right| ComparedFile { name: name.into(), left: Some(hash("a")), right };
        yes(Comparison {
            left: figures(left),
            right: figures(right),
            asked_differently: vec!["args".into()],
            chunks_equal: 30,
            chunks_different: 5,
            chunks_alone: 1,
            first_different: Some(ChunkIndex(4)),
            results: vec![file("out.csv", Some(hash("a"))), file(SHARP, None)],
        })
    }

    fn examples(&self) -> Answer<'_, Vec<Example>> {
        let example = |id: &str, name: &str, about: &str, split| Example {
            id: id.into(),
            about: about.into(),
            program: ProgramId(Uuid::from_u128(1)),
            input: Some(hash(id)),
            spec: JobSpec { split, ..spec(name) },
        };
        yes(vec![
            example(
                "cells",
                "Cell picture",
                "Finds and outlines the cells of a microscope picture, tile by tile.",
                Split::Tiles { width: 128, height: 128, overlap: 48 },
            ),
            example(
                "words",
                "Word counts",
                "Counts the words of six novels, one book at a time.",
                Split::Files { group: 1 },
            ),
            example(
                "pi",
                "Pi by chance",
                "Throws darts at a circle, a seed range at a time.",
                Split::Range { from: 0, to: 6_400, step: Size::Count(100) },
            ),
        ])
    }

    fn programs<'a>(&'a self, _: &'a Principal) -> Answer<'a, Vec<Program>> {
        let id = ProgramId(Uuid::from_u128(2));
        let (name, sha256) = (SHARP.to_owned(), hash("mine"));
        yes(vec![Program { id, name, sha256, size: 48_211, script: None, created_at: NOW }])
    }

    fn agents<'a>(&'a self, _: &'a Principal) -> Answer<'a, Vec<Agent>> {
        yes(agents())
    }

    fn lent<'a>(&'a self, _: &'a Principal) -> Answer<'a, Lent> {
        yes(Lent { chunks: 1_912, earned: cr(812_345), removed: 2 })
    }

    fn agent_earnings<'a>(
        &'a self,
        _: &'a Principal,
        _: AgentId,
    ) -> Answer<'a, (Earnings, TaskPage)> {
        let day = |micros| EarningsDay { from: NOW, chunks: 3, earned: cr(micros) };
        let earnings = Earnings { days: vec![day(7_000), day(1_250)], ..Earnings::default() };
        let task = |state, outcome, paid: Option<i64>| AgentTask {
            lease: LeaseId(Uuid::from_u128(1)),
            job: JobId(Uuid::from_u128(2)),
            job_name: "<b>Cells".into(),
            chunk: ChunkIndex(7),
            chunks: 9,
            state,
            outcome: Some(outcome),
            fuel: None,
            paid: paid.map(cr),
            leased_at: NOW,
            ended_at: NOW,
            verified_position: None,
            paid_position: paid.map(|_| 1_204),
        };
        let items = vec![
            task(TaskState::Paid, Outcome::Trap, Some(1_250)),
            task(TaskState::Fault, Outcome::AgentFault, None),
        ];
        yes((earnings, TaskPage { items, next: None }))
    }

    fn wallet<'a>(&'a self, _: &'a Principal) -> Answer<'a, Wallet> {
        yes(Wallet {
            available: cr(98_407_690),
            held: cr(1_260_000),
            paid: cr(0),
            ad: cr(0),
            promo: cr(97_927_590),
            earned_pending: cr(122_040),
            earned: cr(480_100),
            position: 1_204,
        })
    }

    fn statement<'a>(&'a self, _: &'a Principal, page: Paging) -> Answer<'a, StatementPage> {
        let line = |position, event: &str, in_words: &str, amount, balance| StatementLine {
            position,
            at: NOW,
            event: event.into(),
            in_words: in_words.into(),
            account: format!("consumer.promo:{USER}"),
            amount: cr(amount),
            balance: cr(balance),
            stream: format!("job-{RUNNING}"),
        };
        let items = vec![
            line(1_204, "billing.escrow_held", "held for Cell picture", -1_260_000, 97_927_590),
            line(1_102, "billing.escrow_released", "given back", 447_590, 99_187_590),
            line(1_040, "billing.escrow_held", "held for Cell picture", -1_260_000, 98_740_000),
            line(12, "billing.credits_granted", "welcome credits", 100_000_000, 100_000_000),
        ];
        yes(StatementPage { items, next: page.after.is_none().then(|| "older".to_owned()) })
    }

    fn tariff(&self) -> Answer<'_, Tariff> {
        yes(tariff())
    }

    fn head(&self) -> Answer<'_, AuditHead> {
        let root = hash("root");
        yes(AuditHead {
            size: 1_204,
            root,
            checkpoint: format!(
                "medusa.test/log\n1204\n{root}\n\n\u{2014} medusa.test/log c2lnbmF0dXJl\n"
            ),
            verifier_key: "medusa.test/log+2f1e9a77+AVxW3o0wR8Nn".into(),
        })
    }

    fn event<'a>(&'a self, who: &'a Principal, position: i64) -> Answer<'a, EventDetail> {
        if !(1..=1_204).contains(&position) || (position == 1 && !who.has(Role::Admin)) {
            return missing("event");
        }
        let entry = event(position);
        let path = vec![hash("a"), hash("b"), hash("c")];
        let (leaf, root) = (entry.leaf, hash("root"));
        let proof = InclusionProof { position, leaf, size: 1_204, root, path };
        let one = |account: String, currency, amount: &str| Moved {
            account,
            currency,
            amount: amount.into(),
        };
        let moved = vec![
            one(format!("escrow.promo:{RUNNING}"), Currency::Crd, "-0.016925"),
            one(format!("lender.pending:{USER}"), Currency::Crd, "0.015232"),
            one("income.compute_fee".into(), Currency::Crd, "0.001693"),
        ];
        let operation = Some(SHARP.to_owned());
        yes(EventDetail {
            entry,
            actor: Some(USER),
            operation,
            causation: Some(1_190),
            moved,
            proof,
        })
    }

    fn totals(&self) -> Answer<'_, Totals> {
        yes(Totals {
            agents_online: 5,
            agents: 7,
            jobs_running: 1,
            jobs: 14,
            chunks_verified: 2_318,
        })
    }
}

fn agents() -> Vec<Agent> {
    let agent = |n: u128, name: &str, state, chunks, earned| Agent {
        id: AgentId(Uuid::from_u128(0x0193_5c1e_0000_7000_8000_0000_0000_0bb0 + n)),
        name: name.into(),
        state,
        enrolled_at: NOW,
        chunks,
        earned: cr(earned),
        streak: 41,
        score: 118,
        stake: cr(9_000),
        check_ppm: 24_390,
        quarantined_until: None,
        marks: Vec::new(),
        remote: AgentLimits::default(),
        now: Some(AgentNow {
            software: "medusa-agent 0.1.0".into(),
            engine: None,
            system: "linux x86_64".into(),
            slots: 4,
            memory_bytes: 8 << 30,
            fuel_per_s: Some(1_900_000_000),
            fuel_per_s_all: Some(7_100_000_000),
            why: Some("<b>on battery</b>".into()),
        }),
        public_key: Some("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".into()),
    };
    let mark = |position, word: &str, score| AgentMark {
        position,
        word: word.into(),
        job: Some(JobId(Uuid::from_u128(0x0193_5c1e_0000_7000_8000_0000_0000_0c01))),
        chunk: Some(ChunkIndex(7)),
        at: NOW,
        streak: 0,
        score,
    };
    let liar = Agent {
        streak: 0,
        score: 4,
        check_ppm: 1_000_000,
        quarantined_until: Some(NOW.plus_ms(86_400_000)),
        marks: vec![mark(9_120, "wrong", 4), mark(8_001, "crashed", 6)],
        ..agent(3, "old tower", AgentState::Offline, 88, 122_040)
    };
    vec![
        agent(1, "attic", AgentState::Busy, 1_204, 421_100),
        agent(2, "laptop", AgentState::Paused, 210, 59_000),
        liar,
    ]
}
