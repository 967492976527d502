//! The first page of the desk: the books as of a moment, and whether the machinery is well.

use actix_web::{HttpResponse, web};
use askama::Template;
use medusa_api::{
    AdjustmentQuery, AdjustmentState, AsOf, AuditHead, CheckpointPage, CheckpointQuery, Currency,
    InvariantStatus, Invariants, Projections, TrialBalance,
};
use medusa_platform::Principal;
use medusa_types::Credits;
use serde::Deserialize;

use super::wish::{Reader, in_form, micros, number, shown};
use crate::ask::{Ask, Refusal};
use crate::link::link;
use crate::port::{DeskAccess, Totals};
use crate::show;

const CHECKPOINTS: u32 = 3;
const WAITING_MAX: u32 = 100;
/// Codes of what we owe to people, cashable or not.
const OWED: [u16; 2] = [2_000, 2_199];
/// Codes of escrow accounts.
const HELD: [u16; 2] = [2_200, 2_299];
/// Codes of money at the bank and at payment providers.
const MONEY: [u16; 2] = [1_000, 1_199];

#[derive(Deserialize)]
pub(crate) struct Moment {
    #[serde(default)]
    position: String,
    #[serde(default)]
    time: String,
}

#[derive(Template)]
#[template(path = "desk/overview.html")]
struct Overview<'a> {
    ask: &'a Ask,
    books: TrialBalance,
    asked: AsOf,
    wrong: Option<String>,
    head: AuditHead,
    totals: Option<Totals>,
    invariants: Option<Invariants>,
    projections: Option<Projections>,
    checkpoints: Option<CheckpointPage>,
    waiting: Option<usize>,
}

impl Overview<'_> {
    fn balanced(&self) -> bool {
        self.books.sums.iter().all(|sum| sum.sum == "0.00")
    }

    /// What accounts with these codes come to, on the credit side.
    fn sum(&self, codes: [u16; 2], currency: Currency) -> Credits {
        let lines =
            self.books.lines.iter().filter(|line| {
                line.currency == currency && (codes[0]..=codes[1]).contains(&line.code)
            });
        let values = lines.filter_map(|line| line.balance.parse::<Credits>().ok());
        values.fold(Credits::ZERO, Credits::saturating_add)
    }

    fn owed(&self) -> String {
        show::credits(&self.sum(OWED, Currency::Crd))
    }

    fn held(&self) -> String {
        show::credits(&self.sum(HELD, Currency::Crd))
    }

    /// Money stands on the debit side.
    fn money(&self) -> String {
        show::credits(&self.sum(MONEY, Currency::Usd).checked_neg().unwrap_or_default())
    }

    fn checks(&self) -> impl Iterator<Item = &InvariantStatus> {
        self.invariants.iter().flat_map(|found| &found.items)
    }

    /// Invariants that do not hold.
    fn broken(&self) -> usize {
        self.checks().filter(|check| check.bad > 0).count()
    }

    /// Invariants that nobody has looked at yet.
    fn unchecked(&self) -> usize {
        self.checks().filter(|check| check.checked_at.is_none()).count()
    }

    /// Invariants that were looked at and hold.
    fn holding(&self) -> usize {
        let holds = self.checks().filter(|check| check.bad == 0 && !check.idle);
        holds.filter(|check| check.checked_at.is_some()).count()
    }

    /// Invariants that there is nothing for yet.
    fn idle(&self) -> usize {
        self.checks().filter(|check| check.idle).count()
    }

    /// Events that the slowest projection has still to apply.
    fn behind(&self) -> u64 {
        let found = self.projections.iter().flat_map(|found| &found.items);
        found.filter(|one| !one.away).map(|one| one.lag_events).max().unwrap_or_default()
    }

    fn now(&self) -> bool {
        self.asked == AsOf::default()
    }

    fn time(&self) -> String {
        shown(self.asked.at)
    }

    fn position(&self) -> String {
        number(self.asked.position)
    }

    fn export(&self, format: &str) -> String {
        let (position, at) = (number(self.asked.position), micros(self.asked.at));
        let values = [("position", &*position), ("at", &at), ("format", format)];
        link("/v1/admin/trial-balance", &values)
    }
}

pub(crate) async fn overview(ask: Ask, typed: web::Query<Moment>) -> HttpResponse {
    ask.show(async {
        let who = ask.desk(DeskAccess::Read)?;
        let (books, asked, wrong) = books(&ask, who, &typed).await?;
        let head = ask.data().head().await?;
        // The books come even when a panel beside them does not.
        let totals = ask.data().totals().await.ok();
        let invariants = ask.data().invariants(who).await.ok();
        let projections = ask.data().projections(who).await.ok();
        let newest = CheckpointQuery { after: None, limit: Some(CHECKPOINTS) };
        let checkpoints = ask.data().checkpoints(who, newest).await.ok();
        let state = Some(AdjustmentState::Proposed);
        let proposed = AdjustmentQuery { state, after: None, limit: Some(WAITING_MAX) };
        let waiting = ask.data().adjustments(who, proposed).await.ok().map(|a| a.items.len());
        ask.page(&Overview {
            ask: &ask,
            books,
            asked,
            wrong,
            head,
            totals,
            invariants,
            projections,
            checkpoints,
            waiting,
        })
    })
    .await
}

/// The books as of the wanted moment; where that makes no sense, as of now, and why.
async fn books(
    ask: &Ask,
    who: &Principal,
    typed: &Moment,
) -> Result<(TrialBalance, AsOf, Option<String>), Refusal> {
    let mut form = Reader::default();
    let asked = AsOf { position: form.position(&typed.position), at: form.moment(&typed.time) };
    let wrong = form.wrong();
    match ask.data().trial_balance(who, asked).await {
        Ok(books) => Ok((books, asked, wrong)),
        Err(error) => {
            let wrong = in_form(error)?;
            let now = AsOf::default();
            Ok((ask.data().trial_balance(who, now).await?, now, Some(wrong)))
        }
    }
}
