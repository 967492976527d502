//! Throwaway.
#[path = "../tests/pages/made_up.rs"]
#[allow(warnings)]
mod made_up;
use actix_web::{App, HttpServer, web};
use std::sync::Arc;
#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let site = web::Data::new(medusa_web::Site::new(Arc::new(made_up::MadeUp), false));
    HttpServer::new(move || App::new().app_data(site.clone()).configure(medusa_web::configure))
        .workers(1)
        .bind(("127.0.0.1", 7811))?
        .run()
        .await
}
