"""A WebSocket as a blocking line: one socket, one buffer, no thread and no event loop."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from typing import Iterable, Optional
from urllib.parse import urlsplit

from . import _wire
from .errors import ConnectionLost, ProtocolError

CONNECT_SECONDS = 30.0
_ANSWER_BYTES_MAX = 16 << 10
_IOV_MAX = 512


class Address:
    """Where a session is driven: an address that begins with ws: or wss:."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ProtocolError(f"{url.split('?')[0]} is no address of a session")
        self.is_tls = parts.scheme == "wss"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_tls else 80)
        self.netloc = parts.netloc.rpartition("@")[2]
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def is_private(self) -> bool:
        """No stranger sees what is on this line: it is encrypted, or does not leave the machine."""
        return self.is_tls or self.host in ("localhost", "::1") or self.host.startswith("127.")


def deadline(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def left(until: Optional[float]) -> Optional[float]:
    """Seconds until then. Raises `TimeoutError` when there are none."""
    if until is None:
        return None
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("no answer in time")
    return seconds


class Line:
    """An open WebSocket. Sending and reading are each one thread's at a time."""

    def __init__(self, url: str, tls: Optional[ssl.SSLContext] = None):
        address = Address(url)
        self.masker = _wire.Masker(address.is_private())
        try:
            sock = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
        except OSError as error:
            raise ConnectionLost(f"no connection to {address.netloc}: {error}") from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.is_tls:
                tls = tls or ssl.create_default_context()
                sock = tls.wrap_socket(sock, server_hostname=address.host)
            self._sock = sock
            self._early = self._shake_hands(address)
            # One TLS line is not for two threads at once; a socket is.
            self._tls = threading.Lock() if isinstance(sock, ssl.SSLSocket) else None
            self._may_gather = self._tls is None and hasattr(sock, "sendmsg")
            sock.settimeout(0 if self._tls else None)
        except OSError as error:
            sock.close()
            raise ConnectionLost(f"no connection to {address.netloc}: {error}") from error
        except BaseException:
            sock.close()
            raise

    def _shake_hands(self, address: Address) -> bytes:
        request, accept = _wire.upgrade(address.netloc, address.target)
        self._sock.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self._sock.recv(4096)
            if not more or len(answer) > _ANSWER_BYTES_MAX:
                raise ProtocolError("the session's home answers no handshake")
            answer += more
        head, _, early = answer.partition(b"\r\n\r\n")
        _wire.check_upgrade(head, accept)
        return early

    def reader(self, sink: _wire.Sink) -> _wire.Reader:
        return _wire.Reader(sink, self._early)

    def send(self, pieces: Iterable[bytes | memoryview]) -> None:
        try:
            if self._may_gather:
                self._gather(list(pieces))
            else:
                for piece in pieces:
                    self._send_encrypted(piece) if self._tls else self._sock.sendall(piece)
        except OSError as error:
            raise ConnectionLost(f"the line broke: {error}") from error

    def _gather(self, pieces: list[bytes | memoryview]) -> None:
        """Sends all pieces in as few calls as they take, without joining them."""
        while pieces:
            sent = self._sock.sendmsg(pieces[:_IOV_MAX])
            done = 0
            for piece in pieces:
                if sent < len(piece):
                    break
                sent -= len(piece)
                done += 1
            del pieces[:done]
            if sent:
                pieces[0] = memoryview(pieces[0])[sent:]

    def _send_encrypted(self, piece: bytes | memoryview) -> None:
        assert self._tls is not None
        rest = memoryview(piece)
        while len(rest):
            try:
                with self._tls:
                    sent = self._sock.send(rest)
                rest = rest[sent:]
            except ssl.SSLWantWriteError:
                self._wait(False, None)
            except ssl.SSLWantReadError:
                self._wait(True, None)

    def receive(self, reader: _wire.Reader, timeout: Optional[float]) -> None:
        """Waits for some bytes and hands them over. Raises `ConnectionLost`, and `TimeoutError`,
        after which it can go on."""
        try:
            if self._tls:
                size = self._receive_encrypted(reader.buffer(), timeout)
            else:
                if timeout is not None:
                    self._wait(True, timeout)
                size = self._sock.recv_into(reader.buffer())
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLost(f"the line broke: {error}") from error
        if size == 0:
            raise ConnectionLost("the session's home closed the line")
        reader.received(size)

    def _receive_encrypted(self, room: memoryview, timeout: Optional[float]) -> int:
        assert self._tls is not None
        until = deadline(timeout)
        while True:
            try:
                with self._tls:
                    return self._sock.recv_into(room)
            except ssl.SSLWantReadError:
                self._wait(True, left(until))
            except ssl.SSLWantWriteError:
                self._wait(False, left(until))

    def _wait(self, for_reading: bool, timeout: Optional[float]) -> None:
        """Until the socket has bytes, or takes some. Raises `TimeoutError`."""
        wanted = [self._sock]
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._sock, select.POLLIN if for_reading else select.POLLOUT)
            ready = bool(poll.poll(None if timeout is None else max(0, timeout) * 1000))
        else:
            readable, writable = (wanted, []) if for_reading else ([], wanted)
            ready = any(select.select(readable, writable, [], timeout))
        if not ready:
            raise TimeoutError("no answer in time")

    def close(self) -> None:
        try:
            # Wakes a thread that reads.
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It is closed already.
        self._sock.close()
