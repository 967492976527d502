//! Signing up, logging in and out, and the theme. The forms work without scripts.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{Login, Problem, SignUp};
use medusa_platform::ApiError;
use serde::Deserialize;

use crate::ask::{Ask, Refusal, Shown, local};
use crate::port::LoggedIn;
use crate::show;

/// Where people land when they did not ask for a page.
const START: &str = "/app";

#[derive(Deserialize)]
pub(crate) struct Coming {
    #[serde(default)]
    next: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct Leaving {
    #[serde(default)]
    csrf: String,
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    theme: String,
    #[serde(default)]
    to: String,
}

/// Both forms: they differ by a field and by words.
#[derive(Template)]
#[template(path = "account.html")]
struct Page<'a> {
    ask: &'a Ask,
    new: bool,
    form: &'a Form,
    problem: Option<&'a Problem>,
}

impl Page<'_> {
    /// What is wrong with a field.
    fn wrong(&self, field: &str) -> Option<&str> {
        let errors = &self.problem?.errors;
        let error = errors.iter().find(|e| e.pointer.strip_prefix('/') == Some(field))?;
        Some(&error.message)
    }
}

pub(crate) async fn sign_up(ask: Ask, query: web::Query<Coming>) -> HttpResponse {
    ask.show(async { form_page(&ask, true, query.into_inner().next) }).await
}

pub(crate) async fn log_in(ask: Ask, query: web::Query<Coming>) -> HttpResponse {
    ask.show(async { form_page(&ask, false, query.into_inner().next) }).await
}

fn form_page(ask: &Ask, new: bool, next: String) -> Shown {
    if ask.visitor.is_some() {
        return Ok(ask.go(target(&next)));
    }
    let form = Form { next, ..Form::default() };
    ask.page(&Page { ask, new, form: &form, problem: None })
}

pub(crate) async fn sign_up_sent(ask: Ask, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        ask.own_origin()?;
        let wish = SignUp {
            email: form.email.trim().to_owned(),
            password: form.password.clone(),
            name: form.name.trim().to_owned(),
        };
        Ok(enter(&ask, true, &form, ask.data().sign_up(wish).await))
    })
    .await
}

pub(crate) async fn log_in_sent(ask: Ask, form: web::Form<Form>) -> HttpResponse {
    ask.show(async {
        ask.own_origin()?;
        let wish = Login { email: form.email.trim().to_owned(), password: form.password.clone() };
        Ok(enter(&ask, false, &form, ask.data().log_in(wish, ask.from).await))
    })
    .await
}

/// Lets the visitor in, or shows the form again with what is wrong.
fn enter(ask: &Ask, new: bool, form: &Form, login: Result<LoggedIn, ApiError>) -> HttpResponse {
    match login {
        Ok(login) => {
            let mut answer = ask.go(target(&form.next));
            ask.set_login(&mut answer, &login.cookie, login.seconds);
            answer
        }
        Err(ApiError(problem)) => {
            let status =
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            ask.html(status, &Page { ask, new, form, problem: Some(&problem) })
        }
    }
}

fn target(next: &str) -> &str {
    if local(next) { next } else { START }
}

pub(crate) async fn log_out(ask: Ask, form: web::Form<Leaving>) -> HttpResponse {
    ask.show(async {
        ask.own_form(&form.csrf)?;
        if let Some(cookie) = ask.cookie() {
            ask.data().log_out(cookie).await?;
        }
        let mut answer = ask.go("/");
        ask.set_login(&mut answer, "", 0);
        Ok::<_, Refusal>(answer)
    })
    .await
}

pub(crate) async fn theme(ask: Ask, form: web::Form<Choice>) -> HttpResponse {
    let mut answer = ask.go(if local(&form.to) { &form.to } else { "/" });
    ask.set_theme(&mut answer, &form.theme);
    answer
}
