//! `medusa-testkit stop` ends the servers that tests left running; `medusa-testkit database` prints
//! the address of a migrated database, for the check of the SQL macros.

use anyhow::{Result, bail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("stop") => medusa_testkit::Servers::stop(),
        Some("database") => {
            use std::io::Write as _;
            let url = medusa_testkit::checked_database().await?;
            writeln!(std::io::stdout(), "{url}")?;
            Ok(())
        }
        _ => bail!("usage: medusa-testkit stop | database"),
    }
}
