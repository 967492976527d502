//! How a person is told outside the website. The forms work without scripts.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{MailChoice, NewWebhook, NewWebhookSecret, Notice, NoticeState, Notices, Problem};
use medusa_platform::{ApiError, Principal};
use medusa_types::{Sha256Hash, WebhookId};
use serde::Deserialize;

use crate::ask::{Ask, Refusal, Shown};
use crate::show;

const PAGE: &str = "/app/notices";

#[derive(Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    csrf: String,
    /// `mail`, `no-mail`, `add`, `remove` or `test`.
    #[serde(default)]
    act: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    webhook: String,
}

#[derive(Template)]
#[template(path = "notices.html")]
struct Page<'a> {
    ask: &'a Ask,
    notices: Notices,
    form: &'a Form,
    problem: Option<&'a Problem>,
    made: Option<NewWebhookSecret>,
}

impl Page<'_> {
    /// Where a notice went, for people.
    fn place(&self, notice: &Notice) -> &str {
        match notice.webhook {
            None => "mail",
            Some(id) => {
                let webhook = self.notices.webhooks.iter().find(|webhook| webhook.id == id);
                webhook.map_or("a removed webhook", |webhook| &webhook.url)
            }
        }
    }
}

fn state_word(state: &NoticeState) -> &'static str {
    match state {
        NoticeState::Waiting => "waiting",
        NoticeState::Delivered => "delivered",
        NoticeState::GivenUp => "given up",
    }
}

/// What happened, for people.
fn kind_words(kind: &str) -> &str {
    match kind {
        "job.done" => "A job is done",
        "job.failed" => "A job has failed",
        "job.cancelled" => "A job was stopped",
        "webhook.test" => "Test",
        other => other,
    }
}

pub(crate) async fn notices(ask: Ask) -> HttpResponse {
    ask.show(async { page(&ask, StatusCode::OK, &Form::default(), None, None).await }).await
}

pub(crate) async fn notices_sent(ask: Ask, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        ask.own_form(&form.csrf)?;
        match act(&ask, ask.who()?, &form).await {
            Ok(Some(made)) => page(&ask, StatusCode::OK, &form, None, Some(made)).await,
            Ok(None) => Ok(ask.go(PAGE)),
            Err(ApiError(problem)) => {
                let status = StatusCode::from_u16(problem.status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                page(&ask, status, &form, Some(&problem), None).await
            }
        }
    })
    .await
}

async fn act(
    ask: &Ask,
    who: &Principal,
    form: &Form,
) -> Result<Option<NewWebhookSecret>, ApiError> {
    let data = ask.data();
    let webhook = || form.webhook.parse::<WebhookId>().map_err(|_| ApiError::not_found("webhook"));
    match form.act.as_str() {
        "mail" => data.choose_mail(who, MailChoice { mail: true }).await?,
        "no-mail" => data.choose_mail(who, MailChoice { mail: false }).await?,
        "remove" => data.remove_webhook(who, webhook()?).await?,
        "test" => data.test_webhook(who, webhook()?).await?,
        _ => {
            // The same address twice is a form that was sent twice.
            let url = form.url.trim().to_owned();
            let key = format!("page:{}", Sha256Hash::of(url.as_bytes()));
            return data.add_webhook(who, key, NewWebhook { url }).await.map(Some);
        }
    }
    Ok(None)
}

async fn page(
    ask: &Ask,
    status: StatusCode,
    form: &Form,
    problem: Option<&Problem>,
    made: Option<NewWebhookSecret>,
) -> Shown {
    let notices = ask.data().notices(ask.who()?).await?;
    Ok::<_, Refusal>(ask.html(status, &Page { ask, notices, form, problem, made }))
}
