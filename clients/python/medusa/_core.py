"""The rounds of one session, without sockets, threads or an event loop: which are under way, what
is sent for a new one, and what becomes of what comes. Both clients drive it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from . import _wire
from ._values import Codec, answer_codec, encode
from ._wire import Head
from .errors import ConnectionLost, ProtocolError, RoundRefused, SessionEnded, ended, refused

#: Rounds that a session has under way at most.
UNDER_WAY_MAX = 64
_LATENCIES_KEPT = 10_000


@dataclass
class Answer:
    """What is known of an answered round beside its value."""

    round: int
    #: Fuel that all shards used in it.
    fuel: int = 0
    #: From the sending to the last byte.
    seconds: float = 0.0
    #: Numbers that the programs gave beside their answers, by shard and name.
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stats:
    """How the rounds of a session went: latencies in seconds over the latest 10,000."""

    rounds: int
    fuel: int
    p50: float
    p99: float


#: Told once what became of a round: a value or an error.
Done = Callable[[Answer, Any, Optional[BaseException]], None]


class Pending:
    """A round under way. `done` is called once, with a value or an error."""

    def __init__(self, round: int, left: int, codec: Codec, is_list: bool,
                 done: "Done"):
        self.answer = Answer(round)
        self.is_over = False
        self._left, self._codec, self._is_list, self._done = left, codec, is_list, done
        self._values: list[Any] = []
        self._room: Any = None
        self._view = memoryview(b"")
        self._got = 0
        self._began = time.perf_counter()

    def place(self, head: Head) -> memoryview:
        if head.offset == 0:
            self._room, self._view = self._codec.room(head.total)
            self._got = 0
        if head.offset != self._got or head.total != len(self._view):
            raise ProtocolError(f"a part at {head.offset}, where {self._got} bytes have come")
        return self._view

    def part(self, head: Head, size: int) -> bool:
        """Whether all is answered now."""
        self._got += size
        if self._got < head.total:
            return False
        try:
            self._values.append(self._codec.value(self._room))
        except ValueError as error:
            self._values.append(error)
        self._room = None
        self._left -= 1
        self.answer.fuel = head.fuel
        self.answer.seconds = time.perf_counter() - self._began
        return self._left == 0

    def complete(self) -> None:
        wrong = next((v for v in self._values if isinstance(v, ValueError)), None)
        self._over(self._values if self._is_list else self._values[0], wrong)

    def fail(self, error: BaseException) -> None:
        self._over(None, error)

    def _over(self, value: Any, error: Optional[BaseException]) -> None:
        self._done(self.answer, None if error else value, error)
        # Last: who sees it finds the value in its place.
        self.is_over = True


class Rounds:
    """The rounds of a session; what the reader of its line talks to."""

    def __init__(self, pong: Callable[[bytes], None]):
        self.shards = 0
        #: It takes rounds: every shard is in the memory of an agent.
        self.is_ready = False
        #: Shards that no agent has, while it is not.
        self.missing = 0
        #: Why no more rounds are taken.
        self.over: Optional[SessionEnded] = None
        #: Programs that ended: shard, round and words of each.
        self.lost: deque[dict[str, Any]] = deque(maxlen=100)
        self.pending: dict[int, Pending] = {}
        self.rounds, self.fuel = 0, 0
        self.last: Optional[Answer] = None
        self._number = 0
        #: The session has said with which number rounds go on, on this line.
        self.is_greeted = False
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._pong = pong
        self._metrics = bytearray()
        self._settled: deque[Pending] = deque()

    def connected(self) -> None:
        """A line begins: the session says how it stands."""
        self.is_ready, self.is_greeted = False, False

    def begin(self, value: Any, reduce: Optional[str], number: Optional[str], dtype: Any,
              shard: Optional[int], done: Done) -> tuple[Pending, Head, memoryview]:
        """A new round, or a question for one shard: what is sent is the head with the payload.

        Raises `ValueError` or `TypeError` for what cannot be sent, before anything is.
        """
        if self.over:
            raise self.over
        payload, codec = encode(value)
        if len(payload) > _wire.PAYLOAD_BYTES_MAX:
            raise ValueError(f"a round has at most 64 MiB, not {len(payload)} bytes")
        if reduce not in _wire.REDUCES:
            words = ", ".join(word for word in _wire.REDUCES if word)
            raise ValueError(f"there is no reduce {reduce!r}; one of {words}, or None")
        if shard is not None and not 0 <= shard < self.shards:
            raise IndexError(f"there are {self.shards} shards, counted from 0")
        codec = answer_codec(codec, dtype)
        how = _wire.REDUCES[reduce]
        numbers = number or codec.number or "f64"
        if numbers not in _wire.NUMBERS:
            raise ValueError(f"there is no number type {numbers!r}; f64, f32 or i64")
        if how not in (0, 6) and number is None and codec.number is None and type(codec) != Codec:
            raise TypeError("only f64, f32 and i64 can be put together: convert the array first")
        is_list = how == 0 and shard is None
        kind = _wire.ROUND if shard is None else _wire.CALL
        self._number += 1
        head = Head(kind, how, _wire.NUMBERS[numbers], shard or 0, self._number, len(payload), 0, 0)
        pending = Pending(self._number, self.shards if is_list else 1, codec, is_list, done)
        self.pending[self._number] = pending
        return pending, head, payload

    def stats(self) -> Stats:
        ordered = sorted(self._latencies)

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

        return Stats(self.rounds, self.fuel, at(0.5), at(0.99))

    def fail_all(self, error: BaseException) -> None:
        """Nothing that is under way will be answered."""
        pending, self.pending = self.pending, {}
        for one in pending.values():
            one.fail(error)

    def settle(self) -> None:
        """Tells of what is answered. Apart from the reading, because who is told may begin more."""
        while self._settled:
            pending = self._settled.popleft()
            pending.complete()

    # What the reader finds.

    def place(self, head: Head) -> Optional[memoryview]:
        if head.kind == _wire.METRICS:
            self._metrics = bytearray(head.total)
            return memoryview(self._metrics)
        if head.kind != _wire.ANSWER:
            raise ProtocolError(f"a message of kind {head.kind} is no answer")
        pending = self.pending.get(head.round)
        return pending.place(head) if pending else None

    def part(self, head: Head, size: int) -> None:
        pending = self.pending.get(head.round)
        if pending is None:
            return
        if head.kind == _wire.METRICS:
            found = pending.answer.metrics.setdefault(head.shard, {})
            found.update(read_metrics(self._metrics))
        elif pending.part(head, size) and self.pending.pop(head.round, None) is not None:
            self.rounds += 1
            self.fuel += head.fuel
            self.last = pending.answer
            self._latencies.append(pending.answer.seconds)
            self._settled.append(pending)

    def text(self, text: str) -> None:
        try:
            word = json.loads(text)
            what = word["is"]
            if what == "ready":
                self.shards, self.is_ready, self.missing = word["shards"], True, 0
                self._greet(word["round"])
            elif what == "waiting":
                self.is_ready, self.missing = False, word["missing"]
            elif what == "lost":
                self.lost.append(word)
            elif what == "refused":
                self._refused(refused(word))
            elif what == "ended":
                lost = self.lost[-1] if self.lost else None
                self.over = ended(word.get("code"), word["detail"], lost)
                self.fail_all(self.over)
        except (ValueError, KeyError, TypeError) as error:
            raise ProtocolError(f"words that are not understood: {text[:200]}") from error

    def _greet(self, round: int) -> None:
        """The first such word of a line says with which number rounds go on."""
        if not self.is_greeted:
            self.is_greeted = True
            self._number = round

    def _refused(self, error: RoundRefused) -> None:
        pending = self.pending.pop(error.round, None)
        if pending:
            pending.fail(error)
        elif error.round == 0:
            self.fail_all(error)
        if error.code == "sessions.round_number":
            # The words of a line that was cut came late; a new line says it anew.
            raise ConnectionLost("the numbers of rounds are out of step")

    def control(self, opcode: int, payload: bytes) -> None:
        if opcode == _wire.PING:
            self._pong(payload)
        elif opcode == _wire.CLOSE:
            raise ConnectionLost("the session's home closed the line")


def read_metrics(text: bytes | bytearray) -> dict[str, float]:
    """Lines of a name, a space and a number."""
    found = {}
    for line in text.decode(errors="replace").splitlines():
        name, _, number = line.rpartition(" ")
        try:
            found[name] = float(number)
        except ValueError:
            continue
    return found
