//! `medusa-server witness`: a witness for the logs that it is told to know, with a key and a memory
//! of its own. It needs no database and no other server, so that a partner can run it elsewhere.
//!
//! Deciding, keeping and remembering happen under one lock: of two requests at once, one sees what
//! the other did. What was signed is on the disk before it is answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer, post, web};
use anyhow::{Context as _, Result};
use clap::Args;
use medusa_platform::{Clock, Random};
use medusa_tlog::{
    AddCheckpoint, Cosigned, Cosigner, Note, REQUEST_BYTES_MAX, Refusal, UnixSeconds, Verifier,
    Witness,
};
use tokio_util::sync::CancellationToken;

use super::store::Store;
use crate::config::{key_name, secret};
use crate::ends::Ends;

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 256;
/// A request has to be there within this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds that open connections get at the end.
const SHUTDOWN_S: u64 = 1;

/// What `witness` is told.
#[derive(Args)]
pub(crate) struct WitnessArgs {
    /// Address to listen on
    #[arg(long, env = "MEDUSA_WITNESS_LISTEN", default_value = "127.0.0.1:7800")]
    listen: SocketAddr,
    /// Name of the witness in its signatures, like witness.example/w1
    #[arg(long, env = "MEDUSA_WITNESS_NAME", value_parser = key_name)]
    name: String,
    /// Folder of its key, and of what it signed last
    #[arg(long, env = "MEDUSA_WITNESS_DATA")]
    data: PathBuf,
    /// Verifier key of a log to sign for; can be given several times
    #[arg(long = "log", value_name = "VKEY", required = true)]
    logs: Vec<Verifier>,
    /// End when standard input ends
    #[arg(long)]
    exit_with_stdin: bool,
}

/// A request that could not be decided.
enum Failure {
    Refused(Refusal),
    Broken,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The witness at work.
struct Desk {
    witness: Mutex<Witness>,
    store: Store,
    clock: Clock,
}

impl Desk {
    fn open(args: &WitnessArgs, clock: Clock, random: &Random) -> Result<(Self, String)> {
        let store = Store::open(&args.data)?;
        let secret = secret(&args.data.join("keys").join("witness.key"), random)?;
        let cosigner = Cosigner::new(&args.name, &secret);
        let key = cosigner.key();
        let mut witness = Witness::new(cosigner);
        for log in &args.logs {
            let origin = log.name();
            witness.trust(origin, log.clone()).with_context(|| format!("the key of {origin}"))?;
            if let Some(head) = store.load(origin, &key)? {
                tracing::info!(origin, size = head.size, "signed before");
                witness.restore(origin, head);
            }
        }
        Ok((Self { witness: Mutex::new(witness), store, clock }, key.to_string()))
    }

    /// The lines that answer a request. Waits for the disk.
    fn answer(&self, body: &[u8]) -> Result<String, Failure> {
        let request = AddCheckpoint::parse(body).map_err(Refusal::from)?;
        let seconds = self.clock.now().micros().div_euclid(1_000_000);
        let now = u64::try_from(seconds).ok().and_then(UnixSeconds::new).ok_or(Failure::Broken)?;
        // Nothing is changed before all that can fail is done, so a panic leaves it right.
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        let cosigned = witness.decide(&request, now).inspect_err(|why| tell(&request, why))?;
        self.keep(&request, &cosigned).map_err(|error| {
            tracing::error!(error = %format!("{error:#}"), "a checkpoint could not be kept, so it is not signed");
            Failure::Broken
        })?;
        witness.apply(&cosigned);
        Ok(cosigned.line)
    }

    fn keep(&self, request: &AddCheckpoint, cosigned: &Cosigned) -> Result<()> {
        let line = cosigned.line.trim_end_matches('\n').parse()?;
        let note = Note::new(request.note.text(), line)?;
        Ok(self.store.keep(&cosigned.origin, &note)?)
    }
}

/// What the operator of a witness has to see: a log that contradicts itself, in its own signature.
fn tell(request: &AddCheckpoint, why: &Refusal) {
    if matches!(why, Refusal::OtherRoot) {
        tracing::error!(checkpoint = %request.note, "A LOG SHOWS TWO HISTORIES; keep this checkpoint");
    } else {
        tracing::warn!(refusal = %why, checkpoint = request.note.text(), "not signed");
    }
}

/// Runs a witness until it is told to stop.
pub(crate) fn serve(args: &WitnessArgs) -> Result<()> {
    let (desk, key) = Desk::open(args, Clock::system(), &Random::system())?;
    actix_web::rt::System::new().block_on(run(args, Arc::new(desk), key))
}

#[expect(clippy::print_stdout, reason = "the key is what logs are told of this witness")]
async fn run(args: &WitnessArgs, desk: Arc<Desk>, key: String) -> Result<()> {
    let mut ends = Ends::listen(args.exit_with_stdin, &CancellationToken::new())?;
    let desk = Data::from(desk);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(desk.clone())
            .app_data(PayloadConfig::new(REQUEST_BYTES_MAX))
            .service(add_checkpoint)
    })
    .workers(1)
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(REQUEST_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals()
    .bind(args.listen)
    .with_context(|| format!("could not listen on {}", args.listen))?
    .run();
    println!("{key}");
    tracing::info!(listen = %args.listen, "witnessing as {}", args.name);
    let handle = server.handle();
    let ended = async {
        ends.next().await;
        handle.stop(true).await;
    };
    let (served, ()) = tokio::join!(server, ended);
    served.context("the witness failed")
}

#[post("/add-checkpoint")]
async fn add_checkpoint(desk: Data<Desk>, body: Bytes) -> HttpResponse {
    let answer = web::block(move || desk.answer(&body)).await;
    match answer {
        Ok(Ok(lines)) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(lines),
        Ok(Err(Failure::Refused(refusal))) => {
            let status = actix_web::http::StatusCode::from_u16(refusal.status());
            HttpResponse::build(status.unwrap_or(actix_web::http::StatusCode::BAD_REQUEST))
                .content_type(refusal.media_type())
                .body(refusal.body())
        }
        Ok(Err(Failure::Broken)) | Err(_) => HttpResponse::InternalServerError()
            .content_type("text/plain; charset=utf-8")
            .body("the witness could not keep the checkpoint, so it did not sign it; try again\n"),
    }
}

#[cfg(test)]
mod tests {
    use medusa_tlog::{Frontier, Signer, TreeHead, leaf_hash};

    use super::*;

    const ORIGIN: &str = "medusa.test/log";

    fn log() -> Signer {
        Signer::new(ORIGIN, &[7; 32])
    }

    fn desk(name: &str) -> (Desk, PathBuf) {
        let folder = format!("medusa-witness-{}-{name}", std::process::id());
        let args = WitnessArgs {
            listen: ([127, 0, 0, 1], 0).into(),
            name: "witness.test/w1".into(),
            data: std::env::temp_dir().join(folder),
            logs: vec![log().verifier()],
            exit_with_stdin: false,
        };
        std::fs::remove_dir_all(&args.data).ok();
        (Desk::open(&args, Clock::system(), &Random::system()).unwrap().0, args.data)
    }

    /// The head of a log of this size whose events have this in them.
    fn head(size: u64, event: &str) -> TreeHead {
        let mut frontier = Frontier::default();
        (0..size).for_each(|_| frontier.push(leaf_hash(event.as_bytes())));
        frontier.head()
    }

    /// A request from nothing.
    fn first(head: TreeHead) -> Vec<u8> {
        format!("old 0\n\n{}", log().sign(head.size, head.root)).into_bytes()
    }

    fn status(answer: &Result<String, Failure>) -> u16 {
        match answer {
            Ok(_) => 200,
            Err(Failure::Refused(refusal)) => refusal.status(),
            Err(Failure::Broken) => 500,
        }
    }

    #[test]
    fn of_many_histories_at_once_one_is_signed() {
        let (desk, data) = desk("many");
        // The same size with eight histories, and the same history at eight sizes.
        let requests: Vec<_> =
            (1..9).flat_map(|n| [head(9, &n.to_string()), head(n, "one")]).map(first).collect();
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let desk = &desk;
            let ask = |request| scope.spawn(move || status(&desk.answer(request)));
            let threads: Vec<_> = requests.iter().map(|request| ask(request.as_slice())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let count = |wanted| answers.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(409)), (1, requests.len() - 1), "{answers:?}");
        std::fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn what_cannot_be_kept_is_not_signed() {
        let (desk, data) = desk("kept");
        std::fs::remove_dir_all(&data).unwrap();
        assert_eq!(status(&desk.answer(&first(head(3, "a")))), 500);
        // It did not remember it either: another one can come first.
        std::fs::create_dir_all(data.join("logs")).unwrap();
        assert_eq!(status(&desk.answer(&first(head(5, "b")))), 200);
        assert_eq!(status(&desk.answer(&first(head(3, "a")))), 409);
        std::fs::remove_dir_all(data).unwrap();
    }
}
