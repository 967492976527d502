//! What is checked without being asked: invariants, signed checkpoints, projections.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{CheckpointPage, CheckpointQuery, CheckpointSummary, Invariants, Projections};
use serde::Deserialize;

use crate::ask::{Ask, Refusal};
use crate::link::link;
use crate::port::DeskAccess;
use crate::show;

const CHECKPOINTS: u32 = 20;

#[derive(Template)]
#[template(path = "desk/invariants.html")]
struct InvariantsPage<'a> {
    ask: &'a Ask,
    found: Invariants,
}

impl InvariantsPage<'_> {
    fn broken(&self) -> usize {
        self.found.items.iter().filter(|check| check.bad > 0).count()
    }

    /// Rules that there is something for, and that hold.
    fn held(&self) -> usize {
        let holds = self.found.items.iter().filter(|check| check.bad == 0 && !check.idle);
        holds.filter(|check| check.checked_at.is_some()).count()
    }

    fn idle(&self) -> usize {
        self.found.items.iter().filter(|check| check.idle).count()
    }

    fn unchecked(&self) -> usize {
        self.found.items.iter().filter(|check| check.checked_at.is_none()).count()
    }
}

pub(crate) async fn invariants(ask: Ask) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let found = ask.data().invariants(who).await?;
        ask.page(&InvariantsPage { ask: &ask, found })
    })
    .await
}

#[derive(Deserialize)]
pub(crate) struct Order {
    #[serde(default)]
    csrf: String,
}

/// Begins a check of everything, and shows the page, which says that it is running.
pub(crate) async fn check(ask: Ask, form: web::Form<Order>) -> HttpResponse {
    ask.show(async {
        ask.own_form(&form.csrf)?;
        let who = ask.desk(DeskAccess::Act)?;
        ask.data().check_invariants(who).await?;
        Ok::<_, Refusal>(ask.go("/admin/invariants"))
    })
    .await
}

#[derive(Deserialize)]
pub(crate) struct Cursor {
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "desk/checkpoints.html")]
struct Checkpoints<'a> {
    ask: &'a Ask,
    page: CheckpointPage,
    verifier_key: String,
    after: &'a str,
}

impl Checkpoints<'_> {
    /// Each witness with the newest checkpoint of this page that it signed.
    fn witnesses(&self) -> Vec<(&String, Option<&CheckpointSummary>)> {
        let newest = |name: &String| {
            let mut items = self.page.items.iter();
            items.find(|one| one.cosigned.iter().any(|c| c.witness == *name))
        };
        self.page.witnesses.iter().map(|name| (name, newest(name))).collect()
    }

    fn export(&self, format: &str) -> String {
        let limit = CHECKPOINTS.to_string();
        let values = [("after", self.after), ("limit", &limit), ("format", format)];
        link("/v1/admin/checkpoints", &values)
    }

    fn here(&self, after: &str) -> String {
        link("/admin/checkpoints", &[("after", after)])
    }
}

pub(crate) async fn checkpoints(ask: Ask, cursor: web::Query<Cursor>) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let after = Some(cursor.after.clone()).filter(|after| !after.is_empty());
        let wish = CheckpointQuery { after, limit: Some(CHECKPOINTS) };
        let page = ask.data().checkpoints(who, wish).await?;
        let verifier_key = ask.data().head().await?.verifier_key;
        ask.page(&Checkpoints { ask: &ask, page, verifier_key, after: &cursor.after })
    })
    .await
}

#[derive(Template)]
#[template(path = "desk/projections.html")]
struct ProjectionsPage<'a> {
    ask: &'a Ask,
    found: Projections,
}

pub(crate) async fn projections(ask: Ask) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let found = ask.data().projections(who).await?;
        ask.page(&ProjectionsPage { ask: &ask, found })
    })
    .await
}
