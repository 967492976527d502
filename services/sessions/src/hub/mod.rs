//! The data path of all sessions of this process: one thread, where one task for each session owns
//! its sockets, so that a round wakes nobody else.
//!
//! What takes longer than memory (the log, agents, blobs) is the keeper's, on other threads; the
//! two talk over queues and neither waits for the other.

mod door;
mod outlet;
mod pace;
mod run;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use medusa_api::{HomeWord, SeatOrder};
use medusa_types::{AgentId, LeaseId, SessionId, UserId};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

pub(crate) use door::Porter;
use door::Visitor;
use outlet::Socket;

use crate::config::SessionsConfig;
use crate::domain::code;
use crate::domain::{Table, Window};

/// A handshake takes at most so long.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What the keeper of a session tells its task.
#[derive(Debug)]
pub(crate) enum Inlet {
    /// An agent was given a seat, and will come.
    Taken(LeaseId, AgentId, UserId),
    /// An agent has left its seat.
    Left(LeaseId),
    /// The frame of a shard, for an agent.
    Shard(LeaseId, u32, Bytes),
    /// A window is in the log.
    Paid(Window),
    /// End it.
    End(Option<&'static str>, String),
}

/// What the task of a session tells its keeper.
#[derive(Debug)]
pub(crate) enum Outward {
    /// To be paid.
    Pay(Window),
    /// So many agents more are wanted.
    Want(u32),
    /// An agent is to have this shard.
    Give(LeaseId, AgentId, u32),
    /// An agent is not needed any more; whether it failed.
    Dismiss(LeaseId, bool),
    /// It is over, after so many rounds: a code where it failed, and words.
    End(u64, Option<&'static str>, String),
}

/// A session that begins.
pub(crate) struct Beginning {
    pub(crate) session: SessionId,
    pub(crate) table: Table,
    pub(crate) inlets: mpsc::UnboundedReceiver<Inlet>,
    pub(crate) outward: mpsc::UnboundedSender<Outward>,
}

/// Where the data path is reached. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    begin: mpsc::UnboundedSender<Beginning>,
    /// Nobody comes in before the sessions of before a restart are there.
    opened: watch::Sender<bool>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Hub {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot listen or there is no thread.
    pub(crate) fn start(
        listener: TcpListener,
        porter: Arc<dyn Porter>,
        config: SessionsConfig,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let (begin, beginnings) = mpsc::unbounded_channel();
        let (opened, door) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("sessions".into()).spawn(move || {
            let work = LocalSet::new();
            work.block_on(&runtime, serve((listener, door), porter, config, beginnings, stop));
        })?;
        Ok(Self { begin, opened, address })
    }

    /// From now on clients and agents may come in.
    pub(crate) fn open(&self) {
        self.opened.send_replace(true);
    }

    /// Begins a session's task.
    pub(crate) fn begin(&self, beginning: Beginning) {
        if self.begin.send(beginning).is_err() {
            tracing::debug!("the data path has ended already");
        }
    }
}

type Doors = Rc<RefCell<HashMap<SessionId, mpsc::UnboundedSender<(Visitor, Socket)>>>>;

async fn serve(
    (listener, mut door): (TcpListener, watch::Receiver<bool>),
    porter: Arc<dyn Porter>,
    config: SessionsConfig,
    mut beginnings: mpsc::UnboundedReceiver<Beginning>,
    stop: CancellationToken,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "sessions cannot be served"),
    };
    let doors = Doors::default();
    let mut is_open = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = door.changed(), if !is_open => is_open = changed.is_ok(),
            beginning = beginnings.recv() => {
                let Some(beginning) = beginning else { return };
                let (visit, visits) = mpsc::unbounded_channel();
                let session = beginning.session;
                doors.borrow_mut().insert(session, visit);
                let (doors, config) = (Rc::clone(&doors), config.clone());
                local(async move {
                    run::Run::new(beginning, visits, config).run().await;
                    doors.borrow_mut().remove(&session);
                });
            }
            accepted = listener.accept(), if is_open => match accepted {
                Ok((stream, _)) => {
                    let (porter, doors) = (Arc::clone(&porter), Rc::clone(&doors));
                    local(async move {
                        let knows = |session: &SessionId| doors.borrow().contains_key(session);
                        let entered = door::enter(stream, &*porter, knows);
                        let entered = tokio::time::timeout(HANDSHAKE, entered).await;
                        if let Ok(Some((session, visitor, socket))) = entered {
                            receive(&doors, session, visitor, socket).await;
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Hands a visitor over to the session; one that is over says so.
async fn receive(doors: &Doors, session: SessionId, visitor: Visitor, mut socket: Socket) {
    let door = doors.borrow().get(&session).cloned();
    match door {
        Some(door) => drop(door.send((visitor, socket))),
        None => {
            let detail = "this session is over, or not served here".to_owned();
            let word = match visitor {
                Visitor::Client => {
                    run::text(&HomeWord::Ended { code: Some(code::OVER.into()), detail })
                }
                Visitor::Seat(..) => run::text(&SeatOrder::Finish),
            };
            let _gone = futures_util::SinkExt::send(&mut socket, word).await;
        }
    }
}

/// It ends with its connection or session, on its thread.
fn local(task: impl Future<Output = ()> + 'static) {
    drop(tokio::task::spawn_local(task));
}
