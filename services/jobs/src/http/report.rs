//! A job as one HTML file that needs nothing from elsewhere: to be kept, printed and checked
//! against the log years later.

use actix_web::{HttpResponse, get, web};
use askama::Template;
use medusa_api::{AttemptEnd, AuditHead, ChunkState, Problem, TimelineBar, TimelineRow};
use medusa_eventlog::Auditor;
use medusa_platform::{ApiError, Principal};
use medusa_types::{Credits, JobId, Timestamp};

use super::chunks::as_download;
use crate::command::{Jobs, Report};

/// Height of a lane of the timeline, and of the gap between two rows.
const LANE: u32 = 14;
const GAP: u32 = 8;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    report: Report,
    spec: String,
    head: AuditHead,
    server: String,
    rows: Vec<(u32, TimelineRow)>,
    height: u32,
}

impl Page {
    fn lane_y(y: &u32, bar: &TimelineBar) -> u32 {
        y.saturating_add(bar.lane.saturating_mul(LANE))
    }

    fn ends() -> [AttemptEnd; 7] {
        use AttemptEnd::{Accepted, Computing, Failed, Lost, NotNeeded, Reported, Wrong};
        [Accepted, Reported, Computing, NotNeeded, Lost, Failed, Wrong]
    }

    /// What was not spent and has not come back yet.
    fn still_held(&self) -> Credits {
        let cost = self.report.job.cost;
        cost.held.saturating_sub(cost.spent).saturating_sub(cost.released)
    }

    /// What the lenders got.
    fn lenders(&self) -> Credits {
        self.report.job.cost.spent.saturating_sub(self.report.job.cost.fee)
    }

    fn more_chunks(&self) -> u32 {
        let listed = u32::try_from(self.report.chunks.len()).unwrap_or(u32::MAX);
        self.report.job.counts.total.saturating_sub(listed)
    }
}

/// A time to the second, in UTC: `2026-11-22 10:20:30`.
fn when(at: &Timestamp) -> String {
    at.to_string().chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

fn state(state: &ChunkState) -> &'static str {
    match state {
        ChunkState::Waiting => "waiting",
        ChunkState::Leased => "computing",
        ChunkState::Verified => "verified",
        ChunkState::Unverified => "unverified",
        ChunkState::Failed => "failed",
    }
}

/// A job as one HTML file, with nothing in it from elsewhere. For the job's owner and admins.
#[utoipa::path(tag = "jobs", responses(
    (status = 200, body = String, content_type = "text/html"), (status = 404, body = Problem)))]
#[get("/v1/jobs/{id}/report.html")]
pub(crate) async fn report(
    jobs: web::Data<Jobs>,
    auditor: web::Data<Auditor>,
    who: Principal,
    id: web::Path<JobId>,
) -> Result<HttpResponse, ApiError> {
    let report = jobs.report(&who, *id).await?;
    // After the events were read, so that all of them are in its tree.
    let head = auditor.head().await?;
    let spec = serde_json::to_string_pretty(&report.job.spec)
        .map_err(|error| ApiError::internal(&error))?;
    let mut y = 0_u32;
    let mut rows = Vec::with_capacity(report.timeline.rows.len());
    for row in report.timeline.rows.clone() {
        let top = y;
        y = y.saturating_add(row.lanes.saturating_mul(LANE)).saturating_add(GAP);
        rows.push((top, row));
    }
    let name = format!("{}.html", report.job.id);
    let server = env!("CARGO_PKG_VERSION").to_owned();
    let page = Page { report, spec, head, server, rows, height: y.max(1) };
    let body = page.render().map_err(|error| ApiError::internal(&error))?;
    let mut answer = HttpResponse::Ok();
    as_download(&mut answer, "text/html; charset=utf-8", &name);
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
    answer.insert_header(("Content-Security-Policy", policy));
    Ok(answer.body(body))
}
