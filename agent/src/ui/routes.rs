//! What the page asks for. Every change is a POST by the owner, sent by the page's script or as a
//! plain form; limits are in `forms`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::Cookie;
use actix_web::http::header::{CONTENT_TYPE, ContentType, LOCATION};
use actix_web::{HttpResponse, guard, web};
use askama::Template;
use serde::Deserialize;

use super::earnings::TaskRow;
use super::forms::{self, LimitsForm};
use super::gate::{Change, FORM, Owner};
use super::page::{Level, Locked, Page, Program, State, Tasks};
use super::serve::Shown;
use crate::config::Config;
use crate::install::{Places, autostart};
use crate::settings::SNOOZE_MAX;
use crate::{chance, update};

/// Tasks of one page.
const TASKS: i64 = 50;
/// A wrong code costs its sender this long.
const WRONG_CODE: Duration = Duration::from_millis(200);

pub(crate) fn configure(app: &mut web::ServiceConfig) {
    let is_form = guard::Header(CONTENT_TYPE.as_str(), FORM);
    app.service(web::resource("/").get(page))
        .service(web::resource("/state.json").get(state))
        .service(web::resource("/tasks").get(tasks))
        .service(
            web::resource("/session")
                .route(web::post().guard(is_form).to(session_by_form))
                .post(session),
        )
        .service(web::resource("/start").post(start))
        .service(web::resource("/pause").post(pause))
        .service(web::resource("/finish").post(finish))
        .service(web::resource("/leave").post(leave))
        .service(web::resource("/snooze").post(snooze))
        .service(web::resource("/limits").post(limits))
        .service(web::resource("/hours").post(hours))
        .service(web::resource("/enrol").post(enrol))
        .service(web::resource("/autostart").post(set_autostart))
        .service(web::resource("/updates").post(set_updates))
        .service(web::resource("/icon.svg").get(icon))
        .service(web::resource("/favicon.ico").get(icon))
        .service(web::resource("/page.css").get(style))
        .service(web::resource("/page.js").get(script));
}

/// What the fragment of the printed link said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    code: String,
}

/// Which lines of the log are shown.
#[derive(Deserialize)]
struct Looking {
    #[serde(default)]
    level: Level,
}

/// The last line that the page has.
#[derive(Deserialize)]
struct Asking {
    #[serde(default)]
    after: u64,
}

#[derive(Deserialize)]
struct Switch {
    on: bool,
}

/// The task before which a page begins.
#[derive(Deserialize)]
struct From {
    before: Option<String>,
}

#[derive(Deserialize)]
struct Snooze {
    hours: u64,
}

async fn page(
    shown: web::Data<Shown>,
    owner: Option<Owner>,
    looking: Option<web::Query<Looking>>,
) -> HttpResponse {
    let level = looking.map(|looking| looking.level).unwrap_or_default();
    let rendered = match owner {
        Some(Owner) => {
            shown.board.looked.notify_one();
            Page {
                state: State::of(&shown.board, shown.logs.lines()),
                program: Program::of(&shown.config),
                limits: LimitsForm::of(&shown.board.settings()),
                week: forms::week(&shown.board.settings().hours),
                always: shown.board.always,
                token: shown.gate.token().to_owned(),
                level,
            }
            .render()
        }
        None => Locked {}.render(),
    };
    html(rendered)
}

fn html(rendered: askama::Result<String>) -> HttpResponse {
    match rendered {
        Ok(html) => HttpResponse::Ok().content_type(ContentType::html()).body(html),
        Err(error) => {
            tracing::error!(%error, "the page could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

async fn state(shown: web::Data<Shown>, _: Owner, asking: web::Query<Asking>) -> HttpResponse {
    shown.board.looked.notify_one();
    HttpResponse::Ok().json(State::of(&shown.board, shown.logs.after(asking.after)))
}

async fn tasks(shown: web::Data<Shown>, _: Owner, from: web::Query<From>) -> HttpResponse {
    let server = shown.server.borrow().clone();
    let view = shown.board.view();
    let (answer, next) = match server {
        Some(server) => match server.tasks(from.before.as_deref(), TASKS).await {
            Ok(page) => {
                let row = |task| TaskRow::of(task, &view.server);
                (Ok(page.items.iter().map(row).collect()), page.next)
            }
            Err(error) if error.is_missing() => (Err("this server keeps no list".into()), None),
            Err(error) => (Err(format!("the server did not answer: {error}")), None),
        },
        None => (Err("this machine is not enrolled yet".into()), None),
    };
    html(Tasks { name: view.name, answer, next }.render())
}

async fn session(shown: web::Data<Shown>, opening: web::Json<Opening>) -> HttpResponse {
    match shown.gate.open(&opening.code) {
        Some(cookie) => HttpResponse::NoContent().cookie(cookie).finish(),
        None => wrong_code().await,
    }
}

/// Without a script, the owner types the code, or the whole link.
async fn session_by_form(shown: web::Data<Shown>, opening: web::Form<Opening>) -> HttpResponse {
    let code = opening.code.trim();
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let led = |cookie: Cookie<'static>| {
        HttpResponse::SeeOther().cookie(cookie).insert_header((LOCATION, "/")).finish()
    };
    match shown.gate.open(code) {
        Some(cookie) => led(cookie),
        None => wrong_code().await,
    }
}

async fn wrong_code() -> HttpResponse {
    tokio::time::sleep(WRONG_CODE).await;
    HttpResponse::Forbidden().body("this link was used before, or is another agent's")
}

async fn start(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    shown.board.set_paused(false);
    done(&change, "/")
}

async fn pause(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    shown.board.set_paused(true);
    done(&change, "/")
}

/// Takes nothing new; the switch is off when what is under way is done.
async fn finish(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    shown.board.finish();
    done(&change, "/")
}

/// Ends the program when what is under way is done.
async fn leave(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    shown.board.leave();
    done(&change, "/")
}

/// Quiet for some hours; 0 ends it.
async fn snooze(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    let Ok(asked) = web::Query::<Snooze>::from_query(&change.fields) else {
        return HttpResponse::BadRequest().body("for how many hours?");
    };
    let seconds = asked.hours.saturating_mul(3_600).min(SNOOZE_MAX);
    let until = if seconds == 0 { 0 } else { chance::unix_seconds().saturating_add(seconds) };
    shown.board.set(|settings| settings.snooze_until = until);
    done(&change, "/")
}

async fn limits(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    match web::Query::<LimitsForm>::from_query(&change.fields) {
        Ok(form) if form.dear && form.dear_from == form.dear_to => HttpResponse::BadRequest()
            .body("dear electricity needs two different hours: nothing was changed"),
        Ok(form) => {
            if let Some(words) = form.refusal() {
                return HttpResponse::UnprocessableEntity().body(words);
            }
            shown.board.set(|settings| form.into_inner().apply(settings));
            done(&change, "/#limits")
        }
        Err(error) => HttpResponse::BadRequest()
            .body(format!("a limit is not a number: nothing was changed ({error})")),
    }
}

async fn hours(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    match web::Query::<Vec<(String, String)>>::from_query(&change.fields) {
        Ok(fields) => {
            shown.board.set(|settings| settings.hours = forms::hours(&fields));
            done(&change, "/#hours")
        }
        Err(error) => HttpResponse::BadRequest().body(format!("an hour cannot be read: {error}")),
    }
}

/// Only a machine whose key is refused may be enrolled anew from the page.
async fn enrol(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    if !shown.board.is_revoked() {
        return HttpResponse::Conflict().body("this machine is enrolled");
    }
    shown.board.enrol.notify_one();
    done(&change, "/")
}

/// Whether it starts with its user.
async fn set_autostart(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    turn(shown, &change, |config, on| match Places::of(config) {
        Ok(places) => autostart::set(&places, on),
        Err(error) => Err(io::Error::other(error)),
    })
    .await
}

/// Whether it takes updates by itself.
async fn set_updates(shown: web::Data<Shown>, change: Change) -> HttpResponse {
    turn(shown, &change, |config, on| update::set_automatic(&config.data, on)).await
}

/// Turns a switch that is kept in files, which the link must not wait for.
async fn turn(
    shown: web::Data<Shown>,
    change: &Change,
    set: impl FnOnce(&Config, bool) -> io::Result<()> + Send + 'static,
) -> HttpResponse {
    let Ok(switch) = web::Query::<Switch>::from_query(&change.fields) else {
        return HttpResponse::BadRequest().body("on or off?");
    };
    let (config, on) = (Arc::clone(&shown.config), switch.on);
    match tokio::task::spawn_blocking(move || set(&config, on)).await {
        Ok(Ok(())) => done(change, "/#program"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a switch could not be turned");
            HttpResponse::InternalServerError().body(format!("that did not work: {error}"))
        }
        Err(_panicked) => HttpResponse::InternalServerError().finish(),
    }
}

/// The script goes on by itself; a plain form is led back to where it stood.
fn done(change: &Change, to: &'static str) -> HttpResponse {
    if change.is_script {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
    }
}

async fn style() -> HttpResponse {
    let css = include_str!("../../ui/page.css");
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(css)
}

async fn icon() -> HttpResponse {
    let svg = include_str!("../../ui/icon.svg");
    HttpResponse::Ok().content_type("image/svg+xml").body(svg)
}

async fn script() -> HttpResponse {
    let js = include_str!("../../ui/page.js");
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(js)
}
