//! Documentation: how to write a program, and a page for every error code, written in
//! `docs/errors/` and embedded.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_platform::ApiError;
use rust_embed::RustEmbed;

use crate::ask::{Ask, Refusal};
use crate::{markdown, show};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../docs/errors"]
#[allow_missing = true]
struct Errors;

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs<'a> {
    ask: &'a Ask,
}

pub(crate) async fn docs(ask: Ask) -> HttpResponse {
    ask.show(async { ask.page(&Docs { ask: &ask }) }).await
}

#[derive(Template)]
#[template(path = "errors.html")]
struct ErrorList<'a> {
    ask: &'a Ask,
    codes: Vec<String>,
}

pub(crate) async fn errors(ask: Ask) -> HttpResponse {
    let mut codes: Vec<String> =
        Errors::iter().filter_map(|name| name.strip_suffix(".md").map(str::to_owned)).collect();
    codes.sort_unstable();
    ask.show(async { ask.page(&ErrorList { ask: &ask, codes }) }).await
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    ask: &'a Ask,
    code: &'a str,
    html: String,
}

pub(crate) async fn error(ask: Ask, code: web::Path<String>) -> HttpResponse {
    ask.show(async {
        let missing = || Refusal::from(ApiError::not_found("error code"));
        let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let name = format!("{}.md", code.as_str());
        let file =
            Some(name).filter(|_| plain).and_then(|n| Errors::get(&n)).ok_or_else(missing)?;
        let text = String::from_utf8_lossy(&file.data);
        ask.page(&ErrorPage { ask: &ask, code: &code, html: markdown::html(&text) })
    })
    .await
}
