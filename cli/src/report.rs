//! `report`: a job as one HTML file.

use std::path::Path;

use medusa_types::JobId;

use crate::App;
use crate::exit::Exit;

pub(crate) async fn report(app: &App, id: JobId, out: &Path) -> anyhow::Result<Exit> {
    app.client.download_report(id, out).await?;
    if app.out.json() {
        app.out.value(&serde_json::json!({ "path": out }))?;
    } else {
        app.out.data(&out.display().to_string())?;
    }
    Ok(Exit::Done)
}
