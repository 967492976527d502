"""A `concurrent.futures.Executor` over a session whose program answers one value at a time."""

from __future__ import annotations

import concurrent.futures
import functools
import threading
import time
from collections import deque
from typing import Any, Iterable, Iterator, Optional

from ._core import Answer
from ._values import Value
from .errors import MedusaError
from .session import RoundFuture, Session

#: Values on their way to one agent: the next is there when it has answered.
_AHEAD = 8
_UNDER_WAY_MAX = 60


class TaskFuture(RoundFuture):
    """The future of one value; until it is sent it can be cancelled."""

    #: The shard, and so the agent, that answered it.
    shard: Optional[int] = None


class Executor(concurrent.futures.Executor):
    """Runs one program for each value that is submitted. Made by `Client.executor`.

    There is no function to name: it is the program. Its first frame is its own number and a 1, as
    text; after that, it answers each frame with one.
    """

    def __init__(self, session: Session):
        self._session = session
        self._changed = threading.Condition()
        self._queue: deque[tuple[TaskFuture, Any, Any]] = deque()
        self._loads = [0] * len(session)
        self._most = min(_UNDER_WAY_MAX, _AHEAD * len(session))
        self._is_shut = False
        self._end: Optional[threading.Thread] = None

    @property
    def session(self) -> Session:
        """The session underneath: its cost and latencies."""
        return self._session

    def submit(self, value: Value, *, dtype: Any = None) -> TaskFuture:  # type: ignore[override]
        """Runs the program on a value. `RuntimeError` after `shutdown`."""
        future = TaskFuture()
        with self._changed:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._queue.append((future, value, dtype))
        self._send()
        return future

    def map(self, *iterables: Iterable[Value],  # type: ignore[override]
            timeout: Optional[float] = None, chunksize: int = 1, buffersize: Optional[int] = None,
            dtype: Any = None) -> Iterator[Any]:
        """The answers to all values, in their order. With `buffersize` the values are taken only as
        their answers are, so many ahead. `TimeoutError` where an answer is not there within
        `timeout` seconds of this call. `chunksize` is taken for the sake of others and changes
        nothing, as for threads."""
        if len(iterables) != 1:
            raise TypeError("map takes one iterable of values: the function is the program")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1")
        end = None if timeout is None else time.monotonic() + timeout
        values = iter(iterables[0])
        futures: deque[TaskFuture] = deque()
        for value in values:
            futures.append(self.submit(value, dtype=dtype))
            if buffersize is not None and len(futures) >= buffersize:
                break
        return self._results(values, futures, end, buffersize, dtype)

    def _results(self, values: Iterator[Value], futures: "deque[TaskFuture]", end: Optional[float],
                 buffersize: Optional[int], dtype: Any) -> Iterator[Any]:
        try:
            while futures:
                future = futures[0]
                left = None if end is None else end - time.monotonic()
                answer = future.result(left)
                futures.popleft()
                if buffersize is not None:
                    for value in values:
                        futures.append(self.submit(value, dtype=dtype))
                        break
                yield answer
        finally:
            for future in futures:
                future.cancel()

    def _send(self) -> None:
        """Sends values to the agents that have least to do, as far as there is room."""
        while True:
            with self._changed:
                if not self._queue or sum(self._loads) >= self._most:
                    return
                future, value, dtype = self._queue.popleft()
                if not future.set_running_or_notify_cancel():
                    self._changed.notify_all()
                    continue
                shard = self._loads.index(min(self._loads))
                self._loads[shard] += 1
            future.shard = shard
            try:
                asked = self._session[shard].submit(value, dtype=dtype)
            except BaseException as error:
                self._over(future, shard)
                future.set_exception(error)
                continue
            asked.add_done_callback(functools.partial(self._answered, future))

    def _over(self, future: TaskFuture, shard: int) -> None:
        with self._changed:
            self._loads[shard] -= 1

    def _answered(self, future: TaskFuture, asked: "concurrent.futures.Future[Any]") -> None:
        assert isinstance(asked, RoundFuture) and future.shard is not None
        answer: Optional[Answer] = asked.answer
        future.answer = answer
        error = asked.exception()
        self._over(future, future.shard)
        future.set_exception(error) if error is not None else future.set_result(asked.result())
        self._send()
        with self._changed:
            self._changed.notify_all()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more values, and ends the session when all are answered."""
        with self._changed:
            self._is_shut = True
            if cancel_futures:
                while self._queue:
                    future = self._queue.popleft()[0]
                    future.cancel()
                    future.set_running_or_notify_cancel()
            if self._end is None:
                self._end = threading.Thread(target=self._finish, name="medusa executor")
                self._end.start()
        if wait:
            self._end.join()

    def _finish(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._queue and not any(self._loads))
        try:
            self._session.finish()
        except (MedusaError, TimeoutError):
            pass  # Every future that it concerns has the error.
