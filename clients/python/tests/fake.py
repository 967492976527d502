"""A home of one session, for tests: a thread that speaks the protocol and does as it is told."""

import base64
import hashlib
import json
import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from medusa._wire import HEAD_BYTES, PART_BYTES  # noqa: E402

HEAD = struct.Struct("<BBBBIQIIQ")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload, fin=True):
    """A frame as a server sends it: without a mask."""
    first = opcode | (0x80 if fin else 0)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return struct.pack(">BBH", first, 126, size) + payload
    return struct.pack(">BBQ", first, 127, size) + payload


def message(kind, round, payload, *, shard=0, reduce=0, number=0, fuel=0):
    """The messages of a payload, each as its bytes."""
    return [HEAD.pack(1, kind, reduce, number, shard, round, len(payload), offset, fuel)
            + payload[offset:offset + PART_BYTES]
            for offset in range(0, max(1, len(payload)), PART_BYTES)]


class Line:
    """A client's connection, as the home sees it."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")
        self.keys = []

    def shake_hands(self, accept=None, protocol="medusa.session.v1"):
        lines = []
        while (line := self.file.readline().rstrip()) != b"":
            lines.append(line.decode())
        self.target = lines[0].split()[1]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        key = next(line.split(": ", 1)[1] for line in lines if line.startswith("Sec-WebSocket-Key"))
        assert headers["sec-websocket-protocol"] == "medusa.session.v1", headers
        proof = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        self.sock.sendall((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept or proof}\r\n"
                           f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())

    def read_frame(self):
        """Opcode and payload of the next frame, or nothing at the end. A frame without a mask is a
        mistake."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        assert head[0] & 0x80 and head[1] & 0x80, "a client's frames are whole and masked"
        size = head[1] & 127
        if size > 125:
            wide = 2 if size == 126 else 8
            size = int.from_bytes(self.file.read(wide), "big")
        key = self.file.read(4)
        self.keys.append(key)
        body = self.file.read(size)
        keys = (key * (size // 4 + 1))[:size]
        mixed = int.from_bytes(body, "big") ^ int.from_bytes(keys, "big")
        return head[0] & 15, mixed.to_bytes(size, "big")

    def read(self):
        """The next whole payload with its head as a tuple, or words, or nothing at the end."""
        payload = b""
        while True:
            got = self.read_frame()
            if got is None or got[0] == 8:
                return None
            opcode, body = got
            if opcode == 1:
                return json.loads(body)
            if opcode != 2:
                return opcode, body
            version, *head = HEAD.unpack(body[:HEAD_BYTES])
            assert version == 1 and head[6] == len(payload), head
            assert len(body) <= HEAD_BYTES + PART_BYTES
            payload += body[HEAD_BYTES:]
            if len(payload) == head[5]:
                return tuple(head), payload

    def send(self, *frames):
        self.sock.sendall(b"".join(frames))

    def say(self, **word):
        self.send(frame(1, json.dumps(word).encode()))

    def ready(self, shards=2, round=0):
        self.say(**{"is": "ready"}, shards=shards, round=round)

    def answer(self, round, *payloads, kind=3, **more):
        for shard, payload in enumerate(payloads):
            for one in message(kind, round, payload, **{"shard": shard, **more}):
                self.send(frame(2, one))

    def ended(self, code=None, detail="finished"):
        self.say(**{"is": "ended"}, code=code, detail=detail)

    def echo(self, shards=2):
        """Answers rounds with what they brought until the client finishes."""
        while (got := self.read()) is not None:
            if isinstance(got, dict):
                assert got == {"do": "finish"}, got
                return self.ended()
            (kind, reduce, number, shard, round, *_), payload = got
            if kind == 2 or reduce:
                self.answer(round, payload, shard=shard, fuel=10)
            else:
                self.answer(round, *[payload] * shards, fuel=10)


class Home:
    """Listens on a port of its own; each connection is given to the next of `scripts`."""

    def __init__(self, *scripts, tls=None):
        self.tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.scripts = scripts
        self.errors = []
        self.lines = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.listener.getsockname()[1]}/v1/sessions/ses_1/drive?sig=x"

    def serve(self):
        for script in self.scripts:
            sock, _ = self.listener.accept()
            if self.tls:
                try:
                    sock = self.tls.wrap_socket(sock, server_side=True)
                except OSError as error:
                    self.errors.append(error)
                    sock.close()
                    continue
            with sock:
                line = Line(sock)
                self.lines.append(line)
                try:
                    script(line)
                except Exception as error:
                    self.errors.append(error)
                finally:
                    line.file.close()
                    try:
                        sock.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.thread.join(10)
        self.listener.close()
        if kind is None:
            assert not self.thread.is_alive(), "the home waits still"
            assert not self.errors, self.errors


class Server:
    """What a session asks its server for."""

    def __init__(self, url):
        self.url = url
        self.looks = 0

    def look(self, session):
        self.looks += 1
        return {"id": session, "state": "done", "spent": "0.5", "home": {"url": self.url}}


def greeting(script, shards=2, round=0):
    """A script that begins with a handshake and a greeting."""
    def whole(line):
        line.shake_hands()
        line.ready(shards, round)
        script(line)
    return whole
