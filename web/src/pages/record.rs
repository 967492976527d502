//! What is left to see of a job: its events in the log, and a second run beside it.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Comparison, EventPage, Job};
use serde::Deserialize;

use super::work::{Cursor, read_id};
use crate::ask::Ask;
use crate::port::Paging;
use crate::show;

const EVENTS: u32 = 100;
/// Jobs that are offered for a comparison.
const OTHERS: u32 = 50;

#[derive(Template)]
#[template(path = "job_events.html")]
struct Events<'a> {
    ask: &'a Ask,
    job: Job,
    page: EventPage,
    first: bool,
}

pub(crate) async fn events(
    ask: Ask,
    id: web::Path<String>,
    cursor: web::Query<Cursor>,
) -> HttpResponse {
    ask.show(async {
        let (who, id) = (ask.who()?, read_id(&id)?);
        let job = ask.data().job(who, id).await?;
        let paging = cursor.into_inner().paging(EVENTS);
        let first = paging.after.is_none();
        let page = ask.data().job_events(who, id, paging).await?;
        ask.page(&Events { ask: &ask, job, page, first })
    })
    .await
}

#[derive(Deserialize)]
pub(crate) struct With {
    #[serde(default)]
    with: String,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare<'a> {
    ask: &'a Ask,
    job: Job,
    others: Vec<Job>,
    found: Option<Comparison>,
}

impl Compare<'_> {
    fn is_chosen(&self, other: &Job) -> bool {
        self.found.as_ref().is_some_and(|found| found.right.job == other.id)
    }
}

pub(crate) async fn compare(
    ask: Ask,
    id: web::Path<String>,
    with: web::Query<With>,
) -> HttpResponse {
    ask.show(async {
        let (who, id) = (ask.who()?, read_id(&id)?);
        let job = ask.data().job(who, id).await?;
        let found = match with.with.as_str() {
            "" => None,
            other => Some(ask.data().compare(who, id, read_id(other.trim())?).await?),
        };
        let mut others = ask.data().jobs(who, Paging { limit: OTHERS, after: None }).await?.items;
        others.retain(|other| other.id != id);
        ask.page(&Compare { ask: &ask, job, others, found })
    })
    .await
}
