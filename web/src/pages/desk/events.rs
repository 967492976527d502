//! Events by filter. The page follows the log by itself while it shows the newest.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{EventFilter, EventOrder, EventSummaryPage};
use medusa_types::UserId;
use serde::Deserialize;

use super::wish::{Reader, in_form, micros, number};
use crate::ask::Ask;
use crate::link::{link, query};
use crate::port::DeskAccess;
use crate::show;

const EVENTS: u32 = 50;

#[derive(Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    event: String,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    causation: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    order: String,
    #[serde(default)]
    after: String,
}

impl Filter {
    fn read(&self) -> (EventFilter, Option<String>) {
        let mut form = Reader::default();
        let wish = EventFilter {
            event: form.text(&self.event),
            stream: form.text(&self.stream),
            actor: form.id::<UserId>(&self.actor),
            account: form.text(&self.account),
            causation: form.position(&self.causation),
            from: form.position(&self.from),
            to: form.position(&self.to),
            since: form.moment(&self.since),
            until: form.moment(&self.until),
            order: if self.oldest() { EventOrder::Oldest } else { EventOrder::Newest },
            after: form.text(&self.after),
            limit: Some(EVENTS),
        };
        (wish, form.wrong())
    }

    fn oldest(&self) -> bool {
        self.order == "oldest"
    }
}

#[derive(Template)]
#[template(path = "desk/events.html")]
struct Events<'a> {
    ask: &'a Ask,
    typed: &'a Filter,
    asked: EventFilter,
    wrong: Option<String>,
    page: EventSummaryPage,
}

impl Events<'_> {
    /// Whether new events belong on top.
    fn live(&self) -> bool {
        let asked = &self.asked;
        asked.order == EventOrder::Newest
            && asked.after.is_none()
            && asked.to.is_none()
            && asked.until.is_none()
    }

    fn filtered(&self) -> bool {
        let order = self.asked.order;
        self.asked != EventFilter { order, limit: Some(EVENTS), ..EventFilter::default() }
    }

    /// The filter as the interface takes it, without a place to begin.
    fn query(&self) -> String {
        let a = &self.asked;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        query(&[
            ("event", &text(&a.event)),
            ("stream", &text(&a.stream)),
            ("actor", &number(a.actor)),
            ("account", &text(&a.account)),
            ("causation", &number(a.causation)),
            ("since", &micros(a.since)),
        ])
    }

    fn export(&self, format: &str) -> String {
        let a = &self.asked;
        let rest = query(&[
            ("from", &number(a.from)),
            ("to", &number(a.to)),
            ("until", &micros(a.until)),
            ("order", if self.typed.oldest() { "oldest" } else { "" }),
            ("after", &a.after.clone().unwrap_or_default()),
            ("limit", "200"),
            ("format", format),
        ]);
        let both = [self.query(), rest].into_iter().filter(|part| !part.is_empty());
        format!("/v1/admin/events?{}", both.collect::<Vec<_>>().join("&"))
    }

    /// Another page of the same list.
    fn here(&self, after: &str) -> String {
        let t = self.typed;
        link(
            "/admin/events",
            &[
                ("event", &t.event),
                ("stream", &t.stream),
                ("actor", &t.actor),
                ("account", &t.account),
                ("causation", &t.causation),
                ("from", &t.from),
                ("to", &t.to),
                ("since", &t.since),
                ("until", &t.until),
                ("order", &t.order),
                ("after", after),
            ],
        )
    }
}

pub(crate) async fn events(ask: Ask, typed: web::Query<Filter>) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let (mut asked, mut wrong) = typed.read();
        let page = match ask.data().events(who, asked.clone()).await {
            Ok(page) => page,
            Err(error) => {
                wrong = Some(in_form(error)?);
                asked = EventFilter { limit: Some(EVENTS), ..EventFilter::default() };
                ask.data().events(who, asked.clone()).await?
            }
        };
        ask.page(&Events { ask: &ask, typed: &typed, asked, wrong, page })
    })
    .await
}
