//! One lent machine: what it says of itself, and what its owner asks of it, as forms that work
//! without scripts. Removing it takes a second step.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{
    Agent, AgentCaps, AgentChange, AgentNow, AgentTask, Earnings, Problem, TaskState,
};
use medusa_platform::ApiError;
use medusa_types::{AgentId, Credits, Outcome};
use serde::Deserialize;

use super::lend::{state_word, why};
use crate::ask::{Ask, Refusal, Shown};
use crate::show;

const MIB: u64 = 1024 * 1024;

#[derive(Template)]
#[template(path = "lend_machine.html")]
struct Machine<'a> {
    ask: &'a Ask,
    agent: Agent,
    problem: Option<Problem>,
    /// Whether it is asked if it shall really be removed.
    confirm: bool,
    /// What it earned, and its latest tasks.
    earnings: Earnings,
    tasks: Vec<AgentTask>,
}

impl<'a> Machine<'a> {
    async fn of(ask: &'a Ask, agent: Agent) -> Result<Self, Refusal> {
        let (earnings, tasks) = ask.data().agent_earnings(ask.who()?, agent.id).await?;
        let tasks = tasks.items;
        Ok(Self { ask, agent, problem: None, confirm: false, earnings, tasks })
    }

    /// Earned on the last so many days.
    fn last(&self, days: usize) -> Credits {
        let last = self.earnings.days.iter().rev().take(days);
        last.fold(Credits::ZERO, |sum, day| sum.saturating_add(day.earned))
    }

    fn slots(&self) -> String {
        self.agent.remote.slots.map_or_else(String::new, |slots| slots.to_string())
    }

    fn memory_mib(&self) -> String {
        self.agent.remote.memory_bytes.map_or_else(String::new, |bytes| mib(&bytes).to_string())
    }
}

#[derive(Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    csrf: String,
    act: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    slots: String,
    #[serde(default)]
    memory_mib: String,
}

impl Form {
    fn change(&self) -> Result<AgentChange, ApiError> {
        let paused = |paused| AgentChange { paused: Some(paused), ..AgentChange::default() };
        match self.act.as_str() {
            "rename" => Ok(AgentChange { name: Some(self.name.clone()), ..AgentChange::default() }),
            "pause" => Ok(paused(true)),
            "resume" => Ok(paused(false)),
            "limit" => {
                let slots = number(&self.slots, "/limits/slots")?;
                let memory_mib: Option<u64> = number(&self.memory_mib, "/limits/memory_bytes")?;
                let memory_bytes = memory_mib.map(|mib| mib.saturating_mul(MIB));
                let limits = Some(AgentCaps { slots, memory_bytes });
                Ok(AgentChange { limits, ..AgentChange::default() })
            }
            _ => Err(ApiError::not_found("address")),
        }
    }
}

/// A number, or nothing where the field is empty.
fn number<T: std::str::FromStr>(text: &str, pointer: &str) -> Result<Option<T>, ApiError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let refused =
        |_| ApiError::field("accounts.agent_limits", pointer, "limits are whole numbers, or empty");
    text.parse().map(Some).map_err(refused)
}

fn read_id(text: &str) -> Result<AgentId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("machine"))
}

async fn find(ask: &Ask, id: AgentId) -> Result<Agent, Refusal> {
    let agents = ask.data().agents(ask.who()?).await?;
    let found = agents.into_iter().find(|agent| agent.id == id);
    Ok(found.ok_or_else(|| ApiError::not_found("machine"))?)
}

pub(crate) async fn machine(ask: Ask, id: web::Path<String>) -> HttpResponse {
    ask.show(async {
        let agent = find(&ask, read_id(&id)?).await?;
        ask.page(&Machine::of(&ask, agent).await?)
    })
    .await
}

pub(crate) async fn sent(ask: Ask, id: web::Path<String>, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        ask.who()?;
        ask.own_form(&form.csrf)?;
        act(&ask, read_id(&id)?, &form).await
    })
    .await
}

async fn act(ask: &Ask, id: AgentId, form: &Form) -> Shown {
    let who = ask.who()?;
    match form.act.as_str() {
        "remove" => {
            let agent = find(ask, id).await?;
            return ask.page(&Machine { confirm: true, ..Machine::of(ask, agent).await? });
        }
        "remove-now" => {
            ask.data().remove_agent(who, id).await?;
            return Ok(ask.go("/app/lend"));
        }
        _ => {}
    }
    let changed = match form.change() {
        Ok(change) => ask.data().change_agent(who, id, change).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => Ok(ask.go(&format!("/app/lend/{id}"))),
        Err(error) if error.0.status == 422 => {
            let agent = find(ask, id).await?;
            let page = Machine { problem: Some(*error.0), ..Machine::of(ask, agent).await? };
            Ok(ask.html(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(error) => Err(error.into()),
    }
}

/// What became of a task.
fn became(task: &AgentTask) -> String {
    let state = match task.state {
        TaskState::Paid => "paid",
        TaskState::Verified => "right, at no price",
        TaskState::Waiting => "waits for a check",
        TaskState::Refused => "another result was believed",
        TaskState::Fault => "could not be run there",
        TaskState::Ended => "not needed, or given back",
    };
    // A program that fails everywhere is its consumer's failure, and a right result.
    let failed = task.outcome.filter(|o| *o != Outcome::Done && o.is_verdict());
    failed.map_or_else(|| state.to_owned(), |outcome| format!("{state}: {}", outcome.in_words()))
}

/// Whole MiB.
fn mib(bytes: &u64) -> u64 {
    bytes.checked_div(MIB).unwrap_or_default()
}

/// Billions of fuel, with one place.
fn billions(fuel: &u64) -> String {
    let tenths = fuel.checked_div(100_000_000).unwrap_or_default();
    let (whole, place) = (tenths.checked_div(10), tenths.checked_rem(10));
    format!("{}.{}", whole.unwrap_or_default(), place.unwrap_or_default())
}

/// What it measured.
fn speed(now: &AgentNow) -> Option<String> {
    let (one, all) = now.fuel_per_s.zip(now.fuel_per_s_all)?;
    Some(format!("{} billion fuel a second on one core, {} on all", billions(&one), billions(&all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_or_empty() {
        assert_eq!(number::<u32>(" 4 ", "/a").unwrap(), Some(4));
        assert_eq!(number::<u32>("", "/a").unwrap(), None);
        assert!(number::<u32>("many", "/a").is_err());
        assert_eq!(billions(&1_250_000_000), "1.2");
    }
}
