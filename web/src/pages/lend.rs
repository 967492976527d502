//! The lender's pages: start an agent, see machines, confirm a machine's code.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Agent, AgentState, DeviceApproval, Problem};
use medusa_types::Credits;
use serde::Deserialize;

use crate::ask::{Ask, Refusal};
use crate::show;

#[derive(Template)]
#[template(path = "lend.html")]
struct Lend<'a> {
    ask: &'a Ask,
    agents: Vec<Agent>,
    earned: Credits,
    chunks: u64,
}

pub(crate) async fn lend(ask: Ask) -> HttpResponse {
    ask.show(async {
        let agents = ask.data().agents(ask.who()?).await?;
        let earned = agents.iter().fold(Credits::ZERO, |sum, a| sum.saturating_add(a.earned));
        let chunks = agents.iter().fold(0_u64, |sum, a| sum.saturating_add(a.chunks));
        ask.page(&Lend { ask: &ask, agents, earned, chunks })
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
}

pub(crate) async fn device(ask: Ask, form: web::Query<Form>) -> HttpResponse {
    ask.show(async {
        ask.who()?;
        ask.page(&Device { ask: &ask, form: &form, problem: None, enrolled: None })
    })
    .await
}

pub(crate) async fn device_sent(ask: Ask, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        let who = ask.who()?;
        ask.own_form(&form.csrf)?;
        let approval = DeviceApproval {
            user_code: form.code.trim().to_owned(),
            name: form.name.trim().to_owned(),
        };
        let (status, problem, enrolled) = match ask.data().approve_device(who, approval).await {
            Ok(agent) => (StatusCode::OK, None, Some(agent)),
            Err(error) => {
                let status = StatusCode::from_u16(error.0.status);
                (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Some(error.0), None)
            }
        };
        let page = Device { ask: &ask, form: &form, problem: problem.as_deref(), enrolled };
        Ok::<_, Refusal>(ask.html(status, &page))
    })
    .await
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
