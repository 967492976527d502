//! Brakes: a process that must not compute for a while stands still, and goes on where it was.
//!
//! One end, the [`Lever`], is with whoever decides; the other, the [`Brake`], is with the task that
//! waits for the process, which alone knows that the process is still the one it started.

use tokio::sync::watch;

use crate::os;

/// Decides about a process.
#[derive(Debug)]
pub(crate) struct Lever(watch::Sender<bool>);

/// Hears what was decided. A brake whose lever is gone stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct Brake(Option<watch::Receiver<bool>>);

impl Lever {
    pub(crate) fn new(is_pulled: bool) -> Self {
        Self(watch::Sender::new(is_pulled))
    }

    /// Stops the process, or lets it go on.
    pub(crate) fn pull(&self, on: bool) {
        self.0.send_if_modified(|is| std::mem::replace(is, on) != on);
    }

    pub(crate) fn brake(&self) -> Brake {
        Brake(Some(self.0.subscribe()))
    }
}

impl Brake {
    /// The brake of a process that nobody stops.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Follows what was decided.
    pub(crate) fn watch(&self) -> Option<watch::Receiver<bool>> {
        self.0.clone()
    }

    /// Waits until the process must stand still.
    pub(crate) async fn pulled(&mut self) {
        let is_pulled = match &mut self.0 {
            Some(hears) => hears.wait_for(|on| *on).await.is_ok(),
            None => false,
        };
        if !is_pulled {
            std::future::pending().await
        }
    }

    /// Waits until the process may go on.
    pub(crate) async fn released(&mut self) {
        if let Some(hears) = &mut self.0 {
            // Without a lever nobody could ever release it.
            drop(hears.wait_for(|on| !*on).await);
        }
    }
}

/// Makes a child of this process, which was not waited for yet, stand still or go on.
pub(crate) fn hold(child: u32, still: bool) {
    if let Err(error) = os::hold(child, still) {
        tracing::warn!(%error, child, still, "could not stop or continue a worker");
    }
}
