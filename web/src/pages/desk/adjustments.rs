//! Adjustments of the books: one admin proposes, another decides. The forms work without scripts.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{
    Adjustment, AdjustmentPage, AdjustmentQuery, AdjustmentReason, AdjustmentState, NewAdjustment,
    Problem,
};
use medusa_platform::{ApiError, Principal};
use medusa_types::{AdjustmentId, Sha256Hash, UserId};
use serde::Deserialize;

use crate::ask::{Ask, Refusal};
use crate::link::link;
use crate::port::{Decision, DeskAccess};
use crate::show;

const DECIDED: u32 = 20;
const WAITING_MAX: u32 = 100;

#[derive(Deserialize)]
pub(crate) struct Cursor {
    #[serde(default)]
    after: String,
}

#[derive(Clone, Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    csrf: String,
    /// The newest adjustment that the form's page showed.
    #[serde(default)]
    seen: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    amount: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    explanation: String,
    #[serde(default)]
    ticket: String,
}

impl Form {
    /// The same for the same form however often it is sent, another for one that was loaded after
    /// anything else was proposed.
    fn key(&self, who: UserId) -> String {
        let parts = [
            &who.to_string(),
            &self.seen,
            &self.account,
            &self.amount,
            &self.reason,
            &self.explanation,
            &self.ticket,
        ];
        let mut text = String::new();
        for part in parts {
            text.push_str(&format!("{}:{part}", part.len()));
        }
        format!("desk-{}", Sha256Hash::of(text.as_bytes()))
    }

    fn wish(&self) -> Result<NewAdjustment, ApiError> {
        let reason = AdjustmentReason::ALL.into_iter().find(|r| r.as_str() == self.reason);
        let Some(reason) = reason else {
            let detail = "choose a reason from the list";
            return Err(ApiError::new(422, "platform.json_refused", "no reason", detail));
        };
        Ok(NewAdjustment {
            account: self.account.trim().to_owned(),
            amount: self.amount.trim().trim_start_matches('+').replace('\u{2212}', "-"),
            reason,
            explanation: self.explanation.trim().to_owned(),
            ticket: self.ticket.trim().to_owned(),
        })
    }
}

#[derive(Template)]
#[template(path = "desk/adjustments.html")]
struct Adjustments<'a> {
    ask: &'a Ask,
    me: UserId,
    waiting: Vec<Adjustment>,
    page: AdjustmentPage,
    after: &'a str,
    form: Form,
    /// What did not happen, and why.
    refused: Option<Refused<'a>>,
}

/// What did not happen, in words, and the services' reason.
#[derive(Clone, Copy)]
struct Refused<'a> {
    lead: &'static str,
    problem: &'a Problem,
}

impl Adjustments<'_> {
    /// What is wrong with a field.
    fn wrong(&self, field: &str) -> Option<&str> {
        let errors = &self.refused?.problem.errors;
        let error = errors.iter().find(|e| e.pointer.strip_prefix('/') == Some(field))?;
        Some(&error.message)
    }

    fn chosen(&self, reason: &str) -> bool {
        self.form.reason == reason
    }

    fn reasons(&self) -> [&'static str; 5] {
        AdjustmentReason::ALL.map(AdjustmentReason::as_str)
    }

    fn export(&self, format: &str) -> String {
        link("/v1/admin/adjustments", &[("after", self.after), ("format", format)])
    }

    fn here(&self, after: &str) -> String {
        link("/admin/adjustments", &[("after", after)])
    }
}

pub(crate) async fn adjustments(ask: Ask, cursor: web::Query<Cursor>) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        show_page(&ask, who, &cursor.after, Form::default(), None).await
    })
    .await
}

async fn show_page(
    ask: &Ask,
    who: &Principal,
    after: &str,
    mut form: Form,
    refused: Option<Refused<'_>>,
) -> Result<HttpResponse, Refusal> {
    let state = Some(AdjustmentState::Proposed);
    let proposed = AdjustmentQuery { state, after: None, limit: Some(WAITING_MAX) };
    let waiting = ask.data().adjustments(who, proposed).await?.items;
    let cursor = Some(after.to_owned()).filter(|after| !after.is_empty());
    let all = AdjustmentQuery { state: None, after: cursor, limit: Some(DECIDED) };
    let page = ask.data().adjustments(who, all).await?;
    if form.seen.is_empty() {
        form.seen = page.items.first().map(|newest| newest.id.to_string()).unwrap_or_default();
    }
    let status = refused.and_then(|why| StatusCode::from_u16(why.problem.status).ok());
    let me = who.user;
    let page = Adjustments { ask, me, waiting, page, after, form, refused };
    Ok(ask.html(status.unwrap_or(StatusCode::OK), &page))
}

/// Proposes, or shows the form again with what is wrong.
pub(crate) async fn propose(ask: Ask, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        ask.own_form(&form.csrf)?;
        let who = ask.desk(DeskAccess::Act)?;
        let proposed = match form.wish() {
            Ok(wish) => ask.data().propose(who, form.key(who.user), wish).await,
            Err(error) => Err(error),
        };
        let lead = "Nothing was proposed.";
        done(&ask, who, proposed, lead, form.into_inner()).await
    })
    .await
}

/// Back to the page, or the page again with what was typed and why it was refused.
async fn done(
    ask: &Ask,
    who: &Principal,
    answer: Result<Adjustment, ApiError>,
    lead: &'static str,
    form: Form,
) -> Result<HttpResponse, Refusal> {
    match answer {
        Ok(_) => Ok(ask.go("/admin/adjustments")),
        Err(ApiError(problem)) if problem.status == 401 => Err(ApiError(problem).into()),
        Err(ApiError(problem)) => {
            let refused = Some(Refused { lead, problem: &problem });
            show_page(ask, who, "", form, refused).await
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Order {
    #[serde(default)]
    csrf: String,
    /// That the ticket was read: an approval is refused without.
    #[serde(default)]
    read: String,
}

/// Approves, rejects or withdraws.
pub(crate) async fn decide(
    ask: Ask,
    path: web::Path<(String, String)>,
    form: web::Form<Order>,
) -> HttpResponse {
    ask.show(async {
        ask.own_form(&form.csrf)?;
        let who = ask.desk(DeskAccess::Act)?;
        let missing = || ApiError::not_found("adjustment");
        let (id, decision) = path.into_inner();
        let id = id.parse::<AdjustmentId>().map_err(|_| missing())?;
        let decision = match decision.as_str() {
            "approve" => Decision::Approve,
            "reject" => Decision::Reject,
            "withdraw" => Decision::Withdraw,
            _ => return Err(missing().into()),
        };
        let decided = if decision == Decision::Approve && form.read != "yes" {
            let detail = "say that you have read the ticket and that the amount is right";
            Err(ApiError::field("platform.json_refused", "/read", detail))
        } else {
            ask.data().decide(who, id, decision).await
        };
        done(&ask, who, decided, "Nothing was decided.", Form::default()).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    #[test]
    fn a_form_that_is_sent_twice_is_one_proposal() {
        let who = UserId(Uuid::from_u128(1));
        let form = Form { account: "a".into(), amount: "1".into(), ..Form::default() };
        assert_eq!(form.key(who), form.clone().key(who));
        let others = [
            Form { account: "a1".into(), amount: String::new(), ..Form::default() },
            Form { seen: "adj_1".into(), ..form.clone() },
            Form { ticket: "7".into(), ..form.clone() },
        ];
        for other in others {
            assert_ne!(form.key(who), other.key(who));
        }
        assert_ne!(form.key(who), form.key(UserId(Uuid::from_u128(2))));
    }
}
