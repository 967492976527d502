"""What goes into a round and what comes out of one: bytes, `array.array` and numpy arrays.

An array crosses as its raw little-endian bytes. What comes back has the kind of what was sent.
Nothing is pickled.
"""

from __future__ import annotations

import array
import sys
from typing import TYPE_CHECKING, Any, Optional, Union

if TYPE_CHECKING:
    import numpy

Value = Union[bytes, bytearray, memoryview, "array.array[Any]", "numpy.ndarray[Any, Any]"]

_BY_CODE = {"d": "f64", "f": "f32", "q": "i64", "l": "i64"}
_BY_DTYPE = {"<f8": "f64", "<f4": "f32", "<i8": "i64"}


def numpy_if_loaded() -> Any:
    """numpy, where the program uses it: who has no array needs none."""
    return sys.modules.get("numpy")


class Codec:
    """How the answers of one round are kept and given back. This one gives bytes."""

    #: The numbers that the answers consist of, where the value says so.
    number: Optional[str] = None

    def room(self, total: int) -> tuple[Any, memoryview]:
        """Room for so many bytes, and the view to write them through."""
        room = bytearray(total)
        return room, memoryview(room)

    def value(self, room: Any) -> Any:
        """What the caller gets of a filled room."""
        return bytes(room)


class ArrayCodec(Codec):
    """Gives `array.array` of the same type code."""

    def __init__(self, like: "array.array[Any]"):
        self._code = like.typecode
        self.number = _BY_CODE.get(self._code) if like.itemsize in (4, 8) else None

    def value(self, room: Any) -> Any:
        numbers: array.array[Any] = array.array(self._code)
        numbers.frombytes(room)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers


class NumpyCodec(Codec):
    """Gives arrays of one dtype: in the shape of what was sent where the length is the same, else
    with one dimension."""

    def __init__(self, numpy: Any, dtype: Any, shape: Optional[tuple[int, ...]]):
        self._numpy = numpy
        self._dtype = numpy.dtype(dtype).newbyteorder("<")
        self._shape = shape
        self.number = _BY_DTYPE.get(self._dtype.str)

    def room(self, total: int) -> tuple[Any, memoryview]:
        # Unlike a bytearray's, this room is not filled with zeros first.
        room = self._numpy.empty(total, self._numpy.uint8)
        return room, memoryview(room)

    def value(self, room: Any) -> Any:
        size = self._dtype.itemsize
        if len(room) % size:
            raise ValueError(f"an answer of {len(room)} bytes is no array of {self._dtype}: ask "
                             "for another dtype, or for dtype=bytes")
        values = room.view(self._dtype)
        if self._dtype.newbyteorder("=") == self._dtype:
            values = values.view(self._dtype.newbyteorder("="))
        if self._shape is not None:
            count = 1
            for length in self._shape:
                count *= length
            if count == len(values):
                return values.reshape(self._shape)
        return values


def encode(value: Any) -> tuple[memoryview, Codec]:
    """The bytes of a value, without a copy where it lies in one piece, and the codec of answers
    that are like it.

    Raises `TypeError` for what is no bytes-like object.
    """
    numpy = numpy_if_loaded()
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        if value.dtype.hasobject:
            raise TypeError("an array of objects cannot be sent: nothing is pickled")
        little = value.dtype.newbyteorder("<")
        flat = numpy.ascontiguousarray(value, dtype=little)
        codec = NumpyCodec(numpy, value.dtype, value.shape)
        return memoryview(flat.reshape(-1).view(numpy.uint8)), codec
    if isinstance(value, array.array):
        if sys.byteorder == "big":
            value = value[:]
            value.byteswap()
        return memoryview(value).cast("B"), ArrayCodec(value)
    try:
        view = memoryview(value)
    except TypeError:
        raise TypeError(f"a round takes bytes, array.array or a numpy array, not "
                        f"{type(value).__name__}") from None
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    return view.cast("B") if view.nbytes else memoryview(b""), Codec()


def answer_codec(like: Codec, dtype: Any) -> Codec:
    """The codec of answers, where the caller asks for another dtype than that of the value."""
    if dtype is None:
        return like
    if dtype is bytes:
        codec = Codec()
        codec.number = like.number
        return codec
    import numpy
    codec = NumpyCodec(numpy, dtype, like._shape if isinstance(like, NumpyCodec) else None)
    return codec
