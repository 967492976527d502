//! The website: server-rendered pages, their styles and small scripts.
//!
//! Pages are complete without scripts where that is possible; live parts read the same `/v1` that
//! everybody may read. Knows shapes ([`medusa_api`]) and the port to the services ([`Data`]),
//! no service.

mod ask;
mod assets;
mod link;
mod markdown;
mod pages;
mod plot;
mod port;
mod quoted;
mod show;
mod timeline;

use std::sync::Arc;

use actix_web::web::ServiceConfig;

pub use port::{
    Answer, Data, Decision, Desk, DeskAccess, EventDetail, JobOrder, LoggedIn, Paging, Steer, Told,
    Totals, Visitor,
};

/// Everything that pages share. Made once; put into the application as `web::Data<Site>`.
pub struct Site {
    data: Arc<dyn Data>,
    assets: assets::Assets,
    secure: bool,
}

impl Site {
    /// A site over these services. `secure` where visitors come over TLS: cookies then say so.
    #[must_use]
    pub fn new(data: Arc<dyn Data>, secure: bool) -> Self {
        Self { data, assets: assets::Assets::load(), secure }
    }
}

/// Registers all pages, and the answer for addresses that do not exist.
pub fn configure(config: &mut ServiceConfig) {
    pages::routes(config);
}
