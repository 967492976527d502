//! Enrolment by the device flow of RFC 8628: the machine shows a code, its owner types it on the
//! website, and the machine gets a key of its own.

use std::time::Duration;

use medusa_api::{DeviceAbout, DeviceCode};

use crate::backoff::Backoff;
use crate::board::Board;
use crate::identity::Identity;
use crate::os;
use crate::server::{CallError, Server};
use crate::state::Connection;
use tokio::time::{Instant, sleep};

/// A server that asks for less is not believed.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Shows codes until the owner has confirmed one. With the code goes the public half of the key
/// that the machine will sign with.
pub(crate) async fn enrol(
    server: &Server,
    board: &Board,
    name: &str,
    public_key: &str,
) -> Identity {
    let mut backoff = Backoff::default();
    board.connection(Connection::AskingForCode);
    loop {
        match one_code(server, board, (name, public_key), &mut backoff).await {
            Ok(identity) => return identity,
            Err(error) if error.code() == "accounts.device_expired" => {
                tracing::info!("the code has ended, here is a new one");
            }
            Err(error) => {
                let wait = backoff.next();
                tracing::warn!(%error, "enrolment failed, trying again");
                let retry_at = Instant::now() + wait;
                board.connection(Connection::Cut { why: error.to_string(), retry_at });
                sleep(wait).await;
            }
        }
    }
}

async fn one_code(
    server: &Server,
    board: &Board,
    (name, public_key): (&str, &str),
    backoff: &mut Backoff,
) -> Result<Identity, CallError> {
    let code = ask(server, name, public_key).await?;
    tracing::info!(
        "to enrol this machine, type {} at {} (or open {})",
        code.user_code,
        code.verification_uri,
        code.verification_uri_complete
    );
    board.connection(Connection::Code {
        code: code.user_code.clone(),
        uri: code.verification_uri.clone(),
        uri_complete: code.verification_uri_complete.clone(),
    });
    let interval = Duration::from_secs(code.interval).clamp(INTERVAL_MIN, INTERVAL_MAX);
    loop {
        sleep(interval).await;
        match poll(server, &code).await {
            Ok(identity) => return Ok(identity),
            Err(error) if error.code() == "accounts.device_pending" => backoff.reset(),
            // The code is still good: the owner may be typing it while the server restarts.
            Err(error) if error.may_pass() => sleep(backoff.next()).await,
            Err(error) => return Err(error),
        }
    }
}

/// Asks for a code. A server of an earlier version refuses what it does not know; it is asked again
/// with less.
async fn ask(server: &Server, name: &str, public_key: &str) -> Result<DeviceCode, CallError> {
    let is_older = |error: &CallError| error.code() == "platform.json_refused";
    match server.device_code(name, Some(public_key), Some(about())).await {
        Err(error) if is_older(&error) => {}
        answer => return answer,
    }
    match server.device_code(name, Some(public_key), None).await {
        Err(error) if is_older(&error) => server.device_code(name, None, None).await,
        answer => answer,
    }
}

/// What the owner sees before confirming this machine.
fn about() -> DeviceAbout {
    let cores = std::thread::available_parallelism().ok();
    DeviceAbout {
        cores: cores.and_then(|cores| u32::try_from(cores.get()).ok()),
        memory_bytes: Some(os::memory_bytes()),
        system: Some(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
    }
}

async fn poll(server: &Server, code: &DeviceCode) -> Result<Identity, CallError> {
    let token = server.device_token(&code.device_code).await?;
    Ok(Identity {
        server: server.base().to_owned(),
        agent: token.agent,
        name: token.name,
        agent_key: token.agent_key,
    })
}
