//! A live guest, seen from its parent: a program that stays, and talks in frames.
//!
//! Its wall clock runs only while somebody waits for its word or for room to send, and stands still
//! while it does; its fuel counts on. It has a worker of its own, which ends with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use medusa_types::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use crate::brake::{Brake, hold};
use crate::child::{Child, ChildError, WEIGHED_EVERY, weigh};
use crate::frames::{Area, HEAD_BYTES, Head, What};
use crate::modules::{Compiled, Modules};
use crate::slots::Slot;
use crate::task::{Reply, Report, Request, Task, frame, message};
use crate::worker::{Worker, WorkerError, killed, reply_bytes_max};

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// While a frame waits for room, no more than so much is kept.
const AHEAD_BYTES: usize = 16 << 20;

/// What a live guest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A frame, when the run had used this much fuel.
    Frame {
        /// Fuel since the start.
        fuel: u64,
    },
    /// The last word: how the run ended.
    Ended {
        /// Its files are in the output; standard output there is empty.
        report: Box<Report>,
        /// It had begun a frame, which is lost.
        unfinished: bool,
    },
}

/// A live guest. It is killed when this is dropped; its slot, if it has one, is free then.
#[derive(Debug)]
pub struct Live<'a> {
    /// Dropped before the process is.
    keeper: Keeper,
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    area: Option<Area>,
    /// What came and was not looked at.
    came: BytesMut,
    /// What is to be sent with one call.
    going: Vec<u8>,
    limits: Limits,
    resident_bytes_max: u64,
    /// When it is weighed. A timer for each wait would wake the runtime each time.
    clock: Interval,
    weighed: Instant,
    /// Of the wall limit.
    left: Duration,
    brake: Brake,
    /// A frame that was sent half cannot be gone on with.
    can_send: bool,
    is_over: bool,
    slot: Option<Slot<'a>>,
}

/// Stops the process and lets it go on, also while nobody waits for it.
#[derive(Debug)]
struct Keeper {
    /// None once the process may be gone, and its number another's.
    process: Arc<Mutex<Option<u32>>>,
    /// Ends with this.
    _task: JoinSet<()>,
}

impl<'a> Live<'a> {
    fn new(
        mut child: Child,
        area: Option<Area>,
        (limits, resident_bytes_max): (Limits, u64),
        brake: Brake,
        slot: Option<Slot<'a>>,
    ) -> Result<Self, WorkerError> {
        let (stdin, stdout) = child.take_pipes().ok_or(ChildError::Stopped)?;
        let mut clock = interval(WEIGHED_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let keeper = Keeper::new(child.id(), brake.clone());
        Ok(Self {
            child,
            stdin,
            stdout,
            area,
            came: BytesMut::new(),
            going: Vec::new(),
            limits,
            resident_bytes_max,
            clock,
            weighed: Instant::now(),
            left: Duration::from_millis(limits.wall_ms),
            brake,
            keeper,
            can_send: true,
            is_over: false,
            slot,
        })
    }

    /// Opens a live guest in a process that saw nothing of any job yet.
    pub(crate) async fn open(
        child: Child,
        (modules, compiled): (&Modules, &Compiled),
        task: Task,
        brake: Brake,
        slot: Option<Slot<'a>>,
    ) -> Result<Self, WorkerError> {
        let limits = task.limits;
        let area = Area::new();
        let path = area.as_ref().map(Area::path);
        let (worker, shares) = Worker::load(child, modules, compiled, path).await?;
        let resident_bytes_max = worker.resident_bytes_max(&task);
        let area = area.filter(|_| shares);
        let request = frame(&Request::Open(task)).map_err(WorkerError::Task)?;
        let mut live =
            Self::new(worker.into_child(), area, (limits, resident_bytes_max), brake, slot)?;
        live.going = request;
        live.push().await?;
        Ok(live)
    }

    /// Sends a frame. It waits while the guest has not read what was sent before, and keeps what
    /// the guest says meanwhile, up to 16 MiB: whoever sends on without receiving is late then.
    /// When it is given up half-way, nothing more can be sent.
    ///
    /// # Errors
    /// [`WorkerError`] when the guest takes no more; [`Live::receive`] may still have its last
    /// words.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), WorkerError> {
        let bytes = u32::try_from(frame.len());
        let bytes = bytes.map_err(|_| WorkerError::Task("a frame has less than 4 GiB".into()))?;
        if let Some(area) = self.area.as_mut().filter(|area| area.takes(bytes)) {
            let put = area.put(0, frame);
            put.map_err(|error| WorkerError::Task(format!("no shared memory: {error}")))?;
            area.was_put();
            self.head(What::Shared, bytes);
        } else {
            self.head(What::Inline, bytes);
            self.going.extend_from_slice(frame);
        }
        self.push().await
    }

    /// Tells the guest that no frame follows: its standard input ends.
    ///
    /// # Errors
    /// [`WorkerError`] as for [`Live::send`].
    pub async fn finish(&mut self) -> Result<(), WorkerError> {
        self.head(What::End { unfinished: false }, 0);
        self.push().await
    }

    /// Waits for the guest's next word; a frame is put in place of what `frame` held. Nothing is
    /// lost when this is given up. After the last word there is an error.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker failed, never for what the guest did.
    pub async fn receive(&mut self, frame: &mut Vec<u8>) -> Result<Word, WorkerError> {
        if self.is_over {
            return Err(ChildError::Stopped.into());
        }
        let word = self.next(frame).await;
        if !matches!(word, Ok(Word::Frame { .. })) {
            self.stop().await;
        }
        word
    }

    async fn next(&mut self, frame: &mut Vec<u8>) -> Result<Word, WorkerError> {
        loop {
            if let Some(word) = self.take(frame)? {
                return Ok(word);
            }
            match self.turn(None).await {
                Turn::Came | Turn::Went(_) => {}
                Turn::HungUp => {
                    self.keeper.end();
                    return Err(self.child.bury().await.into());
                }
                Turn::Swollen(error) => return Err(error.into()),
                Turn::Late => {
                    let report = Box::new(killed(self.limits.wall_ms));
                    return Ok(Word::Ended { report, unfinished: false });
                }
            }
        }
    }

    /// The number of its process, while it is alive.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the guest, and gives its slot back for another one.
    #[must_use]
    pub fn into_slot(self) -> Option<Slot<'a>> {
        self.slot
    }

    /// Begins what is to be sent.
    fn head(&mut self, what: What, bytes: u32) {
        let taken = self.area.as_ref().map_or(0, Area::taken);
        self.going.clear();
        self.going.extend_from_slice(&Head { what, bytes, fuel: 0, taken }.encode());
    }

    /// Sends it, whole.
    async fn push(&mut self) -> Result<(), WorkerError> {
        if !std::mem::take(&mut self.can_send) {
            return Err(ChildError::Stopped.into());
        }
        // The pipe takes a small frame at once.
        let mut sent = tokio::select! {
            biased;
            sent = self.stdin.write(&self.going) => sent.unwrap_or_default(),
            () = std::future::ready(()) => 0,
        };
        while sent < self.going.len() {
            match self.turn(Some(sent)).await {
                Turn::Went(bytes) => sent = sent.saturating_add(bytes),
                Turn::Came => {}
                Turn::HungUp => return Err(ChildError::Stopped.into()),
                Turn::Swollen(error) => {
                    self.stop().await;
                    return Err(error.into());
                }
                Turn::Late => {
                    self.stop().await;
                    return Err(ChildError::Late { ms: self.limits.wall_ms.into() }.into());
                }
            }
        }
        self.can_send = true;
        Ok(())
    }

    /// Waits until something happens. What is to be sent from a place on goes first.
    async fn turn(&mut self, sent: Option<usize>) -> Turn {
        let Self {
            stdin,
            stdout,
            came,
            going,
            brake,
            left,
            child,
            clock,
            weighed,
            resident_bytes_max,
            ..
        } = self;
        let rest = sent.and_then(|sent| going.get(sent..)).unwrap_or_default();
        let reads = rest.is_empty() || came.len() < AHEAD_BYTES;
        came.reserve(READ_BYTES);
        loop {
            let since = Instant::now();
            let turn = tokio::select! {
                biased;
                written = stdin.write(rest), if !rest.is_empty() => Some(match written {
                    Ok(bytes) if bytes > 0 => Turn::Went(bytes),
                    Ok(_) | Err(_) => Turn::HungUp,
                }),
                read = stdout.read_buf(came), if reads => Some(match read {
                    Ok(bytes) if bytes > 0 => Turn::Came,
                    Ok(_) | Err(_) => Turn::HungUp,
                }),
                () = brake.pulled() => None,
                _ = clock.tick() => None,
                () = async { sleep(*left).await }, if *left < WEIGHED_EVERY => None,
            };
            let now = Instant::now();
            *left = left.saturating_sub(now.duration_since(since));
            if now.duration_since(*weighed) >= WEIGHED_EVERY {
                *weighed = now;
                let swollen = child.id().and_then(|id| weigh(id, *resident_bytes_max));
                if let Some(error) = swollen {
                    return Turn::Swollen(error);
                }
            }
            if let Some(turn) = turn {
                return turn;
            }
            brake.released().await;
            if left.is_zero() {
                return Turn::Late;
            }
        }
    }

    /// The next word, if all of it has come.
    fn take(&mut self, frame: &mut Vec<u8>) -> Result<Option<Word>, WorkerError> {
        let confused = |why: String| WorkerError::from(ChildError::Confused(why));
        let Some(head) = self.came.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let head = Head::decode(head).map_err(confused)?;
        let bytes_max = match head.what {
            What::Inline | What::Shared => self.limits.output_bytes,
            What::End { .. } => reply_bytes_max(&self.limits),
        };
        if u64::from(head.bytes) > bytes_max {
            return Err(confused(format!("{} bytes, where {bytes_max} are the most", head.bytes)));
        }
        let bytes = usize::try_from(head.bytes).unwrap_or(usize::MAX);
        let inline = if head.what == What::Shared { 0 } else { bytes };
        let Some(content) = self.came.get(HEAD_BYTES..).and_then(|rest| rest.get(..inline)) else {
            return Ok(None);
        };
        let word = match head.what {
            What::Inline => {
                frame.clear();
                frame.extend_from_slice(content);
                Word::Frame { fuel: head.fuel }
            }
            What::Shared => {
                let area = self.area.as_mut().filter(|_| Area::fits(head.bytes));
                let area = area.ok_or_else(|| confused("a shared frame without memory".into()))?;
                frame.resize(bytes, 0);
                area.get(0, frame).map_err(|error| confused(error.to_string()))?;
                area.was_got();
                Word::Frame { fuel: head.fuel }
            }
            What::End { unfinished } => match message(content).map_err(confused)? {
                Reply::Report(report) => Word::Ended { report: Box::new(report), unfinished },
                Reply::Failed(why) => return Err(WorkerError::Task(why)),
                other => return Err(ChildError::unasked(&other).into()),
            },
        };
        self.came.advance(HEAD_BYTES.saturating_add(inline));
        if let Some(area) = &mut self.area {
            area.hear(head.taken);
        }
        Ok(Some(word))
    }

    async fn stop(&mut self) {
        (self.can_send, self.is_over) = (false, true);
        self.keeper.end();
        self.child.kill().await;
    }
}

impl Worker {
    /// Starts a process for a live guest.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot be opened.
    pub async fn open(
        modules: &Modules,
        compiled: &Compiled,
        task: Task,
    ) -> Result<Live<'static>, WorkerError> {
        let child = modules.launch().start().await?;
        Live::open(child, (modules, compiled), task, Brake::none(), None).await
    }
}

impl<'a> Slot<'a> {
    /// Opens a live guest, which has this slot until it is dropped.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot be opened.
    pub async fn open(
        mut self,
        modules: &Modules,
        compiled: &Compiled,
        task: Task,
    ) -> Result<Live<'a>, WorkerError> {
        let child = self.blank(modules).await?;
        let brake = self.brake();
        Live::open(child, (modules, compiled), task, brake, Some(self)).await
    }
}

/// What happened.
enum Turn {
    /// So much went out.
    Went(usize),
    /// Something came.
    Came,
    HungUp,
    Late,
    Swollen(ChildError),
}

impl Keeper {
    fn new(process: Option<u32>, mut brake: Brake) -> Self {
        let process = Arc::new(Mutex::new(process));
        let kept = Arc::clone(&process);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                brake.pulled().await;
                keep(&kept, true);
                brake.released().await;
                keep(&kept, false);
            }
        });
        Self { process, _task: task }
    }

    /// The process will be waited for.
    fn end(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

fn keep(process: &Mutex<Option<u32>>, still: bool) {
    // Held while the signal is sent, so that the number stays this process's.
    let process = process.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = *process {
        hold(process, still);
    }
}
