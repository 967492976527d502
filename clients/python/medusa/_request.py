"""What a session is asked for: a program, shards as an input and a splitter, and a budget."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

from ._values import Value, encode

Program = Union[str, "os.PathLike[str]", bytes, bytearray]
Input = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview]
Amount = Union[int, float, str, Decimal]


@dataclass(frozen=True)
class Source:
    """Bytes to be uploaded, or a file of them."""

    data: Optional[memoryview]
    path: Optional[str]
    sha256: bytes
    size: int

    @classmethod
    def of(cls, what: Input) -> "Source":
        """Raises `OSError` where a file cannot be read."""
        if isinstance(what, (str, os.PathLike)):
            path = os.fspath(what)
            digest, size = hashlib.sha256(), 0
            with open(path, "rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
                    size += len(part)
            return cls(None, path, digest.digest(), size)
        data = memoryview(what).cast("B")
        return cls(data, None, hashlib.sha256(data).digest(), len(data))

    def part(self, first: int, end: int) -> bytes | memoryview:
        """Bytes from `first` to before `end`."""
        if self.data is not None:
            return self.data[first:end]
        assert self.path is not None
        with open(self.path, "rb") as file:
            file.seek(first)
            return file.read(end - first)


def credits(amount: Amount) -> str:
    """An amount as the API writes it. Raises `ValueError`."""
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{amount!r} is no amount of credits") from None
    if not exact.is_finite() or exact <= 0 or exact != round(exact, 6):
        raise ValueError(f"an amount is above 0 with at most six decimal places, unlike {amount}")
    return f"{exact:f}"


def cut(shards: Union[int, Iterable[Value]]) -> tuple[Optional[Source], dict[str, Any]]:
    """Input and splitter that give these shards back, byte for byte. A number is so many shards
    with nothing in them but `INDEX 1` and a line feed."""
    if isinstance(shards, int):
        if shards < 1:
            raise ValueError("a session has at least one shard")
        return None, {"by": "range", "from": 0, "to": shards, "step": 1}
    if isinstance(shards, (bytes, bytearray, memoryview, str)):
        raise TypeError("shards are several values: write [data] for one")
    parts = [encode(shard)[0] for shard in shards]
    if not parts:
        raise ValueError("a session has at least one shard")
    first, last = len(parts[0]), len(parts[-1])
    if 0 < last <= first and all(len(part) == first for part in parts[:-1]):
        # They lie behind each other as they are.
        data = parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
        return Source.of(data), {"by": "bytes", "bytes": first}
    packed = io.BytesIO()
    width = len(str(len(parts)))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for index, part in enumerate(parts):
            # The date is fixed, so that the same shards are the same input.
            entry = zipfile.ZipInfo(f"{index:0{width}}", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, part.tobytes())
    return Source.of(packed.getbuffer()), {"by": "files"}


def spec(name: str, args: Sequence[str], split: Mapping[str, Any], memory_mib: int,
         priority: str) -> dict[str, Any]:
    """The specification of a session's program."""
    return {"name": name[:100] or "session", "args": list(args), "split": dict(split), "copies": 1,
            "memory_mib": memory_mib, "priority": priority}
