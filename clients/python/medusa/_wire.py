"""Bytes on the line: WebSocket frames (RFC 6455) and the heads of a session's messages.

Nothing here reads or writes a socket. The reader says where the next bytes go, so that the parts of
a large answer come straight into their place; both clients use it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from typing import NamedTuple, Optional, Protocol

from .errors import ProtocolError

SUBPROTOCOL = "medusa.session.v1"
HEAD_BYTES = 32
PART_BYTES = 128 << 10
PAYLOAD_BYTES_MAX = 64 << 20
ROUND, CALL, ANSWER, METRICS = 1, 2, 3, 4
REDUCES = {None: 0, "none": 0, "sum": 1, "mean": 2, "weighted-mean": 3, "min": 4, "max": 5,
           "concat": 6}
NUMBERS = {"f64": 0, "f32": 1, "i64": 2}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_HEAD = struct.Struct("<BBBBIQIIQ")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT_BYTES_MAX = 1 << 20
# A small answer is one read; of a large one, so much is copied before the rest is read in place.
_BUFFER_BYTES = 16 << 10


class Head(NamedTuple):
    """What stands before the bytes of a message."""

    kind: int
    reduce: int
    number: int
    shard: int
    round: int
    total: int
    offset: int
    fuel: int


def decode_head(data: bytes) -> Head:
    version, *fields = _HEAD.unpack(data)
    if version != 1:
        raise ProtocolError(f"version {version} of the session protocol is not known")
    return Head(*fields)


def mask(payload: memoryview, key: bytes) -> bytes:
    """The payload with every byte changed by the key of four bytes, in a few passes of C."""
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")
    return mixed.to_bytes(size, "little")


def frame_head(opcode: int, size: int, key: bytes) -> bytes:
    """The head of a whole, masked frame of `size` bytes."""
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + key
    if size < 1 << 16:
        return struct.pack(">BBH", 0x80 | opcode, 0xFE, size) + key
    return struct.pack(">BBQ", 0x80 | opcode, 0xFF, size) + key


class Masker:
    """Makes a client's frames. With `plain` every key is zero, so that nothing has to be copied:
    for lines that no stranger can read, where masks protect nobody."""

    def __init__(self, plain: bool):
        self.plain = plain

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """A whole frame."""
        key = bytes(4) if self.plain else os.urandom(4)
        body = payload if self.plain else mask(memoryview(payload), key)
        return frame_head(opcode, len(payload), key) + body

    def messages(self, head: Head, payload: memoryview) -> list[bytes | memoryview]:
        """The frames of a payload as pieces to be sent in order; part after part."""
        pieces: list[bytes | memoryview] = []
        for offset in range(0, max(head.total, 1), PART_BYTES):
            part = payload[offset:offset + PART_BYTES]
            begin = _HEAD.pack(1, *head[:6], offset, head.fuel)
            if self.plain:
                pieces.append(frame_head(BINARY, HEAD_BYTES + len(part), bytes(4)) + begin)
                if len(part):
                    pieces.append(part)
            else:
                pieces.append(self.frame(BINARY, begin + part))
        return pieces


class Sink(Protocol):
    """Who gets what the reader finds."""

    def place(self, head: Head) -> Optional[memoryview]:
        """Where the whole payload of this message goes; nowhere if nobody waits for it."""

    def part(self, head: Head, size: int) -> None:
        """A part of `size` bytes has come, and is in its place."""

    def text(self, text: str) -> None:
        """Words have come."""

    def control(self, opcode: int, payload: bytes) -> None:
        """A ping, a pong or a close has come."""


class Reader:
    """Takes frames apart, whatever pieces they come in. `buffer()` is where the next bytes go and
    `received(n)` says how many came."""

    def __init__(self, sink: Sink, early: bytes = b""):
        self._sink = sink
        self._bytes = bytearray(max(_BUFFER_BYTES, len(early)))
        self._view = memoryview(self._bytes)
        self._begin, self._end = 0, 0
        # Of the frame: bytes that are still to come, and whether it ends its message.
        self._left, self._fin, self._in_frame = 0, True, False
        # Of the message: its opcode (0 between messages), head, and where its bytes go.
        self._opcode = 0
        self._raw, self._head = bytearray(), None  # type: bytearray, Optional[Head]
        self._place: Optional[memoryview] = None
        self._at = 0
        if early:
            self._view[:len(early)] = early
            self.received(len(early))

    def buffer(self) -> memoryview:
        if self._is_direct():
            assert self._place is not None
            return self._place[self._at:self._at + self._left]
        if self._begin == self._end:
            self._begin = self._end = 0
        elif self._end == len(self._bytes):
            rest = self._bytes[self._begin:self._end]
            self._view[:len(rest)] = rest
            self._begin, self._end = 0, len(rest)
        return self._view[self._end:]

    def _is_direct(self) -> bool:
        return (self._in_frame and self._left > 0 and self._place is not None
                and self._begin == self._end)

    def received(self, size: int) -> None:
        if self._is_direct():
            self._at += size
            self._left -= size
            if self._left == 0:
                self._end_frame()
            return
        self._end += size
        while self._step():
            pass

    def _step(self) -> bool:
        """Takes one step; false when more bytes are needed."""
        if not self._in_frame:
            return self._begin_frame()
        size = min(self._left, self._end - self._begin)
        if size == 0 and self._left:
            return False
        data = self._view[self._begin:self._begin + size]
        self._begin += size
        self._left -= size
        self._take(data)
        if self._left:
            return False
        self._end_frame()
        return True

    def _begin_frame(self) -> bool:
        have = self._end - self._begin
        if have < 2:
            return False
        first, second = self._bytes[self._begin], self._bytes[self._begin + 1]
        if first & 0x70 or second & 0x80:
            raise ProtocolError("a frame has a mask or bits that were not agreed")
        size, long = second, 2
        if size >= 126:
            long = 4 if size == 126 else 10
            if have < long:
                return False
            size = int.from_bytes(self._bytes[self._begin + 2:self._begin + long], "big")
        opcode = first & 15
        if opcode >= 8:
            return self._take_control(first, opcode, size, long)
        if (opcode == 0) == (self._opcode == 0) or opcode > BINARY:
            raise ProtocolError(f"a frame of kind {opcode} is out of place")
        self._begin += long
        if opcode:
            self._opcode, self._head, self._place = opcode, None, None
            self._raw = bytearray()
        self._left, self._fin, self._in_frame = size, bool(first & 0x80), True
        return True

    def _take_control(self, first: int, opcode: int, size: int, long: int) -> bool:
        """A control frame is taken as a whole; it may stand between the frames of a message."""
        if size > 125 or not first & 0x80:
            raise ProtocolError("a control frame is long, or in pieces")
        if self._end - self._begin < long + size:
            return False
        payload = bytes(self._view[self._begin + long:self._begin + long + size])
        self._begin += long + size
        self._sink.control(opcode, payload)
        return True

    def _take(self, data: memoryview) -> None:
        if self._opcode == TEXT:
            self._raw += data
            if len(self._raw) > _TEXT_BYTES_MAX:
                raise ProtocolError("words of more than 1 MiB")
            return
        if self._head is None:
            need = HEAD_BYTES - len(self._raw)
            self._raw += data[:need]
            data = data[need:]
            if len(self._raw) < HEAD_BYTES:
                return
            head = decode_head(bytes(self._raw))
            if head.total > PAYLOAD_BYTES_MAX or head.offset > head.total:
                raise ProtocolError(f"a part at {head.offset} of {head.total} bytes")
            self._head, self._at = head, head.offset
            self._place = self._sink.place(head)
        end = self._at + len(data)
        if end + self._left > self._head.total:
            raise ProtocolError("a part is longer than its whole")
        if self._place is not None:
            self._place[self._at:end] = data
        self._at = end

    def _end_frame(self) -> None:
        self._in_frame = False
        if not self._fin:
            return
        opcode, head, self._opcode = self._opcode, self._head, 0
        self._place = None
        if opcode == TEXT:
            try:
                text = self._raw.decode()
            except UnicodeDecodeError:
                raise ProtocolError("words that are no UTF-8") from None
            self._sink.text(text)
        elif head is None:
            raise ProtocolError(f"a message of a session has at least {HEAD_BYTES} bytes")
        else:
            self._sink.part(head, self._at - head.offset)


def upgrade(host: str, target: str) -> tuple[bytes, bytes]:
    """A client's handshake, and the answer's `Sec-WebSocket-Accept`."""
    key = base64.b64encode(os.urandom(16))
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    lines = (f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key.decode()}", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Protocol: {SUBPROTOCOL}", "", "")
    return "\r\n".join(lines).encode("ascii"), accept


def check_upgrade(answer: bytes, accept: bytes) -> None:
    """Checks the head of the answer to a handshake.

    Raises `ProtocolError`, with what the server says, where it is none.
    """
    status, *lines = answer.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if status.split(" ")[1:2] != ["101"]:
        raise ProtocolError(f"the session's home answers {status!r}: ask for the session again")
    if headers.get("sec-websocket-accept") != accept.decode():
        raise ProtocolError("the session's home does not speak WebSocket")
    if headers.get("sec-websocket-protocol") != SUBPROTOCOL:
        raise ProtocolError(f"the session's home does not speak {SUBPROTOCOL}")
