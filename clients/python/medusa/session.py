"""A session, driven by a blocking program: `round` sends and reads on the thread that calls it.

Only where futures are handed out does a thread of the session's own read the line, while they are
under way; then whoever waits is woken by it.
"""

from __future__ import annotations

import concurrent.futures
import json
import ssl
import threading
import time
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Type

from . import _wire
from ._core import UNDER_WAY_MAX, Answer, Done, Pending, Rounds, Stats
from ._socket import Line, deadline, left
from ._values import Value
from .errors import ConnectionLost, MedusaError, ProtocolError, SessionEnded

if TYPE_CHECKING:
    from .client import Client

_FINISH = json.dumps({"do": "finish"}).encode()
#: Where a block ends with an error, the end of its session is waited for so long.
_FAREWELL_SECONDS = 5.0
_SETTLED_SECONDS = 5.0


class RoundFuture(concurrent.futures.Future):  # type: ignore[type-arg]
    """The future of one round. A round under way cannot be cancelled."""

    #: Fuel, time and metrics, once it is done.
    answer: Optional[Answer] = None

    def result(self, timeout: Optional[float] = None) -> Any:
        return _standard(super().result, timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        error: Optional[BaseException] = _standard(super().exception, timeout)
        return error


def _standard(wait: Callable[[Optional[float]], Any], timeout: Optional[float]) -> Any:
    """The standard library's one `TimeoutError`, which futures raise only since Python 3.11."""
    try:
        return wait(timeout)
    except concurrent.futures.TimeoutError as error:
        raise TimeoutError(str(error) or "no answer in time") from None


class Shard:
    """One shard of a session: its program can be asked by itself."""

    def __init__(self, session: "Session", index: int):
        self._session, self.index = session, index

    def call(self, value: Value, *, dtype: Any = None, timeout: Optional[float] = None) -> Any:
        """Sends `value` to this shard's program alone, and gives its answer."""
        return self._session._round(value, None, None, dtype, self.index, timeout)

    def submit(self, value: Value, *, dtype: Any = None) -> RoundFuture:
        """The same, without waiting."""
        return self._session._submit(value, None, None, dtype, self.index)


class Session:
    """An open session: every shard is in the memory of an agent, and rounds are answered in order.

    It may be used by several threads. As a context manager it is finished at the end.
    """

    def __init__(self, client: "Client", opened: dict[str, Any], depth: int,
                 tls: Optional[ssl.SSLContext]):
        if not 1 <= depth <= UNDER_WAY_MAX:
            raise ValueError(f"depth is 1 to {UNDER_WAY_MAX} rounds under way")
        self._client, self._view, self._depth, self._tls = client, opened, depth, tls
        #: The session's id.
        self.id: str = opened["id"]
        # Guards all that follows; notified when rounds are over or the line is free to read.
        self._changed = threading.Condition()
        # Held while a round's frames go out, so that numbers leave in order; taken
        # before `_changed`.
        self._sending = threading.Lock()
        self._line: Optional[Line] = None
        self._reader: Optional[_wire.Reader] = None
        # The thread that reads.
        self._read_by: Optional[int] = None
        self._handed_out = 0
        self._thread: Optional[threading.Thread] = None
        self._is_closed = False
        self._pongs: list[bytes] = []
        self._rounds = Rounds(self._pongs.append)

    # Rounds.

    def round(self, value: Value, reduce: Optional[str] = None, *, number: Optional[str] = None,
              dtype: Any = None, timeout: Optional[float] = None) -> Any:
        """One round: `value` goes to every shard, and their answers come back.

        Without `reduce` the answers are a list, in the order of the shards. With `sum`, `mean`,
        `weighted-mean`, `min`, `max` or `concat` they are one value. An array gives arrays of its
        dtype, or of `dtype`, in its shape where the length is the same; bytes give bytes. What the
        numbers in bytes are for a reduce says `number`: f64, f32 or i64. Raises `TimeoutError`
        after `timeout` seconds; the round goes on, and its answer is passed over.
        """
        return self._round(value, reduce, number, dtype, None, timeout)

    def submit_round(self, value: Value, reduce: Optional[str] = None, *,
                     number: Optional[str] = None, dtype: Any = None) -> RoundFuture:
        """The same, without waiting for the answer. As many as the session's `depth` are under way;
        one more waits until another is answered."""
        return self._submit(value, reduce, number, dtype, None)

    def _round(self, value: Value, reduce: Optional[str], number: Optional[str], dtype: Any,
               shard: Optional[int], timeout: Optional[float]) -> Any:
        until = deadline(timeout)
        box: list[Any] = []
        pending = self._send(value, reduce, number, dtype, shard, until,
                             lambda _, value, error: box.extend((value, error)))
        self._read_until(lambda: pending.is_over, until)
        value, error = box
        if error is not None:
            raise error
        return value

    def _submit(self, value: Value, reduce: Optional[str], number: Optional[str], dtype: Any,
                shard: Optional[int]) -> RoundFuture:
        future = RoundFuture()
        future.set_running_or_notify_cancel()

        def done(answer: Answer, value: Any, error: Optional[BaseException]) -> None:
            with self._changed:
                self._handed_out -= 1
            future.answer = answer
            future.set_exception(error) if error is not None else future.set_result(value)

        with self._changed:
            self._handed_out += 1
        try:
            self._send(value, reduce, number, dtype, shard, None, done)
        except BaseException:
            with self._changed:
                self._handed_out -= 1
            raise
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._read_for_futures, daemon=True,
                                                name=f"medusa {self.id}")
                self._thread.start()
            self._changed.notify_all()
        return future

    def _send(self, value: Value, reduce: Optional[str], number: Optional[str], dtype: Any,
              shard: Optional[int], until: Optional[float], done: Done) -> Pending:
        if self._is_closed:
            raise self._rounds.over or SessionEnded(None, "it was closed")
        while True:
            self._connect(until)
            self._read_until(lambda: len(self._rounds.pending) < self._depth, until)
            with self._sending:
                with self._changed:
                    line = self._line
                    if line is None or len(self._rounds.pending) >= self._depth:
                        continue
                    pending, head, payload = self._rounds.begin(value, reduce, number, dtype,
                                                                shard, done)
                try:
                    line.send(line.masker.messages(head, payload))
                except ConnectionLost as error:
                    self._lose(line, error)
                except BaseException:
                    # Half a frame may have gone out.
                    self._lose(line, ConnectionLost("the sending was interrupted"))
                    raise
                return pending

    # The line.

    def _connect(self, until: Optional[float]) -> None:
        """Makes a line where there is none, and waits until the session takes rounds."""
        with self._sending:
            if self._line is None:
                if self._rounds.over:
                    raise self._rounds.over
                line = Line(self._home(), self._tls)
                with self._changed:
                    self._rounds.connected()
                    self._line, self._reader = line, None
                    self._changed.notify_all()
        if not self._rounds.is_greeted:
            self._read_until(lambda: self._rounds.is_greeted, until)

    def _home(self) -> str:
        if not self._view.get("home"):
            self._view = self._client.look(self.id)
        home = self._view.pop("home", None)
        if home is None:
            raise SessionEnded(self._view.get("code"), "it has ended meanwhile")
        url: str = home["url"]
        return self._client.websocket_url(url) if url.startswith("/") else url

    def _read_until(self, is_done: Callable[[], bool], until: Optional[float]) -> None:
        """Reads until then, or waits while another thread reads.

        Raises what ends the session or the line before.
        """
        while not is_done():
            with self._changed:
                if is_done():
                    return
                line = self._line
                if line is None or self._rounds.over:
                    raise self._rounds.over or ConnectionLost("the line broke")
                # Who was told of an answer may wait for another, on the thread that reads.
                is_nested = self._read_by == threading.get_ident()
                if self._read_by is not None and not is_nested:
                    self._changed.wait(left(until))
                    continue
                self._read_by = threading.get_ident()
            try:
                while not is_done() and self._line is line and not self._rounds.over:
                    self._read(line, left(until))
            finally:
                with self._changed:
                    if not is_nested:
                        self._read_by = None
                    self._changed.notify_all()

    def _read(self, line: Line, timeout: Optional[float]) -> None:
        """Takes what has come in. Only one thread at a time is here."""
        try:
            if self._reader is None:
                self._reader = line.reader(self._rounds)
            else:
                line.receive(self._reader, timeout)
            while self._pongs:
                with self._sending:
                    line.send([line.masker.frame(_wire.PONG, self._pongs.pop(0))])
        except (ConnectionLost, ProtocolError) as error:
            self._lose(line, error)
        except KeyboardInterrupt:
            # Bytes may have been taken in half.
            self._lose(line, ConnectionLost("the reading was interrupted"))
            raise
        self._rounds.settle()
        with self._changed:
            self._changed.notify_all()

    def _lose(self, line: Line, error: MedusaError) -> None:
        """The line is of no use any more: what is under way on it gets no answer."""
        line.close()
        with self._changed:
            if self._line is line:
                self._line = None
            else:
                return
            self._changed.notify_all()
        self._rounds.fail_all(self._rounds.over or error)

    def _read_for_futures(self) -> None:
        """Reads while futures are under way, so that they are done without anybody waiting."""
        def has_work() -> bool:
            return self._handed_out > 0 and self._line is not None

        def is_over() -> bool:
            return self._is_closed or self._rounds.over is not None

        while True:
            with self._changed:
                self._changed.wait_for(lambda: has_work() or is_over())
                if is_over():
                    return
            try:
                self._read_until(lambda: self._handed_out == 0, None)
            except MedusaError:
                # Whoever has a future was told.
                continue

    # How it stands.

    def __len__(self) -> int:
        return self._rounds.shards

    def __getitem__(self, shard: int) -> Shard:
        if not 0 <= shard < len(self):
            raise IndexError(f"there are {len(self)} shards, counted from 0")
        return Shard(self, shard)

    def __iter__(self) -> Iterator[Shard]:
        return (Shard(self, shard) for shard in range(len(self)))

    @property
    def last(self) -> Optional[Answer]:
        """Fuel, time and metrics of the round that was answered last."""
        return self._rounds.last

    def stats(self) -> Stats:
        """Rounds, fuel, and the latencies at the median and at 99 %."""
        with self._changed:
            return self._rounds.stats()

    @property
    def cost(self) -> Decimal:
        """Credits that are spent, as the server knows them; while rounds go on, a quarter of a
        second late."""
        view = self._client.look(self.id)
        until = time.monotonic() + _SETTLED_SECONDS
        # The last rounds are paid in the moment after the session's last words.
        while self._rounds.over and view["state"] == "open" and time.monotonic() < until:
            time.sleep(0.02)
            view = self._client.look(self.id)
        return Decimal(view["spent"])

    # The end.

    def finish(self, timeout: Optional[float] = None) -> None:
        """Ends the session when all is answered; what is left of its budget comes back.

        Raises why it failed, if it did, and `TimeoutError`; then it ends without being waited for.
        """
        until = deadline(timeout)
        try:
            if self._rounds.over is None and not self._is_closed:
                self._connect(until)
                self._say_finish()
                self._read_until(lambda: self._rounds.over is not None, until)
        finally:
            over = self._rounds.over
            self.close()
        if over is not None and over.code is not None:
            raise over

    def _say_finish(self) -> None:
        with self._sending:
            line = self._line
            if line is not None:
                line.send([line.masker.frame(_wire.TEXT, _FINISH)])

    def _open(self, until: Optional[float]) -> None:
        """Waits until every shard is in the memory of an agent."""
        try:
            self._connect(until)
        except BaseException:
            try:
                self._say_finish()
            except ConnectionLost:
                pass  # It ends by itself, because nobody asks for a round.
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the line. A session that was not finished ends after 90 s without a round."""
        with self._changed:
            self._is_closed = True
            line = self._line
            self._changed.notify_all()
        if line is not None:
            self._lose(line, ConnectionLost("the session was closed"))

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if error is None:
            self.finish()
            return
        try:
            self.finish(_FAREWELL_SECONDS)
        except (MedusaError, TimeoutError):
            pass  # The error that is on its way says more.
