//! The consumer's pages: overview, jobs, a new job, a job and its chunks.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Chunk, ChunkState, Example, Job, JobState, Program, Verdict, Wallet};
use medusa_platform::ApiError;
use medusa_types::{Credits, JobId};
use serde::Deserialize;

use super::control::mode;
use crate::ask::{Ask, Refusal};
use crate::port::{Paging, Totals};
use crate::quoted::Parts;
use crate::show;
use crate::timeline::Drawing;

const JOBS: u32 = 25;
const CHUNKS: u32 = 100;
/// Jobs on the overview, and among how many it looks for those that wait for a decision.
const RECENT: usize = 6;
const LOOKED_AT: u32 = 50;

#[derive(Deserialize)]
pub(crate) struct Cursor {
    after: Option<String>,
}

impl Cursor {
    pub(super) fn paging(self, limit: u32) -> Paging {
        Paging { limit, after: self.after.filter(|a| !a.is_empty()) }
    }
}

#[derive(Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    example: String,
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard<'a> {
    ask: &'a Ask,
    wallet: Wallet,
    jobs: Vec<Job>,
    /// Paused jobs that do not go on by themselves.
    undecided: Vec<Job>,
    examples: Vec<Example>,
    totals: Option<Totals>,
}

pub(crate) async fn dashboard(ask: Ask) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let wallet = ask.data().wallet(who).await?;
        let paging = Paging { limit: LOOKED_AT, after: None };
        let mut jobs = ask.data().jobs(who, paging).await?.items;
        let undecided = jobs.iter().filter(|job| job.state == JobState::Paused).cloned().collect();
        jobs.truncate(RECENT);
        let examples = ask.data().examples().await?;
        let totals = ask.data().totals().await.ok();
        ask.page(&Dashboard { ask: &ask, wallet, jobs, undecided, examples, totals })
    })
    .await
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs<'a> {
    ask: &'a Ask,
    jobs: Vec<Job>,
    next: Option<String>,
    first: bool,
}

pub(crate) async fn jobs(ask: Ask, cursor: web::Query<Cursor>) -> HttpResponse {
    ask.show(async {
        let paging = cursor.into_inner().paging(JOBS);
        let first = paging.after.is_none();
        let page = ask.data().jobs(ask.who()?, paging).await?;
        ask.page(&Jobs { ask: &ask, jobs: page.items, next: page.next, first })
    })
    .await
}

#[derive(Template)]
#[template(path = "new.html")]
struct NewJob<'a> {
    ask: &'a Ask,
    examples: Vec<Example>,
    programs: Vec<Program>,
    chosen: &'a str,
    wallet: Wallet,
}

impl NewJob<'_> {
    /// An example's spec, for the form to start from.
    fn spec(&self, example: &Example) -> String {
        serde_json::to_string(&example.spec).unwrap_or_default()
    }

    fn is_chosen(&self, example: &Example) -> bool {
        self.chosen == example.id
    }
}

pub(crate) async fn new_job(ask: Ask, wish: web::Query<Wish>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let examples = ask.data().examples().await?;
        let programs = ask.data().programs(who).await?;
        let wallet = ask.data().wallet(who).await?;
        ask.page(&NewJob { ask: &ask, examples, programs, chosen: &wish.example, wallet })
    })
    .await
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage<'a> {
    ask: &'a Ask,
    job: Job,
    spec: String,
    time: Drawing,
    /// Which controls it has.
    mode: &'static str,
    /// What will likely be missing in the hold, and what is left of it.
    missing: Credits,
    rest: Credits,
    available: Credits,
    /// The likely price that it was quoted, and what that was made of.
    quoted: Option<(Credits, Parts)>,
}

pub(crate) async fn job(ask: Ask, id: web::Path<String>) -> HttpResponse {
    ask.show(async {
        let (who, id) = (ask.who()?, read_id(&id)?);
        let job = ask.data().job(who, id).await?;
        let time = Drawing::of(ask.data().timeline(who, id).await?);
        let spec = serde_json::to_string_pretty(&job.spec).unwrap_or_default();
        let available = ask.visitor.as_ref().map(|visitor| visitor.available).unwrap_or_default();
        let (missing, rest) = (job.cost.missing(&job.counts), job.cost.left());
        let mode = mode(&job);
        let quoted = ask.data().quoted(who, id).await?;
        let quoted = quoted.map(|quote| (quote.likely, Parts::of(&quote.breakdown)));
        ask.page(&JobPage { ask: &ask, job, spec, time, mode, missing, rest, available, quoted })
    })
    .await
}

#[derive(Template)]
#[template(path = "timeline.html")]
struct TimelinePage<'a> {
    ask: &'a Ask,
    job: Job,
    time: Drawing,
}

/// The timeline alone. The job's page takes its picture out of this one while the job runs.
pub(crate) async fn timeline(ask: Ask, id: web::Path<String>) -> HttpResponse {
    ask.show(async {
        let (who, id) = (ask.who()?, read_id(&id)?);
        let job = ask.data().job(who, id).await?;
        let time = Drawing::of(ask.data().timeline(who, id).await?);
        ask.page(&TimelinePage { ask: &ask, job, time })
    })
    .await
}

#[derive(Template)]
#[template(path = "chunks.html")]
struct Chunks<'a> {
    ask: &'a Ask,
    job: Job,
    state: Option<ChunkState>,
    chunks: Vec<Chunk>,
    next: Option<String>,
}

impl Chunks<'_> {
    /// The states that chunks of this job are in, with their numbers.
    fn states(&self) -> impl Iterator<Item = (ChunkState, u32)> {
        let counts = self.job.counts;
        let states = ChunkState::ALL.into_iter().map(move |state| (state, counts.of(state)));
        states.filter(|(state, count)| *count > 0 || self.shows(state))
    }

    /// What the legend explains: the verdicts of these days, and older ones where there are some.
    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let usual = [Verdict::Agreed, Verdict::Refereed, Verdict::Trusted];
        let old = self.chunks.iter().any(|chunk| chunk.verdict == Some(Verdict::Unverified));
        usual.into_iter().chain(old.then_some(Verdict::Unverified))
    }

    fn shows(&self, state: &ChunkState) -> bool {
        self.state.as_ref() == Some(state)
    }
}

#[derive(Deserialize)]
pub(crate) struct Which {
    state: Option<String>,
    after: Option<String>,
}

/// The state that an address names.
fn read_state(text: &str) -> Result<ChunkState, Refusal> {
    ChunkState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let words = ChunkState::ALL.map(ChunkState::as_str).join(", ");
        let detail = format!("chunks have no such state; choose one of {words}");
        ApiError::new(400, "platform.query_refused", "unknown state", detail).into()
    })
}

pub(crate) async fn chunks(
    ask: Ask,
    id: web::Path<String>,
    which: web::Query<Which>,
) -> HttpResponse {
    ask.show(async {
        let (who, id) = (ask.who()?, read_id(&id)?);
        let Which { state, after } = which.into_inner();
        let state = state.filter(|text| !text.is_empty()).map(|text| read_state(&text));
        let state = state.transpose()?;
        let job = ask.data().job(who, id).await?;
        let paging = Cursor { after }.paging(CHUNKS);
        let page = ask.data().chunks(who, id, state, paging).await?;
        ask.page(&Chunks { ask: &ask, job, state, chunks: page.items, next: page.next })
    })
    .await
}

pub(super) fn read_id(text: &str) -> Result<JobId, Refusal> {
    text.parse().map_err(|_| Refusal::from(ApiError::not_found("job")))
}
