//! What ends a process: a signal, its launcher's end, or its own failure.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How a process is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By somebody who can wait until what is under way is done.
    Asked,
    /// Nobody is there to wait any more, or nothing can be done.
    AtOnce,
}

/// Hears all of it, from its making on.
pub(crate) struct Ends {
    terminate: Signal,
    interrupt: Signal,
    /// Closed when standard input ends; open for ever where that does not matter.
    launcher: Option<oneshot::Receiver<()>>,
    stop: CancellationToken,
}

impl Ends {
    /// Listens for signals, for the end of standard input where that is wanted, and for `stop`.
    pub(crate) fn listen(with_stdin: bool, stop: &CancellationToken) -> io::Result<Self> {
        let launcher = with_stdin.then(end_of_stdin).transpose()?;
        let (terminate, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, launcher, stop: stop.clone() })
    }

    /// What stops everything here when a part of it gives up.
    pub(crate) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The next word. A second one means that somebody does not want to wait.
    pub(crate) async fn next(&mut self) -> End {
        let launcher = async {
            match &mut self.launcher {
                Some(ended) => drop(ended.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => End::AtOnce,
            () = launcher => {
                // What has ended stays so.
                self.launcher = None;
                End::AtOnce
            }
            _ = self.terminate.recv() => End::Asked,
            _ = self.interrupt.recv() => End::Asked,
        }
    }
}

/// Ends when standard input does. A thread of its own: a blocked read must not hold up the end of
/// the runtime.
fn end_of_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (alive, ended) = oneshot::channel();
    let watch = move || {
        let read = io::copy(&mut io::stdin(), &mut io::sink());
        tracing::debug!(clean = read.is_ok(), "standard input has ended");
        drop(alive);
    };
    std::thread::Builder::new().name("stdin".into()).spawn(watch)?;
    Ok(ended)
}
