//! Request to command to response, one file per resource.

mod agents;
mod blobs;
mod chunks;
mod control;
mod jobs;
mod link;
mod machines;
mod outputs;
mod programs;
mod record;
mod report;
mod retention;
mod runtime;
mod uploads;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

/// Registers the routes of this service under `/v1`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(blobs::upload)
        .service(blobs::preview)
        .service(blobs::download)
        .service(uploads::begin)
        .service(uploads::state)
        .service(uploads::part)
        .service(programs::add)
        .service(programs::list)
        .service(programs::examples)
        .service(runtime::list)
        .service(jobs::quote)
        .service(jobs::submit)
        .service(jobs::list)
        .service(jobs::get)
        .service(control::pause)
        .service(control::resume)
        .service(control::raise)
        .service(control::retry)
        .service(control::cancel)
        .service(control::rerun)
        .service(jobs::chunks)
        .service(jobs::result)
        .service(chunks::run)
        .service(chunks::input)
        .service(chunks::files)
        .service(chunks::file)
        .service(chunks::stdout)
        .service(chunks::bundle)
        .service(chunks::archive)
        .service(record::program)
        .service(record::chunk_program)
        .service(record::plan)
        .service(record::events)
        .service(record::timeline)
        .service(record::compare)
        .service(record::partial)
        .service(report::report)
        .service(retention::delete)
        .service(agents::list)
        .service(agents::own)
        .service(machines::change)
        .service(machines::remove)
        .service(machines::set_key)
        .service(agents::earnings)
        .service(agents::tasks)
        .service(agents::reinstate)
        .service(agents::blob)
        .service(outputs::whole)
        .service(outputs::begin)
        .service(outputs::state)
        .service(outputs::part)
        .service(link::link);
}

/// The routes of this service as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(
    blobs::upload,
    blobs::preview,
    blobs::download,
    uploads::begin,
    uploads::state,
    uploads::part,
    programs::add,
    programs::list,
    programs::examples,
    runtime::list,
    jobs::quote,
    jobs::submit,
    jobs::list,
    jobs::get,
    control::pause,
    control::resume,
    control::raise,
    control::retry,
    control::cancel,
    control::rerun,
    jobs::chunks,
    jobs::result,
    chunks::run,
    chunks::input,
    chunks::files,
    chunks::file,
    chunks::stdout,
    chunks::bundle,
    chunks::archive,
    record::program,
    record::chunk_program,
    record::plan,
    record::events,
    record::timeline,
    record::compare,
    record::partial,
    report::report,
    retention::delete,
    agents::list,
    agents::own,
    machines::change,
    machines::remove,
    machines::set_key,
    agents::earnings,
    agents::tasks,
    agents::reinstate,
    agents::blob,
    outputs::whole,
    outputs::begin,
    outputs::state,
    outputs::part,
    link::link
))]
struct Document;
