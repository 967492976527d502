"""The same client for asyncio: `async with medusa.aio.connect() as cl`, and `await` where it waits.

The rounds run on the event loop, over a protocol that writes into the answer's own memory. What is
asked for over HTTP, which is rare, runs on a thread of the loop's pool.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from decimal import Decimal
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Union

from . import _wire, client as blocking
from ._core import UNDER_WAY_MAX, Answer, Rounds, Stats
from ._request import Amount, Input, Program, spec
from ._socket import CONNECT_SECONDS, Address
from ._values import Value
from .errors import ConnectionLost, MedusaError, ProtocolError, SessionEnded

_FINISH = json.dumps({"do": "finish"}).encode()
_OPEN_SECONDS = 300.0
_FAREWELL_SECONDS = 5.0
_SETTLED_SECONDS = 5.0
_ANSWER_BYTES_MAX = 16 << 10


def connect(url: Optional[str] = None, token: Optional[str] = None, *,
            refresh_token: Optional[str] = None, tls: Optional[ssl.SSLContext] = None) -> "Client":
    """As `medusa.connect`."""
    return Client(blocking.connect(url, token, refresh_token=refresh_token, tls=tls), tls)


async def login(email: str, password: str, url: Optional[str] = None, *,
                tls: Optional[ssl.SSLContext] = None) -> "Client":
    """As `medusa.login`."""
    return Client(await asyncio.to_thread(blocking.login, email, password, url, tls=tls), tls)


class _Line(asyncio.BufferedProtocol):
    """One WebSocket on the event loop."""

    def __init__(self, session: "Session", address: Address):
        loop = asyncio.get_running_loop()
        self._session = session
        request, self._accept = _wire.upgrade(address.netloc, address.target)
        self._request = request
        self.masker = _wire.Masker(address.is_private())
        self.opened: asyncio.Future[None] = loop.create_future()
        self._reader: Optional[_wire.Reader] = None
        self._answer = bytearray()
        self._room = memoryview(bytearray(4096))
        self.transport: Optional[asyncio.Transport] = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # What waits to be sent may be the caller's own memory: a round is sent before it goes on.
        transport.set_write_buffer_limits(0)
        transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer() if self._reader else self._room

    def buffer_updated(self, size: int) -> None:
        try:
            if self._reader:
                self._reader.received(size)
            else:
                self._shake_hands(size)
        except (ConnectionLost, ProtocolError) as error:
            self.lose(error)
        self._session._heard(self)

    def _shake_hands(self, size: int) -> None:
        self._answer += self._room[:size]
        head, end, early = bytes(self._answer).partition(b"\r\n\r\n")
        if end:
            _wire.check_upgrade(head, self._accept)
            if not self.opened.done():
                self.opened.set_result(None)
            self._reader = _wire.Reader(self._session._rounds, early)
        elif len(self._answer) > _ANSWER_BYTES_MAX:
            raise ProtocolError("the session's home answers no handshake")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Optional[Exception]) -> None:
        why = f": {error}" if error else ""
        self.lose(ConnectionLost(f"the session's home closed the line{why}"))

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def write(self, pieces: Iterable[bytes | memoryview]) -> None:
        assert self.transport is not None
        for piece in pieces:
            self.transport.write(piece)

    async def drained(self) -> None:
        """Until what was written is on its way."""
        await self._may_write.wait()

    def lose(self, error: MedusaError) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
        self._may_write.set()
        self._session._lost(self, error)


class Shard:
    """One shard of a session: its program can be asked by itself."""

    def __init__(self, session: "Session", index: int):
        self._session, self.index = session, index

    async def call(self, value: Value, *, dtype: Any = None,
                   timeout: Optional[float] = None) -> Any:
        """Sends `value` to this shard's program alone, and gives its answer."""
        future = await self.submit(value, dtype=dtype)
        return await _within(future, timeout)

    async def submit(self, value: Value, *, dtype: Any = None) -> "asyncio.Future[Any]":
        """The same, without waiting for the answer."""
        return await self._session._submit(value, None, None, dtype, self.index)


class Session:
    """An open session, as `medusa.Session`; all of it belongs to one event loop."""

    def __init__(self, client: "Client", opened: dict[str, Any], depth: int,
                 tls: Optional[ssl.SSLContext]):
        if not 1 <= depth <= UNDER_WAY_MAX:
            raise ValueError(f"depth is 1 to {UNDER_WAY_MAX} rounds under way")
        self._client, self._view, self._depth, self._tls = client, opened, depth, tls
        #: The session's id.
        self.id: str = opened["id"]
        self._line: Optional[_Line] = None
        # Held while a line is made.
        self._connecting = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        self._is_closed = False
        self._rounds = Rounds(self._pong)

    async def round(self, value: Value, reduce: Optional[str] = None, *,
                    number: Optional[str] = None, dtype: Any = None,
                    timeout: Optional[float] = None) -> Any:
        """As `medusa.Session.round`."""
        future = await self._submit(value, reduce, number, dtype, None)
        return await _within(future, timeout)

    async def submit_round(self, value: Value, reduce: Optional[str] = None, *,
                           number: Optional[str] = None,
                           dtype: Any = None) -> "asyncio.Future[Any]":
        """As `medusa.Session.submit_round`: waits only for a place, and gives a future."""
        return await self._submit(value, reduce, number, dtype, None)

    async def _submit(self, value: Value, reduce: Optional[str], number: Optional[str], dtype: Any,
                      shard: Optional[int]) -> "asyncio.Future[Any]":
        if self._is_closed:
            raise self._rounds.over or SessionEnded(None, "it was closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Answer, value: Any, error: Optional[BaseException]) -> None:
            if future.done():
                return
            future.set_exception(error) if error is not None else future.set_result(value)

        while True:
            await self._connect()
            await self._until(lambda: len(self._rounds.pending) < self._depth)
            line = self._line
            # Nothing else ran since the last look, so that numbers leave in order.
            if line is not None:
                break
        _, head, payload = self._rounds.begin(value, reduce, number, dtype, shard, done)
        line.write(line.masker.messages(head, payload))
        await line.drained()
        return future

    async def _connect(self) -> None:
        async with self._connecting:
            if self._line is None:
                if self._rounds.over:
                    raise self._rounds.over
                address = Address(await self._home())
                tls = (self._tls or ssl.create_default_context()) if address.is_tls else None
                loop = asyncio.get_running_loop()
                made = _Line(self, address)
                # The session may greet before this goes on.
                self._rounds.connected()
                self._line = made
                try:
                    opening = loop.create_connection(lambda: made, address.host, address.port,
                                                     ssl=tls)
                    await asyncio.wait_for(opening, CONNECT_SECONDS)
                    await asyncio.wait_for(made.opened, CONNECT_SECONDS)
                except (OSError, asyncio.TimeoutError) as error:
                    self._line = None
                    if isinstance(error, ConnectionLost):
                        raise
                    raise ConnectionLost(f"no connection to {address.netloc}: {error}") from error
        await self._until(lambda: self._rounds.is_greeted)

    async def _home(self) -> str:
        if not self._view.get("home"):
            self._view = await self._client.look(self.id)
        home = self._view.pop("home", None)
        if home is None:
            raise SessionEnded(self._view.get("code"), "it has ended meanwhile")
        url: str = home["url"]
        return self._client._blocking.websocket_url(url) if url.startswith("/") else url

    async def _until(self, is_done: Callable[[], bool]) -> None:
        """Until then; raises what ends the session or the line before."""
        while not is_done():
            if self._rounds.over or self._line is None:
                raise self._rounds.over or ConnectionLost("the line broke")
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(changed)
            try:
                await changed
            finally:
                self._waiting.discard(changed)

    def _heard(self, line: _Line) -> None:
        self._rounds.settle()
        waiting, self._waiting = self._waiting, set()
        for changed in waiting:
            if not changed.done():
                changed.set_result(None)

    def _lost(self, line: _Line, error: MedusaError) -> None:
        if self._line is line:
            self._line = None
            self._rounds.fail_all(self._rounds.over or error)
            self._heard(line)

    def _pong(self, payload: bytes) -> None:
        if self._line is not None:
            self._line.write([self._line.masker.frame(_wire.PONG, payload)])

    def __len__(self) -> int:
        return self._rounds.shards

    def __getitem__(self, shard: int) -> Shard:
        if not 0 <= shard < len(self):
            raise IndexError(f"there are {len(self)} shards, counted from 0")
        return Shard(self, shard)

    @property
    def last(self) -> Optional[Answer]:
        """Fuel, time and metrics of the round that was answered last."""
        return self._rounds.last

    def stats(self) -> Stats:
        """Rounds, fuel, and the latencies at the median and at 99 %."""
        return self._rounds.stats()

    async def cost(self) -> Decimal:
        """Credits that are spent, as the server knows them."""
        view = await self._client.look(self.id)
        until = time.monotonic() + _SETTLED_SECONDS
        while self._rounds.over and view["state"] == "open" and time.monotonic() < until:
            await asyncio.sleep(0.02)
            view = await self._client.look(self.id)
        return Decimal(view["spent"])

    async def finish(self, timeout: Optional[float] = None) -> None:
        """As `medusa.Session.finish`."""
        try:
            if self._rounds.over is None and not self._is_closed:
                await _within(self._finish(), timeout)
        finally:
            over = self._rounds.over
            self.close()
        if over is not None and over.code is not None:
            raise over

    async def _finish(self) -> None:
        await self._connect()
        self._say_finish()
        await self._until(lambda: self._rounds.over is not None)

    def _say_finish(self) -> None:
        if self._line is not None:
            self._line.write([self._line.masker.frame(_wire.TEXT, _FINISH)])

    async def _open(self, timeout: float) -> None:
        try:
            await _within(self._connect(), timeout)
        except BaseException:
            self._say_finish()
            self.close(gently=True)
            raise

    def close(self, *, gently: bool = False) -> None:
        """Lets go of the line. A session that was not finished ends after 90 s without a round."""
        self._is_closed = True
        line = self._line
        if line is not None:
            if gently and line.transport is not None:
                # What was said last goes out before the line ends.
                line.transport.close()
                self._lost(line, ConnectionLost("the session was closed"))
            else:
                line.lose(ConnectionLost("the session was closed"))

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        if error is None:
            await self.finish()
            return
        try:
            await self.finish(_FAREWELL_SECONDS)
        except (MedusaError, TimeoutError):
            pass  # The error that is on its way says more.


class _Opening:
    """A session that is being opened: to be awaited, or entered with `async with`."""

    def __init__(self, make: Callable[[], Any]):
        self._make = make
        self._session: Optional[Session] = None

    def __await__(self) -> Any:
        return self._make().__await__()

    async def __aenter__(self) -> Session:
        session: Session = await self._make()
        self._session = session
        return session

    async def __aexit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        assert self._session is not None
        await self._session.__aexit__(kind, error, trace)


class Client:
    """A person at a server, as `medusa.Client`."""

    def __init__(self, client: blocking.Client, tls: Optional[ssl.SSLContext]):
        self._blocking, self._tls = client, tls

    async def upload(self, data: Input) -> str:
        """As `medusa.Client.upload`."""
        return await asyncio.to_thread(self._blocking.upload, data)

    async def program(self, program: Program, *, name: Optional[str] = None,
                      runtime: Optional[str] = None) -> str:
        """As `medusa.Client.program`."""
        return await asyncio.to_thread(self._blocking.program, program, name=name, runtime=runtime)

    def session(self, program: Program, shards: Union[int, Iterable[Value], None] = None, *,
                max_credits: Amount, input: Optional[Input] = None,
                split: Optional[Mapping[str, Any]] = None, spares: int = 0, memory_mib: int = 0,
                args: Sequence[str] = (), name: str = "session", priority: str = "standard",
                keep_nan: bool = False, remembers: bool = False, depth: int = 16,
                timeout: float = _OPEN_SECONDS) -> _Opening:
        """As `medusa.Client.session`: `async with cl.session(...) as s`, or `await` it."""
        async def make() -> Session:
            opened = await asyncio.to_thread(
                self._blocking._begin, program, shards, max_credits, input, split, spares,
                spec(name, args, {}, memory_mib, priority), keep_nan, remembers)
            session = Session(self, opened, depth, self._tls)
            await session._open(timeout)
            return session

        return _Opening(make)

    async def sessions(self) -> list[dict[str, Any]]:
        """As `medusa.Client.sessions`."""
        return await asyncio.to_thread(self._blocking.sessions)

    async def look(self, session: str) -> dict[str, Any]:
        """As `medusa.Client.look`."""
        return await asyncio.to_thread(self._blocking.look, session)

    async def credits(self) -> Decimal:
        """As `medusa.Client.credits`."""
        return await asyncio.to_thread(lambda: self._blocking.credits)

    def close(self) -> None:
        """As `medusa.Client.close`."""
        self._blocking.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


async def _within(waiting: Any, timeout: Optional[float]) -> Any:
    """The standard library's one `TimeoutError`, which asyncio raises only since Python 3.11."""
    if timeout is None:
        return await waiting
    try:
        return await asyncio.wait_for(waiting, timeout)
    except asyncio.TimeoutError:
        raise TimeoutError("no answer in time") from None
