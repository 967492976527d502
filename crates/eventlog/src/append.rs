//! What callers hand to the sequencer, and the handle that does it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use medusa_events::Fact;
use medusa_ledger::{Move, Posting};
use medusa_platform::position;
use medusa_types::UserId;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::AppendError;
use crate::operation::Operation;
use crate::projector::Progress;
use crate::tail::{Latest, Tail};

/// Where the stream must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anywhere.
    Any,
    /// At this version; 0 means that it must not exist.
    Version(i64),
}

/// An event without its place.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The thing that it is about, like `job-job_…`.
    pub stream: String,
    /// Where that stream must be.
    pub expect: Expect,
    /// The person who causes it.
    pub actor: Option<UserId>,
    /// The position of the event that led to it.
    pub causation: Option<i64>,
    /// What happens.
    pub fact: Fact,
    /// What is to be moved with it.
    pub moves: Vec<Move>,
}

impl NewEvent {
    /// An event of this stream, without moves, caused by the house.
    #[must_use]
    pub const fn new(stream: String, fact: Fact) -> Self {
        let (expect, actor, causation) = (Expect::Any, None, None);
        Self { stream, expect, actor, causation, fact, moves: Vec::new() }
    }

    /// The same, caused by this person.
    #[must_use]
    pub const fn by(mut self, actor: UserId) -> Self {
        self.actor = Some(actor);
        self
    }

    /// The same, with these moves.
    #[must_use]
    pub fn moving(mut self, moves: Vec<Move>) -> Self {
        self.moves = moves;
        self
    }
}

/// A chain of events: all of them or none.
#[derive(Clone, Debug)]
pub struct Append {
    /// Makes a repetition harmless.
    pub operation: Option<Operation>,
    /// In order.
    pub events: Vec<NewEvent>,
}

/// What became of an [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position of its last event.
    pub position: i64,
    /// Whether the operation had been done before; then nothing new was written.
    pub replayed: bool,
    /// What each event moved; empty when replayed.
    pub postings: Vec<Vec<Posting>>,
}

/// What became of each of some appends.
pub(crate) type Answers = Vec<Result<Appended, AppendError>>;

/// What is done with the answer to a chain, in the writer's own task: it must not take long.
type Tell = Box<dyn FnOnce(Result<Appended, AppendError>) + Send + Sync>;

/// Tells in any case: what is dropped without an answer became nobody knows what.
pub(crate) struct Told(Option<Tell>);

impl Told {
    fn tell(&mut self, answer: Result<Appended, AppendError>) {
        if let Some(tell) = self.0.take() {
            tell(answer);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tell(Err(AppendError::Unknown));
    }
}

/// Who waits for the answer.
pub(crate) enum Waiter {
    One(oneshot::Sender<Result<Appended, AppendError>>),
    Told(Told),
    All(oneshot::Sender<Answers>),
}

/// Appends on their way to the sequencer.
pub(crate) struct Request {
    pub(crate) appends: Vec<Append>,
    pub(crate) waiter: Waiter,
}

impl Request {
    /// Tells the caller. One that went away does not need its answer.
    pub(crate) fn answer(self, mut answers: Answers) {
        match self.waiter {
            Waiter::One(waiter) => {
                let answer = answers.pop().unwrap_or(Err(AppendError::Unknown));
                let _gone = waiter.send(answer);
            }
            Waiter::Told(mut waiter) => {
                waiter.tell(answers.pop().unwrap_or(Err(AppendError::Unknown)));
            }
            Waiter::All(waiter) => {
                let _gone = waiter.send(answers);
            }
        }
    }

    /// Tells the caller that nobody knows.
    pub(crate) fn give_up(self) {
        self.refuse(&AppendError::Unknown);
    }

    /// Gives the same answer to every append.
    pub(crate) fn refuse(self, error: &AppendError) {
        let answers = self.appends.iter().map(|_| Err(error.clone())).collect();
        self.answer(answers);
    }
}

/// The handle to the log. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    pub(crate) queue: mpsc::Sender<Request>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) head: watch::Receiver<i64>,
    pub(crate) books: Progress,
    pub(crate) pool: PgPool,
    /// The log's own connections, for what must not wait for one.
    pub(crate) own: PgPool,
    /// Whether a check of everything is running.
    pub(crate) checking: Arc<AtomicBool>,
}

impl EventLog {
    /// Appends a chain and waits until it is durable. The answer to the present request tells the
    /// position.
    ///
    /// # Errors
    /// [`AppendError`]; after `Unknown` repeat with the same operation.
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let appended = self.enqueue(append)?.await.unwrap_or(Err(AppendError::Unknown))?;
        position::written(appended.position);
        Ok(appended)
    }

    /// Puts a chain into the queue. Chains are written in the order of these calls; the returned
    /// receiver tells what became of it.
    ///
    /// # Errors
    /// [`AppendError::Busy`] when the queue is full, [`AppendError::Unknown`] after the writer
    /// ended.
    pub fn enqueue(
        &self,
        append: Append,
    ) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, AppendError> {
        let (waiter, receiver) = oneshot::channel();
        self.send(Request { appends: vec![append], waiter: Waiter::One(waiter) })?;
        Ok(receiver)
    }

    /// Puts a chain into the queue, like [`EventLog::enqueue`]. `tell` hears what became of it, in
    /// the writer's own task; also that the queue did not take it.
    pub fn enqueue_telling(
        &self,
        append: Append,
        tell: impl FnOnce(Result<Appended, AppendError>) + Send + Sync + 'static,
    ) {
        let waiter = Waiter::Told(Told(Some(Box::new(tell))));
        let request = Request { appends: vec![append], waiter };
        if let Err(error) = self.queue.try_send(request) {
            let (request, why) = match error {
                mpsc::error::TrySendError::Full(request) => (request, AppendError::Busy),
                mpsc::error::TrySendError::Closed(request) => (request, AppendError::Unknown),
            };
            request.refuse(&why);
        }
    }

    /// Appends many chains in one go and waits until all are durable. Each is accepted or refused
    /// by itself; the answers are in the order of the chains.
    ///
    /// # Errors
    /// [`AppendError::Busy`] when the queue is full; after `Unknown` repeat with the same
    /// operations.
    pub async fn append_all(
        &self,
        appends: Vec<Append>,
    ) -> Result<Vec<Result<Appended, AppendError>>, AppendError> {
        let (waiter, receiver) = oneshot::channel();
        self.send(Request { appends, waiter: Waiter::All(waiter) })?;
        receiver.await.map_err(|_| AppendError::Unknown)
    }

    fn send(&self, request: Request) -> Result<(), AppendError> {
        self.queue.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::Busy,
            mpsc::error::TrySendError::Closed(_) => AppendError::Unknown,
        })
    }

    /// Appends one event.
    ///
    /// # Errors
    /// As [`EventLog::append`].
    pub async fn append_one(
        &self,
        operation: Option<Operation>,
        event: NewEvent,
    ) -> Result<Appended, AppendError> {
        self.append(Append { operation, events: vec![event] }).await
    }

    /// The position of the last event that is committed.
    #[must_use]
    pub fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Waits until balances, statements and reservations show everything that is committed now;
    /// `false` when that took longer than 2 s, and they are slightly older.
    pub async fn books_current(&self) -> bool {
        self.books.reached(self.head()).await
    }

    /// How far balances, statements and reservations are.
    #[must_use]
    pub const fn books(&self) -> &Progress {
        &self.books
    }

    /// Reads on after this position, for ever.
    #[must_use]
    pub fn tail(&self, after: i64) -> Tail {
        Tail::new(self.own.clone(), Arc::clone(&self.latest), self.head.clone(), after)
    }

    /// The database that the log stands in.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}
