//! What the page asks for. Every change is a POST by the owner.

use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::gate::Owner;
use super::page::{Locked, Page, State};
use super::serve::Shown;

/// A wrong code costs its sender this long.
const WRONG_CODE: Duration = Duration::from_millis(200);

pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(web::resource("/").get(page))
        .service(web::resource("/state.json").get(state))
        .service(web::resource("/session").post(session))
        .service(web::resource("/start").post(start))
        .service(web::resource("/pause").post(pause))
        .service(web::resource("/finish").post(finish))
        .service(web::resource("/enrol").post(enrol))
        .service(web::resource("/page.css").get(style))
        .service(web::resource("/page.js").get(script));
}

/// What the fragment of the printed link said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    code: String,
}

async fn page(shown: web::Data<Shown>, owner: Option<Owner>) -> HttpResponse {
    let rendered = match owner {
        Some(Owner) => Page { state: State::of(&shown.board, &shown.logs) }.render(),
        None => Locked {}.render(),
    };
    match rendered {
        Ok(html) => HttpResponse::Ok().content_type(ContentType::html()).body(html),
        Err(error) => {
            tracing::error!(%error, "the page could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

async fn state(shown: web::Data<Shown>, _: Owner) -> HttpResponse {
    shown.board.looked.notify_one();
    HttpResponse::Ok().json(State::of(&shown.board, &shown.logs))
}

async fn session(shown: web::Data<Shown>, opening: web::Json<Opening>) -> HttpResponse {
    match shown.gate.open(&opening.code) {
        Some(cookie) => HttpResponse::NoContent().cookie(cookie).finish(),
        None => {
            tokio::time::sleep(WRONG_CODE).await;
            HttpResponse::Forbidden().body("this link was used before, or is another agent's")
        }
    }
}

async fn start(shown: web::Data<Shown>, _: Owner) -> HttpResponse {
    shown.board.set_paused(false);
    HttpResponse::NoContent().finish()
}

async fn pause(shown: web::Data<Shown>, _: Owner) -> HttpResponse {
    shown.board.set_paused(true);
    HttpResponse::NoContent().finish()
}

/// Ends the program when what is under way is done.
async fn finish(shown: web::Data<Shown>, _: Owner) -> HttpResponse {
    shown.board.finish();
    HttpResponse::NoContent().finish()
}

/// Only a machine whose key is refused may be enrolled anew from the page.
async fn enrol(shown: web::Data<Shown>, _: Owner) -> HttpResponse {
    if !shown.board.is_revoked() {
        return HttpResponse::Conflict().body("this machine is enrolled");
    }
    shown.board.enrol.notify_one();
    HttpResponse::NoContent().finish()
}

async fn style() -> HttpResponse {
    let css = include_str!("../../ui/page.css");
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(css)
}

async fn script() -> HttpResponse {
    let js = include_str!("../../ui/page.js");
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(js)
}
