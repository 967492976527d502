//! What a consumer does to a job that was submitted, as forms: they work without scripts. With
//! them, the page stays and asks `/v1` itself.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Job, JobState, PauseWhy, Quote};
use medusa_platform::ApiError;
use medusa_types::{Credits, JobId, Sha256Hash};
use serde::Deserialize;

use super::work::read_id;
use crate::ask::{Ask, Refusal, Shown};
use crate::port::JobOrder;
use crate::quoted::Parts;
use crate::show;

/// What the page of a job offers; each control names the modes that it stands in.
pub(super) const fn mode(job: &Job) -> &'static str {
    match (job.state, job.paused) {
        (JobState::Running, _) => "running",
        (JobState::Merging, _) => "merging",
        (JobState::Done | JobState::Failed | JobState::Cancelled, _) => "ended",
        (JobState::Paused, Some(PauseWhy::HoldSpent)) => "hold_spent",
        (JobState::Paused, Some(PauseWhy::ChunksFailed)) => "chunks_failed",
        (JobState::Paused, Some(PauseWhy::Asked) | None) => "asked",
    }
}

#[derive(Deserialize)]
pub(crate) struct Form {
    csrf: String,
    /// The job's log position on the page that was looked at.
    #[serde(default)]
    at: String,
    #[serde(default)]
    add: String,
    #[serde(default)]
    fuel_times: String,
    #[serde(default)]
    quote: String,
}

impl Form {
    /// The same form of the same page is the same wish, however often it is sent.
    fn key(&self, job: JobId, act: &str) -> String {
        let Self { at, add, fuel_times, quote, .. } = self;
        let wish = format!("{job} {act} {at} {add} {fuel_times} {quote}");
        format!("page:{}", Sha256Hash::of(wish.as_bytes()))
    }

    fn order(&self, act: &str) -> Result<JobOrder, ApiError> {
        let refused = |code, pointer, message| Err(ApiError::field(code, pointer, message));
        match act {
            "pause" => Ok(JobOrder::Pause),
            "resume" => Ok(JobOrder::Resume),
            "cancel" => Ok(JobOrder::Cancel),
            "budget" => match self.add.trim().parse::<Credits>() {
                Ok(add) => Ok(JobOrder::Raise(add)),
                Err(error) => refused("jobs.amount", "/add", error.to_string().as_str()),
            },
            "retry" => match self.fuel_times.parse::<u32>() {
                Ok(times) => Ok(JobOrder::Retry(times)),
                Err(_) => {
                    refused("jobs.fuel_times", "/fuel_times", "fuel is raised 1 to 100 times")
                }
            },
            _ => Err(ApiError::not_found("address")),
        }
    }
}

#[derive(Template)]
#[template(path = "again.html")]
struct Again<'a> {
    ask: &'a Ask,
    job: Job,
    parts: Parts,
    quote: Quote,
    available: Credits,
}

impl Again<'_> {
    fn is_covered(&self) -> bool {
        self.available >= self.quote.hold
    }
}

pub(crate) async fn act(
    ask: Ask,
    path: web::Path<(String, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (id, act) = path.into_inner();
    ask.show(async {
        let (who, id) = (ask.who()?, read_id(&id)?);
        ask.own_form(&form.csrf)?;
        let job = match act.as_str() {
            "rerun" => return again(&ask, id).await,
            "run" => ask.data().accept(who, form.key(id, &act), form.quote.clone()).await?,
            act => ask.data().steer(who, id, form.key(id, act), form.order(act)?).await?,
        };
        Ok::<_, Refusal>(ask.go(&format!("/app/jobs/{}", job.id)))
    })
    .await
}

/// Whoever reloads the page of a form, or comes back to it after a login, finds the job.
pub(crate) async fn back(ask: Ask, id: web::Path<String>) -> HttpResponse {
    ask.show(async { Ok(ask.go(&format!("/app/jobs/{}", read_id(&id)?))) }).await
}

/// The quote of the same job once more, to be confirmed.
async fn again(ask: &Ask, id: JobId) -> Shown {
    let who = ask.who()?;
    let job = ask.data().job(who, id).await?;
    let quote = ask.data().rerun(who, id).await?;
    let available = ask.data().wallet(who).await?.available;
    ask.page(&Again { ask, job, parts: Parts::of(&quote.breakdown), quote, available })
}
