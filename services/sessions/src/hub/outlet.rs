//! The sending end of one WebSocket: a queue, which is emptied as far as the socket takes it,
//! without waiting, and flushed once when it is empty.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Sink;
use futures_util::stream::SplitSink;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What may wait for one socket; who reads more slowly is cut.
const QUEUED_BYTES_MAX: usize = 256 << 20;

/// A socket of a session.
pub(super) type Socket = WebSocketStream<TcpStream>;

pub(super) struct Outlet {
    sink: SplitSink<Socket, Message>,
    queue: VecDeque<Message>,
    queued: usize,
    unflushed: bool,
    /// The receiving end of the socket is open as long as this is kept.
    _open: oneshot::Sender<()>,
}

impl Outlet {
    pub(super) fn new(sink: SplitSink<Socket, Message>, open: oneshot::Sender<()>) -> Self {
        Self { sink, queue: VecDeque::new(), queued: 0, unflushed: false, _open: open }
    }

    pub(super) fn push(&mut self, message: Message) {
        self.queued = self.queued.saturating_add(message.len());
        self.queue.push_back(message);
    }

    /// Whether something waits to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.unflushed
    }

    /// Sends what the socket takes now. Ready when nothing is left, or when it is broken.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        if self.queued > QUEUED_BYTES_MAX {
            return Poll::Ready(Err(()));
        }
        let mut sink = Pin::new(&mut self.sink);
        while !self.queue.is_empty() {
            match sink.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => return Poll::Pending,
            }
            let Some(message) = self.queue.pop_front() else { break };
            self.queued = self.queued.saturating_sub(message.len());
            self.unflushed = true;
            if sink.as_mut().start_send(message).is_err() {
                return Poll::Ready(Err(()));
            }
        }
        if self.unflushed {
            match sink.as_mut().poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}
