"""Requests of the HTTP API over one kept connection: token, idempotency key, problem documents."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import uuid
from typing import Any, Mapping, Optional, Union
from urllib.parse import urlsplit

from .errors import ApiError, BudgetExceeded, ConnectionLost

Body = Union[bytes, memoryview, None]
_ANSWER_BYTES_MAX = 64 << 20
_SECONDS = 60.0
#: The slowest line that a transfer is given time for, in bytes a second.
_SLOWEST = 64 << 10
_TRIES = 4


class Http:
    """A server. May be used by several threads, one request at a time."""

    def __init__(self, url: str, token: Optional[str], refresh_token: Optional[str],
                 tls: Optional[ssl.SSLContext]):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server, like https://medusa.example")
        self.base = url.rstrip("/")
        self._is_tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._token, self._refresh_token, self._tls = token, refresh_token, tls
        self._lock = threading.Lock()
        self._line: Optional[http.client.HTTPConnection] = None

    def call(self, method: str, path: str, body: Any = None, *, raw: Body = None,
             headers: Optional[Mapping[str, str]] = None, anonymous: bool = False,
             repeatable: Optional[bool] = None) -> Any:
        """One request with a JSON body or a raw one; the answer's JSON.

        Reads, and writes with the same idempotency key, are tried again where the server is away or
        busy. Raises `ApiError` and `ConnectionLost`.
        """
        sent = {"Accept": "application/json", **(headers or {})}
        data: Body = raw
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        if method in ("POST", "DELETE") and not anonymous:
            sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
        may_repeat = not anonymous if repeatable is None else repeatable
        with self._lock:
            for attempt in range(_TRIES):
                try:
                    return self._authorised(method, path, data, sent, anonymous)
                except ConnectionLost:
                    if not may_repeat or attempt + 1 == _TRIES:
                        raise
                    pause = 0.2 * 2 ** attempt
                except ApiError as error:
                    busy = error.status in (429, 502, 503, 504)
                    pause = float(error.problem.get("retry_after") or 0.2 * 2 ** attempt)
                    if not (busy and may_repeat) or attempt + 1 == _TRIES or pause > 10:
                        raise
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _authorised(self, method: str, path: str, data: Body, headers: Mapping[str, str],
                    anonymous: bool) -> Any:
        if anonymous or self._token is None:
            return self._once(method, path, data, headers)
        try:
            return self._once(method, path, data, {**headers, **self._bearer()})
        except ApiError as error:
            if error.status != 401 or self._refresh_token is None:
                raise
        used, self._refresh_token = self._refresh_token, None
        self.keep(self._once("POST", "/v1/tokens/refresh",
                             json.dumps({"refresh_token": used}).encode(),
                             {"Content-Type": "application/json"}))
        return self._once(method, path, data, {**headers, **self._bearer()})

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def keep(self, tokens: Mapping[str, Any]) -> None:
        """Takes the tokens of a login."""
        self._token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]

    def _once(self, method: str, path: str, data: Body, headers: Mapping[str, str]) -> Any:
        try:
            status, content = self._exchange(method, path, data, headers)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise ConnectionLost(f"no answer from {self.base}: {error}") from error
        try:
            answer = json.loads(content) if content else None
        except ValueError:
            answer = None
        if 200 <= status < 300:
            return answer
        problem = answer if isinstance(answer, dict) else {}
        code = str(problem.get("code", "client.foreign_answer"))
        detail = str(problem.get("detail", f"the answer was {status}, not one of a Medusa server"))
        if code == "billing.credits_short":
            raise BudgetExceeded(0, None, code, detail)
        raise ApiError(status, code, detail, problem)

    def _exchange(self, method: str, path: str, data: Body,
                  headers: Mapping[str, str]) -> tuple[int, bytes]:
        size = len(data) if data is not None else 0
        if self._line is None:
            self._line = self._open()
        line = self._line
        seconds = _SECONDS + size / _SLOWEST
        line.timeout = seconds
        if line.sock is not None:
            line.sock.settimeout(seconds)
        line.request(method, self._prefix + path, body=data, headers=dict(headers))
        answer = line.getresponse()
        content = answer.read(_ANSWER_BYTES_MAX)
        if answer.will_close:
            self._drop()
        return answer.status, content

    def _open(self) -> http.client.HTTPConnection:
        if self._is_tls:
            context = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=_SECONDS,
                                               context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._drop()
