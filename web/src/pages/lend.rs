//! The lender's pages: start an agent, see machines, confirm a machine's code.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Agent, AgentState, DeviceAbout, DeviceApproval, DeviceWaiting, Lent, Problem};
use serde::Deserialize;

use crate::ask::{Ask, Refusal};
use crate::show;

#[derive(Template)]
#[template(path = "lend.html")]
struct Lend<'a> {
    ask: &'a Ask,
    agents: Vec<Agent>,
    lent: Lent,
}

pub(crate) async fn lend(ask: Ask) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let (agents, lent) = (ask.data().agents(who).await?, ask.data().lent(who).await?);
        ask.page(&Lend { ask: &ask, agents, lent })
    })
    .await
}

#[derive(Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    code: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    csrf: String,
}

#[derive(Template)]
#[template(path = "device.html")]
struct Device<'a> {
    ask: &'a Ask,
    form: &'a Form,
    problem: Option<&'a Problem>,
    enrolled: Option<Agent>,
    /// What asks with the code, before it is confirmed.
    waiting: Option<DeviceWaiting>,
}

pub(crate) async fn device(ask: Ask, form: web::Query<Form>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        let code = form.code.trim();
        let (mut waiting, mut problem) = (None, None);
        if !code.is_empty() {
            match ask.data().waiting_device(who, code).await {
                Ok(found) => waiting = Some(found),
                Err(error) => problem = Some(error.0),
            }
        }
        let status = status(problem.as_deref());
        let problem = problem.as_deref();
        let page = Device { ask: &ask, form: &form, problem, enrolled: None, waiting };
        Ok::<_, Refusal>(ask.html(status, &page))
    })
    .await
}

fn status(problem: Option<&Problem>) -> StatusCode {
    let refused = problem.map(|problem| StatusCode::from_u16(problem.status));
    refused.map_or(StatusCode::OK, |status| status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

pub(crate) async fn device_sent(ask: Ask, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        ask.own_form(&form.csrf)?;
        let approval = DeviceApproval {
            user_code: form.code.trim().to_owned(),
            name: form.name.trim().to_owned(),
        };
        let (problem, enrolled) = match ask.data().approve_device(who, approval).await {
            Ok(agent) => (None, Some(agent)),
            Err(error) => (Some(error.0), None),
        };
        // A name that was refused is asked for again, beside what it is for.
        let waiting = match &problem {
            Some(_) => ask.data().waiting_device(who, form.code.trim()).await.ok(),
            None => None,
        };
        let status = status(problem.as_deref());
        let problem = problem.as_deref();
        let page = Device { ask: &ask, form: &form, problem, enrolled, waiting };
        Ok::<_, Refusal>(ask.html(status, &page))
    })
    .await
}

/// Whether a machine named itself and said no more.
fn says_nothing(waiting: &DeviceWaiting) -> bool {
    waiting.about == DeviceAbout::default()
}

pub(super) fn state_word(state: &AgentState) -> &'static str {
    match state {
        AgentState::Offline => "offline",
        AgentState::Paused => "paused",
        AgentState::Idle => "idle",
        AgentState::Busy => "busy",
    }
}

/// Why a machine computes less than it could: in its own words, or as its owner asked.
pub(super) fn why(agent: &Agent) -> Option<&str> {
    let asked = agent.remote.paused.then_some("stopped from the website");
    agent.now.as_ref().and_then(|now| now.why.as_deref()).or(asked)
}

/// A part of a million, in per cent with at most one place.
fn percent(ppm: &u32) -> String {
    let tenths = ppm.div_ceil(1_000);
    let (whole, place) = (tenths.checked_div(10).unwrap_or_default(), tenths.checked_rem(10));
    match place {
        Some(place) if place > 0 => format!("{whole}.{place} %"),
        _ => format!("{whole} %"),
    }
}
