"""The server, as a consumer's program sees it: programs, inputs and sessions."""

from __future__ import annotations

import base64
import os
import ssl
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Optional, Sequence, Union

from ._http import Http
from ._request import Amount, Input, Program, Source, credits, cut, spec
from ._socket import deadline
from ._values import Value
from .errors import MedusaError
from .session import Session

if TYPE_CHECKING:
    from .executor import Executor

#: What is larger is uploaded in parts.
_WHOLE_BYTES_MAX = 8 << 20
_JOIN_SECONDS = 600.0
_OPEN_SECONDS = 300.0


def connect(url: Optional[str] = None, token: Optional[str] = None, *,
            refresh_token: Optional[str] = None, tls: Optional[ssl.SSLContext] = None) -> "Client":
    """A client of the server at `url` for the owner of `token`, an access token.

    What is left out is read from `MEDUSA_URL` and `MEDUSA_TOKEN`. An access token is good for some
    minutes; with its refresh token the client gets the next ones. Raises `ValueError` where
    something is missing; the server is not asked yet.
    """
    url = url or os.environ.get("MEDUSA_URL")
    token = token or os.environ.get("MEDUSA_TOKEN")
    if not url:
        raise ValueError("name the server: connect(url=...), or MEDUSA_URL in the environment")
    if not token:
        raise ValueError("a token is missing: connect(token=...), MEDUSA_TOKEN, or medusa.login()")
    return Client(Http(url, token, refresh_token, tls), tls)


def login(email: str, password: str, url: Optional[str] = None, *,
          tls: Optional[ssl.SSLContext] = None) -> "Client":
    """A client for the person with this address and password.

    Raises `ApiError` with the code `accounts.login_refused` where they do not fit.
    """
    url = url or os.environ.get("MEDUSA_URL")
    if not url:
        raise ValueError("name the server: login(..., url=...), or MEDUSA_URL in the environment")
    http = Http(url, None, None, tls)
    form = {"email": email, "password": password}
    http.keep(http.call("POST", "/v1/login", form, anonymous=True))
    return Client(http, tls)


class Client:
    """A person at a server. May be used by several threads. Made by `connect` and `login`."""

    def __init__(self, http: Http, tls: Optional[ssl.SSLContext]):
        self._http, self._tls = http, tls
        self._lock = threading.Lock()
        # Programs and inputs that this client has uploaded, by their digests.
        self._programs: dict[tuple[bytes, Optional[str]], str] = {}
        self._inputs: set[bytes] = set()

    def upload(self, data: Input) -> str:
        """Uploads bytes or a file, and gives their SHA-256 in hex, by which inputs are named."""
        return self._upload(Source.of(data))

    def _upload(self, source: Source) -> str:
        name = source.sha256.hex()
        if source.sha256 in self._inputs:
            return name
        if source.size > _WHOLE_BYTES_MAX:
            self._upload_in_parts(source)
        else:
            digest = base64.b64encode(source.sha256).decode()
            headers = {"Content-Type": "application/octet-stream",
                       "Content-Digest": f"sha-256=:{digest}:"}
            self._http.call("POST", "/v1/blobs", raw=source.part(0, source.size), headers=headers)
        self._inputs.add(source.sha256)
        return name

    def _upload_in_parts(self, source: Source) -> None:
        """Sends what the server does not have, one part after the other."""
        begin = {"size": source.size, "sha256": source.sha256.hex()}
        upload = self._http.call("POST", "/v1/uploads", begin)
        path = f"/v1/uploads/{upload['id']}"
        until = None
        while upload["state"] in ("open", "joining"):
            if upload["state"] == "joining":
                until = until or time.monotonic() + _JOIN_SECONDS
                if time.monotonic() > until:
                    raise TimeoutError("the server did not put the upload together in time")
                time.sleep(0.1)
                upload = self._http.call("GET", path)
                continue
            first = upload["received"]
            part = source.part(first, min(source.size, first + upload["part_bytes"]))
            headers = {"Content-Type": "application/octet-stream"}
            upload = self._http.call("PUT", f"{path}/parts/{first}", raw=part, headers=headers)
        if upload["state"] != "done":
            raise MedusaError(f"the upload was {upload['state']}: its bytes changed on the way")

    def program(self, program: Program, *, name: Optional[str] = None,
                runtime: Optional[str] = None) -> str:
        """Uploads a program, and gives its id: a file or the bytes of a WebAssembly module, or a
        Python script (`.py`, or runtime `python`). An id is given back as it is."""
        if isinstance(program, str) and program.startswith("prg_"):
            return program
        if not isinstance(program, (bytes, bytearray)):
            path = os.fspath(program)
            name = name or os.path.basename(path)
            runtime = runtime or ("python" if path.endswith(".py") else None)
        source = Source.of(program)
        with self._lock:
            known = self._programs.get((source.sha256, runtime))
            if known is None:
                body = {"sha256": self._upload(source), "name": name or "program",
                        "runtime": runtime}
                known = str(self._http.call("POST", "/v1/programs", body)["id"])
                self._programs[source.sha256, runtime] = known
        return known

    def session(self, program: Program, shards: Union[int, Iterable[Value], None] = None, *,
                max_credits: Amount, input: Optional[Input] = None,
                split: Optional[Mapping[str, Any]] = None, spares: int = 0, memory_mib: int = 0,
                args: Sequence[str] = (), name: str = "session", priority: str = "standard",
                keep_nan: bool = False, remembers: bool = False, depth: int = 16,
                timeout: float = _OPEN_SECONDS) -> Session:
        """Opens a session, and returns when every shard is in the memory of an agent.

        The shards are `shards`, each a value that one agent's program reads first, or an `input`
        that the splitter `split` cuts (docs/splitting.md). At most `max_credits` is spent.
        `spares` are agents more, who take over where one is lost. Programs whose answers depend on
        earlier rounds need `remembers`. Up to `depth` rounds are under way at once.

        Raises `ApiError`, `BudgetExceeded` where the wallet does not cover it, and `TimeoutError`
        where there are no agents for so many seconds.
        """
        opened = self._begin(program, shards, max_credits, input, split, spares,
                             spec(name, args, {}, memory_mib, priority), keep_nan, remembers)
        session = Session(self, opened, depth, self._tls)
        session._open(deadline(timeout))
        return session

    def _begin(self, program: Program, shards: Union[int, Iterable[Value], None],
               max_credits: Amount, input: Optional[Input], split: Optional[Mapping[str, Any]],
               spares: int, specified: dict[str, Any], keep_nan: bool,
               remembers: bool) -> dict[str, Any]:
        budget = credits(max_credits)
        if (shards is None) == (split is None) or (shards is not None and input is not None):
            raise ValueError("give either shards, or a split with its input")
        if shards is not None:
            source, split = cut(shards)
        else:
            source = None if input is None else Source.of(input)
        body = {"program": self.program(program),
                "input": None if source is None else self._upload(source),
                "spec": {**specified, "split": dict(split or {})}, "spares": spares,
                "budget": budget, "keep_nan": keep_nan, "remembers": remembers}
        opened: dict[str, Any] = self._http.call("POST", "/v1/sessions", body)
        return opened

    def executor(self, program: Program, *, max_credits: Amount, workers: int = 1,
                 **more: Any) -> "Executor":
        """A `concurrent.futures.Executor` that runs `program` on so many agents: one answer for
        each value that is submitted. `more` is as for `session`."""
        from .executor import Executor
        return Executor(self.session(program, workers, max_credits=max_credits, depth=64, **more))

    def sessions(self) -> list[dict[str, Any]]:
        """Own sessions, the latest 100, newest first."""
        found: list[dict[str, Any]] = self._http.call("GET", "/v1/sessions")
        return found

    def look(self, session: str) -> dict[str, Any]:
        """How a session is, as the API says it."""
        found: dict[str, Any] = self._http.call("GET", f"/v1/sessions/{session}")
        return found

    @property
    def credits(self) -> Decimal:
        """Credits in the wallet that nothing is held of."""
        return Decimal(self._http.call("GET", "/v1/wallet")["available"])

    def websocket_url(self, path: str) -> str:
        """A path on this server as the address of a WebSocket."""
        return "ws" + self._http.base[len("http"):] + path

    def close(self) -> None:
        """Ends the connection; sessions have lines of their own."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
