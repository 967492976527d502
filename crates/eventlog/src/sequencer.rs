//! The one writer. It group-commits without a timer: while one batch is being written, the next is
//! decided from what arrives. When a commit fails, nobody knows whether it happened: the callers
//! are told so, and the writer starts again from what is stored.

use std::sync::Arc;
use std::time::Duration;

use medusa_ledger::Mark;
use medusa_platform::Clock;
use medusa_platform::supervise::supervise;
use medusa_types::Uuid;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::append::{Answers, Append, EventLog, Request};
use crate::books::Books;
use crate::commit::{self, CommitError, Written};
use crate::committer::Committer;
use crate::error::{AppendError, LogError};
use crate::operation::Operation;
use crate::projector::{Progress, project};
use crate::standby::{Signs, Writer, live, stand_by};
use crate::state::{Decided, State, operations_to_read};
use crate::tail::Latest;

/// Events of one transaction; the last append of a batch may go beyond.
const BATCH_MAX: usize = 8_000;
/// Bytes of one transaction, likewise.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests that wait; more are refused as busy.
const QUEUE_MAX: usize = 20_000;
/// Requests that are taken from the queue at a time.
const TAKE_MAX: usize = 256;
/// Connections of the log itself: the writer's, and one for each projection.
const OWN_CONNECTIONS: u32 = 12;
/// Between two looks for reservations whose time is over.
const EXPIRY_LOOK: Duration = Duration::from_millis(200);
/// Between two looks whether the log needs its next partition, in events.
const PARTITION_LOOK: i64 = 500_000;

/// What the log needs to start.
#[derive(Clone)]
pub struct LogConfig {
    /// The database.
    pub pool: PgPool,
    /// Times of events.
    pub clock: Clock,
}

/// Becomes the writer of the log and starts writing. While another process writes, this one stands
/// by; it takes over within 3 s when that one ends, or is not heard of.
///
/// When another process takes over from this one, `stop` is called: what this one believes is out
/// of date, and it must end.
///
/// # Errors
/// [`LogError::Corrupt`] when head and events disagree, [`LogError::Database`], and
/// [`LogError::Stopped`] when `stop` was called before.
pub async fn start(config: LogConfig, stop: CancellationToken) -> Result<EventLog, LogError> {
    start_with(config, stop, Signs::none()).await
}

/// The same, and tells the other processes where this one is, and this one where the writer is.
///
/// # Errors
/// As of [`start`].
pub async fn start_with(
    config: LogConfig,
    stop: CancellationToken,
    signs: Signs,
) -> Result<EventLog, LogError> {
    let pool = config.pool.clone();
    // Connections of its own: whatever else goes on, the log never waits for one.
    let own = pool.options().clone().max_connections(OWN_CONNECTIONS);
    let own = own.connect_lazy_with((*pool.connect_options()).clone());
    let config = LogConfig { pool: own.clone(), ..config };
    let mut epoch = None;
    let writer = stand_by(&config, &stop, &mut epoch, &signs.writer).await?;
    let (queue, requests) = mpsc::channel(QUEUE_MAX);
    let latest = Arc::<Latest>::default();
    let (head_tx, head) = watch::channel(writer.state.position);
    let books = Progress::default();
    let checking = Arc::default();
    let log = EventLog {
        queue,
        latest: Arc::clone(&latest),
        head,
        books: books.clone(),
        pool,
        own,
        checking,
    };
    let shared = Arc::new(Mutex::new(Shared { requests, writer: Some(writer), epoch }));
    let (books_log, progress, tables) = (log.clone(), books.clone(), Arc::new(Books::default()));
    let (config, ended) = (Arc::new(config), stop.clone());
    supervise("eventlog.sequencer", stop.clone(), move || {
        let run = Run {
            config: Arc::clone(&config),
            latest: Arc::clone(&latest),
            head: head_tx.clone(),
            books: books.clone(),
            signs: signs.clone(),
        };
        run.until_fenced(Arc::clone(&shared), ended.clone())
    });
    supervise("eventlog.books", stop, move || {
        project(books_log.clone(), Arc::clone(&tables), progress.clone())
    });
    Ok(log)
}

/// What survives a restart of the task: the queue, the writer on the first run, and after it the
/// epoch that it wrote under.
struct Shared {
    requests: mpsc::Receiver<Request>,
    writer: Option<Writer>,
    epoch: Option<i64>,
}

/// A batch in the making, or on its way to the database.
struct Pack {
    decided: Decided,
    requests: Vec<Request>,
    answers: Vec<Answers>,
    bytes: usize,
}

impl Pack {
    const fn new(decided: Decided) -> Self {
        Self { decided, requests: Vec::new(), answers: Vec::new(), bytes: 0 }
    }

    /// Where the books stood when it began.
    const fn mark(&self) -> Mark {
        self.decided.before.book
    }

    const fn is_full(&self) -> bool {
        self.decided.events.len() >= BATCH_MAX || self.bytes >= BATCH_BYTES_MAX
    }
}

/// A batch that was sent off; one without anything to write has no answer to wait for.
struct OnWay {
    pack: Pack,
    written: Option<oneshot::Receiver<Result<(), CommitError>>>,
}

impl OnWay {
    async fn written(&mut self) -> Result<(), CommitError> {
        match &mut self.written {
            Some(written) => written.await.unwrap_or(Err(CommitError::Lost(LogError::Stopped))),
            None => Ok(()),
        }
    }
}

async fn written(on_way: &mut Option<OnWay>) -> Result<(), CommitError> {
    match on_way {
        Some(on_way) => on_way.written().await,
        None => std::future::pending().await,
    }
}

/// What the writer's task works with.
struct Run {
    config: Arc<LogConfig>,
    latest: Arc<Latest>,
    head: watch::Sender<i64>,
    books: Progress,
    signs: Signs,
}

impl Run {
    async fn until_fenced(
        self,
        shared: Arc<Mutex<Shared>>,
        ended: CancellationToken,
    ) -> Result<(), LogError> {
        let mut shared = shared.lock().await;
        let result = match self.writer(&mut shared, &ended).await {
            Ok(Writer { state, lock }) => {
                let (committer, end) = Committer::start(self.config.pool.clone());
                let epoch = state.epoch;
                let result = tokio::select! {
                    result = self.run(&mut shared.requests, state, &committer) => result,
                    result = live(lock, epoch, self.signs.own.clone()) => result,
                };
                end.cancel();
                result
            }
            Err(error) => Err(error),
        };
        if matches!(result, Err(LogError::Fenced)) {
            tracing::error!("another process took over the log; this one ends");
            ended.cancel();
        }
        result
    }

    /// The writer of the first run. After a failure: the next one, unless another process has
    /// taken over meanwhile.
    async fn writer(
        &self,
        shared: &mut Shared,
        ended: &CancellationToken,
    ) -> Result<Writer, LogError> {
        if let Some(writer) = shared.writer.take() {
            return Ok(writer);
        }
        let Shared { requests, epoch, .. } = shared;
        let again = stand_by(&self.config, ended, epoch, &self.signs.writer);
        // Nothing of what comes meanwhile was begun: whoever asks may ask again.
        let busy = async {
            while let Some(request) = requests.recv().await {
                request.refuse(&AppendError::Busy);
            }
            std::future::pending().await
        };
        tokio::select! {
            writer = again => writer,
            never = busy => never,
        }
    }

    async fn run(
        &self,
        requests: &mut mpsc::Receiver<Request>,
        mut state: State,
        committer: &Committer,
    ) -> Result<(), LogError> {
        self.head.send_replace(state.position);
        let mut db = self.config.pool.acquire().await?;
        // Cut off in the middle of an answer it is of no use to anybody.
        db.close_on_drop();
        let mut next: Option<Pack> = None;
        let mut on_way: Option<OnWay> = None;
        let mut expiry = tokio::time::interval(EXPIRY_LOOK);
        expiry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if on_way.is_none()
                && let Some(pack) = next.take()
            {
                on_way = Some(send(committer, &state, pack).await);
            }
            let full = next.as_ref().is_some_and(Pack::is_full);
            let taken = tokio::select! {
                biased;
                result = written(&mut on_way) => {
                    let Some(OnWay { pack, .. }) = on_way.take() else { continue };
                    let mark = next.as_ref().map_or_else(|| state.book.mark(), Pack::mark);
                    if result.is_ok() && let Some(next) = next.take() {
                        // The database has work before anybody is told.
                        on_way = Some(send(committer, &state, next).await);
                    }
                    next = self.written(&mut db, &mut state, pack, (mark, next), result).await?;
                    continue;
                }
                _ = expiry.tick() => {
                    let now = self.config.clock.now();
                    if next.is_none() && state.book.next_expiry().is_some_and(|at| at <= now) {
                        next = Some(Pack::new(state.begin(now)));
                    }
                    continue;
                }
                taken = take(requests), if !full => taken,
            };
            let Some(taken) = taken else { return Ok(()) };
            if let Err(error) = self.read_ahead(&mut db, &mut state, &taken).await {
                give_up(taken, next, on_way);
                return Err(error);
            }
            let now = self.config.clock.now();
            let pack = next.get_or_insert_with(|| Pack::new(state.begin(now)));
            decide(&mut state, pack, taken);
        }
    }

    /// A batch came back. Answers and tells the readers; or, when somebody repeated a command that
    /// memory had forgotten, decides it and the one after it anew.
    async fn written(
        &self,
        db: &mut PgConnection,
        state: &mut State,
        pack: Pack,
        (mark, next): (Mark, Option<Pack>),
        result: Result<(), CommitError>,
    ) -> Result<Option<Pack>, LogError> {
        match result {
            Ok(()) => {
                state.committed(mark, self.books.position());
                self.tell(pack);
                Ok(next)
            }
            Err(CommitError::Lost(error)) => {
                give_up(pack.requests, next, None);
                Err(error)
            }
            Err(CommitError::Repeated) => {
                let mut requests = pack.requests;
                if let Some(next) = next {
                    requests.extend(next.requests);
                    state.roll_back(next.decided);
                }
                state.roll_back(pack.decided);
                if let Err(error) = self.read_all(db, state, &requests).await {
                    give_up(requests, None, None);
                    return Err(error);
                }
                let mut pack = Pack::new(state.begin(self.config.clock.now()));
                decide(state, &mut pack, requests);
                Ok(Some(pack))
            }
        }
    }

    fn tell(&self, pack: Pack) {
        let Pack { decided, requests, answers, .. } = pack;
        let first = decided.before.position;
        let last = decided.events.last().map_or(first, |event| event.envelope.position);
        if last > first {
            self.latest.push(decided.events);
            self.head.send_replace(last);
        }
        for (request, answers) in requests.into_iter().zip(answers) {
            request.answer(answers);
        }
        if last.div_euclid(PARTITION_LOOK) != first.div_euclid(PARTITION_LOOK) {
            self.look_ahead(last);
        }
    }

    /// Makes the next partition in time, beside the writing.
    fn look_ahead(&self, position: i64) {
        let pool = self.config.pool.clone();
        let once = CancellationToken::new();
        supervise("eventlog.partitions", once, move || {
            let pool = pool.clone();
            async move { commit::make_partitions(&pool, position).await }
        });
    }

    /// Reads what the decisions over some requests need and memory does not have.
    async fn read_ahead(
        &self,
        db: &mut PgConnection,
        state: &mut State,
        taken: &[Request],
    ) -> Result<(), LogError> {
        let ids = operations_to_read(state, appends(taken), self.config.clock.now());
        read(db, state, taken, &ids).await
    }

    /// The same, with every operation.
    async fn read_all(
        &self,
        db: &mut PgConnection,
        state: &mut State,
        requests: &[Request],
    ) -> Result<(), LogError> {
        let ids: Vec<_> =
            appends(requests).filter_map(|a| a.operation.as_ref()).map(Operation::id).collect();
        read(db, state, requests, &ids).await
    }
}

async fn read(
    db: &mut PgConnection,
    state: &mut State,
    requests: &[Request],
    operations: &[Uuid],
) -> Result<(), LogError> {
    let streams = state.unknown_streams(appends(requests));
    if !streams.is_empty() {
        for (stream, version) in commit::stream_versions(db, &streams).await? {
            state.streams.insert(stream, version);
        }
    }
    if !operations.is_empty() {
        for (id, found) in commit::operations(db, operations).await? {
            state.operations.insert(id, found);
        }
    }
    let pendings = state.unknown_pendings(appends(requests));
    if !pendings.is_empty() {
        for (id, pending) in commit::pendings(db, &pendings).await? {
            state.book.learn(id, pending);
        }
    }
    Ok(())
}

fn appends(requests: &[Request]) -> impl Iterator<Item = &Append> {
    requests.iter().flat_map(|request| &request.appends)
}

/// Sends a batch off.
async fn send(committer: &Committer, state: &State, pack: Pack) -> OnWay {
    let written = if pack.decided.is_empty() {
        None
    } else {
        Some(committer.write(Written::of(state, &pack.decided)).await)
    };
    OnWay { pack, written }
}

/// The requests that wait, at least one; none when nobody can send any more.
async fn take(requests: &mut mpsc::Receiver<Request>) -> Option<Vec<Request>> {
    let mut taken = Vec::new();
    let count = requests.recv_many(&mut taken, TAKE_MAX).await;
    (count > 0).then_some(taken)
}

fn decide(state: &mut State, pack: &mut Pack, taken: Vec<Request>) {
    for request in taken {
        let before = pack.decided.events.len();
        let answers = request.appends.iter().map(|a| state.decide(a, &mut pack.decided)).collect();
        let new = pack.decided.events.get(before..).unwrap_or_default();
        pack.bytes = pack.bytes.saturating_add(new.iter().map(|e| e.body.len()).sum());
        pack.answers.push(answers);
        pack.requests.push(request);
    }
}

fn give_up(taken: Vec<Request>, next: Option<Pack>, on_way: Option<OnWay>) {
    let on_way = on_way.map(|on_way| on_way.pack.requests).unwrap_or_default();
    let next = next.map(|pack| pack.requests).unwrap_or_default();
    on_way.into_iter().chain(next).chain(taken).for_each(Request::give_up);
}
